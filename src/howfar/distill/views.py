"""Views: what student and teachers both look at, with everything that is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from howfar.core.boxes import FloatArray
from howfar.core.camera import Camera
from howfar.core.depth import BoolArray
from howfar.core.resize import resize
from howfar.core.sizes import SEEN_WHOLE, size_distances
from howfar.data import augment as steps
from howfar.data.geometry import crop, resize_scene
from howfar.data.photometric import jpeg
from howfar.data.scene import Scene
from howfar.distill.mixture import assumed_camera
from howfar.distill.survey import Finding, Kind
from howfar.nets.joint import CANONICAL_FOCAL

STRIDE = 4
"""Of the student's depth."""
LABEL_STRIDE = 8
SPARSE = 0.25
"""Truth that fills less of a picture comes from lidar."""
ASPECT_SPREAD = 0.25
"""Of the logarithm of a view's aspect ratio against its picture's."""
WIDE = 0.5
"""Share of road views that are as wide as a car camera's."""
ZOOM = 1.6
"""Most that a view magnifies."""
ZOOMED = 0.5
"""Share of views that are magnified."""
COARSE = 0.5
"""Share of views that lose details, so that these do not tell what is magnified: what a part of a
small picture shows is blurred, what the whole shows is not."""
LEAST_DETAIL = 0.5
"""The least resolution that is left to them."""
Box = tuple[float, float, float, float]
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
PRIOR_SLACK = 0.35
"""Log depth within which a size prior says nothing: heights vary, the aspect may be unknown."""


@dataclass(frozen=True, eq=False)
class View:
    """One picture as the networks see it.

    Attributes:
        image: (S, S, 3) uint8 RGB.
        log_depth: (S/4, S/4) logarithm of canonical metres, 0 where unknown.
        valid: (S/4, S/4) where it is known.
        priors: (N, 7) boxes x1 y1 x2 y2 in cells of the depth map, least and largest log depth,
            weight.
        kind: of the picture, None where the truth alone teaches.
        trust: 0..1 of each metric teacher.
        labels: (S/8, S/8) uint8 class of each pixel, 255 unknown; None without such truth.
        whole: (S, S, 3) the picture of which the view is a part, likewise coloured; None where
            the truth teaches. A metric teacher sees this: it does not know that what fills
            twice as much of a view is half as far (FastDepth: 1.4 times too far at zoom 2).
        part: x1, y1, x2, y2 of the view in `whole`, 0..1.
    """

    image: np.ndarray
    log_depth: FloatArray
    valid: BoolArray
    priors: FloatArray
    kind: Kind | None
    trust: tuple[float, ...]
    labels: npt.NDArray[np.uint8] | None = None
    whole: npt.NDArray[np.uint8] | None = None
    part: Box = WHOLE


