"""A ray caster for scenes of simple parts: depth, owner and light of every pixel.

Each object is drawn into a layer of its own first, which gives its silhouette as if nothing hid
it; the layers are then merged by depth. All numbers hold at pixel centres.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from howfar.core.camera import Camera
from howfar.core.depth import BoolArray
from howfar.data.synthetic.intersect import ROUND, Rays, hit
from howfar.data.synthetic.shapes import Array, Model, Paint, Shape, Vector, yaw_matrix

NEAR_M = 0.15
"""What lies closer to the camera plane is not bounded by the corners of a part."""
FAR_M = 400.0
"""Ground beyond this is sky: it covers less than a row of pixels."""
CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float64)
PartArray = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Placed:
    """A model at a place in the world (X right, Y up, Z forward), turned by `yaw` radians."""

    model: Model
    position: Vector = (0.0, 0.0, 0.0)
    yaw: float = 0.0


@dataclass(frozen=True, eq=False)
class Eye:
    """A camera in the world: `turn` (3, 3) leads from its frame (Y down) to the world's (Y up)."""

    camera: Camera
    position: Array
    turn: Array

    def shifted(self, baseline_m: float) -> Eye:
        """The eye moved to its right."""
        return Eye(self.camera, self.position + self.turn[:, 0] * baseline_m, self.turn)

    def slopes(self) -> tuple[Array, Array]:
        """Slopes x (W,) and y (H,) of the pixel centres."""
        camera = self.camera
        x = (np.arange(camera.width) + 0.5 - camera.cx) / camera.fx
        return x, (np.arange(camera.height) + 0.5 - camera.cy) / camera.fy


def eye_at(camera: Camera, height_m: float, pitch: float) -> Eye:
    """An eye `height_m` above the origin that looks along Z, `pitch` radians downwards."""
    c, s = np.cos(pitch), np.sin(pitch)
    turn = np.array([[1.0, 0, 0], [0, -c, -s], [0, -s, c]])
    return Eye(camera, np.array([0.0, height_m, 0.0]), turn)


@dataclass(frozen=True, eq=False)
class World:
    """All parts of a scene as arrays; N parts of which the first come from the background.

    Attributes:
        placed: the background (owner 0 .. backdrops - 1), then the objects.
        backdrops: how many of `placed` are background.
        shapes, forms, leaves, paints: of each part.
        owner: (N,) index into `placed`.
        center, half: (N, 3) metres.
        turn: (N, 3, 3) from the part's frame to the world's.
    """

    placed: tuple[Placed, ...]
    backdrops: int
    shapes: tuple[Shape, ...]
    forms: tuple[Vector, ...]
    leaves: tuple[float, ...]
    paints: tuple[Paint, ...]
    owner: npt.NDArray[np.int64]
    center: Array
    half: Array
    turn: Array

    @cached_property
    def kinds(self) -> npt.NDArray[np.int64]:
        """(N,) `shapes` as an array."""
        return np.array(self.shapes, np.int64)

    def corners(self) -> Array:
        """(N, 8, 3) corners of the parts' boxes in the world."""
        half = self.half.copy()
        half[self.kinds == Shape.PANEL, 2] = 0
        half[self.kinds == Shape.PLANE] = 0
        reach = (CORNERS * half[:, None]) @ self.turn.transpose(0, 2, 1)
        return reach + self.center[:, None]


def build(background: Sequence[Placed], objects: Sequence[Placed]) -> World:
    """Collect the parts of placed models."""
    placed = (*background, *objects)
    parts = [(i, part) for i, thing in enumerate(placed) for part in thing.model.parts]
    turns = np.stack([yaw_matrix(thing.yaw) for thing in placed])
    owner = np.array([i for i, _ in parts])
    local = np.stack([np.eye(3) if part.turn is None else part.turn for _, part in parts])
    center = np.array([part.center for _, part in parts])
    position = np.array([thing.position for thing in placed])
    return World(
        placed,
        len(background),
        tuple(part.shape for _, part in parts),
        tuple(part.form for _, part in parts),
        tuple(part.leaf_m for _, part in parts),
        tuple(part.paint for _, part in parts),
        owner,
        (turns[owner] @ center[:, :, None])[:, :, 0] + position[owner],
        np.array([part.half for _, part in parts]),
        turns[owner] @ local,
    )


