"""Tiny networks and the pictures that they understand."""

import io
import json
import os

import numpy as np
import onnx
import PIL.Image
from onnx import TensorProto, helper, numpy_helper

from howfar.models.card import SIDECAR_SUFFIX
from howfar.models.classes import COCO80

SIDE = 64
"""Pictures and the detector's input are squares of this size, so boxes need no conversion."""
THINGS = (
    ("person", 0.9, (4, 8, 28, 56)),
    ("car", 0.8, (36, 8, 60, 56)),
    ("cup", 0.2, (4, 58, 20, 62)),
)
"""What the detector finds in every picture: the person at 1 m, the car at 5 m."""
NEAR_M, FAR_M = 1.0, 5.0


def save_network(path, nodes, outputs, constants=(), metadata=None):
    """An ONNX file with one picture as input; `outputs` are (name, shape)."""
    size = ["height", "width"] if metadata else [32, 32]
    graph = helper.make_graph(
        nodes,
        path.stem,
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, *size])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, metadata or {})
    onnx.save(model, path)
    return path


def save_detector(path):
    """YOLOv8's layout with Ultralytics' metadata; finds `THINGS` whatever it sees."""
    raw = np.zeros((1, 4 + len(COCO80), len(THINGS)), np.float32)
    for i, (label, score, (x1, y1, x2, y2)) in enumerate(THINGS):
        raw[0, :4, i] = (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1
        raw[0, 4 + COCO80.index(label), i] = score
    return save_network(
        path,
        [helper.make_node("Identity", ["raw"], ["output0"])],
        [("output0", raw.shape)],
        [("raw", raw)],
        {"task": "detect", "names": repr(dict(enumerate(COCO80))), "imgsz": f"[{SIDE}, {SIDE}]"},
    )


def save_depth(path, kind="metric"):
    """`NEAR_M` where the picture's red is 0, `FAR_M` where it is full, or the inverse of that."""
    nodes = [
        helper.make_node("Slice", ["images", "zero", "one", "one"], ["red"]),
        helper.make_node("Mul", ["red", "factor"], ["product"]),
        helper.make_node("Add", ["product", "near"], ["metres"]),
        helper.make_node("Reciprocal" if kind != "metric" else "Identity", ["metres"], ["depth"]),
    ]
    constants = [
        ("zero", np.array([0], np.int64)),
        ("one", np.array([1], np.int64)),
        ("factor", np.array(FAR_M - NEAR_M, np.float32)),
        ("near", np.array(NEAR_M, np.float32)),
    ]
    save_network(path, nodes, [("depth", [1, 1, 32, 32])], constants)
    write_card(path, kind=kind)
    return path


def write_card(path, kind="metric"):
    card = {
        "name": path.stem,
        "decoder": "depth",
        "preprocess": {"width": 32, "height": 32, "fit": "stretch"},
        "depth_kind": kind,
        "domain": "squares of two colours",
    }
    path.with_name(path.stem + SIDECAR_SUFFIX).write_text(json.dumps(card))


def picture_bytes(kind="PNG", side=SIDE):
    """A picture whose left half is near and whose right half is far."""
    pixels = np.zeros((side, side, 3), np.uint8)
    pixels[:, side // 2 :, 0] = 255
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def write_pictures(folder, *names):
    """Pictures of the kinds that their names say."""
    kinds = {".jpg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".bmp": "BMP", ".tif": "TIFF"}
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture_bytes(kinds[os.path.splitext(name)[1].lower()]))
