"""Networks that darknet's `.cfg` files describe."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from howfar.errors import ModelError
from howfar.nets.blocks import InputSize
from howfar.nets.darknet_cfg import (
    Cfg,
    Convolution,
    Layer,
    MaxPool,
    Route,
    Shortcut,
    Upsample,
    Yolo,
    absolute,
    parse_cfg,
)

BN_EPS = 1e-5
LEAK = 0.1


class Convolved(nn.Module):
    """A convolution with what darknet's `[convolutional]` does after it.

    `norm` is None where there is a bias instead.
    """

    def __init__(self, layer: Convolution, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            channels,
            layer.filters,
            layer.size,
            layer.stride,
            layer.size // 2,
            groups=layer.groups,
            bias=not layer.batch_norm,
        )
        self.norm = nn.BatchNorm2d(layer.filters, BN_EPS) if layer.batch_norm else None
        self.activation = layer.activation

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return activated(x if self.norm is None else self.norm(x), self.activation)


class Darknet(nn.Module):
    """A detector from its description.

    Args:
        cfg: layers with at least one `[yolo]`, all with as many anchors and classes.

    Attributes:
        cfg: the description.
        layers: a module for each convolution; other layers have no weights.
        strides: input pixels of a cell of each head, fine first.
        scale_xy: of each head.
        classes: number of classes.

    Raises `ModelError` where the layers do not fit together.
    """

    def __init__(self, cfg: Cfg) -> None:
        super().__init__()
        self.cfg = cfg
        channels, strides = geometry(cfg)
        self.layers = nn.ModuleDict(
            {
                str(i): Convolved(layer, cfg.net.channels if i == 0 else channels[i - 1])
                for i, layer in enumerate(cfg.layers)
                if isinstance(layer, Convolution)
            }
        )
        heads = [(strides[i], i) for i, layer in enumerate(cfg.layers) if isinstance(layer, Yolo)]
        self._heads = [i for _, i in sorted(heads)]
        self.strides = tuple(sorted(stride for stride, _ in heads))
        self.head_tensors = tuple(
            f"layers.{i - 1}.conv.{name}" for i in self._heads for name in ("weight", "bias")
        )
        yolos = [layer for i in self._heads if isinstance(layer := cfg.layers[i], Yolo)]
        self.classes = yolos[0].classes
        self.scale_xy = tuple(layer.scale_xy for layer in yolos)
        if len({(len(y.mask), y.classes) for y in yolos}) > 1:
            raise ModelError("the [yolo] sections have different numbers of anchors or classes")
        sides = [[y.anchors[m] for m in y.mask] for y in yolos]
        self.register_buffer("anchors", torch.tensor(sides), persistent=False)
        self.input_size = InputSize(max(strides))
        if cfg.net.width % max(strides) or cfg.net.height % max(strides):
            raise ModelError(
                f"[net] width={cfg.net.width} height={cfg.net.height}; this network takes "
                f"multiples of {max(strides)}"
            )
        self._kept = needed(cfg)

    @property
    def anchors_px(self) -> Tensor:
        """(L, A, 2) widths and heights in input pixels."""
        return self.get_buffer("anchors")

    def raw(self, images: Tensor) -> dict[int, Tensor]:
        """What each head is given, by the number of its layer: (B, A (5 + C), h, w)."""
        self.input_size.check(images)
        kept: dict[int, Tensor] = {}
        found: dict[int, Tensor] = {}
        x = images
        for i, layer in enumerate(self.cfg.layers):
            if isinstance(layer, Convolution):
                x = self.layers[str(i)](x)
            elif isinstance(layer, Yolo):
                found[i] = x
            else:
                x = _without_weights(layer, i, x, kept)
            if i in self._kept:
                kept[i] = x
        return found

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """(B, 3, H, W) in 0..1 -> raw outputs in training, decoded ones otherwise.

        In training {"p8", ...}: (B, A, h, w, 5 + C) for each stride, fine first. In evaluation
        {"output"}: (B, N, 5 + C), see `decode`.
        """
        found = self.raw(images)
        levels = [self._level(found[i]) for i in self._heads]
        if self.training:
            return {f"p{stride}": x for stride, x in zip(self.strides, levels, strict=True)}
        return {"output": decode(levels, self.anchors_px, self.strides, self.scale_xy)}

    def _level(self, x: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        each = self.anchors_px.shape[1]
        return x.view(batch, each, -1, height, width).permute(0, 1, 3, 4, 2)


def darknet(cfg: str) -> Darknet:
    """The network that the text of a `.cfg` describes, with fresh weights. Raises `ModelError`."""
    return Darknet(parse_cfg(cfg))


def decode(
    levels: Sequence[Tensor], anchors_px: Tensor, strides: Sequence[int], scale_xy: Sequence[float]
) -> Tensor:
    """Raw outputs (B, A, h, w, 5 + C) of all levels -> (B, N, 5 + C), `cx, cy, w, h` in pixels.

    x = (cell + s sigmoid - (s - 1) / 2) stride, w = e^t anchor, s = `scale_xy`; objectness and
    classes by sigmoid (facts 1d). Rows by level, anchor, y, x.
    """
    rows = []
    for level, anchors, stride, s in zip(levels, anchors_px, strides, scale_xy, strict=True):
        raw = level.float()  # half precision would round positions to half a pixel
        height, width = raw.shape[2:4]
        x = torch.arange(width, device=raw.device, dtype=raw.dtype)
        y = torch.arange(height, device=raw.device, dtype=raw.dtype)
        cells = torch.stack([x[None, :].expand(height, -1), y[:, None].expand(-1, width)], -1)
        centre = (cells + raw[..., :2].sigmoid() * s - (s - 1) / 2) * stride
        sides = raw[..., 2:4].exp() * anchors.to(raw)[:, None, None]
        rows.append(torch.cat([centre, sides, raw[..., 4:].sigmoid()], -1).flatten(1, 3))
    return torch.cat(rows, 1)


def activated(x: Tensor, name: str) -> Tensor:
    """Darknet's activations; mish is x tanh(softplus x)."""
    match name:
        case "mish":
            return F.mish(x)
        case "leaky":
            return F.leaky_relu(x, LEAK)
        case "relu":
            return F.relu(x)
        case "logistic":
            return x.sigmoid()
        case "swish":
            return F.silu(x)
    return x


