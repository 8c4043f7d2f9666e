"""The weights that training starts from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from howfar.errors import ModelError, UsageError
from howfar.nets.darknet import Darknet
from howfar.nets.darknet_weights import load_darknet_weights
from howfar.nets.encoders import load_encoder
from howfar.nets.files import open_weights
from howfar.train.recipe import Recipe


@dataclass(frozen=True)
class Started:
    """How much of a network came from a file.

    Attributes:
        taken: tensors that did.
        left: names of those that the file lacks, or has in another shape.
    """

    taken: int = 0
    left: tuple[str, ...] = ()


def start_from(
    module: nn.Module, recipe: Recipe, weights: Path | None, encoder: Path | None
) -> Started:
    """Fill a fresh network from the files that were given.

    Args:
        module: to fill.
        recipe: what it is trained by.
        weights: a checkpoint of `howfar train`, a YOLOv5 file (`.pt`, `.safetensors`), or darknet's
            `.weights`, whole or of the backbone. Tensors of another shape, such as the head of
            other classes, keep their fresh values.
        encoder: file of ImageNet weights for recipes with `init="encoder"`.

    Raises `UsageError` where both are given, `ModelError` where a file does not fit at all.
    """
    if weights is not None and encoder is not None:
        raise UsageError("give either weights or an encoder, not both")
    if weights is None:
        if recipe.init == "encoder" and encoder is not None:
            load_encoder(module, encoder)
        return Started()
    if weights.suffix == ".weights" or ".conv." in weights.name:
        if not isinstance(module, Darknet):
            raise UsageError(f"{weights}: darknet weights are for yolov4, not for {recipe.net}")
        return _from_darknet(module, weights)
    return transfer(module, dict(open_weights(weights).weights), weights)


def _from_darknet(module: Darknet, path: Path) -> Started:
    """From a backbone, or a whole network, perhaps of other classes."""
    before = set(module.state_dict())
    try:
        filled = load_darknet_weights(module, path)
        taken = {f"layers.{i}" for i in list(module.layers)[:filled]}
        left = [n for n in before if n.rsplit(".", 2)[0] not in taken]
        return Started(len(before) - len(left), tuple(sorted(left)))
    except ModelError as error:
        try:
            whole = open_weights(path)
        except ModelError:
            raise error from None
        return transfer(module, dict(whole.weights), path)


def transfer(module: nn.Module, given: dict[str, Tensor], path: Path) -> Started:
    """Copy the tensors whose name and shape fit. Raises `ModelError` where none does."""
    own = module.state_dict()
    fits = {n: v for n, v in given.items() if n in own and own[n].shape == v.shape}
    learned = {name for name, _ in module.named_parameters()}
    if not learned & set(fits):
        raise ModelError(f"{path}: no tensor fits the network; it is of another kind or size")
    module.load_state_dict({**own, **{n: v.to(own[n].dtype) for n, v in fits.items()}})
    return Started(len(fits), tuple(sorted(set(own) - set(fits))))
