"""A network file made useful: card + runtime -> detections, depth or labels of a picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from howfar.core.boxes import FloatArray
from howfar.core.camera import Camera
from howfar.core.depth import DepthKind, DepthMap
from howfar.core.detections import Detections
from howfar.core.image import Image
from howfar.core.nms import nms
from howfar.core.preprocess import Placement
from howfar.core.result import ModelUse
from howfar.core.semantics import LabelMap
from howfar.errors import CardError, UsageError
from howfar.models.card import ModelCard, Task
from howfar.models.classes import NO_CLASS
from howfar.models.decoders import DECODERS, NEEDS_NMS, Candidates, Outputs

SAME_THING_IOU = 0.8
"""Boxes of different classes that overlap more than this are one thing with two guesses at its
name; unless several labels a box are asked for, the better guess stays."""


@dataclass(frozen=True)
class TensorSpec:
    """Name, shape (None = any) and dtype of a network's input or output."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str


class Runtime(Protocol):
    """What runs a network file. `howfar.runtimes` has one for each backend."""

    @property
    def name(self) -> str:
        """Backend and version."""

    @property
    def precision(self) -> str:
        """Arithmetic that really runs: `float32`, `bfloat16`, ..."""

    @property
    def threads(self) -> int:
        """Threads that a run may use."""

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """Inputs in order."""

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """Outputs in order."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the file says of itself."""

    def run(
        self, feeds: Mapping[str, npt.NDArray[np.generic]]
    ) -> dict[str, npt.NDArray[np.generic]]:
        """Run once: {input name: array} -> {output name: array}."""


GATE: ContextVar[AbstractContextManager[Any] | None] = ContextVar("GATE", default=None)
"""What a network passes through to run. Frames of a video that are worked on at the same time share
a lock: their networks run one after the other, beside the rest of the work."""


@dataclass(frozen=True)
class DetectOptions:
    """What a detector is asked for.

    Attributes:
        conf: least score, 0..1.
        iou: non-maximum suppression above this overlap, 0..1.
        max_det: most detections of a picture.
        classes: class names to keep, or None for all.
        multi_label: one box may be several classes, as COCO's evaluation wants.
        agnostic: suppress across classes.
        diou: exponent of the distance of centres in suppression, see `howfar.core.nms.nms`.
    """

    conf: float = 0.25
    iou: float = 0.6
    max_det: int = 300
    classes: tuple[str, ...] | None = None
    multi_label: bool = False
    agnostic: bool = False
    diou: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.diou < math.inf:
            raise UsageError(f"diou is {self.diou}; give 0 (plain IoU) or a positive exponent")
        for name in ("conf", "iou"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"{name} is {getattr(self, name)}; give a number in 0..1")
        if self.max_det < 1:
            raise UsageError(f"max_det is {self.max_det}; give at least 1")


