from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from howfar.errors import ModelError
from howfar.runtimes.remembering import RememberingRuntime
from howfar.runtimes.torch import INPUT, TorchRuntime


class Mean(nn.Module):
    """Gives the mean of the channels, and counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.calls = 0
        self.modes: list[bool] = []

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        self.calls += 1
        self.modes.append(self.training)
        if images.shape[2] % 2:
            raise RuntimeError("odd height\nand more")
        return {"depth": images.mean(1, keepdim=True) * self.weight}


FEED = np.random.default_rng(0).random((1, 3, 4, 6)).astype(np.float32)


def test_outputs_are_arrays_and_the_mode_is_left_alone() -> None:
    module = Mean().train()
    found = TorchRuntime(module).run({INPUT: FEED})
    np.testing.assert_allclose(found["depth"], FEED.mean(1, keepdims=True), rtol=1e-6)
    assert found["depth"].dtype == np.float32
    assert module.modes == [False]
    assert module.training


def test_failures_are_one_line() -> None:
    with pytest.raises(ModelError, match=r"the network failed \(odd height\)$"):
        TorchRuntime(Mean()).run({INPUT: FEED[:, :, :3]})


def test_the_same_question_is_answered_from_memory() -> None:
    module = Mean()
    runtime = RememberingRuntime(TorchRuntime(module))
    first = runtime.run({INPUT: FEED})
    again = runtime.run({INPUT: FEED.copy()})
    assert module.calls == 1
    np.testing.assert_array_equal(first["depth"], again["depth"])
    other = runtime.run({INPUT: FEED + 1})
    assert module.calls == 2
    np.testing.assert_allclose(other["depth"], first["depth"] + 1, rtol=1e-5)
    runtime.run({INPUT: FEED})
    assert module.calls == 3
