"""Which predicted box belongs to which true box of one image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from howfar.metrics.sums import BoolArray, Float64Array

IntArray = npt.NDArray[np.int64]
NO_MATCH = -1


def box_ious(
    boxes: npt.ArrayLike,
    truth: npt.ArrayLike,
    inclusive: bool = False,
    crowd: npt.ArrayLike | None = None,
) -> Float64Array:
    """Intersection over union (N, M) of `xyxy` boxes (N, 4) and (M, 4), in float64.

    Args:
        boxes, truth: in pixels.
        inclusive: corners are inclusive pixel numbers, so each width is x2 - x1 + 1 (VOC's devkit
            on VOC's own numbers). Boxes of this package are half-open and need it not.
        crowd: (M,) bool; against these the union is the predicted box alone (COCO).
    """
    a = np.asarray(boxes, np.float64).reshape(-1, 4)
    b = np.asarray(truth, np.float64).reshape(-1, 4)
    plus = 1.0 if inclusive else 0.0
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = np.clip(high - low + plus, 0, None).prod(axis=2)
    area_a, area_b = ((x[:, 2:] - x[:, :2] + plus).prod(axis=1) for x in (a, b))
    union = area_a[:, None] + area_b[None] - inter
    if crowd is not None:
        union = np.where(np.asarray(crowd, bool)[None], area_a[:, None], union)
    iou: Float64Array = np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)
    return iou


def match_boxes(
    boxes: npt.ArrayLike,
    scores: npt.ArrayLike,
    truth: npt.ArrayLike,
    iou: float = 0.5,
    labels: Sequence[object] | None = None,
    truth_labels: Sequence[object] | None = None,
) -> IntArray:
    """Greedy matching by score: (N,) index of the true box of each predicted box, or -1.

    In the order of falling scores (ties: first come), each predicted box takes the free true box
    with the highest IoU >= `iou` (ties: first). Labels, where both are given, must be equal.
    """
    overlap = box_ious(boxes, truth)
    if labels is not None and truth_labels is not None:
        overlap = np.where(_same(labels, truth_labels), overlap, 0.0)
    return assign(overlap, np.asarray(scores, np.float64), iou)


def assign(overlap: Float64Array, scores: Float64Array, iou: float) -> IntArray:
    """Greedy matching on an (N, M) overlap matrix, as `match_boxes`."""
    matched = np.full(len(overlap), NO_MATCH, np.int64)
    free = np.ones(overlap.shape[1], bool)
    enough = np.where((overlap >= iou) & (overlap > 0), overlap, 0.0)
    hopeful = set(np.flatnonzero(enough.any(axis=1)).tolist())
    for i in by_score(scores).tolist():
        if i not in hopeful:
            continue
        row = enough[i] * free
        if row.any():
            best = int(row.argmax())
            matched[i], free[best] = best, False
    return matched


def by_score(scores: npt.ArrayLike) -> IntArray:
    """Indices in the order of falling scores; equal scores keep their order."""
    return np.argsort(-np.asarray(scores, np.float64), kind="stable")


def _same(labels: Sequence[object], truth_labels: Sequence[object]) -> BoolArray:
    rows = [[a == b for b in truth_labels] for a in labels]
    return np.array(rows, bool).reshape(len(labels), len(truth_labels))
