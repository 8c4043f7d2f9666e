"""The learning rate as a function of the position in training."""

from __future__ import annotations

import math

from howfar.train.recipe import Recipe


def learning_rate(recipe: Recipe, step: int, steps_per_epoch: int) -> float:
    """Rate of optimiser step `step` (from 0): warm-up times schedule.

    `linear` and `cosine` reach 0 at the end of the last epoch. `steps` takes the rate of the last
    entry of `lr_steps` whose epoch has begun.
    """
    done = step / (steps_per_epoch * recipe.epochs)
    rate = recipe.lr
    if recipe.schedule == "linear":
        rate *= 1 - done
    elif recipe.schedule == "cosine":
        rate *= (1 + math.cos(math.pi * done)) / 2
    elif recipe.schedule == "steps":
        for epoch, value in recipe.lr_steps:
            if step >= epoch * steps_per_epoch:
                rate = value
    if step < recipe.warmup_steps:
        rate *= (step + 1) / recipe.warmup_steps
    return rate
