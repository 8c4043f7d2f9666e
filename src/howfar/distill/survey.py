"""What the teachers say of each picture before training: its objects, its kind, whom to trust.

A depth network for rooms says nothing sensible about a beach, but it does not know. The objects in
a picture tell what kind it is; and where a network contradicts itself when the picture is mirrored
or magnified, it is trusted less.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from howfar.core.detections import Detections
from howfar.core.image import Image, RgbArray
from howfar.data.dataset import Dataset
from howfar.distill.coco80 import as_coco80
from howfar.models.card import ModelCard
from howfar.models.network import DetectOptions, Network

INDOOR = frozenset(
    (
        *("chair", "couch", "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote"),
        *("keyboard", "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock"),
        *("vase", "potted plant", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl"),
        *("teddy bear", "hair drier", "toothbrush"),
    )
)
ROAD = frozenset(("car", "motorcycle", "bus", "truck", "bicycle", "traffic light", "stop sign"))
OUTDOOR = ROAD | frozenset(
    (
        *("airplane", "train", "boat", "fire hydrant", "parking meter", "bench", "bird", "horse"),
        *("sheep", "cow", "elephant", "bear", "zebra", "giraffe", "frisbee", "skis", "snowboard"),
        *("sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard"),
        *("tennis racket", "umbrella"),
    )
)
SURE = 0.3
"""Least score of an object that counts."""
ENOUGH = 0.5
"""Least sum of scores that decides the kind of a picture."""
ZOOM = 1.3
"""Magnification at which a depth teacher is asked once more."""
LEAST_EXPONENT = 0.1
"""Of a law by which a network is judged."""
ROUGH = 0.15
"""Mean self-contradiction (in the logarithm of depth) at which a teacher's weight is 1/e."""


class Kind(StrEnum):
    """What a picture shows, by its objects."""

    INDOOR = "indoor"
    ROAD = "road"
    OTHER = "other"


@dataclass(frozen=True)
class Finding:
    """One surveyed picture.

    Attributes:
        kind: by its objects.
        boxes: x1, y1, x2, y2 of each, as shares of width and height.
        classes: number of each box's class among `COCO80`.
        scores: of each box.
        trust: 0..1 of each metric depth teacher; 0 where they were not asked.
    """

    kind: Kind
    boxes: tuple[tuple[float, ...], ...]
    classes: tuple[int, ...]
    scores: tuple[float, ...]
    trust: tuple[float, ...]

    @property
    def best_trust(self) -> float:
        """That of the teacher that is trusted most; 0 without any."""
        return max(self.trust, default=0.0)


def survey(
    data: Dataset,
    detector: Network,
    depths: Sequence[Network],
    file: Path,
    tick: Callable[[int, int], None] | None = None,
) -> list[Finding]:
    """Ask the teachers about every picture, once: answers are kept in `file` and used again.

    Args:
        data: the pictures.
        detector: finds what shows the kind.
        depths: metric depth teachers of indoor pictures.
        file: JSON that is read where it exists, and written.
        tick: told (done, all).

    Returns the finding of each sample. Raises what reading a picture raises.
    """
    by = [identity(depth.sha256, depth.card) for depth in depths]
    who = identity(detector.sha256, detector.card)
    asked = {"data": data.name, "detector": who, "depths": by}
    found = read_survey(file, asked)
    for index in range(len(found), len(data)):
        found.append(ask(data[index].image, detector, depths))
        if len(found) % 500 == 0 or len(found) == len(data):
            write_survey(file, asked, found)
        if tick:
            tick(len(found), len(data))
    return found


def identity(sha256: str, card: ModelCard) -> str:
    """Whose answers they are: the same file says something else by another card."""
    told = json.dumps(card.to_dict(), sort_keys=True, default=str)
    return f"{sha256[:16]}-{hashlib.sha256(told.encode()).hexdigest()[:16]}"


