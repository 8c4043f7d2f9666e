"""Batches for training: read, augmented and prepared ahead of time, the same for the same seed.

What a batch holds depends only on (seed, epoch, number of the batch): a run that was killed goes on
with the very batches that it would have seen.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from howfar.data.dataset import Dataset
from howfar.data.scene import Scene
from howfar.errors import UsageError
from howfar.train.recipe import Recipe
from howfar.train.task import Batch, Task

AHEAD = 3
"""Batches that are prepared ahead."""


class Feed:
    """An endless supply of batches of one process.

    Args:
        dataset: the samples.
        recipe: seed and batch.
        task: makes examples of samples, and batches of examples.
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
        task: Task,
        rank: int = 0,
        world: int = 1,
        workers: int = 2,
        cache_mb: float = 2048,
    ) -> None:
        self._dataset, self._recipe, self._task = dataset, recipe, task
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
        waiting: deque[list[Future[tuple[str, Any]]]] = deque()
        with ThreadPoolExecutor(self._workers, "howfar-feed") as pool:
            for first in range(start * whole, self.batches_per_epoch * whole, whole):
                mine = order[first + self._rank * part :][:part].tolist()
                waiting.append([pool.submit(self._example, number, index) for index in mine])
                if len(waiting) > AHEAD:
                    yield self._stack(waiting.popleft())
            while waiting:
                yield self._stack(waiting.popleft())

    def _example(self, epoch: int, index: int) -> tuple[str, Any]:
        rng = np.random.default_rng((self._recipe.seed, epoch, index))
        example = self._task.example(index, lambda i: self._scene(i)[1], rng)
        return self._scene(index)[0], example

    def _scene(self, index: int) -> tuple[str, Scene]:
        """The name of a sample, and the sample, decoded once where there is room for it."""
        if index in self._cache:
            return self._cache[index]
        sample = self._dataset[index]
        scene = self._task.scene(sample)
        size = scene.image.nbytes + (0 if scene.depth is None else scene.depth.nbytes)
        if size <= self._room:
            self._room -= size
            self._cache[index] = sample.id, scene
        return sample.id, scene

    def _stack(self, futures: Sequence[Future[tuple[str, Any]]]) -> Batch:
        found = [future.result() for future in futures]
        return self._task.stack([name for name, _ in found], [example for _, example in found])
