"""The one place that resizes arrays."""

from __future__ import annotations

from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

T = TypeVar("T", np.uint8, np.float32)

CORNERS = "corner-bilinear"
"""Bilinear with the corner pixels' centres at the corners, as darknet resizes (facts 1d)."""
INTERPOLATIONS = {
    "nearest": cv2.INTER_NEAREST_EXACT,
    "bilinear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
    CORNERS: cv2.INTER_LINEAR,
}
"""OpenCV's flags by name. `area` averages where a picture shrinks and is bilinear where it grows;
all but `corner-bilinear` use pixel centres at half positions."""


def resize(
    array: npt.NDArray[T], width: int, height: int, interpolation: str = "bilinear"
) -> npt.NDArray[T]:
    """Resize (H, W) or (H, W, C) of uint8 or float32 to `height` x `width`, same dtype."""
    if array.shape[:2] == (height, width):
        return array
    if interpolation == CORNERS:
        return _with_corners(array, width, height)
    flag = INTERPOLATIONS[interpolation]
    return cv2.resize(array, (width, height), interpolation=flag).astype(array.dtype, copy=False)


def _with_corners(array: npt.NDArray[T], width: int, height: int) -> npt.NDArray[T]:
    """Pixel i of n takes the value at i (m - 1) / (n - 1) of m."""
    x = np.linspace(0, array.shape[1] - 1, width, dtype=np.float32)
    y = np.linspace(0, array.shape[0] - 1, height, dtype=np.float32)
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    right = np.minimum(left + 1, array.shape[1] - 1)
    below = np.minimum(top + 1, array.shape[0] - 1)
    shape = (-1,) + (1,) * (array.ndim - 2)
    across, down = (x - left).reshape(shape), (y - top).reshape(-1, 1, *shape[1:])
    wide = array.astype(np.float32)
    rows = wide[:, left] * (1 - across) + wide[:, right] * across
    found = rows[top] * (1 - down) + rows[below] * down
    if array.dtype == np.uint8:
        found = np.rint(found)
    resized: npt.NDArray[T] = found.astype(array.dtype)
    return resized
