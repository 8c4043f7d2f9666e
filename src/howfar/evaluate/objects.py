"""Evaluation of the distance of every object: the number that users read."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from howfar.core.depth import DepthKind, DepthMap
from howfar.core.result import Object, Result
from howfar.data.kitti import BASELINE_M
from howfar.data.sample import Sample
from howfar.errors import UsageError
from howfar.evaluate import object_tables as tables
from howfar.evaluate.depth import with_camera
from howfar.evaluate.frames import Tally
from howfar.evaluate.labels import known_names, meaning
from howfar.evaluate.report import Report
from howfar.evaluate.systems import System
from howfar.evaluate.truths import true_detections, true_objects
from howfar.evaluate.variants import TRUTH
from howfar.metrics.objects import FrameObjects, ObjectRecord, distance_errors, match_objects
from howfar.metrics.protocols import ObjectRules, Protocol, Task, find_protocol

SPARSE = 0.25
"""A true depth map with a smaller share of valid pixels is lidar; its gaps are closed before
distances are read from it (`DepthMap.filled`), so that every statistic finds pixels."""


def object_protocol(name: str | None) -> Protocol:
    """The protocol that was asked for; raises `UsageError` for one of another task."""
    protocol = find_protocol(name or "kitti-objects")
    if protocol.task is not Task.OBJECTS:
        raise UsageError(f"protocol {protocol.name} is for `howfar val depth`, not for objects")
    return protocol


@dataclass(frozen=True, eq=False)
class ObjectPart:
    """What one picture gives.

    Attributes:
        frame: its name.
        found: kind of truth -> matched objects, the preferred kind first.
        unlabelled: detections of classes that the data do not label.
        baseline_assumed: whether KITTI's usual baseline stands for an unknown one.
        interval_kinds: of the distances.
    """

    frame: str
    found: dict[str, FrameObjects]
    unlabelled: int
    baseline_assumed: bool
    interval_kinds: frozenset[str]


@dataclass(eq=False)
class ObjectJudge:
    """Measures the distances of one system.

    Attributes:
        system: what is measured.
        protocol: how.
        class_names: labels of the data set.
        is_kitti: whether a missing baseline is KITTI's.
        within_m: limits X of the question "is it within X metres?".
        parts: of each picture, with the sample's index.
    """

    system: System
    protocol: Protocol
    class_names: tuple[str, ...] = ()
    is_kitti: bool = False
    within_m: tuple[float, ...] = ()
    parts: list[tuple[int, ObjectPart]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for limit in self.within_m:
            if not (math.isfinite(limit) and limit > 0):
                raise UsageError(f"within is {limit}; give metres > 0")
        self.names = set(known_names(self.class_names))
        kind, variant = self.system.depth_kind(), self.system.variant
        relative = kind not in (None, DepthKind.METRIC) and variant.depth != TRUTH
        if relative and not self.system.has_scale():
            raise UsageError(
                f"{self.system.name} gives {kind} depth, so objects have no metres; give a scale "
                "(--scale 1.5, or --scale object-size) or a metric depth network"
            )
        if variant.join == "crop" and variant.depth == TRUTH:
            raise UsageError(
                "join 'crop' runs the depth network on each box; depth cannot be truth"
            )

    @property
    def rules(self) -> ObjectRules:
        """How objects are matched."""
        return self.protocol.objects or ObjectRules()

    def predict(self, sample: Sample) -> Result | str:
        """The system's objects of one sample, or the reason why there is no truth."""
        truths = true_objects(sample, self.rules.min_points)
        if isinstance(truths, str):
            return truths
        variant = self.system.variant
        depth = oracle(sample) if variant.depth == TRUTH else None
        if isinstance(depth, str):
            return depth
        first = truths.objects[truths.kinds[0]]
        boxes = true_detections(first) if variant.detector == TRUTH else None
        return self.system.run(with_camera(sample), depth, boxes)

    def measure(self, sample: Sample) -> ObjectPart | str:
        """Distances of one sample against its truth."""
        truths = true_objects(sample, self.rules.min_points)
        result = self.predict(sample)
        if isinstance(truths, str) or isinstance(result, str):
            return truths if isinstance(truths, str) else str(result)
        self.names.update(item.label for item in truths.objects[truths.kinds[0]] if item.label)
        objects = [replace(o, label=meaning(o.label).name) for o in result.objects]
        labelled = [o for o in objects if o.label in self.names]
        assumed = sample.baseline_m is None and self.is_kitti
        baseline = BASELINE_M if assumed else sample.baseline_m
        found = {
            kind: match_objects(
                sample.id,
                labelled,
                items,
                self.rules.iou,
                self.rules.same_class,
                math.nan if sample.camera is None else sample.camera.fx,
                math.nan if baseline is None else baseline,
            )
            for kind, items in truths.objects.items()
        }
        kinds = frozenset(o.interval_kind for o in labelled if o.interval_kind)
        return ObjectPart(sample.id, found, len(objects) - len(labelled), assumed, kinds)

    def keep(self, part: ObjectPart, index: int) -> None:
        """Add one sample."""
        self.parts.append((index, part))

    def kinds(self) -> list[str]:
        """Kinds of truth that occurred, the preferred ones first."""
        kinds = dict.fromkeys(kind for _, part in self.parts for kind in part.found)
        return sorted(kinds, key=lambda kind: (kind == tables.CENTER, list(kinds).index(kind)))

    def records(self, kind: str | None = None) -> list[ObjectRecord]:
        """One record a true object, under one kind of truth, the preferred one unless told."""
        kind = kind or next(iter(self.kinds()), "")
        return [r for _, part in self.parts if kind in part.found for r in part.found[kind].records]

    def spurious(self) -> list[Object]:
        """Detections without a true object."""
        return [o for _, part in self.parts for o in next(iter(part.found.values())).spurious]

    def report(self, tally: Tally) -> Report:
        """Everything that was found."""
        records, spurious = self.records(), self.spurious()
        errors = distance_errors(records)
        counts = {name: int(errors.pop(name)) for name in tables.COUNTS}
        breakdowns = tables.breakdowns(records, self.rules.bins_m)
        breakdowns |= {"truth": tables.truth_table({k: self.records(k) for k in self.kinds()})}
        if stereo := tables.stereo_tables(self.system.name, records):
            breakdowns |= stereo
        breakdowns["interval"] = tables.interval_table(records, self.rules.bins_m)
        if self.within_m:
            distances = [math.nan if o.distance_m is None else o.distance_m for o in spurious]
            breakdowns["within"] = tables.within_table(records, self.within_m, distances)
        scores = {**errors, **tables.interval_scores(records), **tables.stereo_scores(records)}
        unlabelled = sum(part.unlabelled for _, part in self.parts)
        return Report(
            task="objects",
            system=self.system.name,
            protocol=self._protocol(),
            scores=scores,
            headline=("abs_rel", "median_rel", "bias_rel", "rmse", "mae", "epe", "coverage"),
            counts={**counts, "spurious": len(spurious), "unlabelled_classes": unlabelled},
            tables=breakdowns,
            published=(),
            models=self.system.models,
            tally=tally,
            system_s=self.system.seconds,
            notes=self._notes(),
        )

    def _protocol(self) -> dict[str, str]:
        rules, variant = self.rules, self.system.variant
        own_boxes, own_depth = variant.detector == TRUTH, variant.depth == TRUTH
        conf = self.system.options.conf
        classes = "of the same class" if rules.same_class else "of any class"
        return {
            "protocol": self.protocol.name,
            "truth": f"{', '.join(self.kinds())}; lidar needs {rules.min_points} points in the box",
            "boxes": "the labelled ones"
            if own_boxes
            else f"detected, score >= {conf:g}, matched {classes} at IoU {rules.iou:g}",
            "depth": "the true map (gaps of lidar closed by the nearest point)"
            if own_depth
            else f"estimated, join {variant.join}",
            "statistic": str(self.system.options.stat),
            "errors": "of objects with a true and a predicted distance; missed ones are counted",
            "aggregation": "pooled over objects",
            "source": self.protocol.source,
        }

    def _notes(self) -> tuple[str, ...]:
        notes = []
        kinds = sorted(set().union(*(part.interval_kinds for _, part in self.parts)))
        if kinds:
            notes.append(f"Intervals are of the kind {', '.join(kinds)}.")
        if any(part.baseline_assumed for _, part in self.parts):
            notes.append(
                f"The stereo baseline is not in this copy; KITTI's {BASELINE_M} m is taken."
            )
        if self.kinds() == [tables.CENTER]:
            notes.append(
                "The only truth is the centre of the 3-D box, which lies behind the visible "
                "surface: errors of some per cent are the truth's own."
            )
        return tuple(notes)

    def items(self) -> dict[str, dict[tuple[str, str], float]]:
        """Relative errors of single objects, for paired comparison; unmeasured ones are left out.

        An item is named by its frame and its number among the frame's true objects.
        """
        errors = {}
        for _, part in self.parts:
            found = next(iter(part.found.values()))
            for number, record in enumerate(found.records):
                if record.measured:
                    errors[record.frame, str(number)] = record.relative_error
        return {"abs_rel": errors, "median_rel": errors}

    def worst(self, count: int) -> list[tuple[int, int]]:
        """(index of the sample, number of the object) with the largest relative errors."""
        rows = [
            (record.relative_error, index, number)
            for index, part in self.parts
            for number, record in enumerate(next(iter(part.found.values())).records)
            if record.measured
        ]
        return [(index, number) for _, index, number in sorted(rows, reverse=True)[:count]]


def oracle(sample: Sample) -> DepthMap | str:
    """The sample's own depth as a perfect depth network's, or why there is none."""
    depth = sample.depth
    if depth is None or not depth.is_metric:
        return "the sample has no metric depth map to take distances from"
    return depth.filled() if depth.valid.mean() < SPARSE else depth
