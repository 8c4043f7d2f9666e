"""What training needs to know of a task: its samples, its loss, its validation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from torch import Tensor, device, nn

from howfar.data.dataset import Dataset
from howfar.data.sample import Sample
from howfar.data.scene import Scene
from howfar.models.card import ModelCard

Outputs = Mapping[str, Tensor]
Draw = Callable[[int], Scene]
"""The scene of any index of the data."""


class Batch(Protocol):
    """Pictures and what a network should say about them.

    Attributes:
        images: (B, 3, H, W) float32, channels last, as the recipe's preprocessing makes them; or
            whatever else the network takes.
        ids: of the samples.
    """

    @property
    def images(self) -> Any: ...

    @property
    def ids(self) -> tuple[str, ...]: ...

    def to(self, place: device) -> Batch:
        """The batch on a device."""


class Task(Protocol):
    """One of `DepthTask` and `DetectionTask`."""

    @property
    def card(self) -> ModelCard:
        """What the trained network needs and gives."""

    def scene(self, sample: Sample) -> Scene:
        """What is kept in memory of a sample; raises `UsageError` where it cannot teach."""

    def example(self, index: int, draw: Draw, rng: np.random.Generator) -> Any:
        """Sample `index`, augmented and prepared."""

    def stack(self, ids: Sequence[str], examples: Sequence[Any]) -> Batch:
        """A batch of examples."""

    def loss(self, module: nn.Module, outputs: Outputs, batch: Any) -> Tensor:
        """What is minimised; scalar."""

    def validate(self, module: nn.Module, data: Dataset, limit: int | None) -> dict[str, float]:
        """Errors or scores of a module by their short names."""
