"""Things that lie on tables and floors: bottles, cups, balls, toys."""

from __future__ import annotations

from howfar.data.synthetic.palette import (
    Rng,
    anything,
    darker,
    fabric,
    leaves,
    metal,
    patterned,
    plain,
    tone,
    vary,
)
from howfar.data.synthetic.shapes import Model, Paint, ball, box, cone, rod


def bottle(rng: Rng) -> Model:
    """Body, shoulder, neck and cap."""
    color = tone(rng, (0.1, 0.6), 0.8, (0.15, 0.8))
    paint, label = plain(color), Paint(anything(rng), anything(rng), "stripes", 0.2)
    high, r = vary(rng, 0.26, 0.2), vary(rng, 0.037)
    parts = (
        cone(paint, (0, 0, 0), high * 0.62, r, r),
        cone(label, (0, high * 0.2, 0), high * 0.25, r * 1.02, r * 1.02),
        cone(paint, (0, high * 0.62, 0), high * 0.18, r, r * 0.4),
        cone(paint, (0, high * 0.8, 0), high * 0.16, r * 0.4, r * 0.36),
        cone(plain(anything(rng)), (0, high * 0.94, 0), high * 0.06, r * 0.45, r * 0.45),
    )
    return Model("bottle", "curved", parts)


def cup(rng: Rng) -> Model:
    """A cup with a small handle."""
    paint, high = plain(anything(rng)), vary(rng, 0.1, 0.2)
    r = high * 0.42
    handle = rod(paint, (r, high * 0.25, 0), (r + 0.02, high * 0.7, 0), 0.007)
    return Model("cup", "curved", (cone(paint, (0, 0, 0), high, r * 0.85, r), handle))


def bowl(rng: Rng) -> Model:
    """A wide low bowl, filled."""
    paint, r = plain(anything(rng)), vary(rng, 0.09, 0.3)
    filling = ball(
        plain(tone(rng, (0, 0.35), 0.8, (0.4, 0.9))), (0, 0.65 * r, 0), (r * 0.8, r * 0.35, r * 0.8)
    )
    return Model("bowl", "curved", (cone(paint, (0, 0, 0), 0.75 * r, 0.45 * r, r), filling))


def vase(rng: Rng) -> Model:
    """A bulging vase with or without leaves."""
    paint, high = (
        patterned(rng, anything(rng), ("plain", "stripes", "cloud"), 0.2),
        vary(rng, 0.3, 0.3),
    )
    parts = [
        ball(paint, (0, high * 0.4, 0), (high * 0.28, high * 0.4, high * 0.28)),
        cone(paint, (0, high * 0.7, 0), high * 0.3, high * 0.12, high * 0.17),
    ]
    if rng.random() < 0.5:
        parts.append(ball(leaves(rng), (0, high * 1.2, 0), (0.12, 0.13, 0.12), leaf_m=0.025))
    return Model("vase", "curved", tuple(parts))


def sports_ball(rng: Rng) -> Model:
    """A ball of 11 to 13 cm radius."""
    r = rng.uniform(0.1, 0.13)
    paint = Paint(tone(rng, (0, 1), 0.8, (0.5, 1)), anything(rng), "checker", 0.25)
    return Model("sports ball", "curved", (ball(paint, (0, r, 0), (r, r, r)),))


def book(rng: Rng) -> Model:
    """A pile of books."""
    parts = []
    base = 0.0
    for _ in range(int(rng.integers(1, 5))):
        thick = rng.uniform(0.02, 0.05)
        size = (rng.uniform(0.15, 0.2), thick, rng.uniform(0.22, 0.28))
        parts.append(box(plain(anything(rng)), (rng.uniform(-0.02, 0.02), base, 0), size))
        base += thick
    return Model("book", "solid", tuple(parts))


def microwave(rng: Rng) -> Model:
    """A box with a dark door."""
    black = plain((0.06, 0.06, 0.07))
    parts = (
        box(metal(rng), (0, 0, 0), (0.38, 0.29, 0.5)),
        box(black, (0.19, 0.03, -0.07), (0.012, 0.23, 0.33)),
        box(black, (0.19, 0.05, 0.18), (0.01, 0.2, 0.08)),
    )
    return Model("microwave", "solid", parts)


def teddy_bear(rng: Rng) -> Model:
    """A sitting bear of ellipsoids."""
    fur = Paint(tone(rng, (0.05, 0.11), 0.7, (0.35, 0.85)), (0.2, 0.12, 0.06), "grain", 0.3)
    dark = plain((0.05, 0.04, 0.04))
    k = vary(rng, 1.0, 0.35)
    parts = [
        ball(fur, (0, 0.15 * k, 0), (0.1 * k, 0.15 * k, 0.11 * k)),
        ball(fur, (0.02, 0.36 * k, 0), (0.09 * k, 0.09 * k, 0.1 * k)),
        ball(
            plain(darker(fur.color, 1.2)), (0.1 * k, 0.34 * k, 0), (0.04 * k, 0.035 * k, 0.04 * k)
        ),
        ball(dark, (0.14 * k, 0.35 * k, 0), (0.012 * k, 0.012 * k, 0.015 * k)),
    ]
    for s in (-1, 1):
        parts.append(ball(fur, (0, 0.45 * k, s * 0.075 * k), (0.025 * k, 0.035 * k, 0.035 * k)))
        parts.append(ball(fur, (0.06 * k, 0.2 * k, s * 0.12 * k), (0.09 * k, 0.04 * k, 0.04 * k)))
        parts.append(ball(fur, (0.13 * k, 0.05 * k, s * 0.08 * k), (0.11 * k, 0.05 * k, 0.05 * k)))
        parts.append(ball(dark, (0.1 * k, 0.39 * k, s * 0.035 * k), (0.01 * k, 0.01 * k, 0.01 * k)))
    return Model("teddy bear", "curved", tuple(parts))


def backpack(rng: Rng) -> Model:
    """A rounded bag with a front pocket."""
    paint = fabric(rng)
    parts = (
        ball(paint, (0, 0.24, 0), (0.14, 0.25, 0.17)),
        ball(plain(darker(paint.color, 0.7)), (0.09, 0.16, 0), (0.09, 0.12, 0.13)),
        rod(plain(darker(paint.color, 0.5)), (-0.02, 0.48, -0.04), (-0.02, 0.48, 0.04), 0.015),
    )
    return Model("backpack", "curved", parts)


def toilet(rng: Rng) -> Model:
    """Bowl, seat and cistern."""
    paint = plain(tone(rng, (0.1, 0.6), 0.08, (0.85, 0.98)))
    parts = (
        cone(paint, (0.05, 0, 0), 0.38, 0.12, 0.2),
        ball(paint, (0.1, 0.39, 0), (0.25, 0.045, 0.19)),
        box(paint, (-0.24, 0.3, 0), (0.18, 0.42, 0.38)),
        box(paint, (-0.2, 0, 0), (0.2, 0.35, 0.22)),
    )
    return Model("toilet", "curved", parts)
