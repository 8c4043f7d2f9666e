"""YOLO text labels: one file a picture, one object a line, coordinates as shares of the picture."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from howfar.data.dataset import Dataset, Problem, Records
from howfar.data.files import folder, numbers, read_lines
from howfar.data.sample import Sample
from howfar.errors import DatasetError
from howfar.media import SUFFIXES, read_image

NAME_FILES = ("classes.txt", "names.txt", "obj.names")
BOX_COLUMNS = 5
"""class cx cy w h; a sixth column is the score of a detection; more are corners of a polygon."""
EDGE = 1e-4
"""Rounding by which a coordinate may exceed 1."""


def open_yolo(path: Path, split: str = "", names: str = "") -> Dataset:
    """Pictures below `images/` with labels at the same place below `labels/`.

    A picture without label file holds no objects. Lines that occur twice count once.

    Args:
        path: folder with `images` and `labels`.
        split: subfolder of both (`train`, `val`); all unless told.
        names: file of class names, one a line, or a `data.yaml` with `names:`; looked for in
            `path` unless told. Without any, classes are called by their numbers.
    """
    root = folder(path / "images" / split, "pictures")
    files = tuple(sorted(f for f in root.rglob("*") if f.suffix.lower() in SUFFIXES))
    if not files:
        raise DatasetError(f"{root}: no pictures below it")
    classes = read_names(Path(names)) if names else _find_names(path)
    classes = classes or _numbers_as_names(_label_file(path, file) for file in files)
    read = partial(_read, path, classes)
    return Records(f"yolo:{path}", files, read, classes, partial(_layout, path, files, split))


def _label_file(root: Path, image: Path) -> Path:
    return (root / "labels" / image.relative_to(root / "images")).with_suffix(".txt")


def _layout(root: Path, files: tuple[Path, ...], split: str) -> list[Problem]:
    wanted = {_label_file(root, file) for file in files}
    problems = [
        Problem(str(file), "no such file; its picture counts as empty")
        for file in sorted(wanted)
        if not file.is_file()
    ]
    found = (root / "labels" / split).rglob("*.txt")
    surplus = sorted(file for file in found if file not in wanted and file.name not in NAME_FILES)
    return problems + [Problem(str(file), "belongs to no picture") for file in surplus]


def _numbers_as_names(files: Iterable[Path]) -> tuple[str, ...]:
    """0 up to the largest class that occurs. Files that cannot be read have none."""
    largest = -1
    for file in files:
        if file.is_file():
            with contextlib.suppress(DatasetError):  # told when the sample is read
                largest = max([largest, *(int(row[0]) for row in _rows(file))])
    return tuple(str(number) for number in range(largest + 1))


def _find_names(root: Path) -> tuple[str, ...]:
    places = [root / name for name in NAME_FILES] + [root / "labels" / name for name in NAME_FILES]
    for file in (*places, *sorted(root.glob("*.yaml"))):
        if file.is_file():
            return read_names(file)
    return ()


def read_names(path: Path) -> tuple[str, ...]:
    """Class names of a text file (one a line) or of the `names:` of a YAML file.

    Of YAML only the three ways are read in which such files write names: `[a, b]`, a list of
    `- a` and a map of `0: a`.
    """
    lines = read_lines(path)
    if path.suffix not in (".yaml", ".yml"):
        return tuple(lines)
    text = "\n".join(line.partition(" #")[0] for line in lines)
    match = re.search(r"^names:[ \t]*(\[[^\]]*\]|\{[^}]*\})?", text, re.MULTILINE)
    if match is None:
        raise DatasetError(f"{path}: no 'names:' in it")
    if match[1]:
        entries = match[1][1:-1].split(",")
    else:
        below = text[match.end() :].strip().splitlines()
        entries = []
        for line in below:
            if not re.match(r"-\s|\d+\s*:", line):
                break
            entries.append(line.removeprefix("-"))
    return _numbered(path, [entry for entry in entries if entry.strip()])


def _numbered(path: Path, entries: Sequence[str]) -> tuple[str, ...]:
    """Names in the order of their numbers, where they have any; all from 0 on must have one."""
    found: dict[int, str] = {}
    for place, entry in enumerate(entries):
        key = re.match(r"\s*(\d+)\s*:", entry)
        number = int(key[1]) if key else place
        if number in found:
            raise DatasetError(f"{path}: class {number} has two names")
        found[number] = (entry[key.end() :] if key else entry).strip(" \n\t'\"")
    lacking = next((n for n in range(len(found)) if not found.get(n)), None)
    if lacking is not None:
        raise DatasetError(f"{path}: class {lacking} has no name")
    return tuple(found[number] for number in range(len(found)))


def _read(root: Path, names: tuple[str, ...], file: Path) -> Sample:
    image = read_image(file)
    labels = _label_file(root, file)
    rows = _rows(labels) if labels.is_file() else []
    ids = [_name(row[0], names, labels) for row in rows]
    scale = np.array([image.width, image.height] * 2)
    boxes = np.array([_box(row) for row in rows]).reshape(-1, 4) * scale
    scored = bool(rows) and all(len(row) == BOX_COLUMNS + 1 for row in rows)
    return Sample(
        id=str(file.relative_to(root / "images").with_suffix("")),
        picture=image,
        source=str(labels),
        boxes=boxes,
        labels=tuple(ids),
        scores=np.array([row[5] for row in rows], np.float32) if scored else None,
    )


def _rows(file: Path) -> list[tuple[float, ...]]:
    """Rows of numbers without repetition, checked to lie in 0..1."""
    rows = []
    for number, line in enumerate(read_lines(file, empty=True), 1):
        row = tuple(numbers(line.split(), file, number))
        polygon = len(row) > BOX_COLUMNS + 1 and len(row) % 2 == 1
        if len(row) not in (BOX_COLUMNS, BOX_COLUMNS + 1) and not polygon:
            raise DatasetError(
                f"{file}: line {number} has {len(row)} columns; expected 5 (class cx cy w h), 6 "
                "with a score, or class and the corners of a polygon"
            )
        if min(row) < 0 or max(row[1:]) > 1 + EDGE:
            raise DatasetError(
                f"{file}: line {number}: a value is outside 0..1; coordinates are shares of the "
                "picture, not pixels"
            )
        rows.append(row)
    return list(dict.fromkeys(rows))


def _name(number: float, names: tuple[str, ...], file: Path) -> str:
    if number != int(number) or number >= len(names):
        raise DatasetError(f"{file}: class {number:g} is none of the {len(names)} named ones")
    return names[int(number)]


def _box(row: tuple[float, ...]) -> tuple[float, float, float, float]:
    """x1, y1, x2, y2 as shares of the picture, cut at its edges."""
    if len(row) > BOX_COLUMNS + 1:
        x, y = row[1::2], row[2::2]
        return min(x), min(y), min(max(x), 1.0), min(max(y), 1.0)
    cx, cy, w, h = row[1:BOX_COLUMNS]
    sides = (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)
    x1, y1, x2, y2 = (min(max(side, 0.0), 1.0) for side in sides)
    return x1, y1, x2, y2
