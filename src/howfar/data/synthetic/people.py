"""People and two-wheelers."""

from __future__ import annotations

import math

from howfar.data.synthetic.palette import Rng, anything, darker, fabric, metal, plain, tone, vary
from howfar.data.synthetic.shapes import Model, Part, ball, box, cone, rod, wheel

RUBBER = plain((0.06, 0.06, 0.06))


def person(rng: Rng) -> Model:
    """A standing or walking person of capsules and ellipsoids."""
    high = float(rng.normal(1.70, 0.09)) if rng.random() < 0.85 else rng.uniform(1.0, 1.4)
    k = high / 1.75
    skin = plain(tone(rng, (0.04, 0.09), 0.55, (0.3, 0.95)))
    shirt, trousers = fabric(rng), plain(anything(rng))
    hair, shoes = plain(tone(rng, (0.03, 0.12), 0.6, (0.05, 0.6))), plain(anything(rng))
    stride = rng.uniform(-0.35, 0.35)
    parts: list[Part] = []
    for side, swing in ((-1, stride), (1, -stride)):
        z = side * 0.09 * k
        foot = 0.85 * k * math.sin(swing)
        bend = 0.05 * k * (swing < 0)
        knee = (foot * 0.45 + 0.03 * k, 0.48 * k, z)
        parts.append(rod(trousers, (0, 0.9 * k, z), knee, 0.085 * k, 0.065 * k))
        parts.append(rod(trousers, knee, (foot, 0.08 * k + bend, z), 0.065 * k, 0.045 * k))
        parts.append(
            ball(shoes, (foot + 0.05 * k, 0.045 * k + bend, z), (0.13 * k, 0.045 * k, 0.05 * k))
        )
        shoulder = (0.0, 1.42 * k, side * 0.2 * k)
        elbow = (-foot * 0.4, 1.13 * k, side * 0.25 * k)
        hand = (-foot * 0.6 + 0.08 * k, 0.88 * k, side * 0.24 * k)
        sleeve = shirt if rng.random() < 0.7 else skin
        parts.append(rod(shirt, shoulder, elbow, 0.055 * k, 0.045 * k))
        parts.append(rod(sleeve, elbow, hand, 0.042 * k, 0.035 * k))
        parts.append(ball(skin, hand, (0.045 * k, 0.06 * k, 0.04 * k)))
    parts += [
        ball(trousers, (0, 0.92 * k, 0), (0.13 * k, 0.12 * k, 0.175 * k)),
        rod(shirt, (0, 0.9 * k, 0), (0, 1.38 * k, 0), 0.14 * k, 0.16 * k),
        ball(shirt, (0, 1.38 * k, 0), (0.13 * k, 0.11 * k, 0.22 * k)),
        cone(skin, (0, 1.42 * k, 0), 0.12 * k, 0.055 * k, 0.055 * k),
        ball(skin, (0.01, 1.62 * k, 0), (0.095 * k, 0.125 * k, 0.08 * k)),
        ball(hair, (-0.02 * k, 1.665 * k, 0), (0.1 * k, 0.1 * k, 0.09 * k)),
    ]
    if rng.random() < 0.25:
        bag = fabric(rng)
        parts.append(ball(bag, (-0.2 * k, 1.18 * k, 0), (0.11 * k, 0.24 * k, 0.16 * k)))
    return Model("person", "solid", tuple(parts))


def bicycle(rng: Rng) -> Model:
    """Two rings, a frame of tubes, saddle and handlebar."""
    paint, dark, r = plain(anything(rng)), plain((0.08, 0.08, 0.08)), vary(rng, 0.33, 0.06)
    back, front = (-0.52, r, 0.0), (0.52, r, 0.0)
    pedals, saddle, head = (-0.1, r - 0.03, 0.0), (-0.22, 0.85, 0.0), (0.38, 0.82, 0.0)
    rim = metal(rng)
    parts = [wheel(RUBBER, hub, r, 0.04, 0.88) for hub in (back, front)]
    parts += [wheel(rim, hub, r * 0.12, 0.05) for hub in (back, front)]
    for start, end in (
        (back, pedals),
        (back, saddle),
        (pedals, saddle),
        (pedals, head),
        (saddle, head),
        (front, (0.35, 0.95, 0.0)),
    ):
        parts.append(rod(paint, start, end, 0.018))
    parts.append(rod(dark, (0.33, 0.97, -0.27), (0.33, 0.97, 0.27), 0.015))
    parts.append(ball(dark, (-0.24, 0.9, 0), (0.13, 0.035, 0.06)))
    return Model("bicycle", "hollow", tuple(parts))


def motorcycle(rng: Rng) -> Model:
    """Fat wheels with an engine, a tank and a seat between them."""
    paint, dark, r = plain(anything(rng)), plain((0.09, 0.09, 0.09)), 0.31
    chrome = metal(rng)
    parts = [wheel(RUBBER, (x, r, 0), r, 0.13, 0.6) for x in (-0.68, 0.68)]
    parts += [wheel(chrome, (x, r, 0), r * 0.5, 0.1) for x in (-0.68, 0.68)]
    parts += [
        box(dark, (0, 0.2, 0), (0.55, 0.35, 0.26)),
        ball(paint, (0.14, 0.74, 0), (0.33, 0.15, 0.16)),
        ball(dark, (-0.38, 0.74, 0), (0.36, 0.08, 0.14)),
        ball(paint, (-0.62, 0.7, 0), (0.22, 0.09, 0.1)),
        rod(chrome, (-0.1, 0.3, 0.14), (-0.85, 0.3, 0.16), 0.045),
        rod(chrome, (0.45, 0.9, -0.35), (0.45, 0.95, 0.35), 0.018),
        ball(chrome, (0.56, 0.82, 0), (0.1, 0.1, 0.1)),
        box(plain(darker(paint.color, 0.6)), (-0.1, 0.45, 0), (0.7, 0.14, 0.2)),
    ]
    parts += [rod(chrome, (0.68, r, s * 0.09), (0.46, 0.9, s * 0.09), 0.03) for s in (-1, 1)]
    return Model("motorcycle", "solid", tuple(parts))
