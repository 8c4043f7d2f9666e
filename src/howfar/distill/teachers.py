"""Teachers: networks of the catalog that answer on the very views that the student sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from howfar.core.depth import DepthKind
from howfar.core.preprocess import Fit
from howfar.errors import ModelError, UsageError
from howfar.loading import WEIGHTS_SUFFIXES, load_network
from howfar.models.card import Decoder, ModelCard, Task
from howfar.models.network import Network, Runtime
from howfar.models.store import LocalModel
from howfar.nets.files import open_weights
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

    Attributes:
        classes: None: a teacher of boxes knows all of the student's.

    Raises `UsageError` for networks that take pictures otherwise than stretched and as float32:
    `howfar.distill.box_teacher` and `howfar.distill.depth_teacher` have teachers for these.
    """

    classes: None = None

    def __init__(
        self, model: LocalModel, task: Task, size: int | None = None, threads: int = 1
    ) -> None:
        super().__init__()
        network = opened(model, task, threads)
        self.card: ModelCard = network.card
        own = (self.card.preprocess.height, self.card.preprocess.width)
        self._size = (size, size) if size else own
        self._own_size = self._size == own
        self.sha256 = network.sha256
        self._runtime: Runtime = network.runtime
        self._path: Path = model.path
        self._module: nn.Module | None = None
        self._unknown = False
        self._output = _output(self.card, task)
        pre = self.card.preprocess
        if not takes_tensors(self.card):
            raise UsageError(
                f"{self.card.name}: takes pictures as {pre.fit}, {pre.layout} and {pre.dtype}; "
                "here it has to stretch them, NCHW and float32"
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
        """What it teaches, as the network gives it, for views (B, 3, S, S), RGB 0..1."""
        self.to(views.device)
        inputs = self.prepared(views.float())
        on_cpu = inputs.device.type == "cpu"
        bf16 = on_cpu and uses_bf16("auto", inputs.device)
        module = self._as_module() if bf16 or not on_cpu or not self._own_size else None
        if module is not None:
            module.to(inputs.device)
            with torch.autocast(inputs.device.type, torch.bfloat16, enabled=bf16):
                answers = module(inputs.contiguous(memory_format=torch.channels_last))
            answer: Tensor = answers[self._output or next(iter(answers))]
            return answer.float()
        name = self._runtime.inputs[0].name
        rows = []
        for one in inputs.cpu().numpy():
            found = self._runtime.run({name: np.ascontiguousarray(one[None])})
            rows.append(found[self._output or next(iter(found))])
        return torch.from_numpy(np.concatenate(rows).astype(np.float32)).to(inputs.device)

    def _as_module(self) -> nn.Module | None:
        """The network in PyTorch; None where PyTorch does not know all of it and ONNX Runtime can
        run it as well. Raises `ModelError` where that cannot."""
        if self._module is None and not self._unknown:
            try:
                self._module = module_of(self._path)
            except ModelError:
                if not self._own_size:
                    raise
                self._unknown = True
        return self._module

    def inverse_depth(self, views: Tensor, size: int) -> Tensor:
        """(B, 1, size, size) inverse depth, in no unit."""
        found = self(views)
        if not _gives_inverse(self.card):
            found = found.clamp(min=1e-3).reciprocal()
        return functional.interpolate(found, (size, size), mode="bilinear", align_corners=False)

    def log_depth(self, views: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """(B, 1, size, size) logarithm of a metric teacher's depth, and where it gives one."""
        need_metres(self.card)
        found = self(views) * self.card.depth_unit_m
        if _gives_inverse(self.card):
            found = found.clamp(min=1e-3).reciprocal()
        small = functional.interpolate(found, (size, size), mode="area")
        return small.clamp(min=1e-2).log(), small > 0.05


def takes_tensors(card: ModelCard) -> bool:
    """Whether a batch of views is all that a network needs to see what a student sees."""
    pre = card.preprocess
    return (pre.fit, pre.layout, pre.dtype) == (Fit.STRETCH, "NCHW", "float32")


def need_metres(card: ModelCard) -> None:
    """Raise `UsageError` where a network gives no metric depth."""
    if card.depth_kind is not DepthKind.METRIC:
        raise UsageError(f"{card.name}: gives no metres; give it as --relative")


def opened(model: LocalModel, task: Task, threads: int = 1) -> Network:
    """The network of a file. PyTorch keeps its threads, which are those of the student."""
    return load_network(model, task, threads=0 if in_torch(model.path) else threads)


def pixels_of(views: Tensor) -> npt.NDArray[np.uint8]:
    """(B, S, S, 3) pixels of views (B, 3, S, S), RGB 0..1."""
    found: npt.NDArray[np.uint8] = (views * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return np.ascontiguousarray(found)


def in_torch(path: Path) -> bool:
    """Whether a file holds weights that run in PyTorch, on pictures of any size."""
    return path.suffix in WEIGHTS_SUFFIXES


def module_of(path: Path) -> nn.Module:
    """A file's network in PyTorch; raises `ModelError` where PyTorch does not know all of it."""
    return (open_weights(path).module() if in_torch(path) else OnnxModule(path)).eval()


def _output(card: ModelCard, task: Task) -> str | None:
    """Name of the output that teaches; None: the first."""
    if task is Task.DETECT:
        return card.outputs.get("output", "detections" if card.decoder is Decoder.JOINT else None)
    return card.outputs.get("depth")


def _gives_inverse(card: ModelCard) -> bool:
    """As of `ModelCard.depth_inverse`."""
    metric = card.depth_kind is DepthKind.METRIC
    return not metric if card.depth_inverse is None else card.depth_inverse
