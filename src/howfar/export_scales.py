"""Maps that are made larger by whole factors, as runtimes have quick kernels for."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper


def whole_scales(model: onnx.ModelProto) -> None:
    """State the factors of a model's `Resize` nodes in place of sizes, where they are whole.

    The exporter computes the size of each from the shape of another map. Only with factors that it
    knows beforehand does ONNX Runtime keep the memory layout of convolutions. For graphs of
    PyTorch's exporter: batch and channels come first, and no node is inside another.
    """
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {
        value.name: tuple(side.dim_value for side in value.type.tensor_type.shape.dim)
        for value in (*graph.value_info, *graph.input, *graph.output)
    }
    for node in model.graph.node:
        if node.op_type != "Resize" or len(node.input) < 4:
            continue
        before, after = shapes.get(node.input[0], ()), shapes.get(node.output[0], ())
        sides = list(zip(before[2:], after[2:], strict=False))
        if not sides or before[1] != after[1] or any(0 in s or s[1] % s[0] for s in sides):
            continue  # a side of 0 is not known beforehand
        name = f"{node.output[0]}_scales"
        factors = [1, 1, *(large / small for small, large in sides)]
        model.graph.initializer.append(numpy_helper.from_array(np.array(factors, "f4"), name))
        inputs = [*node.input[:2], name]
        del node.input[:]
        node.input.extend(inputs)
    forget_unused(model.graph)


def forget_unused(graph: onnx.GraphProto) -> None:
    """Take out the nodes whose answers nobody asks for, and constants that nobody uses."""
    wanted = {value.name for value in graph.output}
    kept = []
    for node in reversed(graph.node):  # a graph lists nodes before those that use them
        if wanted & set(node.output):
            wanted |= set(node.input)
            kept.append(node)
    constants = [value for value in graph.initializer if value.name in wanted]
    del graph.node[:]
    graph.node.extend(reversed(kept))
    del graph.initializer[:]
    graph.initializer.extend(constants)
