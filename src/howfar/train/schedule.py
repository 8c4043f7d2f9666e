"""Rates, and the number of forward passes of an optimiser step, by the position in training.

The position is the number of forward passes ("batches") that one process has done.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from howfar.train.recipe import Recipe


@dataclass(frozen=True)
class Rates:
    """What an optimiser step runs with.

    Attributes:
        lr: learning rate.
        bias_lr: that of biases, where the recipe groups parameters.
        momentum: None leaves the optimiser's own.
    """

    lr: float
    bias_lr: float
    momentum: float | None


@dataclass(frozen=True)
class Schedule:
    """The plan of a whole run.

    Attributes:
        recipe: whose.
        batches_per_epoch: of one process.
        world: number of processes.
    """

    recipe: Recipe
    batches_per_epoch: int
    world: int = 1

    @property
    def warmup(self) -> int:
        """Batches of the warm-up."""
        epochs = round(self.recipe.warmup_epochs * self.batches_per_epoch)
        return max(epochs, self.recipe.warmup_batches)

    def groups(self, epoch: int) -> list[int]:
        """Forward passes of each optimiser step of an epoch.

        Always `accumulate`, and what is left of an epoch is left out; or, towards `nominal_batch`
        pictures, growing from 1 in the warm-up, and what is left is a smaller step.
        """
        recipe, sizes = self.recipe, []
        if not recipe.nominal_batch:
            return [recipe.accumulate] * (self.batches_per_epoch // recipe.accumulate)
        full = max(round(recipe.nominal_batch / (recipe.batch * self.world)), 1)
        done = 0
        while done < self.batches_per_epoch:
            size = full
            position = epoch * self.batches_per_epoch + done
            if position < self.warmup:
                size = max(round(1 + (full - 1) * position / self.warmup), 1)
            sizes.append(min(size, self.batches_per_epoch - done))
            done += sizes[-1]
        return sizes

    def steps(self) -> int:
        """Optimiser steps of the whole run."""
        steady = min(math.ceil(self.warmup / self.batches_per_epoch), self.recipe.epochs)
        first = sum(len(self.groups(epoch)) for epoch in range(steady))
        return first + (self.recipe.epochs - steady) * len(self.groups(steady))

    def rates(self, position: int) -> Rates:
        """What holds at the batch `position`: warm-up times schedule.

        `linear` and `cosine` end at `lr_end` times the rate. `steps` takes the rate of the last
        entry of `lr_steps` whose epoch has begun. The warm-up grows from 0, with a power; biases
        may come from a higher rate and momentum from a lower one.
        """
        recipe = self.recipe
        rate = scheduled(recipe, position, self.batches_per_epoch)
        rates = Rates(rate, rate, recipe.optimiser_options.get("momentum"))
        if position >= self.warmup:
            return rates
        share = (position + 1) / self.warmup
        grown = rate * share**recipe.warmup_power
        bias, momentum = grown, rates.momentum
        if recipe.warmup_bias_lr is not None:
            bias = recipe.warmup_bias_lr + (rate - recipe.warmup_bias_lr) * share
        if recipe.warmup_momentum is not None and momentum is not None:
            momentum = recipe.warmup_momentum + (momentum - recipe.warmup_momentum) * share
        return Rates(grown, bias, momentum)


def scheduled(recipe: Recipe, position: int, batches_per_epoch: int) -> float:
    """The learning rate at a batch, without warm-up."""
    done = position / (batches_per_epoch * recipe.epochs)
    rate = recipe.lr
    if recipe.schedule == "linear":
        rate *= recipe.lr_end + (1 - recipe.lr_end) * (1 - done)
    elif recipe.schedule == "cosine":
        rate *= recipe.lr_end + (1 - recipe.lr_end) * (1 + math.cos(math.pi * done)) / 2
    elif recipe.schedule == "steps":
        for epoch, value in recipe.lr_steps:
            if position >= epoch * batches_per_epoch:
                rate = value
    return rate
