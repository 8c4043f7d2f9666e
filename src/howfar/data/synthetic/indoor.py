"""Rooms: walls with windows and doors, furniture along them, a table with chairs, people."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from howfar.data.synthetic import furniture, people, small_things
from howfar.data.synthetic.palette import Rng, anything, darker, metal, patterned, plain, tone, wood
from howfar.data.synthetic.placement import Site, on_top
from howfar.data.synthetic.render import Eye, Placed
from howfar.data.synthetic.shapes import (
    Array,
    Model,
    Paint,
    Part,
    Shape,
    Vector,
    box,
    yaw_matrix,
)

Maker = Callable[[Rng], Model]
AT_WALL: tuple[Maker, ...] = (
    furniture.cupboard,
    furniture.shelf,
    furniture.couch,
    furniture.bed,
    furniture.refrigerator,
    furniture.oven,
    small_things.toilet,
    furniture.cupboard,
)
FREE: tuple[Maker, ...] = (
    furniture.chair,
    furniture.chair,
    furniture.chair,
    furniture.stool,
    people.person,
    people.person,
    furniture.potted_plant,
    furniture.suitcase,
    furniture.room_divider,
    small_things.sports_ball,
    small_things.teddy_bear,
    small_things.backpack,
    furniture.couch,
    furniture.dining_table,
    people.bicycle,
)
ON_TABLE: tuple[Maker, ...] = (
    small_things.bottle,
    small_things.bottle,
    small_things.cup,
    small_things.bowl,
    small_things.vase,
    small_things.book,
    furniture.laptop,
    small_things.teddy_bear,
)
BEFORE: tuple[Maker, ...] = (
    furniture.chair,
    furniture.chair,
    people.person,
    furniture.column,
    furniture.screen,
    furniture.standing_lamp,
    furniture.room_divider,
    furniture.potted_plant,
    furniture.suitcase,
    small_things.teddy_bear,
)


@dataclass(frozen=True)
class Room:
    """A rectangular room: half sizes in metres, turned by `yaw`, its middle at (x, z)."""

    half_x: float
    half_z: float
    high: float
    yaw: float
    x: float
    z: float

    def inside(self, x: float, z: float) -> bool:
        """Whether a ground point lies in the room."""
        c, s, dx, dz = math.cos(self.yaw), math.sin(self.yaw), x - self.x, z - self.z
        return abs(c * dx - s * dz) < self.half_x and abs(s * dx + c * dz) < self.half_z

    def wall(self, index: int, along: float, out: float) -> tuple[float, float, float]:
        """X, Z `out` metres before wall 0..3 at -1..1 of its length, and the yaw facing inwards."""
        yaw = self.yaw + index * np.pi / 2
        reach, side = (self.half_x, self.half_z) if index % 2 == 0 else (self.half_z, self.half_x)
        point = yaw_matrix(yaw) @ np.array([out - reach, 0.0, along * side])
        return float(point[0] + self.x), float(point[2] + self.z), yaw


def a_room(rng: Rng) -> Room:
    """A room around the camera, which stands near its rear wall and looks across."""
    half_x, half_z = rng.uniform(1.8, 4.0), rng.uniform(2.2, 4.8)
    yaw = float(rng.normal(0, 0.3))
    local = np.array([rng.uniform(-0.6, 0.6) * half_x, 0.0, rng.uniform(0.3, 0.8) - half_z])
    place = yaw_matrix(yaw) @ local
    return Room(half_x, half_z, rng.uniform(2.4, 3.0), yaw, -float(place[0]), -float(place[2]))


def furnish(rng: Rng, eye: Eye) -> tuple[list[Placed], list[Placed]]:
    """A room's background and its objects."""
    room = a_room(rng)
    site = Site(eye, room.inside)
    for _ in range(int(rng.integers(1, 5))):
        _put_at_wall(rng, site, room)
    if rng.random() < 0.55:
        _put_table(rng, site)
    for _ in range(int(rng.integers(2, 7))):
        model = FREE[int(rng.integers(len(FREE)))](rng)
        site.put_somewhere(rng, model, 1.2, 2 * room.half_z)
    for _ in range(int(rng.integers(0, 4))):
        if site.placed:
            target = site.placed[int(rng.integers(len(site.placed)))]
            site.put_before(rng, BEFORE[int(rng.integers(len(BEFORE)))](rng), target)
    return [*_shell(rng, room), *_decorations(rng, room)], site.placed


def _put_at_wall(rng: Rng, site: Site, room: Room) -> None:
    model = AT_WALL[int(rng.integers(len(AT_WALL)))](rng)
    low, high = model.extents
    for _ in range(6):
        x, z, yaw = room.wall(int(rng.integers(4)), rng.uniform(-0.9, 0.9), 0.03 - low[0])
        if z > 1 and abs(x) < 1.1 * site.view_range(z) and site.put(model, x, z, yaw):
            if high[1] < 1.2 and model.label in ("cupboard", "oven"):
                _load(rng, site, site.placed[-1], [furniture.television, small_things.microwave])
            return


