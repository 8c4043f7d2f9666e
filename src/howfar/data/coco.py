"""COCO: boxes of 80 classes in everyday pictures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from howfar.data.dataset import Dataset, Problem, Records
from howfar.data.files import folder, read_json
from howfar.data.sample import Sample
from howfar.errors import DatasetError
from howfar.media import read_image

SIZES = {"val2017": 5000, "train2017": 118287, "test-dev2017": 20288}
"""Pictures; 48 of val2017 have no object."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class CocoDataset(Records[Row]):
    """Samples of a COCO file, with the file's own content for evaluation by COCO's rules.

    A sample's `id` is the COCO image id as text.
    """

    content: Mapping[str, Any] = field(default_factory=dict)
    """The parsed file: `images`, `annotations`, `categories`; read-only."""

    @property
    def category_ids(self) -> tuple[int, ...]:
        """COCO's number of each of `class_names`."""
        return tuple(category["id"] for category in self.content["categories"])


def open_coco(path: Path, split: str = "", images: str = "", annotations: str = "") -> Dataset:
    """Pictures with boxes.

    Args:
        path: folder with `instances.json` and `images/`; or COCO's own with
            `annotations/instances_<split>.json` and `<split>/`; or the JSON file itself.
        split: `val2017` (the one taken unless told), `train2017` ...
        images, annotations: other places of the pictures and of the JSON file.
    """
    file, root = _places(path, split, images, annotations)
    content = read_annotations(file)
    by_image: dict[Any, list[Row]] = defaultdict(list)
    for row in content["annotations"]:
        by_image[row["image_id"]].append(row)
    names = {category["id"]: str(category["name"]) for category in content["categories"]}
    read = partial(_read, file, root, names, dict(by_image))
    layout = partial(_layout, file, root, content)
    rows = tuple(content["images"])
    return CocoDataset(f"coco:{path}", rows, read, tuple(names.values()), layout, content=content)


def _places(path: Path, split: str, images: str, annotations: str) -> tuple[Path, Path]:
    """(JSON file, folder of the pictures)."""
    plain = path / "instances.json"
    if path.is_file():
        file, root = path, path.parent / "images"
    elif plain.is_file() and not split:
        file, root = plain, path / "images"
    else:
        folder(path, "instances.json, or annotations/instances_val2017.json")
        split = split or "val2017"
        file, root = path / "annotations" / f"instances_{split}.json", path / split
    return Path(annotations or file), Path(images or root)


def read_annotations(path: Path) -> dict[str, Any]:
    """A COCO file whose lists, ids and boxes are sound; raises `DatasetError` else."""
    content = read_json(path)
    keys = {
        "images": ("id", "file_name", "width", "height"),
        "annotations": ("id", "image_id", "category_id", "bbox"),
        "categories": ("id", "name"),
    }
    for part, needed in keys.items():
        rows = content.get(part) if isinstance(content, dict) else None
        if not isinstance(rows, list):
            raise DatasetError(f"{path}: no list {part!r} in it; expected COCO instances")
        for number, row in enumerate(rows):
            lacking = [key for key in needed if not isinstance(row, dict) or key not in row]
            if lacking:
                raise DatasetError(f"{path}: {part}[{number}] has no {lacking[0]!r}")
            _check_row(f"{path}: {part}[{number}]", row)
        if len({row["id"] for row in rows}) != len(rows):
            raise DatasetError(f"{path}: an id occurs twice in {part}")
    _check_references(path, content)
    return dict(content)


def _check_row(where: str, row: Row) -> None:
    """Refuse values of another kind than COCO's."""
    for key in ("id", "image_id", "category_id"):
        if key in row and (isinstance(row[key], bool) or not isinstance(row[key], int | str)):
            raise DatasetError(f"{where} has {key} {row[key]!r}; expected a whole number")
    for key in ("width", "height"):
        if key in row and (not isinstance(row[key], int) or row[key] < 1):
            raise DatasetError(f"{where} has {key} {row[key]!r}; expected pixels")
    if not isinstance(row.get("file_name", ""), str):
        raise DatasetError(f"{where} has file_name {row['file_name']!r}; expected text")
    area = row.get("area", 0)
    if not _are_numbers([area]) or area < 0:
        raise DatasetError(f"{where} has area {area!r}; expected square pixels")
    if row.get("iscrowd", 0) not in (0, 1):
        raise DatasetError(f"{where} has iscrowd {row['iscrowd']!r}; expected 0 or 1")


def _check_references(path: Path, content: Row) -> None:
    images = {row["id"] for row in content["images"]}
    categories = {row["id"] for row in content["categories"]}
    for row in content["annotations"]:
        what = f"{path}: annotation {row['id']}"
        if row["image_id"] not in images or row["category_id"] not in categories:
            raise DatasetError(f"{what} is of an image or category that the file does not list")
        box = row["bbox"]
        if not isinstance(box, list) or len(box) != 4 or not _are_numbers(box) or min(box[2:]) < 0:
            raise DatasetError(f"{what} has bbox {box}; expected [x, y, width, height]")


def _are_numbers(values: list[Any]) -> bool:
    return all(
        isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value)
        for value in values
    )


def _layout(file: Path, root: Path, content: Row) -> list[Problem]:
    problems = [
        Problem(str(root / row["file_name"]), "no such picture")
        for row in content["images"]
        if not (root / row["file_name"]).is_file()
    ]
    split = file.stem.removeprefix("instances_")
    if split in SIZES and len(content["images"]) != SIZES[split]:
        told = f"{len(content['images'])} pictures; officially {SIZES[split]}"
        problems.append(Problem(str(file), told))
    if any(row["id"] == 0 for row in content["annotations"]):
        problems.append(Problem(str(file), "annotation id 0, which pycocotools never matches"))
    return problems


def _read(
    file: Path, root: Path, names: Mapping[int, str], rows_of: Mapping[Any, list[Row]], image: Row
) -> Sample:
    rows = rows_of.get(image["id"], [])
    boxes = np.array([row["bbox"] for row in rows], np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    areas = [row.get("area", row["bbox"][2] * row["bbox"][3]) for row in rows]
    return Sample(
        id=str(image["id"]),
        picture=partial(read_image, root / image["file_name"]),
        size=(int(image["width"]), int(image["height"])),
        source=f"{file}#{image['id']}",
        boxes=boxes,  # type: ignore[arg-type]  # a sample makes them float32
        labels=tuple(names[row["category_id"]] for row in rows),
        areas=np.array(areas, np.float32),
        crowd=np.array([row.get("iscrowd", 0) for row in rows], bool),
    )
