"""Evaluation of boxes: COCO's twelve numbers, VOC's AP, precision and recall by confidence."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from howfar.core.boxes import FloatArray
from howfar.core.detections import Detections
from howfar.data.coco import SIZES, CocoDataset
from howfar.data.dataset import Dataset
from howfar.data.sample import Sample
from howfar.errors import UsageError
from howfar.evaluate.frames import Tally
from howfar.evaluate.labels import known_names, meaning
from howfar.evaluate.report import Report
from howfar.evaluate.systems import System
from howfar.evaluate.tables import Table, table_of
from howfar.metrics.coco import COCO_NAMES, CocoScores, coco_results, evaluate_coco
from howfar.metrics.detection import (
    ApMethod,
    Judged,
    Rule,
    TrueBoxes,
    count_by_threshold,
    join,
    judge_image,
    mean_ap_by_threshold,
    mean_ap_score,
)
from howfar.metrics.published import Published, published_rows
from howfar.metrics.sums import BoolArray, Float64Array

THRESHOLDS = np.round(np.arange(0.05, 1.0, 0.05), 2)
"""Confidence thresholds of the table and the plot (source 000, section IV-B)."""
USUAL = 0.25
"""Threshold at which precision and recall stand in the main table; `howfar predict` uses it."""
PUBLISHED_TABLES = ("coco-val2017-12", "coco-val2017")

PROTOCOL = {
    "protocol": "coco",
    "AP": "mean over IoU .50:.05:.95, 101 recall points, best 100 detections a picture and class",
    "voc_ap": "IoU .5, area under the precision envelope; voc_ap_11: mean at 11 recalls",
    "precision, recall": f"IoU .5, all classes together, score >= {USUAL}",
    "ignored": "crowds, `difficult` objects and regions like DontCare count neither way",
    "source": "COCO's and VOC's development kits (facts 3); source 000 section IV-B",
}


@dataclass(frozen=True, eq=False)
class DetectionPart:
    """What one picture gives: COCO rows, and detections judged at three rules."""

    frame: str
    image: dict[str, Any]
    annotations: list[dict[str, Any]]
    results: list[dict[str, Any]]
    at50: Judged
    at75: Judged
    voc: Judged


@dataclass(eq=False)
class DetectionJudge:
    """Measures the boxes of one system.

    Attributes:
        system: what is measured.
        dataset: its truth; COCO's own annotations are taken as they stand in the file.
        parts: of each picture, with the sample's index.
    """

    system: System
    dataset: Dataset
    parts: list[tuple[int, DetectionPart]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if importlib.util.find_spec("faster_coco_eval") is None:
            raise UsageError("COCO scores need faster-coco-eval; run: pip install 'howfar[eval]'")
        detector = self.system.ranger.joint or self.system.detector()
        card = getattr(detector, "card", None)
        self.classes: tuple[str, ...] = tuple(getattr(card, "classes", ()))
        self.names = list(known_names(self.dataset.class_names))
        self._rows = _coco_rows(self.dataset)
        self._scores: CocoScores | None = None

    def measure(self, sample: Sample) -> DetectionPart | str:
        """Boxes of one sample against its truth."""
        if sample.boxes is None:
            return "the sample has no labelled boxes"
        number = len(self.parts) + 1
        boxes, names, ignore = true_boxes(sample, self.names)
        wanted = tuple(c for c in self.classes if meaning(c).name in self.names)
        some = wanted if wanted and len(wanted) < len(self.classes) else None
        found = self.renamed(self.system.detect(sample.image, some))
        truth = TrueBoxes(boxes, np.array([self.names.index(n) for n in names], int), ignore)
        image = {"id": number, "width": sample.width, "height": sample.height}
        return DetectionPart(
            sample.id,
            image,
            self._annotations(sample, number, truth),
            coco_results(number, found, range(1, len(self.names) + 1)),
            judge_image(number, found, truth, 0.5),
            judge_image(number, found, truth, 0.75),
            judge_image(number, found, truth, 0.5, Rule.VOC),
        )

    def renamed(self, found: Detections) -> Detections:
        """Detections under the data's names; those of classes that it does not label are gone."""
        names = [meaning(name).name for name in found.class_names]
        table = np.array([self.names.index(n) if n in self.names else -1 for n in names], int)
        ids = table[found.class_ids] if len(found) else found.class_ids
        keep = ids >= 0
        return Detections(found.boxes[keep], found.scores[keep], ids[keep], tuple(self.names))

    def keep(self, part: DetectionPart, index: int) -> None:
        """Add one sample."""
        self.parts.append((index, part))
        self._scores = None

    def _annotations(self, sample: Sample, number: int, truth: TrueBoxes) -> list[dict[str, Any]]:
        """Truth as COCO annotations; the rows of a COCO file keep their exact numbers."""
        if self._rows is not None:
            return [
                {**row, "image_id": number, "category_id": 1 + self.names.index(name)}
                for row, name in self._rows.get(sample.id, [])
            ]
        ignored = np.asarray(truth.ignore, bool)
        sides = truth.boxes[:, 2:] - truth.boxes[:, :2]
        return [
            {
                "image_id": number,
                "category_id": int(truth.class_ids[i]) + 1,
                "bbox": [*map(float, truth.boxes[i, :2]), *map(float, sides[i])],
                "iscrowd": int(ignored[i]),
            }
            for i in range(len(truth.boxes))
        ]

    def coco(self) -> CocoScores:
        """COCO's numbers."""
        if self._scores is None:
            parts = [part for _, part in self.parts]
            truth = {
                "images": [part.image for part in parts],
                "annotations": [row for part in parts for row in part.annotations],
                "categories": [{"id": i, "name": n} for i, n in enumerate(self.names, 1)],
            }
            self._scores = evaluate_coco(truth, [row for part in parts for row in part.results])
        return self._scores

    def judged(self, which: str) -> Judged:
        """All pictures, judged `at50`, `at75` or by `voc`."""
        return join([getattr(part, which) for _, part in self.parts])

    def report(self, tally: Tally) -> Report:
        """Everything that was found."""
        scores, at50, voc = self.coco(), self.judged("at50"), self.judged("voc")
        usual = count_by_threshold(at50, [USUAL])
        curve = by_confidence(at50, self.judged("at75"))
        best = int(np.nanargmax(curve["f1"])) if np.isfinite(curve["f1"]).any() else 0
        values = {
            **scores.overall,
            "voc_ap": mean_ap_score(voc, ApMethod.AREA),
            "voc_ap_11": mean_ap_score(voc, ApMethod.ELEVEN_POINT),
            "precision": float(usual.precision(float("nan"))[0]),
            "recall": float(usual.recall()[0]),
            "f1": float(usual.f1()[0]),
            "best_f1": float(curve["f1"][best]),
            "best_f1_conf": float(THRESHOLDS[best]),
        }
        on_coco = "coco" in tally.data.split(":")[0]
        return Report(
            task="detection",
            system=self.system.name,
            protocol=self._protocol(),
            scores=values,
            headline=(*COCO_NAMES, "voc_ap", "precision", "recall"),
            counts={"objects": scores.objects, "detections": scores.detections},
            tables={"confidence": confidence_table(curve), "class": class_table(scores)},
            published=_published() if on_coco else (),
            models=self.system.models,
            tally=tally,
            system_s=self.system.seconds,
            notes=self._notes(scores, on_coco, tally.frames),
        )

    def _protocol(self) -> dict[str, str]:
        asked = self.system.options.detect
        labels = "several" if asked.multi_label else "one"
        return PROTOCOL | {
            "detector": f"score >= {asked.conf:g}, suppression above IoU {asked.iou:g}, at most "
            f"{asked.max_det} boxes, {labels} labels a box",
        }

    def _notes(self, scores: CocoScores, on_coco: bool, frames: int) -> tuple[str, ...]:
        known = {meaning(name).name for name in self.classes}
        unknown = [name for name in scores.by_category if name not in known]
        notes = []
        if unknown and self.classes:
            notes.append(
                f"The detector has no class for {', '.join(unknown)}: all of these count as missed."
            )
        if on_coco and frames != SIZES["val2017"]:
            notes.append(
                f"Published rows are on all 5,000 pictures of val2017, ours on {frames:,}: they "
                "tell the order of size and are no comparison."
            )
        return tuple(notes)

    def worst(self, count: int) -> list[int]:
        """Indices of the samples with most misses and false alarms at the usual threshold."""
        errors = []
        for index, part in self.parts:
            counts = count_by_threshold(part.at50, [USUAL])
            errors.append((int(counts.wrong[0] + counts.missed[0]), index))
        return [
            index for wrong, index in sorted(errors, key=lambda e: (-e[0], e[1]))[:count] if wrong
        ]


