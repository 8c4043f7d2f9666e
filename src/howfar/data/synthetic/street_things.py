"""Vehicles and street furniture."""

from __future__ import annotations

from dataclasses import replace

from howfar.data.synthetic.palette import (
    Rng,
    anything,
    around,
    darker,
    leaves,
    metal,
    plain,
    tone,
    vary,
    wood,
)
from howfar.data.synthetic.people import RUBBER
from howfar.data.synthetic.shapes import (
    Model,
    Paint,
    Part,
    ball,
    bars,
    box,
    cone,
    frustum,
    rod,
    wheel,
)

GLASS = Paint((0.1, 0.13, 0.17), (0.35, 0.42, 0.5), "cloud", 3.0)
WHITE_LIGHT = plain((0.95, 0.95, 0.85))
RED_LIGHT = plain((0.75, 0.05, 0.05))


def _wheels(x: float, z: float, radius: float, front: float | None = None) -> list[Part]:
    """Four tyres and two axles whose ends are the hubs."""
    hub = plain((0.55, 0.56, 0.58))
    parts = []
    for place in (-x, x if front is None else front):
        parts += [wheel(RUBBER, (place, radius, s * z), radius, 0.22) for s in (-1, 1)]
        parts.append(wheel(hub, (place, radius, 0.0), radius * 0.55, 2 * z + 0.24))
    return parts


def car(rng: Rng) -> Model:
    """Body, glass cabin that narrows upwards, roof, wheels and lights."""
    paint = plain(anything(rng))
    long, wide, high = vary(rng, 4.3), vary(rng, 1.78, 0.06), vary(rng, 1.48, 0.08)
    waist, x = high * 0.6, long / 2
    estate = rng.random() < 0.4
    cabin, shift = (0.66, -0.13) if estate else (0.56, -0.05)
    middle = shift * long
    slope = 0.8 if estate else 0.64
    parts = [
        box(paint, (0, 0.25, 0), (long, waist - 0.33, wide)),
        frustum(paint, (0, waist - 0.08, 0), (long, 0.1, wide), (0.96, 0.94)),
        frustum(
            GLASS,
            (middle, waist, 0),
            (long * cabin, high - waist - 0.03, wide * 0.93),
            (slope, 0.82),
        ),
        box(
            paint,
            (middle, high - 0.045, 0),
            (long * cabin * slope + 0.04, 0.045, wide * 0.93 * 0.82 + 0.03),
        ),
        box(plain(darker(paint.color, 0.5)), (0, 0.2, 0), (long * 0.98, 0.12, wide * 0.98)),
        box(plain((0.85, 0.85, 0.8)), (-x, 0.45, 0), (0.03, 0.11, 0.5)),
    ]
    parts += [
        box(WHITE_LIGHT, (x, waist - 0.28, 0), (0.03, 0.14, wide * 0.94)),
        box(RED_LIGHT, (-x, waist - 0.28, 0), (0.03, 0.16, wide * 0.94)),
        box(paint, (-x, waist - 0.3, 0), (0.05, 0.2, wide * 0.6)),
        box(plain((0.1, 0.1, 0.1)), (x, waist - 0.3, 0), (0.05, 0.18, wide * 0.56)),
        box(paint, (middle, waist, 0), (0.07, high - waist - 0.08, wide * 0.935)),
        box(paint, (long * 0.13, waist - 0.02, 0), (0.12, 0.14, wide * 1.15)),
    ]
    parts += _wheels(long * 0.3, wide / 2 - 0.1, 0.31)
    return Model("car", "solid", tuple(parts))


def bus(rng: Rng) -> Model:
    """A long box with a band of windows."""
    paint = plain(tone(rng, (0, 1), 0.9, (0.4, 0.95)))
    long, wide, high = vary(rng, 10.5), 2.5, vary(rng, 3.0, 0.05)
    panes = replace(GLASS, second=(0.02, 0.02, 0.02), texture="stripes", tile_m=7.0, upright=True)
    parts = [
        box(paint, (0, 0.35, 0), (long, high - 0.35, wide)),
        box(panes, (0, 1.35, 0), (long - 0.5, 0.95, wide + 0.03)),
        box(GLASS, (0, 1.15, 0), (long + 0.03, 1.35, wide - 0.25)),
        box(plain((0.9, 0.9, 0.9)), (0, high, 0), (long * 0.7, 0.12, wide * 0.7)),
    ]
    for side in (-1, 1):
        parts.append(box(WHITE_LIGHT, (long / 2, 0.6, side * 0.9), (0.05, 0.18, 0.35)))
        parts.append(box(RED_LIGHT, (-long / 2, 0.7, side * 1.0), (0.05, 0.3, 0.2)))
    parts += _wheels(long * 0.27, wide / 2 - 0.1, 0.48, long * 0.34)
    return Model("bus", "solid", tuple(parts))


