"""Weights from any file that we read: our checkpoints, YOLOv5's files, darknet's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from howfar.core.preprocess import Fit, Preprocess
from howfar.core.resize import CORNERS
from howfar.errors import ModelError
from howfar.models.card import Decoder, ModelCard
from howfar.models.classes import NAMED_CLASSES
from howfar.nets.checkpoint import FORMAT, Checkpoint, checkpoint_of
from howfar.nets.darknet import Darknet
from howfar.nets.darknet_cfg import cfg_text, parse_cfg
from howfar.nets.darknet_weights import load_darknet_weights
from howfar.nets.safe import read_safely
from howfar.nets.safetensors import read_safetensors
from howfar.nets.yolov4 import yolov4_cfg
from howfar.nets.yolov5_checkpoint import STAND_INS, LoadedYoloV5, yolov5_of, yolov5_of_tensors

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

    `.weights`: darknet's, with its `.cfg` (and class names in `.names`) beside it; without a
    `.cfg` it is taken for YOLOv4 of 80 classes. `.pt` and `.pth`: a checkpoint of `howfar train`,
    an official YOLOv5 checkpoint of v6.0 to v7.0, or a state_dict of it. `.safetensors`: YOLOv5's
    tensors. No code of the file is run.

    Raises `ModelError`, which says what is wrong with the file.
    """
    if path.suffix == ".weights":
        return _of_darknet(path)
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


def _of_darknet(path: Path) -> Checkpoint:
    cfg = path.with_suffix(".cfg")
    text = _read(cfg) if cfg.is_file() else cfg_text(yolov4_cfg())
    parsed = parse_cfg(text, str(cfg))
    network = Darknet(parsed)
    convolutions = len(network.layers)
    filled = load_darknet_weights(network, path)
    if filled < convolutions:
        raise ModelError(
            f"{path}: holds {filled} of {convolutions} convolutions: a backbone to start training "
            "from (howfar train yolov4 --weights), not a detector"
        )
    card = ModelCard(
        name=path.stem,
        decoder=Decoder.YOLOV5,
        preprocess=Preprocess(parsed.net.width, parsed.net.height, interpolation=CORNERS),
        classes=_names(path.with_suffix(".names"), network.classes),
        licence="that of the file",
        origin=f"darknet weights {path.name}",
    )
    return Checkpoint("darknet", {"cfg": text}, card, network.state_dict())


def _names(path: Path, count: int) -> tuple[str, ...]:
    """Class names, one a line; COCO's for 80 classes where there is no such file."""
    if not path.is_file():
        coco = NAMED_CLASSES["coco80"]
        return coco if count == len(coco) else tuple(f"class {i}" for i in range(count))
    names = tuple(line.strip() for line in _read(path).splitlines() if line.strip())
    if len(names) != count:
        raise ModelError(f"{path}: has {len(names)} names, the network has {count} classes")
    return names


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: cannot be read ({error})") from error
