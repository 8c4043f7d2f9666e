"""The depth half of howfar's joint networks: FastDepth from stride 8 on, upon detector features.

FastDepth (Wofk et al., ICRA 2019) as published after pruning: MobileNet's separable convolutions
down to stride 32 and five enlarging ones back. Its first ten layers are left out: two 1x1
convolutions make what they gave from the encoder's and the pyramid's features. Its weights can be
poured in (`pour_fastdepth`) and those convolutions solved for (`howfar.distill.graft`), so that the
branch says about what FastDepth says before any training.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from howfar.errors import ModelError
from howfar.nets.nanodet import enlarged
from howfar.nets.shufflenet import STEM

EARLY, ENTRY = 120, 256
"""Channels of FastDepth's features of stride 4 and 8 that its second half uses."""
DOWN = ((408, 2), (376, 1), (272, 1), (288, 1), (296, 1), (328, 1), (480, 2), (512, 1))
"""Channels and stride of its separable 3x3 convolutions behind stride 8."""
UP = (200, 256, 120, 56)
"""Channels of its separable 5x5 convolutions; the map is doubled after each but the last."""
EARLY_LAYER, ENTRY_LAYER, FIRST_LAYER = 6, 10, 11
"""Convolutions of the published graph, counted from 0: those that give the features of stride 4
and 8, and the first that the branch has."""
FINE = 32
"""Channels of the layers at stride 4."""
SCENE = 192
"""Features from which the whole picture's scale is read."""
GRID = 0.7
"""Cells of the branch per cell of the detector's stride 8: FastDepth was made for 28x28 of them,
a detector at 320 pixels has 40x40."""
LOG_DEPTH = 0.7
"""Logarithm of metres that a fresh network says: 2 m."""
LOG_ERROR_START = -1.0
"""Logarithm of the error scale that it says."""


