"""Losses of the gradients of depth: forward differences between neighbouring pixels.

A difference counts where both of its pixels are valid. p is predicted and g true depth.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from howfar.errors import UsageError
from howfar.losses.masked import prepare


def gradient_loss(prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """mean (|∂x g - ∂x p| + |∂y g - ∂y p|) (source 000 §II, as TensorFlow; facts 1a).

    The difference to beyond the last column, the last row or a hole is 0 and counted, so the sum
    is divided by the number of valid pixels.

    Maps (B, 1, H, W) and a bool mask; returns a scalar. Raises `UsageError` where they do not fit.
    """
    p, g, valid = prepare(prediction, target, valid)
    total = sum((d.abs().sum() for d in masked_differences(p - g, valid)), p.new_zeros(()))
    return total / valid.sum().clamp(min=1)


def weighted_smoothness_loss(prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Σ over x and y of exp(mean |∂g|) · mean |∂p| (source 000's code; facts 1a).

    No difference of gradients but a penalty of the prediction's own: a flat prediction has loss 0.
    The means are over the batch, with the same denominator as `gradient_loss`.

    Maps (B, 1, H, W) and a bool mask; returns a scalar. Raises `UsageError` where they do not fit.
    """
    p, g, valid = prepare(prediction, target, valid)
    pixels = valid.sum().clamp(min=1)
    total = p.new_zeros(())
    pairs = zip(masked_differences(p, valid), masked_differences(g, valid), strict=True)
    for dp, dg in pairs:
        total = total + torch.exp(dg.abs().sum() / pixels) * dp.abs().sum() / pixels
    return total


def gradient_mare_loss(
    prediction: Tensor, target: Tensor, valid: Tensor, *, epsilon: float = 0.01
) -> Tensor:
    """Mean absolute relative error of gradients (source 002; facts 1g).

    mean over x and y of |∂g - ∂p| / max(|∂g|, epsilon), between pixels that are valid with g > 0.

    Args:
        prediction, target: (B, 1, H, W).
        valid: (B, 1, H, W) bool.
        epsilon: > 0, in the unit of the target; ours, the source divides by zero on flat parts.

    Returns a scalar. Raises `UsageError` where shapes or epsilon are wrong.
    """
    if epsilon <= 0:
        raise UsageError(f"epsilon is {epsilon}; give a positive number")
    p, g, valid = prepare(prediction, target, valid)
    valid = valid & (g > 0)
    errors = masked_differences(p - g, valid)
    truths = masked_differences(g, valid)
    parts = (e.abs() / t.abs().clamp(min=epsilon) for e, t in zip(errors, truths, strict=True))
    total = sum((part.sum() for part in parts), p.new_zeros(()))
    count = sum(both.sum() for both in pair_masks(valid))
    return total / torch.as_tensor(count).clamp(min=1)


def multiscale_gradient(residual: Tensor, valid: Tensor, scales: int = 4) -> Tensor:
    """Σ_k 1/M_k Σ (|∂x R| + |∂y R|) of every 2^k-th pixel of residuals R (facts 1f).

    Args:
        residual: (B, 1, H, W), finite.
        valid: (B, 1, H, W) bool; M_k counts the valid pixels of scale k.
        scales: k runs from 0 to `scales` - 1.

    Returns (B, 1, 1, 1), one sum an image.
    """
    total = residual.new_zeros(len(residual), 1, 1, 1)
    for k in range(scales):
        part, mask = residual[..., :: 2**k, :: 2**k], valid[..., :: 2**k, :: 2**k]
        pixels = mask.sum(dim=(1, 2, 3), keepdim=True).clamp(min=1)
        for difference in masked_differences(part, mask):
            total = total + difference.abs().sum(dim=(1, 2, 3), keepdim=True) / pixels
    return total


def masked_differences(maps: Tensor, valid: Tensor) -> Iterator[Tensor]:
    """Forward differences of (..., H, W) along x, then y; 0 where a pixel is not valid."""
    for dim, both in zip((-1, -2), pair_masks(valid), strict=True):
        yield maps.diff(dim=dim) * both


def pair_masks(valid: Tensor) -> Iterator[Tensor]:
    """Where both pixels of a difference are valid: (..., H, W - 1) along x, then y."""
    yield valid[..., 1:] & valid[..., :-1]
    yield valid[..., 1:, :] & valid[..., :-1, :]
