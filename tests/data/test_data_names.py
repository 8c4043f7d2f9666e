"""Class names that readers find in a copy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from howfar.data.address import open_dataset
from howfar.data.yolo_txt import read_names
from howfar.errors import DatasetError


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.zeros((40, 50, 3), np.uint8))


def voc(root: Path, names: list[str]) -> Path:
    for i, name in enumerate(names):
        picture(root / "JPEGImages" / f"{i}.jpg")
        part = "<part><name>head</name></part>"
        box = "<xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax>"
        text = f"<object><name> {name} </name><bndbox>{box}</bndbox>{part}</object>"
        (root / "Annotations").mkdir(exist_ok=True)
        (root / "Annotations" / f"{i}.xml").write_text(f"<annotation>{text}</annotation>")
    return root


def test_voc_has_its_classes_or_those_that_occur(tmp_path: Path) -> None:
    official = open_dataset(f"voc:{voc(tmp_path / 'a', ['car', 'sofa'])}")
    assert len(official.class_names) == 20
    own = open_dataset(f"voc:{voc(tmp_path / 'b', ['nut', 'bolt', 'nut'])}")
    assert own.class_names == ("bolt", "nut")
    (tmp_path / "b" / "Annotations" / "1.xml").write_bytes(b"\xff\xfe\x00")
    assert open_dataset(f"voc:{tmp_path / 'b'}").class_names == ("nut",)


def yolo(root: Path, labels: list[str], yaml: str | None = None) -> Path:
    for i, text in enumerate(labels):
        picture(root / "images" / f"{i}.png")
        (root / "labels").mkdir(exist_ok=True)
        (root / "labels" / f"{i}.txt").write_text(text)
    if yaml is not None:
        (root / "data.yaml").write_text(yaml)
    return root


def test_yolo_without_names_counts_to_the_largest_class(tmp_path: Path) -> None:
    root = yolo(tmp_path, ["0 .5 .5 .2 .2", "3 .5 .5 .2 .2\n1 .2 .2 .1 .1"])
    data = open_dataset(f"yolo:{root}")
    assert data.class_names == ("0", "1", "2", "3")
    assert data[1].labels == ("3", "1")


@pytest.mark.parametrize(
    ("yaml", "names"),
    [
        ("names: [cat, 'big dog']", ("cat", "big dog")),
        ("names:\n  1: dog\n  0: cat\nnc: 2", ("cat", "dog")),
        ("names: {0: cat, 1: dog}", ("cat", "dog")),
        ("names:\n- cat\n- dog", ("cat", "dog")),
    ],
)
def test_names_of_yaml(tmp_path: Path, yaml: str, names: tuple[str, ...]) -> None:
    path = tmp_path / "data.yaml"
    path.write_text(yaml)
    assert read_names(path) == names


@pytest.mark.parametrize(
    ("yaml", "told"),
    [
        ("names:\n  0: cat\n  2: dog", "class 1 has no name"),
        ("names:\n  0: cat\n  0: dog", "class 0 has two names"),
        ("names: ['', dog]", "class 0 has no name"),
    ],
)
def test_names_that_do_not_fit_are_refused(tmp_path: Path, yaml: str, told: str) -> None:
    path = tmp_path / "data.yaml"
    path.write_text(yaml)
    with pytest.raises(DatasetError, match=told):
        read_names(path)


def test_kitti_has_its_types_and_others_that_occur(tmp_path: Path) -> None:
    root = tmp_path / "training"
    picture(root / "image_2" / "000000.png")
    (root / "label_2").mkdir()
    numbers = "0.0 0 0.1 1 2 20 30 1.5 1.6 4.0 1 1 10 0.1"
    (root / "label_2" / "000000.txt").write_text(f"Car {numbers}\nScooter {numbers}\n")
    names = open_dataset(f"kitti-object:{tmp_path}").class_names
    assert names[0] == "Car"
    assert names[-1] == "Scooter"


@pytest.mark.parametrize(
    ("part", "field", "value", "told"),
    [
        ("images", "width", None, r"images\[0\] has width None"),
        ("images", "file_name", 5, "has file_name 5"),
        ("images", "id", [1], r"has id \[1\]"),
        ("annotations", "area", "big", "has area 'big'"),
        ("annotations", "area", None, "has area None"),
        ("annotations", "iscrowd", "x", "has iscrowd 'x'"),
        ("annotations", "bbox", [1, 2, True, 4], "has bbox"),
    ],
)
def test_damaged_fields_of_coco_are_named(
    tmp_path: Path, part: str, field: str, value: Any, told: str
) -> None:
    picture(tmp_path / "images" / "a.png")
    content = {
        "images": [{"id": 1, "file_name": "a.png", "width": 50, "height": 40}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "area": 12}
        ],
        "categories": [{"id": 1, "name": "cat"}],
    }
    content[part][0][field] = value  # type: ignore[index]
    (tmp_path / "instances.json").write_text(json.dumps(content))
    with pytest.raises(DatasetError, match=told):
        open_dataset(f"coco:{tmp_path}")
