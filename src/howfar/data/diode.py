"""DIODE: laser-scanned depth of indoor and outdoor scenes."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from howfar.core.camera import Camera
from howfar.data.dataset import Dataset, Problem, Records, choice
from howfar.data.files import ANYWHERE_M, folder, metric, read_npy, same_size
from howfar.data.sample import Sample
from howfar.errors import DatasetError
from howfar.media import read_image

CAMERA = Camera(1024, 768, 886.81, 927.06, 512.0, 384.0)
"""Intrinsics stated on diode-dataset.org; the principal point is the picture's middle."""
FRAMES = {"train": (8574, 16884), "val": (325, 446)}
"""(indoors, outdoor) frames. `val` as commonly counted in the archive; the devkit's json lists 220
and 392, so files are found by looking, never by that list."""
DEPTH_SUFFIX, MASK_SUFFIX = "_depth.npy", "_depth_mask.npy"


def open_diode(path: Path, split: str = "", place: str = "") -> Dataset:
    """Pictures with dense depth and mask.

    Args:
        path: folder with `train/` and `val/`, or any folder below it.
        split: `train` or `val`; all that is there unless told.
        place: `indoors` or `outdoor`; both unless told.
    """
    folder(path, "DIODE's train/ or val/")
    root = path
    if split:
        root = folder(path / choice("split", split, ("train", "val")), "DIODE's scenes")
    if place:
        choice("place", place, ("indoors", "outdoor"))
    found = sorted(root.rglob("*.png"))
    if place:
        found = [file for file in found if place in file.relative_to(root).parts]
    if not found:
        raise DatasetError(f"{root}: no *.png below it; expected DIODE's {place or 'scenes'}")
    read = partial(_read, path)
    return Records(f"diode:{path}", tuple(found), read, layout=partial(_layout, root, found))


def _partner(image: Path, suffix: str) -> Path:
    return image.with_name(image.stem + suffix)


def _layout(root: Path, images: list[Path]) -> list[Problem]:
    wanted = {_partner(file, suffix) for file in images for suffix in (DEPTH_SUFFIX, MASK_SUFFIX)}
    problems = [Problem(str(f), "no such file") for f in sorted(wanted) if not f.is_file()]
    orphans = [
        file for file in root.rglob(f"*{DEPTH_SUFFIX}") if not _partner_image(file).is_file()
    ]
    return problems + [Problem(str(file), "a depth map without picture") for file in orphans]


def _partner_image(depth: Path) -> Path:
    return depth.with_name(depth.name.removesuffix(DEPTH_SUFFIX) + ".png")


def _read(root: Path, file: Path) -> Sample:
    image = read_image(file)
    depth_file, mask_file = _partner(file, DEPTH_SUFFIX), _partner(file, MASK_SUFFIX)
    metres, mask = read_npy(depth_file), read_npy(mask_file)
    metres = metres[..., 0] if metres.ndim == 3 and metres.shape[2] == 1 else metres
    for path, array in ((depth_file, metres), (mask_file, mask)):
        if array.ndim != 2:
            raise DatasetError(f"{path}: an array of shape {array.shape}; expected (768, 1024)")
        same_size(path, array, image)
    if not np.issubdtype(metres.dtype, np.floating):
        raise DatasetError(f"{depth_file}: {metres.dtype}; DIODE's depth is float32 metres")
    return Sample(
        id=str(file.relative_to(root).with_suffix("")),
        picture=image,
        depth=metric(metres, depth_file, ANYWHERE_M, mask > 0),
        camera=CAMERA.resized(image.width, image.height),
    )