def _without_weights(layer: Layer, number: int, x: Tensor, kept: dict[int, Tensor]) -> Tensor:
    match layer:
        case Route():
            parts = [kept[absolute(source, number)] for source in layer.layers]
            if layer.groups > 1:
                parts = [part.chunk(layer.groups, 1)[layer.group_id] for part in parts]
            return parts[0] if len(parts) == 1 else torch.cat(parts, 1)
        case Shortcut():
            return activated(x + kept[absolute(layer.source, number)], layer.activation)
        case MaxPool():
            return _pooled(x, layer)
        case Upsample():
            return F.interpolate(x, scale_factor=float(layer.stride))
    raise TypeError(f"{layer} has weights")


def _pooled(x: Tensor, layer: MaxPool) -> Tensor:
    if layer.size % 2:
        return F.max_pool2d(x, layer.size, layer.stride, layer.size // 2)
    before = (layer.size - 1) // 2
    after = layer.size - 1 - before
    x = F.pad(x, (before, after, before, after), value=-torch.inf)
    return F.max_pool2d(x, layer.size, layer.stride)


def needed(cfg: Cfg) -> frozenset[int]:
    """Layers that later ones refer to."""
    found: set[int] = set()
    for i, layer in enumerate(cfg.layers):
        if isinstance(layer, Route):
            found |= {absolute(source, i) for source in layer.layers}
        elif isinstance(layer, Shortcut):
            found.add(absolute(layer.source, i))
    return frozenset(found)


def geometry(cfg: Cfg) -> tuple[list[int], list[int]]:
    """Channels and stride of every layer's output. Raises `ModelError` where they do not fit."""
    channels: list[int] = []
    strides: list[int] = []
    for i, layer in enumerate(cfg.layers):
        width = channels[-1] if i else cfg.net.channels
        stride = strides[-1] if i else 1
        if isinstance(layer, Route | Shortcut):
            width, stride = _combined(layer, i, channels, strides)
        elif isinstance(layer, Upsample):
            if stride % layer.stride:
                raise ModelError(f"layer {i}: would be larger than the picture")
            stride //= layer.stride
        elif isinstance(layer, Yolo):
            _check_head(layer, i, width)
        else:
            stride *= layer.stride
        if isinstance(layer, Convolution):
            if width % layer.groups or layer.filters % layer.groups:
                raise ModelError(f"layer {i}: {width} channels in {layer.groups} groups")
            width = layer.filters
        channels.append(width)
        strides.append(stride)
    return channels, strides


def _combined(
    layer: Route | Shortcut, number: int, channels: list[int], strides: list[int]
) -> tuple[int, int]:
    """Channels and stride of what comes together in a layer."""
    if isinstance(layer, Route):
        sources = [absolute(source, number) for source in layer.layers]
        if len({strides[s] for s in sources}) > 1:
            raise ModelError(f"layer {number}: routes maps of different sizes")
        if any(channels[s] % layer.groups for s in sources):
            raise ModelError(f"layer {number}: channels do not divide into {layer.groups} groups")
        return sum(channels[s] for s in sources) // layer.groups, strides[sources[0]]
    source = absolute(layer.source, number)
    if (channels[source], strides[source]) != (channels[-1], strides[-1]):
        raise ModelError(f"layer {number}: adds maps of different shapes")
    return channels[-1], strides[-1]


def _check_head(layer: Yolo, number: int, channels: int) -> None:
    wanted = len(layer.mask) * (5 + layer.classes)
    if channels != wanted:
        raise ModelError(
            f"layer {number}: [yolo] of {len(layer.mask)} anchors and {layer.classes} classes "
            f"needs {wanted} channels, the layer before gives {channels}"
        )
