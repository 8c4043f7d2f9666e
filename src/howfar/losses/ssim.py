"""Structural similarity of depth maps (Wang et al. 2004), with holes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from howfar.errors import UsageError
from howfar.losses.masked import image_means, masked_mean, prepare


def ssim(
    prediction: Tensor,
    target: Tensor,
    valid: Tensor,
    *,
    data_range: float = 1.0,
    window: int = 11,
    sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
) -> tuple[Tensor, Tensor]:
    """SSIM of every window that lies inside the map ("valid" padding), as TensorFlow's.

    Args:
        prediction, target: (B, 1, H, W).
        valid: (B, 1, H, W) bool.
        data_range: L, difference between the largest and the least possible value.
        window: side of the Gaussian window, odd.
        sigma: its standard deviation in pixels.
        k1, k2: constants against division by zero; c = (k L)².

    Returns SSIM (B, 1, H - window + 1, W - window + 1), -1..1, and the bool mask of the windows
    without an invalid pixel; the others hold finite nonsense. Raises `UsageError` where shapes do
    not fit or a map is smaller than the window.
    """
    p, g, valid = prepare(prediction, target, valid)
    if min(p.shape[-2:]) < window:
        height, width = p.shape[-2:]
        raise UsageError(f"a map of {width}x{height} is smaller than SSIM's window of {window}")
    level = image_means(g, valid).detach()  # variances are exact around it, not around 0
    p, g = torch.where(valid, p - level, 0), torch.where(valid, g - level, 0)
    p_mean, g_mean, square, product = blur(
        torch.stack([p, g, p * p + g * g, p * g]), window, sigma
    ).unbind()
    means, c1 = p_mean * g_mean, (k1 * data_range) ** 2
    mean_squares, c2 = p_mean.square() + g_mean.square(), (k2 * data_range) ** 2
    structure = (2 * (product - means) + c2) / (square - mean_squares + c2)
    p_mean, g_mean = p_mean + level, g_mean + level
    luminance = (2 * p_mean * g_mean + c1) / (p_mean.square() + g_mean.square() + c1)
    return luminance * structure, whole_windows(valid, window)


def ssim_loss(
    prediction: Tensor,
    target: Tensor,
    valid: Tensor,
    *,
    data_range: float = 1.0,
    window: int = 11,
    sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
) -> Tensor:
    """(1 - SSIM) / 2, 0..1, mean over the windows of the batch without an invalid pixel.

    Arguments and errors as for `ssim`; returns a scalar, 0 where no window is whole.
    """
    similarity, whole = ssim(
        prediction,
        target,
        valid,
        data_range=data_range,
        window=window,
        sigma=sigma,
        k1=k1,
        k2=k2,
    )
    return masked_mean((1 - similarity) / 2, whole)


def blur(maps: Tensor, window: int, sigma: float) -> Tensor:
    """Gaussian means (..., H - window + 1, W - window + 1) of maps (..., H, W).

    As products with two band matrices, which are several times faster than convolutions on a CPU.
    """
    rows, columns = (_band(n, window, sigma, maps) for n in maps.shape[-2:])
    with torch.autocast(maps.device.type, enabled=False):
        return rows @ maps @ columns.T


def _band(size: int, window: int, sigma: float, like: Tensor) -> Tensor:
    """(size - window + 1, size) matrix whose rows are the shifted window; each sums to 1."""
    steps = torch.arange(window, dtype=torch.float64) - (window - 1) / 2
    weights = torch.exp(-steps.square() / (2 * sigma**2))
    weights = (weights / weights.sum()).to(like)
    outputs = size - window + 1
    padded = functional.pad(weights, (0, size - window + 1))
    return padded.repeat(outputs)[: outputs * size].view(outputs, size)


def whole_windows(valid: Tensor, window: int) -> Tensor:
    """Which windows of a (B, 1, H, W) bool mask hold no False: (B, 1, H - w + 1, W - w + 1)."""
    holes = (~valid).float()
    holes = functional.max_pool2d(holes, (1, window), stride=1)
    return functional.max_pool2d(holes, (window, 1), stride=1) == 0
