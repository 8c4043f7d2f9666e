"""What the synthetic world is built from: painted parts, and models made of them.

Models stand in their own frame in metres: x along their length (they face +x), y up from the
ground, z along their width. Every part lives in a unit frame s = (x, y, z) / half sizes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]
BODY_M = 1.6
Color = tuple[float, float, float]
Vector = tuple[float, float, float]


class Shape(IntEnum):
    """Solid or surface that a part is, in its unit frame."""

    BOX = 0
    """|x|, |y|, |z| <= 1."""
    FRUSTUM = 1
    """A box whose top is scaled by `form[0]` along x and `form[1]` along z."""
    ELLIPSOID = 2
    """x² + y² + z² <= 1."""
    CONE = 3
    """Upright, |y| <= 1; radius `form[0]` at the bottom, `form[1]` at the top, both <= 1."""
    RING = 4
    """Upright tube |y| <= 1 between the radii `form[0]` and 1."""
    PANEL = 5
    """Rectangle z = 0 in |x|, |y| <= 1; `form` = bars across x, bars along y, share of bar."""
    PLANE = 6
    """Endless plane y = 0."""


@dataclass(frozen=True)
class Paint:
    """Colours (RGB 0..1) of a part and the texture (a name of `textures.TILES`) that mixes them.

    `tile_m` is the side of one tile in metres. `upright` paints vertical faces without slant.
    """

    color: Color
    second: Color | None = None
    texture: str = "plain"
    tile_m: float = 1.0
    upright: bool = False


@dataclass(frozen=True, eq=False)
class Part:
    """One shape: centre and half sizes in metres, rotation (3, 3) from its frame to the model's.

    `leaf_m` > 0 makes an ellipsoid of leaves of that size with holes between them.
    """

    shape: Shape
    center: Vector
    half: Vector
    paint: Paint
    turn: Array | None = None
    form: Vector = (1.0, 1.0, 0.0)
    leaf_m: float = 0.0


@dataclass(frozen=True, eq=False)
class Model:
    """A thing to be placed.

    Attributes:
        label: class name, a COCO name where one fits.
        kind: `solid`, `hollow` or `curved`.
        parts: what it is made of.
        detected: False for things that no detector boxes (poles, hedges).
        semantic: name of its semantic class; the label unless given.
    """

    label: str
    kind: str
    parts: tuple[Part, ...]
    detected: bool = True
    semantic: str = ""

    @cached_property
    def extents(self) -> tuple[Vector, Vector]:
        """Lower and upper corner of its bounds in its own frame."""
        return extents(self.parts)

    @cached_property
    def body(self) -> tuple[Vector, Vector]:
        """Bounds of the parts that begin below BODY_M: one may stand under a tree."""
        low = tuple(p for p in self.parts if p.center[1] - p.half[1] < BODY_M)
        return self.extents if len(low) == len(self.parts) else extents(low)


def yaw_matrix(yaw: float) -> Array:
    """Rotation (3, 3) by `yaw` radians about the vertical, as KITTI's rotation_y turns."""
    c, s = math.cos(yaw), math.sin(yaw)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


SIDEWAYS = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""Turns the y axis of a part to z: wheels; a panel so turned lies on the ground."""


def box(paint: Paint, base: Vector, size: Vector) -> Part:
    """A cuboid of `size` that stands centred on `base`."""
    x, y, z = base
    half = (size[0] / 2, size[1] / 2, size[2] / 2)
    return Part(Shape.BOX, (x, y + half[1], z), half, paint)


def frustum(paint: Paint, base: Vector, size: Vector, top: tuple[float, float]) -> Part:
    """A cuboid whose top is scaled by `top` along x and z."""
    return replace(box(paint, base, size), shape=Shape.FRUSTUM, form=(top[0], top[1], 0.0))


def ball(paint: Paint, center: Vector, radii: Vector, leaf_m: float = 0.0) -> Part:
    """An ellipsoid; of leaves where `leaf_m` > 0."""
    return Part(Shape.ELLIPSOID, center, radii, paint, leaf_m=leaf_m)


def cone(paint: Paint, base: Vector, height: float, bottom: float, top: float) -> Part:
    """An upright cylinder or truncated cone with radii `bottom` and `top`."""
    widest = max(bottom, top)
    x, y, z = base
    return Part(
        Shape.CONE,
        (x, y + height / 2, z),
        (widest, height / 2, widest),
        paint,
        form=(bottom / widest, top / widest, 0.0),
    )


def rod(paint: Paint, start: Vector, end: Vector, bottom: float, top: float | None = None) -> Part:
    """A cylinder from `start` to `end`, its radius going from `bottom` to `top`."""
    (ax, ay, az), (bx, by, bz) = start, end
    dx, dy, dz = bx - ax, by - ay, bz - az
    length = math.sqrt(dx * dx + dy * dy + dz * dz)
    dx, dy, dz = dx / length, dy / length, dz / length
    across = math.hypot(dx, dy)
    sx, sy = (dy / across, -dx / across) if across > 1e-3 else (1.0, 0.0)
    turn = np.array([[sx, dx, sy * dz], [sy, dy, -sx * dz], [0.0, dz, sx * dy - sy * dx]])
    part = cone(paint, (0.0, 0.0, 0.0), length, bottom, bottom if top is None else top)
    return replace(part, center=((ax + bx) / 2, (ay + by) / 2, (az + bz) / 2), turn=turn)


def wheel(paint: Paint, center: Vector, radius: float, width: float, hole: float = 0.0) -> Part:
    """A wheel that rolls along x; a ring with an inner radius of `hole` * radius where > 0."""
    shape = Shape.RING if hole else Shape.CONE
    form = (hole, 1.0, 0.0) if hole else (1.0, 1.0, 0.0)
    return Part(shape, center, (radius, width / 2, radius), paint, SIDEWAYS, form)


def bars(paint: Paint, base: Vector, size: tuple[float, float], form: Vector) -> Part:
    """An upright lattice along x of `size` (length, height): see `Shape.PANEL`."""
    x, y, z = base
    center = (x, y + size[1] / 2, z)
    return Part(Shape.PANEL, center, (size[0] / 2, size[1] / 2, 1.0), paint, form=form)


def extents(parts: tuple[Part, ...]) -> tuple[Vector, Vector]:
    """Lower and upper corner of the axis-aligned bounds of parts in their model's frame."""
    reaches = [_reach(part) for part in parts]
    low = [min(p.center[k] - r[k] for p, r in zip(parts, reaches, strict=True)) for k in range(3)]
    high = [max(p.center[k] + r[k] for p, r in zip(parts, reaches, strict=True)) for k in range(3)]
    return (low[0], low[1], low[2]), (high[0], high[1], high[2])


def _reach(part: Part) -> Vector:
    """Half extent of one part along the axes of its model."""
    x, y, z = part.half
    half = (x, y, 0.0 if part.shape is Shape.PANEL else z)
    if part.turn is None:
        return half
    axes = part.turn * np.array(half)
    if part.shape is Shape.ELLIPSOID:
        reach: Array = np.sqrt((axes**2).sum(axis=1))
    elif part.shape in (Shape.CONE, Shape.RING):
        reach = np.hypot(axes[:, 0], axes[:, 2]) + np.abs(axes[:, 1])
    else:
        reach = np.abs(axes).sum(axis=1)
    return float(reach[0]), float(reach[1]), float(reach[2])
