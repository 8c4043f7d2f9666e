"""MegaDepth v1: internet photos with depth from structure from motion, up to scale."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from howfar.core.depth import DepthKind, DepthMap
from howfar.core.image import Image
from howfar.data.dataset import Dataset, Problem, Records, choice
from howfar.data.files import folder, h5_array, open_h5, picture_of
from howfar.data.sample import SAME_VIEW, Sample
from howfar.errors import DatasetError
from howfar.media import read_image

TEST_SIZE = (320, 240)
"""Width and height to which the authors' test resizes (portrait: the other way round), nearest."""
TEST_PERCENTILES = (1.0, 98.0)
"""The authors' test leaves out valid depths below and above these percentiles."""
SDR_RATIO = 1.1
"""Two depths whose ratio is within this are equal (SfM disagreement rate)."""


def open_megadepth(path: Path, kind: str = "all") -> Dataset:
    """Photos with depth or with ordinal groups.

    A photo's depth is only known up to the scale of its scene, so `depth` is `RELATIVE` (inverse).
    A stored map with negative values is none but the groups for an ordinal loss: `ordinal`.
    The sign convention of the public files (which group is nearer) is not verified.

    Args:
        path: `MegaDepth_v1`, with `<scene>/dense<k>/{imgs,depths}`.
        kind: `depth` or `ordinal` for only those maps (each is opened to tell), else `all`.
    """
    choice("kind", kind, ("all", "depth", "ordinal"))
    folder(path, "MegaDepth's <scene>/dense<k>/{imgs,depths}")
    files = sorted(path.glob("*/dense*/depths/*.h5"))
    if not files:
        raise DatasetError(f"{path}: no <scene>/dense<k>/depths/*.h5 below it")
    if kind != "all":
        files = [file for file in files if _is_ordinal(_stored(file)) == (kind == "ordinal")]
    read = partial(_read, path)
    return Records(f"megadepth:{path}", tuple(files), read, layout=partial(_layout, path, files))


def _image_of(depth: Path) -> Path:
    return picture_of(depth.parent.parent / "imgs", depth.stem)


def _layout(root: Path, files: list[Path]) -> list[Problem]:
    """Depth maps without picture. (Pictures without depth map are normal here.)"""
    return [
        Problem(str(file), f"no picture in {_image_of(file).parent.relative_to(root)}")
        for file in files
        if not _image_of(file).is_file()
    ]


def _stored(file: Path) -> npt.NDArray[Any]:
    """(H, W) as stored."""
    with open_h5(file) as h5:
        return np.asarray(h5_array(h5, "depth", file, 2))


def _is_ordinal(stored: npt.NDArray[Any]) -> bool:
    return bool(stored.min(initial=0) < 0)


def _read(root: Path, file: Path) -> Sample:
    image = read_image(_image_of(file))
    stored = _stored(file)
    _same_view(file, stored, image)
    scene = file.relative_to(root)
    name = f"{scene.parts[0]}/{scene.parts[1]}/{file.stem}"
    if _is_ordinal(stored):
        return Sample(id=name, picture=image, ordinal=_groups(file, stored))
    return Sample(id=name, picture=image, depth=up_to_scale(stored))


def _same_view(file: Path, stored: npt.NDArray[Any], image: Image) -> None:
    height, width = stored.shape
    if not height or abs(width / height / (image.width / image.height) - 1) > SAME_VIEW:
        raise DatasetError(
            f"{file}: {width}x{height} values, but its picture {image.source} has "
            f"{image.width}x{image.height} pixels"
        )


def up_to_scale(depth: npt.NDArray[Any]) -> DepthMap:
    """(H, W) depth up to scale, 0 unknown, as inverse depth, which `RELATIVE` means."""
    values = depth.astype(np.float32)
    inverse = np.divide(1, values, out=np.zeros_like(values), where=values > 0)
    return DepthMap(inverse, DepthKind.RELATIVE)


def _groups(file: Path, stored: npt.NDArray[Any]) -> npt.NDArray[np.int8]:
    groups = stored.astype(np.int8)
    if not np.array_equal(groups, stored):
        raise DatasetError(f"{file}: negative values that are no small whole numbers")
    return groups
