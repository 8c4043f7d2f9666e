"""Streets: a road with pavements, houses, parked and driving vehicles, people, fences, trees."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from howfar.data.synthetic import furniture, people, small_things, street_things
from howfar.data.synthetic.palette import (
    Rng,
    anything,
    darker,
    leaves,
    patterned,
    plain,
    tone,
    wood,
)
from howfar.data.synthetic.placement import TOWARDS_CAMERA, Site
from howfar.data.synthetic.render import Eye, Placed
from howfar.data.synthetic.shapes import (
    SIDEWAYS,
    Model,
    Paint,
    Part,
    Shape,
    ball,
    box,
    frustum,
)

Maker = Callable[[Rng], Model]
VEHICLES: tuple[Maker, ...] = (
    street_things.car,
    street_things.car,
    street_things.car,
    street_things.car,
    street_things.truck,
    street_things.bus,
    people.motorcycle,
)
ON_PAVEMENT: tuple[Maker, ...] = (
    people.person,
    people.person,
    people.person,
    people.person,
    people.bicycle,
    people.bicycle,
    street_things.bench,
    street_things.fire_hydrant,
    street_things.traffic_light,
    street_things.stop_sign,
    furniture.potted_plant,
    furniture.chair,
    small_things.sports_ball,
    furniture.suitcase,
    people.motorcycle,
)
SCENERY: tuple[Maker, ...] = (
    street_things.pole,
    street_things.tree,
    street_things.hedge,
    street_things.litter_bin,
    street_things.bollards,
)
BEFORE: tuple[Maker, ...] = (
    street_things.fence,
    street_things.fence,
    street_things.hedge,
    street_things.pole,
    street_things.pole,
    street_things.tree,
    street_things.bollards,
    people.person,
    people.person,
    people.bicycle,
    people.bicycle,
    street_things.bench,
)


@dataclass(frozen=True)
class Road:
    """A straight road: its direction `yaw` from the camera's, the camera's place beside its middle.

    All in metres: `half_m` half the carriageway, `offset_m` the camera's place to the right.
    """

    yaw: float
    half_m: float
    offset_m: float

    def place(self, side_m: float, along_m: float) -> tuple[float, float]:
        """X, Z of a point `side_m` right of the middle and `along_m` ahead."""
        c, s, out = np.cos(self.yaw), np.sin(self.yaw), side_m - self.offset_m
        return float(c * out + s * along_m), float(c * along_m - s * out)

    def side(self, x: float, z: float) -> float:
        """How far right of the road's middle a point lies."""
        return x * math.cos(self.yaw) - z * math.sin(self.yaw) + self.offset_m

    @property
    def heading(self) -> float:
        """Yaw of a vehicle that drives away along the road."""
        return self.yaw - TOWARDS_CAMERA


def a_road(rng: Rng) -> Road:
    """Mostly along the view, sometimes across it."""
    half = rng.uniform(3.2, 5.0)
    if rng.random() < 0.25:
        side = float(rng.choice([-1.0, 1.0]))
        yaw = side * rng.uniform(0.9, 1.57)
        return Road(yaw, half, side * (half + rng.uniform(0.5, 2.0)))
    return Road(float(rng.normal(0, 0.15)), half, rng.uniform(-0.9, 0.9) * half)


def furnish(rng: Rng, eye: Eye) -> tuple[list[Placed], list[Placed]]:
    """A street's background and its objects."""
    road = a_road(rng)
    setback = road.half_m + rng.uniform(2.0, 3.5)
    site = Site(eye, lambda x, z: abs(road.side(x, z)) < setback + 2.5)
    for _ in range(int(rng.integers(1, 7))):
        _put_vehicle(rng, site, road)
    for _ in range(int(rng.integers(0, 3))):
        side, along = float(rng.choice([-1.0, 1.0])), rng.uniform(3, 25)
        site.put(street_things.fence(rng), *road.place(side * (setback + 0.3), along), road.heading)
    for _ in range(int(rng.integers(2, 8))):
        _put_beside(rng, site, road, ON_PAVEMENT)
    for _ in range(int(rng.integers(0, 5))):
        _put_beside(rng, site, road, SCENERY)
    for _ in range(int(rng.integers(0, 5))):
        if site.placed:
            target = site.placed[int(rng.integers(len(site.placed)))]
            site.put_before(rng, BEFORE[int(rng.integers(len(BEFORE)))](rng), target)
    background = [*_ground(rng, road, setback), *_houses(rng, road, setback + 3), _hills(rng)]
    return background, site.placed


def _put_vehicle(rng: Rng, site: Site, road: Road) -> None:
    model = VEHICLES[int(rng.integers(len(VEHICLES)))](rng)
    for _ in range(6):
        side = float(rng.choice([-1.0, 1.0]))
        lane = rng.uniform(0.3, 0.55) if rng.random() < 0.4 else 1 - 1.1 / road.half_m
        x, z = road.place(side * lane * road.half_m, float(np.exp(rng.uniform(1.6, 3.9))))
        if abs(x) > 1.15 * site.view_range(z):
            x, z = road.place(side * lane * road.half_m, rng.uniform(-8, 8))
        yaw = road.heading + (np.pi if side < 0 else 0.0) + float(rng.normal(0, 0.06))
        if rng.random() < 0.15:
            yaw = float(rng.uniform(-np.pi, np.pi))
        if site.put(model, x, z, yaw):
            return


