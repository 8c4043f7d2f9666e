"""Greedy non-maximum suppression."""

from __future__ import annotations

import numpy as np

from howfar.core.boxes import FloatArray, box_areas, intersections
from howfar.core.depth import BoolArray
from howfar.core.detections import Detections, IntArray

MAX_CANDIDATES = 30_000
"""Candidates beyond this many, by score, are dropped before suppression (YOLOv5's limit)."""
FIRST = 1000
"""Best candidates that are looked at first: what survives among them does not depend on worse ones,
so the rest is only needed where too few survive."""
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
    order = np.argsort(-scores, kind="stable")[:MAX_CANDIDATES]
    groups = np.zeros(len(order), np.int64) if class_ids is None else class_ids[order]
    count = min(max(FIRST, 2 * max_det), len(order))
    while True:
        kept = _survivors(boxes[order[:count]], groups[:count], iou)
        if len(kept) >= max_det or count == len(order):
            return order[kept][:max_det]
        count = min(4 * count, len(order))


def _survivors(boxes: FloatArray, groups: IntArray, iou: float) -> IntArray:
    """Indices of the boxes (N, 4), best first, that survive the others of their group (N,)."""
    by_group = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[by_group], prepend=-1))
    kept = np.zeros(len(boxes), bool)
    for members in np.split(by_group, starts[1:]):
        kept[members] = _greedy(boxes[members], iou)
    return np.flatnonzero(kept)


def _greedy(boxes: FloatArray, iou: float) -> BoolArray:
    """Which (N,) of the boxes (N, 4), best first, survive each other."""
    alive = np.ones(len(boxes), bool)
    areas = box_areas(boxes)
    for start in range(0, len(boxes), BLOCK):
        block = slice(start, start + BLOCK)
        inter = intersections(boxes[block], boxes[start:])
        hides = inter > iou * (areas[block, None] + areas[None, start:] - inter)
        for i in range(len(inter)):
            if alive[start + i]:
                alive[start + i + 1 :] &= ~hides[i, i + 1 :]
    return alive


def suppress(
    detections: Detections, iou: float = 0.6, max_det: int = 300, agnostic: bool = False
) -> Detections:
    """Apply `nms` to detections, class by class unless `agnostic`."""
    classes = None if agnostic else detections.class_ids
    return detections[nms(detections.boxes, detections.scores, classes, iou, max_det)]
