"""Training of detectors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from howfar.core.boxes import FloatArray
from howfar.core.preprocess import Fit
from howfar.data.dataset import Dataset
from howfar.data.geometry import resize_scene
from howfar.data.mosaic import MosaicOptions, detection_example, fit_to, placed
from howfar.data.sample import Sample
from howfar.data.scene import Scene
from howfar.errors import DatasetError, UsageError
from howfar.evaluate.detection import DetectionJudge
from howfar.evaluate.frames import walk
from howfar.evaluate.systems import System
from howfar.evaluate.variants import Variant
from howfar.losses.detection import DetectionLoss, yolov4_loss, yolov5_loss
from howfar.models.card import Decoder, ModelCard
from howfar.models.network import Network
from howfar.nets.darknet import Darknet
from howfar.nets.detector import Detector
from howfar.options import Options
from howfar.pipeline import Ranger
from howfar.runtimes.torch import TorchRuntime
from howfar.train.recipe import Recipe
from howfar.train.task import Draw, Outputs
from howfar.train.validate import need_all

LOSSES = ("yolov5", "yolov4")
NOMINAL_SIZE, NOMINAL_CLASSES, NOMINAL_LEVELS = 640, 80, 3
"""What YOLOv5's loss weights are made for; others are rescaled to it (facts 1c)."""
VALIDATION = Options(conf=0.001, iou=0.6, max_det=300, multi_label=True)
"""How YOLOv5 validates (facts 1c)."""


@dataclass(frozen=True, eq=False)
class DetectionBatch:
    """Pictures and their objects.

    Attributes:
        images: (B, 3, H, W) float32, channels last, as the recipe's preprocessing makes them.
        targets: (N, 6) float32 `image, class, cx, cy, w, h`, the box as shares of the picture.
        ids: of the samples.
    """

    images: Tensor
    targets: Tensor
    ids: tuple[str, ...]

    def to(self, place: torch.device) -> DetectionBatch:
        """The batch on a device."""
        return replace(self, images=self.images.to(place), targets=self.targets.to(place))


@dataclass(frozen=True, eq=False)
class Example:
    """One picture (3, H, W) and its objects (N, 5) `class, cx, cy, w, h`."""

    image: FloatArray
    objects: FloatArray


class DetectionTask:
    """Learns boxes by a recipe.

    Args:
        recipe: how, with its classes `resolved`.
        data: what it learns from, under the names that are learned.

    Raises `UsageError` for unknown losses, and where the data have no objects.
    """

    def __init__(self, recipe: Recipe, data: Dataset) -> None:
        if recipe.loss not in LOSSES:
            raise UsageError(f"loss {recipe.loss!r} is unknown; use one of {', '.join(LOSSES)}")
        self.recipe = recipe
        self.card = detector_card(recipe)
        self.options = mosaic_options(recipe)
        self._count = len(data)

    def scene(self, sample: Sample) -> Scene:
        """The sample at the size of the input."""
        if sample.boxes is None:
            raise UsageError(f"{sample.source or sample.id}: has no boxes to learn from")
        bare = replace(sample, depth=None, semantics=None)
        scene = Scene.from_sample(bare, self.recipe.classes)
        pre = self.recipe.preprocess
        if pre.fit is Fit.STRETCH:
            return resize_scene(
                replace(scene, camera=None),
                pre.width,
                pre.height,
                interpolation=pre.interpolation,
            )
        return fit_to(scene, self.recipe.preprocess.width, self.recipe.preprocess.height)

    def example(self, index: int, draw: Draw, rng: np.random.Generator) -> Example:
        """Sample `index`, with three others in a mosaic, augmented."""
        width, height = self.recipe.preprocess.width, self.recipe.preprocess.height
        scene = draw(index)
        if self.recipe.augment == "mosaic":

            def other() -> Scene:
                return draw(int(rng.integers(self._count)))

            scene = detection_example(scene, other, width, height, self.options, rng)
        else:
            scene = placed(scene, width, height)
        tensor, _ = self.recipe.preprocess(scene.image)
        low, high = scene.boxes[:, :2], scene.boxes[:, 2:]
        size = np.array([width, height], np.float32)
        objects = np.concatenate(
            [scene.labels[:, None], (low + high) / 2 / size, (high - low) / size], axis=1
        )
        return Example(np.asarray(tensor[0], np.float32), objects.astype(np.float32))

    def stack(self, ids: Sequence[str], examples: Sequence[Example]) -> DetectionBatch:
        """A batch of examples."""
        images = torch.from_numpy(np.stack([e.image for e in examples]))
        rows = [
            np.insert(e.objects, 0, i, axis=1).astype(np.float32) for i, e in enumerate(examples)
        ]
        targets = torch.from_numpy(np.concatenate(rows))
        images = images.contiguous(memory_format=torch.channels_last)
        return DetectionBatch(images, targets, tuple(ids))

    def loss(self, module: nn.Module, outputs: Outputs, batch: DetectionBatch) -> Tensor:
        """The recipe's loss of raw outputs."""
        return self.parts(module, outputs, batch).total

    def parts(self, module: nn.Module, outputs: Outputs, batch: DetectionBatch) -> DetectionLoss:
        """The recipe's loss with its parts."""
        detector = cast(Detector, module)
        levels = list(outputs.values())
        places = detector.anchors_px, detector.strides
        try:
            if isinstance(module, Darknet):
                return yolov4_loss(levels, batch.targets, *places, module.scale_xy)
            return yolov5_loss(levels, batch.targets, *places, **self._weights(detector, batch))
        except TypeError as error:
            given = ", ".join(self.recipe.loss_options)
            raise UsageError(f"recipe {self.recipe.name}: loss with {given}: {error}") from error

    def _weights(self, module: Detector, batch: DetectionBatch) -> Mapping[str, Any]:
        """YOLOv5's loss options, its weights rescaled to levels, classes and size."""
        options = {"box": 0.05, "obj": 1.0, "cls": 0.5, **self.recipe.loss_options}
        levels = NOMINAL_LEVELS / len(module.strides)
        size = max(batch.images.shape[2:]) / NOMINAL_SIZE
        options["box"] *= levels
        options["obj"] *= levels * size**2
        options["cls"] *= levels * module.classes / NOMINAL_CLASSES
        return options

    def validate(self, module: nn.Module, data: Dataset, limit: int | None) -> dict[str, float]:
        """COCO's twelve numbers and `fitness`."""
        return validate_detector(module, self.card, self.recipe.name, data, limit)


