"""Evaluation of dense depth under a named protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from howfar.core.depth import DepthKind, DepthMap
from howfar.core.image import Image
from howfar.data.sample import Sample
from howfar.errors import UsageError
from howfar.evaluate.depth_bins import (
    LOG2_RATIOS,
    RangeBins,
    interval_table,
    range_bins,
    range_table,
    ratio_counts,
)
from howfar.evaluate.flow import flow_disparity
from howfar.evaluate.frames import Tally
from howfar.evaluate.report import Report
from howfar.evaluate.systems import System
from howfar.evaluate.variants import TRUTH
from howfar.metrics.alignment import LEAST, Alignment, fit_alignment
from howfar.metrics.apply import Counts, apply
from howfar.metrics.blocks import depth_blocks
from howfar.metrics.crops import nyu_hybrid_crop, nyu_hybrid_input
from howfar.metrics.depth import Aggregation, DepthSums, aggregate_errors, depth_sums
from howfar.metrics.protocols import Protocol, Task, find_protocol
from howfar.metrics.published import published_rows
from howfar.metrics.relative import OrderSums, order_sums, ssi_mae_error
from howfar.metrics.sums import Float64Array, Mean

DEFAULT_PROTOCOLS = {
    "nyu-mat": "nyu-eigen",
    "nyu-csv": "nyu-eigen",
    "kitti-raw": "kitti-eigen-garg",
    "kitti-selection": "kitti-selection",
    "vkitti1": "vkitti-scene0002",
    "diode": "diode",
    "wsvd": "wsvd-ordinal",
    "megadepth": "wsvd-ordinal",
}
"""What a format is evaluated by unless told; `rgbd` elsewhere."""
HYBRID_INPUT = 320, 256
"""Width and height of the Hybrid CNN's input."""


def depth_protocol(name: str | None, format_name: str, align: str | None = None) -> Protocol:
    """The protocol that was asked for, or the usual one of a format, with another alignment.

    Raises `UsageError` for unknown names and for protocols of another task.
    """
    protocol = find_protocol(name or DEFAULT_PROTOCOLS.get(format_name, "rgbd"))
    if protocol.task is Task.OBJECTS:
        raise UsageError(f"protocol {protocol.name} is for `howfar val objects`, not for depth")
    if align is None:
        return protocol
    if align not in tuple(Alignment):
        raise UsageError(f"align {align!r} is unknown; use one of {', '.join(Alignment)}")
    return replace(protocol, alignment=Alignment(align))


@dataclass(frozen=True, eq=False)
class DepthPart:
    """What one picture gives; the fields that its protocol does not need are empty."""

    frame: str
    counts: Counts
    sums: DepthSums = field(default_factory=DepthSums)
    bins: RangeBins | None = None
    ratios: npt.NDArray[np.int64] | None = None
    order: OrderSums = field(default_factory=OrderSums)
    blocks: Float64Array | None = None
    ssi: Mean = field(default_factory=Mean)


