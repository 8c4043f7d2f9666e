"""Tiny ONNX networks and cards for tests: constant outputs, or convolutions with random weights."""

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save

from howfar.core.preprocess import Preprocess
from howfar.models.card import ModelCard


def save_network(path, nodes, inputs, outputs, weights, metadata=None):
    """Write a network of `nodes`.

    `inputs` and `outputs` are {name: (type, shape)}, `weights` {name: array}.
    """
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, *spec) for name, spec in inputs.items()],
        [helper.make_tensor_value_info(name, *spec) for name, spec in outputs.items()],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, metadata or {})
    checker.check_model(model)
    save(model, path)
    return path


def constant_network(path, outputs, shape=(1, 3, 32, 32), dtype=TensorProto.FLOAT, metadata=None):
    """A network that gives `outputs`, {name: array}, whatever the picture."""
    arrays = {name: np.asarray(array) for name, array in outputs.items()}
    return save_network(
        path,
        [helper.make_node("Identity", [f"{name}_value"], [name]) for name in arrays],
        {"images": (dtype, shape)},
        {
            name: (helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
            for name, array in arrays.items()
        },
        {f"{name}_value": array for name, array in arrays.items()},
        metadata,
    )


def patch_weights(rng, channels, side):
    """Weights (channels, 3, side, side) and bias of a convolution that gives values around 0."""
    spread = 4 / np.sqrt(3 * side * side)
    weights = rng.normal(0, spread, (channels, 3, side, side))
    bias = rng.normal(0, 0.5, channels) - weights.sum((1, 2, 3)) / 2
    return weights.astype(np.float32), bias.astype(np.float32)


def yolov8_network(path, weights, size, metadata, batch=1, dtype=TensorProto.FLOAT):
    """The layout of Ultralytics' detectors: `images` -> `output0` (1, 4 + C, P), all in one.

    `weights` is {stride: (weights, bias)} of a convolution for each level whose kernel is the
    stride. Boxes are sigmoid * 64 px, class scores sigmoid.
    """
    kind = np.float16 if dtype == TensorProto.FLOAT16 else np.float32
    nodes, values = [], {}
    for stride, (kernel, bias) in weights.items():
        channels = len(bias)
        values |= {f"w{stride}": kernel.astype(kind), f"b{stride}": bias.astype(kind)}
        values[f"shape{stride}"] = np.array([1, channels, -1])
        nodes += [
            helper.make_node(
                "Conv",
                ["images", f"w{stride}", f"b{stride}"],
                [f"map{stride}"],
                strides=[stride] * 2,
            ),
            helper.make_node("Reshape", [f"map{stride}", f"shape{stride}"], [f"rows{stride}"]),
        ]
    scale = np.ones((1, channels, 1), kind)
    scale[:, :4] = 64
    values["scale"] = scale
    nodes += [
        helper.make_node("Concat", [f"rows{stride}" for stride in weights], ["all"], axis=2),
        helper.make_node("Sigmoid", ["all"], ["positive"]),
        helper.make_node("Mul", ["positive", "scale"], ["output0"]),
    ]
    return save_network(
        path,
        nodes,
        {"images": (dtype, (batch, 3, *size))},
        {"output0": (dtype, (batch, channels, None))},
        values,
        metadata,
    )


def detr_network(path, weights, bias):
    """The layout of DETR: `pixel_values`, `pixel_mask` -> `logits` (1, Q, C), `pred_boxes`.

    One query for each patch; the last four channels are its box. Pixels that the mask leaves out
    count as 0.
    """
    channels, side = len(bias), weights.shape[2]
    split = np.array([channels - 4, 4])
    nodes = [
        helper.make_node("Cast", ["pixel_mask"], ["float_mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["float_mask", "axis"], ["plane"]),
        helper.make_node("Mul", ["pixel_values", "plane"], ["masked"]),
        helper.make_node("Conv", ["masked", "w", "b"], ["map"], strides=[side, side]),
        helper.make_node("Reshape", ["map", "shape"], ["columns"]),
        helper.make_node("Transpose", ["columns"], ["rows"], perm=[0, 2, 1]),
        helper.make_node("Split", ["rows", "split"], ["logits", "raw_boxes"], axis=2),
        helper.make_node("Sigmoid", ["raw_boxes"], ["pred_boxes"]),
    ]
    return save_network(
        path,
        nodes,
        {
            "pixel_values": (TensorProto.FLOAT, (1, 3, "height", "width")),
            "pixel_mask": (TensorProto.INT64, (1, "height", "width")),
        },
        {
            "logits": (TensorProto.FLOAT, (1, None, channels - 4)),
            "pred_boxes": (TensorProto.FLOAT, (1, None, 4)),
        },
        {
            "w": weights,
            "b": bias,
            "axis": np.array([1]),
            "shape": np.array([1, channels, -1]),
            "split": split,
        },
    )


def depth_card(width=32, height=32, kind="metric", **fields):
    """A card of a depth network that takes 0..1 RGB, stretched."""
    return ModelCard("tiny-depth", "depth", Preprocess(width, height), depth_kind=kind, **fields)
