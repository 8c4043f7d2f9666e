"""Greedy non-maximum suppression."""

from __future__ import annotations

from collections.abc import Iterator

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
) -> IntArray:
    """Return the indices of the boxes that survive greedy suppression, best score first.

    Args:
        boxes: (N, 4) float32 `xyxy`.
        scores: (N,) float32; ties keep their order.
        class_ids: (N,) class of each box: boxes suppress only boxes of their own class.
            None is class-agnostic.
        iou: a box is suppressed when its IoU with a kept box is greater than this, 0..1.
        max_det: keep at most this many.

    Returns (K,) int64. A box with zero area neither suppresses nor is suppressed.
    """
    groups = np.zeros(len(scores), np.int64) if class_ids is None else class_ids
    kept = np.zeros(0, np.int64)
    for block in _ranked(scores):
        if len(kept) >= max_det:
            break
        free = block[~_hides(kept, block, boxes, groups, iou).any(axis=0)]
        kept = np.concatenate([kept, free[_greedy(free, boxes, groups, iou)]])
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


def _greedy(order: IntArray, boxes: FloatArray, groups: IntArray, iou: float) -> BoolArray:
    """Which (N,) of the boxes `order`, best first, survive each other."""
    hides = np.triu(_hides(order, order, boxes, groups, iou), 1)
    alive = np.ones(len(order), bool)
    for i in np.flatnonzero(hides.any(axis=1)):
        if alive[i]:
            alive &= ~hides[i]
    return alive


def _hides(a: IntArray, b: IntArray, boxes: FloatArray, groups: IntArray, iou: float) -> BoolArray:
    """Which (N, M) of the boxes `a` overlap which of `b`, of the same group, by more than `iou`."""
    inter = intersections(boxes[a], boxes[b])
    both = box_areas(boxes[a])[:, None] + box_areas(boxes[b])[None]
    hides: BoolArray = (inter > iou * (both - inter)) & (groups[a][:, None] == groups[b][None])
    return hides


def suppress(
    detections: Detections, iou: float = 0.6, max_det: int = 300, agnostic: bool = False
) -> Detections:
    """Apply `nms` to detections, class by class unless `agnostic`."""
    classes = None if agnostic else detections.class_ids
    return detections[nms(detections.boxes, detections.scores, classes, iou, max_det)]
