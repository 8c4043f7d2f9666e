"""Errors of the distance of whole objects: by class, range bin and occlusion.

`match_objects` turns the objects found in one picture and the true ones into records, one a true
object; records of many pictures are simply joined. Sums come from `distance_sums`; medians need
the records themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from howfar.core.boxes import Box
from howfar.core.result import Object
from howfar.errors import UsageError
from howfar.metrics.matching import NO_MATCH, box_ious, match_boxes
from howfar.metrics.sums import Float64Array, Sums, ratio

NAN = float("nan")
RANGE_BINS_M = (0.0, 5.0, 10.0, 20.0, 30.0, 50.0, 80.0)


@dataclass(frozen=True)
class TrueObject:
    """A true object of one picture.

    Attributes:
        label: class name, spelled as the predictions'.
        box: pixels.
        distance_m: true z in metres, or None where it is unknown.
        occlusion: 0 visible, 1 partly, 2 largely hidden, 3 unknown (KITTI).
        ignore: a region that says nothing (KITTI's DontCare): predictions there do not count.
        also: other names that it may go by: predictions of them on it count neither way.
    """

    label: str
    box: Box
    distance_m: float | None = None
    occlusion: int = 0
    ignore: bool = False
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class ObjectRecord:
    """One true object and the distance that was measured for it.

    Attributes:
        frame: name of its picture.
        label, occlusion: of the true object.
        truth_m: true z in metres, NaN where unknown.
        found: whether a predicted box matched.
        distance_m: predicted z in metres, NaN where not found or without a distance.
        low_m, high_m: the predicted interval, NaN where there is none.
        score: of the matched detection, NaN where not found.
        focal_px, baseline_m: of the stereo camera to which disparities refer, NaN if none.
    """

    frame: str
    label: str
    truth_m: float
    occlusion: int = 0
    found: bool = True
    distance_m: float = NAN
    low_m: float = NAN
    high_m: float = NAN
    score: float = NAN
    focal_px: float = NAN
    baseline_m: float = NAN

    @property
    def relative_error(self) -> float:
        """|p - g| / g; NaN where either is unknown."""
        return abs(self.distance_m - self.truth_m) / self.truth_m

    @property
    def measured(self) -> bool:
        """Whether true and predicted distance are both known."""
        return math.isfinite(self.truth_m) and math.isfinite(self.distance_m)


@dataclass(frozen=True)
class FrameObjects:
    """What one picture gives.

    Attributes:
        records: one for each true object that counts.
        spurious: predicted objects without a true one, outside the ignored regions.
    """

    records: tuple[ObjectRecord, ...]
    spurious: tuple[Object, ...]


def match_objects(
    frame: str,
    objects: Sequence[Object],
    truths: Sequence[TrueObject],
    iou: float = 0.5,
    same_class: bool = True,
    focal_px: float = NAN,
    baseline_m: float = NAN,
) -> FrameObjects:
    """Match the objects found in one picture with the true ones, greedily by score.

    Args:
        frame: name of the picture.
        objects: predicted, in pixels of the picture.
        truths: true objects and ignored regions.
        iou: least IoU of a match; ignored regions swallow predictions covered by this share.
        same_class: whether labels must be equal.
        focal_px, baseline_m: kept in the records.
    """
    counted, ignored = [t for t in truths if not t.ignore], [t for t in truths if t.ignore]
    boxes = [o.box for o in objects]
    scores = [o.score for o in objects]
    labels = [o.label if same_class else "" for o in objects]
    true_labels = [t.label if same_class else "" for t in counted]
    true_boxes = [t.box for t in counted]
    matched: list[int] = match_boxes(boxes, scores, true_boxes, iou, labels, true_labels).tolist()
    by_truth = {t: objects[i] for i, t in enumerate(matched) if t != NO_MATCH}
    records = tuple(
        _record(frame, truth, by_truth.get(i), focal_px, baseline_m)
        for i, truth in enumerate(counted)
    )
    cover = box_ious(boxes, [t.box for t in ignored], crowd=np.ones(len(ignored), bool))
    hidden = set(np.flatnonzero((cover >= iou).any(axis=1)).tolist())
    overlap = box_ious(boxes, true_boxes, crowd=np.zeros(len(counted), bool))
    for i, t in np.argwhere(overlap >= iou).tolist():
        if objects[i].label in counted[t].also:
            hidden.add(i)
    return FrameObjects(
        records,
        tuple(o for i, o in enumerate(objects) if matched[i] == NO_MATCH and i not in hidden),
    )


def _record(
    frame: str, truth: TrueObject, found: Object | None, focal_px: float, baseline_m: float
) -> ObjectRecord:
    low, high = (found.interval_m if found else None) or (NAN, NAN)
    return ObjectRecord(
        frame=frame,
        label=truth.label,
        truth_m=NAN if truth.distance_m is None else truth.distance_m,
        occlusion=truth.occlusion,
        found=found is not None,
        distance_m=NAN if found is None or found.distance_m is None else found.distance_m,
        low_m=low,
        high_m=high,
        score=NAN if found is None else found.score,
        focal_px=focal_px,
        baseline_m=baseline_m,
    )


@dataclass(frozen=True)
class DistanceSums(Sums):
    """Sums over objects; `a + b` pools them.

    Attributes:
        objects: true ones.
        unknown: of these without a true distance; they do not count any further.
        missed: with a true distance, but not detected.
        no_distance: detected, but without a predicted distance.
        measured: the rest, over which the sums run.
        relative, relative_signed: sums of |p - g| / g and (p - g) / g.
        absolute, signed, squared: sums of |p - g| and p - g in m, (p - g)² in m².
    """

    objects: int = 0
    unknown: int = 0
    missed: int = 0
    no_distance: int = 0
    measured: int = 0
    relative: float = 0.0
    relative_signed: float = 0.0
    absolute: float = 0.0
    signed: float = 0.0
    squared: float = 0.0

    def errors(self) -> dict[str, float]:
        """`abs_rel`, `bias_rel` (mean (p-g)/g), `mae`, `bias`, `rmse` in m; NaN without objects."""
        n = self.measured
        return {
            "abs_rel": ratio(self.relative, n),
            "bias_rel": ratio(self.relative_signed, n),
            "mae": ratio(self.absolute, n),
            "bias": ratio(self.signed, n),
            "rmse": math.sqrt(ratio(self.squared, n)),
        }


def distance_sums(records: Iterable[ObjectRecord]) -> DistanceSums:
    """Sum the errors of the distances of objects."""
    rows = list(records)
    known = [r for r in rows if math.isfinite(r.truth_m)]
    p, g = measured_pairs(rows)
    d = p - g
    missed = sum(not r.found for r in known)
    return DistanceSums(
        objects=len(rows),
        unknown=len(rows) - len(known),
        missed=missed,
        no_distance=len(known) - missed - d.size,
        measured=d.size,
        relative=float((np.abs(d) / g).sum()),
        relative_signed=float((d / g).sum()),
        absolute=float(np.abs(d).sum()),
        signed=float(d.sum()),
        squared=float((d * d).sum()),
    )


def measured_pairs(records: Iterable[ObjectRecord]) -> tuple[Float64Array, Float64Array]:
    """Predicted and true distances of the measured objects, in metres."""
    rows = [(r.distance_m, r.truth_m) for r in records if r.measured]
    pairs = np.array(rows, np.float64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def median_relative_error(records: Iterable[ObjectRecord]) -> float:
    """Median of |p - g| / g over the measured objects; NaN without any."""
    p, g = measured_pairs(records)
    return float(np.median(np.abs(p - g) / g)) if p.size else NAN


def distance_errors(records: Sequence[ObjectRecord]) -> dict[str, float]:
    """`DistanceSums.errors` with `median_rel` and the counts, as one row of a table."""
    sums = distance_sums(records)
    return {
        "objects": sums.objects,
        "measured": sums.measured,
        "missed": sums.missed,
        "no_distance": sums.no_distance,
        "unknown": sums.unknown,
        **sums.errors(),
        "median_rel": median_relative_error(records),
    }


def group_records(
    records: Iterable[ObjectRecord], key: Callable[[ObjectRecord], str]
) -> dict[str, list[ObjectRecord]]:
    """Records by a key, in the order in which the keys first occur."""
    groups: dict[str, list[ObjectRecord]] = {}
    for record in records:
        groups.setdefault(key(record), []).append(record)
    return groups


def distance_tables(
    records: Sequence[ObjectRecord], bins_m: Sequence[float] = RANGE_BINS_M
) -> Mapping[str, dict[str, dict[str, float]]]:
    """`distance_errors` of `all` objects and by `class`, `range` and `occlusion`."""
    ranges = group_records(records, lambda r: range_bin(r.truth_m, bins_m))
    near_first = sorted(ranges, key=lambda name: _nearest(ranges[name]))
    return {
        "all": {"all": distance_errors(records)},
        "class": _rows(records, lambda r: r.label),
        "range": {name: distance_errors(ranges[name]) for name in near_first},
        "occlusion": _rows(records, lambda r: str(r.occlusion)),
    }


def _rows(
    records: Sequence[ObjectRecord], key: Callable[[ObjectRecord], str]
) -> dict[str, dict[str, float]]:
    groups = group_records(records, key)
    return {name: distance_errors(groups[name]) for name in sorted(groups)}


def _nearest(records: Iterable[ObjectRecord]) -> float:
    """Least true distance; infinite where unknown."""
    return min((r.truth_m for r in records if math.isfinite(r.truth_m)), default=math.inf)


def range_bin(distance_m: float, bins_m: Sequence[float] = RANGE_BINS_M) -> str:
    """Name of the half-open bin [low, high) of a distance: `5-10 m`, `>=80 m` or `unknown`."""
    edges = list(bins_m)
    if len(edges) < 2 or edges != sorted(set(edges)):
        raise UsageError(f"range bins {edges}; give at least two rising edges in metres")
    if not math.isfinite(distance_m):
        return "unknown"
    if distance_m < edges[0]:
        return f"<{edges[0]:g} m"
    for low, high in pairwise(edges):
        if distance_m < high:
            return f"{low:g}-{high:g} m"
    return f">={edges[-1]:g} m"
