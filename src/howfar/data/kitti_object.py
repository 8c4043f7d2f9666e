"""KITTI object benchmark: boxes, 3-D boxes, occlusion, lidar and, where present, right picture."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from howfar.core.boxes import FloatArray
from howfar.data.dataset import Dataset, Problem, Records, choice
from howfar.data.files import (
    ROAD_M,
    folder,
    metric,
    missing,
    numbers,
    picture_of,
    pictures,
    read_lines,
    same_size,
    surplus,
)
from howfar.data.kitti import (
    HALF_PIXEL,
    Calibration,
    Matrix,
    lidar_depth,
    read_object_calibration,
    read_velodyne,
)
from howfar.data.sample import UNKNOWN_OCCLUSION, Box3D, Sample
from howfar.errors import DatasetError, UsageError
from howfar.media import read_image

FRAMES = {"training": 7481, "testing": 7518}
COMMON_SPLIT = {"train": 3712, "val": 3769}
"""Frames in the split of Chen et al. 2015 that most work uses (its lists are not part of KITTI)."""
CLASSES = (
    "Car",
    "Van",
    "Truck",
    "Pedestrian",
    "Person_sitting",
    "Cyclist",
    "Tram",
    "Misc",
    "DontCare",
)
"""The official types; a label file of somebody else's may hold others."""
DONT_CARE = "DontCare"
MIN_HEIGHT_PX = (40, 25, 25)
MAX_OCCLUSION = (0, 1, 2)
MAX_TRUNCATION = (0.15, 0.30, 0.50)
"""Limits of the difficulties easy, moderate, hard (evaluate_object.cpp of the devkit)."""
HARDER = 3
"""Difficulty of objects that meet none of the limits; they are ignored."""
COLUMNS = 15
"""type, truncated, occluded, alpha, 4 box, 3 size, 3 location, rotation_y[, score]."""


PARTNERS = (("label_2", ".txt"), ("calib", ".txt"), ("velodyne", ".bin"), ("image_3", ".png"))


@dataclass(frozen=True)
class Label:
    """One line of a label file, in KITTI's own coordinates (0-based pixels, camera 0)."""

    type: str
    truncated: float
    occluded: int
    alpha_rad: float
    box: tuple[float, float, float, float]
    size_hwl_m: tuple[float, float, float]
    location_m: tuple[float, float, float]
    rotation_y_rad: float
    score: float | None


def read_labels(path: Path) -> list[Label]:
    """Lines of `label_2/%06d.txt`."""
    return [_label(line, number, path) for number, line in enumerate(read_lines(path, True), 1)]


def _label(line: str, number: int, path: Path) -> Label:
    name, *words = line.split()
    values = numbers(words, path, number)
    if len(values) not in (COLUMNS - 1, COLUMNS):
        raise DatasetError(
            f"{path}: line {number} has {len(values) + 1} columns; expected 15 or 16"
        )
    trunc, occluded, alpha, x1, y1, x2, y2, h, w, length, x, y, z, turn = values[:14]
    score = values[14] if len(values) == COLUMNS else None
    return Label(
        name,
        trunc,
        int(occluded),
        alpha,
        (x1, y1, x2, y2),
        (h, w, length),
        (x, y, z),
        turn,
        score,
    )


def open_kitti_object(path: Path, split: str = "training", frames: str = "") -> Dataset:
    """Frames of the object benchmark.

    Args:
        path: folder with `training/{image_2,label_2,calib,velodyne,image_3}`; the last three
            may be missing, and so may `label_2` of `testing`.
        split: `training` or `testing`.
        frames: file with one frame number a line (the 3712 / 3769 split, say).

    `depth` is the lidar seen from the camera: sparse, each point in the pixel that it falls in.
    """
    root = folder(path / choice("split", split, tuple(FRAMES)), "KITTI's image_2, label_2 ...")
    stems = [file.stem for file in pictures(folder(root / "image_2", "the left pictures"))]
    if frames:
        stems = [line.split()[0] for line in read_lines(Path(frames))]
    if not stems:
        raise DatasetError(f"{root / 'image_2'}: no pictures in it")
    layout = partial(_layout, root, tuple(stems), not frames)
    read = partial(_read, root)
    names = _class_names(root / "label_2", stems)
    return Records(f"kitti-object:{path}", tuple(stems), read, names, layout)


def _class_names(labels: Path, stems: Sequence[str]) -> tuple[str, ...]:
    """KITTI's types, then others that occur. Files that cannot be read have none."""
    found: set[str] = set()
    for stem in stems:
        with contextlib.suppress(DatasetError):  # told when the sample is read
            found.update(line.split()[0] for line in read_lines(labels / f"{stem}.txt", empty=True))
    return (*CLASSES, *sorted(found - set(CLASSES)))


def _layout(root: Path, stems: tuple[str, ...], whole: bool) -> list[Problem]:
    """Missing files and, where the `whole` folder is used, those that belong to no picture."""
    found = []
    for name, suffix in PARTNERS:
        found += missing(stems, root / name, suffix)
        found += surplus(stems, root / name, suffix) if whole else []
    if root.name == "training" and not (root / "label_2").is_dir():
        found.append(Problem(str(root / "label_2"), "no such folder, so there are no boxes"))
    return found


