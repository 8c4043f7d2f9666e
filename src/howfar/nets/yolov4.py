"""YOLOv4 (arXiv 2004.10934) as darknet's yolov4.cfg has it (facts 1d, appendix B)."""

from __future__ import annotations

from collections.abc import Sequence

from howfar.errors import UsageError
from howfar.nets.blocks import scaled
from howfar.nets.darknet import Darknet
from howfar.nets.darknet_cfg import (
    Cfg,
    Convolution,
    Layer,
    MaxPool,
    Net,
    Route,
    Shortcut,
    Upsample,
    Yolo,
)

ANCHORS_PX = (
    *((12, 16), (19, 36), (40, 28)),
    *((36, 75), (76, 55), (72, 146)),
    *((142, 110), (192, 243), (459, 401)),
)
SCALE_XY = {8: 1.2, 16: 1.1, 32: 1.05}
RESIDUALS = {64: 1, 128: 2, 256: 8, 512: 8, 1024: 4}
"""Channels of each stage of the backbone -> its residual blocks."""


def yolov4(
    classes: int = 80,
    width: float = 1.0,
    anchors: Sequence[Sequence[float]] = ANCHORS_PX,
    imgsz: int = 608,
) -> Darknet:
    """YOLOv4 with fresh weights.

    Args:
        classes: number of classes.
        width: multiplies the channels.
        anchors: (9, 2) widths and heights in input pixels, three for each level, fine first.
        imgsz: input size that its `.cfg` names; the network takes any multiple of 32.

    Raises `UsageError` for no classes and anchors of another shape.
    """
    return Darknet(yolov4_cfg(classes, width, anchors, imgsz))


def yolov4_cfg(
    classes: int = 80,
    width: float = 1.0,
    anchors: Sequence[Sequence[float]] = ANCHORS_PX,
    imgsz: int = 608,
) -> Cfg:
    """The 162 layers, see `yolov4`."""
    if classes < 1:
        raise UsageError(f"YOLOv4 with {classes} classes; give at least 1")
    if imgsz < 1:
        raise UsageError(f"YOLOv4 of imgsz {imgsz}; give a multiple of 32, in pixels")
    pairs = tuple((float(pair[0]), float(pair[1])) for pair in anchors if len(pair) == 2)
    if len(pairs) != 9 or not all(side > 0 for pair in pairs for side in pair):
        raise UsageError("anchors are 9 pairs of positive numbers, in pixels")
    build = _Builder(classes, width, pairs)
    build.backbone()
    build.neck()
    return Cfg(Net(imgsz, imgsz), tuple(build.layers))


class _Builder:
    """Appends layers, as the file lists them."""

    def __init__(
        self, classes: int, width: float, anchors: tuple[tuple[float, float], ...]
    ) -> None:
        self.classes, self.width, self.anchors = classes, width, anchors
        self.layers: list[Layer] = []

    def conv(self, filters: int, size: int, stride: int = 1, activation: str = "mish") -> None:
        wide = scaled(filters, self.width)
        self.layers.append(Convolution(wide, size, stride, True, activation))

    def leaky(self, *filters: int) -> None:
        """1x1 and 3x3 convolutions in turn."""
        for i, count in enumerate(filters):
            self.conv(count, 3 if i % 2 else 1, activation="leaky")

    def route(self, *layers: int) -> None:
        self.layers.append(Route(layers))

    def backbone(self) -> None:
        """CSPDarknet53."""
        self.conv(32, 3)
        for channels, repeats in RESIDUALS.items():
            self.stage(channels, repeats)

    def stage(self, channels: int, repeats: int) -> None:
        """Halves the map; one half of the channels passes by the residual blocks."""
        first = channels == 64
        half = channels if first else channels // 2
        self.conv(channels, 3, 2)
        self.conv(half, 1)
        self.route(-2)
        self.conv(half, 1)
        for _ in range(repeats):
            self.conv(half // 2 if first else half, 1)
            self.conv(half, 3)
            self.layers.append(Shortcut(-3))
        self.conv(half, 1)
        self.route(-1, -(3 * repeats + 4))
        self.conv(channels, 1)

    def neck(self) -> None:
        """Pyramid pooling, then the path from coarse to fine and back, with a head each."""
        self.leaky(512, 1024, 512)
        for i, size in enumerate((5, 9, 13)):
            self.layers.append(MaxPool(size))
            self.route(*((-2,), (-4,), (-1, -3, -5, -6))[i])
        self.leaky(512, 1024, 512)
        self.up(256, 85)
        self.up(128, 54)
        self.head(256, 0)
        self.down(256, -16)
        self.head(512, 1)
        self.down(512, -37)
        self.head(1024, 2)

    def up(self, channels: int, lateral: int) -> None:
        """To the map of layer `lateral` of the backbone."""
        self.leaky(channels)
        self.layers.append(Upsample())
        self.route(lateral)
        self.leaky(channels)
        self.route(-1, -3)
        self.leaky(channels, 2 * channels, channels, 2 * channels, channels)

    def down(self, channels: int, lateral: int) -> None:
        """From the head before to the coarser map of layer `lateral`, counted back."""
        self.route(-4)
        self.conv(channels, 3, 2, "leaky")
        self.route(-1, lateral)
        self.leaky(channels, 2 * channels, channels, 2 * channels, channels)

    def head(self, channels: int, level: int) -> None:
        self.conv(channels, 3, activation="leaky")
        self.layers.append(Convolution(3 * (5 + self.classes), 1, 1, False, "linear"))
        mask = tuple(range(3 * level, 3 * level + 3))
        scale = SCALE_XY[8 * 2**level]
        self.layers.append(Yolo(mask, self.anchors, self.classes, scale))
