"""Where the rays of a rectangle of pixels meet one part: exact depth, and how light falls there.

A pixel's ray is t * (x, y, 1) in the camera's frame, so that its parameter t *is* the depth z. In
the unit frame of a part the ray is o + t * M (x, y, 1): linear forms of x and y are affine over
the rectangle and quadratic ones separate, which leaves a dozen array operations for a part.

Every function takes `rays` and returns (t, facing), (h, w): depth in metres, inf where the part
is missed, and the cosine -1..1 between surface and light. Flat parts are met in float32 (their
depth is exact to 1e-5 of itself), round ones in float64, whose roots would cancel in float32.
Round parts must lie wholly before the camera.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from howfar.core.depth import BoolArray
from howfar.data.synthetic.shapes import Array, Shape, Vector

LEAF_VOLUME = np.random.default_rng(6).random((32, 32, 32)) < 0.5
"""Which cells of a lattice are leaves; repeated in space."""
ROUND = (Shape.ELLIPSOID, Shape.CONE, Shape.RING)


class Rays(NamedTuple):
    """Rays of a rectangle of pixels, seen from one part.

    Attributes:
        x, y: (w,) and (h, 1) slopes of the pixel centres; their type is that of the results.
        matrix: M above, as rows.
        origin: o above, the camera in the unit frame.
        light: direction to the light along the axes of the part, length 1.
        half: half sizes of the part in metres.
    """

    x: Array
    y: Array
    matrix: tuple[Vector, Vector, Vector]
    origin: Vector
    light: Vector
    half: Vector

    def axis(self, k: int) -> Array:
        """(h, w) component k of the direction M (x, y, 1)."""
        a, b, c = self.matrix[k]
        return a * self.x + (b * self.y + c)

    def affine(self, weights: Vector) -> Array:
        """(h, w) weights · M (x, y, 1)."""
        u, v, w = weights
        a, b, c = (u * p + v * q + w * r for p, q, r in zip(*self.matrix, strict=True))
        return a * self.x + (b * self.y + c)

    def quadratic(self, weights: Vector) -> Array:
        """(h, w) Σ_k weights_k * (M (x, y, 1))_k²."""
        xx = xy = xz = yy = yz = zz = 0.0
        for weight, (a, b, c) in zip(weights, self.matrix, strict=True):
            xx += weight * a * a
            xy += weight * a * b
            xz += weight * a * c
            yy += weight * b * b
            yz += weight * b * c
            zz += weight * c * c
        along = (xx * self.x + 2 * xz) * self.x + zz
        down = (yy * self.y + 2 * yz) * self.y
        total = (2 * xy * self.y) * self.x
        total += along
        total += down
        return total


Hit = tuple[Array, Array]


def hit(rays: Rays, shape: Shape, form: Vector, leaf_m: float) -> Hit:
    """Meet one part; see the module's text."""
    if shape is Shape.BOX:
        return _box(rays)
    if shape is Shape.ELLIPSOID:
        return _ellipsoid(rays, leaf_m)
    if shape is Shape.CONE:
        return _cone(rays, form[0], form[1])
    if shape is Shape.FRUSTUM:
        return _frustum(rays, form[0], form[1])
    if shape is Shape.RING:
        return _ring(rays, form[0])
    if shape is Shape.PANEL:
        return _panel(rays, form)
    return _plane(rays)


def _dot(a: Vector, b: Vector) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _sign(value: float) -> float:
    return 1.0 if value > 0 else -1.0


def _box(rays: Rays) -> Hit:
    """Slabs: the ray is inside from its last entry to its first exit."""
    enter, leave = _slab(rays, 0)
    facing = np.full_like(enter, _sign(rays.origin[0]) * rays.light[0])
    for k in (1, 2):
        near, far = _slab(rays, k)
        np.copyto(facing, _sign(rays.origin[k]) * rays.light[k], where=near > enter)
        np.maximum(enter, near, out=enter)
        np.minimum(leave, far, out=leave)
    missed = enter >= leave
    missed |= enter <= 0
    np.copyto(enter, np.inf, where=missed)
    return enter, facing


def _slab(rays: Rays, k: int) -> tuple[Array, Array]:
    """Where rays enter and leave |component k| <= 1."""
    inverse = rays.axis(k)
    np.reciprocal(inverse, out=inverse)
    middle = inverse * -rays.origin[k]
    np.abs(inverse, out=inverse)
    near = middle - inverse
    middle += inverse
    return near, middle


def _frustum(rays: Rays, top_x: float, top_z: float) -> Hit:
    """Six planes n · s <= c; the sides lean by half of what the top lacks."""
    lean_x, lean_z = (1 - top_x) / 2, (1 - top_z) / 2
    planes = (
        ((1.0, lean_x, 0.0), 1 - lean_x),
        ((-1.0, lean_x, 0.0), 1 - lean_x),
        ((0.0, lean_z, 1.0), 1 - lean_z),
        ((0.0, lean_z, -1.0), 1 - lean_z),
        ((0.0, 1.0, 0.0), 1.0),
        ((0.0, -1.0, 0.0), 1.0),
    )
    shape = np.broadcast_shapes(rays.x.shape, rays.y.shape)
    enter, facing = np.zeros(shape, rays.x.dtype), np.zeros(shape, rays.x.dtype)
    leave = np.full(shape, np.inf, rays.x.dtype)
    for normal, bound in planes:
        slope = rays.affine(normal)
        t = (bound - _dot(normal, rays.origin)) / slope
        inward = slope < 0
        later = inward & (t > enter)
        world = [n / h for n, h in zip(normal, rays.half, strict=True)]
        size = sum(n * n for n in world) ** 0.5
        cosine = sum(n * to for n, to in zip(world, rays.light, strict=True)) / size
        np.copyto(enter, t, where=later)
        np.copyto(facing, cosine, where=later)
        np.minimum(leave, t, out=leave, where=~inward)
    enter[~((enter < leave) & (enter > 0))] = np.inf
    return enter, facing


