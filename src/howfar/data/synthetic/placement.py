"""Finding room for things: on the ground, in view, without touching each other."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from howfar.data.synthetic.palette import Rng
from howfar.data.synthetic.render import Eye, Placed
from howfar.data.synthetic.shapes import Model, Vector, yaw_matrix

NEAREST_M = 0.5
"""No part of an object comes nearer to the camera plane,"""
NEAREST_SHARE = 0.35
"""nor nearer than this share of its longest side: no bus fills the picture."""
TOWARDS_CAMERA = np.pi / 2
"""Yaw of a thing that faces the camera."""
ACROSS = {"fence": 0.0, "bollards": 0.0, "hedge": 0.0, "screen": TOWARDS_CAMERA}
"""Yaw at which long things hide most."""
Point = tuple[float, float]


@dataclass(frozen=True)
class Footprint:
    """A rectangle on the ground: corners X, Z in order, middle, half the diagonal."""

    corners: tuple[Point, Point, Point, Point]
    middle: Point
    radius: float


@dataclass(frozen=True, eq=False)
class Site:
    """A growing set of placed objects.

    Attributes:
        eye: who looks.
        inside: whether a ground point X, Z is allowed, the walls of a room say.
        placed: objects so far.
        footprints: what keeps others away.
    """

    eye: Eye
    inside: Callable[[float, float], bool]
    placed: list[Placed] = field(default_factory=list)
    footprints: list[Footprint] = field(default_factory=list)

    def put(self, model: Model, x: float, z: float, yaw: float, y: float = 0.0) -> bool:
        """Place a model at (x, z) if it fits; things with y > 0 stand on others and always do."""
        thing = Placed(model, (x, y, z), yaw)
        if not _clear_of_camera(thing, self.eye):
            return False
        if not y:
            mine = footprint(thing, model.body)
            if not all(self.inside(*corner) for corner in mine.corners):
                return False
            if any(touch(mine, other) for other in self.footprints):
                return False
            self.footprints.append(mine)
        self.placed.append(thing)
        return True

    def view_range(self, z: float) -> float:
        """Half the width in metres that the camera sees at depth z."""
        camera = self.eye.camera
        return z * camera.width / 2 / camera.fx

    def put_somewhere(self, rng: Rng, model: Model, near_m: float, far_m: float) -> bool:
        """Try a dozen places in view, near ones as often as far ones."""
        for _ in range(12):
            z = float(np.exp(rng.uniform(np.log(near_m), np.log(far_m))))
            x = float(rng.uniform(-0.95, 0.95)) * self.view_range(z)
            if self.put(model, x, z, float(rng.uniform(-np.pi, np.pi))):
                return True
        return False

    def put_before(self, rng: Rng, model: Model, target: Placed) -> bool:
        """Try to place a model between the camera and a target, so that it hides some of it."""
        x, _, z = target.position
        for _ in range(8):
            nearer = float(rng.uniform(0.4, 0.9))
            aside = float(rng.normal(0, 0.35))
            yaw = float(rng.uniform(-np.pi, np.pi))
            if model.label in ACROSS:
                yaw = ACROSS[model.label] + float(rng.normal(0, 0.35))
            if self.put(model, x * nearer + aside, z * nearer, yaw):
                return True
        return False


def footprint(thing: Placed, bounds: tuple[Vector, Vector]) -> Footprint:
    """The ground that bounds (low, high) in the frame of a placed model cover."""
    (x1, _, z1), (x2, _, z2) = bounds
    c, s = math.cos(thing.yaw), math.sin(thing.yaw)
    px, _, pz = thing.position

    def ground(x: float, z: float) -> Point:
        return px + c * x + s * z, pz - s * x + c * z

    return Footprint(
        (ground(x1, z1), ground(x1, z2), ground(x2, z2), ground(x2, z1)),
        ground((x1 + x2) / 2, (z1 + z2) / 2),
        math.hypot(x2 - x1, z2 - z1) / 2,
    )


def touch(a: Footprint, b: Footprint) -> bool:
    """Whether two rectangles overlap: no side of either separates them."""
    if math.dist(a.middle, b.middle) > a.radius + b.radius:
        return False
    for p, q, r in (a.corners[:3], b.corners[:3]):
        for along in ((q[0] - p[0], q[1] - p[1]), (r[0] - q[0], r[1] - q[1])):
            mine = [x * along[0] + z * along[1] for x, z in a.corners]
            others = [x * along[0] + z * along[1] for x, z in b.corners]
            if max(mine) < min(others) or max(others) < min(mine):
                return False
    return True


def _clear_of_camera(thing: Placed, eye: Eye) -> bool:
    low, high = thing.model.extents
    around = footprint(thing, (low, high))
    nearest = min(z for _, z in around.corners)
    _, down, ahead = eye.turn[:, 2].tolist()
    top = thing.position[1] + (high[1] if down < 0 else low[1])
    depth = down * (top - float(eye.position[1])) + ahead * nearest
    longest = max(high[0] - low[0], high[2] - low[2])
    return bool(depth >= max(NEAREST_M, NEAREST_SHARE * longest))


def on_top(rng: Rng, thing: Placed, margin: float = 0.12) -> Vector:
    """A random place (X, Y, Z) on the top of a placed model."""
    low, high = thing.model.extents
    x, z = (
        rng.uniform(low[k] + margin, max(high[k] - margin, low[k] + margin + 1e-3)) for k in (0, 2)
    )
    place = yaw_matrix(thing.yaw) @ np.array([x, high[1], z]) + np.array(thing.position)
    return float(place[0]), float(place[1]), float(place[2])
