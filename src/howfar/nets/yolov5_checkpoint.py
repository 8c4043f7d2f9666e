"""Weights of YOLOv5 from other people's files, read without running code of theirs (facts 1c)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from howfar.errors import ModelError, UsageError
from howfar.models.classes import NAMED_CLASSES
from howfar.nets.safe import StandIn
from howfar.nets.yolov5 import SIZES, STRIDES, YoloV5, yolov5

STAND_INS = (
    *(f"models.yolo.{name}" for name in ("Model", "DetectionModel", "Detect")),
    *(
        f"models.common.{name}"
        for name in (
            "Conv",
            "Bottleneck",
            "C3",
            "SPPF",
            "Concat",
            "AutoShape",
            "Focus",
            "SPP",
            "BottleneckCSP",
        )
    ),
    "torch.nn.modules.activation.SiLU",
    "torch.nn.modules.activation.Hardswish",
    "torch.nn.modules.activation.LeakyReLU",
    "torch.nn.modules.batchnorm.BatchNorm2d",
    "torch.nn.modules.container.ModuleList",
    "torch.nn.modules.container.Sequential",
    "torch.nn.modules.conv.Conv2d",
    "torch.nn.modules.linear.Identity",
    "torch.nn.modules.pooling.MaxPool2d",
    "torch.nn.modules.upsampling.Upsample",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray._reconstruct",
    "numpy.ndarray",
    "numpy.dtype",
    "_codecs.encode",
    "pathlib.PosixPath",
    "pathlib.WindowsPath",
)
"""Classes and functions that occur in checkpoints of YOLOv5. None is used: a `StandIn` is."""
OLD = ("model.24.anchor_grid", "model.0.conv.conv.weight")
"""Tensors of v5.0 and earlier."""
LATER = ".dfl.conv.weight"
"""How a tensor of the head of YOLOv8 and its successors ends."""
WIDTHS = {8 * math.ceil(64 * wide / 8): size for size, (_, wide) in SIZES.items()}
"""Channels of the first layer -> size."""
READABLE = (
    "what can be read are checkpoints of howfar train, and detectors of YOLOv5 v6.0 to v7.0 with "
    "three levels; export other networks to ONNX where they come from"
)


@dataclass(frozen=True, eq=False)
class LoadedYoloV5:
    """A network from a file.

    Attributes:
        module: in evaluation mode, float32.
        size: n, s, m, l or x.
        names: of its classes.
        source: what was taken: `ema`, `model`, `state_dict` or `safetensors`.
    """

    module: YoloV5
    size: str
    names: tuple[str, ...]
    source: str


def yolov5_of(content: Any, path: Path) -> LoadedYoloV5:
    """YOLOv5 from what a `.pt` file holds, read with `STAND_INS`: an official checkpoint, a module,
    or a plain state_dict.

    Of a checkpoint the moving average is taken where there is one. Only the versions v6.0 to v7.0
    with three levels can be read.

    Raises `ModelError`, which names what a file is or lacks, for all others.
    """
    if isinstance(content, StandIn):
        return yolov5_of_tensors(dict(tensors_of(content)), path, "model", names_of(content))
    if not isinstance(content, Mapping):
        raise ModelError(f"{path}: holds a {type(content).__name__}; {READABLE}")
    for part in ("ema", "model"):
        found = content.get(part)
        if isinstance(found, StandIn):
            return yolov5_of_tensors(dict(tensors_of(found)), path, part, names_of(found))
    inner = _mapping(content.get("state_dict", content))
    tensors = {str(n): v for n, v in inner.items() if isinstance(v, Tensor)}
    return yolov5_of_tensors(tensors, path, "state_dict")


def yolov5_of_tensors(
    tensors: Mapping[str, Tensor], path: Path, source: str, names: Any = None
) -> LoadedYoloV5:
    """YOLOv5 from its tensors by their official names, with any prefix of a wrapper."""
    state = without_prefix(tensors)
    for name, value in state.items():
        if not _ordinary(value):
            raise ModelError(
                f"{path}: {name} is no plain tensor of real numbers (sparse, quantised, complex or "
                "without data); save the network again as a state_dict"
            )
    size = size_of(state, path)
    classes = len(state["model.24.m.0.bias"]) // 3 - 5
    anchors = state["model.24.anchors"].float()
    pixels = [(level * stride).tolist() for level, stride in zip(anchors, STRIDES, strict=True)]
    try:
        module = yolov5(size, classes, pixels)
    except UsageError as error:
        raise ModelError(f"{path}: no YOLOv5 can be made of it: {error}") from error
    own = module.state_dict()
    wrong = sorted(set(own) ^ set(state))
    wrong += [n for n in own if n in state and own[n].shape != state[n].shape]
    if wrong:
        raise ModelError(
            f"{path}: its tensors are not those of YOLOv5{size}, v6.0 to v7.0: {wrong[0]} "
            f"({len(wrong)} differ); export it to ONNX where it comes from"
        )
    module.load_state_dict({name: value.to(own[name].dtype) for name, value in state.items()})
    module.eval()
    return LoadedYoloV5(module, size, class_names(names, classes, path), source)


def tensors_of(module: StandIn, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    """The state_dict of a module that was not built.

    A module that occurs more than once counts the first time: so files whose modules hold
    themselves, or each other many times, come to an end.
    """
    todo, seen = [(prefix, module)], {id(module)}
    while todo:
        before, state = todo[-1][0], _mapping(todo.pop()[1].state)
        passing = state.get("_non_persistent_buffers_set")
        passing = passing if isinstance(passing, set) else set()
        for kind in ("_parameters", "_buffers"):
            for name, value in _mapping(state.get(kind)).items():
                if isinstance(value, Tensor) and name not in passing:
                    yield f"{before}{name}", value.detach()
        children = []
        for name, child in _mapping(state.get("_modules")).items():
            if isinstance(child, StandIn) and id(child) not in seen:
                seen.add(id(child))
                children.append((f"{before}{name}.", child))
        todo += reversed(children)


def names_of(module: StandIn) -> Any:
    """The attribute `names` of a module that was not built, also inside up to two wrappers."""
    for _ in range(2):
        state = _mapping(module.state)
        inner = _mapping(state.get("_modules")).get("model")
        if "names" in state or not isinstance(inner, StandIn):
            break
        module = inner
    return _mapping(module.state).get("names")


def _mapping(value: Any) -> Mapping[Any, Any]:
    """The value, or nothing where a file has something else in its place."""
    return value if isinstance(value, Mapping) else {}


def _ordinary(value: Tensor) -> bool:
    """Whether a tensor holds a real number of its own for each of its places."""
    if value.layout is not torch.strided or value.device.type != "cpu":
        return False
    stored = value.untyped_storage().nbytes() >= value.numel() * value.element_size()
    return stored and not value.is_complex() and not value.is_quantized


def without_prefix(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names without the `model.` that wrappers put before them."""
    found = dict(tensors)
    while found and all(name.startswith("model.model.") for name in found):
        found = {name.removeprefix("model."): value for name, value in found.items()}
    return found


