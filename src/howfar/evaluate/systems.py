"""What is evaluated: networks, join and statistic under one name."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from howfar.core.boxes import FloatArray
from howfar.core.camera import Camera
from howfar.core.depth import DepthKind, DepthMap
from howfar.core.detections import Detections
from howfar.core.image import Image
from howfar.core.result import ModelUse, Result
from howfar.core.scale import KnownDistance, ObjectSizes
from howfar.core.semantics import LabelMap
from howfar.errors import UsageError
from howfar.evaluate.variants import TRUTH, Variant, completed
from howfar.loading import load, parse_imgsz
from howfar.models.network import DetectOptions
from howfar.models.store import Confirm, Progress
from howfar.options import Options, make_options
from howfar.parts import DepthLike, DetectorLike, Join, SemanticLike
from howfar.pipeline import Ranger

EVERYTHING, USUAL = 0.01, 0.25
"""Least scores: average precision wants every guess, distances those that a user would see."""


class Remembered:
    """A network that knows its last answer, so that variants that share it run it once a picture.

    `saved_s` is the time that answers from memory would have taken.
    """

    def __init__(self, network: Any) -> None:
        self._network = network
        self.card = getattr(network, "card", None)
        self.saved_s = 0.0
        self._asked: tuple[npt.NDArray[np.uint8], Any] | None = None
        self._answer: Any = None
        self._took = 0.0

    def detect(self, image: Image, options: DetectOptions) -> Detections:
        """Objects of one picture."""
        found: Detections = self._once(image, options, lambda: self._network.detect(image, options))
        return found

    def estimate(self, image: Image, camera: Camera | None = None) -> DepthMap:
        """Depth of one picture."""
        found: DepthMap = self._once(image, camera, lambda: self._network.estimate(image, camera))
        return found

    def segment(self, image: Image) -> LabelMap:
        """Class of every pixel of one picture."""
        found: LabelMap = self._once(image, None, lambda: self._network.segment(image))
        return found

    def use(self, role: str) -> ModelUse:
        """What a result says about the network."""
        use: ModelUse = self._network.use(role)
        return use

    def _once(self, image: Image, how: Any, job: Callable[[], Any]) -> Any:
        if self._asked and self._asked[0] is image.pixels and self._asked[1] == how:
            self.saved_s += self._took
            return self._answer
        start = time.perf_counter()
        self._answer = job()
        self._took = time.perf_counter() - start
        self._asked = image.pixels, how
        return self._answer


@dataclass(eq=False)
class System:
    """A variant that is ready to run.

    Attributes:
        variant: what it is.
        ranger: its networks.
        options: of its calls.
        seconds: that it ran; answers which networks gave from memory count as if they had run.
        models: the networks that have run.
    """

    variant: Variant
    ranger: Ranger
    options: Options
    seconds: float = 0.0
    models: tuple[ModelUse, ...] = ()

    @property
    def name(self) -> str:
        """How reports call it."""
        return self.variant.name

    def run(
        self,
        image: Image,
        depth: DepthMap | None = None,
        boxes: Detections | FloatArray | None = None,
    ) -> Result:
        """Objects with distances, and depth."""
        result: Result = self._timed(lambda: self.ranger.run(image, self.options, depth, boxes))
        self._note(result.models)
        return result

    def detect(self, image: Image, classes: tuple[str, ...] | None = None) -> Detections:
        """Boxes alone, without the cost of objects; `classes` as in `DetectOptions`."""
        options, ranger = replace(self.options.detect, classes=classes), self.ranger
        if ranger.joint is not None:
            joint = ranger.joint
            found = self._timed(lambda: joint.detect_and_estimate(image, options)[0])
            self._note((joint.use("joint"),))
        else:
            detector = self.detector()
            found = self._timed(lambda: detector.detect(image, options))
            self._note((detector.use("detector"),))
        detections: Detections = found
        return detections

    def detector(self) -> DetectorLike:
        """The detector; raises `UsageError` where there is none."""
        if self.ranger.detector is None:
            raise UsageError(f"{self.name}: there is no detector to evaluate; give --detector")
        return self.ranger.detector

    def segment(self, image: Image) -> LabelMap:
        """Class of every pixel."""
        network = self.ranger.semantic
        if network is None:
            raise UsageError("there is no semantic network to evaluate; give --semantic FILE")
        labels: LabelMap = self._timed(lambda: network.segment(image))
        self._note((network.use("semantic"),))
        return labels

    def depth_kind(self) -> DepthKind | None:
        """What the depth network gives before any scale; None where that is unknown."""
        card = getattr(self.ranger.depth, "card", None)
        return getattr(card, "depth_kind", None)

    def has_scale(self) -> bool:
        """Whether a scale, or one of the camera profile for this network, makes metres."""
        profile, network = self.options.camera, self.ranger.depth
        if self.options.scale is not None or profile is None or network is None:
            return self.options.scale is not None
        use = network.use("depth")
        return profile.scale_for(use.name, use.sha256) is not None

    def _timed(self, job: Callable[[], Any]) -> Any:
        start, before = time.perf_counter(), self._saved()
        value = job()
        self.seconds += time.perf_counter() - start + self._saved() - before
        return value

    def _saved(self) -> float:
        networks = (self.ranger.detector, self.ranger.depth, self.ranger.semantic)
        return sum(n.saved_s for n in networks if isinstance(n, Remembered))

    def _note(self, models: tuple[ModelUse, ...]) -> None:
        if not self.models:
            self.models = models


class Loader:
    """Loads variants for a task; networks that several of them name are loaded once."""

    def __init__(
        self, task: str, confirm: Confirm | None = None, progress: Progress | None = None
    ) -> None:
        self.task, self._confirm, self._progress = task, confirm, progress
        self._networks: dict[tuple[Any, ...], Remembered] = {}

    def system(self, variant: Variant) -> System:
        """The variant, ready to run. Raises `UsageError` or `ModelError`."""
        variant = completed(variant, self.task)
        conf = variant.conf
        if conf is None:
            conf = EVERYTHING if self.task == "detection" else USUAL
        options = make_options(
            {
                "conf": conf,
                "iou": variant.iou,
                "diou": variant.nms_diou,
                "max_det": variant.max_det,
                "stat": variant.stat,
                "scale": variant.scale,
                "camera": variant.camera,
                "max_distance": variant.max_distance,
                "multi_label": self.task == "detection",
            }
        )
        if options.camera and options.camera.lens and options.camera.lens.distorts:
            raise UsageError(
                f"{variant.camera}: the lens distorts, but the data's truth is of the pictures as "
                "they are; undistort the data first, or leave the profile out"
            )
        if variant.join not in tuple(Join):
            raise UsageError(f"join {variant.join!r} is unknown; use one of {', '.join(Join)}")
        wants_objects = isinstance(options.scale, ObjectSizes | KnownDistance)
        roles = {
            "depth": ("detector", "depth") if wants_objects else ("depth",),
            "detection": ("detector",),
            "objects": ("detector", "depth"),
            "segmentation": ("semantic",),
        }[self.task]
        found = {role: self._network(role, variant) for role in roles}
        ranger = Ranger(
            detector=found.get("detector"),
            depth=found.get("depth"),
            semantic=found.get("semantic"),
            join=Join(variant.join),
        )
        system = System(variant, ranger, options)
        profile, network = options.camera, ranger.depth
        if profile and profile.scales and network and not system.has_scale():
            raise UsageError(profile.why_no_scale(network.use("depth").name))
        return system

    def _network(self, role: str, variant: Variant) -> Remembered | None:
        name: str | None = getattr(variant, role)
        if name is None or name == TRUTH:
            return None
        size = variant.imgsz if role == "detector" else None
        key = (role, name, size, variant.runtime, variant.precision, variant.threads)
        if key not in self._networks:
            names: dict[str, Any] = {"detector": None, "depth": None} | {role: name}
            ranger = load(
                **names,
                runtime=variant.runtime,
                precision=variant.precision,
                threads=variant.threads,
                imgsz=parse_imgsz(size),
                confirm=self._confirm,
                progress=self._progress,
            )
            network: DetectorLike | DepthLike | SemanticLike | None = getattr(ranger, role)
            self._networks[key] = Remembered(network)
        return self._networks[key]
