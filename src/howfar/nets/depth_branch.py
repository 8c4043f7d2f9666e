"""The depth half of howfar's joint networks, on a detector's features.

A U of dense 3x3 convolutions that learns everything, and beside it, for rooms, FastDepth from
stride 8 on (Wofk et al., ICRA 2019, as published after pruning). FastDepth's first ten layers are
left out: 1x1 convolutions make what they gave from the detector's features. Its weights are poured
in (`pour_fastdepth`) and those convolutions solved for (`howfar.distill.graft`), so that rooms are
measured about as FastDepth measures them before any training. What the detector sees says at first
how much each of the two counts, and what the U sees corrects that.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from howfar.nets.blocks import DepthwiseConv2d
from howfar.nets.nanodet import enlarged
from howfar.nets.onnx_weights import pour_convolutions
from howfar.nets.shufflenet import STEM, conv

EARLY, ENTRY = 120, 256
"""Channels of FastDepth's features of stride 4 and 8 that its second half uses."""
DOWN = ((408, 2), (376, 1), (272, 1), (288, 1), (296, 1), (328, 1), (480, 2), (512, 1))
"""Channels and stride of its separable 3x3 convolutions behind stride 8."""
UP = (200, 256, 120, 56)
"""Channels of its separable 5x5 convolutions; the map is doubled after each but the last."""
EARLY_LAYER, ENTRY_LAYER, FIRST_LAYER, LAST_LAYERS = 6, 10, 11, 3
"""Convolutions of the published graph, counted from 0: those that give the features of stride 4
and 8, the first that the branch has, and how many behind those it leaves out."""
GRID = 28 / 36
"""Its cells per cell of the detector's stride 8: FastDepth was made for 28x28, a detector at
288 pixels has 36x36."""
DIRECTIONS = 128
"""Of the pooled features in which views of training differ most; novelty is told in these."""
LOG_DEPTH = 0.7
"""Logarithm of metres that a fresh network says: 2 m."""
LOG_ERROR_START = -1.0
"""Logarithm of the error scale that it says."""


class Features(NamedTuple):
    """What a depth branch sees.

    Attributes:
        stem: (B, 24, H/4, W/4).
        maps: the encoder's levels of stride 8, 16 and 32.
        pyramid: the pyramid's.
        rooms: what `Rooms` said of them, where it has been asked before; None: it is asked.
    """

    stem: Tensor
    maps: tuple[Tensor, ...]
    pyramid: tuple[Tensor, ...]
    rooms: Tensor | None = None


class Said(NamedTuple):
    """What a depth branch says.

    Attributes:
        log_depth, log_error: (B, 1, H/4, W/4), the latter the logarithm of the error scale.
        pooled: (B, F) features of the whole view.
        fine: (B, widths[0], H/8, W/8) features.
        share: (B, 1) logit of how much the U counts beside `Rooms`; None without them.
        rooms: (B, 1, H/4, W/4) log depth by `Rooms` alone; None likewise.
    """

    log_depth: Tensor
    log_error: Tensor
    pooled: Tensor
    fine: Tensor
    share: Tensor | None
    rooms: Tensor | None


class Rooms(nn.Module):
    """FastDepth from stride 8 on: (B, 1, .., ..) log depth at about stride 6.

    Args:
        maps: channels of the encoder's levels of stride 8, 16 and 32.
        pyramid: channels of the pyramid's.
    """

    def __init__(self, maps: tuple[int, int, int], pyramid: int) -> None:
        super().__init__()
        self.early = nn.Conv2d(STEM, EARLY, 1)
        self.entry = nn.Conv2d(maps[0] + pyramid, ENTRY, 1)
        widths = (ENTRY, *(channels for channels, _ in DOWN))
        self.down = nn.ModuleList(
            separable(a, b, 3, stride)
            for (a, b), (_, stride) in zip(itertools.pairwise(widths), DOWN, strict=True)
        )
        self.up = nn.ModuleList(
            separable(a, b, 5, 1) for a, b in itertools.pairwise((widths[-1], *UP))
        )
        self.out = quiet(nn.Conv2d(UP[-1], 1, 1))

    def forward(self, seen: Features) -> Tensor:
        """Logarithm of depth, over `LOG_DEPTH`."""
        answer: Tensor = self.out(self.body(seen))
        return answer

    def body(self, seen: Features) -> Tensor:
        """What FastDepth's last separable convolution gives."""
        fine = torch.cat([seen.maps[0], seen.pyramid[0]], 1)
        height, width = (round(GRID * side) for side in fine.shape[2:])
        x = entry = functional.relu(self.entry(resized(fine, height, width)))
        for layer in self.down[:-2]:
            x = layer(x)
        inner = x
        for layer in self.down[-2:]:
            x = layer(x)
        x = self.up[1](repeated(self.up[0](x), inner))
        x = self.up[2](repeated(x, entry) + entry)
        early = functional.relu(self.early(resized(seen.stem, 2 * height, 2 * width)))
        last: Tensor = self.up[3](repeated(x, early) + early)
        return last


