"""What each recipe minimises, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from howfar.errors import UsageError
from howfar.losses.combined import (
    report_loss,
    report_loss_as_coded,
    resnet_unet_loss,
    ssim_mare_loss,
)
from howfar.losses.depth import berhu_loss, l1_loss, log_rmse_loss, silog_loss
from howfar.losses.segmentation import cross_entropy
from howfar.losses.ssi import seed001_simplified_loss, ssi_loss
from howfar.train.recipe import Recipe

if TYPE_CHECKING:
    from howfar.train.depth import DepthBatch

NO_LABEL = 255
"""Pixels whose class is unknown."""
Loss = Callable[..., Tensor]
Objective = Callable[[Mapping[str, Tensor], "DepthBatch"], Tensor]

LOSSES: dict[str, Loss] = {
    "report": report_loss,
    "report-as-coded": report_loss_as_coded,
    "resnet-unet": resnet_unet_loss,
    "ssim-mare": ssim_mare_loss,
    "berhu": berhu_loss,
    "l1": l1_loss,
    "log-rmse": log_rmse_loss,
    "silog": silog_loss,
    "ssi": ssi_loss,
}
"""Losses of depth: (prediction, target, valid, options) -> scalar."""
SLIDES = "ssi-slides"
"""The loss as slides 001 code it, which needs the pictures."""


def objective(recipe: Recipe) -> Objective:
    """The function of (outputs, batch) that a recipe minimises; scalar, of one batch.

    Networks that label pixels add `semantic_weight` times the cross-entropy of the labels.
    Raises `UsageError` for unknown losses and, when called, for options that a loss does not take.
    """
    known = (*LOSSES, SLIDES)
    if recipe.loss not in known:
        raise UsageError(f"loss {recipe.loss!r} is unknown; use one of {', '.join(known)}")

    def value(outputs: Mapping[str, Tensor], batch: DepthBatch) -> Tensor:
        options: dict[str, Any] = dict(recipe.loss_options)
        if batch.weights is not None:
            options["weights"] = batch.weights
        try:
            loss = _depth_loss(recipe.loss, outputs["depth"], batch, options)
        except TypeError as error:
            given = ", ".join(options)
            raise UsageError(f"recipe {recipe.name}: loss with {given}: {error}") from error
        if "semantics" in outputs and batch.labels is not None and recipe.semantic_weight:
            labels = cross_entropy(outputs["semantics"], batch.labels, ignore=NO_LABEL)
            loss = loss + recipe.semantic_weight * labels
        return loss

    return value


def _depth_loss(name: str, depth: Tensor, batch: DepthBatch, options: Mapping[str, Any]) -> Tensor:
    if name == SLIDES:
        return seed001_simplified_loss(
            depth, batch.target, batch.valid, images=batch.images, **options
        )
    return LOSSES[name](depth, batch.target, batch.valid, **options)