@dataclass(frozen=True, eq=False)
class Silhouette:
    """Pixels of one object as if it were alone.

    Attributes:
        x1, y1: corner of `mask` in the picture.
        mask: (h, w), empty where the object is outside the picture.
        bounds: x1, y1, x2, y2 in pixels around the object, not clipped to the picture.
    """

    x1: int
    y1: int
    mask: BoolArray
    bounds: Array


class Buffers(NamedTuple):
    """What a rectangle of pixels shows: depth (inf for sky), index of the part, light's cosine."""

    depth: npt.NDArray[np.float32]
    part: PartArray
    facing: npt.NDArray[np.float32]

    @classmethod
    def empty(cls, height: int, width: int) -> Buffers:
        """Nothing but sky; `part` is -1."""
        return cls(
            np.full((height, width), np.inf, np.float32),
            np.full((height, width), -1, np.intp),
            np.zeros((height, width), np.float32),
        )

    def cut(self, x1: int, y1: int, x2: int, y2: int) -> Buffers:
        """A view of a part of these buffers."""
        rows, columns = slice(y1, y2), slice(x1, x2)
        return Buffers(
            self.depth[rows, columns], self.part[rows, columns], self.facing[rows, columns]
        )


@dataclass(frozen=True, eq=False)
class Traced:
    """A traced picture.

    Attributes:
        buffers: of the whole picture.
        silhouettes: one for each object.
        origin, matrix: (N, 3) and (N, 3, 3) of each part, in metres: see `intersect.Rays`.
    """

    buffers: Buffers
    silhouettes: tuple[Silhouette, ...]
    origin: Array
    matrix: Array


@np.errstate(all="ignore")
def trace(world: World, eye: Eye, light: Array) -> Traced:
    """Draw a world; `light` (3,) points to the light, length 1."""
    camera = eye.camera
    x, y = eye.slopes()
    inverse = world.turn.transpose(0, 2, 1)
    matrix = inverse @ eye.turn
    origin = (inverse @ (eye.position - world.center)[:, :, None])[:, :, 0]
    unit, start = matrix / world.half[:, :, None], origin / world.half
    unit[:, :, 2] += 1e-9  # no ray runs exactly along a face
    lights = inverse @ light
    bounds = _bounds(world, eye)
    pixels = _whole_pixels(bounds, camera)

    flat_x, flat_y = x.astype(np.float32), y.astype(np.float32)[:, None]
    round_x, round_y = x, y[:, None]
    rows, starts, tos, halves = (a.tolist() for a in (unit, start, lights, world.half))

    def draw(buffers: Buffers, i: int, x0: int, y0: int) -> None:
        x1, y1, x2, y2 = pixels[i]
        if x1 >= x2 or y1 >= y2:
            return
        shape = world.shapes[i]
        xs, ys = (round_x, round_y) if shape in ROUND else (flat_x, flat_y)
        rays = Rays(xs[x1:x2], ys[y1:y2], rows[i], starts[i], tos[i], halves[i])
        t, facing = hit(rays, shape, world.forms[i], world.leaves[i])
        target = buffers.cut(x1 - x0, y1 - y0, x2 - x0, y2 - y0)
        closer = t < target.depth
        if not closer.any():
            return
        np.copyto(target.depth, t, where=closer, casting="same_kind")
        np.copyto(target.facing, facing, where=closer, casting="same_kind")
        np.copyto(target.part, i, where=closer)

    picture = Buffers.empty(camera.height, camera.width)
    silhouettes = []
    first = np.searchsorted(world.owner, np.arange(len(world.placed) + 1)).tolist()
    hulls = np.concatenate(
        [
            np.minimum.reduceat(bounds[:, :2], first[:-1]),
            np.maximum.reduceat(bounds[:, 2:], first[:-1]),
        ],
        axis=1,
    )
    wholes = _whole_pixels(hulls, camera)
    for i in range(first[world.backdrops]):
        draw(picture, i, 0, 0)
    for owner in range(world.backdrops, len(world.placed)):
        mine = range(first[owner], first[owner + 1])
        x1, y1, x2, y2 = wholes[owner]
        layer = Buffers.empty(max(y2 - y1, 0), max(x2 - x1, 0))
        for i in mine:
            draw(layer, i, x1, y1)
        silhouettes.append(Silhouette(x1, y1, np.isfinite(layer.depth), hulls[owner]))
        target = picture.cut(x1, y1, x2, y2)
        closer = layer.depth < target.depth
        np.copyto(target.depth, layer.depth, where=closer)
        np.copyto(target.part, layer.part, where=closer)
        np.copyto(target.facing, layer.facing, where=closer)
    far = picture.depth > FAR_M
    np.copyto(picture.depth, np.inf, where=far)
    np.copyto(picture.part, -1, where=far)
    return Traced(picture, tuple(silhouettes), origin, matrix)


