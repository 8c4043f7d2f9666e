"""Detections judged at one IoU: average precision, precision and recall by confidence.

`judge_image` says of each detection of an image whether it is right; the parts of many images add
up (`a + b`) to one `Judged`, in any order; the numbers are computed from that. COCO's own numbers
are in `howfar.metrics.coco`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from howfar.core.boxes import FloatArray, as_boxes
from howfar.core.detections import Detections, IntArray
from howfar.errors import UsageError
from howfar.metrics.matching import NO_MATCH, assign, box_ious, by_score
from howfar.metrics.sums import BoolArray, Float64Array, Sums

RIGHT, WRONG, IGNORED = 1, 0, -1


class Rule(StrEnum):
    """How detections find their true boxes."""

    COCO = "coco"
    """Each takes the best free true box; ignored boxes are crowds: they take any number, by the
    share of the detection that they cover."""
    VOC = "voc"
    """Each looks at its best true box only; a second one there is wrong; ignored boxes
    ("difficult") take any number."""


@dataclass(frozen=True, eq=False)
class TrueBoxes:
    """The true objects of one image.

    Attributes:
        boxes: (M, 4) `xyxy` pixels.
        class_ids: (M,) numbers of the same classes as the detections'.
        ignore: (M,) bool: crowd (COCO) or difficult (VOC); none where None.
    """

    boxes: FloatArray
    class_ids: IntArray
    ignore: BoolArray | None = None

    def __post_init__(self) -> None:
        boxes = as_boxes(self.boxes)
        class_ids = np.asarray(self.class_ids, np.int64).reshape(-1)
        given = np.zeros(len(boxes), bool) if self.ignore is None else self.ignore
        ignore = np.asarray(given, bool).reshape(-1)
        if not len(boxes) == len(class_ids) == len(ignore):
            raise UsageError(
                f"{len(boxes)} true boxes, {len(class_ids)} class ids and {len(ignore)} ignore "
                "flags do not fit together"
            )
        for name, array in (("boxes", boxes), ("class_ids", class_ids), ("ignore", ignore)):
            object.__setattr__(self, name, array)


@dataclass(frozen=True, eq=False)
class Judged:
    """Judged detections of any number of images; `a + b` joins disjoint sets of images.

    Attributes:
        image: (N,) number of the image; breaks ties between equal scores, so that the order of
            adding does not matter.
        class_ids, scores: (N,) of the detections, in falling order of score within an image.
        state: (N,) `RIGHT`, `WRONG` or `IGNORED`.
        truths: number of true objects of each class that occurs, ignored ones not counted.
    """

    image: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    class_ids: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    scores: Float64Array = field(default_factory=lambda: np.zeros(0, np.float64))
    state: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    truths: Mapping[int, int] = field(default_factory=dict)

    def __add__(self, other: Judged) -> Judged:
        return join([self, other])

    def ranked(self, class_id: int | None = None) -> tuple[Float64Array, IntArray]:
        """Scores and states, best first, of one class or all, without the ignored ones."""
        use = self.state != IGNORED
        if class_id is not None:
            use &= self.class_ids == class_id
        scores, state, image = self.scores[use], self.state[use], self.image[use]
        order = np.lexsort((image, -scores))
        return scores[order], state[order]


def join(parts: list[Judged]) -> Judged:
    """The sum of many parts, faster than adding them one by one."""
    if not parts:
        return Judged()
    truths: Counter[int] = Counter()
    for part in parts:
        truths.update(part.truths)
    return Judged(
        np.concatenate([p.image for p in parts]),
        np.concatenate([p.class_ids for p in parts]),
        np.concatenate([p.scores for p in parts]),
        np.concatenate([p.state for p in parts]),
        dict(truths),
    )


def judge_image(
    image: int,
    detections: Detections,
    truth: TrueBoxes,
    iou: float = 0.5,
    rule: Rule | str = Rule.COCO,
    inclusive: bool = False,
) -> Judged:
    """Judge the detections of one image; right means IoU >= `iou` with a true box of its class.

    `image` is any number that no other image has; `inclusive` is explained in `box_ious`.
    """
    rule = Rule(rule)
    best_first = by_score(detections.scores)
    boxes, classes = detections.boxes[best_first], detections.class_ids[best_first]
    scores = detections.scores[best_first].astype(np.float64)
    crowd = truth.ignore if rule is Rule.COCO else None
    overlap = box_ious(boxes, truth.boxes, inclusive, crowd)
    overlap[classes[:, None] != truth.class_ids[None]] = 0.0
    ignore = np.asarray(truth.ignore, bool)
    state = _coco(overlap, scores, ignore, iou) if rule is Rule.COCO else _voc(overlap, ignore, iou)
    return Judged(
        np.full(len(scores), image, np.int64),
        classes.astype(np.int64),
        scores,
        state,
        dict(Counter(truth.class_ids[~ignore].tolist())),
    )


def _coco(overlap: Float64Array, scores: Float64Array, ignore: BoolArray, iou: float) -> IntArray:
    matched = assign(np.where(ignore[None], 0.0, overlap), scores, iou) != NO_MATCH
    covered = (overlap[:, ignore] >= iou).any(axis=1)
    return np.where(matched, RIGHT, np.where(covered, IGNORED, WRONG)).astype(np.int64)


def _voc(overlap: Float64Array, ignore: BoolArray, iou: float) -> IntArray:
    state = np.full(len(overlap), WRONG, np.int64)
    taken = np.zeros(len(ignore), bool)
    for i, row in enumerate(overlap if len(ignore) else []):
        best = int(row.argmax())
        if row[best] < iou or row[best] <= 0:
            continue
        if ignore[best]:
            state[i] = IGNORED
        elif not taken[best]:
            state[i], taken[best] = RIGHT, True
    return state


class ApMethod(StrEnum):
    """How the area under the precision-recall curve is taken."""

    AREA = "area"
    """Area under the precision envelope at every recall (VOC 2010 and later)."""
    ELEVEN_POINT = "11-point"
    """Mean of the envelope at recall 0, .1, ... 1 (VOC 2007)."""
    COCO_101 = "101-point"
    """Mean of the envelope at 101 recalls, 0 beyond the largest (COCO)."""


RECALLS = {
    ApMethod.ELEVEN_POINT: np.linspace(0, 1, 11),
    ApMethod.COCO_101: np.linspace(0, 1, 101),
}
"""Where the envelope is read."""


def average_precision_score(
    judged: Judged,
    class_id: int,
    method: ApMethod | str = ApMethod.AREA,
    min_score: float = 0.0,
) -> float:
    """Average precision of one class, of the detections with score >= `min_score`.

    NaN where the class has no true object.
    """
    truths = judged.truths.get(class_id, 0)
    if not truths:
        return float("nan")
    scores, state = judged.ranked(class_id)
    return _average_precision(state[scores >= min_score], truths, ApMethod(method))


def _average_precision(state: IntArray, truths: int, method: ApMethod) -> float:
    """Average precision of ranked states, best first."""
    right = np.cumsum(state)
    recall = right / truths
    precision = right / np.arange(1, len(right) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    if method is ApMethod.AREA:
        return float(np.diff(recall, prepend=0.0) @ envelope)
    at = np.searchsorted(recall, RECALLS[method], side="left")
    return float(np.append(envelope, 0.0)[at].mean())


def mean_ap_score(
    judged: Judged, method: ApMethod | str = ApMethod.AREA, min_score: float = 0.0
) -> float:
    """Mean of `average_precision_score` over the classes with a true object; NaN without any."""
    each = [average_precision_score(judged, k, method, min_score) for k in sorted(judged.truths)]
    return float(np.mean(each)) if each else float("nan")


def mean_ap_by_threshold(
    judged: Judged, thresholds: npt.ArrayLike, method: ApMethod | str = ApMethod.AREA
) -> Float64Array:
    """mAP of the detections with score >= each threshold (source 000, section IV-B).

    mAP50 or mAP75 by the IoU with which `judged` was made.
    """
    limits, method = np.asarray(thresholds, np.float64), ApMethod(method)
    each = np.full((len(judged.truths), limits.size), np.nan)
    for row, (class_id, truths) in zip(each, sorted(judged.truths.items()), strict=True):
        scores, state = judged.ranked(class_id)
        kept = np.searchsorted(-scores, -limits, side="right").tolist()
        row[:] = [_average_precision(state[:k], truths, method) for k in kept]
    return np.asarray(each.mean(axis=0)) if len(each) else np.full(limits.shape, np.nan)


@dataclass(frozen=True, eq=False)
class ThresholdCounts(Sums):
    """Right, wrong and missed objects (T,) at each of T confidence thresholds; they add up.

    Precision and recall are over all classes together (micro).
    """

    right: IntArray
    wrong: IntArray
    missed: IntArray

    def precision(self, empty: float = 1.0) -> Float64Array:
        """right / (right + wrong); `empty` where nothing is detected: 1 in source 000, 0 in
        YOLOv5's code, no value (NaN) in COCO."""
        return _ratio(self.right, self.right + self.wrong, empty)

    def recall(self) -> Float64Array:
        """right / (right + missed); NaN where there is no true object."""
        return _ratio(self.right, self.right + self.missed, float("nan"))

    def f1(self) -> Float64Array:
        """2 right / (2 right + wrong + missed); NaN without detections and objects."""
        return _ratio(2 * self.right, 2 * self.right + self.wrong + self.missed, float("nan"))


def count_by_threshold(
    judged: Judged, thresholds: npt.ArrayLike, class_id: int | None = None
) -> ThresholdCounts:
    """Count what a detector with each confidence threshold (score >= t) gets right."""
    scores, state = judged.ranked(class_id)
    kept = np.searchsorted(-scores, -np.asarray(thresholds, np.float64), side="right")
    right = np.concatenate([[0], np.cumsum(state)])[kept].astype(np.int64)
    known = judged.truths
    truths = sum(known.values()) if class_id is None else known.get(class_id, 0)
    return ThresholdCounts(right, (kept - right).astype(np.int64), truths - right)


def _ratio(part: IntArray, whole: IntArray, empty: float) -> Float64Array:
    share: Float64Array = np.divide(
        part, whole, out=np.full(whole.shape, float(empty)), where=whole > 0
    )
    return share
