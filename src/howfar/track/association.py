"""Which detection is which known object: likeness of boxes, and the best assignment.

ByteTrack (arXiv 2110.06864): sure detections are matched with the known objects first, unsure
ones with the objects that are left over; only sure ones begin a new object.
"""

from __future__ import annotations

import importlib.util
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from howfar.core.boxes import FloatArray, iou_matrix
from howfar.errors import UsageError

OTHER_LABEL = 0.6
"""Factor on the likeness of a detection with another label: car or truck, say."""
DISTANCE_SPREAD = 0.25
"""Standard deviation of log distance within which boxes are as alike as they overlap."""
OTHER_DISTANCE = 0.6
"""Least factor for another distance: one wrong distance must not end a track."""


class Candidates(NamedTuple):
    """N things to compare.

    Attributes:
        boxes: (N, 4) float32 `xyxy` pixels.
        labels: N class names.
        log_m: (N,) natural logarithm of the distance in metres, NaN where it is unknown.
    """

    boxes: FloatArray
    labels: list[str]
    log_m: npt.NDArray[np.float64]

    def pick(self, indices: list[int]) -> Candidates:
        """Some of them."""
        return Candidates(
            self.boxes[indices], [self.labels[i] for i in indices], self.log_m[indices]
        )


def likeness(known: Candidates, found: Candidates, buffer: float = 0.0) -> FloatArray:
    """(N, M) 0..1: IoU, lowered where labels or distances differ.

    Args:
        known: N objects where they are expected.
        found: M detections.
        buffer: enlarge all boxes on each side by this share of their width and height first, so
            that boxes near each other overlap (C-BIoU, arXiv 2211.14317).
    """
    overlap = iou_matrix(_grown(known.boxes, buffer), _grown(found.boxes, buffer))
    other = np.array([[a != b for b in found.labels] for a in known.labels], bool)
    off = np.abs(known.log_m[:, None] - found.log_m[None]) / DISTANCE_SPREAD
    agreement = np.maximum(np.exp(-0.5 * off**2), OTHER_DISTANCE)
    agreement = np.where(np.isfinite(off), agreement, 1.0)
    overlap = overlap * np.where(other.reshape(overlap.shape), OTHER_LABEL, 1.0) * agreement
    result: FloatArray = overlap.astype(np.float32)
    return result


def assign(alike: FloatArray, least: float) -> list[tuple[int, int]]:
    """Pairs (row, column) of an (N, M) likeness that sum highest, without those below `least`."""
    if not alike.size or alike.max() < least:
        return []
    from scipy.optimize import linear_sum_assignment  # loading it takes time

    rows, columns = linear_sum_assignment(np.where(alike >= least, 1 - alike, 2.0))
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return [(i, j) for i, j in pairs if alike[i, j] >= least]


def check_scipy() -> None:
    """Raise `UsageError` where scipy is not installed."""
    if importlib.util.find_spec("scipy") is None:
        raise UsageError("tracking needs scipy; run `pip install 'howfar[video]'`")


def _grown(boxes: FloatArray, share: float) -> FloatArray:
    sides = (boxes[:, 2:] - boxes[:, :2]) * np.float32(share)
    return np.concatenate([boxes[:, :2] - sides, boxes[:, 2:] + sides], axis=1)
