"""Greedy non-maximum suppression."""

from __future__ import annotations

import numpy as np

from howfar.core.boxes import FloatArray, box_areas
from howfar.core.detections import Detections, IntArray

MAX_CANDIDATES = 30_000
"""Candidates beyond this many, by score, are dropped before suppression (YOLOv5's limit)."""


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
    ranked = boxes[order]
    groups = np.zeros(len(order), np.int64) if class_ids is None else class_ids[order]
    areas = box_areas(ranked)
    x1, y1, x2, y2 = (np.ascontiguousarray(column) for column in ranked.T)
    alive = np.ones(len(order), bool)
    keep: list[int] = []
    for i in range(len(order)):
        if not alive[i]:
            continue
        keep.append(i)
        if len(keep) == max_det:
            break
        rest = np.flatnonzero(alive[i + 1 :] & (groups[i + 1 :] == groups[i])) + i + 1
        if not len(rest):
            continue
        width = np.minimum(x2[i], x2[rest]) - np.maximum(x1[i], x1[rest])
        height = np.minimum(y2[i], y2[rest]) - np.maximum(y1[i], y1[rest])
        inter = np.clip(width, 0, None) * np.clip(height, 0, None)
        union = areas[i] + areas[rest] - inter
        alive[rest[inter > iou * union]] = False
    return order[np.array(keep, np.int64)]


def suppress(
    detections: Detections, iou: float = 0.6, max_det: int = 300, agnostic: bool = False
) -> Detections:
    """Apply `nms` to detections, class by class unless `agnostic`."""
    classes = None if agnostic else detections.class_ids
    return detections[nms(detections.boxes, detections.scores, classes, iou, max_det)]
