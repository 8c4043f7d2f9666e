"""From a detector's raw outputs to candidates, one pure function a layout.

Every decoder takes the outputs of a batch of one as {role: array}, the placement of the picture in
the input and a least score, and returns boxes in pixels of the input with a score for each class.
Rows whose best score is not above `conf` are dropped first, since most are background.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from howfar.core.boxes import FloatArray
from howfar.core.detections import IntArray
from howfar.core.preprocess import Placement
from howfar.errors import CardError
from howfar.models.card import Decoder, ModelCard

Outputs = Mapping[str, npt.NDArray[np.generic]]


@dataclass(frozen=True, eq=False)
class Candidates:
    """Boxes (N, 4) `xyxy` in input pixels with scores (N,) and class numbers (N,)."""

    boxes: FloatArray
    scores: FloatArray
    class_ids: IntArray


def nanodet_plus(
    outputs: Outputs, place: Placement, card: ModelCard, conf: float, multi_label: bool
) -> Candidates:
    """NanoDet-Plus: (1, P, C + 4 * B): class scores, then B-bin distributions of the distances.

    Levels of stride 8, 16, 32, 64 with ceil(size / stride) cells; distances left, top, right,
    bottom from (x * stride, y * stride), without half a cell, are the expectation of softmax over
    0..B-1 times the stride (generalised focal loss, arXiv 2006.04388).
    """
    raw = _single(outputs, "output", 3, card)
    count = len(card.classes)
    bins, rest = divmod(raw.shape[1] - count, 4)
    if bins < 1 or rest:
        raise CardError(
            f"{card.name}: {raw.shape[1]} columns are not {count} classes and four distributions"
        )
    centres, strides = grid(place.input_width, place.input_height, (8, 16, 32, 64), ceil=True)
    _check_rows(raw, len(centres), card)
    rows, ids, scores = _pick(raw[:, :count], conf, multi_label)
    cells, back = _distinct(rows)
    logits = raw[cells, count:].reshape(len(cells), 4, bins)
    weights = np.exp(logits - logits.max(axis=2, keepdims=True))
    weights /= weights.sum(axis=2, keepdims=True)
    distance = weights @ np.arange(logits.shape[2], dtype=np.float32) * strides[cells, None]
    centre = centres[cells] * strides[cells, None]
    boxes = np.concatenate([centre - distance[:, :2], centre + distance[:, 2:]], axis=1)
    return Candidates(boxes.astype(np.float32)[back], scores, ids)


def yolox(
    outputs: Outputs, place: Placement, card: ModelCard, conf: float, multi_label: bool
) -> Candidates:
    """YOLOX: (1, P, 5 + C) undecoded: xy = (p + cell) * stride, wh = exp(p) * stride.

    Objectness and classes are already sigmoid; score = objectness * class. Strides 8, 16, 32.
    """
    raw = _single(outputs, "output", 3, card)
    cells, strides = grid(place.input_width, place.input_height, (8, 16, 32), ceil=False)
    _check_rows(raw, len(cells), card)
    kept = np.flatnonzero(raw[:, 4] > conf)
    rows, ids, scores = _pick(raw[kept, 5:] * raw[kept, 4:5], conf, multi_label)
    rows = kept[rows]
    stride = strides[rows, None]
    centre = (raw[rows, :2] + cells[rows]) * stride
    with np.errstate(over="ignore"):  # infinite boxes are dropped later
        size = np.exp(raw[rows, 2:4]) * stride
    return Candidates(_from_centre(centre, size), scores, ids)


def yolov5(
    outputs: Outputs, place: Placement, card: ModelCard, conf: float, multi_label: bool
) -> Candidates:
    """YOLOv5 exports: (1, P, 5 + C): cx, cy, w, h in input pixels, objectness, class scores.

    Rows with objectness <= conf are dropped; score = objectness * class (facts 1c).
    """
    del place
    raw = _single(outputs, "output", 3, card)
    kept = np.flatnonzero(raw[:, 4] > conf)
    rows, ids, scores = _pick(raw[kept, 5:] * raw[kept, 4:5], conf, multi_label)
    rows = kept[rows]
    return Candidates(_from_centre(raw[rows, :2], raw[rows, 2:4]), scores, ids)


def yolov8(
    outputs: Outputs, place: Placement, card: ModelCard, conf: float, multi_label: bool
) -> Candidates:
    """YOLOv8 and YOLO11 exports: (1, 4 + C, P): cx, cy, w, h in input pixels, class scores."""
    del place
    raw = _single(outputs, "output", 3, card, columns_first=True)
    rows, ids, scores = _pick(raw[4:].T, conf, multi_label)
    return Candidates(_from_centre(raw[:2, rows].T, raw[2:4, rows].T), scores, ids)


def end_to_end(
    outputs: Outputs, place: Placement, card: ModelCard, conf: float, multi_label: bool
) -> Candidates:
    """End-to-end exports: (1, M, 6): x1, y1, x2, y2 in input pixels, score, class; no NMS left.

    Rows that are padding have score 0.
    """
    del place, multi_label
    raw = _single(outputs, "output", 3, card, width=6)
    raw = raw[raw[:, 4] > conf]
    return _known(_ordered(raw[:, :4]), raw[:, 4], raw[:, 5], card)


def detr(
    outputs: Outputs, place: Placement, card: ModelCard, conf: float, multi_label: bool
) -> Candidates:
    """DETR layouts: `logits` (1, Q, C) and `boxes` (1, Q, 4): cx, cy, w, h in 0..1 of the input.

    `softmax` (DETR): the last column is "no object" and is dropped. `sigmoid` (Deformable DETR,
    RT-DETR, D-FINE): every column is a class.
    """
    logits = np.asarray(_output(outputs, "logits", card), np.float32)
    boxes = np.asarray(_output(outputs, "boxes", card), np.float32)
    softmax = card.activation == "softmax"
    queries = logits.shape[1] if logits.ndim == 3 else -1
    if logits.shape != (1, queries, len(card.classes) + softmax) or boxes.shape != (1, queries, 4):
        raise CardError(
            f"{card.name}: logits {logits.shape} and boxes {boxes.shape} with {card.activation} do "
            f"not fit {len(card.classes)} classes"
        )
    logits, boxes = logits[0], boxes[0]
    if softmax:
        scores = np.exp(logits - logits.max(axis=1, keepdims=True))
        scores = (scores / scores.sum(axis=1, keepdims=True))[:, :-1]
    else:
        with np.errstate(over="ignore"):  # 1 / infinity is the 0 that is meant
            scores = 1 / (1 + np.exp(-logits))
    rows, ids, best = _pick(scores, conf, multi_label)
    size = np.array([place.input_width, place.input_height], np.float32)
    corners = _from_centre(boxes[rows, :2] * size, boxes[rows, 2:] * size)
    return Candidates(corners, best, ids)


def tf_detection(
    outputs: Outputs, place: Placement, card: ModelCard, conf: float, multi_label: bool
) -> Candidates:
    """TensorFlow Object Detection API (SSD and kin), NMS inside the graph.

    `boxes` (1, M, 4): y1, x1, y2, x2 in 0..1; `classes` (1, M); `scores` (1, M); `count` (1,).
    """
    del multi_label
    boxes, scores, ids, count = (
        np.asarray(_output(outputs, role, card), np.float32)
        for role in ("boxes", "scores", "classes", "count")
    )
    rows = scores.shape[-1] if scores.ndim else -1
    if (scores.shape, ids.shape, boxes.shape, count.size) != (
        (1, rows),
        (1, rows),
        (1, rows, 4),
        1,
    ):
        raise CardError(
            f"{card.name}: boxes {boxes.shape}, scores {scores.shape}, classes {ids.shape} and "
            f"count {count.shape} are no {card.decoder} layout"
        )
    keep = (scores[0] > conf) & (np.arange(rows) < count.item())
    size = np.array([place.input_width, place.input_height] * 2, np.float32)
    corners = _ordered(boxes[0, keep][:, [1, 0, 3, 2]] * size)
    return _known(corners, scores[0, keep], ids[0, keep], card)


DetectionDecoder = Callable[[Outputs, Placement, ModelCard, float, bool], Candidates]

DECODERS: dict[Decoder, DetectionDecoder] = {
    Decoder.NANODET_PLUS: nanodet_plus,
    Decoder.JOINT: nanodet_plus,
    Decoder.YOLOX: yolox,
    Decoder.YOLOV5: yolov5,
    Decoder.YOLOV8: yolov8,
    Decoder.END_TO_END: end_to_end,
    Decoder.DETR: detr,
    Decoder.TF_DETECTION: tf_detection,
}

NEEDS_NMS = {Decoder.NANODET_PLUS, Decoder.JOINT, Decoder.YOLOX, Decoder.YOLOV5, Decoder.YOLOV8}
"""Layouts whose candidates overlap; the others come without duplicates."""

OUTPUT_NAMES: dict[Decoder, dict[str, tuple[str, ...]]] = {
    Decoder.JOINT: {"output": ("detections",)},
    Decoder.DETR: {
        "logits": ("logits", "pred_logits"),
        "boxes": ("pred_boxes", "boxes"),
    },
    Decoder.TF_DETECTION: {
        "boxes": ("detection_boxes", "detection_boxes:0", "boxes"),
        "classes": ("detection_classes", "detection_classes:0", "classes"),
        "scores": ("detection_scores", "detection_scores:0", "scores"),
        "count": ("num_detections", "num_detections:0", "count"),
    },
}
"""Usual tensor names by role; layouts that are not listed read the first output."""


def _output(outputs: Outputs, role: str, card: ModelCard) -> npt.NDArray[np.generic]:
    """The output tensor that plays `role`."""
    if role in card.outputs:
        names: tuple[str, ...] = (card.outputs[role],)
    else:
        names = OUTPUT_NAMES.get(card.decoder, {}).get(role, tuple(outputs)[:1])
    for name in names:
        if name in outputs:
            return outputs[name]
    raise CardError(
        f"{card.name}: no output {' or '.join(names)} for {role!r}; the network has "
        f"{', '.join(outputs)} (name it in the card's 'outputs')"
    )


def _single(
    outputs: Outputs,
    role: str,
    ndim: int,
    card: ModelCard,
    width: int | None = None,
    columns_first: bool = False,
) -> FloatArray:
    """The one output of a YOLO-like network without its batch axis, checked for its width."""
    raw = np.asarray(_output(outputs, role, card), np.float32)
    extra = {Decoder.YOLOX: 5, Decoder.YOLOV5: 5, Decoder.YOLOV8: 4}.get(card.decoder)
    columns = raw.shape[1 if columns_first else -1] if raw.ndim == ndim else -1
    expected = width or (len(card.classes) + extra if extra else None)
    if raw.ndim != ndim or raw.shape[0] != 1 or (expected and columns != expected):
        raise CardError(
            f"{card.name}: output of shape {raw.shape} is no {card.decoder} layout with "
            f"{len(card.classes)} classes"
        )
    single: FloatArray = raw[0]
    return single


def _check_rows(raw: FloatArray, rows: int, card: ModelCard) -> None:
    if len(raw) != rows:
        raise CardError(
            f"{card.name}: output has {len(raw)} rows; a {card.decoder} input of this size gives "
            f"{rows}"
        )


@lru_cache(maxsize=16)
def grid(
    width: int, height: int, strides: tuple[int, ...], ceil: bool
) -> tuple[FloatArray, FloatArray]:
    """Cells (P, 2) as x, y counts and stride (P,) of all levels of an input of `width` x `height`
    pixels, row by row, fine level first."""
    cells, scale = [], []
    for stride in strides:
        wide = -(-width // stride) if ceil else width // stride
        high = -(-height // stride) if ceil else height // stride
        y, x = np.divmod(np.arange(wide * high, dtype=np.int64), wide)
        cells.append(np.stack([x, y], axis=1))
        scale.append(np.full(wide * high, stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(scale).astype(np.float32)


def _pick(
    scores: FloatArray, conf: float, multi_label: bool
) -> tuple[IntArray, IntArray, FloatArray]:
    """Rows, classes and scores of (N, C) above `conf`: the best class of each row, or all."""
    if not scores.size:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32)
    if multi_label:
        rows, ids = np.nonzero(scores > conf)
        return rows, ids, scores[rows, ids]
    high = np.flatnonzero(scores > conf) // scores.shape[1]
    rows = high[np.diff(high, prepend=-1) != 0]
    kept = scores[rows]
    ids = kept.argmax(axis=1)
    return rows, ids, kept[np.arange(len(rows)), ids]


def _distinct(rows: IntArray) -> tuple[IntArray, IntArray]:
    """The distinct values of ascending `rows` (N,), and which of them each row is."""
    first = np.diff(rows, prepend=-1) != 0
    return rows[first], np.cumsum(first) - 1


def _from_centre(centre: FloatArray, size: FloatArray) -> FloatArray:
    half = np.maximum(size, 0) / 2
    return np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)


def _ordered(boxes: FloatArray) -> FloatArray:
    """Boxes whose corners are in order, as a network's regression may not leave them."""
    low = np.minimum(boxes[:, :2], boxes[:, 2:])
    high = np.maximum(boxes[:, :2], boxes[:, 2:])
    return np.concatenate([low, high], axis=1).astype(np.float32)


def _known(
    boxes: FloatArray, scores: FloatArray, numbers: FloatArray, card: ModelCard
) -> Candidates:
    """Candidates from class numbers as the network writes them, without those of no class."""
    ids = np.rint(numbers) - card.first_class
    keep = (ids >= 0) & (ids < len(card.classes))
    return Candidates(boxes[keep], scores[keep], ids[keep].astype(np.int64))
