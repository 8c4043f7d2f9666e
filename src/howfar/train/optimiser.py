"""The optimiser of a recipe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from howfar.errors import UsageError
from howfar.train.recipe import SLOW, Recipe
from howfar.train.schedule import Rates

KINDS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}


def make_optimiser(module: nn.Module, recipe: Recipe, world: int = 1) -> torch.optim.Optimizer:
    """The recipe's optimiser over all parameters that learn.

    Raises `UsageError` for options that it does not take.
    """
    options = dict(recipe.optimiser_options)
    try:
        return KINDS[recipe.optimiser](parameter_groups(module, recipe, world), **options)
    except (TypeError, ValueError) as error:
        raise UsageError(f"recipe {recipe.name}: optimiser_options {options}: {error}") from error


def parameter_groups(module: nn.Module, recipe: Recipe, world: int) -> list[dict[str, Any]]:
    """Parameters with their rate and decay.

    `decay="all"`: one group, and one of the `slow` parameters. `decay="weights"`: three groups;
    only weights of convolutions and linear layers decay, scales of norms and biases do not, and
    biases have a rate of their own in the warm-up.
    """
    learning = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
    if recipe.decay == "all":
        decay = recipe.weight_decay
        slow = [p for name, p in learning if recipe.slow and name.startswith(recipe.slow)]
        rest = [p for name, p in learning if not recipe.slow or not name.startswith(recipe.slow)]
        groups = [
            {"params": rest, "lr": recipe.lr, "weight_decay": decay},
            {"params": slow, "lr": SLOW * recipe.lr, "weight_decay": decay, "factor": SLOW},
        ]
        return [group for group in groups if group["params"]]
    weights = [p for _, p in learning if p.ndim > 1]
    biases = [p for name, p in learning if p.ndim <= 1 and name.endswith("bias")]
    scales = [p for name, p in learning if p.ndim <= 1 and not name.endswith("bias")]
    decay = recipe.weight_decay
    if recipe.nominal_batch:  # a larger step decays as much for each picture
        whole = recipe.batch * world
        decay *= whole * max(round(recipe.nominal_batch / whole), 1) / recipe.nominal_batch
    groups = [
        {"params": weights, "lr": recipe.lr, "weight_decay": decay},
        {"params": scales, "lr": recipe.lr, "weight_decay": 0.0},
        {"params": biases, "lr": recipe.lr, "weight_decay": 0.0, "bias": True},
    ]
    return [group for group in groups if group["params"]]


def set_rates(optimiser: torch.optim.Optimizer, rates: Rates) -> None:
    """Let the next step run with `rates`."""
    for group in optimiser.param_groups:
        rate = rates.bias_lr if group.get("bias") else rates.lr
        group["lr"] = rate * group.get("factor", 1.0)
        if rates.momentum is not None and "momentum" in group:
            group["momentum"] = rates.momentum