def validate_detector(
    module: nn.Module, card: ModelCard, name: str, data: Dataset, limit: int | None = None
) -> dict[str, float]:
    """COCO's twelve numbers of a module on a data set, and `fitness` = .9 AP + .1 AP50.

    Raises `HowfarError` where a picture cannot be measured.
    """
    ranger = Ranger(detector=Network(card, TorchRuntime(module)))
    judge = DetectionJudge(System(Variant(name), ranger, VALIDATION), data)
    need_all(walk(data, [judge], limit))
    scores = {n: v for n, v in judge.coco().overall.items() if math.isfinite(v)}
    if "AP" not in scores:
        raise DatasetError(f"{data.name}: has no objects of the classes that are learned")
    return {"fitness": 0.9 * scores["AP"] + 0.1 * scores["AP50"], **scores}


def resolved(recipe: Recipe, data: Dataset) -> Recipe:
    """The recipe with the classes that it learns, and a network for as many; depth as it is.

    Raises `UsageError` where the data name no classes, or `class_map` names some that they lack.
    """
    if recipe.task != "detection":
        return recipe
    names = data.class_names
    unknown = sorted(set(recipe.class_map) - set(names))
    if unknown:
        raise UsageError(
            f"class_map: {data.name} has no class {unknown[0]!r}; it has {', '.join(names)}"
        )
    mapped = [recipe.class_map.get(name, name) for name in names]
    classes = recipe.classes or tuple(dict.fromkeys(name for name in mapped if name))
    if not classes:
        raise UsageError(f"{data.name}: names no classes; a detector needs data with objects")
    if recipe.classes and not set(recipe.classes) & set(mapped):
        raise UsageError(
            f"classes: {data.name} has none of {', '.join(classes)}; it has {', '.join(names)}"
        )
    options = {**recipe.net_options, "classes": len(classes)}
    return replace(recipe, classes=classes, net_options=options)


def mosaic_options(recipe: Recipe) -> MosaicOptions:
    """The recipe's augmentation. Raises `UsageError` for options that it does not take."""
    known = [item.name for item in fields(MosaicOptions)]
    for name, value in recipe.augment_options.items():
        if name not in known or isinstance(value, bool) or not isinstance(value, int | float):
            raise UsageError(
                f"recipe {recipe.name}: augment_options.{name}={value!r}; give a number to one of "
                f"{', '.join(known)}"
            )
    return MosaicOptions(**recipe.augment_options)


def detector_card(recipe: Recipe) -> ModelCard:
    """The card of a detector that was trained by a recipe with resolved classes."""
    return ModelCard(
        name=recipe.name,
        decoder=Decoder.YOLOV5,
        preprocess=recipe.preprocess,
        classes=recipe.classes,
        licence="that of its training data",
        origin=f"howfar train {recipe.name}",
    )


def rescaled(images: Tensor, amount: float, seed: int, multiple: int) -> Tensor:
    """Pictures (B, 3, H, W) resized by a factor from 1 ± `amount` to multiples of `multiple`."""
    factor = np.random.default_rng(seed).uniform(1 - amount, 1 + amount)
    size = [max(round(s * factor / multiple), 1) * multiple for s in images.shape[2:]]
    if size == list(images.shape[2:]):
        return images
    return nn.functional.interpolate(images, size, mode="bilinear", align_corners=False)
