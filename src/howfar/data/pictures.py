"""A folder of pictures without any truth."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from howfar.data.dataset import Dataset, Records
from howfar.data.files import folder
from howfar.data.sample import Sample
from howfar.errors import DatasetError
from howfar.media import SUFFIXES, read_image


def open_pictures(path: Path) -> Dataset:
    """All pictures of a folder and its sub-folders, by their paths in it.

    Raises `DatasetError` where there are none.
    """
    folder(path, "pictures")
    found = (p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    names = tuple(sorted(p.relative_to(path).as_posix() for p in found))
    if not names:
        raise DatasetError(f"{path}: no pictures in it")
    return Records(f"pictures:{path}", names, partial(_read, path))


def _read(root: Path, name: str) -> Sample:
    return Sample(id=name, picture=read_image(root / name))
