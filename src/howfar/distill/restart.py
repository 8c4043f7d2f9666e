"""A student as an exported file has it, ready to learn on.

Export folds batch norms into the convolutions before them. What a norm did can be had again from
the file and some pictures: mean and variance of what it takes are measured, and its scale and shift
chosen so that the network says what the file says.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from howfar.errors import ModelError
from howfar.models.card import METADATA_KEY, Decoder, ModelCard
from howfar.nets.joint import Joint

PREFIX, HALF, FOLDED = "module.", "_half", ".weight_bias"
"""Of names in files that `howfar export` writes: of every weight, of those that are stored as
float16, and of biases that came out of norms."""


def restart(student: Joint, path: Path, views: Tensor) -> None:
    """Make a student what an exported file of the same size is.

    Args:
        student: whose weights are replaced; left in eval mode.
        path: of the ONNX file.
        views: (N, 3, S, S) the student's input, by which norms are measured.

    Raises `ModelError` for files of other networks.
    """
    weights = _weights(path)
    norms: dict[str, nn.BatchNorm2d] = {}
    for name, part in student.named_modules():
        if isinstance(part, nn.BatchNorm2d):
            norms[f"{name.rpartition('.')[0]}.0"] = part  # of the convolution before it
    state = student.state_dict()
    wanted = {n for n in state if not any(n.startswith(_beside(c)) for c in norms)}
    biases = {name: f"{name}{FOLDED}" for name in norms}
    weights |= {name.replace(FOLDED, ".bias"): v for name, v in weights.items() if FOLDED in name}
    missing = sorted((wanted | set(biases.values())) - set(weights))
    other = [n for n in wanted & set(weights) if weights[n].shape != state[n].shape]
    if missing or other:
        raise ModelError(
            f"{path}: is no {type(student).__name__} of this size that howfar exported; "
            f"{(missing or other)[0]} is missing or has another shape"
        )
    student.load_state_dict({name: weights[name] for name in wanted}, strict=False)
    for name, norm in norms.items():
        shift = weights[biases[name]]
        _set(norm, torch.zeros_like(shift), torch.full_like(shift, 1 - norm.eps), shift)
    measured = _measured(student.eval(), list(norms.values()), views)
    for norm, (mean, variance) in zip(norms.values(), measured, strict=True):
        _set(norm, mean, variance, norm.bias.detach().clone())


def _beside(convolution: str) -> str:
    """What the names of a convolution's norm begin with."""
    return convolution.removesuffix(".0") + ".1."


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
    """Weights of an exported file by the names of the module; norms' as `name.0.weight_bias`."""
    import onnx
    from onnx import numpy_helper

    found = {}
    for item in onnx.load(path).graph.initializer:
        if item.name.startswith(PREFIX):
            name = item.name.removeprefix(PREFIX).removesuffix(HALF)
            found[name] = torch.from_numpy(numpy_helper.to_array(item).copy()).float()
    return found


def exported_card(path: Path) -> ModelCard | None:
    """The card of an exported joint network; None for checkpoints and other networks."""
    if path.suffix != ".onnx":
        return None
    import onnx

    entries = onnx.load(path).metadata_props
    texts = [entry.value for entry in entries if entry.key == METADATA_KEY]
    card = ModelCard.from_json(texts[-1], str(path)) if texts else None
    return card if card is not None and card.decoder is Decoder.JOINT else None
