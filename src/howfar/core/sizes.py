"""Typical sizes of the COCO classes, for judging distance from apparent size.

Each row is the typical extent in metres and the relative spread (standard deviation of its
logarithm) over the things that photographs of that class show. Heights are preferred because a
turn around the vertical axis does not change them; `width` is used where the class has no upright
height of its own. Common knowledge of everyday objects, rounded; nobody's measurements. Classes
without a typical size (food on plates, animals that lie down as often as they stand, plants) are
left out on purpose.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from howfar.core.boxes import FloatArray, box_areas, intersections, iou_matrix
from howfar.core.camera import Camera
from howfar.core.depth import BoolArray
from howfar.core.foreground import SizePrior
from howfar.errors import UsageError


@dataclass(frozen=True)
class TypicalSize:
    """Typical extent of a class.

    Attributes:
        metres: typical height (or width) in metres.
        spread: standard deviation of its natural logarithm, 0.1 is about 10 %.
        side: `height` or `width`, the side of the box that it is compared with.
    """

    metres: float
    spread: float
    side: str = "height"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.metres) and self.metres > 0):
            raise UsageError(f"a typical size is {self.metres} m; give a positive number")
        if not 0 < self.spread < 2:
            raise UsageError(f"the spread of a size is {self.spread}; give 0.1 for about 10 %")
        if self.side not in ("height", "width"):
            raise UsageError(f"side is {self.side!r}; use 'height' or 'width'")


TYPICAL_SIZES: dict[str, TypicalSize] = {
    "person": TypicalSize(1.65, 0.15),
    "bicycle": TypicalSize(1.05, 0.12),
    "car": TypicalSize(1.52, 0.10),
    "motorcycle": TypicalSize(1.15, 0.15),
    "bus": TypicalSize(3.1, 0.15),
    "train": TypicalSize(3.9, 0.15),
    "truck": TypicalSize(2.9, 0.30),
    "traffic light": TypicalSize(0.9, 0.35),
    "fire hydrant": TypicalSize(0.75, 0.20),
    "stop sign": TypicalSize(0.75, 0.15, "width"),
    "parking meter": TypicalSize(1.2, 0.30),
    "bench": TypicalSize(0.85, 0.20),
    "horse": TypicalSize(1.7, 0.20),
    "sheep": TypicalSize(0.85, 0.20),
    "cow": TypicalSize(1.4, 0.15),
    "elephant": TypicalSize(2.7, 0.25),
    "zebra": TypicalSize(1.4, 0.15),
    "giraffe": TypicalSize(4.5, 0.20),
    "chair": TypicalSize(0.88, 0.20),
    "couch": TypicalSize(0.85, 0.15),
    "dining table": TypicalSize(0.75, 0.25),
    "toilet": TypicalSize(0.75, 0.20),
    "tv": TypicalSize(0.60, 0.35),
    "laptop": TypicalSize(0.33, 0.20, "width"),
    "keyboard": TypicalSize(0.43, 0.20, "width"),
    "mouse": TypicalSize(0.10, 0.25, "width"),
    "microwave": TypicalSize(0.30, 0.15),
    "oven": TypicalSize(0.75, 0.25),
    "refrigerator": TypicalSize(1.7, 0.15),
    "sink": TypicalSize(0.55, 0.30, "width"),
    "bottle": TypicalSize(0.25, 0.25),
    "wine glass": TypicalSize(0.20, 0.15),
    "cup": TypicalSize(0.10, 0.25),
    "bowl": TypicalSize(0.17, 0.30, "width"),
    "book": TypicalSize(0.23, 0.30),
    "suitcase": TypicalSize(0.65, 0.25),
    "backpack": TypicalSize(0.47, 0.20),
    "sports ball": TypicalSize(0.22, 0.15, "width"),
    "surfboard": TypicalSize(2.1, 0.20),
    "skateboard": TypicalSize(0.80, 0.12, "width"),
    "cell phone": TypicalSize(0.15, 0.20),
}

SEEN_WHOLE = frozenset(("person", "car", "bus", "truck", "motorcycle", "bicycle"))
"""Classes whose things photographs show whole: of chairs, tables and bottles something is hidden
more often than a detector tells, and they then seem farther."""
HIDDEN_SHARE = 0.15
"""A box of which a nearer one covers more than this share may show only a part of its object."""
FEET = 32
"""Points along the lower side of a box."""
SAME_IOU = 0.5
"""Boxes that overlap more than this are taken for the same object."""
BORDER_PX = 2.0
"""A box this close to the border of the image may be cut off there."""


def partly_hidden(boxes: FloatArray) -> BoolArray:
    """(N,) whether a box that stands lower in the picture, so probably nearer, covers a part.

    An object that is partly hidden shows a smaller side and so looks farther than it is.
    """
    share = intersections(boxes, boxes) / np.maximum(box_areas(boxes), 1e-6)[:, None]
    lower = boxes[None, :, 3] > boxes[:, None, 3]
    return np.asarray(np.any((share > HIDDEN_SHARE) & lower, axis=1))


def feet_hidden(boxes: FloatArray, others: FloatArray) -> FloatArray:
    """(N,) share 0..1 of each box's lower side that lies in boxes which stand lower.

    An object whose feet or wheels are covered shows less than its height; one that is covered at
    its side does not. Boxes that overlap by more than `SAME_IOU` do not count.

    Args:
        boxes: (N, 4) `xyxy` pixels.
        others: (M, 4) all boxes of the picture, these included.
    """
    width = boxes[:, 2:3] - boxes[:, :1]
    x = boxes[:, :1] + width * (np.arange(FEET) + 0.5) / FEET
    below = (others[:, 3] > boxes[:, 3:]) & (others[:, 1] < boxes[:, 3:])
    below &= iou_matrix(boxes, others) < SAME_IOU
    covered = (x[:, :, None] > others[:, 0]) & (x[:, :, None] < others[:, 2]) & below[:, None]
    share: FloatArray = covered.any(axis=2).mean(axis=1, dtype=np.float32)
    return share


def size_distances(
    boxes: FloatArray,
    labels: Sequence[str],
    camera: Camera,
    sizes: Mapping[str, TypicalSize] | None = None,
) -> SizePrior:
    """Depth z at which each box would show a thing of its class's typical size.

    z = focal_px * metres / side_px (pinhole, thing upright and facing the camera).

    Args:
        boxes: (N, 4) `xyxy` pixels.
        labels: N class names.
        camera: intrinsics of the image of the boxes.
        sizes: typical sizes by class name; `TYPICAL_SIZES` unless given.

    Returns depths (N,) in metres with their spread; NaN for classes without a typical size, boxes
    cut off by the border of the image, and people whose box is not upright.
    """
    table = TYPICAL_SIZES if sizes is None else sizes
    depth = np.full(len(boxes), np.nan, np.float32)
    spread = np.ones(len(boxes), np.float32)
    limit = np.array([camera.width, camera.height], np.float32) - BORDER_PX
    cut = np.any((boxes[:, :2] < BORDER_PX) | (boxes[:, 2:] > limit), axis=1)
    for i, label in enumerate(labels):
        size = table.get(label)
        if size is None or cut[i]:
            continue
        width, height = boxes[i, 2] - boxes[i, 0], boxes[i, 3] - boxes[i, 1]
        if label == "person" and height < 1.5 * width:
            continue  # sits, lies or is hidden below the waist
        focal, side = (camera.fy, height) if size.side == "height" else (camera.fx, width)
        if side > 0:
            depth[i], spread[i] = focal * size.metres / side, size.spread
    return SizePrior(depth, spread)
