"""Losses of single pixels of depth. p is predicted and g true depth."""

from __future__ import annotations

import torch
from torch import Tensor

from howfar.errors import UsageError
from howfar.losses.masked import full_precision, masked_mean, prepare, root

MIN_DEPTH_M = 1e-3
"""Depths below are raised to it before their logarithm is taken (facts 1b)."""


def l1_loss(prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """mean |p - g| over the valid pixels of the batch, in the unit of the target.

    Maps (B, 1, H, W) and a bool mask; returns a scalar. Raises `UsageError` where they do not fit.
    """
    p, g, valid = prepare(prediction, target, valid)
    return masked_mean((p - g).abs(), valid)


def berhu_loss(prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Reverse Huber loss of Hybrid CNN (source 000 §III; facts 1b).

    d = p - g, c = max |d| / 5 over the valid pixels of the batch;
    mean of |d| where |d| <= c, else (d² + c²) / (2c). c is a constant for the gradient.

    Maps (B, 1, H, W) and a bool mask; returns a scalar. Raises `UsageError` where they do not fit.
    """
    p, g, valid = prepare(prediction, target, valid)
    error = (p - g).abs()
    limit = error.detach().amax() / 5
    squared = (error.square() + limit.square()) / (2 * torch.where(limit > 0, limit, 1))
    return masked_mean(torch.where(error <= limit, error, squared), valid)


def log_rmse_loss(
    prediction: Tensor, target: Tensor, valid: Tensor, *, weights: Tensor | None = None
) -> Tensor:
    """mean of sqrt((ln(1 + p) - ln(1 + g))² + 1e-5), the "logRMSE" of source 004 (facts 1h).

    As its authors train: p is first raised to 1e-7, and the root is taken of each pixel, so it is
    close to the mean absolute difference.

    Args:
        prediction, target: (B, 1, H, W) metres, target >= 0 where it is valid.
        valid: (B, 1, H, W) bool.
        weights: (B, 1, H, W) factors of the pixels, such as `semantic_weights` of their classes.
            The sum is still divided by the number of valid pixels.

    Returns a scalar. Raises `UsageError` where shapes do not fit.
    """
    p, g, valid = prepare(prediction, target, valid)
    difference = p.clamp(min=1e-7).log1p() - g.log1p()
    losses = (difference.square() + 1e-5).sqrt()
    if weights is not None:
        if weights.shape != p.shape:
            raise UsageError(f"weights {tuple(weights.shape)} do not fit maps {tuple(p.shape)}")
        losses = losses * torch.where(valid, full_precision(weights), 0)
    return masked_mean(losses, valid)


def silog_loss(
    prediction: Tensor,
    target: Tensor,
    valid: Tensor,
    *,
    variance_focus: float = 0.85,
    rooted: bool = True,
) -> Tensor:
    """Scale-invariant logarithmic loss: sqrt(mean e² - λ (mean e)²), e = ln p - ln g (facts 3).

    Args:
        prediction, target: (B, 1, H, W) metres; both are raised to 1 mm first.
        valid: (B, 1, H, W) bool.
        variance_focus: λ, 0..1. 0 is the error of the logarithm, 1 forgives any common factor;
            0.85 is BTS, 0.5 with `rooted=False` is Eigen et al.
        rooted: take the square root.

    The means run over all valid pixels of the batch. Returns a scalar. Raises `UsageError` where
    shapes do not fit or λ is outside 0..1.
    """
    if not 0 <= variance_focus <= 1:
        raise UsageError(f"variance_focus is {variance_focus}; give a number from 0 to 1")
    p, g, valid = prepare(prediction, target, valid)
    error = p.clamp(min=MIN_DEPTH_M).log() - g.clamp(min=MIN_DEPTH_M).log()
    mean = masked_mean(error, valid)
    variance = masked_mean((error - mean).square(), valid)
    total = variance + (1 - variance_focus) * mean.square()
    return root(total) if rooted else total
