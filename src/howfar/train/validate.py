"""Validation of a network in training, by the protocols of `howfar val`."""

from __future__ import annotations

import math

from torch import nn

from howfar.data.dataset import Dataset
from howfar.errors import DatasetError
from howfar.evaluate.depth import DepthJudge, depth_protocol
from howfar.evaluate.frames import Tally, walk
from howfar.evaluate.segmentation import SegmentationJudge
from howfar.evaluate.systems import System
from howfar.evaluate.variants import Variant
from howfar.models.card import ModelCard, Task
from howfar.models.network import Network
from howfar.options import Options
from howfar.pipeline import Ranger
from howfar.runtimes.torch import TorchRuntime
from howfar.train.recipe import Recipe


def validate(
    module: nn.Module, card: ModelCard, recipe: Recipe, dataset: Dataset, limit: int | None = None
) -> dict[str, float]:
    """Errors of a module on a data set by their short names (`abs_rel`, `rmse`, ..., `miou`).

    Raises `HowfarError` where no picture could be measured or one could not be read: a checkpoint
    is not chosen by whatever pictures happened to be readable.
    """
    network = Network(card, TorchRuntime(module))
    labels_too = card.serves(Task.SEMANTIC)
    ranger = Ranger(depth=network, semantic=network if labels_too else None)
    protocol = depth_protocol(recipe.protocol, "", recipe.align)
    judge = DepthJudge(System(Variant(recipe.name), ranger, Options()), protocol)
    need_all(walk(dataset, [judge], limit))
    errors = {name: value for name, value in judge.scores().items() if math.isfinite(value)}
    if labels_too:
        labels = SegmentationJudge(System(Variant(recipe.name), ranger, Options()))
        need_all(walk(dataset, [labels], limit))
        errors["miou"] = labels.matrix().scores()["miou"]
    return errors


def need_all(tally: Tally) -> None:
    """Raises `DatasetError` where a picture was not measured."""
    left = [*tally.failed, *tally.without_truth]
    if left:
        raise DatasetError(
            f"{tally.data}: {len(left)} validation pictures could not be measured; the first, "
            f"{left[0].frame}: {left[0].reason}"
        )
