"""The text files of Virtual KITTI and the class colours that they explain."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from howfar.core.image import Image
from howfar.core.semantics import IGNORE, LabelMap
from howfar.data.files import numbers, read_lines, read_png, same_size
from howfar.data.sample import Box3D
from howfar.errors import DatasetError, UsageError

CLASSES = (
    "Terrain",
    "Sky",
    "Tree",
    "Vegetation",
    "Building",
    "Road",
    "GuardRail",
    "TrafficSign",
    "TrafficLight",
    "Pole",
    "Misc",
    "Truck",
    "Car",
    "Van",
)
UNLABELLED = "Undefined"
OCCUPANCY = (0.9, 0.5)
"""Share of an object that is seen above which version 2's objects count as visible (level 0) and
partly occluded (1), else largely (2). Our choice: version 2 has ratios only."""
Table = dict[tuple[int, int], dict[int, dict[str, str]]]
"""(frame, camera) -> track -> column -> word."""


def cached(read: Callable[[Path], Any], path: Path) -> Any:
    """`read(path)`, kept for the next frame of the sequence while the file stays as it is."""
    try:
        stat = path.stat()
    except OSError:
        raise DatasetError(f"{path}: no such file") from None
    return _keep(read, path, (stat.st_mtime_ns, stat.st_size))


@lru_cache(maxsize=16)
def _keep(read: Callable[[Path], Any], path: Path, _stamp: tuple[int, int]) -> Any:
    return read(path)


def read_table(path: Path) -> Table:
    """A text of objects with a header line. `info.txt`, which has no frames, is under (0, 0)."""
    header, *lines = (line.split() for line in read_lines(path))
    track = next((name for name in ("trackID", "tid") if name in header), None)
    if track is None:
        raise DatasetError(f"{path}: no column trackID or tid in its header")
    table: Table = {}
    for number, words in enumerate(lines, 2):
        if len(words) < len(header):
            raise DatasetError(f"{path}: line {number} has {len(words)} of {len(header)} columns")
        row = dict(zip(header, words, strict=False))
        try:
            key = int(row.get("frame", 0)), int(row.get("cameraID", 0))
            table.setdefault(key, {})[int(row[track])] = row
        except ValueError as error:
            raise DatasetError(f"{path}: line {number}: {error}") from None
    return table


class Colors(NamedTuple):
    """Colours of a sequence: sorted codes, and the class and instance number of each."""

    codes: npt.NDArray[np.int64]
    classes: npt.NDArray[np.uint8]
    instances: npt.NDArray[np.int32]


def read_colors(path: Path) -> Colors:
    """Rows `Category[:track] r g b`; tracks of a category are merged into one class."""
    found = []
    for number, line in enumerate(read_lines(path), 1):
        words = line.split()
        if words[0].startswith("Category"):
            continue
        name, _, track = words[0].partition(":")
        if name not in (*CLASSES, UNLABELLED) or len(words) != 4:
            raise DatasetError(f"{path}: line {number} is no row 'Category r g b': {line}")
        red, green, blue = (int(value) for value in numbers(words[1:], path, number))
        label = IGNORE if name == UNLABELLED else CLASSES.index(name)
        instance = int(track) + 1 if track.isdigit() else 0
        found.append((red << 16 | green << 8 | blue, label, instance))
    codes, labels, instances = zip(*sorted(found), strict=True)
    return Colors(
        np.array(codes, np.int64), np.array(labels, np.uint8), np.array(instances, np.int32)
    )


def decode(file: Path, colors: Colors, image: Image) -> tuple[LabelMap, npt.NDArray[np.int32]]:
    """Classes and instances (0 none) of a colour-coded picture."""
    stored = read_png(file)
    if stored.ndim != 3:
        raise DatasetError(f"{file}: {stored.shape}; expected a colour picture of classes")
    same_size(file, stored, image)
    codes = stored.astype(np.int64) @ np.array([65536, 256, 1])
    at = np.searchsorted(colors.codes, codes).clip(max=len(colors.codes) - 1)
    unknown = colors.codes[at] != codes
    if unknown.any():
        color = stored[unknown][0].tolist()
        raise DatasetError(f"{file}: colour {color} is none of the sequence's classes")
    return LabelMap(colors.classes[at], CLASSES), colors.instances[at]


def solid1(row: dict[str, str]) -> list[str]:
    """Numbers of a `Box3D` in a row of version 1.3.1."""
    return [row[name] for name in ("h3d", "w3d", "l3d", "x3d", "y3d", "z3d", "ry")]


def solid2(row: dict[str, str]) -> list[str]:
    """Numbers of a `Box3D` in a row of version 2."""
    size = [row[name] for name in ("height", "width", "length")]
    place = [row[f"camera_space_{axis}"] for axis in "XYZ"]
    return [*size, *place, row["rotation_camera_space_y"]]


def nothing(file: Path) -> dict[str, Any]:
    """Fields of a frame without objects."""
    return {"source": str(file), "boxes": np.zeros((0, 4), np.float32), "boxes3d": ()}


def objects(
    rows: dict[int, dict[str, str]],
    sides: tuple[str, str, str, str],
    file: Path,
    pose: Callable[[dict[str, str]], list[str]],
) -> dict[str, Any]:
    """Fields of a sample from its rows. Boxes are stored with both edges inside."""
    try:
        boxes = np.array([numbers([row[s] for s in sides], file, 0) for row in rows.values()])
        solids = tuple(Box3D(*numbers(pose(row), file, 0)) for row in rows.values())
        seen = [_seen(row) for row in rows.values()]
        labels = tuple(row["label"] for row in rows.values())
    except KeyError as error:
        raise DatasetError(f"{file}: no column {error}") from None
    except (UsageError, ValueError) as error:
        raise DatasetError(f"{file}: {error}") from error
    return {
        "source": str(file),
        "boxes": boxes + np.array([0, 0, 1, 1]),
        "labels": labels,
        "boxes3d": solids,
        "occlusion": [level for level, _ in seen],
        "truncation": [share for _, share in seen],
        "ignore": [label == "DontCare" for label in labels],
        "instance_ids": [track + 1 for track in rows],
    }


def _seen(row: dict[str, str]) -> tuple[int, float]:
    """(occlusion level, truncated share) of a row of either version."""
    if "truncr" in row:
        return int(row["occluded"]), float(row["truncr"])
    share = float(row["occupancy_ratio"])
    return sum(share <= limit for limit in OCCUPANCY), float(row["truncation_ratio"])
