"""Colours: paint, texture, light, shadows on the ground and the sky."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from howfar.data.synthetic.render import Buffers, Eye, PartArray, Traced, World
from howfar.data.synthetic.shapes import Array, Color, Paint, Shape
from howfar.data.synthetic.textures import LEVELS, PITCH, SIDE, TILES, atlas

Picture = npt.NDArray[np.float32]
Point = tuple[Picture, Picture, Picture]
"""Points (h, w) x, y, z in the camera's frame."""
T = TypeVar("T", np.float32, np.bool_)
SLANT = (np.array([1.0, 0.4, 0.7]), np.array([0.25, 1.0, 0.55]))
"""Texture axes of a solid: a slanted projection, so that no upright face is streaked."""
GROUND_M = 0.03
"""Parts whose top is lower take shadows."""
SHADOW_SIDE = 384
"""Pixels along the square shadow map."""
BAND_PIXELS = 16000
"""Pixels that are coloured together: what a processor's cache holds, and `cv2.remap` takes."""


@dataclass(frozen=True)
class Light:
    """Light of a scene.

    Attributes:
        direction: to the light, length 1.
        ambient: share of light that comes from everywhere, 0..1.
        shadow: how much of the rest a shadow takes, 0..1.
        color: of the light.
        zenith, horizon: colours of the sky.
        clouds: 0..1.
    """

    direction: tuple[float, float, float]
    ambient: float
    shadow: float
    color: Color
    zenith: Color
    horizon: Color
    clouds: float


@dataclass(frozen=True, eq=False)
class Shadows:
    """Direct light (SHADOW_SIDE, SHADOW_SIDE), 0..1, on |X| < reach_m / 2, 0 < Z < reach_m."""

    lit: Picture
    reach_m: float


@dataclass(frozen=True, eq=False)
class _Paints:
    """What N parts look like: tables to be read by part.

    Attributes:
        first, change: (3, N) first colour under the light, and what leads to the second.
        run: (2, 4, N) texels along both texture axes for (x, y, z, 1) in the camera's frame.
        tile: (N,) left side of the texture in the atlas.
        fine: (N,) texels that a pixel covers at a depth of 1 m.
        ground: (N,) whether it takes shadows.
    """

    first: Picture
    change: Picture
    run: Picture
    tile: Picture
    fine: Picture
    ground: npt.NDArray[np.bool_]


def cast_shadows(world: World, light: Light, reach_m: float) -> Shadows:
    """Project the parts of all objects along the light onto the ground."""
    canvas = np.full((SHADOW_SIDE, SHADOW_SIDE), 255, np.uint8)
    lx, ly, lz = light.direction
    casts = np.flatnonzero(world.owner >= world.backdrops)
    corners = world.corners()[casts]
    flat = corners[..., [0, 2]] - corners[..., 1:2] * (lx / ly, lz / ly) + (reach_m / 2, 0)
    points = np.clip(flat * (SHADOW_SIDE / reach_m) * 16, -1e6, 1e6).astype(np.int32)
    for corner in points:
        cv2.fillConvexPoly(canvas, cv2.convexHull(corner), 0, cv2.LINE_8, 4)
    soft = np.asarray(cv2.GaussianBlur(canvas, (5, 5), 1.2), np.float32)
    return Shadows(soft / np.float32(255), reach_m)