def make_view(
    scene: Scene,
    finding: Finding | None,
    classes: Sequence[str],
    size: int,
    rng: np.random.Generator,
    plain: bool = False,
    exponent: float = 1.0,
    everywhere: bool = False,
) -> View:
    """A random view of a scene.

    Args:
        scene: the picture with its truth, if any; boxes are ignored.
        finding: what the teachers said of it.
        classes: names of the classes of `finding`.
        size: side S in pixels.
        rng: of all that is random.
        plain: the whole picture, unchanged but for its size.
        exponent: `ModelCard.focal_exponent` of the student.
        everywhere: `View.whole` is wanted of outdoor pictures, too.
    """
    known = scene.camera is not None
    if not known:
        scene = replace(scene, camera=assumed_camera(scene.width, scene.height), depth=None)
    if finding is not None:
        scale = np.array([scene.width, scene.height] * 2, np.float32)
        boxes = np.array(finding.boxes, np.float32).reshape(-1, 4) * scale
        scene = replace(scene, boxes=boxes, labels=np.array(finding.classes, np.int64))
    kind = finding.kind if finding else None
    whole, part = scene, WHOLE
    if not plain:
        whole = steps.random_flip(scene, rng)
        scene, part = _cut(whole, kind, rng)
    scene = resize_scene(scene, size, size)
    asked = kind is Kind.INDOOR or (everywhere and kind is not None)
    uncut = resize_scene(whole, size, size) if asked else None
    if not plain:
        seed = int(rng.integers(2**32))
        scene = _recoloured(scene, np.random.default_rng(seed))
        uncut = uncut and _recoloured(uncut, np.random.default_rng(seed))
        if rng.random() < COARSE:
            scene = _coarser(scene, float(rng.uniform(LEAST_DETAIL, 1)))
    log_depth, valid = canonical(scene, size // STRIDE, exponent)
    priors = _priors(scene, classes, exponent) if kind in (Kind.ROAD, Kind.OTHER) else _no_priors()
    trust = finding.trust if finding else ()
    labels = scene.semantics
    if labels is not None:
        labels = resize(labels, size // LABEL_STRIDE, size // LABEL_STRIDE, "nearest")
    seen = None if uncut is None else uncut.image
    return View(scene.image, log_depth, valid, priors, kind, trust, labels, seen, part)


def _cut(scene: Scene, kind: Kind | None, rng: np.random.Generator) -> tuple[Scene, Box]:
    """A part of the picture: magnified by up to `ZOOM` (the focal length in pixels stays,
    so canonical depth shrinks), of about its aspect ratio, or much wider."""
    aspect = float(np.exp(rng.normal(0, ASPECT_SPREAD)))
    roadlike = kind is Kind.ROAD or (kind is None and scene.width > 1.2 * scene.height)
    if roadlike and rng.random() < WIDE:
        aspect *= float(rng.uniform(1.3, 2.6))
    zoom = float(np.exp(rng.uniform(0, np.log(ZOOM)))) if rng.random() < ZOOMED else 1.0
    width = scene.width / zoom * min(aspect, 1)
    height = scene.height / zoom / max(aspect, 1)
    wide, high = max(int(width), 32), max(int(height), 32)
    wide, high = min(wide, scene.width), min(high, scene.height)
    x, y = int(rng.integers(scene.width - wide + 1)), int(rng.integers(scene.height - high + 1))
    sides = (scene.width, scene.height)
    part = (x / sides[0], y / sides[1], (x + wide) / sides[0], (y + high) / sides[1])
    return crop(scene, x, y, wide, high, min_visible=0.999), part


def _recoloured(scene: Scene, rng: np.random.Generator) -> Scene:
    scene = steps.random_colors(scene, rng, brightness=0.25, contrast=0.25)
    if rng.random() < 0.3:
        scene = steps.random_gamma(scene, rng)
    draw = rng.random()
    if draw < 0.05:
        scene = steps.gray(scene, rng)
    elif draw < 0.15:
        scene = steps.random_blur(scene, rng)
    elif draw < 0.3:
        scene = steps.random_noise(scene, rng)
    elif draw < 0.45:
        scene = replace(scene, image=jpeg(scene.image, int(rng.integers(40, 95))))
    return scene


def _coarser(scene: Scene, detail: float) -> Scene:
    """The scene with a share of its resolution."""
    height, width = (max(round(side * detail), 1) for side in (scene.height, scene.width))
    small = resize(scene.image, width, height, "area")
    return replace(scene, image=resize(small, scene.width, scene.height, "bilinear"))


def canonical(scene: Scene, size: int, exponent: float = 1.0) -> tuple[FloatArray, BoolArray]:
    """(size, size) logarithm of canonical depth of a scene with a camera, and where it is known.

    Dense truth is taken at the middle of each cell; of lidar, whose points are few, the mean of all
    points in it. The focal length counts with the power `exponent`, see `ModelCard`.
    """
    if scene.depth is None or scene.camera is None:
        return np.zeros((size, size), np.float32), np.zeros((size, size), bool)
    known = np.isfinite(scene.depth) & (scene.depth > 0)
    logs = np.log(np.where(known, scene.depth, 1)).astype(np.float32)
    shift = np.float32(exponent * _nearer(scene.camera, scene.width))
    if known.mean() >= SPARSE:
        valid = resize(known.astype(np.uint8), size, size, "nearest") > 0
        return (resize(logs, size, size, "nearest") + shift) * valid, valid
    y, x = np.nonzero(known)
    cells = (y * size // scene.height) * size + x * size // scene.width
    count = np.bincount(cells, minlength=size * size)
    total = np.bincount(cells, logs[y, x], minlength=size * size)
    valid = (count > 0).reshape(size, size)
    mean = (total / np.maximum(count, 1)).reshape(size, size).astype(np.float32)
    return (mean + shift) * valid, valid


def _no_priors() -> FloatArray:
    return np.zeros((0, 7), np.float32)


def _nearer(camera: Camera, width: int) -> float:
    """Logarithm of the canonical camera's focal length over this one's."""
    return float(np.log(CANONICAL_FOCAL * width / camera.fx))


def _priors(scene: Scene, classes: Sequence[str], exponent: float) -> FloatArray:
    """What typical sizes say of the depth of whole people and vehicles in the view."""
    camera = scene.camera
    if camera is None or not len(scene.boxes):
        return _no_priors()
    labels = [classes[i] for i in scene.labels.tolist()]
    prior = size_distances(scene.boxes, labels, camera)
    wanted = np.array([label in SEEN_WHOLE for label in labels]) & np.isfinite(prior.depth)
    if not wanted.any():
        return _no_priors()
    middle = np.log(prior.depth[wanted]) + exponent * _nearer(camera, scene.width)
    slack = PRIOR_SLACK + prior.spread[wanted]
    boxes = scene.boxes[wanted] / STRIDE
    columns = (middle - slack, middle + slack, np.ones(len(middle)))
    return np.column_stack([boxes, *columns]).astype(np.float32)