def _bounds(world: World, eye: Eye) -> Array:
    """(N, 4) x1, y1, x2, y2 in pixels around each part; endless where it passes the camera."""
    camera = eye.camera
    corners = (world.corners() - eye.position) @ eye.turn
    slopes = corners[:, :, :2] / corners[:, :, 2:]
    low, high = slopes.min(axis=1), slopes.max(axis=1)
    round_ones = world.kinds == Shape.ELLIPSOID
    low[round_ones], high[round_ones] = _round_bounds(world, eye, round_ones)
    planes = world.kinds == Shape.PLANE
    behind = ~planes & (corners[:, :, 2].max(axis=1) < NEAR_M)
    for i in np.flatnonzero((corners[:, :, 2].min(axis=1) < NEAR_M) & ~behind & ~planes):
        low[i], high[i] = _clipped_bounds(corners[i])
    low[planes], high[planes] = -1e3, 1e3
    low[behind], high[behind] = 1e3, -1e3
    scale, shift = np.array([camera.fx, camera.fy]), np.array([camera.cx, camera.cy])
    return np.concatenate([low * scale + shift, high * scale + shift], axis=1)


def _clipped_bounds(corners: Array) -> tuple[Array, Array]:
    """Slopes (2,) around what of eight corners' hull lies beyond the plane z = NEAR_M."""
    front = corners[corners[:, 2] >= NEAR_M]
    back = corners[corners[:, 2] < NEAR_M]
    share = (NEAR_M - back[:, 2]) / (front[:, None, 2] - back[:, 2])
    crossing = back + share[..., None] * (front[:, None] - back)
    points = np.concatenate([front, crossing.reshape(-1, 3)])
    slopes = points[:, :2] / points[:, 2:]
    return slopes.min(axis=0), slopes.max(axis=0)


def _round_bounds(world: World, eye: Eye, which: BoolArray) -> tuple[Array, Array]:
    """Exact slopes (n, 2) around ellipsoids, from the dual conic c cᵀ - E Eᵀ."""
    axes = (eye.turn.T @ world.turn[which]) * world.half[which][:, None, :]
    center = (world.center[which] - eye.position) @ eye.turn
    dual = center[:, :, None] * center[:, None, :] - axes @ axes.transpose(0, 2, 1)
    diagonal = np.stack([dual[:, 0, 0], dual[:, 1, 1]], axis=1)
    middle, depth = dual[:, :2, 2], dual[:, 2, 2][:, None]
    spread = np.sqrt(np.maximum(middle**2 - diagonal * depth, 0))
    return (middle - spread) / depth, (middle + spread) / depth


def _whole_pixels(bounds: Array, camera: Camera) -> list[list[int]]:
    """The pixels whose centres lie in each of (N, 4) bounds, clipped to the picture."""
    limit = np.array([camera.width, camera.height] * 2)
    place = np.concatenate([np.ceil(bounds[:, :2] - 0.5), np.floor(bounds[:, 2:] + 0.5)], axis=1)
    clipped = np.clip(np.nan_to_num(place), 0, limit).astype(np.int64)
    pixels: list[list[int]] = clipped.tolist()
    return pixels
