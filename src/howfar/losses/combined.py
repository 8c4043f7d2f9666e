"""The losses that the sources put together from several parts. Options are the weights."""

from __future__ import annotations

from torch import Tensor

from howfar.losses.depth import l1_loss
from howfar.losses.gradients import (
    gradient_loss,
    gradient_mare_loss,
    weighted_smoothness_loss,
)
from howfar.losses.ssim import ssim_loss

REPORT_RANGE = 640.0
"""Source 000's code passes the width of its pictures as SSIM's data range, for depth in 0..1."""


def report_loss(
    prediction: Tensor,
    target: Tensor,
    valid: Tensor,
    *,
    l1_weight: float = 0.1,
    gradient_weight: float = 1.0,
    ssim_weight: float = 0.9,
    data_range: float = 1.0,
) -> Tensor:
    """λ1 L1 + λ2 gradient + λ3 (1 - SSIM) / 2, as source 000 §II writes it (facts 1a).

    Args:
        prediction, target: (B, 1, H, W), H and W at least 11.
        valid: (B, 1, H, W) bool.
        l1_weight, gradient_weight, ssim_weight: λ1, λ2, λ3.
        data_range: SSIM's L; 1 for depth in 0..1, else the largest depth.

    Returns a scalar. Raises `UsageError` where shapes do not fit.
    """
    return (
        l1_weight * l1_loss(prediction, target, valid)
        + gradient_weight * gradient_loss(prediction, target, valid)
        + ssim_weight * ssim_loss(prediction, target, valid, data_range=data_range)
    )


def report_loss_as_coded(prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """0.9 (1 - SSIM) + 0.1 L1 + smoothness, as the code behind source 000 has it (facts 1a).

    SSIM is not halved and has a 7x7 window, k = (1e-4, 9e-4) and L = 640; in place of the
    difference of gradients stands `weighted_smoothness_loss`. For depth in 0..1.

    Maps (B, 1, H, W), H and W at least 7, and a bool mask; returns a scalar. Raises `UsageError`
    where they do not fit.
    """
    similarity = ssim_loss(
        prediction, target, valid, data_range=REPORT_RANGE, window=7, k1=1e-4, k2=9e-4
    )
    return (
        1.8 * similarity
        + 0.1 * l1_loss(prediction, target, valid)
        + weighted_smoothness_loss(prediction, target, valid)
    )


def resnet_unet_loss(
    prediction: Tensor, target: Tensor, valid: Tensor, *, data_range: float = 1.0
) -> Tensor:
    """clip((1 - SSIM) / 2, 0, 1) + gradient + 0.1 L1, of source 003 (facts 1e).

    Maps (B, 1, H, W), H and W at least 11, and a bool mask; `data_range` is SSIM's L. Returns a
    scalar. Raises `UsageError` where shapes do not fit.
    """
    similarity = ssim_loss(prediction, target, valid, data_range=data_range).clamp(0, 1)
    return (
        similarity
        + gradient_loss(prediction, target, valid)
        + 0.1 * l1_loss(prediction, target, valid)
    )


def ssim_mare_loss(
    prediction: Tensor,
    target: Tensor,
    valid: Tensor,
    *,
    ssim_weight: float = 1.0,
    mare_weight: float = 1.0,
    epsilon: float = 0.01,
    data_range: float = 1.0,
) -> Tensor:
    """w1 (1 - SSIM) / 2 + w2 gradient MARE, the custom loss of source 002 (facts 1g).

    Args:
        prediction, target: (B, 1, H, W), H and W at least 11.
        valid: (B, 1, H, W) bool.
        ssim_weight, mare_weight: w1, w2; the source names none.
        epsilon: least gradient of the target to divide by, in its unit.
        data_range: SSIM's L.

    Returns a scalar. Raises `UsageError` where shapes do not fit.
    """
    return ssim_weight * ssim_loss(
        prediction, target, valid, data_range=data_range
    ) + mare_weight * gradient_mare_loss(prediction, target, valid, epsilon=epsilon)