def _ellipsoid(rays: Rays, leaf_m: float) -> Hit:
    a = rays.quadratic((1.0, 1.0, 1.0))
    b = rays.affine(rays.origin)
    room = b * b
    room -= a * (_dot(rays.origin, rays.origin) - 1)
    missed = room <= 0
    np.copyto(room, 0, where=missed)
    root = np.sqrt(room, out=room)
    t = -b
    t -= root
    t /= a
    if leaf_m:
        far = (root - b) / a
        leaf, behind = (_is_leaf(rays, place, leaf_m) for place in (t, far))
        np.copyto(t, far, where=~leaf)
        missed |= ~(leaf | behind)
    facing = rays.affine(rays.light)
    facing *= t
    facing += _dot(rays.origin, rays.light)
    np.copyto(t, np.inf, where=missed)
    return t, facing


def _is_leaf(rays: Rays, t: Array, leaf_m: float) -> BoolArray:
    """Whether the point at depth t lies in a leaf."""
    cells = []
    for k in range(3):
        scale = rays.half[k] / leaf_m
        place = rays.axis(k) * t
        place += rays.origin[k]
        place *= scale
        cells.append(np.floor(place).astype(np.int64) & 31)
    leaf: BoolArray = LEAF_VOLUME[cells[0], cells[1], cells[2]]
    return leaf


def _cone(rays: Rays, bottom: float, top: float) -> Hit:
    """x² + z² = (mean + growth * y)² with the cap that faces the camera."""
    mean, growth = (bottom + top) / 2, (top - bottom) / 2
    a, b, c = _round_side(rays, mean, growth)
    room = b * b
    room -= a * c
    missed = room <= 0
    np.copyto(room, 0, where=missed)
    root = np.sqrt(room, out=room)
    down, start = rays.axis(1), rays.origin[1]
    best = (-b - root) / a
    missed |= np.abs(down * best + start) > 1
    np.copyto(best, np.inf, where=missed)
    if growth and a.min() < 0:  # a ray steeper than the side meets it once, at either root
        t = (root - b) / a
        fine = (room > 0) & (np.abs(down * t + start) <= 1) & (t < best)
        np.copyto(best, t, where=fine)
    flat = (rays.light[0], 0.0, rays.light[2])
    facing = rays.affine(flat)
    facing *= best
    facing += _dot(flat, rays.origin)
    if growth:
        facing /= np.maximum(mean + growth * (down * best + start), 0.02)
    if abs(start) > 1:
        side = _sign(start)
        t = np.divide(side - start, down)
        cap = (a * t + 2 * b) * t + c <= 0
        cap &= t < best
        np.copyto(best, t, where=cap)
        np.copyto(facing, side * rays.light[1], where=cap)
    return best, facing


def _round_side(rays: Rays, mean: float, growth: float) -> tuple[Array, Array, float]:
    """a, b, c of a t² + 2 b t + c = 0 for the round side of a cone."""
    x, y, z = rays.origin
    radius = mean + growth * y
    a = rays.quadratic((1.0, -(growth**2), 1.0))
    b = rays.affine((x, -growth * radius, z))
    return a, b, x * x + z * z - radius * radius


def _ring(rays: Rays, hole: float) -> Hit:
    """Outer wall, the flat side that faces the camera, and the inner wall behind the hole."""
    a, b, c = _round_side(rays, 1.0, 0.0)
    down, start = rays.axis(1), rays.origin[1]
    flat = (rays.light[0], 0.0, rays.light[2])
    best = np.full_like(a, np.inf)
    facing = np.zeros_like(a)
    for size, sign in ((1.0, -1.0), (hole, 1.0)):
        room = b * b - a * (c + 1 - size * size)
        t = (sign * np.sqrt(np.maximum(room, 0)) - b) / a
        fine = (room > 0) & (np.abs(down * t + start) <= 1) & (t > 0) & (t < best)
        np.copyto(best, t, where=fine)
        cosine = (rays.affine(flat) * t + _dot(flat, rays.origin)) * (-sign / size)
        np.copyto(facing, cosine, where=fine)
    if abs(start) > 1:
        side = _sign(start)
        t = np.divide(side - start, down)
        beyond = (a * t + 2 * b) * t + c + 1  # squared radius on the flat side
        cap = (beyond <= 1) & (beyond >= hole * hole) & (t > 0) & (t < best)
        np.copyto(best, t, where=cap)
        np.copyto(facing, side * rays.light[1], where=cap)
    return best, facing


def _panel(rays: Rays, form: Vector) -> Hit:
    t, facing = _surface(rays, 2)
    *counts, share = form
    missed = np.zeros(t.shape, bool)
    bar = np.full(t.shape, not share)
    for k, count in enumerate(counts):
        place = rays.axis(k)
        place *= t
        place += rays.origin[k]
        missed |= np.abs(place) > 1
        if share and count:
            place += 1
            place *= count / 2
            place -= np.floor(place)
            bar |= place < share
    missed |= ~bar
    np.copyto(t, np.inf, where=missed)
    return t, facing


def _plane(rays: Rays) -> Hit:
    return _surface(rays, 1)


def _surface(rays: Rays, k: int) -> Hit:
    """The plane on which component k is 0."""
    t = rays.axis(k)
    np.divide(-rays.origin[k], t, out=t)
    np.copyto(t, np.inf, where=~(t > 0))
    return t, np.full_like(t, _sign(rays.origin[k]) * rays.light[k])
