"""Windows of a depth map that protocols look at, by the size of the true map."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from howfar.core.resize import T
from howfar.errors import UsageError

Window = tuple[int, int, int, int]
"""Rows first, columns after: (row, row end, column, column end), half-open."""


def whole_picture(height: int, width: int) -> Window:
    """No crop."""
    return 0, height, 0, width


def garg_crop(height: int, width: int) -> Window:
    """Garg's crop of KITTI, as fractions of the picture (375 x 1242 -> 153:371, 44:1197)."""
    rows = int(0.40810811 * height), int(0.99189189 * height)
    return *rows, int(0.03594771 * width), int(0.96405229 * width)


def eigen_kitti_crop(height: int, width: int) -> Window:
    """Eigen's crop of KITTI; the columns are Garg's."""
    rows = int(0.3324324 * height), int(0.91351351 * height)
    return *rows, int(0.03594771 * width), int(0.96405229 * width)


def nyu_hybrid_crop(height: int, width: int) -> Window:
    """What the Hybrid CNN's 256 x 320 input covers of a 480 x 640 NYU picture (facts 1b)."""
    return _nyu(height, width, (7, 473, 29, 611))


def nyu_eigen_crop(height: int, width: int) -> Window:
    """Eigen's crop of NYU as in BTS: rows 45:471, columns 41:601.

    Others use 20:459, 24:615, or DenseDepth 20:460, 24:616 (facts 2).
    """
    return _nyu(height, width, (45, 471, 41, 601))


def _nyu(height: int, width: int, window: Window) -> Window:
    if (height, width) != (480, 640):
        raise UsageError(f"this protocol crops 480x640 NYU maps; the truth is {height}x{width}")
    return window


def nyu_hybrid_input(picture: npt.NDArray[T]) -> npt.NDArray[T]:
    """The Hybrid CNN's input from a 480 x 640 picture: x 0.55 to 264 x 352, then 256 x 320.

    Nearest neighbour as `cv2.INTER_NEAREST`: row i is row floor(i · 480/264); rows 4:260 and
    columns 16:336 of that (facts 1b). For 480 x 640 x C colours or 480 x 640 depth.
    """
    if picture.shape[:2] != (480, 640):
        raise UsageError(f"nyu-hybrid reads 480x640 pictures; this one is {picture.shape[:2]}")
    rows = np.arange(4, 260) * 480 // 264
    columns = np.arange(16, 336) * 640 // 352
    return picture[rows[:, None], columns]