@dataclass(eq=False)
class DepthJudge:
    """Measures the depth of one system.

    Attributes:
        system: what is measured.
        protocol: how.
        frames: (frame, index, errors) of each picture, for comparison and the gallery.
    """

    system: System
    protocol: Protocol
    frames: list[tuple[str, int, dict[str, float]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.system.variant.depth == TRUTH:
            raise UsageError("depth 'truth' would be compared with itself; name a depth network")
        _check_kind(self.system, self.protocol)
        self._sums: list[DepthSums] = []
        self._counts: list[Counts] = []
        self._orders: list[dict[str, float]] = []
        self._blocks: list[Float64Array] = []
        self._levels: set[float | None] = set()
        self.bins: RangeBins | None = None
        self.ratios: npt.NDArray[np.int64] = np.zeros(len(LOG2_RATIOS) - 1, np.int64)

    @property
    def reads_hybrid_crop(self) -> bool:
        """Whether the network sees what the Hybrid CNN does under its protocol: the middle of the
        picture at 0.55. So does every network with its input size; others see all of it."""
        pre = getattr(getattr(self.system.ranger.depth, "card", None), "preprocess", None)
        size = (pre.width, pre.height) if pre is not None else None
        return self.protocol.crop is nyu_hybrid_crop and size == HYBRID_INPUT

    def predict(self, sample: Sample) -> DepthMap:
        """The system's depth of one sample, or of the part that `reads_hybrid_crop` says."""
        image = with_camera(sample)
        if self.reads_hybrid_crop:
            image = Image(nyu_hybrid_input(image.pixels), source=image.source)
        detections = None if self.system.ranger.detector else np.zeros((0, 4), np.float32)
        depth = self.system.run(image, boxes=detections).depth
        if depth is None:
            raise UsageError(f"join {self.system.variant.join!r} gives no depth map to evaluate")
        return depth

    def measure(self, sample: Sample) -> DepthPart | str:
        """Errors of one sample."""
        truth = true_depth(sample, self.protocol)
        if isinstance(truth, str):
            return truth
        covers = "crop" if self.reads_hybrid_crop else "picture"
        prediction = self.predict(sample)
        p, g, counts = apply(self.protocol, prediction, truth, covers)
        if not counts.truth:
            return "no pixel of the true depth lies inside the protocol's crop and range"
        if self.protocol.task is Task.ORDER:
            return DepthPart(sample.id, counts, order=order_sums(p, g), ssi=ssi_mae_error(p, g))
        sums = replace(
            depth_sums(p, g),
            missing=counts.missing,
            clamped_low=counts.clamped_low,
            clamped_high=counts.clamped_high,
        )
        ratios = ratio_counts(p, g)
        blocks = None
        if prediction.log_error is not None and prediction.is_metric:
            self._levels.add(prediction.level)
            small = truth.resized(prediction.width, prediction.height)
            blocks = depth_blocks(prediction, small)
        return DepthPart(sample.id, counts, sums, range_bins(p, g), ratios, blocks=blocks)

    def keep(self, part: DepthPart, index: int) -> None:
        """Add one sample."""
        self._counts.append(part.counts)
        if self.protocol.task is Task.ORDER:
            errors = {**part.order.errors(), "ssi_mae": part.ssi.value}
            self._orders.append(errors)
        else:
            errors = part.sums.errors()
            self._sums.append(part.sums)
            if part.bins is not None:
                self.bins = part.bins if self.bins is None else self.bins + part.bins
            if part.blocks is not None:
                self._blocks.append(part.blocks)
            if part.ratios is not None:
                self.ratios = self.ratios + part.ratios
        self.frames.append((part.frame, index, errors))

    def scores(self) -> dict[str, float]:
        """Errors of all samples, joined as the protocol says."""
        if self.protocol.task is Task.ORDER:
            return _mean_errors(self._orders)
        return aggregate_errors(self._sums, self.protocol.aggregation)

    def report(self, tally: Tally) -> Report:
        """Everything that was found."""
        protocol = self.protocol
        name = "truth" if protocol.task is Task.DEPTH else "pixels"
        counts = {
            f"{name}_pixels": sum(c.truth for c in self._counts),
            "missing_pixels": sum(c.missing for c in self._counts),
            "clamped_low": sum(c.clamped_low for c in self._counts),
            "clamped_high": sum(c.clamped_high for c in self._counts),
        }
        tables = {} if self.bins is None else {"range": range_table(self.bins)}
        rows = np.concatenate(self._blocks) if self._blocks else np.zeros((0, 3))
        if len(rows):
            tables["intervals"] = interval_table(rows, self._level())
        return Report(
            task="depth",
            system=self.system.name,
            protocol=protocol.describe() | self._input(),
            scores=self.scores(),
            headline=protocol.headline,
            counts=counts,
            tables=tables,
            published=published_rows(protocol=protocol.name),
            models=self.system.models,
            tally=tally,
            system_s=self.system.seconds,
            notes=(*_notes(protocol), *self._empty()),
        )

    def _level(self) -> float:
        (level,) = self._levels
        if level is None:
            raise UsageError(f"{self.system.name} gives intervals of no stated level")
        return level

    def _empty(self) -> tuple[str, ...]:
        count = sum(not part.pixels for part in self._sums)
        told = "in these the system gave no depth where there is truth, or none that can be aligned"
        return (f"{count} of the pictures are in no mean: {told}.",) if count else ()

    def _input(self) -> dict[str, str]:
        told = "resized x 0.55 by nearest neighbour, middle 320x256; depth enlarged to 582x466"
        return {"input": told} if self.reads_hybrid_crop else {}

    def items(self) -> dict[str, dict[tuple[str, str], float]]:
        """Errors of single frames by the name of the error, for paired comparison."""
        names = ("order_error", "ssi_mae") if self._orders else ("abs_rel", "rmse", "delta1")
        return {
            name: {(frame, frame): errors[name] for frame, _, errors in self.frames}
            for name in names
        }

    def worst(self, count: int) -> list[int]:
        """Indices of the samples with the largest errors, worst first."""
        name = "order_error" if self._orders else "abs_rel"
        known = [(e[name], i) for _, i, e in self.frames if np.isfinite(e[name])]
        return [i for _, i in sorted(known, reverse=True)[:count]]


def with_camera(sample: Sample) -> Image:
    """The sample's picture with the camera that the data set knows."""
    image = sample.image
    return image if sample.camera is None else replace(image, camera=sample.camera)


def true_depth(sample: Sample, protocol: Protocol) -> DepthMap | str:
    """The truth that a protocol compares with, or why there is none."""
    if protocol.task is not Task.ORDER:
        if sample.depth is None:
            return "the sample has no depth map"
        if not sample.depth.is_metric:
            return "the true depth is relative, and the protocol compares metres"
        return sample.depth
    if sample.depth is not None or sample.disparity is not None:
        truth = sample.depth if sample.depth is not None else sample.disparity
        return truth if truth is not None else ""
    if sample.right is None:
        return "the sample has neither depth nor a second picture"
    return flow_disparity(sample.image, sample.right)


def aligned_map(protocol: Protocol, prediction: DepthMap, truth: DepthMap) -> DepthMap:
    """A prediction in metres, aligned to the truth as the protocol does, for pictures."""
    if prediction.is_metric and protocol.alignment is Alignment.NONE:
        return prediction
    small = prediction.resized(truth.width, truth.height)
    use = truth.valid & small.valid
    inverse = prediction.kind is not DepthKind.METRIC
    fit = fit_alignment(small.values[use], truth.values[use], protocol.alignment, inverse)
    metres = fit.aligned(np.maximum(prediction.values, LEAST), inverse)
    return DepthMap(metres.astype(np.float32), DepthKind.METRIC, prediction.valid)


def _check_kind(system: System, protocol: Protocol) -> None:
    """Relative depth needs a scale, an alignment, or a protocol that asks for order only."""
    kind = system.depth_kind()
    if kind in (None, DepthKind.METRIC) or protocol.task is Task.ORDER or system.has_scale():
        return
    fitting = [Alignment.INVERSE_SCALE_SHIFT]
    if kind is DepthKind.RELATIVE:
        fitting = [how for how in Alignment if how is not Alignment.NONE]
    if protocol.alignment not in fitting:
        told = " or a factor (--scale 1.5)" if kind is DepthKind.RELATIVE else ""
        raise UsageError(
            f"{system.name} gives {kind} depth and protocol {protocol.name} compares metres; name "
            f"an alignment (--align {', '.join(fitting)}){told}"
        )


def _notes(protocol: Protocol) -> tuple[str, ...]:
    notes = []
    if protocol.alignment is not Alignment.NONE and protocol.task is Task.DEPTH:
        notes.append(
            f"Each picture was aligned to its own truth ({protocol.alignment}), so the errors say "
            "nothing about metres."
        )
    if protocol.aggregation is Aggregation.PER_IMAGE:
        notes.append("Scores are means over pictures; the table by range pools all pixels.")
    return tuple(notes)


def _mean_errors(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    names = rows[0] if rows else ("order_error", "ssi_mae")
    means = {}
    for name in names:
        known = [row[name] for row in rows if np.isfinite(row[name])]
        means[name] = float(np.mean(known)) if known else float("nan")
    return means