def truck(rng: Rng) -> Model:
    """A cab and a cargo box with a gap between them."""
    paint, cargo = plain(anything(rng)), Paint(anything(rng), (0.8, 0.8, 0.8), "cloud", 3.0)
    long, wide, high = vary(rng, 7.0, 0.2), 2.35, vary(rng, 3.0)
    x = long / 2
    parts = [
        box(cargo, (-0.9, 0.9, 0), (long - 2.0, high - 0.9, wide)),
        frustum(paint, (x - 0.85, 0.45, 0), (1.7, 2.0, wide * 0.95), (0.86, 0.94)),
        box(GLASS, (x - 0.7, 1.55, 0), (1.37, 0.62, wide * 0.9)),
        box(plain((0.12, 0.12, 0.12)), (0, 0.5, 0), (long * 0.95, 0.35, 0.9)),
    ]
    for side in (-1, 1):
        parts.append(box(WHITE_LIGHT, (x, 0.65, side * 0.85), (0.04, 0.18, 0.3)))
        parts.append(box(RED_LIGHT, (-x + 0.1, 0.75, side * 0.95), (0.05, 0.15, 0.25)))
    parts += _wheels(long * 0.28, wide / 2 - 0.12, 0.45, long * 0.36)
    return Model("truck", "solid", tuple(parts))


