"""Plain folders of pictures with depth: `rgb/`, `depth/` and `cameras.json`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from howfar.core.camera import Camera
from howfar.core.depth import DepthMap
from howfar.data.dataset import Dataset, Problem, Records, choice
from howfar.data.files import (
    ANYWHERE_M,
    ROAD_M,
    folder,
    metric,
    missing,
    picture_of,
    pictures,
    read_deep_png,
    read_json,
    surplus,
)
from howfar.data.sample import SAME_VIEW, Sample
from howfar.errors import DatasetError, HowfarError, UsageError
from howfar.media import read_image

UNITS = {"mm": 1000.0, "kitti": 256.0}
"""Stored values a metre: millimetres (depth cameras) or KITTI's 1/256 m (lidar). 0 is no depth."""
LIDAR_SHARE = 0.25
"""Depth cameras fill more of a picture than this, lidar less."""
CAMERA_KEYS = ("width", "height", "fx", "fy", "cx", "cy")


def open_rgbd(path: Path, unit: str = "mm") -> Dataset:
    """Pictures `rgb/<id>.jpg|png` with 16-bit `depth/<id>.png`.

    Depth may be smaller than the picture, of the same view; it keeps its size. `cameras.json`,
    where present, gives `{id: {fx, fy, cx, cy, width, height}}` in pixels of the picture.

    Args:
        path: the folder.
        unit: `mm`, or `kitti` for 1/256 m. Nothing in the files tells, so `check` looks whether
            maps in millimetres are as sparse as lidar.
    """
    choice("unit", unit, tuple(UNITS))
    folder(path / "rgb", "pictures")
    folder(path / "depth", "16-bit depth PNGs")
    stems = tuple(file.stem for file in pictures(path / "rgb"))
    if not stems:
        raise DatasetError(f"{path / 'rgb'}: no pictures in it")
    file = path / "cameras.json"
    cameras = read_json(file) if file.is_file() else None
    if cameras is not None and not isinstance(cameras, dict):
        raise DatasetError(f"{file}: expected an object of cameras by picture")
    read = partial(_read, path, unit, cameras)
    return Records(f"rgbd:{path}", stems, read, layout=partial(_layout, path, unit, cameras, stems))


def _layout(
    root: Path, unit: str, cameras: dict[str, Any] | None, stems: tuple[str, ...]
) -> list[Problem]:
    problems = missing(stems, root / "depth", ".png") + surplus(stems, root / "depth", ".png")
    if cameras is None:
        problems.append(
            Problem(str(root / "cameras.json"), "no such file; no focal length is known")
        )
    else:
        lacking = [stem for stem in stems if stem not in cameras]
        problems += [Problem(str(root / "cameras.json"), f"no camera {stem!r}") for stem in lacking]
    if unit == "mm":
        problems += _sparse(root, stems)
    return problems


def _sparse(root: Path, stems: tuple[str, ...]) -> list[Problem]:
    """A warning where the first maps, said to be in millimetres, look like lidar."""
    shares = []
    for stem in stems[:5]:
        try:
            shares.append(np.mean(read_deep_png(root / "depth" / f"{stem}.png") > 0))
        except HowfarError:
            continue  # reading the sample tells it
    if shares and max(shares) < LIDAR_SHARE:
        told = f"only {max(shares):.0%} of the pixels have depth, as from lidar"
        return [Problem(str(root / "depth"), f"{told}: is the unit ?unit=kitti?")]
    return []


def _read(root: Path, unit: str, cameras: dict[str, Any] | None, stem: str) -> Sample:
    image = read_image(picture_of(root / "rgb", stem))
    file = root / "depth" / f"{stem}.png"
    bounds = ROAD_M if unit == "kitti" else ANYWHERE_M
    depth = metric(read_deep_png(file) / UNITS[unit], file, bounds)
    _check_view(file, depth, (image.width, image.height))
    camera = _camera(root / "cameras.json", cameras, stem) if cameras is not None else None
    if camera and (camera.width, camera.height) != (image.width, image.height):
        raise DatasetError(
            f"{root / 'cameras.json'}: {stem!r} is of {camera.width}x{camera.height} pixels, "
            f"{image.source} has {image.width}x{image.height}"
        )
    return Sample(id=stem, picture=image, depth=depth, camera=camera)


def _check_view(file: Path, depth: DepthMap, size: tuple[int, int]) -> None:
    width, height = size
    if abs(depth.width / depth.height / (width / height) - 1) > SAME_VIEW:
        raise DatasetError(
            f"{file}: {depth.width}x{depth.height} values do not show the view of the "
            f"{width}x{height} picture"
        )


def _camera(file: Path, cameras: dict[str, Any], stem: str) -> Camera:
    try:
        width, height, fx, fy, cx, cy = (float(cameras[stem][key]) for key in CAMERA_KEYS)
        return Camera(int(width), int(height), fx, fy, cx, cy)
    except KeyError as error:
        raise DatasetError(f"{file}: no {error} for picture {stem!r}") from None
    except (TypeError, ValueError, UsageError) as error:
        raise DatasetError(f"{file}: camera {stem!r}: {error}") from error