def _put_beside(rng: Rng, site: Site, road: Road, makers: tuple[Maker, ...]) -> None:
    model = makers[int(rng.integers(len(makers)))](rng)
    for _ in range(8):
        side = float(rng.choice([-1.0, 1.0])) * (road.half_m + rng.uniform(0.3, 2.2))
        x, z = road.place(side, float(np.exp(rng.uniform(1.0, 3.4))))
        if rng.random() < 0.4:  # anywhere in view, on the road too
            z = float(np.exp(rng.uniform(0.9, 3.2)))
            x = rng.uniform(-0.9, 0.9) * site.view_range(z)
        facing = model.label in ("stop sign", "traffic light") and rng.random() < 0.7
        yaw = (
            TOWARDS_CAMERA + float(rng.normal(0, 0.3)) if facing else float(rng.uniform(-3.1, 3.1))
        )
        if abs(x) < site.view_range(z) and site.put(model, x, z, yaw):
            return


def _ground(rng: Rng, road: Road, setback: float) -> list[Placed]:
    """Grass, pavements, the carriageway and its marks, each a few millimetres above the last."""
    gray = tone(rng, (0.5, 0.7), 0.08, (0.22, 0.5))
    asphalt = Paint(gray, darker(gray, 0.75), "grain", rng.uniform(1.5, 3))
    stone = tone(rng, (0.05, 0.12), 0.2, (0.45, 0.75))
    slabs = Paint(stone, darker(stone, 0.8), str(rng.choice(["checker", "brick", "grain"])), 1.2)
    grass = leaves(rng) if rng.random() < 0.7 else patterned(rng, stone, ("grain", "cloud"), 2.0)
    plane = Part(Shape.PLANE, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), grass)
    things = [Placed(Model("terrain", "solid", (plane,), semantic="terrain"))]
    walk = (setback - road.half_m) / 2
    strips = [(s * (road.half_m + walk), walk, slabs, 0.003, "sidewalk") for s in (-1, 1)]
    strips.append((0.0, road.half_m, asphalt, 0.006, "road"))
    white = plain((0.85, 0.85, 0.82))
    strips += [(s * (road.half_m - 0.15), 0.06, white, 0.009, "road") for s in (-1, 1)]
    for side, half, paint, height, name in strips:
        things.append(_strip(road, side, half, paint, height, name, 0))
    if rng.random() < 0.8:
        things.append(_strip(road, 0.0, 0.07, white, 0.012, "road", 50))
    return things


def _strip(
    road: Road, side: float, half: float, paint: Paint, height: float, name: str, dashes: int
) -> Placed:
    """A band along the road, 300 m long."""
    form = (0.0, float(dashes), 0.45 if dashes else 0.0)
    part = Part(Shape.PANEL, (0.0, 0.0, 0.0), (half, 150.0, 1.0), paint, SIDEWAYS, form)
    x, z = road.place(side, 0.0)
    return Placed(Model(name, "solid", (part,), semantic=name), (x, height, z), road.yaw)


def _houses(rng: Rng, road: Road, front: float) -> list[Placed]:
    """Rows of houses with gable or flat roofs on both sides; some gaps."""
    things = []
    for side in (-1, 1):
        along = rng.uniform(-25, -15)
        while along < 60:
            wide, deep = rng.uniform(7, 13), rng.uniform(7, 9)
            if rng.random() < 0.75:
                x, z = road.place(side * (front + deep / 2 + rng.uniform(0, 2)), along + wide / 2)
                yaw = road.heading + (0.0 if side > 0 else np.pi)
                things.append(Placed(_house(rng, wide, deep, along < 30), (x, 0.0, z), yaw))
            along += wide + rng.uniform(0.2, 4)
    return things


def _house(rng: Rng, wide: float, deep: float, near: bool) -> Model:
    """A house; near ones have doors and garages, front and rear."""
    floors = int(rng.integers(1, 4))
    high = 2.9 * floors
    wall = tone(rng, (0.0, 0.15), 0.5, (0.4, 0.95))
    tile = 2.9 * 2
    facade = Paint(wall, (0.16, 0.2, 0.27), "windows", tile, upright=True)
    if rng.random() < 0.15:
        facade = Paint(wall, darker(wall, 0.6), "brick", 1.5, upright=True)
    roof = Paint(tone(rng, (0.0, 0.08), 0.6, (0.2, 0.5)), (0.15, 0.1, 0.1), "brick", 1.5)
    parts = [box(facade, (0, 0, 0), (wide, high, deep))]
    if rng.random() < 0.7:
        rise = rng.uniform(1.8, 3.2)
        parts.append(frustum(roof, (0, high, 0), (wide + 0.5, rise, deep + 0.6), (1.0, 0.02)))
    else:
        parts.append(box(plain(darker(wall, 0.7)), (0, high, 0), (wide + 0.3, 0.3, deep + 0.3)))
    if near:
        place = rng.uniform(-0.3, 0.3) * wide
        parts.append(box(wood(rng), (place, 0, 0), (1.0, 2.1, deep + 0.06)))
    if near and rng.random() < 0.5:
        parts.append(box(plain(anything(rng)), (0.25 * wide, 0, 0), (2.4, 2.2, deep + 0.05)))
    return Model("house", "solid", tuple(parts), semantic="building")


def _hills(rng: Rng) -> Placed:
    """Wooded hills on the horizon."""
    parts = []
    for _ in range(3):
        x, far = rng.uniform(-150, 150), rng.uniform(160, 240)
        size = (rng.uniform(60, 140), rng.uniform(8, 26), 40.0)
        green = leaves(rng)
        parts.append(ball(Paint(green.color, green.second, "grain", 12.0), (x, 0.0, far), size))
    return Placed(Model("hills", "solid", tuple(parts), semantic="tree"))