def _put_table(rng: Rng, site: Site) -> None:
    model = furniture.dining_table(rng)
    if not site.put_somewhere(rng, model, 1.8, 5.0):
        return
    table = site.placed[-1]
    _load(rng, site, table, ON_TABLE)
    _, high = model.extents
    for side in range(4):
        if rng.random() < 0.6:
            gap = rng.uniform(0.02, 0.2) + 0.25
            angle = side * np.pi / 2
            reach = float(high[0] if side % 2 == 0 else high[2]) + gap
            local = yaw_matrix(angle) @ np.array([-reach, 0, rng.uniform(-0.2, 0.2)])
            x, _, z = (yaw_matrix(table.yaw) @ local + np.array(table.position)).tolist()
            site.put(furniture.chair(rng), x, z, table.yaw + angle + float(rng.normal(0, 0.15)))


def _load(rng: Rng, site: Site, thing: Placed, choices: Sequence[Maker]) -> None:
    """Put up to four small things on top of a thing, clear of each other."""
    taken: list[Vector] = []
    for _ in range(int(rng.integers(0, 5))):
        model = choices[int(rng.integers(len(choices)))](rng)
        spot = on_top(rng, thing)
        if all(np.hypot(spot[0] - x, spot[2] - z) > 0.35 for x, _, z in taken):
            taken.append(spot)
            site.put(model, spot[0], spot[2], float(rng.uniform(-np.pi, np.pi)), spot[1])


def _shell(rng: Rng, room: Room) -> list[Placed]:
    """Floor, ceiling and four walls as endless planes."""
    pale = tone(rng, (0, 1), 0.35, (0.55, 0.95))
    wall = patterned(rng, pale, ("plain", "plain", "cloud", "stripes", "brick"), 1.2)
    if rng.random() < 0.7:
        wall = replace(wall, second=darker(pale, 0.85))
    ground = patterned(rng, anything(rng), ("checker", "cloud", "weave", "grain"), 0.9)
    if rng.random() < 0.5:
        ground = wood(rng)
    white = plain(tone(rng, (0, 1), 0.1, (0.8, 1.0)))
    shell = [
        _plane("floor", ground, (0.0, 0.0, 0.0), np.eye(3)),
        _plane("ceiling", white, (0.0, room.high, 0.0), np.eye(3)),
    ]
    for index in range(4):
        x, z, yaw = room.wall(index, 0.0, 0.0)
        turn = yaw_matrix(yaw) @ np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]])
        shell.append(_plane("wall", wall, (x, 0.0, z), turn))
    return shell


def _plane(semantic: str, paint: Paint, point: Vector, turn: Array) -> Placed:
    part = Part(Shape.PLANE, point, (1.0, 1.0, 1.0), paint, turn)
    return Placed(Model(semantic, "solid", (part,), semantic=semantic))


def _decorations(rng: Rng, room: Room) -> list[Placed]:
    """Windows, doors, pictures and skirting on the walls."""
    things = []
    for index in range(4):
        for _ in range(int(rng.integers(0, 3))):
            x, z, yaw = room.wall(index, rng.uniform(-0.8, 0.8), 0.0)
            maker = (_window, _door, _picture, _picture)[int(rng.integers(4))]
            things.append(Placed(maker(rng), (x, 0.0, z), yaw))
    return things


def _window(rng: Rng) -> Model:
    wide, high = rng.uniform(0.7, 1.8), rng.uniform(0.9, 1.3)
    frame, view = plain((0.92, 0.92, 0.9)), Paint((0.65, 0.8, 0.98), (1.0, 1.0, 1.0), "cloud", 1.5)
    parts = (
        box(frame, (0, 0.85, 0), (0.06, high + 0.1, wide + 0.1)),
        box(view, (0, 0.9, 0), (0.08, high, wide)),
        box(frame, (0, 0.9, 0), (0.1, high, 0.05)),
    )
    return Model("window", "solid", parts, semantic="window")


def _door(rng: Rng) -> Model:
    paint = wood(rng)
    parts = (
        box(plain(darker(paint.color, 0.8)), (0, 0, 0), (0.05, 2.08, 1.0)),
        box(paint, (0, 0, 0), (0.08, 2.0, 0.86)),
        box(metal(rng), (0.06, 1.0, 0.35), (0.06, 0.03, 0.12)),
    )
    return Model("door", "solid", parts, semantic="door")


def _picture(rng: Rng) -> Model:
    wide, high, y = rng.uniform(0.3, 1.0), rng.uniform(0.3, 0.8), rng.uniform(1.1, 1.5)
    art = patterned(rng, anything(rng), ("cloud", "checker", "stripes", "cloud"), 0.5)
    parts = (
        box(plain(anything(rng)), (0, y, 0), (0.04, high, wide)),
        box(art, (0, y + 0.04, 0), (0.05, high - 0.08, wide - 0.08)),
    )
    return Model("picture", "solid", parts, semantic="wall")
