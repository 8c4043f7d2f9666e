"""Scale- and shift-invariant losses of disparity (MiDaS, arXiv 1907.01341; facts 1f).

d is predicted and d* true disparity (inverse depth), each up to its own scale and shift; M counts
the valid pixels of an image. The loss of a batch is the mean over its images with a valid pixel.
"""

from __future__ import annotations

from enum import StrEnum

import torch
from torch import Tensor

from howfar.errors import UsageError
from howfar.losses.depth import l1_loss
from howfar.losses.gradients import multiscale_gradient
from howfar.losses.masked import image_means, mean_of_images, prepare

TRIM = 0.2
"""Share of the largest residuals that MiDaS drops."""


class Align(StrEnum):
    """How scale and shift are taken off before maps are compared."""

    LEAST_SQUARES = "least-squares"
    """s, t = argmin Σ (s d + t - d*)²; the residual is s d + t - d*."""
    ROBUST = "robust"
    """Each map loses its median and is divided by its mean absolute deviation."""


class SsiData(StrEnum):
    """The part of `ssi_loss` that compares pixels."""

    MSE = "mse"
    MAE = "mae"
    TRIMMED = "trimmed"


def ssi_mse_loss(prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """1/(2M) Σ (s d + t - d*)², s and t by least squares of each image.

    Disparities (B, 1, H, W) and a bool mask; returns a scalar in the square of the target's unit.
    A constant prediction has s = 0. Raises `UsageError` where shapes do not fit.
    """
    residual, valid = ssi_residuals(prediction, target, valid, align=Align.LEAST_SQUARES)
    return _mse(residual, valid)


def ssi_mae_loss(
    prediction: Tensor,
    target: Tensor,
    valid: Tensor,
    *,
    trim: float = 0.0,
    lower_median: bool = False,
) -> Tensor:
    """1/(2M) Σ |d̂ - d̂*| of maps normalised by median and mean absolute deviation.

    Args:
        prediction, target: (B, 1, H, W) disparities.
        valid: (B, 1, H, W) bool.
        trim: share 0..1 of each image's largest residuals to drop, 0.2 in MiDaS; int((1 - trim) M)
            are kept and the sum is still divided by 2M.
        lower_median: take the lower middle element, as torch.median does.

    Returns a scalar without unit. Raises `UsageError` where shapes or `trim` are wrong.
    """
    if not 0 <= trim < 1:
        raise UsageError(f"trim is {trim}; give a share from 0 to below 1")
    residual, valid = ssi_residuals(
        prediction, target, valid, align=Align.ROBUST, lower_median=lower_median
    )
    return _mae(residual, valid, trim)


def ssi_gradient_loss(
    prediction: Tensor,
    target: Tensor,
    valid: Tensor,
    *,
    align: Align | str = Align.LEAST_SQUARES,
    lower_median: bool = False,
    scales: int = 4,
) -> Tensor:
    """Σ_k 1/M Σ (|∂x R| + |∂y R|) of every 2^k-th pixel of the residual R, k < `scales`.

    M counts the valid pixels of scale k. Arguments and errors as for `ssi_residuals`; returns a
    scalar.
    """
    residual, valid = ssi_residuals(
        prediction, target, valid, align=align, lower_median=lower_median
    )
    return mean_of_images(multiscale_gradient(residual, valid, scales), valid)


def ssi_loss(
    prediction: Tensor,
    target: Tensor,
    valid: Tensor,
    *,
    data: SsiData | str = SsiData.TRIMMED,
    gradient_weight: float = 0.5,
    lower_median: bool = False,
) -> Tensor:
    """MiDaS's whole loss: data + 0.5 · multi-scale gradient of the same residual.

    Args:
        prediction, target: (B, 1, H, W) disparities.
        valid: (B, 1, H, W) bool.
        data: `mse` aligns by least squares; `mae` and `trimmed` (20 % dropped) are robust.
        gradient_weight: factor of the gradient part.
        lower_median: take the lower middle element, as torch.median does.

    Returns a scalar. Raises `UsageError` where shapes do not fit, `ValueError` for other `data`.
    """
    data = SsiData(data)
    align = Align.LEAST_SQUARES if data is SsiData.MSE else Align.ROBUST
    residual, valid = ssi_residuals(
        prediction, target, valid, align=align, lower_median=lower_median
    )
    if data is SsiData.MSE:
        first = _mse(residual, valid)
    else:
        first = _mae(residual, valid, TRIM if data is SsiData.TRIMMED else 0.0)
    gradient = mean_of_images(multiscale_gradient(residual, valid), valid)
    return first + gradient_weight * gradient


def seed001_simplified_loss(
    prediction: Tensor, target: Tensor, valid: Tensor, *, images: Tensor
) -> Tensor:
    """mean |d - d*| / (2 mean(images)), as source 001's code has it (facts 1f).

    It read MiDaS's M, a number of pixels, as the mean of the input pictures; it is invariant to
    nothing. Kept to reproduce the source.

    Args:
        prediction, target: (B, 1, H, W).
        valid: (B, 1, H, W) bool.
        images: (B, 3, H', W') input pictures, 0..1; a mean below 1e-6 counts as 1e-6.

    Returns a scalar. Raises `UsageError` where shapes do not fit.
    """
    return l1_loss(prediction, target, valid) / (2 * images.detach().float().mean().clamp(min=1e-6))


def ssi_residuals(
    prediction: Tensor,
    target: Tensor,
    valid: Tensor,
    *,
    align: Align | str = Align.LEAST_SQUARES,
    lower_median: bool = False,
) -> tuple[Tensor, Tensor]:
    """What is left between two disparity maps without their scales and shifts.

    Args:
        prediction, target: (B, 1, H, W) disparities.
        valid: (B, 1, H, W) bool.
        align: `least-squares` or `robust`, see `Align`.
        lower_median: of `robust`, take the lower middle element.

    Returns residuals (B, 1, H, W), 0 where not valid, and the mask. The gradient flows through
    scale and shift. Raises `UsageError` where shapes do not fit, `ValueError` for other `align`.
    """
    d, target, valid = prepare(prediction, target, valid)
    if Align(align) is Align.LEAST_SQUARES:
        residual = _fitted(d, target, valid)
    else:
        residual = _normalised(d, valid, lower_median) - _normalised(target, valid, lower_median)
    return torch.where(valid, residual, 0), valid


def _mse(residual: Tensor, valid: Tensor) -> Tensor:
    return mean_of_images(image_means(residual.square(), valid) / 2, valid)


def _mae(residual: Tensor, valid: Tensor, trim: float) -> Tensor:
    errors = residual.abs()
    if trim:
        errors = errors * _smallest(errors.detach(), valid, 1 - trim)
    return mean_of_images(image_means(errors, valid) / 2, valid)


def _fitted(d: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """s d + t - d* of each image, by centred least squares."""
    x = torch.where(valid, d - image_means(d, valid), 0)
    y = torch.where(valid, target - image_means(target, valid), 0)
    spread = image_means(x.square(), valid)
    rounding = (8 * torch.finfo(d.dtype).eps) ** 2 * image_means(d.square(), valid)
    constant = spread <= rounding
    scale = image_means(x * y, valid) / torch.where(constant, 1, spread)
    return torch.where(constant, 0, scale) * x - y


def _normalised(values: Tensor, valid: Tensor, lower: bool) -> Tensor:
    """(x - median) / mean |x - median| of each image; a constant map stays 0."""
    centred = torch.where(valid, values - _medians(values, valid, lower), 0)
    scale = image_means(centred.abs(), valid)
    return centred / torch.where(scale > 0, scale, 1)


def _medians(values: Tensor, valid: Tensor, lower: bool) -> Tensor:
    """Median (B, 1, 1, 1) of each image's valid pixels; 0 where it has none."""
    count = valid.flatten(1).sum(dim=1, keepdim=True)
    ordered = torch.where(valid, values, torch.inf).flatten(1).sort(dim=1).values
    middle = ordered.gather(1, (count - 1).clamp(min=0) // 2)
    if not lower:
        middle = (middle + ordered.gather(1, (count // 2).clamp(max=ordered.shape[1] - 1))) / 2
    return torch.where(count > 0, middle, 0)[..., None, None]


def _smallest(errors: Tensor, valid: Tensor, share: float) -> Tensor:
    """Where (B, 1, H, W) each image's int(share · M) smallest valid errors are."""
    order = torch.where(valid, errors, torch.inf).flatten(1).argsort(dim=1, stable=True)
    kept = (valid.flatten(1).sum(dim=1, keepdim=True).double() * share).long()
    ranks = torch.arange(order.shape[1], device=order.device)
    chosen = torch.zeros_like(order, dtype=torch.bool).scatter(1, order, ranks < kept)
    return chosen.view_as(errors)