@dataclass(frozen=True, eq=False)
class Network:
    """A network that is ready to run.

    Attributes:
        card: what it needs and gives.
        runtime: what runs it.
        sha256: of its file.
    """

    card: ModelCard
    runtime: Runtime
    sha256: str = ""

    def __repr__(self) -> str:
        return f"Network({self.card.name!r})"

    def __post_init__(self) -> None:
        spec = self.runtime.inputs[0]
        pre = self.card.preprocess
        if len(spec.shape) != 4:
            raise CardError(f"{self.card.name}: input {spec.name} has shape {spec.shape}; not 4-D")
        if pre.layout == "NCHW":
            channels, height, width = spec.shape[1:]
        else:
            height, width, channels = spec.shape[1:]
        if channels not in (3, None):
            raise CardError(
                f"{self.card.name}: input {spec.name} has shape {spec.shape}; not 3 channels in "
                f"layout {pre.layout}"
            )
        fixed = pre.fit != "keep-aspect" and not pre.minimal
        for name, graph, wanted in (("width", width, pre.width), ("height", height, pre.height)):
            if graph is not None and (not fixed or graph != wanted):
                raise CardError(
                    f"{self.card.name}: the network's input {name} is {graph}, fixed; its card or "
                    f"--imgsz asks for {wanted if fixed else 'any'}; leave --imgsz out, or name a "
                    "--detector whose file allows other sizes"
                )

    def use(self, role: str) -> ModelUse:
        """What a result says about this network."""
        run = self.runtime
        name, domain = self.card.name, self.card.domain
        return ModelUse(role, name, self.sha256, run.name, run.precision, run.threads, domain)

    def forward(self, image: Image) -> tuple[dict[str, npt.NDArray[np.generic]], Placement]:
        """Raw outputs of one picture, and where it lies in the input."""
        tensor, place = self.card.preprocess(image.pixels)
        first, *others = self.runtime.inputs
        feeds: dict[str, npt.NDArray[np.generic]] = {
            first.name: tensor.astype(first.dtype, copy=False)
        }
        for spec in others:
            feeds[spec.name] = self._extra(spec, place)
        with GATE.get() or nullcontext():
            return self.runtime.run(feeds), place

    def _extra(self, spec: TensorSpec, place: Placement) -> npt.NDArray[np.generic]:
        """Second inputs: only a DETR's pixel mask is known, all ones."""
        if "mask" not in spec.name:
            raise CardError(f"{self.card.name}: nothing is known to feed its input {spec.name!r}")
        sizes = (1, place.input_height, place.input_width)
        shape = [size or sizes[i] for i, size in enumerate(spec.shape)]
        return np.ones(shape, spec.dtype)

    def detect(self, image: Image, options: DetectOptions) -> Detections:
        """Objects of one picture in its own pixels, best score first."""
        self._expect(Task.DETECT)
        return self._boxes(*self.forward(image), options)

    def detect_and_estimate(
        self, image: Image, options: DetectOptions, camera: Camera | None = None
    ) -> tuple[Detections, DepthMap]:
        """Objects and depth of one picture by one pass of a joint network."""
        self._expect(Task.JOINT)
        outputs, place = self.forward(image)
        return self._boxes(outputs, place, options), self._depth(outputs, place, camera)

    def _boxes(self, outputs: Outputs, place: Placement, options: DetectOptions) -> Detections:
        decode = DECODERS[self.card.decoder]
        found = decode(outputs, place, self.card, options.conf, options.multi_label)
        keep = np.isfinite(found.boxes).all(axis=1) & np.isfinite(found.scores)
        keep &= self._wanted(options.classes)[found.class_ids]
        if not keep.all():
            found = Candidates(found.boxes[keep], found.scores[keep], found.class_ids[keep])
        boxes, scores, ids = place.boxes_to_image(found.boxes), found.scores, found.class_ids
        if self.card.decoder in NEEDS_NMS:
            groups = None if options.agnostic else ids
            limit = options.max_det if options.multi_label else max(len(boxes), 1)
            order = nms(boxes, scores, groups, options.iou, limit, options.diou)
        else:
            order = np.argsort(-scores, kind="stable")
        if not options.multi_label:
            order = order[nms(boxes[order], scores[order], None, SAME_THING_IOU, len(order) or 1)]
        order = order[: options.max_det]
        scores = np.clip(scores[order], 0, 1)
        return Detections(boxes[order], scores, ids[order], self.card.classes)

    def _wanted(self, classes: Sequence[str] | None) -> npt.NDArray[np.bool_]:
        """(C,) which classes are kept."""
        names = self.card.classes
        if classes is None:
            return np.array([name != NO_CLASS for name in names], bool)
        unknown = [name for name in classes if name not in names]
        if unknown:
            raise UsageError(
                f"class {unknown[0]!r} is unknown to {self.card.name}; it knows "
                f"{', '.join(name for name in names if name != NO_CLASS)}"
            )
        return np.array([name in classes for name in names], bool)

    def estimate(self, image: Image, camera: Camera | None = None) -> DepthMap:
        """Depth of one picture at its own size.

        A metric network whose card names the focal length that it was trained with is rescaled to
        the picture's own (`camera`): depth * focal / trained focal, both in input pixels.
        """
        self._expect(Task.DEPTH)
        return self._depth(*self.forward(image), camera)

    def _depth(self, outputs: Outputs, place: Placement, camera: Camera | None) -> DepthMap:
        kind = self.card.depth_kind
        usual = "log_depth" if self.card.task is Task.JOINT else next(iter(outputs))
        name = self.card.outputs.get("depth", usual)
        if name not in outputs:
            raise CardError(f"{self.card.name}: no output {name!r}; it has {', '.join(outputs)}")
        values = np.squeeze(np.asarray(outputs[name], np.float32))
        if values.ndim != 2:
            raise CardError(f"{self.card.name}: depth output has shape {outputs[name].shape}")
        if self.card.depth_log:
            values = np.exp(values)
        inverse = self.card.depth_inverse
        inverse = kind is not DepthKind.METRIC if inverse is None else inverse
        if kind is DepthKind.METRIC:
            values = values * np.float32(self.card.depth_unit_m)
        if inverse is (kind is DepthKind.METRIC):
            values = _reciprocal(values)
        if kind is DepthKind.METRIC:
            values = values * np.float32(self._focal_ratio(camera, place))
        if kind is not DepthKind.RELATIVE_AFFINE:
            values = np.where(values > 0, values, np.float32(np.nan))
        error, familiar = self._error(outputs, place)
        level = self.card.interval_level if error is not None else None
        depth = place.map_to_image(values)
        return DepthMap(depth, kind or DepthKind.METRIC, None, error, level, familiar)

    def _error(self, outputs: Outputs, place: Placement) -> tuple[FloatArray | None, bool | None]:
        """Half-width of the calibrated interval in log depth (H, W), and whether the picture is
        like those of training; None for networks that were not calibrated.

        The network's error scale b is widened by a factor for its size, found on pictures held back
        from training, and by how unlike these the picture is (1 for 99 % of them).
        """
        if self.card.interval_level is None or "log_error" not in outputs:
            return None, None
        log_b = np.squeeze(np.asarray(outputs["log_error"], np.float32))
        factor = np.interp(log_b, self.card.interval_scales, self.card.interval_factors)
        half = np.exp(log_b) * factor.astype(np.float32)
        novelty = float(np.asarray(outputs.get("novelty", 0)).max())
        half *= np.float32(max(novelty, 1.0))
        return place.map_to_image(half), novelty <= 1

    def _focal_ratio(self, camera: Camera | None, place: Placement) -> float:
        if self.card.focal_px is None or camera is None:
            return 1.0
        ratio = camera.fx * place.scale_x / self.card.focal_px
        return float(ratio**self.card.focal_exponent)

    def segment(self, image: Image) -> LabelMap:
        """Class of every pixel of one picture at its own size."""
        self._expect(Task.SEMANTIC)
        outputs, place = self.forward(image)
        role = "logits" if self.card.task is Task.SEMANTIC else "semantics"
        usual = "semantics" if self.card.task is Task.JOINT else next(iter(outputs))
        name = self.card.outputs.get(role, usual)
        if name not in outputs:
            raise CardError(f"{self.card.name}: no output {name!r}; it has {', '.join(outputs)}")
        names = self.card.labels or self.card.classes
        logits = np.asarray(outputs[name], np.float32)
        if logits.ndim != 4 or logits.shape[:2] != (1, len(names)):
            raise CardError(
                f"{self.card.name}: semantic output of shape {logits.shape} does not fit "
                f"{len(names)} classes"
            )
        small = LabelMap.from_logits(logits[0], names)
        return LabelMap(place.labels_to_image(small.labels), names)

    def _expect(self, task: Task) -> None:
        if not self.card.serves(task):
            raise UsageError(
                f"{self.card.name} is a {self.card.task.noun} network, not a {task.noun} one"
            )


def _reciprocal(values: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", over="ignore"):
        usable = (values > 0) & np.isfinite(values)
        result: FloatArray = np.where(usable, 1 / values, np.float32(np.nan))
    return result
