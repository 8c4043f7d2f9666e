"""Checkpoint files: weights, the network that they belong to, its card, and how training stood.

A checkpoint is a dictionary of tensors and plain values, so that it is read without running any
code of the file (`weights_only`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from howfar.errors import ModelError, OutputError
from howfar.models.card import ModelCard
from howfar.nets.builders import NETS, build
from howfar.nets.safe import read_safely

FORMAT = "howfar-checkpoint-1"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A trained network, or one in training.

    Attributes:
        net: key of `NETS`.
        options: of its builder.
        card: what the network needs and gives.
        weights: its state_dict, ready to be evaluated (the moving average where there is one).
        recipe: how it was trained, as a record.
        training: what resuming needs; empty in files that are only for use.
    """

    net: str
    options: Mapping[str, Any]
    card: ModelCard
    weights: Mapping[str, Tensor]
    recipe: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)

    def module(self) -> nn.Module:
        """The network with its weights, in evaluation mode. Raises `ModelError`."""
        network = build(self.net, **self.options)
        try:
            network.load_state_dict(dict(self.weights))
        except RuntimeError as error:
            reason = str(error).splitlines()[-1].strip()
            raise ModelError(f"the weights do not fit network {self.net!r}: {reason}") from error
        network.eval()
        return network


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; the file is either the old one or the whole new one at any time."""
    record = {
        "format": FORMAT,
        "net": checkpoint.net,
        "options": dict(checkpoint.options),
        "card": json.loads(json.dumps(checkpoint.card.to_dict())),
        "weights": dict(checkpoint.weights),
        "recipe": dict(checkpoint.recipe),
        "training": dict(checkpoint.training),
    }
    partial = path.with_name(f".{path.name}.part")
    try:
        with partial.open("wb") as file:
            torch.save(record, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint. Raises `ModelError` for files that are none, or of an unknown network."""
    record = read_safely(path, "checkpoint")
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise ModelError(f"{path}: this is no checkpoint of howfar; `howfar train` writes them")
    return checkpoint_of(record, path)


def checkpoint_of(record: Mapping[str, Any], path: Path) -> Checkpoint:
    """The checkpoint that a file holds as `record`."""
    if record["net"] not in NETS:
        raise ModelError(f"{path}: holds a network {record['net']!r}, which this version lacks")
    card = ModelCard.from_dict(record["card"])
    return Checkpoint(
        record["net"],
        record["options"],
        card,
        record["weights"],
        record["recipe"],
        record["training"],
    )
