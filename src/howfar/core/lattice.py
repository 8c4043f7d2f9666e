"""Reading many boxes of a map at once: boxes as whole pixels, and lattices of samples in them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from howfar.core.boxes import FloatArray
from howfar.core.depth import BoolArray, DepthMap
from howfar.core.detections import IntArray

SIDE_SAMPLES = 32
"""Most columns and most rows that are read of one box: at most 1,024 pixels."""


@dataclass(frozen=True, eq=False)
class PixelBoxes:
    """N boxes as whole-pixel slices `[y1:y2, x1:x2]`; empty where a box misses the image."""

    x1: IntArray
    y1: IntArray
    x2: IntArray
    y2: IntArray

    @cached_property
    def inside(self) -> BoolArray:
        """(N,) whether any pixel is left."""
        inside: BoolArray = (self.x2 > self.x1) & (self.y2 > self.y1)
        return inside

    def count_valid(self, valid: BoolArray) -> IntArray:
        """Number of True pixels of an (H, W) mask in each box."""
        if valid.all():
            return (self.x2 - self.x1) * (self.y2 - self.y1)
        sums = cv2.integral(valid.astype(np.uint8))
        counts = (
            sums[self.y2, self.x2]
            - sums[self.y1, self.x2]
            - sums[self.y2, self.x1]
            + sums[self.y1, self.x1]
        )
        return np.where(self.inside, counts, 0).astype(np.int64)


def pixel_boxes(boxes: FloatArray, width: int, height: int) -> PixelBoxes:
    """The pixels of an image of `width` x `height` that (N, 4) boxes touch.

    A box with an empty side inside the image touches the one pixel that it lies in.
    """
    limit = np.array([width, height], np.float32)
    start = np.floor(boxes[:, :2])
    stop = np.maximum(np.ceil(boxes[:, 2:]), start + 1)
    start = np.clip(start, 0, limit).astype(np.int64)
    stop = np.maximum(np.clip(stop, 0, limit).astype(np.int64), start)
    return PixelBoxes(start[:, 0], start[:, 1], stop[:, 0], stop[:, 1])


def read_lattice(depth: DepthMap, region: PixelBoxes) -> FloatArray:
    """Depths (N, S) on an even lattice of each box; NaN where there is none.

    A side of at most 32 pixels is read completely, each pixel once; S is what the largest box
    needs, at most 1,024.
    """
    x, new_x = _even(region.x1, region.x2)
    y, new_y = _even(region.y1, region.y2)
    usable = (new_y[:, :, None] & new_x[:, None, :]).reshape(len(x), y.shape[1] * x.shape[1])
    return take(depth, lattice_index(depth, x, y), usable)


def lattice_index(depth: DepthMap, x: IntArray, y: IntArray) -> IntArray:
    """Flat pixel index (N, R * C) of columns x (N, C) and rows y (N, R)."""
    index: IntArray = (y * depth.width)[:, :, None] + x[:, None, :]
    return index.reshape(len(x), y.shape[1] * x.shape[1])


def take(depth: DepthMap, index: IntArray, usable: BoolArray) -> FloatArray:
    """Depths at flat pixel indices; NaN where not `usable` (same shape) or not valid."""
    every = bool(usable.all())
    if not every:
        index = np.where(usable, index, 0)
    values = depth.values.ravel().take(index)
    if not depth.valid.all():
        values[~depth.valid.ravel().take(index)] = np.nan
    if not every:
        values[~usable] = np.nan
    return values


def _even(start: IntArray, stop: IntArray) -> tuple[IntArray, BoolArray]:
    """Positions (N, C) spread evenly over start..stop, C <= 32, and which occur for the first
    time in their row (short sides repeat positions, empty ones have none)."""
    length = (stop - start)[:, None]
    count = min(max(int(length.max(initial=1)), 1), SIDE_SAMPLES)
    position = start[:, None] + (2 * np.arange(count) + 1) * length // (2 * count)
    new = np.diff(position, axis=1, prepend=-1) != 0
    return position, new & (length > 0)


def ranked_quantiles(ranked: FloatArray, counts: IntArray, shares: tuple[float, ...]) -> FloatArray:
    """Linear-interpolated quantiles (Q, N) of the first `counts[i]` values of each sorted row.

    NaN where a row has none.
    """
    last = np.maximum(counts - 1, 0)
    position = last * np.array(shares)[:, None]
    below = position.astype(np.int64)
    rows = np.arange(len(ranked))
    a, b = ranked[rows, below], ranked[rows, np.minimum(below + 1, last)]
    values: FloatArray = (a + (b - a) * (position - below)).astype(np.float32)
    values[:, counts == 0] = np.nan
    return values