def size_of(state: Mapping[str, Tensor], path: Path) -> str:
    """n, s, m, l or x. Raises `ModelError` for tensors that are not YOLOv5's."""
    if any(name in state for name in OLD):
        raise ModelError(
            f"{path}: a YOLOv5 of v5.0 or earlier, which is another network; take a file of v6.0 "
            "to v7.0, or export this one to ONNX"
        )
    if any(name.endswith(LATER) for name in state):
        raise ModelError(f"{path}: a YOLOv8 or a successor, not YOLOv5; {READABLE}")
    first = state.get("model.0.conv.weight")
    if first is not None and "model.0.bn.weight" not in state:
        raise ModelError(f"{path}: its batch norms are fused away; take the file as it was trained")
    head = [state.get(f"model.24.{name}") for name in ("anchors", "m.0.bias", "m.0.weight")]
    if first is None or any(part is None for part in head) or tuple(first.shape[1:]) != (3, 6, 6):
        some = ", ".join(map(str, list(state)[:3])) or "no tensors"
        raise ModelError(f"{path}: holds {some}; {READABLE}")
    if first.shape[0] not in WIDTHS:
        raise ModelError(f"{path}: a YOLOv5 of unknown width, {first.shape[0]} channels")
    anchors, bias, weight = (tuple(part.shape) for part in head if part is not None)
    if anchors != (3, 3, 2) or len(bias) != 1 or bias[0] % 3 or weight[:1] != bias:
        raise ModelError(
            f"{path}: a YOLOv5 whose head has not 3 anchors on 3 levels: anchors {anchors}, "
            f"bias {bias}, weight {weight}; {READABLE}"
        )
    return WIDTHS[first.shape[0]]


def class_names(given: Any, count: int, path: Path) -> tuple[str, ...]:
    """Names of classes: the file's, else COCO's for 80, else numbers."""
    if isinstance(given, Mapping):
        if not all(isinstance(key, int) for key in given):
            raise ModelError(f"{path}: its class names are not numbered: {list(given)[:3]}")
        given = [given[key] for key in sorted(given)]
    if isinstance(given, list | tuple) and given:
        if len(given) != count:
            raise ModelError(f"{path}: has {count} classes and {len(given)} names")
        if not all(isinstance(name, str) for name in given):
            raise ModelError(f"{path}: its class names are no texts: {list(given)[:3]}")
        return tuple(given)
    coco = NAMED_CLASSES["coco80"]
    return coco if count == len(coco) else tuple(f"class {i}" for i in range(count))
