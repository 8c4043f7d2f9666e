"""The augmentation of YOLOv5's training (facts 1c): mosaic, affine map, mixup, HSV, flip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from howfar.core.boxes import clip_boxes
from howfar.core.resize import resize
from howfar.data import photometric
from howfar.data.augment import random_flip
from howfar.data.geometry import about, translation, warp
from howfar.data.scene import Scene
from howfar.errors import UsageError

FILL = 114
"""Grey level where no picture is."""
MIN_SIDE_PX, MIN_VISIBLE, MAX_ASPECT = 2.0, 0.1, 100.0
"""Boxes are dropped that are thinner, show less of their area, or are longer than this."""
MIXUP_BETA = 32.0


@dataclass(frozen=True)
class MosaicOptions:
    """How strongly pictures change; the defaults are YOLOv5's "low" set.

    Attributes:
        mosaic: share of examples that are made of four pictures.
        mixup: share of these that are mixed with a second mosaic.
        hue, saturation, value: each is multiplied by 1 ± up to this.
        translate: moved by up to this share of the size, each way.
        scale: scaled by 1 ± up to this.
        angle_deg, shear_deg: up to this much, each way.
        flip: share that is mirrored.

    Raises `UsageError` for numbers outside their range.
    """

    mosaic: float = 1.0
    mixup: float = 0.0
    hue: float = 0.015
    saturation: float = 0.7
    value: float = 0.4
    translate: float = 0.1
    scale: float = 0.5
    angle_deg: float = 0.0
    shear_deg: float = 0.0
    flip: float = 0.5

    def __post_init__(self) -> None:
        for name in ("mosaic", "mixup", "hue", "saturation", "value", "translate", "flip"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"augment {name} is {getattr(self, name)}; give a number in 0..1")
        if not 0 <= self.scale < 1:
            raise UsageError(f"augment scale is {self.scale}; give 0 or more, below 1")


def fit_to(scene: Scene, width: int, height: int) -> Scene:
    """The scene at the largest size that fits `width` x `height` pixels, without depth."""
    factor = min(width / scene.width, height / scene.height)
    wide, high = max(round(scene.width * factor), 1), max(round(scene.height * factor), 1)
    scales = np.array([wide / scene.width, high / scene.height] * 2, np.float32)
    image = scene.image if factor == 1 else resize(scene.image, wide, high, "bilinear")
    return Scene(image=image, boxes=scene.boxes * scales, labels=scene.labels)


def detection_example(
    scene: Scene,
    other: Callable[[], Scene],
    width: int,
    height: int,
    options: MosaicOptions,
    rng: np.random.Generator,
) -> Scene:
    """One training picture of `width` x `height` pixels.

    Args:
        scene: its main picture, at the size that `fit_to` gives, as those of `other`.
        other: draws the scenes that are combined with it.
        width, height: of the result.
        options: see there.
        rng: decides.
    """
    if rng.random() < options.mosaic:
        result = _mosaic_of(scene, other, width, height, options, rng)
        if rng.random() < options.mixup:
            result = mixup(result, _mosaic_of(other(), other, width, height, options, rng), rng)
    else:
        result = random_map(placed(scene, width, height), width, height, options, rng)
    gains = rng.uniform(-1, 1, 3) * (options.hue, options.saturation, options.value) + 1
    result = replace(result, image=photometric.hsv(result.image, *gains.tolist()))
    return random_flip(result, rng, p=options.flip)


def _mosaic_of(
    scene: Scene,
    other: Callable[[], Scene],
    width: int,
    height: int,
    options: MosaicOptions,
    rng: np.random.Generator,
) -> Scene:
    middle = rng.uniform(0.5, 1.5, 2) * (width, height)
    scenes = [scene, other(), other(), other()]
    whole = mosaic(scenes, int(middle[0]), int(middle[1]), 2 * width, 2 * height)
    return random_map(whole, width, height, options, rng)


def mosaic(scenes: Sequence[Scene], x: int, y: int, width: int, height: int) -> Scene:
    """Four scenes around the corner (x, y) of a grey canvas of `width` x `height` pixels.

    In the order top left, top right, bottom left, bottom right; each touches (x, y) with a corner
    and is cut at the border of the canvas. Boxes are cut with it.
    """
    canvas = np.full((height, width, 3), FILL, np.uint8)
    boxes, labels = [], []
    for i, scene in enumerate(scenes):
        left = x if i % 2 else x - scene.width
        top = y if i // 2 else y - scene.height
        x1, y1 = max(left, 0), max(top, 0)
        x2, y2 = min(left + scene.width, width), min(top + scene.height, height)
        if x1 < x2 and y1 < y2:
            canvas[y1:y2, x1:x2] = scene.image[y1 - top : y2 - top, x1 - left : x2 - left]
        moved = clip_boxes(scene.boxes + np.array([left, top] * 2, np.float32), width, height)
        seen = ((moved[:, 2:] - moved[:, :2]) > 0).all(axis=1)
        boxes.append(moved[seen])
        labels.append(scene.labels[seen])
    return Scene(image=canvas, boxes=np.concatenate(boxes), labels=np.concatenate(labels))


def placed(scene: Scene, width: int, height: int) -> Scene:
    """A scene that fits in the middle of a grey frame of `width` x `height` pixels."""
    left, top = round((width - scene.width) / 2 - 0.1), round((height - scene.height) / 2 - 0.1)
    canvas = np.full((height, width, 3), FILL, np.uint8)
    canvas[top : top + scene.height, left : left + scene.width] = scene.image
    boxes = scene.boxes + np.array([left, top] * 2, np.float32)
    return Scene(image=canvas, boxes=boxes, labels=scene.labels)


def random_map(
    scene: Scene, width: int, height: int, options: MosaicOptions, rng: np.random.Generator
) -> Scene:
    """The middle of a scene, scaled, turned, sheared and moved, in `width` x `height` pixels."""
    scale = float(rng.uniform(1 - options.scale, 1 + options.scale))
    angle, shear = rng.uniform(-1, 1, 2) * (options.angle_deg, options.shear_deg)
    move = rng.uniform(0.5 - options.translate, 0.5 + options.translate, 2) * (width, height)
    turn = about(0, 0, scale=scale, angle_deg=float(angle), shear_deg=float(shear))
    centred = translation(-scene.width / 2, -scene.height / 2)
    matrix = translation(float(move[0]), float(move[1])) @ turn @ centred
    found = warp(scene, matrix, width, height, fill=FILL, min_visible=MIN_VISIBLE)
    return _without_slivers(found)


def _without_slivers(scene: Scene) -> Scene:
    sides = scene.boxes[:, 2:] - scene.boxes[:, :2]
    aspect = sides.max(axis=1, initial=0) / np.maximum(sides.min(axis=1, initial=np.inf), 1e-6)
    kept = (sides > MIN_SIDE_PX).all(axis=1) & (aspect < MAX_ASPECT)
    return replace(scene, boxes=scene.boxes[kept], labels=scene.labels[kept])


def mixup(a: Scene, b: Scene, rng: np.random.Generator) -> Scene:
    """Both pictures blended, with the objects of both (arXiv 1710.09412)."""
    share = np.float32(rng.beta(MIXUP_BETA, MIXUP_BETA))
    image = (a.image * share + b.image * (1 - share)).astype(np.uint8)
    return replace(
        a,
        image=image,
        boxes=np.concatenate([a.boxes, b.boxes]),
        labels=np.concatenate([a.labels, b.labels]),
    )
