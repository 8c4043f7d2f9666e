"""An ONNX graph as a torch module, so that networks of the catalog can teach on any device.

The graph is walked node by node; each operator is one small function here. What is not known is
refused by name when the module is made. Only what the catalog's networks use is covered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from howfar.errors import ModelError

Attributes = Mapping[str, Any]
Operator = Callable[[Sequence[Any], Attributes], Any]


def _whole(value: Tensor) -> list[int]:
    return [int(v) for v in value.reshape(-1).tolist()]


def _pads(attributes: Attributes, kernel: Sequence[int], size: Sequence[int]) -> list[int]:
    """Padding (left, right, top, bottom) of a convolution or pooling."""
    strides = attributes.get("strides", [1, 1])
    dilations = attributes.get("dilations", [1, 1])
    auto = attributes.get("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        sides = []
        for k, s, d, n in zip(kernel, strides, dilations, size, strict=True):
            total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
            small, large = total // 2, total - total // 2
            sides.append((small, large) if auto == "SAME_UPPER" else (large, small))
        return [*sides[1], *sides[0]]
    top, left, bottom, right = attributes.get("pads", [0, 0, 0, 0])
    return [left, right, top, bottom]


def _conv(given: Sequence[Any], attributes: Attributes) -> Any:
    x, weight, *bias = given
    pads = _pads(attributes, weight.shape[2:], x.shape[2:])
    padding: Any = (pads[2], pads[0])
    if pads[0] != pads[1] or pads[2] != pads[3]:
        x, padding = functional.pad(x, pads), 0
    strides, dilations = attributes.get("strides", 1), attributes.get("dilations", 1)
    b = bias[0] if bias else None
    return functional.conv2d(x, weight, b, strides, padding, dilations, attributes.get("group", 1))


def _max_pool(given: Sequence[Any], attributes: Attributes) -> Any:
    (x,) = given
    kernel = attributes["kernel_shape"]
    x = functional.pad(x, _pads(attributes, kernel, x.shape[2:]), value=-torch.inf)
    return functional.max_pool2d(x, kernel, attributes.get("strides", 1))


def _resize(given: Sequence[Any], attributes: Attributes) -> Any:
    x, *rest = given
    sizes = rest[2] if len(rest) > 2 and rest[2] is not None else None
    if sizes is not None:
        size = _whole(sizes)[2:]
    else:
        size = [int(n * f) for n, f in zip(x.shape[2:], rest[1].tolist()[2:], strict=True)]
    mode = attributes.get("mode", "nearest")
    where = attributes.get("coordinate_transformation_mode", "half_pixel")
    if mode == "nearest":
        if any(new % old for new, old in zip(size, x.shape[2:], strict=True)):
            raise ModelError(
                f"a nearest Resize by a broken factor ({tuple(x.shape[2:])} to {size})"
            )
        return functional.interpolate(x, size, mode="nearest")
    corners = where == "align_corners"
    if mode != "linear" or where not in ("half_pixel", "pytorch_half_pixel", "align_corners"):
        if where == "asymmetric" and mode == "linear":
            return _asymmetric(x, size)
        raise ModelError(f"Resize with mode {mode!r} and {where!r} is not known")
    return functional.interpolate(x, size, mode="bilinear", align_corners=corners)


def _asymmetric(x: Tensor, size: Sequence[int]) -> Tensor:
    """Bilinear with x_old = x_new * old / new, as TensorFlow 1 does."""
    for axis, new in zip((2, 3), size, strict=True):
        old = x.shape[axis]
        at = torch.arange(new, device=x.device, dtype=x.dtype) * (old / new)
        low = at.floor().long().clamp(max=old - 1)
        share = (at - low).reshape([-1 if i == axis else 1 for i in range(4)])
        high = (low + 1).clamp(max=old - 1)
        x = x.index_select(axis, low) * (1 - share) + x.index_select(axis, high) * share
    return x


def _slice(given: Sequence[Any], attributes: Attributes) -> Any:
    x, *rest = given
    if rest:
        starts, ends = _whole(rest[0]), _whole(rest[1])
        axes = _whole(rest[2]) if len(rest) > 2 and rest[2] is not None else None
        steps = _whole(rest[3]) if len(rest) > 3 and rest[3] is not None else [1] * len(starts)
    else:
        starts, ends = attributes["starts"], attributes["ends"]
        axes, steps = attributes.get("axes"), [1] * len(starts)
    for axis, start, end, step in zip(axes or range(len(starts)), starts, ends, steps, strict=True):
        if step == 1:
            x = x[(slice(None),) * (axis % x.ndim) + (slice(start, end),)]
        else:
            at = range(*slice(start, end, step).indices(x.shape[axis]))
            x = x.index_select(axis, torch.tensor(list(at), dtype=torch.int64, device=x.device))
    return x


def _reshape(given: Sequence[Any], _attributes: Attributes) -> Any:
    """A map's shape that begins with 1 is that of a file for one picture; any number may come."""
    x, shape = given
    wanted = [x.shape[i] if n == 0 else n for i, n in enumerate(_whole(shape))]
    if x.ndim > 2 and wanted[0] == 1:
        wanted[0] = x.shape[0]
    return torch.reshape(x, wanted)


