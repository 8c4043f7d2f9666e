"""Training of networks that give depth, and perhaps the class of every pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from howfar.core.boxes import FloatArray
from howfar.core.depth import BoolArray
from howfar.core.resize import resize
from howfar.data.augment import Step, augment, flip_only, hybrid_recipe, usual
from howfar.data.dataset import Dataset
from howfar.data.sample import Sample
from howfar.data.scene import Scene
from howfar.errors import UsageError
from howfar.losses.segmentation import semantic_weights
from howfar.models.card import ModelCard
from howfar.train.objectives import NO_LABEL, objective
from howfar.train.recipe import Recipe
from howfar.train.targets import make_target, recipe_card
from howfar.train.task import Draw, Outputs
from howfar.train.validate import validate


@dataclass(frozen=True, eq=False)
class DepthBatch:
    """Pictures and their depth.

    Attributes:
        images: (B, 3, H, W) float32, channels last, as the recipe's preprocessing makes them.
        target: (B, 1, h, w) float32, 0 where it does not count.
        valid: (B, 1, h, w) bool.
        labels: (B, h, w) int64 with `NO_LABEL` where unknown, or None.
        weights: (B, 1, h, w) float32 factors of the pixels' losses, or None.
        ids: of the samples.
    """

    images: Tensor
    target: Tensor
    valid: Tensor
    labels: Tensor | None
    weights: Tensor | None
    ids: tuple[str, ...]

    def to(self, place: torch.device) -> DepthBatch:
        """The batch on a device."""
        named = ("images", "target", "valid", "labels", "weights")
        moved = {n: v.to(place) for n in named if (v := getattr(self, n)) is not None}
        return replace(self, **moved)


@dataclass(frozen=True, eq=False)
class Example:
    """One sample as arrays (3, H, W), (h, w), (h, w) and (h, w) or None."""

    image: FloatArray
    target: FloatArray
    valid: BoolArray
    labels: npt.NDArray[np.uint8] | None


class DepthTask:
    """Learns depth by a recipe.

    Args:
        recipe: how.
        data: what it learns from.
        module: the network; only its outputs' sizes are asked for.

    Raises `UsageError` where the recipe needs labels that the data lack.
    """

    def __init__(self, recipe: Recipe, data: Dataset, module: nn.Module) -> None:
        shapes = output_shapes(module, recipe)
        count = shapes["semantics"][0] if "semantics" in shapes else 0
        self.recipe = recipe
        self.height, self.width = shapes["depth"][1:]
        self.classes = label_names(count, data) if count else ()
        self.stressed = stressed_classes(recipe, data) if recipe.stressed else ()
        self.card: ModelCard = recipe_card(recipe, self.classes)
        self._steps = augmentation(recipe)
        self._objective = objective(recipe)
        self._names = data.class_names

    def scene(self, sample: Sample) -> Scene:
        """The sample with its depth and labels."""
        if sample.depth is None:
            raise UsageError(f"{sample.source or sample.id}: has no depth to learn from")
        return Scene.from_sample(sample, self._names)

    def example(self, index: int, draw: Draw, rng: np.random.Generator) -> Example:
        """Sample `index`, augmented; depth and labels at the size of the network's output."""
        scene = augment(draw(index), self._steps, rng)
        tensor, _ = self.recipe.preprocess(scene.image)
        depth = resize(cast(FloatArray, scene.depth), self.width, self.height, "nearest")
        target, valid = make_target(depth, self.recipe)
        labels = None
        if self.classes or self.stressed:
            labels = np.full((self.height, self.width), NO_LABEL, np.uint8)
            if scene.semantics is not None:
                labels = resize(scene.semantics, self.width, self.height, "nearest")
        return Example(np.asarray(tensor[0], np.float32), target, valid, labels)

    def stack(self, ids: Sequence[str], examples: Sequence[Example]) -> DepthBatch:
        """A batch of examples."""
        images = torch.from_numpy(np.stack([e.image for e in examples]))
        target = torch.from_numpy(np.stack([e.target for e in examples]))[:, None]
        valid = torch.from_numpy(np.stack([e.valid for e in examples]))[:, None]
        found = [e.labels for e in examples if e.labels is not None]
        labels = torch.from_numpy(np.stack(found)).long() if found else None
        weights = None
        if labels is not None and self.stressed:
            weights = semantic_weights(labels, self.stressed)[:, None]
        images = images.contiguous(memory_format=torch.channels_last)
        return DepthBatch(images, target, valid, labels, weights, tuple(ids))

    def loss(self, module: nn.Module, outputs: Outputs, batch: DepthBatch) -> Tensor:
        """The recipe's objective."""
        del module
        return self._objective(outputs, batch)

    def validate(self, module: nn.Module, data: Dataset, limit: int | None) -> dict[str, float]:
        """Errors under the recipe's protocol."""
        return validate(module, self.card, self.recipe, data, limit)


def augmentation(recipe: Recipe) -> tuple[Step, ...]:
    """The steps of a depth recipe's augmentation."""
    width, height = recipe.preprocess.width, recipe.preprocess.height
    return {
        "none": (),
        "flip": flip_only(),
        "hybrid": hybrid_recipe(width, height),
        "usual": usual(width, height, keep_focal=True),
    }[recipe.augment]


def output_shapes(module: nn.Module, recipe: Recipe) -> dict[str, tuple[int, int, int]]:
    """(channels, height, width) of what a network gives for the recipe's input."""
    training = module.training
    with torch.no_grad():
        size = recipe.preprocess.height, recipe.preprocess.width
        found = module.eval()(torch.zeros(1, 3, *size))
    module.train(training)
    return {name: (out.shape[1], out.shape[2], out.shape[3]) for name, out in found.items()}


def label_names(count: int, data: Dataset) -> tuple[str, ...]:
    """Names of `count` channels of labels: those of the data's first sample, then `unused N`."""
    names = _first_labels(data)
    if len(names) > count:
        raise UsageError(
            f"{data.name}: has {len(names)} classes, the network tells {count} apart; give "
            f"--set net_options.classes={len(names)}"
        )
    return (*names, *(f"unused {i}" for i in range(len(names), count)))


def stressed_classes(recipe: Recipe, data: Dataset) -> tuple[int, ...]:
    """Numbers of the classes that the recipe stresses, by name; case and spaces do not count."""

    def plain(name: str) -> str:
        return name.lower().replace(" ", "").replace("_", "")

    wanted = {plain(name) for name in recipe.stressed}
    names = _first_labels(data)
    found = tuple(i for i, name in enumerate(names) if plain(name) in wanted)
    if not found:
        raise UsageError(
            f"{data.name}: labels none of {', '.join(recipe.stressed)}, which recipe "
            f"{recipe.name} stresses; it labels {', '.join(names)}"
        )
    return found


def _first_labels(data: Dataset) -> tuple[str, ...]:
    labels = data[0].semantics
    if labels is None or not labels.class_names:
        raise UsageError(f"{data.name}: has no label maps, which this recipe learns from as well")
    return labels.class_names
