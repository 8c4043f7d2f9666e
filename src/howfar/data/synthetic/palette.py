"""Random colours and paints."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np

from howfar.data.synthetic.shapes import Color, Paint, Vector

Rng = np.random.Generator


def tone(
    rng: Rng, hue: tuple[float, float], saturation: float, value: tuple[float, float]
) -> Color:
    """A colour with a hue in a range (0..1, wraps), a saturation up to a limit and a value."""
    hue_now = rng.uniform(*hue) % 1.0
    return colorsys.hsv_to_rgb(hue_now, rng.uniform(0.3, 1) * saturation, rng.uniform(*value))


def anything(rng: Rng) -> Color:
    """Any colour, grey ones often."""
    return tone(rng, (0, 1), float(rng.choice([0.15, 0.5, 0.9])), (0.15, 0.95))


def darker(color: Color, factor: float) -> Color:
    """A colour times a factor."""
    return (color[0] * factor, color[1] * factor, color[2] * factor)


def plain(color: Color) -> Paint:
    """One colour with a trace of unevenness."""
    return Paint(color, darker(color, 0.7))


def patterned(rng: Rng, color: Color, textures: Sequence[str], tile_m: float) -> Paint:
    """A colour with a random texture of a second colour."""
    second = darker(color, rng.uniform(0.45, 0.85)) if rng.random() < 0.7 else anything(rng)
    texture = textures[int(rng.integers(len(textures)))]
    return Paint(color, second, texture, tile_m * rng.uniform(0.7, 1.5))


def wood(rng: Rng) -> Paint:
    """Brown to pale timber, sometimes painted."""
    color = tone(rng, (0.05, 0.1), 0.7, (0.3, 0.8)) if rng.random() < 0.8 else anything(rng)
    return Paint(color, darker(color, 0.65), "planks", rng.uniform(0.3, 0.7))


def metal(rng: Rng) -> Paint:
    """Grey, from black to bright."""
    return plain(tone(rng, (0.5, 0.7), 0.15, (0.1, 0.8)))


def leaves(rng: Rng) -> Paint:
    """Green in two shades."""
    color = tone(rng, (0.2, 0.38), 0.8, (0.25, 0.6))
    return Paint(color, darker(color, 0.5), "grain", 0.6)


def fabric(rng: Rng, tile_m: float = 0.3) -> Paint:
    """Cloth of any colour."""
    return patterned(rng, anything(rng), ("plain", "weave", "stripes", "cloud"), tile_m)


def vary(rng: Rng, value: float, share: float = 0.12) -> float:
    """A number within +-share of a value."""
    return float(value * rng.uniform(1 - share, 1 + share))


def around(x: float, y: float, z: float) -> list[Vector]:
    """The four points (+-x, y, +-z)."""
    return [(x, y, z), (x, y, -z), (-x, y, z), (-x, y, -z)]