def _split(given: Sequence[Any], attributes: Attributes) -> Any:
    x, *rest = given
    axis = attributes.get("axis", 0)
    if "num_outputs" in attributes:
        return x.split(-(-x.shape[axis] // attributes["num_outputs"]), axis)
    sizes = _whole(rest[0]) if rest else attributes["split"]
    return x.split(list(sizes), axis)


def _pad(given: Sequence[Any], attributes: Attributes) -> Any:
    x = given[0]
    pads = _whole(given[1]) if len(given) > 1 else list(attributes["pads"])
    half = len(pads) // 2
    pairs = [n for i in reversed(range(half)) for n in (pads[i], pads[i + half])]
    mode = attributes.get("mode", "constant")
    if mode == "constant":
        value = float(given[2]) if len(given) > 2 and given[2] is not None else 0.0
        return functional.pad(x, pairs, value=value)
    return functional.pad(x, pairs[:4], mode={"reflect": "reflect", "edge": "replicate"}[mode])


def _constant_of_shape(given: Sequence[Any], attributes: Attributes) -> Any:
    value = attributes.get("value", torch.zeros(1))
    return torch.full(_whole(given[0]), value.item(), dtype=value.dtype)


def _clip(given: Sequence[Any], attributes: Attributes) -> Any:
    low = given[1] if len(given) > 1 else attributes.get("min")
    high = given[2] if len(given) > 2 else attributes.get("max")
    return torch.clamp(
        given[0],
        None if low is None else float(low),
        None if high is None else float(high),
    )


def _unsqueeze(given: Sequence[Any], attributes: Attributes) -> Any:
    x = given[0]
    for axis in sorted(_whole(given[1]) if len(given) > 1 else attributes["axes"]):
        x = x.unsqueeze(axis)
    return x


def _squeeze(given: Sequence[Any], attributes: Attributes) -> Any:
    axes = _whole(given[1]) if len(given) > 1 else attributes.get("axes")
    return given[0].squeeze() if axes is None else given[0].squeeze(tuple(axes))


def _gather(given: Sequence[Any], attributes: Attributes) -> Any:
    x, index = given
    axis = attributes.get("axis", 0)
    taken = x.index_select(axis, index.reshape(-1).to(x.device))
    return taken.reshape((*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]))


def _batch_norm(given: Sequence[Any], attributes: Attributes) -> Any:
    x, weight, bias, mean, variance = given
    epsilon = attributes.get("epsilon", 1e-5)
    return functional.batch_norm(x, mean, variance, weight, bias, False, 0.0, epsilon)


def _gemm(given: Sequence[Any], attributes: Attributes) -> Any:
    a, b, *c = given
    a = a.T if attributes.get("transA") else a
    b = b.T if attributes.get("transB") else b
    found = attributes.get("alpha", 1.0) * (a @ b)
    return found + attributes.get("beta", 1.0) * c[0] if c else found


def _axes(given: Sequence[Any], attributes: Attributes) -> list[int] | None:
    """Of a reduction; None: all."""
    if len(given) > 1 and given[1] is not None:
        return _whole(given[1])
    return attributes.get("axes")


def _reduce_mean(given: Sequence[Any], attributes: Attributes) -> Any:
    axes = _axes(given, attributes)
    return given[0].mean(axes, keepdim=bool(attributes.get("keepdims", 1)))


def _reduce_sum(given: Sequence[Any], attributes: Attributes) -> Any:
    axes = _axes(given, attributes)
    return given[0].sum(axes, keepdim=bool(attributes.get("keepdims", 1)))


_TYPES: dict[int, torch.dtype] = {
    1: torch.float32,
    6: torch.int32,
    7: torch.int64,
    9: torch.bool,
    11: torch.float64,
}
"""ONNX's numbers of element types."""

OPERATORS: dict[str, Operator] = {
    "Conv": _conv,
    "MaxPool": _max_pool,
    "Resize": _resize,
    "Slice": _slice,
    "Reshape": _reshape,
    "Split": _split,
    "Pad": _pad,
    "ConstantOfShape": _constant_of_shape,
    "Clip": _clip,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Gather": _gather,
    "BatchNormalization": _batch_norm,
    "Gemm": _gemm,
    "ReduceMean": _reduce_mean,
    "ReduceSum": _reduce_sum,
    "MatMul": lambda given, _: given[0] @ given[1],
    "Pow": lambda given, _: given[0] ** given[1],
    "Sqrt": lambda given, _: given[0].sqrt(),
    "Identity": lambda given, _: given[0],
    "Relu": lambda given, _: given[0].relu(),
    "LeakyRelu": lambda given, a: functional.leaky_relu(given[0], a.get("alpha", 0.01)),
    "Sigmoid": lambda given, _: given[0].sigmoid(),
    "Tanh": lambda given, _: given[0].tanh(),
    "Exp": lambda given, _: given[0].exp(),
    "Neg": lambda given, _: -given[0],
    "Add": lambda given, _: given[0] + given[1],
    "Sub": lambda given, _: given[0] - given[1],
    "Mul": lambda given, _: given[0] * given[1],
    "Div": lambda given, _: given[0] / given[1],
    "Softmax": lambda given, a: given[0].softmax(a.get("axis", -1)),
    "HardSigmoid": lambda given, a: torch.clamp(
        given[0] * a.get("alpha", 0.2) + a.get("beta", 0.5), 0, 1
    ),
    "HardSwish": lambda given, _: functional.hardswish(given[0]),
    "Concat": lambda given, a: torch.cat(list(given), a["axis"]),
    "Transpose": lambda given, a: given[0].permute(a["perm"]),
    "Shape": lambda given, a: torch.tensor(given[0].shape[a.get("start", 0) : a.get("end")]),
    "Cast": lambda given, a: given[0].to(_TYPES[a["to"]]),
    "GlobalAveragePool": lambda given, _: given[0].mean((2, 3), keepdim=True),
}
"""Operator name -> function of (inputs, attributes)."""


class OnnxModule(nn.Module):
    """A network file as a module: (B, 3, H, W) -> {output name: tensor}.

    Args:
        path: ONNX file with one input.

    Raises `ModelError` for operators that are not known.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        graph = onnx.load(path).graph
        unknown = sorted({n.op_type for n in graph.node} - set(OPERATORS) - {"Constant"})
        if unknown:
            raise ModelError(f"{path}: operator {unknown[0]} is not known to PyTorch here")
        self._input = graph.input[0].name
        self._outputs = [item.name for item in graph.output]
        self._places: dict[str, str] = {}
        for item in graph.initializer:
            self._keep(item.name, numpy_helper.to_array(item))
        self._nodes = []
        for node in graph.node:
            attributes = {a.name: _attribute(a) for a in node.attribute}
            if node.op_type == "Constant":
                self._keep(node.output[0], attributes["value"].numpy())
            else:
                self._nodes.append((node.op_type, list(node.input), list(node.output), attributes))
        self._last = _last_uses(self._nodes, self._outputs)

    def _keep(self, name: str, value: np.ndarray[Any, Any]) -> None:
        self._places[name] = f"tensor_{len(self._places)}"
        self.register_buffer(self._places[name], torch.from_numpy(np.array(value)))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Run the graph."""
        values: dict[str, Any] = {self._input: images, "": None}
        for number, (kind, inputs, outputs, attributes) in enumerate(self._nodes):
            given = [self._value(name, values) for name in inputs]
            found = OPERATORS[kind](given, attributes)
            many = found if isinstance(found, tuple) else (found,)
            values.update(zip(outputs, many, strict=True))
            for name in self._last.get(number, ()):
                values.pop(name, None)
        return {name: values[name] for name in self._outputs}

    def _value(self, name: str, values: Mapping[str, Any]) -> Any:
        return values[name] if name in values else getattr(self, self._places[name])


def _attribute(given: onnx.AttributeProto) -> Any:
    value = onnx.helper.get_attribute_value(given)
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, onnx.TensorProto):
        return torch.from_numpy(np.array(numpy_helper.to_array(value)))
    return value


def _last_uses(
    nodes: Sequence[tuple[str, list[str], list[str], Attributes]], outputs: Sequence[str]
) -> dict[int, list[str]]:
    """For each node the values that nobody needs after it."""
    last = {name: number for number, node in enumerate(nodes) for name in node[1] if name}
    uses: dict[int, list[str]] = {}
    for name, number in last.items():
        if name not in outputs:
            uses.setdefault(number, []).append(name)
    return uses