def _published() -> tuple[Published, ...]:
    """The rows of `PUBLISHED_TABLES`; a method that the first table has is not repeated."""
    found: dict[str, Published] = {}
    for table in PUBLISHED_TABLES:
        for row in published_rows(table):
            found.setdefault(row.method, row)
    return tuple(found.values())


def true_boxes(sample: Sample, names: list[str]) -> tuple[FloatArray, list[str], BoolArray]:
    """True boxes (M, 4), their names and ignore flags (M,); new names are added to `names`.

    A region without a meaning (DontCare) is an ignored box of every class, and an object that may
    go by other names too is an ignored box of these.
    """
    boxes, found, ignore = [], [], []
    given = [] if sample.boxes is None else sample.boxes.tolist()
    for box, label, ignored in zip(given, sample.labels, sample.ignored.tolist(), strict=True):
        known = meaning(label)
        if known.name and known.name not in names:
            names.append(known.name)
        rows = [(known.name, ignored)] if known.name else []
        rows += [(n, True) for n in (known.also if known.name else names) if n in names]
        boxes += [box] * len(rows)
        found += [name for name, _ in rows]
        ignore += [flag for _, flag in rows]
    return np.array(boxes, np.float32).reshape(-1, 4), found, np.array(ignore, bool)


def by_confidence(at50: Judged, at75: Judged) -> dict[str, Float64Array]:
    """precision, recall, f1, mAP50 and mAP75 (T,) at each of `THRESHOLDS`."""
    counts = count_by_threshold(at50, THRESHOLDS)
    return {
        "conf": THRESHOLDS,
        "precision": counts.precision(),
        "recall": counts.recall(),
        "f1": counts.f1(),
        "mAP50": mean_ap_by_threshold(at50, THRESHOLDS, ApMethod.COCO_101),
        "mAP75": mean_ap_by_threshold(at75, THRESHOLDS, ApMethod.COCO_101),
    }


