"""U-Nets: the report's (source 000, section II), the same on DIODE (002), README 003's plain."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from howfar.nets.blocks import InputSize, conv3x3, double, glorot_uniform, keras_norm, scaled

SLOPE = 0.2
"""Of every leaky ReLU here."""


class UNet(nn.Module):
    """Blocks that halve, a bottleneck, blocks that double with the halving blocks' maps beside.

    Args:
        downs: each maps x to (skip, half-sized x).
        bottleneck: between.
        ups: as many; each maps (x, skip) to the skip's size, deepest first.
        head: to one channel.
    """

    input_size = InputSize(16)

    def __init__(
        self,
        downs: Sequence[nn.Module],
        bottleneck: nn.Module,
        ups: Sequence[nn.Module],
        head: nn.Module,
    ) -> None:
        super().__init__()
        self.downs, self.ups = nn.ModuleList(downs), nn.ModuleList(ups)
        self.bottleneck, self.head = bottleneck, head

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """(B, 3, H, W) -> {"depth": (B, 1, H, W)}; H and W are multiples of 16."""
        self.input_size.check(images)
        x, skips = images, []
        for down in self.downs:
            skip, x = down(x)
            skips.append(skip)
        x = self.bottleneck(x)
        for up, skip in zip(self.ups, reversed(skips), strict=True):
            x = up(x, skip)
        return {"depth": self.head(x)}


class ResidualDown(nn.Module):
    """Two convolutions; the first one's raw output is added to the result, which is then pooled."""

    def __init__(self, given: int, out: int, dropout: float) -> None:
        super().__init__()
        self.conv1, self.norm1 = conv3x3(given, out), keras_norm(out)
        self.conv2, self.norm2 = conv3x3(out, out), keras_norm(out)
        self.dropout = _dropout(dropout)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, given, H, W) -> (B, out, H, W) to skip with, and (B, out, H/2, W/2)."""
        first = self.conv1(x)
        x = _leaky(self.norm1(first))
        skip = _leaky(self.norm2(self.conv2(x))) + first
        return skip, self.dropout(F.max_pool2d(skip, 2))


class NearestUp(nn.Module):
    """Doubles by repetition, then two convolutions over [x, skip]."""

    def __init__(self, given: int, skip: int, out: int, dropout: float) -> None:
        super().__init__()
        self.conv1, self.norm1 = conv3x3(given + skip, out), keras_norm(out)
        self.conv2, self.norm2 = conv3x3(out, out), keras_norm(out)
        self.dropout = _dropout(dropout)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """(B, given, H, W), (B, skip, 2H, 2W) -> (B, out, 2H, 2W)."""
        x = torch.cat([double(x), skip], dim=1)
        x = _leaky(self.norm1(self.conv1(x)))
        out: Tensor = self.dropout(_leaky(self.norm2(self.conv2(x))))
        return out


class PlainPair(nn.Module):
    """Two times convolution, leaky ReLU, batch normalisation."""

    def __init__(self, given: int, out: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = conv3x3(given, out), keras_norm(out)
        self.conv2, self.norm2 = conv3x3(out, out), keras_norm(out)

    def forward(self, x: Tensor) -> Tensor:
        """(B, given, H, W) -> (B, out, H, W)."""
        x = self.norm1(_leaky(self.conv1(x)))
        out: Tensor = self.norm2(_leaky(self.conv2(x)))
        return out


class PlainDown(nn.Module):
    """A pair of convolutions, then pooling."""

    def __init__(self, given: int, out: int) -> None:
        super().__init__()
        self.pair = PlainPair(given, out)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, given, H, W) -> (B, out, H, W) to skip with, and (B, out, H/2, W/2)."""
        skip = self.pair(x)
        return skip, F.max_pool2d(skip, 2)


class BilinearUp(nn.Module):
    """Doubles bilinearly, one convolution, then a pair of convolutions over [x, skip]."""

    def __init__(self, given: int, skip: int, out: int) -> None:
        super().__init__()
        self.conv = conv3x3(given, out)
        self.pair = PlainPair(out + skip, out)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """(B, given, H, W), (B, skip, 2H, 2W) -> (B, out, 2H, 2W)."""
        x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        x = _leaky(self.conv(x))
        out: Tensor = self.pair(torch.cat([x, skip], dim=1))
        return out


def unet_nyu(width: float = 1.0) -> UNet:
    """The report's own U-Net (source 000, section II); 1,964,545 parameters at width 1.

    Its input is 640×480 in 0..1; its depth is 0 or more, relative to each picture's farthest.
    """
    return unet_diode(width)


def unet_diode(width: float = 1.0, dropout: float = 0.0) -> UNet:
    """`unet_nyu` as source 002 trains it on DIODE, at 256×256.

    Args:
        width: multiplies the channels.
        dropout: share of the values that each block of both paths drops in training.
    """
    channels = [scaled(c, width) for c in (16, 32, 64, 128)]
    deep = scaled(256, width)
    downs = [
        ResidualDown(given, out, dropout)
        for given, out in zip([3, *channels], channels, strict=False)
    ]
    ups = [
        NearestUp(given, out, out, dropout)
        for given, out in zip([deep, *channels[::-1]], channels[::-1], strict=False)
    ]
    head = nn.Sequential(nn.Conv2d(channels[0], 1, 1), nn.ReLU())
    net = UNet(downs, _bottleneck(channels[-1], deep), ups, head)
    glorot_uniform(net)
    return net


def plain_unet(width: float = 1.0) -> UNet:
    """The U-Net of README 003's stored notebook; 8,634,593 parameters at width 1.

    Its input is 320×240 in 0..1, its depth 0..1 of the range that it was trained for.
    """
    channels = [scaled(c, width) for c in (32, 64, 128, 256)]
    deep = scaled(512, width)
    downs = [PlainDown(given, out) for given, out in zip([3, *channels], channels, strict=False)]
    ups = [
        BilinearUp(given, out, out)
        for given, out in zip([deep, *channels[::-1]], channels[::-1], strict=False)
    ]
    head = nn.Sequential(conv3x3(channels[0], 1), nn.Sigmoid())
    net = UNet(downs, _bottleneck(channels[-1], deep), ups, head)
    glorot_uniform(net)
    return net


def _bottleneck(given: int, out: int) -> nn.Sequential:
    """Two convolutions without normalisation."""
    return nn.Sequential(
        conv3x3(given, out),
        nn.LeakyReLU(SLOPE, inplace=True),
        conv3x3(out, out),
        nn.LeakyReLU(SLOPE, inplace=True),
    )


def _leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, SLOPE, inplace=True)


def _dropout(share: float) -> nn.Module:
    return nn.Dropout(share) if share else nn.Identity()
