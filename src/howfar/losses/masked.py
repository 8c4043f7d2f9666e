"""What all losses share: checked inputs, and means over the pixels that count."""

from __future__ import annotations

import torch
from torch import Tensor

from howfar.errors import UsageError

MAPS = 4
"""Dimensions of a batch of maps."""


def prepare(prediction: Tensor, target: Tensor, valid: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Check a batch of maps, bring it to one precision and put 0 where it is not valid.

    Args:
        prediction, target: (B, 1, H, W) of any float type.
        valid: (B, 1, H, W) bool.

    Returns the three: float64 where the prediction is float64, else float32. Raises `UsageError`
    where shapes or types do not fit.
    """
    shape = tuple(prediction.shape)
    if prediction.ndim != MAPS or shape[1] != 1:
        raise UsageError(f"a prediction has shape {shape}; expected (B, 1, H, W)")
    for name, given in (("target", target), ("valid", valid)):
        if tuple(given.shape) != shape:
            raise UsageError(f"{name} has shape {tuple(given.shape)}, the prediction {shape}")
    if valid.dtype != torch.bool:
        raise UsageError(f"valid is {valid.dtype}; give a bool mask, such as `target > 0`")
    prediction = full_precision(prediction)
    target = target.to(prediction.dtype)
    return torch.where(valid, prediction, 0), torch.where(valid, target, 0), valid


def full_precision(values: Tensor) -> Tensor:
    """Values as float32, or as they are where they are float64."""
    return values if values.dtype == torch.float64 else values.float()


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of the finite `values` where `mask` holds, over the whole batch; 0 where it never does.

    values and mask have one shape; the answer is a scalar.
    """
    return (values * mask).sum() / mask.sum().clamp(min=1)


def image_means(values: Tensor, mask: Tensor) -> Tensor:
    """Mean (B, 1, 1, 1) of each image of finite (B, 1, H, W) values; 0 for an empty mask."""
    total = (values * mask).sum(dim=(1, 2, 3), keepdim=True)
    return total / mask.sum(dim=(1, 2, 3), keepdim=True).clamp(min=1)


def mean_of_images(values: Tensor, valid: Tensor) -> Tensor:
    """Mean of (B, 1, 1, 1) losses over the images with any valid pixel (B, 1, H, W); 0 for none."""
    return masked_mean(values, valid.any(dim=(2, 3), keepdim=True))


def root(values: Tensor) -> Tensor:
    """Square root of values >= 0, with gradient 0 instead of infinity at 0."""
    positive = values > 0
    return torch.where(positive, torch.where(positive, values, 1).sqrt(), 0)
