"""PASCAL VOC: boxes of 20 classes as XML."""

from __future__ import annotations

import contextlib
import re
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from howfar.core.image import Image
from howfar.core.semantics import LabelMap
from howfar.data.dataset import Dataset, Problem, Records
from howfar.data.files import (
    folder,
    missing,
    numbers,
    picture_of,
    read_lines,
    read_png,
    read_text,
    same_size,
)
from howfar.data.sample import Sample
from howfar.errors import DatasetError
from howfar.media import read_image

CLASSES = (
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
)
FIRST_NAME = re.compile(r"<object>.*?<name>(.*?)</name>", re.DOTALL)
"""An object's own name; those of its parts come after it."""
SIDES = ("xmin", "ymin", "xmax", "ymax")
"""Pixels counted from 1, both edges inside the object (VOC development kit)."""


def open_voc(path: Path, split: str = "") -> Dataset:
    """Pictures with boxes and, where `SegmentationClass` has them, classes of the pixels.

    Args:
        path: `VOC2007`, `VOC2012` or like them: `Annotations`, `JPEGImages`, `ImageSets/Main`.
        split: list in `ImageSets/Main` (`train`, `val`, `trainval`, `test`); all files unless told.
    """
    folder(path / "Annotations", "VOC's XML files")
    if split:
        lines = read_lines(path / "ImageSets" / "Main" / f"{split}.txt")
        stems = tuple(line.split()[0] for line in lines)
    else:
        stems = tuple(sorted(file.stem for file in (path / "Annotations").glob("*.xml")))
    if not stems:
        raise DatasetError(f"{path / 'Annotations'}: no *.xml in it")
    layout = partial(_layout, path, stems)
    return Records(f"voc:{path}", stems, partial(_read, path), _class_names(path, stems), layout)


def _class_names(root: Path, stems: tuple[str, ...]) -> tuple[str, ...]:
    """VOC's classes, or those that occur where others do. Files that cannot be read have none."""
    found: set[str] = set()
    for stem in stems:
        with contextlib.suppress(DatasetError):  # told when the sample is read
            text = read_text(root / "Annotations" / f"{stem}.xml")
            found.update(name.strip() for name in FIRST_NAME.findall(text))
    return CLASSES if found <= set(CLASSES) else tuple(sorted(found))


def _layout(root: Path, stems: tuple[str, ...]) -> list[Problem]:
    problems = missing(stems, root / "Annotations", ".xml")
    images = [picture_of(root / "JPEGImages", stem) for stem in stems]
    return problems + [Problem(str(f), "no such picture") for f in images if not f.is_file()]


def _read(root: Path, stem: str) -> Sample:
    file = root / "Annotations" / f"{stem}.xml"
    tree = _parse(file)
    objects = tree.findall("object")
    image = read_image(picture_of(root / "JPEGImages", stem))
    _check_size(file, tree, image)
    boxes = np.array([_box(file, found) for found in objects]).reshape(-1, 4)
    flags = {
        name: [_text(file, found, name, "0").strip() == "1" for found in objects]
        for name in ("difficult", "truncated")
    }
    known: dict[str, Any] = {}
    classes = root / "SegmentationClass" / f"{stem}.png"
    if classes.is_file():
        known["semantics"] = _classes(classes, image)
    return Sample(
        id=stem,
        picture=image,
        source=str(file),
        boxes=boxes - [1, 1, 0, 0],
        labels=tuple(_text(file, found, "name").strip() for found in objects),
        difficult=np.array(flags["difficult"], bool),
        truncation=np.where(flags["truncated"], np.nan, 0.0).astype(np.float32),
        **known,
    )


def _parse(file: Path) -> ElementTree.Element:
    text = read_text(file)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise DatasetError(f"{file}: an XML file with definitions of its own is not read")
    try:
        return ElementTree.fromstring(text)  # noqa: S314  # entities are refused above
    except ElementTree.ParseError as error:
        raise DatasetError(f"{file}: no XML ({error})") from error


def _text(file: Path, element: ElementTree.Element, name: str, default: str | None = None) -> str:
    text = element.findtext(name, default)
    if text is None:
        raise DatasetError(f"{file}: an <{element.tag}> without <{name}>")
    return text


def _box(file: Path, found: ElementTree.Element) -> list[float]:
    bndbox = found.find("bndbox")
    if bndbox is None:
        raise DatasetError(f"{file}: an <object> without <bndbox>")
    return numbers([_text(file, bndbox, side) for side in SIDES], file, 0)


def _check_size(file: Path, tree: ElementTree.Element, image: Image) -> None:
    size = tree.find("size")
    if size is None:
        return
    width, height = numbers([_text(file, size, side) for side in ("width", "height")], file, 0)
    if width and (width, height) != (image.width, image.height):
        raise DatasetError(
            f"{file}: of a picture of {width:g}x{height:g} pixels, but {image.source} has "
            f"{image.width}x{image.height}"
        )


def _classes(file: Path, image: Image) -> LabelMap:
    """Palette indices: 0 background, 1 to 20 the classes, 255 the border of objects."""
    stored = read_png(file)
    same_size(file, stored, image)
    if stored.ndim != 2 or ((stored > len(CLASSES)) & (stored != 255)).any():
        raise DatasetError(f"{file}: no palette indices 0..20 or 255")
    return LabelMap(stored, ("background", *CLASSES))
