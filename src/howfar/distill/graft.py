"""FastDepth's second half set upon a detector: what joins them is solved by least squares."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from howfar.distill.lesson import normalised
from howfar.distill.teachers import Teacher, pixels_of
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
"""Logit of the share of the branch that learns where nothing but rooms is known."""
SURE, DECAY = 0.03, 1e-4
"""Share of that branch which rooms are to get, and the weight decay of that fit."""
NEWTON_STEPS = 30


@torch.no_grad()
def graft(
    student: Joint, teacher: Teacher, path: Path, rooms: Tensor, others: Tensor | None = None
) -> None:
    """Make a student's depth branch say about what FastDepth says.

    The branch gets FastDepth's weights; its 1x1 convolutions on the detector's features are fitted
    to FastDepth's features of stride 4 and 8, then its answer to the logarithm of FastDepth's.
    How much of it counts is fitted to what is a room and what is not.

    Args:
        student: whose detector stays as it is.
        teacher: FastDepth.
        path: its file.
        rooms: (N, 3, S, S) RGB 0..1.
        others: likewise, of what is no room.

    Raises `ModelError` where the file is not FastDepth as published, or the student has no layers
    for it.
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
    features = [student.features(normalised(pixels_of(part))) for part in parts]
    for part, seen in zip(parts, features, strict=True):
        at4, at8 = hidden(teacher.prepared(part))
        fine = torch.cat([seen.maps[0], seen.pyramid[0]], 1)
        entry.add(resized(fine, *at8.shape[2:]), at8, rng)
        early.add(resized(seen.stem, *at4.shape[2:]), at4, rng)
    _put(early.solution(), branch.early)
    _put(entry.solution(), branch.entry)
    for part, seen in zip(parts, features, strict=True):
        last = branch.body(seen)
        wanted, _ = teacher.log_depth(part, last.shape[2])
        answer.add(last, wanted - LOG_DEPTH, rng)
    _put(answer.solution(), branch.out)
    known = [seen.pyramid[2].mean((2, 3)) for seen in features]
    strange = [] if others is None else [_pooled(student, view[None]) for view in others]
    _part(gate, torch.cat(known), torch.cat(strange) if strange else None)


def _pooled(student: Joint, view: Tensor) -> Tensor:
    return student.features(normalised(pixels_of(view))).pyramid[2].mean((2, 3))


def _part(gate: nn.Conv2d | nn.Linear, rooms: Tensor, others: Tensor | None) -> None:
    """Logistic regression by Newton's steps: 0 for rooms, 1 for others; closed where there are
    none."""
    gate.weight.zero_()
    _bias(gate).fill_(CLOSED)
    if others is None:
        return
    x = torch.cat([rooms, others]).double()
    x = torch.cat([x, torch.ones_like(x[:, :1])], 1)
    y = torch.cat([torch.full((len(rooms),), SURE), torch.full((len(others),), 1 - SURE)]).double()
    ridge = torch.full((x.shape[1],), 2 * DECAY, dtype=x.dtype)
    ridge[-1] = 1e-9
    found = torch.zeros_like(ridge)
    for _ in range(NEWTON_STEPS):
        share = torch.sigmoid(x @ found)
        slope = x.T @ (share - y) / len(x) + ridge * found
        bend = (x.T * (share * (1 - share))) @ x / len(x) + ridge.diag()
        found -= torch.linalg.solve(bend, slope)
    gate.weight[0] = found[:-1].float()
    _bias(gate)[0] = found[-1].float()


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


def _put(solution: tuple[Tensor, Tensor], layer: nn.Conv2d | nn.Linear) -> None:
    """Make a solution the first outputs of a 1x1 convolution."""
    weight, bias = solution
    layer.weight[: len(weight)] = weight[..., None, None]
    _bias(layer)[: len(bias)] = bias


def _bias(layer: nn.Conv2d | nn.Linear) -> Tensor:
    if layer.bias is None:
        raise TypeError("a convolution without a bias")
    return layer.bias
