"""Virtual KITTI 1.3.1 and 2: rendered drives with exact depth, classes and boxes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from howfar.core.camera import Camera
from howfar.core.depth import DepthMap
from howfar.core.image import Image
from howfar.data.dataset import Dataset, Problem, Records, choice, choices
from howfar.data.files import (
    folder,
    metric,
    read_deep_png,
    read_png,
    same_size,
)
from howfar.data.kitti import HALF_PIXEL
from howfar.data.sample import Sample
from howfar.data.vkitti_texts import (
    cached,
    decode,
    nothing,
    objects,
    read_colors,
    read_table,
    solid1,
    solid2,
)
from howfar.errors import DatasetError
from howfar.media import read_image

WORLDS = ("0001", "0002", "0006", "0018", "0020")
FRAMES = {"0001": 447, "0002": 233, "0006": 270, "0018": 339, "0020": 837}
"""Frames of each world, the same in all ten variations: 21,260 in all."""
VARIATIONS = (
    "15-deg-left",
    "15-deg-right",
    "30-deg-left",
    "30-deg-right",
    "clone",
    "fog",
    "morning",
    "overcast",
    "rain",
    "sunset",
)
SPLITS = {"train": ("0001", "0018", "0020"), "val": ("0006",), "test": ("0002",), "all": WORLDS}
"""Worlds of the DS-Net study: 16,230, 2,700 and 2,330 frames (depth-mancini; facts 1h)."""
CAMERA = Camera(1242, 375, 725.0, 725.0, 620.5 + HALF_PIXEL, 187.0 + HALF_PIXEL)
"""Intrinsics of both versions (readme: 725, 620.5, 187; pixel centres at whole numbers)."""
BASELINE_M = 0.532725
"""Distance of the two cameras of version 2 (from memory; facts 2)."""
DEPTH_PER_M = 100.0
SKY = 65535
"""Depth is stored in centimetres; the far plane, which is the sky, at 655.35 m."""
MEDIAN_M = (0.5, 120.0)
"""Median depth without sky that a picture can have; millimetres read as centimetres exceed it."""
OBJECT_CLASSES = ("Car", "Van", "Truck")


class Frame(NamedTuple):
    """One picture.

    Attributes:
        world: `0001`.
        variation: `clone`.
        camera: 0 left, 1 right (version 2 only).
        number: frame.
        file: the picture.
    """

    world: str
    variation: str
    camera: int
    number: int
    file: Path

    @property
    def id(self) -> str:
        """Unique name."""
        return f"{self.world}/{self.variation}/{self.camera}/{self.number:05d}"


def _worlds(split: str, worlds: str) -> tuple[str, ...]:
    chosen = SPLITS[choice("split", split, tuple(SPLITS))]
    return choices("worlds", worlds, WORLDS) if worlds else chosen


def open_vkitti1(
    path: Path, split: str = "all", worlds: str = "", variations: str = "", sky: str = "invalid"
) -> Dataset:
    """Virtual KITTI 1.3.1.

    Args:
        path: folder with `vkitti_1.3.1_rgb`, `vkitti_1.3.1_depthgt` and, where present,
            `vkitti_1.3.1_scenegt` (classes) and `vkitti_1.3.1_motgt` (boxes).
        split: `train`, `val`, `test` of the DS-Net study, or `all`.
        worlds, variations: comma-separated, instead.
        sky: `invalid`, or `far`: 655.35 m, as DS-Net trains on it (capped at 40 m).
    """
    choice("sky", sky, ("invalid", "far"))
    root = folder(path / "vkitti_1.3.1_rgb", "Virtual KITTI's <world>/<variation>/%05d.png")
    frames = []
    for world in _worlds(split, worlds):
        for variation in choices("variations", variations, VARIATIONS):
            files = sorted((root / world / variation).glob("*.png"))
            frames += [Frame(world, variation, 0, _number(file), file) for file in files]
    return _records(f"vkitti1:{path}", path, frames, partial(_read1, path, sky), _depth1)


def open_vkitti2(
    path: Path,
    split: str = "all",
    worlds: str = "",
    variations: str = "",
    camera: str = "0",
    sky: str = "invalid",
) -> Dataset:
    """Virtual KITTI 2.

    Args:
        path: folder with `Scene01/<variation>/frames/{rgb,depth,classSegmentation,
            instanceSegmentation}/Camera_k` and the texts `colors.txt`, `bbox.txt`, `pose.txt`,
            `info.txt` of a variation. Classes, instances and texts may be missing.
        split, worlds, variations, sky: as in `open_vkitti1`.
        camera: `0` (left, with the right picture as partner where present), `1` or `both`.
    """
    choice("sky", sky, ("invalid", "far"))
    choice("camera", camera, ("0", "1", "both"))
    folder(path, "Virtual KITTI 2's Scene01 ...")
    frames = []
    for world in _worlds(split, worlds):
        for variation in choices("variations", variations, VARIATIONS):
            for k in (0, 1) if camera == "both" else (int(camera),):
                rgb = _frames2(path, world, variation) / "rgb" / f"Camera_{k}"
                files = sorted([*rgb.glob("rgb_*.jpg"), *rgb.glob("rgb_*.png")])
                frames += [Frame(world, variation, k, _number(file), file) for file in files]
    return _records(f"vkitti2:{path}", path, frames, partial(_read2, path, sky), _depth2)


def _records(
    name: str,
    root: Path,
    frames: list[Frame],
    read: Callable[[Frame], Sample],
    depth_of: Callable[[Path, Frame], Path],
) -> Dataset:
    if not frames:
        raise DatasetError(f"{root}: no pictures of the chosen worlds and variations in it")
    layout = partial(_layout, root, tuple(frames), depth_of)
    return Records(name, tuple(frames), read, OBJECT_CLASSES, layout)


def _layout(
    root: Path, frames: tuple[Frame, ...], depth_of: Callable[[Path, Frame], Path]
) -> list[Problem]:
    problems = []
    counts: dict[tuple[str, str, int], int] = {}
    for frame in frames:
        sequence = frame.world, frame.variation, frame.camera
        counts[sequence] = counts.get(sequence, 0) + 1
        if not depth_of(root, frame).is_file():
            problems.append(Problem(str(depth_of(root, frame)), "no such file"))
    for (world, variation, _), count in counts.items():
        if count != FRAMES[world]:
            told = f"{count} pictures; officially {FRAMES[world]}"
            problems.append(Problem(f"{root}: {world}/{variation}", told))
    return problems


def _number(file: Path) -> int:
    digits = file.stem.removeprefix("rgb_")
    if not digits.isdigit():
        raise DatasetError(f"{file}: expected a name of five digits")
    return int(digits)


def read_centimetres(path: Path, image: Image, sky: str) -> DepthMap:
    """A depth picture of Virtual KITTI in metres; the sky is invalid, or valid where `far`."""
    stored = read_deep_png(path)
    same_size(path, stored, image)
    depth = metric(stored / DEPTH_PER_M, path, MEDIAN_M, stored != SKY)
    return DepthMap(depth.values) if sky == "far" else depth


# --- version 1.3.1 ------------------------------------------------------------------------------


def _depth1(root: Path, frame: Frame) -> Path:
    return root / "vkitti_1.3.1_depthgt" / frame.world / frame.variation / frame.file.name


def _read1(root: Path, sky: str, frame: Frame) -> Sample:
    image = read_image(frame.file)
    known: dict[str, Any] = {}
    scenes = root / "vkitti_1.3.1_scenegt"
    sequence = f"{frame.world}_{frame.variation}"
    if scenes.is_dir():
        colors = cached(read_colors, scenes / f"{sequence}_scenegt_rgb_encoding.txt")
        file = scenes / frame.world / frame.variation / frame.file.name
        known["semantics"], known["instances"] = decode(file, colors, image)
    texts = root / "vkitti_1.3.1_motgt" / f"{sequence}.txt"
    if texts.is_file():
        rows = cached(read_table, texts).get((frame.number, 0), {})
        known |= objects(rows, ("l", "t", "r", "b"), texts, solid1) if rows else nothing(texts)
    return Sample(
        id=frame.id,
        picture=image,
        depth=read_centimetres(_depth1(root, frame), image, sky),
        camera=CAMERA.resized(image.width, image.height),
        **known,
    )


# --- version 2 ----------------------------------------------------------------------------------


def _frames2(root: Path, world: str, variation: str) -> Path:
    return root / f"Scene{world[-2:]}" / variation / "frames"


def _depth2(root: Path, frame: Frame) -> Path:
    return _map2(root, frame, "depth", "depth")


def _map2(root: Path, frame: Frame, kind: str, prefix: str) -> Path:
    maps = _frames2(root, frame.world, frame.variation) / kind / f"Camera_{frame.camera}"
    return maps / f"{prefix}_{frame.number:05d}.png"


def _read2(root: Path, sky: str, frame: Frame) -> Sample:
    image = read_image(frame.file)
    sequence = _frames2(root, frame.world, frame.variation).parent
    known: dict[str, Any] = {}
    classes = _map2(root, frame, "classSegmentation", "classgt")
    if classes.parent.is_dir():
        colors = cached(read_colors, sequence / "colors.txt")
        known["semantics"] = decode(classes, colors, image)[0]
    instances = _map2(root, frame, "instanceSegmentation", "instancegt")
    if instances.parent.is_dir():
        stored = read_png(instances)
        if stored.ndim != 2:
            raise DatasetError(f"{instances}: {stored.shape}; expected palette indices (track + 1)")
        same_size(instances, stored, image)
        known["instances"] = stored.astype(np.int32)
    if all((sequence / name).is_file() for name in ("bbox.txt", "pose.txt", "info.txt")):
        known |= _objects2(sequence, frame)
    right = frame.file.parent.with_name("Camera_1") / frame.file.name
    if frame.camera == 0 and right.is_file():
        known |= {"right": read_image(right), "baseline_m": BASELINE_M}
    return Sample(
        id=frame.id,
        picture=image,
        depth=read_centimetres(_depth2(root, frame), image, sky),
        camera=CAMERA.resized(image.width, image.height),
        **known,
    )


def _objects2(sequence: Path, frame: Frame) -> dict[str, Any]:
    key = frame.number, frame.camera
    boxes = cached(read_table, sequence / "bbox.txt").get(key, {})
    poses = cached(read_table, sequence / "pose.txt").get(key, {})
    info = cached(read_table, sequence / "info.txt").get((0, 0), {})
    try:
        rows = {
            track: {**poses[track], **row, "label": info[track]["label"]}
            for track, row in boxes.items()
        }
    except KeyError as error:
        raise DatasetError(f"{sequence}: bbox, pose and info differ: no {error}") from None
    file = sequence / "bbox.txt"
    sides = ("left", "top", "right", "bottom")
    return objects(rows, sides, file, solid2) if rows else nothing(file)
