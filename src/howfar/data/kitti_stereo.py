"""KITTI stereo 2015: rectified pairs with sparse disparity."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from howfar.core.depth import DepthKind, DepthMap
from howfar.data.dataset import Dataset, Problem, Records, choice
from howfar.data.files import (
    ROAD_M,
    folder,
    metric,
    missing,
    picture_of,
    read_deep_png,
    same_size,
)
from howfar.data.kitti import DEPTH_PER_M, read_raw_calibration
from howfar.data.sample import Sample
from howfar.errors import DatasetError
from howfar.media import read_image

FRAMES = 200
"""Pairs with disparity in `training`."""
OUTLIER_PX, OUTLIER_SHARE = 3.0, 0.05
"""D1: a disparity is wrong whose error is above 3 pixels and above 5 % of the truth, both strictly
(stereo devkit; monodepth uses >=)."""


def open_kitti_stereo(path: Path, disparity: str = "occ") -> Dataset:
    """Training pairs.

    Args:
        path: folder with `training/{image_2,image_3,disp_occ_0,disp_noc_0,calib_cam_to_cam}`.
            Without `calib_cam_to_cam`, which is a download of its own, there is disparity but
            neither camera nor depth.
        disparity: `occ`, all pixels, or `noc`, only those that the right picture shows too.
    """
    kind = choice("disparity", disparity, ("occ", "noc"))
    root = folder(path / "training", "KITTI's stereo pairs")
    stems = tuple(sorted(file.stem for file in (root / f"disp_{kind}_0").glob("*_10.png")))
    if not stems:
        raise DatasetError(f"{root / f'disp_{kind}_0'}: no *_10.png in it")
    layout = partial(_layout, root, stems)
    return Records(f"kitti-stereo:{path}", stems, partial(_read, root, kind), layout=layout)


def _layout(root: Path, stems: tuple[str, ...]) -> list[Problem]:
    problems = []
    if len(stems) != FRAMES:
        problems.append(Problem(str(root), f"{len(stems)} pairs; officially {FRAMES}"))
    for name in ("image_2", "image_3"):
        problems += missing(stems, root / name, ".png")
    numbers = [stem.removesuffix("_10") for stem in stems]
    problems += missing(numbers, root / "calib_cam_to_cam", ".txt")
    if not (root / "calib_cam_to_cam").is_dir():
        message = "no such folder, so there is neither camera nor depth"
        problems.append(Problem(str(root / "calib_cam_to_cam"), message))
    return problems


def _read(root: Path, kind: str, stem: str) -> Sample:
    left = read_image(picture_of(root / "image_2", stem))
    right = read_image(picture_of(root / "image_3", stem))
    same_size(Path(right.source), right, left)
    file = root / f"disp_{kind}_0" / f"{stem}.png"
    values = (read_deep_png(file) / DEPTH_PER_M).astype(np.float32)
    same_size(file, values, left)
    known: dict[str, Any] = {}
    if (root / "calib_cam_to_cam").is_dir():
        calibration = read_raw_calibration(
            root / "calib_cam_to_cam" / f"{stem.removesuffix('_10')}.txt"
        )
        camera = calibration.camera(left.width, left.height)
        product = camera.fx * calibration.baseline_m
        metres = np.divide(product, values, out=np.zeros_like(values), where=values > 0)
        known = {"camera": camera, "baseline_m": calibration.baseline_m}
        known["depth"] = metric(metres, file, ROAD_M)
    return Sample(
        id=stem,
        picture=left,
        right=right,
        disparity=DepthMap(values, DepthKind.RELATIVE),
        **known,
    )
