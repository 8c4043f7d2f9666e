"""Greedy non-maximum suppression."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from howfar.core.boxes import FloatArray, box_areas, intersections
from howfar.core.depth import BoolArray
from howfar.core.detections import Detections, IntArray

MAX_CANDIDATES = 30_000
"""Candidates beyond this many, by score, are dropped before suppression (YOLOv5's limit)."""
FIRST = 1024
"""Best candidates that are ranked first; the rest is only ranked where too few of them survive."""
BLOCK = 256
"""Candidates that are compared with each other at once."""


def nms(
    boxes: FloatArray,
    scores: FloatArray,
    class_ids: IntArray | None = None,
    iou: float = 0.6,
    max_det: int = 300,
    diou: float = 0.0,
) -> IntArray:
    """Return the indices of the boxes that survive greedy suppression, best score first.

    Args:
        boxes: (N, 4) float32 `xyxy`.
        scores: (N,) float32; ties keep their order.
        class_ids: (N,) class of each box: boxes suppress only boxes of their own class.
            None is class-agnostic.
        iou: a box is suppressed when its IoU with a kept box is greater than this, 0..1.
        max_det: keep at most this many.
        diou: boxes whose centres are apart overlap less: IoU - (rho² / c²)^diou, with rho the
            distance of the centres and c the diagonal of the box around both (DIoU, arXiv
            1911.08287; darknet takes 0.6). 0 is plain IoU.

    Returns (K,) int64. A box with zero area neither suppresses nor is suppressed.
    """
    groups = np.zeros(len(scores), np.int64) if class_ids is None else class_ids
    rule = _Rule(boxes, groups, iou, diou)
    kept = np.zeros(0, np.int64)
    for block in _ranked(scores):
        if len(kept) >= max_det:
            break
        free = block[~rule.hides(kept, block).any(axis=0)]
        kept = np.concatenate([kept, free[_greedy(free, rule)]])
    return kept[:max_det]


def _ranked(scores: FloatArray) -> Iterator[IntArray]:
    """Indices of the `MAX_CANDIDATES` highest scores (N,), best first, in blocks; ties keep their
    order."""
    whole = min(len(scores), MAX_CANDIDATES)
    first = min(FIRST, whole)
    order = _best(scores, first)
    for start in range(0, whole, BLOCK):
        if start + BLOCK > first and len(order) < whole:
            order = _best(scores, whole)
        yield order[start : start + BLOCK]


def _best(scores: FloatArray, count: int) -> IntArray:
    """Indices of the `count` highest scores, best first; ties keep their order."""
    if count == len(scores):
        return np.argsort(-scores, kind="stable")
    limit = np.partition(scores, len(scores) - count)[len(scores) - count]
    high = np.flatnonzero(scores >= limit)
    return high[np.argsort(-scores[high], kind="stable")][:count]


@dataclass(frozen=True, eq=False)
class _Rule:
    """Which boxes suppress which: boxes (N, 4), groups (N,), threshold and exponent."""

    boxes: FloatArray
    groups: IntArray
    iou: float
    diou: float

    def hides(self, a: IntArray, b: IntArray) -> BoolArray:
        """Which (N, M) of the boxes `a` overlap which of `b`, of the same group, by too much."""
        one, other = self.boxes[a], self.boxes[b]
        inter = intersections(one, other)
        union = box_areas(one)[:, None] + box_areas(other)[None] - inter
        most = self.iou + self._apart(one, other) if self.diou else self.iou
        hides: BoolArray = (inter > most * union) & (self.groups[a][:, None] == self.groups[b])
        return hides

    def _apart(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """(N, M) (rho² / c²)^diou."""
        between = (a[:, None, :2] + a[:, None, 2:] - b[None, :, :2] - b[None, :, 2:]) / 2
        around = np.maximum(a[:, None, 2:], b[None, :, 2:])
        around = around - np.minimum(a[:, None, :2], b[None, :, :2])
        diagonal = np.maximum((around**2).sum(axis=2), np.finfo(np.float32).tiny)
        apart: FloatArray = ((between**2).sum(axis=2) / diagonal) ** np.float32(self.diou)
        return apart


def _greedy(order: IntArray, rule: _Rule) -> BoolArray:
    """Which (N,) of the boxes `order`, best first, survive each other."""
    hides = np.triu(rule.hides(order, order), 1)
    alive = np.ones(len(order), bool)
    for i in np.flatnonzero(hides.any(axis=1)):
        if alive[i]:
            alive &= ~hides[i]
    return alive


def suppress(
    detections: Detections, iou: float = 0.6, max_det: int = 300, agnostic: bool = False
) -> Detections:
    """Apply `nms` to detections, class by class unless `agnostic`."""
    classes = None if agnostic else detections.class_ids
    return detections[nms(detections.boxes, detections.scores, classes, iou, max_det)]
