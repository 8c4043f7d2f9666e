"""ShuffleNetV2 (arXiv 1807.11164): the encoder of NanoDet-Plus and of howfar's joint networks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from howfar.nets.blocks import DepthwiseConv2d

SLOPE = 0.1
"""Of the leaky rectifiers."""
REPEATS = (4, 8, 4)
"""Units of the stages with stride 8, 16 and 32."""
STEM = 24


def conv(
    inputs: int,
    outputs: int,
    kernel: int,
    *,
    stride: int = 1,
    depthwise: bool = False,
    active: bool = True,
    norm: bool = True,
) -> nn.Sequential:
    """Convolution, batch norm (or a bias, as where norms are folded in), leaky rectifier."""
    parts: list[nn.Module] = [
        DepthwiseConv2d(outputs, kernel, stride, bias=not norm)
        if depthwise
        else nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=not norm)
    ]
    if norm:
        parts.append(nn.BatchNorm2d(outputs))
    if active:
        parts.append(nn.LeakyReLU(SLOPE, inplace=True))
    return nn.Sequential(*parts)


def separable(
    inputs: int, outputs: int, kernel: int, *, stride: int = 1, norm: bool = True
) -> nn.Sequential:
    """A convolution of each channel by itself, then one across channels, each with a rectifier."""
    return nn.Sequential(
        conv(inputs, inputs, kernel, stride=stride, depthwise=True, norm=norm),
        conv(inputs, outputs, 1, norm=norm),
    )


def shuffle(x: Tensor) -> Tensor:
    """Channels of two halves, taken in turns: a0 b0 a1 b1 ... (section 3 of the paper)."""
    return torch.channel_shuffle(x, 2)


class ShuffleUnit(nn.Module):
    """One unit: half of the channels pass (stride 1), or both branches shrink (stride 2)."""

    def __init__(self, inputs: int, outputs: int, stride: int, norm: bool) -> None:
        super().__init__()
        half = outputs // 2
        self.stride = stride
        self.side = None
        if stride > 1:
            self.side = nn.Sequential(
                conv(inputs, inputs, 3, stride=stride, depthwise=True, active=False, norm=norm),
                conv(inputs, half, 1, norm=norm),
            )
        self.main = nn.Sequential(
            conv(inputs if stride > 1 else half, half, 1, norm=norm),
            conv(half, half, 3, stride=stride, depthwise=True, active=False, norm=norm),
            conv(half, half, 1, norm=norm),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, outputs, H / stride, W / stride)."""
        if self.side is None:
            first, second = x.chunk(2, 1)
            return shuffle(torch.cat([first, self.main(second)], 1))
        return shuffle(torch.cat([self.side(x), self.main(x)], 1))


class ShuffleNet(nn.Module):
    """Features of stride 4 (24 channels), 8, 16 and 32 (`widths` channels).

    Args:
        widths: of the three stages; the paper's 1.0x has 116, 232, 464.
        norm: batch norms; off for weights into which they are folded.
    """

    def __init__(self, widths: tuple[int, int, int], norm: bool = True) -> None:
        super().__init__()
        self.stem = conv(3, STEM, 3, stride=2, norm=norm)
        self.pool = nn.MaxPool2d(3, 2, 1)
        stages, before = [], STEM
        for width, count in zip(widths, REPEATS, strict=True):
            units = [ShuffleUnit(before, width, 2, norm)]
            units += [ShuffleUnit(width, width, 1, norm) for _ in range(count - 1)]
            stages.append(nn.Sequential(*units))
            before = width
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) to four maps."""
        maps = [self.pool(self.stem(x))]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return tuple(maps)
