"""KITTI depth: lists of raw frames (Eigen's and others') and the benchmark's selection."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from howfar.core.camera import Camera
from howfar.core.depth import DepthMap
from howfar.core.image import Image
from howfar.data.dataset import Dataset, Problem, Records, choice
from howfar.data.files import ROAD_M, folder, metric, numbers, read_deep_png, read_lines, same_size
from howfar.data.kitti import (
    DEPTH_PER_M,
    EIGEN_SHIFT,
    HALF_PIXEL,
    lidar_depth,
    read_raw_calibration,
    read_velodyne,
)
from howfar.data.sample import Sample
from howfar.errors import DatasetError, UsageError
from howfar.media import read_image

EIGEN = {"train": 22600, "val": 888, "test": 697}
"""Frames in Eigen's lists (monodepth)."""
EIGEN_IMPROVED = 652
"""Frames of Eigen's test list that have the benchmark's denser depth."""
BTS_TRAIN = 23158
ZHOU = {"train": 39810, "val": 4424}
SELECTION = 1000
"""Frames of `val_selection_cropped`, 352x1216 pixels each."""
TRUTHS = ("auto", "lidar", "forward", "improved")


# --- depth_selection/val_selection_cropped ------------------------------------------------------


def open_kitti_selection(path: Path) -> Dataset:
    """The benchmark's 1000 validation frames with accumulated depth.

    Args:
        path: `val_selection_cropped`, or a folder with it or with `depth_selection`.
    """
    places = (
        path / "depth_selection" / "val_selection_cropped",
        path / "val_selection_cropped",
        path,
    )
    root = next((place for place in places if (place / "image").is_dir()), None)
    if root is None:
        raise DatasetError(f"{path}: no val_selection_cropped/image in it")
    files = tuple(sorted((root / "image").glob("*.png")))
    if not files:
        raise DatasetError(f"{root / 'image'}: no *.png in it")
    layout = partial(_selection_layout, root, files)
    return Records(f"kitti-selection:{path}", files, partial(_read_selected, root), layout=layout)


def _truth_of(root: Path, image: Path) -> Path:
    name = image.name.replace("_sync_image_", "_sync_groundtruth_depth_")
    return root / "groundtruth_depth" / name


def _selection_layout(root: Path, files: tuple[Path, ...]) -> list[Problem]:
    wanted = {_truth_of(root, file) for file in files}
    wanted |= {root / "intrinsics" / f"{file.stem}.txt" for file in files}
    problems = [Problem(str(f), "no such file") for f in sorted(wanted) if not f.is_file()]
    surplus = sorted(set((root / "groundtruth_depth").glob("*.png")) - wanted)
    problems += [Problem(str(file), "a depth map without picture") for file in surplus]
    if len(files) != SELECTION:
        problems.append(Problem(str(root), f"{len(files)} frames; officially {SELECTION}"))
    return problems


def _read_selected(root: Path, file: Path) -> Sample:
    image = read_image(file)
    depth = read_kitti_depth(_truth_of(root, file), image)
    intrinsics = root / "intrinsics" / f"{file.stem}.txt"
    words = " ".join(read_lines(intrinsics)).split()
    values = numbers(words, intrinsics, 1)
    if len(values) != 9:
        raise DatasetError(f"{intrinsics}: {len(values)} numbers; expected 9 (3x3)")
    fx, _, cx, _, fy, cy = values[:6]
    try:
        camera = Camera(image.width, image.height, fx, fy, cx + HALF_PIXEL, cy + HALF_PIXEL)
    except UsageError as error:
        raise DatasetError(f"{intrinsics}: {error}") from error
    return Sample(id=file.stem, picture=image, depth=depth, camera=camera)


def read_kitti_depth(path: Path, image: Image) -> DepthMap:
    """A depth picture of the benchmark, as large as `image`."""
    values = read_deep_png(path)
    same_size(path, values, image)
    return metric(values / DEPTH_PER_M, path, ROAD_M)


# --- lists of raw frames ------------------------------------------------------------------------


class Frame(NamedTuple):
    """One line of a list.

    Attributes:
        drive: `2011_09_26/2011_09_26_drive_0002_sync`.
        camera: `02` left or `03` right.
        stem: `0000000069`.
        focal_px: what the list says, or 0.
    """

    drive: str
    camera: str
    stem: str
    focal_px: float = 0.0

    @property
    def date(self) -> str:
        """`2011_09_26`."""
        return self.drive.partition("/")[0]

    @property
    def id(self) -> str:
        """Unique name."""
        return f"{self.drive}/image_{self.camera}/{self.stem}"


