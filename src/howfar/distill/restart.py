"""A student as an exported file has it, ready to learn on.

Export folds batch norms into the convolutions before them. What a norm did can be had again from
the file and some pictures: mean and variance of what it takes are measured, and its scale and shift
chosen so that the network says what the file says.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from howfar.errors import ModelError
from howfar.models.card import METADATA_KEY, Decoder, ModelCard
from howfar.nets.joint import Joint

PREFIX = "module."
"""Of the names of weights in files that `howfar export` writes."""
HALF = "_half"
"""At their end where they are stored as float16."""
LABELS = "semantics."
"""Of the names of the semantic head, which files need not have."""


def exported_card(path: Path) -> ModelCard | None:
    """The card of an exported joint network; None for other files. Raises `ModelError` for `.onnx`
    files that cannot be read."""
    if path.suffix.lower() != ".onnx":
        return None
    entries = _read(path).metadata_props
    texts = [entry.value for entry in entries if entry.key == METADATA_KEY]
    card = ModelCard.from_json(texts[-1], str(path)) if texts else None
    return card if card is not None and card.decoder is Decoder.JOINT else None


def restart(student: Joint, path: Path, views: Tensor | None) -> None:
    """Make a student what an exported file of the same size is.

    A semantic head stays fresh where the file has none.

    Args:
        student: whose weights are replaced; left in eval mode.
        path: of the ONNX file.
        views: (N, 3, S, S) the student's input, by which norms are measured; None: they are not,
            and only add what the file adds.

    Raises `ModelError` for files of other networks, sizes and precisions.
    """
    weights = _weights(path)
    norms: dict[str, nn.BatchNorm2d] = {}
    for name, part in student.named_modules():
        if isinstance(part, nn.BatchNorm2d):
            norms[name.removesuffix(".1")] = part  # behind the convolution .0
    beside = tuple(f"{name}.1." for name in norms)
    state = student.state_dict()
    shapes = {name: value.shape for name, value in state.items()}
    shapes |= {f"{name}.0.bias": norm.bias.shape for name, norm in norms.items()}
    weights = {n: _without_zeros(w, shapes[n]) if n in shapes else w for n, w in weights.items()}
    wanted = {n for n in state if not n.startswith((*beside, LABELS))}
    needed = wanted | {f"{name}.0.bias" for name in norms}
    other = [n for n in wanted & set(weights) if weights[n].shape != shapes[n]]
    wrong = sorted((needed - set(weights)) | set(other))
    if wrong:
        raise ModelError(
            f"{path}: {wrong[0]} is missing or of another shape; give the --size that was exported "
            "(howfar-s: s), and a file in fp32, fp16 or fp16-weights"
        )
    labels = {
        n
        for n, value in state.items()
        if n.startswith(LABELS) and n in weights and weights[n].shape == value.shape
    }
    student.load_state_dict({name: weights[name] for name in wanted | labels}, strict=False)
    for name, norm in norms.items():
        shift = weights[f"{name}.0.bias"]
        _set(norm, torch.zeros_like(shift), torch.full_like(shift, 1 - norm.eps), shift)
    student.eval()
    if views is None:
        return
    measured = _measured(student, list(norms.values()), views)
    for norm, (mean, variance) in zip(norms.values(), measured, strict=True):
        _set(norm, mean, variance, norm.bias.detach().clone())


def _without_zeros(weight: Tensor, shape: torch.Size) -> Tensor:
    """Weights without the zeros that export put behind them (`howfar.nets.aligned`)."""
    if weight.ndim != len(shape):
        return weight
    kept = weight[tuple(slice(side) for side in shape)]
    same = torch.count_nonzero(kept) == torch.count_nonzero(weight)
    return kept if bool(same) else weight


def _set(norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor, shift: Tensor) -> None:
    """Make a norm add `shift` to what has this mean and variance, and nothing else."""
    scale = (variance + norm.eps).sqrt()
    norm.load_state_dict(
        {"weight": scale, "bias": shift + mean, "running_mean": mean, "running_var": variance},
        strict=False,
    )


@torch.no_grad()
def _measured(
    student: Joint, norms: list[nn.BatchNorm2d], views: Tensor, together: int = 16
) -> list[tuple[Tensor, Tensor]]:
    """Mean and variance of the channels that each norm takes."""
    sums: dict[nn.Module, tuple[float, Tensor, Tensor]] = {}

    def look(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        x = inputs[0].double()
        count, first, second = sums.get(norm, (0.0, torch.zeros(1), torch.zeros(1)))
        sums[norm] = (
            count + x.numel() / x.shape[1],
            first + x.sum((0, 2, 3)),
            second + x.square().sum((0, 2, 3)),
        )

    hooks = [norm.register_forward_pre_hook(look) for norm in norms]
    for start in range(0, len(views), together):
        student(views[start : start + together])
    for hook in hooks:
        hook.remove()
    found = []
    for norm in norms:
        whole, total, squares = sums[norm]
        mean = total / whole
        found.append((mean.float(), (squares / whole - mean.square()).float()))
    return found


def _weights(path: Path) -> dict[str, Tensor]:
    """Weights of an exported file by the names of the module; what is left of a norm, and biases
    that export left out because they are 0, or equal, as the biases of the layers that add them."""
    from onnx import numpy_helper

    graph = _read(path).graph
    tensors = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    cast = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Cast"}
    found = {
        _name(name): torch.from_numpy(value.copy()).float()
        for name, value in tensors.items()
        if name.startswith(PREFIX)
    }
    for node in graph.node:
        if node.op_type not in ("Conv", "Gemm"):
            continue
        weight, *bias = (cast.get(name, name) for name in node.input[1:])
        if weight in tensors and not set(bias) - set(tensors):
            values = tensors[bias[0]] if bias else np.zeros(len(tensors[weight]))
            owner = _name(weight).removesuffix("weight")
            found[f"{owner}bias"] = torch.from_numpy(values.copy()).float()
    return found


def _name(stored: str) -> str:
    """A weight's name in the module."""
    return stored.removeprefix(PREFIX).removesuffix(HALF)


def _read(path: Path) -> Any:
    """The ONNX model of a file."""
    import onnx

    try:
        return onnx.load(path)
    except Exception as error:  # of protobuf, which tells no types
        raise ModelError(f"{path}: is no ONNX file that can be read ({error})") from error