def read_survey(file: Path, asked: Mapping[str, Any]) -> list[Finding]:
    """The findings that a file holds; none where there is no file, or others were asked."""
    if not file.is_file():
        return []
    record = json.loads(file.read_text(encoding="utf-8"))
    return [finding_of(row) for row in record["rows"]] if record["asked"] == asked else []


def finding_of(row: Mapping[str, Any]) -> Finding:
    """A finding from its record."""
    boxes = tuple(map(tuple, row["boxes"]))
    classes, scores, trust = (tuple(row[name]) for name in ("classes", "scores", "trust"))
    return Finding(Kind(row["kind"]), boxes, classes, scores, trust)


def write_survey(file: Path, asked: Mapping[str, Any], found: Sequence[Finding]) -> None:
    """Write findings; the file is whole or the old one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".part")
    record = {"asked": asked, "rows": [asdict(row) for row in found]}
    partial.write_text(json.dumps(record), encoding="utf-8")
    partial.replace(file)


def ask(image: Image, detector: Network, depths: Sequence[Network]) -> Finding:
    """The finding of one picture."""
    objects = as_coco80(detector.detect(image, DetectOptions(conf=SURE)))
    kind = kind_of(objects)
    trust = tuple(
        round(trust_in(depth, image), 3) if kind is Kind.INDOOR else 0.0 for depth in depths
    )
    size = np.array([image.width, image.height] * 2, np.float32)
    boxes = tuple(map(tuple, (objects.boxes / size).round(4).tolist()))
    scores = tuple(objects.scores.round(3).tolist())
    return Finding(kind, boxes, tuple(objects.class_ids.tolist()), scores, trust)


def trust_in(depth: Network, image: Image) -> float:
    """0..1 trust in what a metric depth teacher says of a picture."""
    return float(np.exp(-self_contradiction(image, depth) / ROUGH))


def kind_of(objects: Detections) -> Kind:
    """What a picture with these objects shows."""

    def total(names: frozenset[str]) -> float:
        pairs = zip(objects.labels, objects.scores.tolist(), strict=True)
        return float(sum(score for label, score in pairs if label in names))

    indoor, outdoor, road = total(INDOOR), total(OUTDOOR), total(ROAD)
    if indoor > max(ENOUGH, 2 * outdoor):
        return Kind.INDOOR
    if road > max(ENOUGH, 2 * indoor) and road > 0.5 * outdoor:
        return Kind.ROAD
    return Kind.OTHER


def self_contradiction(image: Image, depth: Network) -> float:
    """Mean difference of log depth between a picture, its mirror image and its magnified middle,
    which looks nearer by the network's own law, see `ModelCard.focal_exponent`. A network that
    hardly looks for the lens has an easy law: what it errs by counts over its exponent."""
    whole = log_depth(image.pixels, depth)
    mirrored = log_depth(np.ascontiguousarray(image.pixels[:, ::-1]), depth)[:, ::-1]
    height, width = whole.shape
    rows, columns = middle(height), middle(width)
    exponent = depth.card.focal_exponent
    nearer = exponent * np.log(ZOOM)
    near = log_depth(np.ascontiguousarray(image.pixels[rows, columns]), depth) + nearer
    part = whole[rows, columns]
    near = cv2.resize(near.astype(np.float32), part.shape[::-1])
    gaps = (
        np.abs(whole - mirrored).mean(),
        np.abs(part - near).mean() / max(exponent, LEAST_EXPONENT),
    )
    return float(np.mean(gaps))


def middle(size: int) -> slice:
    """The middle part of a side that `ZOOM` enlarges to the whole."""
    kept = round(size / ZOOM)
    start = (size - kept) // 2
    return slice(start, start + kept)


def log_depth(pixels: RgbArray, depth: Network) -> np.ndarray:
    """(H, W) logarithm of a metric teacher's depth, gaps filled with its median."""
    values = depth.estimate(Image(pixels)).values
    good = np.isfinite(values) & (values > 0)
    fill = float(np.median(values[good])) if good.any() else 1.0
    logs: np.ndarray = np.log(np.where(good, values, fill))
    return logs
