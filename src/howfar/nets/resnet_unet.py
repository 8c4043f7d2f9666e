"""README 003's U-Net on a pre-activation ResNet-34 (facts section 1e and appendix E)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from howfar.nets.blocks import (
    KERAS_MOMENTUM,
    InputSize,
    conv3x3,
    double,
    glorot_uniform,
    he_uniform,
    keras_norm,
    scaled,
)

DEPTHS = (3, 4, 6, 3)
ENCODER_EPS = 2e-5


class Center(nn.Module):
    """Batch normalisation that learns a bias but no scale."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, ENCODER_EPS, KERAS_MOMENTUM, affine=False)
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        y: Tensor = self.norm(x)
        return y + self.bias.view(1, -1, 1, 1)


class PreactUnit(nn.Module):
    """Two times norm, ReLU, 3×3 convolution, around a shortcut."""

    def __init__(self, given: int, out: int, stride: int, project: bool) -> None:
        super().__init__()
        self.norm1 = _norm(given)
        self.conv1 = nn.Conv2d(given, out, 3, stride, padding=1, bias=False)
        self.norm2 = _norm(out)
        self.conv2 = conv3x3(out, out, bias=False)
        self.shortcut = nn.Conv2d(given, out, 1, stride, bias=False) if project else None

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, given, H, W) -> (B, out, H/stride, W/stride), and x after the first norm and ReLU."""
        active = F.relu(self.norm1(x), inplace=True)
        y = F.relu(self.norm2(self.conv1(active)), inplace=True)
        shortcut = x if self.shortcut is None else self.shortcut(active)
        return self.conv2(y) + shortcut, active


class PreactStage(nn.Module):
    """Units of which the first projects its shortcut and strides."""

    def __init__(self, given: int, out: int, depth: int, stride: int) -> None:
        super().__init__()
        rest = [PreactUnit(out, out, 1, project=False) for _ in range(depth - 1)]
        self.units = nn.ModuleList([PreactUnit(given, out, stride, project=True), *rest])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, given, H, W) -> (B, out, H/stride, W/stride), and x as first activated."""
        x, active = self.units[0](x)
        for unit in self.units[1:]:
            x, _ = unit(x)
        return x, active


class PreactResNet34(nn.Module):
    """The encoder of the Keras library `segmentation_models` that goes by the name resnet34."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        stem, *outs = (scaled(c, width) for c in (64, 64, 128, 256, 512))
        self.channels = (stem, *outs)
        self.center = Center(3)
        self.conv = nn.Conv2d(3, stem, 7, 2, padding=3, bias=False)
        self.norm = _norm(stem)
        givens = [stem, *outs]
        self.stages = nn.ModuleList(
            PreactStage(givens[i], outs[i], depth, stride=1 if i == 0 else 2)
            for i, depth in enumerate(DEPTHS)
        )
        self.last_norm = _norm(outs[-1])

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> maps at 1/2, 1/4, 1/8, 1/16 and 1/32.

        The first is the stem's, the last the end's; between, the first activation of stages 2..4,
        which still has the size and the channels of the stage before.
        """
        maps = [F.relu(self.norm(self.conv(self.center(images))), inplace=True)]
        x = F.max_pool2d(maps[0], 3, 2, padding=1)
        for number, stage in enumerate(self.stages):
            x, active = stage(x)
            if number:
                maps.append(active)
        maps.append(F.relu(self.last_norm(x), inplace=True))
        return maps


class DecoderStage(nn.Module):
    """Doubles by repetition, then two convolutions over [x, skip], or over x alone."""

    def __init__(self, given: int, skip: int, out: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = conv3x3(given + skip, out, bias=False), keras_norm(out)
        self.conv2, self.norm2 = conv3x3(out, out, bias=False), keras_norm(out)

    def forward(self, x: Tensor, skip: Tensor | None) -> Tensor:
        """(B, given, H, W), (B, skip, 2H, 2W) or None -> (B, out, 2H, 2W)."""
        x = double(x)
        if skip is not None:
            x = torch.cat([x, skip], dim=1)
        x = F.relu(self.norm1(self.conv1(x)), inplace=True)
        return F.relu(self.norm2(self.conv2(x)), inplace=True)


class ResNetUNet(nn.Module):
    """An encoder with maps at five sizes, a decoder with a stage for each, and a head."""

    input_size = InputSize(32)
    no_encoder_file = (
        "its ResNet-34 is the pre-activation variant of the Keras library segmentation_models, "
        "which no torchvision file holds; train it from random weights"
    )

    def __init__(self, encoder: nn.Module, stages: Sequence[nn.Module], head: nn.Module) -> None:
        super().__init__()
        self.encoder, self.stages, self.head = encoder, nn.ModuleList(stages), head

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """(B, 3, H, W) -> {"depth": (B, 1, H, W)}; H and W are multiples of 32."""
        self.input_size.check(images)
        *skips, x = self.encoder(images)
        for stage, skip in zip(self.stages, [*reversed(skips), None], strict=True):
            x = stage(x, skip)
        return {"depth": self.head(x)}


def resnet34_unet(width: float = 1.0) -> ResNetUNet:
    """README 003's U-Net; 24,438,804 parameters at width 1.

    Its input is 128×128 or 320×320, its depth 0..1 of the range that it was trained for.
    Weights start as in segmentation_models: He uniform, the head Glorot uniform.
    """
    encoder = PreactResNet34(width)
    skips = [*encoder.channels[3::-1], 0]
    outs = [scaled(c, width) for c in (256, 128, 64, 32, 16)]
    givens = [encoder.channels[-1], *outs]
    stages = [
        DecoderStage(given, skip, out)
        for given, skip, out in zip(givens, skips, outs, strict=False)
    ]
    net = ResNetUNet(encoder, stages, nn.Sequential(conv3x3(outs[-1], 1), nn.Sigmoid()))
    he_uniform(net)
    glorot_uniform(net.head)
    return net


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, ENCODER_EPS, KERAS_MOMENTUM)
