"""What several networks share: input sizes, channel counts, upsampling, initial weights."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from howfar.errors import UsageError

KERAS_EPS, KERAS_MOMENTUM = 1e-3, 0.01
"""Batch normalisation of Keras; its momentum .99 counts the other way round."""


class DepthwiseConv2d(nn.Conv2d):
    """A convolution of each channel by itself, with padding for the same size at stride 1.

    Where a CPU trains in bfloat16, one with a stride stays in float32: oneDNN's gradients of it are
    slower in bfloat16, 7 times for 58 channels of 72x72 pixels and 14 times for 116 of 36x36
    (measured on a CPU with AVX512-BF16).
    """

    def __init__(self, channels: int, kernel: int, stride: int = 1, bias: bool = True) -> None:
        super().__init__(
            channels, channels, kernel, stride, kernel // 2, groups=channels, bias=bias
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H / stride, W / stride)."""
        slow = self.stride[0] > 1 and x.device.type == "cpu"
        if not (slow and torch.is_autocast_enabled("cpu")):
            return super().forward(x)
        with torch.autocast("cpu", enabled=False):
            return super().forward(x.float()).to(torch.get_autocast_dtype("cpu"))


@dataclass(frozen=True)
class InputSize:
    """Which pictures a network takes.

    Attributes:
        multiple: height and width, in pixels, are multiples of it.
        fixed: the only (height, width), for networks whose layers allow no other.
    """

    multiple: int
    fixed: tuple[int, int] | None = None

    def check(self, images: Tensor) -> None:
        """Raise `UsageError` unless `images` is (B, 3, H, W) of a size that fits."""
        if images.ndim != 4 or images.shape[1] != 3:
            raise UsageError(
                f"input of shape {tuple(images.shape)}: networks take (batch, 3, height, width)"
            )
        height, width = images.shape[2:]
        if self.fixed is not None and (height, width) != self.fixed:
            raise UsageError(
                f"input of {width}x{height} pixels: this network takes only "
                f"{self.fixed[1]}x{self.fixed[0]}"
            )
        if height % self.multiple or width % self.multiple:
            near = f"{self._nearest(width)}x{self._nearest(height)}"
            raise UsageError(
                f"input of {width}x{height} pixels: width and height must be multiples of "
                f"{self.multiple}, such as {near}"
            )

    def _nearest(self, length: int) -> int:
        return max(1, round(length / self.multiple)) * self.multiple


def scaled(channels: int, width: float) -> int:
    """Channels of a network `width` times as wide: a multiple of 8, at least 8; as given at 1.

    Raises `UsageError` for widths that are not above 0.
    """
    if not 0 < width < math.inf:
        raise UsageError(f"width {width!r}: it multiplies the channels, so give a number above 0")
    return channels if width == 1 else max(8, 8 * round(channels * width / 8))


def conv3x3(given: int, out: int, bias: bool = True) -> nn.Conv2d:
    """A 3×3 convolution that keeps the size."""
    return nn.Conv2d(given, out, 3, padding=1, bias=bias)


def keras_norm(channels: int) -> nn.BatchNorm2d:
    """Batch normalisation as Keras does it."""
    return nn.BatchNorm2d(channels, eps=KERAS_EPS, momentum=KERAS_MOMENTUM)


def double(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C, 2H, 2W), each pixel repeated."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def glorot_uniform(module: nn.Module) -> None:
    """Keras' default weights for every convolution inside: Glorot uniform, bias 0."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.xavier_uniform_(layer.weight)
            _no_bias(layer)


def he_uniform(module: nn.Module) -> None:
    """He uniform weights for every convolution inside, bias 0: ±sqrt(6 / fan in)."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
            _no_bias(layer)


def he_normal(module: nn.Module) -> None:
    """torchvision's weights for every convolution inside: N(0, 2 / fan out), bias 0."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            _no_bias(layer)


def normal(module: nn.Module, std: float) -> None:
    """Weights N(0, std²) for every convolution inside, bias 0."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, std=std)
            _no_bias(layer)


def _no_bias(layer: nn.Conv2d | nn.ConvTranspose2d) -> None:
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
