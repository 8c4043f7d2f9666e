"""Evaluation of label maps: mean intersection over union."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from howfar.core.semantics import IGNORE, LabelMap
from howfar.data.sample import Sample
from howfar.errors import UsageError
from howfar.evaluate.frames import Tally
from howfar.evaluate.labels import meaning
from howfar.evaluate.report import Report
from howfar.evaluate.systems import System
from howfar.evaluate.tables import Table, table_of
from howfar.metrics.segmentation import Confusion, confusion, empty_confusion

PROTOCOL = {
    "protocol": "miou",
    "classes": "those that both the truth and the network know; truth of others is left out",
    "resize": "prediction to the truth's size, nearest neighbour",
    "aggregation": "one confusion matrix over all pixels, mean over classes that occur (facts 3)",
}


@dataclass(frozen=True, eq=False)
class SegmentationPart:
    """What one picture gives."""

    frame: str
    matrix: Confusion
    left_out: int


@dataclass(eq=False)
class SegmentationJudge:
    """Measures the label maps of one system.

    Attributes:
        system: what is measured.
        parts: of each picture, with the sample's index.
    """

    system: System
    parts: list[tuple[int, SegmentationPart]] = field(default_factory=list)

    def __post_init__(self) -> None:
        card = getattr(self.system.ranger.semantic, "card", None)
        self.network_classes: tuple[str, ...] = tuple(getattr(card, "classes", ()))
        self.classes: tuple[str, ...] = ()
        self.unknown: tuple[str, ...] = ()

    def measure(self, sample: Sample) -> SegmentationPart | str:
        """Confusion of one sample."""
        if sample.semantics is None:
            return "the sample has no label map"
        self._learn(sample.semantics)
        found = self.system.segment(sample.image)
        truth = sample.semantics.labels
        labels = found.resized(truth.shape[1], truth.shape[0])
        true_ids = self._table(sample.semantics.class_names)[truth]
        ids = self._table(labels.class_names)[labels.labels]
        left_out = int(np.count_nonzero((true_ids == IGNORE) & (truth != IGNORE)))
        return SegmentationPart(sample.id, confusion(ids, true_ids, len(self.classes)), left_out)

    def wrong_pixels(self, sample: Sample) -> npt.NDArray[np.bool_]:
        """(H, W) where the prediction differs from the truth, at the truth's size."""
        if sample.semantics is None:
            return np.zeros((sample.height, sample.width), bool)
        truth = sample.semantics.labels
        labels = self.system.segment(sample.image).resized(truth.shape[1], truth.shape[0])
        true_ids = self._table(sample.semantics.class_names)[truth]
        ids = self._table(labels.class_names)[labels.labels]
        return np.asarray((true_ids != ids) & (true_ids != IGNORE), np.bool_)

    def _learn(self, truth: LabelMap) -> None:
        """The classes that are compared: fixed by the first picture."""
        known = {meaning(name).name for name in self.network_classes}
        names = dict.fromkeys(n for name in truth.class_names if (n := meaning(name).name))
        if self.classes:
            return
        self.classes = tuple(name for name in names if name in known)
        self.unknown = tuple(name for name in names if name not in known)
        if not self.classes:
            raise UsageError(
                f"{self.system.name} and the data have no class in common: {', '.join(known)}; "
                f"{', '.join(names)}"
            )

    def _table(self, names: tuple[str, ...]) -> npt.NDArray[np.int64]:
        """(256,) number of the compared class for each label, `IGNORE` for the rest."""
        table = np.full(256, IGNORE, np.int64)
        for i, name in enumerate(names):
            if meaning(name).name in self.classes:
                table[i] = self.classes.index(meaning(name).name)
        return table

    def keep(self, part: SegmentationPart, index: int) -> None:
        """Add one sample."""
        self.parts.append((index, part))

    def matrix(self) -> Confusion:
        """Of all pictures."""
        return sum((part.matrix for _, part in self.parts), empty_confusion(len(self.classes)))

    def report(self, tally: Tally) -> Report:
        """Everything that was found."""
        matrix = self.matrix()
        left_out = sum(part.left_out for _, part in self.parts)
        notes = []
        if self.unknown:
            notes.append(f"Classes that the network does not know: {', '.join(self.unknown)}.")
        return Report(
            task="segmentation",
            system=self.system.name,
            protocol=PROTOCOL,
            scores=matrix.scores(),
            headline=("miou", "pixel_accuracy", "mean_accuracy"),
            counts={"pixels": int(matrix.counts.sum()), "pixels_of_other_classes": left_out},
            tables={"class": self._class_table(matrix)},
            published=(),
            models=self.system.models,
            tally=tally,
            system_s=self.system.seconds,
            notes=tuple(notes),
        )

    def _class_table(self, matrix: Confusion) -> Table:
        pixels = matrix.counts.sum(axis=1)
        rows: dict[str, dict[str, Any]] = {
            name: {"iou": float(iou), "pixels": int(count)}
            for name, iou, count in zip(self.classes, matrix.iou(), pixels, strict=True)
        }
        return table_of("by class", rows, "class")

    def items(self) -> dict[str, dict[tuple[str, str], float]]:
        """Share of wrong pixels and 1 - mIoU of single frames, for paired comparison."""
        found: dict[str, dict[tuple[str, str], float]] = {"pixel_error": {}, "miou_loss": {}}
        for _, part in self.parts:
            scores = part.matrix.scores()
            found["pixel_error"][part.frame, ""] = 1 - scores["pixel_accuracy"]
            found["miou_loss"][part.frame, ""] = 1 - scores["miou"]
        return found

    def worst(self, count: int) -> list[int]:
        """Indices of the samples with the largest share of wrong pixels, worst first."""
        rows = [(-part.matrix.scores()["pixel_accuracy"], index) for index, part in self.parts]
        return [index for _, index in sorted(rows, reverse=True)[:count]]
