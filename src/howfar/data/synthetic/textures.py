"""Grey textures that mix the two colours of a paint, in one atlas with blurred levels.

Each tile repeats without a seam. Level l is blurred for pixels that cover 2^l texels, so that
far surfaces do not flicker.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

SIDE = 128
"""Texels along a tile."""
LEVELS = 6
PITCH = SIDE + 2
"""A tile with its border of one repeated texel on each side."""
TILES = ("plain", "cloud", "grain", "brick", "planks", "checker", "stripes", "windows", "weave")
Gray = npt.NDArray[np.float32]


@lru_cache(maxsize=1)
def atlas() -> npt.NDArray[np.float32]:
    """(LEVELS * PITCH, len(TILES) * PITCH) float32, 0 = first colour, 1 = second."""
    rng = np.random.default_rng(20)
    sheet = np.zeros((LEVELS * PITCH, len(TILES) * PITCH), np.float32)
    for i, name in enumerate(TILES):
        tile = _tile(name, rng)
        for level in range(LEVELS):
            y, x = level * PITCH, i * PITCH
            sheet[y : y + PITCH, x : x + PITCH] = np.pad(_blurred(tile, level), 1, mode="wrap")
    return sheet


def _blurred(tile: Gray, level: int) -> Gray:
    sigma = 0.5 * 2**level if level else 0.0
    if level == LEVELS - 1:
        return np.full_like(tile, tile.mean())
    if not sigma:
        return tile
    wide = np.pad(tile, SIDE // 2, mode="wrap")
    soft = cv2.GaussianBlur(wide, (0, 0), sigma)[SIDE // 2 : -SIDE // 2, SIDE // 2 : -SIDE // 2]
    return np.asarray(soft, np.float32)


def _cloud(rng: np.random.Generator, coarsest: int, octaves: int) -> Gray:
    """Sum of smooth repeating noise, 0..1."""
    total = np.zeros((SIDE, SIDE), np.float32)
    for k in range(octaves):
        cells = coarsest * 2**k
        coarse = np.pad(rng.random((cells, cells), np.float32), 2, mode="wrap")
        wide = SIDE * (cells + 4) // cells
        fine = cv2.resize(coarse, (wide, wide), interpolation=cv2.INTER_CUBIC)
        start = 2 * SIDE // cells
        total += fine[start : start + SIDE, start : start + SIDE] * np.float32(0.6**k)
    total -= total.min()
    scaled: Gray = total / total.max()
    return scaled


def _tile(name: str, rng: np.random.Generator) -> Gray:
    y, x = np.indices((SIDE, SIDE))
    noise = _cloud(rng, 4, 5)
    if name == "plain":
        return noise * np.float32(0.15)
    if name == "cloud":
        return noise
    if name == "grain":
        return 0.5 * noise + 0.5 * rng.random((SIDE, SIDE), np.float32)
    if name == "brick":
        row = y // 16
        joint = (y % 16 < 2) | ((x + 16 * (row % 2)) % 32 < 2)
        tone = rng.random((8, 4), np.float32)[row, ((x + 16 * (row % 2)) // 32) % 4]
        return np.where(joint, 1.0, 0.45 * tone).astype(np.float32)
    if name == "planks":
        plank = x // 32
        tone = rng.random(4, np.float32)[plank]
        return np.where(x % 32 < 2, 1.0, 0.5 * tone + 0.25 * noise).astype(np.float32)
    if name == "checker":
        return (((x // 64) + (y // 64)) % 2 * 0.85 + 0.15 * noise).astype(np.float32)
    if name == "stripes":
        return ((x % 32 < 14) * 0.9 + 0.1 * noise).astype(np.float32)
    if name == "windows":
        pane = (np.abs(x % 64 - 32) < 17) & (np.abs(y % 64 - 32) < 22)
        frame = (np.abs(x % 64 - 32) < 2) | (np.abs(y % 64 - 28) < 2)
        return np.where(pane, np.where(frame, 0.3, 1.0), 0.12 * noise).astype(np.float32)
    return (0.5 + 0.25 * np.sin(x * np.pi / 4) + 0.25 * np.sin(y * np.pi / 4)).astype(np.float32)