def _read(root: Path, stem: str) -> Sample:
    image = read_image(picture_of(root / "image_2", stem))
    known: dict[str, Any] = {}
    calibration = None
    if (root / "calib").is_dir():
        calibration = read_object_calibration(root / "calib" / f"{stem}.txt")
        known["camera"] = calibration.camera(image.width, image.height)
        known["baseline_m"] = calibration.baseline_m
    if calibration and (root / "velodyne").is_dir():
        file = root / "velodyne" / f"{stem}.bin"
        points = calibration.to_camera(read_velodyne(file))
        points = points[points[:, 2] > 0]
        sparse = lidar_depth(points, known["camera"])
        known |= {"lidar_m": points, "depth": metric(sparse.values, file, ROAD_M, sparse.valid)}
    if calibration and (root / "image_3").is_dir():
        right = read_image(picture_of(root / "image_3", stem))
        same_size(Path(right.source), right, image)
        known["right"] = right
    if root.name == "training" and (root / "label_2").is_dir():
        file = root / "label_2" / f"{stem}.txt"
        known |= _objects(read_labels(file), calibration, file)
    return Sample(id=stem, picture=image, **known)


def _objects(labels: list[Label], calibration: Calibration | None, file: Path) -> dict[str, Any]:
    """Fields of a sample from its labels; without calibration there are no 3-D boxes."""
    dont_care = np.array([label.type == DONT_CARE for label in labels], bool)
    truncation = np.array([label.truncated for label in labels])
    occlusion = np.array([label.occluded for label in labels], int)
    offset = calibration.offset_m() if calibration else None
    scores = [label.score for label in labels if label.score is not None]
    return {
        "source": str(file),
        "boxes": np.array([label.box for label in labels]).reshape(-1, 4) + HALF_PIXEL,
        "labels": tuple(label.type for label in labels),
        "scores": scores if labels and len(scores) == len(labels) else None,
        "truncation": np.where(truncation < 0, np.nan, truncation),
        "occlusion": np.where(occlusion < 0, UNKNOWN_OCCLUSION, occlusion),
        "ignore": dont_care,
        "boxes3d": tuple(box3d(label, offset, file) for label in labels)
        if offset is not None
        else None,
    }


def box3d(label: Label, offset_m: Matrix, file: Path) -> Box3D | None:
    """The label's 3-D box in the frame of the picture's camera, None for DontCare."""
    if label.type == DONT_CARE:
        return None
    x, y, z = (np.array(label.location_m) + offset_m).tolist()
    try:
        return Box3D(*label.size_hwl_m, x, y, z, label.rotation_y_rad)
    except UsageError as error:
        raise DatasetError(f"{file}: {error}") from error


def difficulties(sample: Sample) -> npt.NDArray[np.int8]:
    """(N,) 0 easy, 1 moderate, 2 hard or 3, none of them, for each box of a KITTI sample."""
    if sample.boxes is None or sample.occlusion is None or sample.truncation is None:
        raise UsageError(
            f"{sample.source}: without occlusion and truncation there is no difficulty"
        )
    height = sample.boxes[:, 3] - sample.boxes[:, 1]
    level = np.full(len(height), HARDER, np.int8)
    for number in (2, 1, 0):
        meets = (
            (height >= MIN_HEIGHT_PX[number])
            & (sample.occlusion <= MAX_OCCLUSION[number])
            & (np.nan_to_num(sample.truncation, nan=1.0) <= MAX_TRUNCATION[number])
        )
        level[meets] = number
    return level


def projected_boxes(sample: Sample, right: bool = False) -> FloatArray:
    """(N, 4) extents of the 3-D boxes in the left or right picture, clipped; NaN without one.

    KITTI has no boxes of the right picture: the difference of the centres of both extents is an
    object's disparity (Zhou et al., Table II). The right camera is the left one moved by
    `baseline_m`; corners nearer than 10 cm are left out.
    """
    if sample.camera is None or sample.boxes3d is None:
        raise UsageError(f"{sample.source}: no camera or 3-D boxes to project")
    if right and sample.baseline_m is None:
        raise UsageError(f"{sample.source}: no right camera")
    move = np.array([sample.baseline_m if right else 0.0, 0, 0], np.float32)
    boxes = np.full((len(sample.boxes3d), 4), np.nan, np.float32)
    limit = np.array([sample.width, sample.height] * 2, np.float32)
    for number, box in enumerate(sample.boxes3d):
        corners = box.corners() - move if box else np.zeros((0, 3), np.float32)
        corners = corners[corners[:, 2] > 0.1]
        if len(corners):
            pixels = sample.camera.project(corners)
            extent = np.concatenate([pixels.min(axis=0), pixels.max(axis=0)])
            boxes[number] = np.clip(extent, 0, limit)
    return boxes
