"""Moving average of weights."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

RAMP = 2000
"""Steps over which the average forgets its start: decay (1 - exp(-step / RAMP)), as YOLOv5 does."""


class Average:
    """Exponential moving average of every floating-point tensor of a network's state.

    Args:
        network: whose state is the start.
        decay: share of the old average that each step keeps, at most.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.steps = 0
        self.state = {name: value.detach().clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move towards the network's present state; other tensors are copied."""
        self.steps += 1
        keep = self.decay * (1 - math.exp(-self.steps / RAMP))
        for name, value in network.state_dict().items():
            mean = self.state[name]
            if mean.dtype.is_floating_point:
                mean.lerp_(value.detach(), 1 - keep)
            else:
                mean.copy_(value)

    def load(self, state: Mapping[str, Tensor], steps: int) -> None:
        """Go on from a saved average."""
        self.steps = steps
        for name, value in state.items():
            self.state[name].copy_(value)
