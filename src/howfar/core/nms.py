"""Greedy non-maximum suppression."""

from __future__ import annotations

import numpy as np

from howfar.core.boxes import FloatArray, box_areas, intersections
from howfar.core.depth import BoolArray
from howfar.core.detections import Detections, IntArray

MAX_CANDIDATES = 30_000
"""Candidates beyond this many, by score, are dropped before suppression (YOLOv5's limit)."""
FIRST = 400
"""Best candidates that are looked at first: what survives among them does not depend on worse ones,
so the rest is only needed where too few survive."""
TOGETHER = 512
"""Up to this many boxes, all groups at once are faster than one after the other."""
BLOCK = 256
"""Boxes that are compared with all that follow at once; bounds the memory."""


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
    whole = min(len(scores), MAX_CANDIDATES)
    count = min(max(FIRST, 2 * max_det), whole)
    while True:
        order = _best(scores, count)
        groups = np.zeros(len(order), np.int64) if class_ids is None else class_ids[order]
        kept = _survivors(boxes[order], groups, iou)
        if len(kept) >= max_det or count == whole:
            return order[kept][:max_det]
        count = min(4 * count, whole)


def _best(scores: FloatArray, count: int) -> IntArray:
    """Indices of the `count` highest scores, best first; ties keep their order."""
    if count == len(scores):
        return np.argsort(-scores, kind="stable")
    limit = np.partition(scores, len(scores) - count)[len(scores) - count]
    high = np.flatnonzero(scores >= limit)
    return high[np.argsort(-scores[high], kind="stable")][:count]


def _survivors(boxes: FloatArray, groups: IntArray, iou: float) -> IntArray:
    """Indices of the boxes (N, 4), best first, that survive the others of their group (N,)."""
    if len(boxes) <= TOGETHER:
        return np.flatnonzero(_greedy(boxes, iou, groups))
    by_group = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[by_group], prepend=-1))
    kept = np.zeros(len(boxes), bool)
    for members in np.split(by_group, starts[1:]):
        kept[members] = _greedy(boxes[members], iou)
    return np.flatnonzero(kept)


def _greedy(boxes: FloatArray, iou: float, groups: IntArray | None = None) -> BoolArray:
    """Which (N,) of the boxes (N, 4), best first, survive each other, or those of their group."""
    alive = np.ones(len(boxes), bool)
    areas = box_areas(boxes)
    for start in range(0, len(boxes), BLOCK):
        block = slice(start, start + BLOCK)
        inter = intersections(boxes[block], boxes[start:])
        hides = inter > iou * (areas[block, None] + areas[None, start:] - inter)
        if groups is not None:
            hides &= groups[block, None] == groups[None, start:]
        hides = np.triu(hides, 1)
        for i in np.flatnonzero(hides.any(axis=1)):
            if alive[start + i]:
                alive[start:] &= ~hides[i]
    return alive


def suppress(
    detections: Detections, iou: float = 0.6, max_det: int = 300, agnostic: bool = False
) -> Detections:
    """Apply `nms` to detections, class by class unless `agnostic`."""
    classes = None if agnostic else detections.class_ids
    return detections[nms(detections.boxes, detections.scores, classes, iou, max_det)]
