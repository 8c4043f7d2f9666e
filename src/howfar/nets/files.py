"""Weights from any file that we read: our checkpoints, YOLOv5's files, darknet's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from howfar.core.preprocess import Fit, Preprocess
from howfar.models.card import Decoder, ModelCard
from howfar.nets.checkpoint import FORMAT, Checkpoint, checkpoint_of
from howfar.nets.safe import read_safely
from howfar.nets.safetensors import read_safetensors
from howfar.nets.yolov5_checkpoint import STAND_INS, LoadedYoloV5, yolov5_of, yolov5_of_tensors

SUFFIXES = (".pt", ".pth", ".safetensors")
"""Of files that hold weights and need PyTorch."""
PUBLISHED = {
    "n": "AP 28.0, AP50 45.7",
    "s": "AP 37.4, AP50 56.8",
    "m": "AP 45.4, AP50 64.1",
    "l": "AP 49.0, AP50 67.3",
    "x": "AP 50.7, AP50 68.9",
}
"""On COCO val2017 at 640 pixels, by the authors of YOLOv5 (facts 1c)."""


def open_weights(path: Path) -> Checkpoint:
    """The network of a file, with a card that says how to use it.

    `.pt` and `.pth`: a checkpoint of `howfar train`, an official YOLOv5 checkpoint of v6.0 to v7.0,
    or a state_dict of it; `.safetensors`: YOLOv5's tensors. No code of the file is run.

    Raises `ModelError`, which says what is wrong with the file.
    """
    if path.suffix == ".safetensors":
        tensors, _ = read_safetensors(path)
        return _of_yolov5(yolov5_of_tensors(tensors, path, "safetensors"), path)
    content = read_safely(path, "checkpoint", STAND_INS)
    if isinstance(content, Mapping) and content.get("format") == FORMAT:
        return checkpoint_of(content, path)
    return _of_yolov5(yolov5_of(content, path), path)


def _of_yolov5(found: LoadedYoloV5, path: Path) -> Checkpoint:
    options = {
        "size": found.size,
        "classes": found.module.classes,
        "anchors": found.module.anchors_px.tolist(),
    }
    card = ModelCard(
        name=path.stem,
        decoder=Decoder.YOLOV5,
        preprocess=Preprocess(640, 640, fit=Fit.LETTERBOX),
        classes=found.names,
        licence="that of the file; Ultralytics' own are GPL-3.0 or AGPL-3.0",
        origin=f"YOLOv5{found.size}, {found.source} of {path.name}",
        published=f"as published for COCO val2017: {PUBLISHED[found.size]}",
    )
    return Checkpoint("yolov5", options, card, found.module.state_dict())
