"""Deterministic maps for the tests of losses, and every loss of depth by name."""

from functools import partial

import numpy as np
import torch

from howfar.losses.combined import (
    report_loss,
    report_loss_as_coded,
    resnet_unet_loss,
    ssim_mare_loss,
)
from howfar.losses.depth import berhu_loss, l1_loss, log_rmse_loss, silog_loss
from howfar.losses.gradients import gradient_loss, gradient_mare_loss, weighted_smoothness_loss
from howfar.losses.ssi import (
    seed001_simplified_loss,
    ssi_gradient_loss,
    ssi_loss,
    ssi_mae_loss,
    ssi_mse_loss,
)
from howfar.losses.ssim import ssim_loss

LOSSES = {
    "l1": l1_loss,
    "berhu": berhu_loss,
    "log_rmse": log_rmse_loss,
    "silog": silog_loss,
    "silog_squared": partial(silog_loss, variance_focus=0.5, rooted=False),
    "gradient": gradient_loss,
    "smoothness": weighted_smoothness_loss,
    "gradient_mare": gradient_mare_loss,
    "ssim": partial(ssim_loss, window=7),
    "ssi_mse": ssi_mse_loss,
    "ssi_mae": ssi_mae_loss,
    "ssi_trimmed": partial(ssi_mae_loss, trim=0.2, lower_median=True),
    "ssi_gradient": partial(ssi_gradient_loss, scales=2),
    "ssi_total": ssi_loss,
    "ssi_total_mse": partial(ssi_loss, data="mse"),
    "seed001": partial(seed001_simplified_loss, images=torch.full((2, 3, 4, 4), 0.25)),
    "report": report_loss,
    "report_as_coded": report_loss_as_coded,
    "resnet_unet": resnet_unet_loss,
    "ssim_mare": ssim_mare_loss,
}
"""Every loss of depth with the uniform signature."""


def hashed(n, offset=0):
    """n numbers in 0..1 that are the same everywhere (facts 6)."""
    word = (1 << 32) - 1
    x = ((np.arange(n, dtype=np.uint64) + offset) & word) * 2654435761 & word
    for shift, factor in ((16, 2246822519), (13, 3266489917)):
        x ^= x >> shift
        x = x * factor & word
    return (x ^ (x >> 16)) / 2**32


def maps(*shape, offset=0, low=0.0, high=1.0, dtype=torch.float64):
    """A tensor of hashed numbers in low..high."""
    values = hashed(int(np.prod(shape)), offset).reshape(shape)
    return torch.tensor(low + (high - low) * values, dtype=dtype)


def row(*values):
    """Values as one map (1, 1, 1, n) of float64."""
    return torch.tensor(values, dtype=torch.float64).view(1, 1, 1, -1)


def everywhere(like):
    """A mask that holds everywhere."""
    return torch.ones_like(like, dtype=torch.bool)
