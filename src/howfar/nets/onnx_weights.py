"""Weights of published ONNX files, poured into modules of our own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from howfar.errors import ModelError


def pour_convolutions(
    layers: Sequence[nn.Conv2d], path: Path, first: int = 0, rest: int = 0
) -> None:
    """Fill convolutions with those of an ONNX file, in the order of its graph.

    Args:
        layers: to fill, each with a bias.
        path: of the file.
        first: convolutions of the file that are left out at its beginning.
        rest: and at its end.

    Raises `ModelError` where the file's convolutions are others.
    """
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(path).graph
    tensors = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    nodes = [node for node in graph.node if node.op_type == "Conv"]
    if len(nodes) != first + len(layers) + rest:
        raise ModelError(
            f"{path}: {len(nodes)} convolutions; expected {first + len(layers) + rest}"
        )
    for node, layer in zip(nodes[first : first + len(layers)], layers, strict=True):
        weight, bias = (np.array(tensors[name]) for name in node.input[1:])
        if layer.bias is None or weight.shape != tuple(layer.weight.shape):
            raise ModelError(
                f"{path}: convolution {node.output[0]} is {weight.shape}; expected "
                f"{tuple(layer.weight.shape)} with a bias"
            )
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weight))
            layer.bias.copy_(torch.from_numpy(bias))