def confidence_table(curve: Mapping[str, Float64Array]) -> Table:
    """The curves at every threshold."""
    rows = {
        f"{conf:.2f}": {name: float(values[i]) for name, values in curve.items() if name != "conf"}
        for i, conf in enumerate(curve["conf"].tolist())
    }
    note = "IoU .5 but for mAP75; precision is 1 where nothing is detected (source 000)."
    return table_of("by least score", rows, "score >=", note)


def class_table(scores: CocoScores) -> Table:
    """AP of each class with a true object, best first."""
    order: Sequence[tuple[str, Mapping[str, float]]] = sorted(
        scores.by_category.items(), key=lambda item: -item[1]["AP"]
    )
    return table_of("by class", dict(order), "class")


def _coco_rows(dataset: Dataset) -> dict[str, list[tuple[Mapping[str, Any], str]]] | None:
    """Annotations of a COCO file with their names, by sample; None for other data sets."""
    if not isinstance(dataset, CocoDataset):
        return None
    names = {c["id"]: meaning(str(c["name"])) for c in dataset.content["categories"]}
    if any(not name.name or name.also for name in names.values()):
        return None
    rows: dict[str, list[tuple[Mapping[str, Any], str]]] = {}
    for row in dataset.content["annotations"]:
        kept = {key: row[key] for key in ("bbox", "area", "iscrowd") if key in row}
        rows.setdefault(str(row["image_id"]), []).append((kept, names[row["category_id"]].name))
    return rows
