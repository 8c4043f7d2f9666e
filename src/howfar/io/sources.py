"""From what a user points at to pictures, one at a time."""

from __future__ import annotations

import glob
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from howfar.core.image import Image
from howfar.errors import HowfarError, PictureError, UsageError
from howfar.io.fetch import fetch_bytes
from howfar.media import SUFFIXES, decode_image, read_image

STDIN = "-"
VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg"})


@dataclass(frozen=True)
class Item:
    """One picture to come: read when `load` is called.

    Attributes:
        source: path, address or `-`.
        root: folder relative to which output names are made, where `source` came from a folder.
    """

    source: str
    root: Path | None = None

    def load(self) -> Image:
        """Read the picture. Raises `PictureError`."""
        if self.source == STDIN:
            return decode_image(sys.stdin.buffer.read(), "stdin")
        if is_url(self.source):
            return decode_image(fetch_bytes(self.source), self.source)
        return read_image(Path(self.source))


def expand(sources: Sequence[str]) -> list[Item]:
    """All pictures that `sources` name, sorted within a folder or pattern, each once.

    A source is a file, a folder (read with its sub-folders; files that do not end like a picture
    are passed over), a glob pattern, an http(s) address, or `-` for standard input.

    Raises `UsageError` where a source names nothing.
    """
    items: dict[str, Item] = {}
    for source in sources:
        for item in _expand_one(source):
            items.setdefault(item.source, item)
    return list(items.values())


def is_url(source: str) -> bool:
    """Whether a source is an address with a scheme."""
    return "://" in source


def load_all(items: Sequence[Item]) -> Iterator[tuple[Item, Image | HowfarError]]:
    """Each item with its picture, or with the error that kept it from being read."""
    for item in items:
        try:
            yield item, item.load()
        except HowfarError as error:
            yield item, error


def _expand_one(source: str) -> list[Item]:
    if source == STDIN:
        return [Item(source)]
    if is_url(source):
        if not source.lower().startswith(("http://", "https://")):
            raise UsageError(f"{source}: only http:// and https:// addresses are read")
        return [Item(source)]
    path = Path(source).expanduser()
    if path.is_dir():
        found = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        if not found:
            raise UsageError(
                f"{source}: no pictures in this folder ({', '.join(sorted(SUFFIXES))})"
            )
        return [Item(str(p), path) for p in found]
    if path.exists():
        if path.suffix.lower() in VIDEO_SUFFIXES:
            raise UsageError(f"{source}: videos are not read yet; give pictures")
        return [Item(str(path))]
    if glob.has_magic(source):
        matches = sorted(glob.glob(str(path), recursive=True))
        files = [match for match in matches if Path(match).is_file()]
        if not files:
            raise UsageError(f"{source}: the pattern matches no file")
        return [Item(match) for match in files]
    raise UsageError(f"{source}: no such file or folder")


def output_names(items: Sequence[Item]) -> list[Path]:
    """A relative path without suffix for the results of each item, no two alike.

    Pictures of a folder keep their sub-folders. Names that would collide (`a.jpg` and `a.png`) get
    their suffix or a number added.
    """
    names: list[Path] = []
    taken: set[str] = set()
    for item in items:
        path = Path(_filename(item))
        folder = path.relative_to(item.root).parent if item.root else Path()
        base = folder / (path.stem if path.stem.strip(".") else "picture")
        name, number = base, 1
        if str(name).lower() in taken:
            name = base.with_name(f"{base.name}_{path.suffix[1:].lower() or 'file'}")
        while str(name).lower() in taken:
            number += 1
            name = base.with_name(f"{base.name}_{number}")
        taken.add(str(name).lower())
        names.append(name)
    return names


def _filename(item: Item) -> str:
    if item.source == STDIN:
        return "stdin"
    if is_url(item.source):
        return item.source.split("?")[0].rstrip("/").rsplit("/", 1)[-1] or "picture"
    return item.source


__all__ = ["Item", "PictureError", "expand", "is_url", "load_all", "output_names"]
