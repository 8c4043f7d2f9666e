"""NYU Depth v2: the labelled `.mat` with its splits, and CSV lists of picture pairs."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from howfar.core.camera import Camera
from howfar.core.depth import DepthMap
from howfar.core.image import Image
from howfar.data.dataset import Dataset, Problem, Records, choice
from howfar.data.files import (
    INDOOR_M,
    h5_array,
    metric,
    open_h5,
    read_deep_png,
    read_png,
    read_text,
    same_size,
)
from howfar.data.matfile import read_mat
from howfar.data.sample import Sample
from howfar.errors import DatasetError
from howfar.media import read_image

WIDTH, HEIGHT = 640, 480
FOCAL_PX = (518.8579, 519.46961)
CENTER_PX = (325.58245 + 0.5, 253.73617 + 0.5)
"""Colour camera (`camera_params.m` of the NYU toolbox, whose pixel centres are whole numbers)."""
LABELLED, TRAIN, TEST = 1449, 795, 654
"""Frames in the labelled file and in its two splits (`splits.mat`)."""
MM_PER_M = 1000.0
TRAIN_8BIT_M = 10.0
"""8-bit depth pictures (DenseDepth's `nyu2_train`): 255 is 10 m."""
SPLIT_KEYS = {"train": "trainNdxs", "test": "testNdxs"}
MAT_NAME, SPLITS_NAME = "nyu_depth_v2_labeled.mat", "splits.mat"

UintArray = npt.NDArray[np.uint16]


def nyu_camera(width: int = WIDTH, height: int = HEIGHT) -> Camera:
    """The colour camera for pictures of the full view at any size."""
    return Camera(WIDTH, HEIGHT, *FOCAL_PX, *CENTER_PX).resized(width, height)


def open_nyu_mat(path: Path, split: str = "all", splits: str = "") -> Dataset:
    """The labelled frames: picture, filled depth, boxes of the labelled instances.

    Args:
        path: `nyu_depth_v2_labeled.mat` or the folder that holds it.
        split: `all`, `train` (795) or `test` (654), by `splits.mat`.
        splits: file of the splits; the one beside the labelled file unless told.

    The 894 classes do not fit a `LabelMap`; classes are the labels of the boxes.
    """
    choice("split", split, ("all", *SPLIT_KEYS))
    file = path / MAT_NAME if path.is_dir() else path
    with open_h5(file) as mat:
        count = h5_array(mat, "images", file, 4).shape[0]
        names = _names(mat)
    frames: Sequence[int] = range(count)
    if split != "all":
        frames = read_split(Path(splits) if splits else file.parent / SPLITS_NAME, split, count)
    read = partial(_read_labelled, file, names)
    layout = partial(_mat_layout, file, count)
    return Records(f"nyu-mat:{path}", tuple(frames), read, tuple(dict.fromkeys(names)), layout)


def read_split(path: Path, split: str, count: int = LABELLED) -> tuple[int, ...]:
    """Zero-based frames of `train` or `test`; the file counts from one (MATLAB 5 or HDF5)."""
    key = SPLIT_KEYS[split]
    if path.is_file() and path.read_bytes()[:8] == b"\x89HDF\r\n\x1a\n":
        with open_h5(path) as file:
            found = np.asarray(h5_array(file, key, path, 2))
    else:
        arrays = read_mat(path)
        if key not in arrays:
            raise DatasetError(f"{path}: no {key} in it; it holds {', '.join(sorted(arrays))}")
        found = arrays[key]
    frames = found.astype(np.int64).ravel() - 1
    if not len(frames) or frames.min() < 0 or frames.max() >= count:
        raise DatasetError(f"{path}: {key} holds frames outside 1..{count}")
    return tuple(frames.tolist())


def _names(mat: Any) -> tuple[str, ...]:
    """Class names in the order of the labels 1, 2 ...; a cell array of UTF-16 texts."""
    if "names" not in mat:
        return ()
    cells = np.asarray(mat["names"]).ravel()
    return tuple("".join(map(chr, np.asarray(mat[cell]).ravel())) for cell in cells)


def _mat_layout(file: Path, count: int) -> list[Problem]:
    official = f"the official file has {LABELLED}"
    return [] if count == LABELLED else [Problem(str(file), f"{count} frames; {official}")]


def _read_labelled(file: Path, names: tuple[str, ...], frame: int) -> Sample:
    with open_h5(file) as mat:
        pixels = h5_array(mat, "images", file, 4, "u")[frame].transpose(2, 1, 0)
        metres = h5_array(mat, "depths", file, 3, "f")[frame].T
        labels = instances = None
        if "labels" in mat and "instances" in mat:
            labels = h5_array(mat, "labels", file, 3)[frame].T
            instances = h5_array(mat, "instances", file, 3)[frame].T
    image = Image(np.ascontiguousarray(pixels), f"{file}#{frame}")
    same_size(file, metres, image)
    sample = partial(
        Sample,
        id=f"{frame:05d}",
        picture=image,
        depth=metric(metres, file, INDOOR_M),
        camera=nyu_camera(image.width, image.height),
    )
    if labels is None or instances is None:
        return sample()
    same_size(file, labels, image)
    same_size(file, instances, image)
    return sample(**_objects(file, labels, instances, names))


def _objects(file: Path, labels: UintArray, instances: UintArray, names: tuple[str, ...]) -> Any:
    """Boxes, labels and instance map of the pairs (label, instance) that are not 0.

    Box `k` is the extent of the pixels whose instance number is `k + 1`.
    """
    pairs = labels.astype(np.int64) * 65536 + instances
    pairs[(labels == 0) | (instances == 0)] = 0
    codes, numbers = np.unique(pairs, return_inverse=True)
    numbers = numbers.reshape(pairs.shape)
    if codes[0] != 0:
        codes, numbers = np.concatenate([[0], codes]), numbers + 1
    classes = codes[1:] // 65536
    if len(classes) and classes.max() > len(names):
        raise DatasetError(f"{file}: label {classes.max()} has no name; {len(names)} are known")
    return {
        "boxes": [_extent(numbers == k) for k in range(1, len(codes))],
        "labels": tuple(names[k - 1] for k in classes),
        "instances": numbers.astype(np.int32),
        "instance_ids": np.arange(1, len(codes)),
    }


def _extent(mask: npt.NDArray[np.bool_]) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


class Pair(NamedTuple):
    """One row of a CSV list."""

    id: str
    image: Path
    depth: Path


def open_nyu_csv(path: Path, split: str = "") -> Dataset:
    """Pairs of a picture and a depth picture: 8-bit (255 is 10 m) or 16-bit millimetres.

    Args:
        path: a CSV file of `picture,depth` rows without header, or the folder with
            `data/nyu2_train.csv` and `data/nyu2_test.csv`.
        split: `train` or `test` where `path` is a folder (`test` unless told). Depth of `test`
            must be 16-bit; elsewhere the files' own bits tell.
    """
    file = path
    if path.is_dir():
        split = choice("split", split or "test", ("train", "test"))
        found = (path / "data" / f"nyu2_{split}.csv", path / f"nyu2_{split}.csv")
        file = next((place for place in found if place.is_file()), found[0])
    deep = (split or file.stem.rpartition("_")[2]) == "test"
    pairs = tuple(_pairs(file))
    read = partial(_read_pair, deep)
    return Records(f"nyu-csv:{path}", pairs, read, layout=partial(_csv_layout, pairs))


def _pairs(file: Path) -> list[Pair]:
    """Rows of the list; its paths start at the folder of the list or the one above."""
    rows = [row for row in csv.reader(read_text(file).splitlines()) if row]
    pairs = []
    for number, row in enumerate(rows, 1):
        if len(row) != 2:
            raise DatasetError(f"{file}: line {number} has {len(row)} columns; expected 2")
        image, depth = (_place(file, cell.strip()) for cell in row)
        pairs.append(Pair(str(Path(row[0].strip()).with_suffix("")), image, depth))
    return pairs


def _place(file: Path, cell: str) -> Path:
    above = file.absolute().parent.parent / cell
    return above if above.is_file() else file.parent / cell


def _csv_layout(pairs: tuple[Pair, ...]) -> list[Problem]:
    files = [file for pair in pairs for file in (pair.image, pair.depth)]
    return [Problem(str(file), "no such file") for file in files if not file.is_file()]


def _read_pair(deep: bool, pair: Pair) -> Sample:
    image = read_image(pair.image)
    depth = _pair_depth(pair.depth, deep)
    same_size(pair.depth, depth, image)
    if not math.isclose(image.width / image.height, WIDTH / HEIGHT, rel_tol=0.01):
        return Sample(id=pair.id, picture=image, depth=depth)
    camera = nyu_camera(image.width, image.height)
    return Sample(id=pair.id, picture=image, depth=depth, camera=camera)


def _pair_depth(path: Path, deep: bool) -> DepthMap:
    values = None if deep else read_png(path)
    if values is None or values.dtype == np.uint16:
        return metric(read_deep_png(path) / MM_PER_M, path, INDOOR_M)
    if values.ndim != 2:
        raise DatasetError(f"{path}: a depth picture of {values.shape}; expected grey")
    return metric(values / 255 * TRAIN_8BIT_M, path, INDOOR_M)
