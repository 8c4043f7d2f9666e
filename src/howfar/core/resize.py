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
    """Pixel i of n takes the value at i (m - 1) / (n - 1) of m.

    NumPy, as `cv2.remap` of OpenCV 4 knows 32 places within a pixel, which is wrong by up to 6 of
    255. Only the rows that are needed are made narrower.
    """
    top, below, down = _neighbours(array.shape[0], height)
    left, right, across = _neighbours(array.shape[1], width)
    used, places = np.unique(np.concatenate([top, below]), return_inverse=True)
    rows = array if len(used) == len(array) else array[used]
    across = across.reshape(-1, *(1,) * (array.ndim - 2))
    narrow = np.take(rows, left, axis=1) * (1 - across)
    narrow += np.take(rows, right, axis=1) * across
    down = down.reshape(-1, *(1,) * (array.ndim - 1))
    found = narrow[places[:height]] * (1 - down)
    found += narrow[places[height:]] * down
    if array.dtype == np.uint8:
        np.rint(found, out=found)
    resized: npt.NDArray[T] = found.astype(array.dtype, copy=False)
    return resized


def _neighbours(
    size: int, count: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Pixels before and after each of `count` places spread over `size` pixels, and how far
    (count,) each place is from the one before, 0..1."""
    places = np.linspace(0, size - 1, count, dtype=np.float32)
    before = np.floor(places).astype(np.int64)
    return before, np.minimum(before + 1, size - 1), places - before.astype(np.float32)