class DepthBranch(nn.Module):
    """Log depth and the logarithm of its error scale, at stride 4.

    The U is the depth's own: what boxes need is not all that depth needs, and dense convolutions at
    strides 16 and 32 are cheap.

    Args:
        maps: channels of the encoder's levels of stride 8, 16 and 32.
        pyramid: channels of the pyramid's.
        widths: of the U at strides 8, 16 and 32; half of the first at stride 4.
        norm: batch norms in the U.
        rooms: FastDepth beside it.
    """

    def __init__(
        self,
        maps: tuple[int, int, int],
        pyramid: int,
        widths: tuple[int, int, int],
        norm: bool = True,
        rooms: bool = False,
    ) -> None:
        super().__init__()
        low, middle, high = widths
        half = low // 2
        self.lateral = nn.ModuleList(
            conv(channels + pyramid, width, 1, norm=norm)
            for channels, width in zip(maps, widths, strict=True)
        )
        self.down = nn.ModuleList(
            conv(a, b, 3, stride=2, norm=norm) for a, b in ((low, middle), (middle, high))
        )
        self.deep = nn.Sequential(conv(high, high, 3, norm=norm), conv(high, high, 3, norm=norm))
        self.narrow = nn.ModuleList(
            conv(a, b, 1, norm=norm) for a, b in ((high, middle), (middle, low), (low, half))
        )
        self.up = nn.ModuleList(conv(width, width, 3, norm=norm) for width in (middle, low))
        self.stem = conv(STEM, half, 1, norm=norm)
        self.fine = conv(half, half, 3, norm=norm)
        self.out = quiet(nn.Conv2d(half, 2, 3, padding=1))
        features = high + low
        last = quiet(nn.Linear(high, 3 if rooms else 2))
        self.scale = nn.Sequential(nn.Linear(features, high), nn.ReLU(), last)
        self.rooms = Rooms(maps, pyramid) if rooms else None
        self.gate = quiet(nn.Linear(pyramid, 1)) if rooms else None
        self.usual: Tensor
        self.unlike: Tensor
        self.register_buffer("usual", torch.zeros(features))
        self.register_buffer("unlike", torch.zeros(features, min(features, DIRECTIONS)))

    def forward(self, seen: Features) -> Said:
        """Depth of pictures of which a detector saw these features."""
        stem, maps, pyramid, rooms = seen
        low, middle, high = (
            layer(torch.cat(pair, 1))
            for layer, pair in zip(self.lateral, zip(maps, pyramid, strict=True), strict=True)
        )
        middle = middle + self.down[0](low)
        high = high + self.down[1](middle)
        high = high + self.deep(high)
        middle = self.up[0](middle + enlarged(self.narrow[0](high), middle))
        low = self.up[1](low + enlarged(self.narrow[1](middle), low))
        pooled = torch.cat([high.mean((2, 3)), low.mean((2, 3))], 1)
        scene = self.scale(pooled)[..., None, None]
        x = self.fine(self.stem(stem) + enlarged(self.narrow[2](low), stem))
        log_depth, log_error = (self.out(x) + scene[:, :2]).chunk(2, 1)
        share = own = None
        if self.rooms is not None and self.gate is not None:
            known = enlarged(self.rooms(seen) if rooms is None else rooms, stem)
            share = self.gate(pyramid[2].mean((2, 3))) + scene[:, 2:, 0, 0]
            log_depth = known + torch.sigmoid(share)[..., None, None] * (log_depth - known)
            own = known + LOG_DEPTH
        return Said(log_depth + LOG_DEPTH, log_error + LOG_ERROR_START, pooled, low, share, own)

    def novelty(self, pooled: Tensor) -> Tensor:
        """(B, 1) Mahalanobis distance of a view's features from those of training, in units that
        99 % of these do not exceed; 0 before `howfar.distill.finish` measured them."""
        away = (pooled.detach() - self.usual) @ self.unlike
        return away.square().sum(1, keepdim=True).sqrt()


def quiet(layer: nn.Conv2d | nn.Linear) -> nn.Conv2d | nn.Linear:
    """A last layer, so that it says next to nothing at first."""
    nn.init.normal_(layer.weight, std=0.01)
    if layer.bias is not None:
        nn.init.constant_(layer.bias, 0.0)
    return layer


def separable(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Sequential:
    """A convolution of each channel, then one across channels, each with a rectifier."""
    return nn.Sequential(
        DepthwiseConv2d(inputs, kernel, stride),
        nn.ReLU(inplace=True),
        nn.Conv2d(inputs, outputs, 1),
        nn.ReLU(inplace=True),
    )


def resized(x: Tensor, height: int, width: int) -> Tensor:
    """A map at another size, bilinear."""
    return functional.interpolate(x, (height, width), mode="bilinear", align_corners=False)


def repeated(x: Tensor, like: Tensor) -> Tensor:
    """A map at the size of a larger one, each cell repeated, as FastDepth does."""
    return functional.interpolate(x, like.shape[2:], mode="nearest")


def pour_fastdepth(rooms: Rooms, path: Path) -> None:
    """Fill the way down and up with the weights of a FastDepth ONNX file.

    Raises `ModelError` where the file's convolutions are others.
    """
    parts = (*rooms.down.modules(), *rooms.up.modules())
    layers = [m for m in parts if isinstance(m, nn.Conv2d)]
    pour_convolutions(layers, path, FIRST_LAYER, LAST_LAYERS)
