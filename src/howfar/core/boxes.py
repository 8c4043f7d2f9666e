"""Axis-aligned boxes: float32 `xyxy` pixels, origin at the image's top-left corner, half-open."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from howfar.errors import UsageError

FloatArray = npt.NDArray[np.float32]


class Box(NamedTuple):
    """One box in pixels: covers x1 <= x < x2 and y1 <= y < y2. Iterates as four floats."""

    x1: float
    y1: float
    x2: float
    y2: float

    @property
    def width(self) -> float:
        """Width in pixels."""
        return self.x2 - self.x1

    @property
    def height(self) -> float:
        """Height in pixels."""
        return self.y2 - self.y1

    @property
    def area(self) -> float:
        """Area in square pixels, 0 for an empty box."""
        return max(self.width, 0.0) * max(self.height, 0.0)

    @property
    def center(self) -> tuple[float, float]:
        """Centre (x, y) in pixels."""
        return (self.x1 + self.x2) / 2, (self.y1 + self.y2) / 2


def as_boxes(boxes: npt.ArrayLike) -> FloatArray:
    """Return boxes as an (N, 4) float32 array of `xyxy` pixels.

    Raises `UsageError` where the shape is not (N, 4) or (4,), a coordinate is not finite, or a
    corner pair is swapped (x2 < x1 or y2 < y1).
    """
    try:
        array = np.array(boxes, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise UsageError(f"boxes are no array of numbers ({error}); give (N, 4)") from error
    if array.size == 0:
        return np.zeros((0, 4), np.float32)
    if array.ndim == 1:
        array = array[None]
    if array.ndim != 2 or array.shape[1] != 4:
        raise UsageError(f"boxes have shape {array.shape}; expected (N, 4) as x1, y1, x2, y2")
    if not np.isfinite(array).all():
        raise UsageError("a box coordinate is not finite; give x1, y1, x2, y2 in pixels")
    swapped = (array[:, 2] < array[:, 0]) | (array[:, 3] < array[:, 1])
    if swapped.any():
        first = array[swapped][0].tolist()
        raise UsageError(f"box {first} has x2 < x1 or y2 < y1; give x1, y1, x2, y2, not x, y, w, h")
    return np.ascontiguousarray(array)


def clip_boxes(boxes: FloatArray, width: int, height: int) -> FloatArray:
    """Clip (N, 4) boxes to an image of `width` x `height` pixels."""
    limit = np.array([width, height, width, height], np.float32)
    return np.clip(boxes, np.float32(0), limit)


def box_areas(boxes: FloatArray) -> FloatArray:
    """Areas (N,) of (N, 4) boxes in square pixels; empty boxes have area 0."""
    sides = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None)
    areas: FloatArray = sides[:, 0] * sides[:, 1]
    return areas


def intersections(a: FloatArray, b: FloatArray) -> FloatArray:
    """Pairwise intersection areas (N, M) of boxes (N, 4) and (M, 4), in square pixels."""
    ax1, ay1, ax2, ay2 = a.T[:, :, None]
    bx1, by1, bx2, by2 = b.T[:, None, :]
    width = np.minimum(ax2, bx2) - np.maximum(ax1, bx1)
    height = np.minimum(ay2, by2) - np.maximum(ay1, by1)
    inter: FloatArray = np.maximum(width, 0) * np.maximum(height, 0)
    return inter


def iou_matrix(a: FloatArray, b: FloatArray) -> FloatArray:
    """Pairwise intersection over union (N, M), 0..1, of boxes (N, 4) and (M, 4).

    Two empty boxes have IoU 0.
    """
    inter = intersections(a, b)
    union = box_areas(a)[:, None] + box_areas(b)[None] - inter
    iou: FloatArray = np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)
    return iou
