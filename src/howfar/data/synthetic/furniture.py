"""Things that stand in rooms, with real-world sizes in metres."""

from __future__ import annotations

from howfar.data.synthetic.palette import (
    Rng,
    anything,
    around,
    darker,
    fabric,
    leaves,
    metal,
    plain,
    tone,
    vary,
    wood,
)
from howfar.data.synthetic.shapes import (
    Model,
    Paint,
    ball,
    bars,
    box,
    cone,
    rod,
)

BLACK = (0.05, 0.05, 0.06)
WHITE = (0.88, 0.88, 0.86)


def chair(rng: Rng) -> Model:
    """Four legs, a seat and a back of slats or rods."""
    paint, seat = wood(rng), vary(rng, 0.45, 0.06)
    wide, deep, high = vary(rng, 0.43), vary(rng, 0.42), vary(rng, 0.9)
    leg = rng.uniform(0.025, 0.045)
    x, z = deep / 2 - leg / 2, wide / 2 - leg / 2
    parts = [box(paint, (x, 0, s * z), (leg, seat, leg)) for s in (-1, 1)]
    parts += [box(paint, (-x, 0, s * z), (leg, high, leg)) for s in (-1, 1)]
    cover = paint if rng.random() < 0.5 else fabric(rng, 0.2)
    parts.append(box(cover, (0, seat - 0.03, 0), (deep, 0.045, wide)))
    if rng.random() < 0.5:  # slats across
        count = int(rng.integers(2, 4))
        for i in range(count):
            y = seat + (high - seat) * (i + 1) / count - 0.07
            parts.append(box(paint, (-x, y, 0), (0.02, 0.065, wide - leg)))
    else:  # rods upright
        parts.append(box(paint, (-x, high - 0.06, 0), (0.03, 0.06, wide)))
        for place in (-0.3, -0.1, 0.1, 0.3):
            parts.append(box(paint, (-x, seat, place * wide), (0.02, high - seat - 0.05, 0.02)))
    if rng.random() < 0.5:
        parts += [box(paint, (0, seat * 0.4, s * z), (deep - leg, 0.025, 0.02)) for s in (-1, 1)]
    return Model("chair", "hollow", tuple(parts))


def stool(rng: Rng) -> Model:
    """A round seat on four sloping legs."""
    paint, high, wide = wood(rng), vary(rng, 0.55, 0.3), vary(rng, 0.18)
    parts = [
        rod(paint, foot, (foot[0] * 0.6, high, foot[2] * 0.6), 0.018)
        for foot in around(wide, 0, wide)
    ]
    parts.append(cone(fabric(rng), (0, high, 0), 0.05, wide, wide))
    return Model("chair", "hollow", tuple(parts))


def dining_table(rng: Rng) -> Model:
    """A top on four thin legs, or a round one on a pillar."""
    paint, high = wood(rng), vary(rng, 0.74, 0.05)
    if rng.random() < 0.25:
        radius = vary(rng, 0.5)
        parts = [
            cone(paint, (0, high - 0.03, 0), 0.03, radius, radius),
            cone(paint, (0, 0.03, 0), high - 0.06, 0.05, 0.04),
            cone(paint, (0, 0, 0), 0.03, radius * 0.5, radius * 0.45),
        ]
        return Model("dining table", "hollow", tuple(parts))
    long, deep, leg = vary(rng, 1.4, 0.3), vary(rng, 0.8), rng.uniform(0.03, 0.06)
    parts = [
        box(paint, foot, (leg, high - 0.03, leg))
        for foot in around(long / 2 - leg, 0, deep / 2 - leg)
    ]
    parts.append(box(paint, (0, high - 0.035, 0), (long, 0.035, deep)))
    parts += [
        box(paint, (0, high - 0.11, s * (deep / 2 - leg)), (long - 0.1, 0.08, 0.02))
        for s in (1, -1)
    ]
    return Model("dining table", "hollow", tuple(parts))


def couch(rng: Rng) -> Model:
    """Rounded cushions, back and arms on a base."""
    cloth, long, deep = fabric(rng), vary(rng, 1.9, 0.2), vary(rng, 0.85)
    front = deep / 2
    parts = [
        box(plain(darker(cloth.color, 0.6)), (0.02, 0.05, 0), (deep - 0.08, 0.2, long - 0.1)),
        ball(cloth, (-front + 0.17, 0.52, 0), (0.2, 0.3, long / 2)),
    ]
    count = max(int(long / 0.65), 1)
    step = (long - 0.36) / count
    for i in range(count):
        z = (i - (count - 1) / 2) * step
        parts.append(ball(cloth, (0.07, 0.33, z), (deep * 0.46, 0.13, step * 0.56)))
        parts.append(ball(cloth, (-front + 0.27, 0.6, z), (0.13, 0.24, step * 0.52)))
    for s in (-1, 1):
        z = s * (long / 2 - 0.11)
        parts.append(rod(cloth, (-front + 0.1, 0.5, z), (front - 0.05, 0.5, z), 0.12))
        parts.append(box(cloth, (0.02, 0.05, z), (deep - 0.12, 0.45, 0.21)))
        parts.append(ball(cloth, (front - 0.05, 0.5, z), (0.05, 0.12, 0.12)))
    return Model("couch", "curved", tuple(parts))