def shade(world: World, traced: Traced, eye: Eye, light: Light, shadows: Shadows) -> Picture:
    """Colour every pixel: planes (3, H, W) float32 of red, green, blue, 0..1 and a little more."""
    paints = _paints(world, traced, eye, light)
    height, width = traced.buffers.depth.shape
    color = np.empty((3, height, width), np.float32)
    xs, ys = (slope.astype(np.float32) for slope in eye.slopes())
    step = max(BAND_PIXELS // width, 1)
    for top in range(0, height, step):
        band = traced.buffers.cut(0, top, width, min(top + step, height))
        y = ys[top : top + step, None]
        _shade_band(paints, band, (xs, y), eye, light, shadows, color[:, top : top + step])
    return color


@np.errstate(all="ignore")
def _shade_band(
    paints: _Paints,
    band: Buffers,
    slopes: tuple[Picture, Picture],
    eye: Eye,
    light: Light,
    shadows: Shadows,
    color: Picture,
) -> None:
    """Write the colours of some rows."""
    sky = band.part < 0
    z = np.where(sky, np.float32(1), band.depth)
    point = (z * slopes[0], z * slopes[1], z)
    direct = (0.5 + 0.5 * band.facing) ** 2
    ground = _look_up(paints.ground, band.part)
    if ground.any():
        lit = _shadow_at(eye, light, shadows, point)
        np.multiply(direct, lit, out=direct, where=ground)
    direct *= 1 - light.ambient
    direct += light.ambient
    mix = _texture(paints, band.part, point)
    for plane, first, change in zip(color, paints.first, paints.change, strict=True):
        np.multiply(_look_up(change, band.part), mix, out=plane)
        plane += _look_up(first, band.part)
        plane *= direct
    if sky.any():
        np.copyto(color, _sky(eye, light, slopes), where=sky)


def _look_up(table: npt.NDArray[T], part: PartArray) -> npt.NDArray[T]:
    """Entries of a table (N,) by part (h, w); the sky reads the first."""
    return np.take(table, part, mode="clip")


def _along(weights: Sequence[float | Picture], point: Point) -> Picture:
    """a x + b y + c z + d of points (h, w); the weights are numbers or (h, w)."""
    a, b, c, d = weights
    total = a * point[0]
    total += b * point[1]
    total += c * point[2]
    total += d
    return np.asarray(total, np.float32)


def _paints(world: World, traced: Traced, eye: Eye, light: Light) -> _Paints:
    tint = np.array(light.color, np.float32)
    first = np.array([p.color for p in world.paints], np.float32) * tint
    second = np.array([p.second or p.color for p in world.paints], np.float32) * tint
    density = np.array([SIDE / p.tile_m for p in world.paints])
    axes = np.array([_axes(*pair) for pair in zip(world.shapes, world.paints, strict=True)])
    weights = axes * density[:, None, None]
    slope = weights @ traced.matrix
    start = weights @ traced.origin[:, :, None]
    flat = (world.kinds == Shape.PLANE) | (world.kinds == Shape.PANEL)
    top = world.center[:, 1] + np.where(flat, 0, world.half[:, 1])
    return _Paints(
        first.T.copy(),
        (second - first).T.copy(),
        np.concatenate([slope, start], axis=2).transpose(1, 2, 0).astype(np.float32, order="C"),
        np.array([TILES.index(p.texture) * PITCH for p in world.paints], np.float32),
        (density / eye.camera.fx).astype(np.float32),
        top < GROUND_M,
    )


def _axes(shape: Shape, paint: Paint) -> tuple[Array, Array]:
    """Directions in a part's frame along which its texture runs."""
    if shape is Shape.PLANE:
        return np.array([1.0, 0, 0]), np.array([0.0, 0, 1])
    if shape is Shape.PANEL:
        return np.array([1.0, 0, 0]), np.array([0.0, 1, 0])
    if paint.upright:
        return np.array([1.0, 0, 1]), np.array([0.0, 1, 0])
    return SLANT


def _texture(paints: _Paints, part: PartArray, point: Point) -> Picture:
    """Share (h, w) of the second colour."""
    place = []
    for table in paints.run:
        texel = _along([_look_up(row, part) for row in table], point)
        texel -= np.floor(texel * np.float32(1 / SIDE)) * SIDE
        texel += 1
        place.append(texel)
    fine = _look_up(paints.fine, part) * point[2]
    level = np.clip(np.rint(np.log2(fine)), 0, LEVELS - 1)
    level *= PITCH
    place[0] += _look_up(paints.tile, part)
    place[1] += level
    return np.asarray(cv2.remap(atlas(), place[0], place[1], cv2.INTER_LINEAR), np.float32)


def _shadow_at(eye: Eye, light: Light, shadows: Shadows, point: Point) -> Picture:
    """Direct light (h, w) of points on the ground, 0..1."""
    scale = SHADOW_SIDE / shadows.reach_m
    place = []
    for k, middle in ((0, SHADOW_SIDE / 2), (2, 0.0)):
        weights = [*(eye.turn[k] * scale).tolist(), eye.position[k] * scale + middle - 0.5]
        place.append(_along([float(w) for w in weights], point))
    lit = cv2.remap(
        shadows.lit,
        place[0],
        place[1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=1.0,
    )
    shown: Picture = 1 - np.float32(light.shadow) * (1 - lit)
    return shown


def _sky(eye: Eye, light: Light, slopes: tuple[Picture, Picture]) -> Picture:
    """Planes (3, h, w) of a gradient from horizon to zenith with clouds."""
    x, y = slopes
    rise = (eye.turn[1, 1] * y + eye.turn[1, 2]).astype(np.float32)
    column = (x * 90 + 300) % SIDE + TILES.index("cloud") * PITCH + 1
    row = (rise * 170 + 200) % SIDE + 1
    shape = (len(y), len(x))
    places = [np.ascontiguousarray(np.broadcast_to(a, shape)) for a in (column, row)]
    cloud = cv2.remap(atlas(), places[0], places[1], cv2.INTER_LINEAR)
    white = np.clip((cloud - 0.55) * 4, 0, 1) * np.float32(light.clouds)
    share = np.clip(rise * 1.6, 0, 1)
    ends = (np.array(c, np.float32)[:, None, None] for c in (light.horizon, light.zenith))
    horizon, zenith = ends
    clear = horizon + (zenith - horizon) * share
    mixed: Picture = clear + (1 - clear) * white
    return mixed
