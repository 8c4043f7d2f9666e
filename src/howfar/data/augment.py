"""Random changes of a scene, and recipes of them.

A step is a function (scene, generator) -> scene, its options bound with `functools.partial`; a
recipe is a tuple of steps for `augment`. The same seed gives the same scene.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

import numpy as np

from howfar.data import photometric
from howfar.data.geometry import (
    MIN_VISIBLE,
    about,
    crop,
    flip,
    resize_to_cover,
    translation,
    warp,
)
from howfar.data.scene import Scene
from howfar.errors import UsageError

Step = Callable[[Scene, np.random.Generator], Scene]
"""One random change of a scene."""
HYBRID_COVER = 1.1, 264 / 256
"""Hybrid CNN resizes to 352x264 before it crops 320x256 (facts 1b)."""


def augment(scene: Scene, steps: Iterable[Step], rng: np.random.Generator) -> Scene:
    """The scene after all steps, in their order."""
    for step in steps:
        scene = step(scene, rng)
    return scene


def sometimes(scene: Scene, rng: np.random.Generator, *, step: Step, p: float) -> Scene:
    """The scene after `step` with probability `p`, else as it is."""
    return step(scene, rng) if rng.random() < p else scene


def random_flip(scene: Scene, rng: np.random.Generator, *, p: float = 0.5) -> Scene:
    """Mirrored left to right with probability `p`."""
    return flip(scene) if rng.random() < p else scene


def cover(
    scene: Scene,
    _rng: np.random.Generator,
    *,
    width: int,
    height: int,
    interpolation: str = "area",
) -> Scene:
    """`resize_to_cover` as a step; it is not random."""
    return resize_to_cover(scene, width, height, interpolation=interpolation)


def random_crop(
    scene: Scene,
    rng: np.random.Generator,
    *,
    width: int,
    height: int,
    min_visible: float = MIN_VISIBLE,
) -> Scene:
    """A part of `width` x `height` pixels anywhere; raises `UsageError` for a smaller picture."""
    if width > scene.width or height > scene.height:
        raise UsageError(
            f"no crop of {width}x{height} fits a picture of {scene.width}x{scene.height}; "
            "`cover` it first"
        )
    x = int(rng.integers(scene.width - width + 1))
    y = int(rng.integers(scene.height - height + 1))
    return crop(scene, x, y, width, height, min_visible=min_visible)


def random_affine(
    scene: Scene,
    rng: np.random.Generator,
    *,
    keep_focal: bool,
    scale: tuple[float, float] = (0.8, 1.25),
    shift: float = 0.1,
    angle_deg: float = 5.0,
    shear_deg: float = 0.0,
    fill: int = 0,
    min_visible: float = MIN_VISIBLE,
) -> Scene:
    """Scaled, turned, sheared and moved in a frame of the same size.

    Args:
        scene, rng: what and by what.
        keep_focal: whether the scale divides depth and leaves the focal length, or the opposite.
        scale: least and largest, about the middle of the picture.
        shift: up to this share of width and height, each way.
        angle_deg, shear_deg: up to this much, each way. Any shear beyond rounding costs the
            camera, see `warp`.
        fill: grey level of what comes into the frame.
        min_visible: share of a box below which it is dropped.
    """
    zoom = float(rng.uniform(*scale))
    angle, shear = rng.uniform(-1, 1, 2) * (angle_deg, shear_deg)
    dx, dy = rng.uniform(-shift, shift, 2) * (scene.width, scene.height)
    middle = scene.width / 2, scene.height / 2
    matrix = translation(dx, dy) @ about(*middle, scale=zoom, angle_deg=angle, shear_deg=shear)
    return warp(
        scene,
        matrix,
        scene.width,
        scene.height,
        depth_zoom=zoom if keep_focal else 1.0,
        fill=fill,
        min_visible=min_visible,
    )


def random_zoom_crop(
    scene: Scene,
    rng: np.random.Generator,
    *,
    width: int,
    height: int,
    keep_focal: bool,
    zoom: tuple[float, float] = (1.0, 1.5),
    angle_deg: float = 5.0,
    interpolation: str = "bilinear",
    min_visible: float = MIN_VISIBLE,
) -> Scene:
    """Magnified and turned about the middle, then a part of it cut out, sampled once.

    Args:
        scene, rng: what and by what.
        width, height: of the part.
        keep_focal: whether the zoom divides depth and leaves the focal length, or the opposite.
        zoom: least and largest magnification.
        angle_deg: turned by up to this much, each way.
        interpolation: of the picture.
        min_visible: share of a box below which it is dropped.

    Where the magnified picture is smaller than the part, the rest is black and has no depth.
    """
    factor, angle = float(rng.uniform(*zoom)), float(rng.uniform(-angle_deg, angle_deg))
    grown = np.rint(np.array([scene.width, scene.height]) * factor)
    room = grown - (width, height)
    corner = np.rint(np.minimum(room, 0) + rng.random(2) * np.abs(room))
    onto = translation(*(grown / 2 - corner)) @ translation(-scene.width / 2, -scene.height / 2)
    matrix = onto @ about(scene.width / 2, scene.height / 2, scale=factor, angle_deg=angle)
    return warp(
        scene,
        matrix,
        width,
        height,
        depth_zoom=factor if keep_focal else 1.0,
        interpolation=interpolation,
        min_visible=min_visible,
    )


def random_gains(scene: Scene, rng: np.random.Generator, *, spread: float = 0.2) -> Scene:
    """Each colour channel multiplied by its own number from 1 - spread to 1 + spread."""
    return replace(
        scene, image=photometric.gain(scene.image, rng.uniform(1 - spread, 1 + spread, 3))
    )


def random_colors(
    scene: Scene,
    rng: np.random.Generator,
    *,
    brightness: float = 0.3,
    contrast: float = 0.3,
    saturation: float = 0.3,
    hue: float = 0.02,
) -> Scene:
    """Brightness, contrast and saturation times 1 ± up to their number, hue ± up to its turn."""
    spreads = np.array([brightness, contrast, saturation, hue])
    light, difference, colour, turn = (rng.uniform(-1, 1, 4) * spreads).tolist()
    image = photometric.gain(scene.image, 1 + light)
    image = photometric.contrast(image, 1 + difference)
    image = photometric.saturation(image, 1 + colour)
    return replace(scene, image=photometric.hue(image, turn))


def random_gamma(
    scene: Scene, rng: np.random.Generator, *, exponent: tuple[float, float] = (0.7, 1.4)
) -> Scene:
    """`photometric.gamma` with an exponent from a range, uniform in its logarithm."""
    chosen = float(np.exp(rng.uniform(*np.log(exponent))))
    return replace(scene, image=photometric.gamma(scene.image, chosen))


def gray(scene: Scene, _rng: np.random.Generator) -> Scene:
    """`photometric.grayscale` as a step; it is not random."""
    return replace(scene, image=photometric.grayscale(scene.image))


def random_blur(
    scene: Scene, rng: np.random.Generator, *, sigma_px: tuple[float, float] = (0.3, 1.5)
) -> Scene:
    """`photometric.blur` of a width from a range."""
    return replace(scene, image=photometric.blur(scene.image, float(rng.uniform(*sigma_px))))


def random_noise(
    scene: Scene, rng: np.random.Generator, *, sigma: tuple[float, float] = (1.0, 8.0)
) -> Scene:
    """`photometric.noise` of a strength from a range, of 255."""
    return replace(scene, image=photometric.noise(scene.image, rng, float(rng.uniform(*sigma))))


def random_jpeg(
    scene: Scene, rng: np.random.Generator, *, quality: tuple[int, int] = (40, 95)
) -> Scene:
    """`photometric.jpeg` of a quality from a range, both ends included."""
    chosen = int(rng.integers(quality[0], quality[1] + 1))
    return replace(scene, image=photometric.jpeg(scene.image, chosen))


def random_cut_out(
    scene: Scene, rng: np.random.Generator, *, size: tuple[float, float] = (0.05, 0.3)
) -> Scene:
    """A grey rectangle, its sides a share of the picture's from a range; the truth stays."""
    width, height = np.rint(rng.uniform(*size, 2) * (scene.width, scene.height)).astype(int)
    x = int(rng.integers(max(scene.width - width, 0) + 1))
    y = int(rng.integers(max(scene.height - height, 0) + 1))
    fill = int(rng.integers(256))
    image = photometric.cut_out(scene.image, x, y, int(width), int(height), fill)
    return replace(scene, image=image)


