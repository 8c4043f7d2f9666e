"""A card for network files that bring none but tell enough: exports of the Ultralytics kind.

Such files name their classes in the metadata (`names`, a Python literal), and their outputs have
one of three shapes: (1, P, 5 + C) is YOLOv5, (1, 4 + C, P) YOLOv8 and later, (1, M, 6) end-to-end.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

from howfar.core.preprocess import Fit, Preprocess
from howfar.errors import CardError
from howfar.models.card import Decoder, ModelCard
from howfar.models.network import TensorSpec


def infer_card(
    name: str,
    inputs: tuple[TensorSpec, ...],
    outputs: tuple[TensorSpec, ...],
    metadata: Mapping[str, str],
) -> ModelCard | None:
    """The card that metadata and shapes imply, or None where they do not say enough.

    Raises `CardError` where the file says that it is for another task than detection.
    """
    if "names" not in metadata:
        return None
    task = metadata.get("task", "detect")
    if task != "detect":
        raise CardError(f"{name}: an export for {task!r}; only detection networks are understood")
    classes = _names(name, metadata["names"])
    decoder = _decoder(outputs[0].shape, len(classes), metadata)
    if decoder is None:
        raise CardError(
            f"{name}: output of shape {outputs[0].shape} with {len(classes)} classes is no known "
            "YOLO layout; write a card for it"
        )
    height, width = _input_size(name, inputs[0].shape, metadata)
    return ModelCard(
        name=name,
        decoder=decoder,
        preprocess=Preprocess(width=width, height=height, fit=Fit.LETTERBOX),
        classes=classes,
        precision="float16" if inputs[0].dtype == "float16" else "float32",
        licence=metadata.get("license", "unknown"),
        origin=metadata.get("docs", ""),
    )


def _names(name: str, text: str) -> tuple[str, ...]:
    try:
        names = ast.literal_eval(text)
        if isinstance(names, dict):
            names = [names[key] for key in sorted(names)]
        if not isinstance(names, list | tuple) or not names:
            raise ValueError("no list of names")
    except (ValueError, SyntaxError, TypeError) as error:
        raise CardError(f"{name}: its metadata 'names' cannot be read ({text[:60]!r})") from error
    return tuple(str(item) for item in names)


def _decoder(
    shape: tuple[int | None, ...], count: int, metadata: Mapping[str, str]
) -> Decoder | None:
    """The layout of an output shape. A two-class YOLOv8 head, (1, 6, P), is not end-to-end."""
    if len(shape) != 3:
        return None
    if shape[1] == 4 + count:
        return Decoder.YOLOV8
    if shape[2] == 5 + count and metadata.get("end2end") != "True":
        return Decoder.YOLOV5
    if shape[2] == 6:
        return Decoder.END_TO_END
    return None


def _input_size(
    name: str, shape: tuple[int | None, ...], metadata: Mapping[str, str]
) -> tuple[int, int]:
    """Height and width: the graph's, else the metadata's, else 640."""
    height, width = (shape[2], shape[3]) if len(shape) == 4 else (None, None)
    if height and width:
        return height, width
    text = metadata.get("imgsz", "[640, 640]")
    try:
        told = [int(value) for value in text.strip("[]() ").split(",")]
    except ValueError:
        told = [0]
    if min(told) < 1:
        raise CardError(f"{name}: its metadata 'imgsz' cannot be read ({text[:60]!r})")
    return height or told[0], width or told[-1]