def open_kitti_raw(
    path: Path, frames: str = "", depth: str = "auto", improved: str = ""
) -> Dataset:
    """Raw frames named by a list file.

    Args:
        path: folder of the raw drives (`2011_09_26/...`).
        frames: the list: lines of monodepth (`<left file> <right file>`), monodepth2
            (`<drive> <number> l|r`) or BTS (`<file> <depth file or None> <focal>`).
        depth: `lidar`: z of the lidar points, pixel by `EIGEN_SHIFT`; `forward`: the lidar's
            forward distance instead of z, as monodepth's Eigen evaluation stores; `improved`: the
            benchmark's pictures below `improved`; `auto`: `improved` where that folder is given,
            else `lidar`.
        improved: folder of the depth benchmark, with `{train,val}/<drive>/proj_depth/groundtruth`
            or `<drive>/proj_depth/groundtruth`. Frames without such a picture are `left_out`, as
            45 of Eigen's 697 test frames are.
    """
    choice("depth", depth, TRUTHS)
    if not frames:
        raise UsageError(
            f"kitti-raw:{path} needs ?frames=FILE, a list such as eigen_test_files.txt"
        )
    if depth == "auto":
        depth = "improved" if improved else "lidar"
    if depth == "improved" and not improved:
        raise UsageError("depth=improved needs improved=FOLDER, that of KITTI's depth benchmark")
    folder(path, "KITTI's raw drives")
    truth = Path(improved) if depth == "improved" else None
    items = read_frames(Path(frames))
    absent = tuple(f.id for f in items if truth and not _improved_file(truth, f).is_file())
    gone = set(absent)
    kept = tuple(frame for frame in items if frame.id not in gone)
    if not kept:
        raise DatasetError(f"{truth}: none of the {len(items)} frames has a depth picture in it")
    read = partial(_read_raw, path, truth, depth)
    layout = partial(_raw_layout, path, truth, kept, absent)
    return Records(f"kitti-raw:{path}", kept, read, layout=layout, left_out=absent)


def read_frames(path: Path) -> tuple[Frame, ...]:
    """Frames of a list file of monodepth, monodepth2 or BTS."""
    return tuple(_frame(line, number, path) for number, line in enumerate(read_lines(path), 1))


def _frame(line: str, number: int, path: Path) -> Frame:
    words = line.split()
    first = words[0].lstrip("/").split("/")
    if len(words) == 3 and words[2] in ("l", "r"):  # monodepth2
        camera = "02" if words[2] == "l" else "03"
        return Frame("/".join(first), camera, words[1].zfill(10))
    if len(first) < 4 or first[-2] != "data" or not first[-3].startswith("image_"):
        raise DatasetError(
            f"{path}: line {number} is no frame: expected <date>/<drive>/image_02/data/<file> or "
            "<date>/<drive> <number> l"
        )
    focal = numbers(words[2:3], path, number)[0] if len(words) == 3 else 0.0
    camera = first[-3].removeprefix("image_")
    return Frame("/".join(first[:-3]), camera, Path(first[-1]).stem, focal)


def _image_file(root: Path, frame: Frame, camera: str = "") -> Path:
    data = root / frame.drive / f"image_{camera or frame.camera}" / "data"
    jpeg = data / f"{frame.stem}.jpg"
    return jpeg if jpeg.is_file() else data / f"{frame.stem}.png"


def _improved_file(truth: Path, frame: Frame) -> Path:
    drive = frame.drive.rpartition("/")[2]
    below = Path(drive, "proj_depth", "groundtruth", f"image_{frame.camera}", f"{frame.stem}.png")
    places = [truth / part / below for part in ("train", "val", "")]
    return next((place for place in places if place.is_file()), places[-1])


def _velodyne_file(root: Path, frame: Frame) -> Path:
    return root / frame.drive / "velodyne_points" / "data" / f"{frame.stem}.bin"


def _raw_layout(
    root: Path, truth: Path | None, frames: tuple[Frame, ...], absent: tuple[str, ...]
) -> list[Problem]:
    images = [_image_file(root, frame) for frame in frames]
    lidar = [] if truth else [_velodyne_file(root, frame) for frame in frames]
    problems = [Problem(str(f), "no such file") for f in (*images, *lidar) if not f.is_file()]
    return problems + [Problem(frame, "no improved depth; left out") for frame in absent]


def _read_raw(root: Path, truth: Path | None, kind: str, frame: Frame) -> Sample:
    image = read_image(_image_file(root, frame))
    cameras = root / frame.date / "calib_cam_to_cam.txt"
    velo = None if truth else root / frame.date / "calib_velo_to_cam.txt"
    calibration = read_raw_calibration(cameras, velo)
    right = frame.camera == "03"
    camera = calibration.camera(image.width, image.height, right)
    if truth:
        depth = read_kitti_depth(_improved_file(truth, frame), image)
        return Sample(id=frame.id, picture=image, depth=depth, camera=camera)
    file = _velodyne_file(root, frame)
    points = read_velodyne(file)
    points = points[points[:, 0] >= 0]
    seen = calibration.to_camera(points)
    if right:
        seen = seen - np.array([calibration.baseline_m, 0, 0], np.float32)
    forward = points[:, 0] if kind == "forward" else None
    sparse = lidar_depth(seen, camera, EIGEN_SHIFT, forward)
    depth = metric(sparse.values, file, ROAD_M, sparse.valid)
    return Sample(id=frame.id, picture=image, depth=depth, camera=camera, lidar_m=seen)
