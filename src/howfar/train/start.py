"""The weights that training starts from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from howfar.errors import ModelError, UsageError
from howfar.nets.darknet import Darknet
from howfar.nets.darknet_weights import load_darknet_weights
from howfar.nets.encoders import load_encoder
from howfar.nets.files import open_weights
from howfar.train.recipe import Recipe

BACKBONE = re.compile(r"\.conv\.\d+$")
"""Ends the names of darknet's files of a backbone, such as yolov4.conv.137."""


@dataclass(frozen=True)
class Started:
    """How much of a network came from a file.

    Attributes:
        taken: tensors that did.
        fresh: names of those that keep random values.
        new_classes: learned classes that the file does not know.
    """

    taken: int = 0
    fresh: tuple[str, ...] = ()
    new_classes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """In a few words."""
        told = f"{self.taken} tensors taken"
        if self.fresh:
            told += f", {len(self.fresh)} fresh ({self.fresh[0]}, ...)"
        if self.new_classes:
            told += f"; classes that it does not know: {', '.join(self.new_classes)}"
        return told


def start_from(
    module: nn.Module, recipe: Recipe, weights: Path | None, encoder: Path | None
) -> Started:
    """Fill a fresh network from the files that were given.

    Args:
        module: to fill.
        recipe: what it is trained by.
        weights: a checkpoint of `howfar train`, a YOLOv5 file (`.pt`, `.safetensors`), or darknet's
            `.weights`, whole or of the backbone. Tensors of another shape keep their fresh values.
            Of a detector's head the rows of a class are taken where the file has a class of that
            name.
        encoder: file of ImageNet weights for recipes with `init="encoder"`.

    Raises `UsageError` where both are given, `ModelError` where a file does not fit at all.
    """
    if weights is not None and encoder is not None:
        raise UsageError("give either weights or an encoder, not both")
    if weights is None:
        if recipe.init == "encoder" and encoder is not None:
            load_encoder(module, encoder)
        return Started()
    darknet = weights.suffix == ".weights" or BACKBONE.search(weights.name)
    if darknet and not isinstance(module, Darknet):
        raise UsageError(f"{weights}: darknet weights are for yolov4, not for {recipe.net}")
    if isinstance(module, Darknet) and BACKBONE.search(weights.name):
        return _from_backbone(module, weights)
    found = open_weights(weights)
    return transfer(module, found.weights, found.card.classes, recipe.classes, weights)


def _from_backbone(module: Darknet, path: Path) -> Started:
    filled = load_darknet_weights(module, path)
    taken = {f"layers.{i}" for i in list(module.layers)[:filled]}
    names = list(module.state_dict())
    fresh = [name for name in names if name.rsplit(".", 2)[0] not in taken]
    return Started(len(names) - len(fresh), tuple(fresh))


def transfer(
    module: nn.Module,
    given: Mapping[str, Tensor],
    known: Sequence[str],
    classes: Sequence[str],
    path: Path,
) -> Started:
    """Copy the tensors whose name and shape fit, and of heads the rows of the `classes` that are
    `known`. Raises `ModelError` where nothing fits."""
    own = module.state_dict()
    heads = getattr(module, "head_tensors", ())
    fits = {n: v for n, v in given.items() if n in own and own[n].shape == v.shape}
    fits = {n: v for n, v in fits.items() if n not in heads}
    for name in heads:
        if name in given and given[name].shape[1:] == own[name].shape[1:]:
            fits[name] = _rows_of(own[name], given[name], known, classes)
    learned = {name for name, value in module.named_parameters() if value.ndim > 1}
    if not learned & set(fits) - set(heads):
        raise ModelError(f"{path}: no tensor fits the network; it is of another kind or size")
    module.load_state_dict({**own, **{n: v.to(own[n].dtype) for n, v in fits.items()}})
    new = [name for name in classes if name not in known] if heads else []
    return Started(len(fits), tuple(n for n in own if n not in fits), tuple(new))


def _rows_of(own: Tensor, given: Tensor, known: Sequence[str], classes: Sequence[str]) -> Tensor:
    """A head's tensor whose rows of box, objectness and known classes are `given`."""
    anchors = own.shape[0] // (5 + len(classes))
    mine = own.clone().reshape(anchors, -1, *own.shape[1:])
    theirs = given.to(own.dtype).reshape(anchors, -1, *own.shape[1:])
    mine[:, :5] = theirs[:, :5]
    for i, name in enumerate(classes):
        if name in known:
            mine[:, 5 + i] = theirs[:, 5 + list(known).index(name)]
    return mine.reshape(own.shape)
