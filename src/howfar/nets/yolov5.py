"""YOLOv5 v6.0 to v7.0, the five sizes with three levels (facts 1c)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from howfar.errors import UsageError
from howfar.nets.blocks import InputSize

SIZES = {"n": (0.33, 0.25), "s": (0.33, 0.5), "m": (0.67, 0.75), "l": (1.0, 1.0), "x": (1.33, 1.25)}
"""Multipliers of depth and width."""
ANCHORS_PX = (
    ((10, 13), (16, 30), (33, 23)),
    ((30, 61), (62, 45), (59, 119)),
    ((116, 90), (156, 198), (373, 326)),
)
STRIDES = (8, 16, 32)
BN_EPS, BN_MOMENTUM = 1e-3, 0.03
PRIOR_OBJECTS, PRIOR_CLASSES = 8.0, 0.6
"""Objects of a 640-pixel picture, and of all classes, that the biases start from."""


class Conv(nn.Module):
    """Convolution without bias, batch normalisation, SiLU."""

    def __init__(
        self, ins: int, outs: int, kernel: int = 1, stride: int = 1, pad: int | None = None
    ) -> None:
        super().__init__()
        pad = kernel // 2 if pad is None else pad
        self.conv = nn.Conv2d(ins, outs, kernel, stride, pad, bias=False)
        self.bn = nn.BatchNorm2d(outs, BN_EPS, BN_MOMENTUM)
        self.act = nn.SiLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.act(self.bn(self.conv(x)))
        return found


class Bottleneck(nn.Module):
    """1x1 and 3x3 convolution, added to the input with `shortcut`."""

    def __init__(self, channels: int, shortcut: bool) -> None:
        super().__init__()
        self.cv1 = Conv(channels, channels)
        self.cv2 = Conv(channels, channels, 3)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.cv2(self.cv1(x))
        return x + found if self.shortcut else found


class C3(nn.Module):
    """Cross-stage partial block: bottlenecks beside a 1x1 convolution, joined by another."""

    def __init__(self, ins: int, outs: int, repeats: int, shortcut: bool = True) -> None:
        super().__init__()
        half = outs // 2
        self.cv1 = Conv(ins, half)
        self.cv2 = Conv(ins, half)
        self.cv3 = Conv(2 * half, outs)
        self.m = nn.Sequential(*(Bottleneck(half, shortcut) for _ in range(repeats)))

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.cv3(torch.cat([self.m(self.cv1(x)), self.cv2(x)], 1))
        return found


class SPPF(nn.Module):
    """Spatial pyramid pooling as three pools in a chain."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.cv1 = Conv(channels, channels // 2)
        self.cv2 = Conv(2 * channels, channels)
        self.m = nn.MaxPool2d(5, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        parts = [self.cv1(x)]
        for _ in range(3):
            parts.append(self.m(parts[-1]))
        found: Tensor = self.cv2(torch.cat(parts, 1))
        return found


class Concat(nn.Module):
    """Joins channels; holds the place of a layer without weights."""

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return torch.cat([x, skip], 1)


class Detect(nn.Module):
    """The head: a 1x1 convolution a level.

    Attributes:
        anchors: (L, 3, 2) sizes in cells, a buffer of official checkpoints.
    """

    anchors: Tensor
    m: nn.ModuleList

    def __init__(self, classes: int, channels: Sequence[int], anchors: Tensor) -> None:
        super().__init__()
        self.classes = classes
        each = anchors.shape[1] * (5 + classes)
        self.m = nn.ModuleList(nn.Conv2d(c, each, 1) for c in channels)
        cells = anchors / torch.tensor(STRIDES).view(-1, 1, 1)
        self.register_buffer("anchors", cells)
        self._start()

    @torch.no_grad()
    def _start(self) -> None:
        """Biases that expect few objects (arXiv 1708.02002, section 3.3)."""
        for conv, stride in zip(self.m, STRIDES, strict=True):
            bias: Tensor = conv.get_parameter("bias").view(self.anchors.shape[1], -1)
            bias[:, 4] += math.log(PRIOR_OBJECTS / (640 / stride) ** 2)
            bias[:, 5:] += math.log(PRIOR_CLASSES / (self.classes - 0.99999))

    def forward(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """Maps (B, C, h, w) -> raw outputs (B, 3, h, w, 5 + classes)."""
        found = []
        for conv, x in zip(self.m, levels, strict=True):
            raw = conv(x).unflatten(1, (self.anchors.shape[1], 5 + self.classes))
            found.append(raw.permute(0, 1, 3, 4, 2))
        return found


class YoloV5(nn.Module):
    """Backbone, neck and head as one list of layers, whose numbers official checkpoints use.

    Args:
        deep, wide: multipliers of repeats and channels.
        classes: number of classes.
        anchors: (3, 3, 2) sizes in input pixels.
    """

    input_size = InputSize(32)
    strides: tuple[int, ...] = STRIDES
    head_tensors = tuple(f"model.24.m.{i}.{n}" for i in range(3) for n in ("weight", "bias"))

    def __init__(self, deep: float, wide: float, classes: int, anchors: Tensor) -> None:
        super().__init__()
        self.classes = classes

        def c(channels: int) -> int:
            return 8 * math.ceil(channels * wide / 8)

        def n(repeats: int) -> int:
            return max(round(repeats * deep), 1)

        c1, c2, c3, c4, c5 = (c(64 * 2**i) for i in range(5))
        self.model = nn.ModuleList(
            [
                Conv(3, c1, 6, 2, 2),
                Conv(c1, c2, 3, 2),
                C3(c2, c2, n(3)),
                Conv(c2, c3, 3, 2),
                C3(c3, c3, n(6)),
                Conv(c3, c4, 3, 2),
                C3(c4, c4, n(9)),
                Conv(c4, c5, 3, 2),
                C3(c5, c5, n(3)),
                SPPF(c5),
                Conv(c5, c4),
                nn.Upsample(scale_factor=2.0),
                Concat(),
                C3(2 * c4, c4, n(3), shortcut=False),
                Conv(c4, c3),
                nn.Upsample(scale_factor=2.0),
                Concat(),
                C3(2 * c3, c3, n(3), shortcut=False),
                Conv(c3, c3, 3, 2),
                Concat(),
                C3(2 * c3, c4, n(3), shortcut=False),
                Conv(c4, c4, 3, 2),
                Concat(),
                C3(2 * c4, c5, n(3), shortcut=False),
                Detect(classes, (c3, c4, c5), anchors),
            ]
        )

    @property
    def anchors_px(self) -> Tensor:
        """(3, 3, 2) widths and heights in input pixels."""
        anchors = self.model[-1].get_buffer("anchors")
        return anchors * anchors.new_tensor(self.strides).view(-1, 1, 1)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """(B, 3, H, W) in 0..1 -> raw outputs in training, decoded ones otherwise.

        In training {"p8", "p16", "p32"}: (B, 3, h, w, 5 + C). In evaluation {"output"}:
        (B, N, 5 + C) as `decode` gives them. H and W are multiples of 32.
        """
        self.input_size.check(images)
        m = self.model
        x = images
        for i in range(5):
            x = m[i](x)
        fine = x
        middle = m[6](m[5](fine))
        coarse = m[10](m[9](m[8](m[7](middle))))
        lateral = m[14](m[13](m[12](m[11](coarse), middle)))
        p8 = m[17](m[16](m[15](lateral), fine))
        p16 = m[20](m[19](m[18](p8), lateral))
        p32 = m[23](m[22](m[21](p16), coarse))
        raw = m[24]([p8, p16, p32])
        if self.training:
            return {f"p{stride}": level for stride, level in zip(self.strides, raw, strict=True)}
        return {"output": decode(raw, self.anchors_px, self.strides)}


def decode(levels: Sequence[Tensor], anchors_px: Tensor, strides: Sequence[int]) -> Tensor:
    """Raw outputs (B, A, h, w, 5 + C) of all levels -> (B, N, 5 + C).

    xy = (2 sigmoid - .5 + cell) stride, wh = (2 sigmoid)² anchor, in input pixels; objectness and
    classes by sigmoid. Rows by level, anchor, y, x (facts 1c).
    """
    rows = []
    for level, anchors, stride in zip(levels, anchors_px, strides, strict=True):
        raw = level.float()  # half precision would round positions to half a pixel
        height, width = raw.shape[2:4]
        x = torch.arange(width, device=raw.device, dtype=raw.dtype)
        y = torch.arange(height, device=raw.device, dtype=raw.dtype)
        cells = torch.stack([x[None, :].expand(height, -1), y[:, None].expand(-1, width)], -1)
        share = raw.sigmoid()
        centre = (2 * share[..., :2] - 0.5 + cells) * stride
        sides = (2 * share[..., 2:4]).square() * anchors.to(raw)[:, None, None]
        rows.append(torch.cat([centre, sides, share[..., 4:]], -1).flatten(1, 3))
    return torch.cat(rows, 1)


def yolov5(
    size: str = "n",
    classes: int = 80,
    anchors: Sequence[Sequence[Sequence[float]]] = ANCHORS_PX,
) -> YoloV5:
    """YOLOv5 with fresh weights.

    Args:
        size: n, s, m, l or x.
        classes: number of classes.
        anchors: (3, 3, 2) widths and heights in input pixels, fine level first.

    Raises `UsageError` for other sizes, no classes, and anchors of another shape.
    """
    if size not in SIZES:
        raise UsageError(f"YOLOv5 size {size!r} is unknown; use one of {', '.join(SIZES)}")
    if classes < 1:
        raise UsageError(f"YOLOv5 with {classes} classes; give at least 1")
    wrong = "anchors are 3 levels of 3 pairs of positive numbers, in pixels"
    try:
        sides = torch.tensor(anchors, dtype=torch.float32)
    except (TypeError, ValueError) as error:
        raise UsageError(wrong) from error
    if sides.shape != (3, 3, 2) or not ((sides > 0) & sides.isfinite()).all():
        raise UsageError(wrong)
    return YoloV5(*SIZES[size], classes, sides)