def bed(rng: Rng) -> Model:
    """A frame with a domed duvet and pillows."""
    frame, cloth = wood(rng), fabric(rng, 0.5)
    long, wide = vary(rng, 2.0, 0.05), float(rng.choice([0.9, 1.4, 1.6]))
    head = -long / 2
    parts = [
        box(frame, (0, 0.08, 0), (long, 0.22, wide)),
        box(frame, (head, 0, 0), (0.06, vary(rng, 0.9), wide + 0.04)),
        box(plain(WHITE), (0.02, 0.3, 0), (long - 0.06, 0.13, wide - 0.04)),
        ball(cloth, (0.2, 0.42, 0), (long * 0.42, 0.16, wide * 0.55)),
    ]
    pillows = 1 if wide < 1 else 2
    for i in range(pillows):
        z = (i - (pillows - 1) / 2) * 0.7
        parts.append(ball(plain(WHITE), (head + 0.3, 0.5, z), (0.22, 0.11, 0.34)))
    return Model("bed", "curved", tuple(parts))


def cupboard(rng: Rng) -> Model:
    """A closed box with door lines and knobs."""
    paint = wood(rng)
    deep, high, wide = vary(rng, 0.45), rng.uniform(0.7, 2.0), vary(rng, 0.9, 0.3)
    dark = plain(darker(paint.color, 0.3))
    parts = [
        box(paint, (0, 0, 0), (deep, high, wide)),
        box(dark, (deep / 2, 0.06, 0), (0.008, high - 0.1, 0.012)),
        box(dark, (deep / 2, high * 0.45, 0.06), (0.04, 0.1, 0.015)),
        box(dark, (deep / 2, high * 0.45, -0.06), (0.04, 0.1, 0.015)),
    ]
    return Model("cupboard", "solid", tuple(parts))


def shelf(rng: Rng) -> Model:
    """An open shelf without a back, some books on its boards."""
    paint, deep, high, wide = wood(rng), 0.3, vary(rng, 1.5, 0.25), vary(rng, 0.8, 0.2)
    parts = [box(paint, (0, 0, s * wide / 2), (deep, high, 0.025)) for s in (-1, 1)]
    count = int(rng.integers(3, 6))
    for i in range(count + 1):
        y = (high - 0.03) * i / count
        parts.append(box(paint, (0, y, 0), (deep, 0.025, wide)))
        if i < count and rng.random() < 0.6:
            run = rng.uniform(0.2, 0.7) * wide
            tall = (high / count) * rng.uniform(0.5, 0.75)
            cover = Paint(anything(rng), anything(rng), "stripes", 0.15)
            parts.append(box(cover, (0, y + 0.025, run / 2 - wide / 2), (0.2, tall, run)))
    return Model("shelf", "hollow", tuple(parts))


def refrigerator(rng: Rng) -> Model:
    """A tall white or steel box with two doors."""
    paint = plain(tone(rng, (0.5, 0.65), 0.12, (0.6, 0.95)))
    high, front = vary(rng, 1.7), 0.32
    parts = [
        box(paint, (0, 0, 0), (2 * front, high, 0.6)),
        box(plain(BLACK), (front, high * 0.65, 0), (0.01, 0.012, 0.6)),
        box(metal(rng), (front + 0.02, high * 0.3, 0.24), (0.03, 0.4, 0.025)),
        box(metal(rng), (front + 0.02, high * 0.7, 0.24), (0.03, 0.2, 0.025)),
    ]
    return Model("refrigerator", "solid", tuple(parts))


def oven(rng: Rng) -> Model:
    """A cooker with a dark window and knobs."""
    parts = [
        box(plain(tone(rng, (0.5, 0.6), 0.1, (0.3, 0.95))), (0, 0, 0), (0.6, 0.85, 0.6)),
        box(plain(BLACK), (0.3, 0.2, 0), (0.02, 0.4, 0.46)),
        box(plain(BLACK), (0, 0.85, 0), (0.56, 0.012, 0.56)),
        box(metal(rng), (0.32, 0.63, 0), (0.03, 0.025, 0.46)),
    ]
    parts += [
        rod(plain(BLACK), (0.3, 0.76, z), (0.33, 0.76, z), 0.025) for z in (-0.2, -0.07, 0.07, 0.2)
    ]
    return Model("oven", "solid", tuple(parts))


def television(rng: Rng) -> Model:
    """A flat screen on a foot."""
    wide = vary(rng, 1.0, 0.3)
    glow = Paint(BLACK, anything(rng) if rng.random() < 0.4 else (0.12, 0.12, 0.15), "cloud", 0.8)
    parts = [
        box(plain(BLACK), (0, 0.06, 0), (0.05, wide * 0.58, wide)),
        box(glow, (0.026, 0.075, 0), (0.004, wide * 0.58 - 0.03, wide - 0.03)),
        box(plain(BLACK), (0, 0, 0), (0.2, 0.015, wide * 0.35)),
        box(plain(BLACK), (0, 0, 0), (0.03, 0.1, 0.08)),
    ]
    return Model("tv", "solid", tuple(parts))


