"""Crops at which depth is evaluated by published protocols."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T", bound=np.generic)


class Crop(NamedTuple):
    """Rows top <= y < bottom and columns left <= x < right."""

    top: int
    bottom: int
    left: int
    right: int

    def of(self, array: npt.NDArray[T]) -> npt.NDArray[T]:
        """The part of (H, W, ...) inside, as a view."""
        return array[self.top : self.bottom, self.left : self.right]

    def mask(self, height: int, width: int) -> npt.NDArray[np.bool_]:
        """(H, W) bool, True inside."""
        inside = np.zeros((height, width), bool)
        self.of(inside)[...] = True
        return inside


NYU_EIGEN_INCLUSIVE = Crop(20, 460, 24, 616)
"""480x640. DenseDepth's crop (20, 459, 24, 615) with both ends inside (evaluate.py)."""
NYU_EIGEN_SLICE = Crop(20, 459, 24, 615)
"""480x640. The same numbers used as a Python slice, so one row and column less."""
NYU_EIGEN_BTS = Crop(45, 471, 41, 601)
"""480x640. BTS and its successors (bts_eval.py)."""
NYU_HYBRID = Crop(7, 473, 29, 611)
"""480x640. What the hybrid CNN's 256x320 crop of the picture at 0.55 covers (facts 1b)."""

GARG = (0.40810811, 0.99189189, 0.03594771, 0.96405229)
"""Shares of height, height, width, width; Garg et al. 2016, as in monodepth's evaluate_kitti.py."""
KITTI_EIGEN = (0.3324324, 0.91351351, 0.03594771, 0.96405229)
"""The same; Eigen et al. 2014, as in monodepth's evaluate_kitti.py."""
KB_WIDTH, KB_HEIGHT = 1216, 352
"""Size of the pictures in KITTI's depth benchmark (`val_selection_cropped`)."""


def _shares(shares: tuple[float, float, float, float], height: int, width: int) -> Crop:
    top, bottom, left, right = shares
    return Crop(int(top * height), int(bottom * height), int(left * width), int(right * width))


def garg_crop(height: int, width: int) -> Crop:
    """Garg's crop of a KITTI picture: 375x1242 -> rows 153:371, columns 44:1197."""
    return _shares(GARG, height, width)


def kitti_eigen_crop(height: int, width: int) -> Crop:
    """Eigen's crop of a KITTI picture."""
    return _shares(KITTI_EIGEN, height, width)


def kb_crop(height: int, width: int) -> Crop:
    """The 352x1216 at the bottom centre, as BTS cuts KITTI pictures to benchmark size."""
    top, left = height - KB_HEIGHT, int((width - KB_WIDTH) / 2)
    return Crop(top, top + KB_HEIGHT, left, left + KB_WIDTH)
