"""Encoders trained on ImageNet elsewhere (ResNet, VGG19), and loading their weights from a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from howfar.errors import ModelError, UsageError
from howfar.nets.blocks import he_normal, scaled
from howfar.nets.safe import read_safely

VGG19 = (2, 2, 4, 4, 4)
"""Convolutions in each stage, of 64, 128, 256, 512, 512 channels."""
SHOWN = 3
"""Tensors that an error names before it only counts them."""


class BasicBlock(nn.Module):
    """Two 3×3 convolutions around a shortcut (ResNet-18 and -34)."""

    expansion = 1

    def __init__(self, given: int, planes: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(given, planes, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = _downsample(given, planes, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, given, H, W) -> (B, planes, H/stride, W/stride)."""
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        return F.relu(y + self.downsample(x), inplace=True)


class Bottleneck(nn.Module):
    """1×1, 3×3 (which strides, as in torchvision's v1.5), 1×1 around a shortcut (ResNet-50)."""

    expansion = 4

    def __init__(self, given: int, planes: int, stride: int) -> None:
        super().__init__()
        out = planes * self.expansion
        self.conv1 = nn.Conv2d(given, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.downsample = _downsample(given, out, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, given, H, W) -> (B, 4 planes, H/stride, W/stride)."""
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        return F.relu(y + self.downsample(x), inplace=True)


def _downsample(given: int, out: int, stride: int) -> nn.Module:
    if stride == 1 and given == out:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(given, out, 1, stride, bias=False), nn.BatchNorm2d(out))


class ResNet(nn.Module):
    """A ResNet without its classifier, with torchvision's names of tensors.

    Args:
        block: `BasicBlock` or `Bottleneck`.
        depths: blocks in each of the four stages.
        width: multiplies the channels.
    """

    encoder_children: tuple[str, ...] = ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4")
    """Children whose tensors a torchvision file holds."""

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        depths: tuple[int, int, int, int],
        width: float = 1.0,
    ) -> None:
        super().__init__()
        stem, *planes = (scaled(c, width) for c in (64, 64, 128, 256, 512))
        outs = [block.expansion * p for p in planes]
        self.channels = (stem, *outs)
        self.conv1 = nn.Conv2d(3, stem, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.layer1 = _stage(block, stem, planes[0], depths[0], 1)
        self.layer2 = _stage(block, outs[0], planes[1], depths[1], 2)
        self.layer3 = _stage(block, outs[1], planes[2], depths[2], 2)
        self.layer4 = _stage(block, outs[2], planes[3], depths[3], 2)
        he_normal(self)

    def features(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> maps of `channels` channels at 1/2, 1/4, 1/8, 1/16 and 1/32."""
        maps = [F.relu(self.bn1(self.conv1(images)), inplace=True)]
        x = F.max_pool2d(maps[0], 3, 2, padding=1)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            maps.append(x)
        return maps


def _stage(
    block: type[BasicBlock] | type[Bottleneck], given: int, planes: int, depth: int, stride: int
) -> nn.Sequential:
    inner = planes * block.expansion
    rest = [block(inner, planes, 1) for _ in range(depth - 1)]
    return nn.Sequential(block(given, planes, stride), *rest)


def resnet34(width: float = 1.0) -> ResNet:
    """ResNet-34; 21,284,672 parameters at width 1."""
    return ResNet(BasicBlock, (3, 4, 6, 3), width)


def resnet50(width: float = 1.0) -> ResNet:
    """ResNet-50; 23,508,032 parameters at width 1."""
    return ResNet(Bottleneck, (3, 4, 6, 3), width)


def vgg19(width: float = 1.0) -> nn.Sequential:
    """The 16 convolutions of VGG19 without the fifth pooling; 20,024,384 parameters at width 1.

    (B, 3, H, W) -> (B, 512, H/16, W/16). A network that keeps it as its child `features` has
    torchvision's names of tensors.
    """
    layers: list[nn.Module] = []
    given = 3
    for stage, (count, channels) in enumerate(zip(VGG19, (64, 128, 256, 512, 512), strict=True)):
        if stage:
            layers.append(nn.MaxPool2d(2))
        out = scaled(channels, width)
        for _ in range(count):
            layers += [nn.Conv2d(given, out, 3, padding=1), nn.ReLU(inplace=True)]
            given = out
    features = nn.Sequential(*layers)
    he_normal(features)
    return features


def load_encoder(module: nn.Module, path: Path) -> None:
    """Give a network's encoder the ImageNet weights of a file in torchvision's layout.

    Args:
        module: a network or encoder; the children named in its `encoder_children` are filled.
        path: file of `torch.save(state_dict)`; the classifier in it (`fc`, `classifier`) is
            dropped. It is read without running any code of the file.

    Raises `UsageError` for networks without such an encoder, and `ModelError` for files that cannot
    be read or whose tensors do not fit.
    """
    children: tuple[str, ...] = getattr(module, "encoder_children", ())
    if not children:
        reason = getattr(module, "no_encoder_file", "it has no encoder of its own")
        raise UsageError(f"{type(module).__name__} takes no encoder weights: {reason}")
    wanted = {k: v for k, v in module.state_dict().items() if k.split(".")[0] in children}
    given = {
        k: v for k, v in read_state(path).items() if k.split(".")[0] not in ("fc", "classifier")
    }
    check_fit(given, wanted, str(path))
    module.load_state_dict(given, strict=False)


def read_state(path: Path) -> dict[str, Tensor]:
    """Tensors by their names, from a file of `torch.save(state_dict)`; runs no code of the file.

    Raises `ModelError` for files that hold anything else.
    """
    state = read_safely(path, "weights")
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ModelError(f"{path}: holds no plain state_dict; save `module.state_dict()`")
    return dict(state)


def check_fit(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor], source: str) -> None:
    """Raise `ModelError` unless names and shapes of `given` are those of `wanted`.

    Counters of batches (`num_batches_tracked`), which old files lack, may be missing.
    """
    missing = [k for k in wanted if k not in given and not k.endswith("num_batches_tracked")]
    unexpected = [k for k in given if k not in wanted]
    misshapen = [
        f"{k} {tuple(given[k].shape)} instead of {tuple(wanted[k].shape)}"
        for k in given
        if k in wanted and given[k].shape != wanted[k].shape
    ]
    problems = {"missing": missing, "unexpected": unexpected, "of another shape": misshapen}
    told = "; ".join(f"{what}: {_listed(names)}" for what, names in problems.items() if names)
    if told:
        raise ModelError(f"{source}: these weights belong to another network ({told})")


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")
