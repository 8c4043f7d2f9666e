"""Batches for training: read, augmented and prepared ahead of time, the same for the same seed.

What a batch holds depends only on (seed, epoch, number of the batch): a run that was killed goes on
with the very batches that it would have seen.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from howfar.core.resize import resize
from howfar.data.augment import Step, augment, flip_only, hybrid_recipe, usual
from howfar.data.dataset import Dataset
from howfar.data.scene import Scene
from howfar.errors import UsageError
from howfar.train.recipe import Recipe
from howfar.train.targets import make_target

AHEAD = 3
"""Batches that are prepared ahead."""
NO_LABEL = 255
"""Pixels whose class is unknown."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Pictures and what a network should say about them.

    Attributes:
        images: (B, 3, H, W) float32, channels last, as the recipe's preprocessing makes them.
        target: (B, 1, h, w) float32, 0 where it does not count.
        valid: (B, 1, h, w) bool.
        labels: (B, h, w) int64 with `NO_LABEL` where unknown, or None.
        ids: of the samples.
    """

    images: Tensor
    target: Tensor
    valid: Tensor
    labels: Tensor | None
    ids: tuple[str, ...]

    def to(self, device: torch.device) -> Batch:
        """The batch on a device."""
        labels = None if self.labels is None else self.labels.to(device)
        images, target, valid = (t.to(device) for t in (self.images, self.target, self.valid))
        return Batch(images, target, valid, labels, self.ids)


class Feed:
    """An endless supply of batches of one process.

    Args:
        dataset: the samples; each needs depth.
        recipe: size, augmentation, target, seed and batch.
        size: (height, width) of the network's output.
        classes: labels that the network tells apart; () without semantics.
        rank, world: this process and the number of all; a batch of the whole run is
            `world * recipe.batch` samples, of which each process has its part.
        workers: threads that prepare samples.
        cache_mb: decoded pictures are kept up to this much memory.

    Raises `UsageError` where the data do not fill one batch.
    """

    def __init__(
        self,
        dataset: Dataset,
        recipe: Recipe,
        size: tuple[int, int],
        classes: Sequence[str] = (),
        rank: int = 0,
        world: int = 1,
        workers: int = 2,
        cache_mb: float = 2048,
    ) -> None:
        self._dataset, self._recipe, self._size = dataset, recipe, size
        self._classes = tuple(classes)
        self._steps = augmentation(recipe)
        self._rank, self._world = rank, world
        self._workers = max(workers, 1)
        self._cache: dict[int, tuple[str, Scene]] = {}
        self._room = cache_mb * 2**20
        self.batches_per_epoch = len(dataset) // (recipe.batch * world)
        if not self.batches_per_epoch:
            raise UsageError(
                f"{dataset.name}: {len(dataset)} samples are fewer than a batch of "
                f"{recipe.batch * world}; give more data or a smaller batch"
            )

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """The batches of epoch `number` from batch `start` on.

        The order is drawn anew for each epoch; the samples that do not fill a last batch have
        their turn in other epochs.
        """
        order = np.random.default_rng((self._recipe.seed, number)).permutation(len(self._dataset))
        part, whole = self._recipe.batch, self._recipe.batch * self._world
        waiting: deque[list[Future[_Example]]] = deque()
        with ThreadPoolExecutor(self._workers, "howfar-feed") as pool:
            for first in range(start * whole, self.batches_per_epoch * whole, whole):
                mine = order[first + self._rank * part :][:part].tolist()
                waiting.append([pool.submit(self._example, number, index) for index in mine])
                if len(waiting) > AHEAD:
                    yield _stack(waiting.popleft())
            while waiting:
                yield _stack(waiting.popleft())

    def _example(self, epoch: int, index: int) -> _Example:
        rng = np.random.default_rng((self._recipe.seed, epoch, index))
        name, scene = self._scene(index)
        scene = augment(scene, self._steps, rng)
        if scene.depth is None:
            raise UsageError(f"{self._dataset.name}: {name} has no depth to learn from")
        pre = self._recipe.preprocess
        tensor, _ = pre(scene.image)
        height, width = self._size
        depth = resize(scene.depth, width, height, "nearest")
        target, valid = make_target(depth, self._recipe)
        labels = None
        if self._classes:
            labels = np.full((height, width), NO_LABEL, np.uint8)
            if scene.semantics is not None:
                labels = resize(scene.semantics.astype(np.uint8), width, height, "nearest")
        return _Example(name, np.asarray(tensor[0], np.float32), target, valid, labels)

    def _scene(self, index: int) -> tuple[str, Scene]:
        """The name of a sample, and the sample, decoded once where there is room for it."""
        if index in self._cache:
            return self._cache[index]
        sample = self._dataset[index]
        scene = Scene.from_sample(sample, self._dataset.class_names)
        size = scene.image.nbytes + (0 if scene.depth is None else scene.depth.nbytes)
        if size <= self._room:
            self._room -= size
            self._cache[index] = sample.id, scene
        return sample.id, scene


@dataclass(frozen=True, eq=False)
class _Example:
    id: str
    image: np.ndarray
    target: np.ndarray
    valid: np.ndarray
    labels: np.ndarray | None


def augmentation(recipe: Recipe) -> tuple[Step, ...]:
    """The steps of a recipe's augmentation."""
    width, height = recipe.preprocess.width, recipe.preprocess.height
    return {
        "none": (),
        "flip": flip_only(),
        "hybrid": hybrid_recipe(width, height),
        "usual": usual(width, height, keep_focal=True),
    }[recipe.augment]


def _stack(futures: Sequence[Future[_Example]]) -> Batch:
    found = [future.result() for future in futures]
    images = torch.from_numpy(np.stack([e.image for e in found]))
    target = torch.from_numpy(np.stack([e.target for e in found]))[:, None]
    valid = torch.from_numpy(np.stack([e.valid for e in found]))[:, None]
    labels = None
    if found[0].labels is not None:
        labels = torch.from_numpy(np.stack([e.labels for e in found])).long()  # type: ignore[misc]
    images = images.contiguous(memory_format=torch.channels_last)
    return Batch(images, target, valid, labels, tuple(e.id for e in found))
