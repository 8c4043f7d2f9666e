"""Disparity of a stereo pair from optical flow: the only "truth" that WSVD's videos allow."""

from __future__ import annotations

import cv2
import numpy as np

from howfar.core.boxes import FloatArray
from howfar.core.depth import DepthKind, DepthMap
from howfar.core.image import Image

CONSISTENT_PX = 1.0
"""Flow there and back must meet within this distance."""
LEVEL_PX = 2.0
"""The two views of a pair differ sideways; more vertical flow than this is an error."""


def flow_disparity(left: Image, right: Image) -> DepthMap:
    """Inverse depth up to scale and shift, valid where the flow there and back agrees.

    Web videos are not rectified to infinity, so disparities have an unknown shift and either sign.
    Flow: OpenCV's dense inverse search (Kroeger et al. 2016), preset medium.
    """
    there, back = _flow(left, right), _flow(right, left)
    rows, columns = np.indices(there.shape[:2], np.float32)
    x, y = columns + there[..., 0], rows + there[..., 1]
    returned = cv2.remap(back, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    error = np.hypot(there[..., 0] + returned[..., 0], there[..., 1] + returned[..., 1])
    inside = (x >= 0) & (y >= 0) & (x <= left.width - 1) & (y <= left.height - 1)
    good = inside & (error < CONSISTENT_PX) & (np.abs(there[..., 1]) < LEVEL_PX)
    return DepthMap(-there[..., 0], DepthKind.RELATIVE_AFFINE, good)


def _flow(first: Image, second: Image) -> FloatArray:
    grey = [cv2.cvtColor(image.pixels, cv2.COLOR_RGB2GRAY) for image in (first, second)]
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)  # type: ignore[attr-defined]
    return np.asarray(search.calc(grey[0], grey[1], None), np.float32)
