"""The one place that resizes arrays."""

from __future__ import annotations

from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

T = TypeVar("T", np.uint8, np.float32)

INTERPOLATIONS = {
    "nearest": cv2.INTER_NEAREST_EXACT,
    "bilinear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
}
"""OpenCV's flags by name. `area` averages where a picture shrinks and is bilinear where it grows;
all use pixel centres at half positions."""


def resize(
    array: npt.NDArray[T], width: int, height: int, interpolation: str = "bilinear"
) -> npt.NDArray[T]:
    """Resize (H, W) or (H, W, C) of uint8 or float32 to `height` x `width`, same dtype."""
    if array.shape[:2] == (height, width):
        return array
    flag = INTERPOLATIONS[interpolation]
    return cv2.resize(array, (width, height), interpolation=flag).astype(array.dtype, copy=False)
