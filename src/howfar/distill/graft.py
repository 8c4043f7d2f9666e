"""FastDepth's second half set upon a detector: what joins them is solved by least squares."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch
from torch import Tensor, nn
from torch.nn import functional

from howfar.distill.lesson import normalised
from howfar.distill.teachers import Teacher
from howfar.errors import ModelError
from howfar.nets.depth_branch import (
    EARLY_LAYER,
    ENTRY_LAYER,
    LOG_DEPTH,
    pour_fastdepth,
    resized,
)
from howfar.nets.joint import Joint

CELLS = 400
"""Cells of a view that enter the equations, drawn at random."""
RIDGE = 1e-3
"""Of the mean variance of the features."""
CLOSED = -3.0
"""Logit of the share of the second way up where nothing but rooms is known."""
SURE, DECAY = 0.03, 1e-4
"""Share of the second way up that rooms are to get, and the weight decay of that fit."""


@torch.no_grad()
def graft(
    student: Joint, teacher: Teacher, path: Path, rooms: Tensor, others: Tensor | None = None
) -> None:
    """Make a student's depth branch say about what FastDepth says.

    The branch gets FastDepth's weights; its 1x1 convolutions on the detector's features are fitted
    to FastDepth's features of stride 4 and 8, then its answer to the logarithm of FastDepth's.
    Which way up counts is fitted to what is a room and what is not.

    Args:
        student: whose detector stays as it is.
        teacher: FastDepth.
        path: its file.
        rooms: (N, 3, S, S) RGB 0..1.
        others: likewise, of what is no room.

    Raises `ModelError` where the file is not FastDepth as published, or the student has batch norms
    or another size.
    """
    branch, gate = student.depth.rooms, student.depth.gate
    if branch is None or gate is None:
        raise ModelError("the depth branch of this size has no layers for FastDepth's weights")
    pour_fastdepth(branch, path)
    hidden = _Hidden(path)
    rng = torch.Generator().manual_seed(0)
    early, entry, answer = (_Equations() for _ in range(3))
    parts = [view[None] for view in rooms]
    student.eval()
    features = [student.features(normalised(_rgb(part))) for part in parts]
    for part, (stem, maps, pyramid) in zip(parts, features, strict=True):
        at4, at8 = hidden(teacher.prepared(part))
        given = (maps[0], pyramid[0], pyramid[1])
        entry.add(torch.cat([resized(x, *at8.shape[2:]) for x in given], 1), at8, rng)
        early.add(resized(stem, *at4.shape[2:]), at4, rng)
    _put(early.solution(), branch.early)
    _put(entry.solution(), *branch.entry)
    for part, of in zip(parts, features, strict=True):
        last = branch.body(*of)
        wanted, _ = teacher.log_depth(part, last.shape[2])
        answer.add(last, wanted - LOG_DEPTH, rng)
    weight, bias = answer.solution()
    branch.out.weight[0] = weight[0, :, None, None]
    _bias(branch.out)[0] = bias[0]
    seen = [pyramid[2].mean((2, 3)) for _, _, pyramid in features]
    strange = [] if others is None else [_seen(student, view[None]) for view in others]
    _part(gate, torch.cat(seen), torch.cat(strange) if strange else None)


def _seen(student: Joint, view: Tensor) -> Tensor:
    return student.features(normalised(_rgb(view)))[2][2].mean((2, 3))


@torch.enable_grad()
def _part(gate: nn.Conv2d | nn.Linear, rooms: Tensor, others: Tensor | None) -> None:
    """Logistic regression: 0 for rooms, 1 for others; closed where there are none."""
    nn.init.zeros_(gate.weight)
    nn.init.constant_(_bias(gate), CLOSED)
    if others is None:
        return
    x = torch.cat([rooms, others])
    y = torch.cat([torch.full((len(rooms), 1), SURE), torch.full((len(others), 1), 1 - SURE)])
    steps = torch.optim.LBFGS(
        [gate.weight, _bias(gate)], max_iter=200, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        steps.zero_grad()
        found = functional.binary_cross_entropy_with_logits(gate(x), y)
        found = found + DECAY * gate.weight.square().sum()
        found.backward()  # type: ignore[no-untyped-call]
        return found

    steps.step(loss)  # type: ignore[no-untyped-call]


def _rgb(views: Tensor) -> npt.NDArray[np.uint8]:
    found: npt.NDArray[np.uint8] = (views * 255).round().byte().permute(0, 2, 3, 1).numpy()
    return found


class _Hidden:
    """FastDepth's features of stride 4 and 8."""

    def __init__(self, path: Path) -> None:
        model = onnx.load(path)
        after = {name: node.output[0] for node in model.graph.node for name in node.input}
        convs = [node.output[0] for node in model.graph.node if node.op_type == "Conv"]
        self._names = [after[convs[i]] for i in (EARLY_LAYER, ENTRY_LAYER)]
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in self._names)
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name

    def __call__(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        first, second = self._session.run(self._names, {self._input: inputs.numpy()})
        return torch.from_numpy(first), torch.from_numpy(second)


class _Equations:
    """Least squares for a 1x1 convolution with a bias."""

    def __init__(self) -> None:
        self._rows: list[Tensor] = []
        self._wanted: list[Tensor] = []

    def add(self, x: Tensor, wanted: Tensor, rng: torch.Generator) -> None:
        """Some cells of (1, C, H, W) and (1, D, H, W)."""
        cells = torch.randperm(x.shape[2] * x.shape[3], generator=rng)[:CELLS]
        self._rows.append(x[0].flatten(1).T[cells])
        self._wanted.append(wanted[0].flatten(1).T[cells])

    def solution(self) -> tuple[Tensor, Tensor]:
        """Weight (D, C) and bias (D,)."""
        x, y = torch.cat(self._rows).double(), torch.cat(self._wanted).double()
        x_mean, y_mean = x.mean(0), y.mean(0)
        x, y = x - x_mean, y - y_mean
        cov = x.T @ x / len(x)
        cov += RIDGE * cov.diagonal().mean() * torch.eye(len(cov), dtype=cov.dtype)
        weight = torch.linalg.solve(cov, x.T @ y / len(x)).T
        return weight.float(), (y_mean - weight @ x_mean).float()


def _put(solution: tuple[Tensor, Tensor], *layers: nn.Module) -> None:
    """Share the columns of a solution among 1x1 convolutions whose results are added."""
    weight, bias = solution
    first = 0
    for number, layer in enumerate(layers):
        if not isinstance(layer, nn.Conv2d):
            raise TypeError(type(layer))
        width = layer.in_channels
        layer.weight.copy_(weight[:, first : first + width, None, None])
        _bias(layer).copy_(bias if number == 0 else torch.zeros_like(bias))
        first += width


def _bias(layer: nn.Conv2d | nn.Linear) -> Tensor:
    if layer.bias is None:
        raise TypeError("a convolution without a bias")
    return layer.bias