def laptop(rng: Rng) -> Model:
    """A keyboard half and a leaning screen."""
    paint = metal(rng)
    glow = Paint(paint.color, (0.3, 0.5, 0.8), "cloud", 0.3)
    parts = [
        box(paint, (0, 0, 0), (0.23, 0.018, 0.33)),
        box(glow, (-0.115, 0.01, 0), (0.012, 0.22, 0.33)),
        box(plain(BLACK), (0.0, 0.018, 0), (0.13, 0.003, 0.29)),
    ]
    return Model("laptop", "solid", tuple(parts))


def suitcase(rng: Rng) -> Model:
    """A trolley case with its handle pulled out."""
    paint = Paint(anything(rng), BLACK, "stripes", 0.5)
    high = vary(rng, 0.62, 0.2)
    dark = plain(BLACK)
    parts = [box(paint, (0, 0.05, 0), (0.25, high, 0.42))]
    parts += [ball(dark, (x, 0.03, z), (0.03, 0.03, 0.03)) for x, _, z in around(0.1, 0, 0.17)]
    parts += [box(dark, (-0.1, high, s * 0.09), (0.015, 0.35, 0.015)) for s in (-1, 1)]
    parts.append(box(dark, (-0.1, high + 0.35, 0), (0.03, 0.03, 0.22)))
    return Model("suitcase", "solid", tuple(parts))


def standing_lamp(rng: Rng) -> Model:
    """A pole with a shade; no COCO class, nobody detects it."""
    high = vary(rng, 1.6)
    parts = [
        cone(metal(rng), (0, 0, 0), 0.03, 0.16, 0.15),
        cone(metal(rng), (0, 0, 0), high, 0.018, 0.018),
        cone(plain(tone(rng, (0.08, 0.15), 0.4, (0.8, 1))), (0, high, 0), 0.3, 0.22, 0.14),
    ]
    return Model("lamp", "curved", tuple(parts), detected=False)


def column(rng: Rng) -> Model:
    """A pillar from floor to ceiling that nobody detects."""
    paint = Paint(tone(rng, (0, 1), 0.15, (0.6, 0.95)), (0.5, 0.5, 0.5), "cloud", 1.0)
    width = rng.uniform(0.1, 0.35)
    shape = cone(paint, (0, 0, 0), 4.0, width / 2, width / 2)
    if rng.random() < 0.5:
        shape = box(paint, (0, 0, 0), (width, 4.0, width))
    return Model("column", "solid", (shape,), detected=False)


def screen(rng: Rng) -> Model:
    """A folding screen or half-height wall that nobody detects."""
    paint, high, wide = fabric(rng, 0.6), vary(rng, 1.3, 0.3), vary(rng, 0.7, 0.4)
    parts = [
        box(paint, (0, 0.04, 0), (0.04, high, wide)),
        box(metal(rng), (0, 0, 0), (0.3, 0.03, wide * 0.8)),
    ]
    return Model("screen", "solid", tuple(parts), detected=False)


def potted_plant(rng: Rng, detected: bool = True) -> Model:
    """Leaves with holes above a pot."""
    size, green = rng.uniform(0.6, 1.5), leaves(rng)
    pot = plain(tone(rng, (0.02, 0.1), 0.6, (0.4, 0.9)))
    high = 0.25 * size
    parts = [
        cone(pot, (0, 0, 0), high, 0.1 * size, 0.15 * size),
        cone(plain((0.3, 0.2, 0.1)), (0, high, 0), 0.4 * size, 0.012, 0.01),
    ]
    for _ in range(int(rng.integers(2, 5))):
        x, z = rng.uniform(-0.12, 0.12, 2) * size
        y = high + rng.uniform(0.15, 0.5) * size
        r = rng.uniform(0.13, 0.24) * size
        parts.append(ball(green, (x, y, z), (r, r * 1.2, r), leaf_m=rng.uniform(0.03, 0.06)))
    return Model("potted plant", "hollow", tuple(parts), detected)


def room_divider(rng: Rng) -> Model:
    """A low railing of bars, boxed by the detector of this world."""
    paint, long, high = wood(rng), vary(rng, 1.3, 0.3), vary(rng, 0.85)
    count = max(int(long / 0.14), 3)
    parts = [
        bars(paint, (0, 0.08, 0), (long, high - 0.1), (count, 0, 0.3)),
        box(paint, (0, high - 0.05, 0), (long, 0.05, 0.05)),
        box(paint, (0, 0.05, 0), (long, 0.05, 0.05)),
    ]
    parts += [box(paint, (s * long / 2, 0, 0), (0.06, high + 0.05, 0.06)) for s in (-1, 1)]
    return Model("fence", "hollow", tuple(parts))
