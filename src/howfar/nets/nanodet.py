"""NanoDet-Plus: GhostPAN and its head, written from the published graph (Apache-2.0 weights).

The modules are created in the order of that graph, so that the convolutions of the ONNX file can be
poured in one after the other (`pour`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from howfar.nets.onnx_weights import pour_convolutions
from howfar.nets.shufflenet import ShuffleNet, conv, separable

BINS = 8
"""Steps 0..7 of the distribution of each side's distance (generalised focal loss)."""
STRIDES = (8, 16, 32, 64)


class GhostModule(nn.Module):
    """Half of the channels by a 1x1 convolution, half from these by a cheap 3x3 (GhostNet)."""

    def __init__(self, inputs: int, outputs: int, active: bool, norm: bool) -> None:
        super().__init__()
        half = outputs // 2
        self.primary = conv(inputs, half, 1, active=active, norm=norm)
        self.cheap = conv(half, half, 3, depthwise=True, active=active, norm=norm)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, outputs, H, W)."""
        first = self.primary(x)
        return torch.cat([first, self.cheap(first)], 1)


class GhostBlock(nn.Module):
    """Two ghost modules beside a separable 5x5 shortcut."""

    def __init__(self, inputs: int, outputs: int, norm: bool) -> None:
        super().__init__()
        self.ghosts = nn.Sequential(
            GhostModule(inputs, outputs, True, norm), GhostModule(outputs, outputs, False, norm)
        )
        self.shortcut = nn.Sequential(
            conv(inputs, inputs, 5, depthwise=True, active=False, norm=norm),
            conv(inputs, outputs, 1, active=False, norm=norm),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, outputs, H, W)."""
        found: Tensor = self.ghosts(x) + self.shortcut(x)
        return found


class GhostPan(nn.Module):
    """The pyramid: down from coarse to fine and up again, and one level beyond."""

    def __init__(self, inputs: Sequence[int], width: int, norm: bool) -> None:
        super().__init__()
        self.reduce = nn.ModuleList(conv(channels, width, 1, norm=norm) for channels in inputs)
        self.down = nn.ModuleList(GhostBlock(2 * width, width, norm) for _ in range(2))
        self.shrink = nn.ModuleList(separable(width, width, 5, stride=2, norm=norm) for _ in "12")
        self.up = nn.ModuleList(GhostBlock(2 * width, width, norm) for _ in range(2))
        self.extra = nn.ModuleList(separable(width, width, 5, stride=2, norm=norm) for _ in "12")

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Maps of stride 8, 16, 32 to maps of stride 8, 16, 32, 64."""
        fine, middle, coarse = (r(m) for r, m in zip(self.reduce, maps, strict=True))
        middle = self.down[0](torch.cat([enlarged(coarse, middle), middle], 1))
        fine = self.down[1](torch.cat([enlarged(middle, fine), fine], 1))
        middle = self.up[0](torch.cat([self.shrink[0](fine), middle], 1))
        top = self.up[1](torch.cat([self.shrink[1](middle), coarse], 1))
        return fine, middle, top, self.extra[0](coarse) + self.extra[1](top)


class NanoDetHead(nn.Module):
    """For each level two separable 5x5 convolutions, then classes and distributions."""

    def __init__(self, width: int, classes: int, norm: bool) -> None:
        super().__init__()
        self.classes = classes
        self.towers = nn.ModuleList(
            nn.Sequential(
                separable(width, width, 5, norm=norm),
                separable(width, width, 5, norm=norm),
                nn.Conv2d(width, classes + 4 * BINS, 1),
            )
            for _ in STRIDES
        )

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Maps of four levels to (B, P, classes + 32): class logits and distribution logits."""
        rows = [tower(x).flatten(2) for tower, x in zip(self.towers, maps, strict=True)]
        return torch.cat(rows, 2).transpose(1, 2)


def enlarged(small: Tensor, like: Tensor) -> Tensor:
    """A map at the size of another, bilinear."""
    return functional.interpolate(small, like.shape[2:], mode="bilinear", align_corners=False)


def in_graph_order(encoder: ShuffleNet, pyramid: GhostPan, head: NanoDetHead) -> list[nn.Conv2d]:
    """The convolutions in the order in which the published graph names them."""
    blocks = [pyramid.down[0], pyramid.down[1]]
    parts: list[nn.Module] = [encoder, pyramid.reduce, *blocks]
    parts += [pyramid.shrink[0], pyramid.up[0], pyramid.shrink[1], pyramid.up[1]]
    parts += [pyramid.extra, head]
    return [m for part in parts for m in part.modules() if isinstance(m, nn.Conv2d)]


def pour(encoder: ShuffleNet, pyramid: GhostPan, head: NanoDetHead, path: Path) -> None:
    """Fill modules without norms with the weights of a NanoDet-Plus ONNX file.

    Raises `ModelError` where the file's convolutions are others.
    """
    pour_convolutions(in_graph_order(encoder, pyramid, head), path)
