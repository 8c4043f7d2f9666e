"""Teachers: networks of the catalog that answer on the very views that the student sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from howfar.core.depth import DepthKind
from howfar.core.preprocess import Fit
from howfar.errors import UsageError
from howfar.loading import load_network
from howfar.models.card import ModelCard, Task
from howfar.models.network import Runtime
from howfar.models.store import LocalModel
from howfar.nets.onnx_module import OnnxModule
from howfar.train.precision import uses_bf16


class Teacher(nn.Module):
    """A network file that takes batches of views as tensors.

    On a GPU, at another size than the file's own, and on a CPU with units for bfloat16 it runs as a
    torch module; else in ONNX Runtime, which is faster there. Answers in bfloat16 are off by .4 %
    of depth in the mean, and by up to .1 in the scores of boxes.

    Args:
        model: the file and its card.
        task: what it teaches.
        size: side of its input in pixels; None: the card's. Dense matching needs the student's.
        threads: of ONNX Runtime.

    Raises `UsageError` for networks that do not stretch their pictures: their view would be another
    one than the student's.
    """

    def __init__(
        self, model: LocalModel, task: Task, size: int | None = None, threads: int = 1
    ) -> None:
        super().__init__()
        network = load_network(model, task, threads=threads)
        self.card: ModelCard = network.card
        own = (self.card.preprocess.height, self.card.preprocess.width)
        self._size = (size, size) if size else own
        self._own_size = self._size == own
        self.sha256 = network.sha256
        self._runtime: Runtime = network.runtime
        self._path: Path = model.path
        self._module: OnnxModule | None = None
        pre = self.card.preprocess
        if pre.fit is not Fit.STRETCH:
            raise UsageError(
                f"{self.card.name}: pads its pictures ({pre.fit}); a teacher must see the view of "
                "the student, so it has to stretch them"
            )
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(pre.mean).reshape(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(pre.std).reshape(1, 3, 1, 1))

    def prepared(self, views: Tensor) -> Tensor:
        """(B, 3, S, S) RGB 0..1 to the teacher's input."""
        pre = self.card.preprocess
        if views.shape[2:] != self._size:
            mode = "area" if views.shape[-1] > self._size[1] else "bilinear"
            views = functional.interpolate(views, self._size, mode=mode)
        if pre.channels == "BGR":
            views = views.flip(1)
        return (views * (255 / pre.divisor) - self.mean) / self.std

    @torch.no_grad()
    def forward(self, views: Tensor) -> Tensor:
        """The first output for views (B, 3, S, S), RGB 0..1."""
        inputs = self.prepared(views.float())
        on_cpu = inputs.device.type == "cpu"
        bf16 = on_cpu and uses_bf16("auto", inputs.device)
        if bf16 or not on_cpu or not self._own_size:
            if self._module is None:
                self._module = OnnxModule(self._path).to(inputs.device).eval()
            with torch.autocast(inputs.device.type, torch.bfloat16, enabled=bf16):
                answers = self._module(inputs.contiguous(memory_format=torch.channels_last))
            answer: Tensor = next(iter(answers.values()))
            return answer.float()
        name = self._runtime.inputs[0].name
        rows = [
            next(iter(self._runtime.run({name: np.ascontiguousarray(one[None])}).values()))
            for one in inputs.numpy()
        ]
        return torch.from_numpy(np.concatenate(rows).astype(np.float32))

    def inverse_depth(self, views: Tensor, size: int) -> Tensor:
        """(B, 1, size, size) inverse depth of a relative teacher, in no unit."""
        found = self(views)
        if self.card.depth_inverse is False:
            found = found.clamp(min=1e-3).reciprocal()
        return functional.interpolate(found, (size, size), mode="bilinear", align_corners=False)

    def log_depth(self, views: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """(B, 1, size, size) logarithm of a metric teacher's depth, and where it gives one."""
        if self.card.depth_kind is not DepthKind.METRIC:
            raise UsageError(f"{self.card.name}: gives no metres")
        found = self(views) * self.card.depth_unit_m
        if self.card.depth_inverse:
            found = found.clamp(min=1e-3).reciprocal()
        small = functional.interpolate(found, (size, size), mode="area")
        return small.clamp(min=1e-2).log(), small > 0.05
