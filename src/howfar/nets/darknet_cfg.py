"""Darknet's `.cfg` files: `[section]` and `key=value`, one section a layer (facts 1d)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from howfar.errors import ModelError

ACTIVATIONS = ("linear", "mish", "leaky", "relu", "logistic", "swish")
COUNTS = ("filters", "size", "stride", "groups", "classes")
T = TypeVar("T")


@dataclass(frozen=True)
class Net:
    """The header.

    Attributes:
        width, height: of the input, in pixels.
        channels: of the input.
    """

    width: int = 608
    height: int = 608
    channels: int = 3


@dataclass(frozen=True)
class Convolution:
    """A convolution padded to keep its size at stride 1.

    Attributes:
        filters: channels of its output.
        size, stride, groups: of the kernel.
        batch_norm: whether one follows; otherwise there is a bias.
        activation: one of `ACTIVATIONS`.
    """

    filters: int
    size: int
    stride: int = 1
    batch_norm: bool = True
    activation: str = "linear"
    groups: int = 1


@dataclass(frozen=True)
class Route:
    """Outputs of earlier layers side by side.

    Attributes:
        layers: their numbers; negative ones count back from this layer.
        groups, group_id: only this part of their channels.
    """

    layers: tuple[int, ...]
    groups: int = 1
    group_id: int = 0


@dataclass(frozen=True)
class Shortcut:
    """The sum of the last output and that of layer `source` (negative: back from this layer)."""

    source: int
    activation: str = "linear"


@dataclass(frozen=True)
class MaxPool:
    """Maximum over `size` x `size`, padded to keep its size at stride 1."""

    size: int
    stride: int = 1


@dataclass(frozen=True)
class Upsample:
    """Nearest neighbour by a whole factor."""

    stride: int = 2


@dataclass(frozen=True)
class Yolo:
    """A head; it has no weights, the convolution before it gives its numbers.

    Attributes:
        mask: which of `anchors` are its own.
        anchors: widths and heights in input pixels, of all heads.
        classes: number of classes.
        scale_xy: how far centres reach over their cell.
    """

    mask: tuple[int, ...]
    anchors: tuple[tuple[float, float], ...]
    classes: int
    scale_xy: float = 1.0


Layer = Convolution | Route | Shortcut | MaxPool | Upsample | Yolo


@dataclass(frozen=True)
class Cfg:
    """A network as darknet describes it."""

    net: Net
    layers: tuple[Layer, ...]


@dataclass(frozen=True)
class _Section:
    """A section of a file, and where it begins."""

    name: str
    where: str
    values: Mapping[str, str]

    def get(self, key: str, kind: Callable[[str], T], default: T | None = None) -> T:
        """A value; raises `ModelError` that names the line of the section."""
        if key not in self.values:
            if default is None:
                raise ModelError(f"{self.where}: [{self.name}] lacks {key}=")
            return default
        text = self.values[key]
        try:
            return kind(text)
        except ValueError as error:
            raise ModelError(f"{self.where}: {key}={text} is not understood") from error

    def activation(self, default: str) -> str:
        """Its activation."""
        found = self.get("activation", str, default)
        if found not in ACTIVATIONS:
            known = ", ".join(ACTIVATIONS)
            raise ModelError(f"{self.where}: activation={found} is unknown; known are {known}")
        return found


def parse_cfg(text: str, source: str = "cfg") -> Cfg:
    """The network that a `.cfg` describes; `source` names the file in errors.

    Keys that only matter for training are ignored. Raises `ModelError`, which names the line, for
    anything that is not understood, and for layers that reach back too far.
    """
    sections = _sections(text, source)
    if not sections or sections[0].name not in ("net", "network"):
        raise ModelError(f"{source}: a darknet cfg begins with [net]")
    net = _net(sections[0])
    layers: list[Layer] = []
    for section in sections[1:]:
        if section.name not in _READERS:
            known = ", ".join(_READERS)
            raise ModelError(f"{section.where}: [{section.name}] is unknown; known are {known}")
        layer = _READERS[section.name](section)
        _check(layer, len(layers), section.where)
        layers.append(layer)
    if not any(isinstance(layer, Yolo) for layer in layers):
        raise ModelError(f"{source}: has no [yolo] section, so it finds no objects")
    return Cfg(net, tuple(layers))


def _sections(text: str, source: str) -> list[_Section]:
    found: list[_Section] = []
    values: dict[str, str] = {}
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.split("#")[0].split(";")[0].strip()
        where = f"{source}, line {number}"
        if not line:
            continue
        if line.startswith("["):
            if not line.endswith("]"):
                raise ModelError(f"{where}: {line!r} is no [section]")
            values = {}
            found.append(_Section(line[1:-1].strip(), where, values))
        elif "=" in line and found:
            key, _, value = line.partition("=")
            values[key.strip()] = value.strip()
        else:
            raise ModelError(f"{where}: {line!r} is neither [section] nor key=value")
    return found


def _net(s: _Section) -> Net:
    net = Net(s.get("width", int, 608), s.get("height", int, 608), s.get("channels", int, 3))
    if net.width < 1 or net.height < 1:
        raise ModelError(f"{s.where}: width={net.width} height={net.height}; give at least 1")
    if net.channels != 3:
        raise ModelError(f"{s.where}: channels={net.channels}; only 3, of pictures, are supported")
    return net


def _convolution(s: _Section) -> Convolution:
    size = s.get("size", int, 1)
    if size > 1 and not s.get("pad", int, 0):
        raise ModelError(f"{s.where}: convolutions without pad=1 are not supported")
    if size % 2 == 0:
        raise ModelError(f"{s.where}: size={size}; only odd sizes are supported")
    return Convolution(
        s.get("filters", int),
        size,
        s.get("stride", int, 1),
        bool(s.get("batch_normalize", int, 0)),
        s.activation("logistic"),
        s.get("groups", int, 1),
    )


def _yolo(s: _Section) -> Yolo:
    if s.get("new_coords", int, 0):
        raise ModelError(f"{s.where}: new_coords=1 (Scaled-YOLOv4) is not supported")
    numbers = s.get("anchors", _numbers)
    pairs = tuple(zip(numbers[::2], numbers[1::2], strict=False))
    mask = s.get("mask", _whole)
    if len(numbers) % 2 or not mask or not all(0 <= m < len(pairs) for m in mask):
        raise ModelError(f"{s.where}: mask={mask} does not fit {len(numbers) / 2:g} anchors")
    if not all(0 < side < math.inf for side in numbers):
        raise ModelError(f"{s.where}: anchors={_joined(numbers)}; give positive numbers, in pixels")
    scale = s.get("scale_x_y", float, 1.0)
    if not 0 < scale < math.inf:
        raise ModelError(f"{s.where}: scale_x_y={scale:g}; give a positive number")
    return Yolo(mask, pairs, s.get("classes", int), scale)


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(",") if part.strip())


def _whole(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(",") if part.strip())


_READERS: dict[str, Callable[[_Section], Layer]] = {
    "convolutional": _convolution,
    "route": lambda s: Route(
        s.get("layers", _whole), s.get("groups", int, 1), s.get("group_id", int, 0)
    ),
    "shortcut": lambda s: Shortcut(s.get("from", int), s.activation("linear")),
    "maxpool": lambda s: MaxPool(s.get("size", int), s.get("stride", int, 1)),
    "upsample": lambda s: Upsample(s.get("stride", int, 2)),
    "yolo": _yolo,
}


def _check(layer: Layer, number: int, where: str) -> None:
    """Refuse what cannot be built."""
    for name, value in vars(layer).items():
        if name in COUNTS and value < 1:
            raise ModelError(f"{where}: {name}={value}; give at least 1")
    if isinstance(layer, Route | Shortcut):
        for source in layer.layers if isinstance(layer, Route) else (layer.source,):
            if not 0 <= absolute(source, number) < number:
                raise ModelError(f"{where}: layer {number} refers to layer {source}, which is none")
    elif number == 0 and not isinstance(layer, Convolution):
        raise ModelError(f"{where}: the first layer must be [convolutional]")
    if isinstance(layer, Route) and not layer.layers:
        raise ModelError(f"{where}: route without layers")
    if isinstance(layer, Route) and not 0 <= layer.group_id < layer.groups:
        raise ModelError(
            f"{where}: group_id={layer.group_id}; give 0 to {layer.groups - 1}, as groups="
            f"{layer.groups}"
        )


def absolute(source: int, number: int) -> int:
    """The number of the layer that `source` means in layer `number`."""
    return source if source >= 0 else number + source


def cfg_text(cfg: Cfg) -> str:
    """The `.cfg` file of a network, as darknet and OpenCV read it."""
    lines = [
        f"[net]\nwidth={cfg.net.width}\nheight={cfg.net.height}\nchannels={cfg.net.channels}\n"
    ]
    for layer in cfg.layers:
        match layer:
            case Convolution():
                norm = "batch_normalize=1\n" if layer.batch_norm else ""
                groups = f"groups={layer.groups}\n" if layer.groups > 1 else ""
                lines.append(
                    f"[convolutional]\n{norm}filters={layer.filters}\nsize={layer.size}\n"
                    f"stride={layer.stride}\npad=1\n{groups}activation={layer.activation}\n"
                )
            case Route():
                part = ""
                if layer.groups > 1:
                    part = f"groups={layer.groups}\ngroup_id={layer.group_id}\n"
                lines.append(f"[route]\nlayers={_joined(layer.layers)}\n{part}")
            case Shortcut():
                lines.append(f"[shortcut]\nfrom={layer.source}\nactivation={layer.activation}\n")
            case MaxPool():
                lines.append(f"[maxpool]\nstride={layer.stride}\nsize={layer.size}\n")
            case Upsample():
                lines.append(f"[upsample]\nstride={layer.stride}\n")
            case Yolo():
                anchors = [n for pair in layer.anchors for n in pair]
                lines.append(
                    f"[yolo]\nmask={_joined(layer.mask)}\nanchors={_joined(anchors)}\n"
                    f"classes={layer.classes}\nnum={len(layer.anchors)}\n"
                    f"scale_x_y={layer.scale_xy:g}\n"
                )
    return "\n".join(lines)


def _joined(numbers: Sequence[float]) -> str:
    return ",".join(f"{n:g}" for n in numbers)