def flip_only() -> tuple[Step, ...]:
    """Mirrored half of the time, nothing else (source 003)."""
    return (random_flip,)


def hybrid_recipe(width: int = 320, height: int = 256) -> tuple[Step, ...]:
    """Hybrid CNN's training augmentation (source 000 §III; facts 1b), for NYU-like pictures.

    Resized to cover 1.1 x 1.03 of the size, magnified by 1..1.5 with depth divided by it, turned by
    up to 5 degrees, cropped, all by nearest neighbour; each colour times 0.8..1.2; mirrored half of
    the time. The focal length changes only by the resize.
    """
    wide, high = round(HYBRID_COVER[0] * width), round(HYBRID_COVER[1] * height)
    return (
        partial(cover, width=wide, height=high, interpolation="nearest"),
        partial(
            random_zoom_crop, width=width, height=height, keep_focal=True, interpolation="nearest"
        ),
        random_gains,
        random_flip,
    )


def usual(width: int, height: int, *, keep_focal: bool) -> tuple[Step, ...]:
    """A strong recipe for pictures of any source; every scene gets `width` x `height` pixels.

    Args:
        width, height: of the result.
        keep_focal: whether zoom divides depth and leaves the focal length, or the opposite.
    """
    return (
        partial(cover, width=width, height=height),
        partial(random_zoom_crop, width=width, height=height, keep_focal=keep_focal),
        random_flip,
        random_colors,
        partial(sometimes, step=random_gamma, p=0.3),
        partial(sometimes, step=gray, p=0.05),
        partial(sometimes, step=random_blur, p=0.1),
        partial(sometimes, step=random_noise, p=0.2),
        partial(sometimes, step=random_jpeg, p=0.2),
        partial(sometimes, step=random_cut_out, p=0.1),
    )