class DepthBranch(nn.Module):
    """Log depth and the logarithm of its error scale, at stride 4.

    Args:
        maps: channels of the encoder's levels of stride 8, 16 and 32.
        pyramid: channels of the pyramid's.
        width: factor of FastDepth's channels.
        norm: batch norms; without them FastDepth's weights fit.
    """

    def __init__(
        self, maps: tuple[int, int, int], pyramid: int, width: float = 1.0, norm: bool = True
    ) -> None:
        super().__init__()

        def of(channels: int) -> int:
            return max(int(channels * width) // 8 * 8, 8)

        early, entry, low = of(EARLY), of(ENTRY), of(UP[-1])
        self.early = nn.Conv2d(STEM, early, 1)
        self.entry = nn.ModuleList(nn.Conv2d(maps[i] + pyramid, entry, 1) for i in (0, 1))
        layers, before = [], entry
        for channels, stride in DOWN:
            layers.append(separable(before, of(channels), 3, stride, norm))
            before = of(channels)
        self.down = nn.ModuleList(layers)
        first, last = of(DOWN[0][0]), of(DOWN[-2][0])
        self.middle = nn.Conv2d(maps[1] + pyramid, first, 1)
        self.coarse = nn.Conv2d(maps[2] + pyramid, last, 1)
        layers = []
        for channels in UP:
            layers.append(separable(before, of(channels), 5, 1, norm))
            before = of(channels)
        self.up = nn.ModuleList(layers)
        self.rough = nn.Conv2d(low, 2, 1)
        self.narrow = nn.Conv2d(low, FINE, 1)
        self.stem = nn.Conv2d(STEM, FINE, 1)
        self.fine = nn.Conv2d(FINE, FINE, 3, padding=1)
        self.out = nn.Conv2d(FINE, 2, 3, padding=1)
        self.width_of_fine = of(UP[2])
        """Channels of the features at stride 8 that `forward` gives."""
        features = of(UP[0]) + of(UP[2])
        scale = nn.Linear(SCENE, 2)
        self.scale = nn.Sequential(nn.Linear(features, SCENE), nn.ReLU(), scale)
        for layer in (self.rough, self.out, scale):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.constant_(layer.bias, 0.0)  # type: ignore[arg-type]  # it has one
        self.usual: Tensor
        self.unlike: Tensor
        self.register_buffer("usual", torch.zeros(features))
        self.register_buffer("unlike", torch.zeros(features, features))

    def forward(
        self, stem: Tensor, maps: Sequence[Tensor], pyramid: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Log depth (B, 1, H/4, W/4), log error scale, likewise, features of the whole view
        (B, F), and those at about stride 11 (B, `width_of_fine`, .., ..)."""
        rough, pooled, fine, last = self.body(stem, maps, pyramid)
        sharp = enlarged(self.narrow(last), stem) + self.stem(stem)
        sharp = functional.relu(self.fine(functional.relu(sharp)))
        scene = self.scale(pooled)[..., None, None]
        log_depth, log_error = (self.out(sharp) + enlarged(rough, stem) + scene).chunk(2, 1)
        return log_depth + LOG_DEPTH, log_error + LOG_ERROR_START, pooled, fine

    def body(
        self, stem: Tensor, maps: Sequence[Tensor], pyramid: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What FastDepth's layers give: depth and error on their grid (B, 2, .., ..), features of
        the whole view, and the maps after the third and the last of the enlarging convolutions."""
        fine, middle, coarse = (torch.cat(pair, 1) for pair in zip(maps, pyramid, strict=True))
        height, width = (round(GRID * side) for side in fine.shape[2:])
        x = self.entry[0](resized(fine, height, width))
        entry = functional.relu(x + resized(self.entry[1](middle), height, width))
        x = self.down[0](entry)
        x = x + self.middle(enlarged(middle, x))
        for layer in self.down[1:-2]:
            x = layer(x)
        inner = x.shape[2:]
        x = self.down[-2](x)
        x = self.down[-1](x + self.coarse(enlarged(coarse, x)))
        top = self.up[0](x)
        x = self.up[1](repeated(top, *inner))
        low = self.up[2](repeated(x, height, width) + entry)
        early = functional.relu(self.early(resized(stem, 2 * height, 2 * width)))
        last = self.up[3](repeated(low, 2 * height, 2 * width) + early)
        pooled = torch.cat([top.mean((2, 3)), low.mean((2, 3))], 1)
        return self.rough(last), pooled, low, last

    def novelty(self, pooled: Tensor) -> Tensor:
        """(B, 1) Mahalanobis distance of a view's features from those of training, in units that
        99 % of these do not exceed; 0 before `howfar.distill.finish` measured them."""
        away = (pooled.detach() - self.usual) @ self.unlike
        return away.square().sum(1, keepdim=True).sqrt()


def separable(inputs: int, outputs: int, kernel: int, stride: int, norm: bool) -> nn.Sequential:
    """A convolution of each channel, then one across channels, each with a rectifier."""
    parts: list[nn.Module] = []
    for a, b, size, step, groups in (
        (inputs, inputs, kernel, stride, inputs),
        (inputs, outputs, 1, 1, 1),
    ):
        parts.append(nn.Conv2d(a, b, size, step, size // 2, groups=groups, bias=not norm))
        parts += [nn.BatchNorm2d(b)] if norm else []
        parts.append(nn.ReLU(inplace=True))
    return nn.Sequential(*parts)


def resized(x: Tensor, height: int, width: int) -> Tensor:
    """A map at another size, bilinear."""
    return functional.interpolate(x, (height, width), mode="bilinear", align_corners=False)


def repeated(x: Tensor, height: int, width: int) -> Tensor:
    """A map at a larger size, each cell repeated, as FastDepth does."""
    return functional.interpolate(x, (height, width), mode="nearest")


def pour_fastdepth(branch: DepthBranch, path: Path) -> None:
    """Fill the layers behind stride 8 with the weights of a FastDepth ONNX file, and let the
    detector's coarser features say nothing more until they are taught to.

    Raises `ModelError` where the file's convolutions are others.
    """
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(path).graph
    tensors = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    nodes = [node for node in graph.node if node.op_type == "Conv"][FIRST_LAYER:]
    layers = [
        m for part in (branch.down, branch.up) for m in part.modules() if isinstance(m, nn.Conv2d)
    ]
    if len(nodes) < len(layers):
        raise ModelError(f"{path}: has too few convolutions; give FastDepth as published")
    for node, layer in zip(nodes, layers, strict=False):
        weight, bias = (np.array(tensors[name]) for name in node.input[1:])
        if layer.bias is None or weight.shape != tuple(layer.weight.shape):
            raise ModelError(
                f"{path}: convolution {node.output[0]} is {weight.shape}; expected "
                f"{tuple(layer.weight.shape)} with a bias"
            )
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weight))
            layer.bias.copy_(torch.from_numpy(bias))
    for lateral in (branch.middle, branch.coarse):
        for parameter in lateral.parameters():
            nn.init.zeros_(parameter)