def fence(rng: Rng) -> Model:
    """Posts, rails and pickets, bars or wire, 2 to 4 m long."""
    paint, long, high = (
        (wood(rng) if rng.random() < 0.6 else metal(rng)),
        rng.uniform(2, 4),
        rng.uniform(0.9, 1.6),
    )
    style = float(rng.random())
    if style < 0.5:  # pickets
        grid = bars(paint, (0, 0.08, 0), (long, high - 0.12), (round(long / 0.17), 0, 0.5))
    elif style < 0.8:  # thin bars
        grid = bars(paint, (0, 0.08, 0), (long, high - 0.12), (round(long / 0.13), 0, 0.25))
    else:  # mesh
        grid = bars(
            paint, (0, 0.05, 0), (long, high - 0.08), (round(long / 0.12), round(high / 0.12), 0.22)
        )
    parts = [grid]
    parts += [box(paint, (0, y, 0), (long, 0.06, 0.045)) for y in (0.2, high - 0.2)]
    posts = int(long // 1.2) + 1
    for i in range(posts + 1):
        parts.append(box(paint, ((i / posts - 0.5) * long, 0, 0), (0.09, high, 0.09)))
    return Model("fence", "hollow", tuple(parts))


def bench(rng: Rng) -> Model:
    """Slats for seat and back on two frames."""
    paint, frame, long = wood(rng), metal(rng), vary(rng, 1.5)
    parts = [box(paint, (x, 0.43, 0), (0.1, 0.035, long)) for x in (0.18, 0.04, -0.1)]
    parts += [box(paint, (-0.2, y, 0), (0.035, 0.1, long)) for y in (0.58, 0.75)]
    for side in (-1, 1):
        z = side * long * 0.4
        parts.append(box(frame, (0.17, 0, z), (0.05, 0.43, 0.05)))
        parts.append(box(frame, (-0.2, 0, z), (0.05, 0.85, 0.05)))
        parts.append(box(frame, (0, 0.4, z), (0.42, 0.04, 0.05)))
    return Model("bench", "hollow", tuple(parts))


def traffic_light(rng: Rng) -> Model:
    """Three lamps in a housing on a pole."""
    high = vary(rng, 2.4)
    dark = plain((0.08, 0.09, 0.08))
    lit = int(rng.integers(3))
    parts = [
        cone(metal(rng), (0, 0, 0), high, 0.06, 0.05),
        box(dark, (0, high, 0), (0.22, 0.85, 0.3)),
    ]
    for i, color in enumerate(((0.1, 0.85, 0.3), (0.95, 0.75, 0.1), (0.95, 0.1, 0.1))):
        y = high + 0.15 + 0.27 * i
        lamp = plain(color if i == lit else darker(color, 0.25))
        parts.append(rod(lamp, (0.1, y, 0), (0.14, y, 0), 0.1))
    return Model("traffic light", "solid", tuple(parts), semantic="traffic light")


def stop_sign(rng: Rng) -> Model:
    """A red disc on a pole."""
    high = vary(rng, 2.1)
    parts = (
        cone(metal(rng), (0, 0, 0), high + 0.3, 0.035, 0.035),
        rod(plain((0.9, 0.9, 0.9)), (0.04, high, 0), (0.055, high, 0), 0.38),
        rod(plain((0.75, 0.06, 0.07)), (0.05, high, 0), (0.065, high, 0), 0.35),
        box(plain((0.92, 0.92, 0.92)), (0.06, high - 0.06, 0), (0.02, 0.12, 0.5)),
    )
    return Model("stop sign", "solid", parts)


def fire_hydrant(rng: Rng) -> Model:
    """A stout post with a dome and two outlets."""
    paint = plain(tone(rng, (-0.02, 0.15), 0.95, (0.6, 0.95)))
    parts = (
        cone(paint, (0, 0, 0), 0.07, 0.17, 0.17),
        cone(paint, (0, 0, 0), 0.58, 0.12, 0.11),
        ball(paint, (0, 0.58, 0), (0.14, 0.15, 0.14)),
        rod(paint, (0, 0.42, -0.2), (0, 0.42, 0.2), 0.06),
        rod(paint, (0.1, 0.38, 0), (0.19, 0.38, 0), 0.075),
    )
    return Model("fire hydrant", "curved", parts)


def pole(rng: Rng) -> Model:
    """A lamp post or mast; nobody detects it."""
    high, paint = rng.uniform(4, 7), metal(rng)
    parts = (
        cone(paint, (0, 0, 0), high, rng.uniform(0.07, 0.16), 0.06),
        rod(paint, (0, high - 0.1, 0), (1.0, high + 0.15, 0), 0.045),
        ball(plain((0.9, 0.9, 0.8)), (1.05, high + 0.12, 0), (0.3, 0.08, 0.13)),
    )
    return Model("pole", "solid", parts, detected=False, semantic="pole")


def bollards(rng: Rng) -> Model:
    """Three short posts in a row; nobody detects them."""
    paint = plain(anything(rng))
    parts = tuple(cone(paint, (x, 0, 0), 0.9, 0.1, 0.09) for x in (-0.9, 0.0, 0.9))
    return Model("bollards", "hollow", parts, detected=False, semantic="pole")


def tree(rng: Rng) -> Model:
    """A trunk with a crown of leaves; nobody detects it."""
    high, green = rng.uniform(3.5, 7), leaves(rng)
    bark = Paint((0.32, 0.23, 0.15), (0.18, 0.12, 0.08), "grain", 0.7)
    parts = [cone(bark, (0, 0, 0), high * 0.6, rng.uniform(0.13, 0.25), 0.1)]
    for _ in range(int(rng.integers(2, 4))):
        x, z = rng.uniform(-0.12, 0.12, 2) * high
        r = rng.uniform(0.2, 0.3) * high
        y = high * rng.uniform(0.6, 0.8)
        parts.append(ball(green, (x, y, z), (r, r * 0.85, r), leaf_m=rng.uniform(0.15, 0.25)))
    return Model("tree", "hollow", tuple(parts), detected=False, semantic="tree")


def hedge(rng: Rng) -> Model:
    """A row of dense bushes; nobody detects it."""
    green, high, count = leaves(rng), rng.uniform(0.6, 1.3), int(rng.integers(2, 6))
    parts = []
    for i in range(count):
        x = (i - (count - 1) / 2) * 0.7
        size = high * rng.uniform(0.45, 0.58)
        parts.append(ball(green, (x, size * 0.9, 0), (0.5, size, 0.45), leaf_m=0.12))
        parts.append(ball(green, (x, size * 0.8, 0), (0.42, size * 0.85, 0.38)))
    return Model("hedge", "solid", tuple(parts), detected=False, semantic="vegetation")


def litter_bin(rng: Rng) -> Model:
    """A street bin; nobody detects it."""
    paint = plain(anything(rng))
    parts = [
        cone(paint, (0, 0.1, 0), 0.75, 0.24, 0.28),
        cone(metal(rng), (0, 0.85, 0), 0.06, 0.29, 0.25),
    ]
    parts += [box(metal(rng), foot, (0.04, 0.15, 0.04)) for foot in around(0.15, 0, 0.15)]
    return Model("bin", "curved", tuple(parts), detected=False)
