"""From what a user points at to pictures and videos, one at a time."""

from __future__ import annotations

import glob
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from howfar.core.image import Image
from howfar.errors import UsageError
from howfar.io.fetch import content_type, fetch_bytes
from howfar.io.formats import is_own_file
from howfar.media import SUFFIXES, decode_image, read_image

STDIN = "-"
SCHEMES = ("http://", "https://", "rtsp://", "rtsps://")
VIDEO_SUFFIXES = frozenset(
    {".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"}
    | {".wmv", ".flv", ".3gp", ".ogv", ".mjpg", ".mjpeg", ".h264", ".h265", ".hevc", ".m3u8"}
)
VIDEO_TYPES = ("video/", "multipart/x-mixed-replace", "application/vnd.apple.mpegurl")
"""Starts of content types of videos and streams."""


@dataclass(frozen=True)
class Item:
    """One picture to come: read when `load` is called. Or a video: see `is_video`.

    Attributes:
        source: path, address, `-`, or the number of a camera.
        root: folder relative to which output names are made, where `source` came from a folder.
    """

    source: str
    root: Path | None = None

    def load(self) -> Image:
        """Read the picture. Raises `PictureError`, `UsageError` for a video."""
        if is_camera(self.source) or tells_video(self.source):
            raise UsageError(
                f"{self.name}: a video or camera, not a picture; use `stream()` or `howfar predict`"
            )
        if self.source == STDIN:
            return decode_image(sys.stdin.buffer.read(), "stdin")
        if is_url(self.source):
            return decode_image(fetch_bytes(self.source), self.source)
        return read_image(Path(self.source))

    @property
    def name(self) -> str:
        """What messages and results call it: `camera 0`; addresses without their password."""
        if is_camera(self.source):
            return f"camera {int(self.source)}"
        return without_password(self.source)


def is_video(item: Item) -> bool:
    """Whether an item is a video, a camera or a stream.

    The server of an address that ends like neither a picture nor a video is asked.
    """
    source = item.source
    if is_camera(source) or tells_video(source):
        return True
    if not is_url(source) or _suffix(source) in SUFFIXES:
        return False
    return content_type(source).startswith(VIDEO_TYPES)


def is_camera(source: str) -> bool:
    """Whether a source is the number of a camera: digits, and no file of that name."""
    return source.isdecimal() and source.isascii() and len(source) < 4 and not Path(source).exists()


def tells_video(source: str) -> bool:
    """Whether the name of a source is that of a video or stream."""
    return source.lower().startswith(("rtsp://", "rtsps://")) or _suffix(source) in VIDEO_SUFFIXES


def _suffix(source: str) -> str:
    path = source.split("?")[0].split("#")[0] if is_url(source) else source
    return PurePath(path).suffix.lower()


def without_password(source: str) -> str:
    """An address without the password in it; anything else as it is."""
    return re.sub(r"^(\w+://[^/@:]*):[^/]*@", r"\1:***@", source)


def expand(sources: Sequence[str]) -> list[Item]:
    """All pictures that `sources` name, sorted within a folder or pattern, each once.

    A source is a file, a folder (read with its sub-folders; files that do not end like a picture,
    or that end like one of ours, are passed over), a glob pattern, an http(s) or rtsp(s) address,
    the number of a camera, or `-` for standard input. A file that does not exist is an item that
    fails when it is loaded, so that the others are read; alone it is wrong use.

    Raises `UsageError` where a source alone, a folder or a pattern names nothing.
    """
    items: dict[str, Item] = {}
    for source in sources:
        for item in _expand_one(source):
            items.setdefault(item.source, item)
    if len(items) == 1 and is_missing(source := next(iter(items))):
        raise UsageError(f"{source}: no such file or folder")
    return list(items.values())


def is_missing(source: str) -> bool:
    """Whether a source is the name of a file that is not there."""
    try:
        if source == STDIN or is_url(source) or is_camera(source):
            return False
        return not Path(source).expanduser().exists()
    except (OSError, RuntimeError, ValueError):
        return True


def is_url(source: str) -> bool:
    """Whether a source is an address with a scheme."""
    return "://" in source


def _expand_one(source: str) -> list[Item]:
    if source == STDIN:
        return [Item(source)]
    if is_url(source):
        if not source.lower().startswith(SCHEMES):
            raise UsageError(
                f"{source}: only http://, https://, rtsp:// and rtsps:// addresses are read"
            )
        return [Item(source)]
    try:
        path = Path(source).expanduser()
        return _expand_path(source, path)
    except UsageError:
        raise
    except (OSError, RuntimeError, ValueError):  # too long a name, no such user, a NUL byte
        return [Item(source)]


def _expand_path(source: str, path: Path) -> list[Item]:
    if path.is_dir():
        found = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        found = [p for p in found if not is_own_file(p.name)]
        if not found:
            raise UsageError(
                f"{source}: no pictures in this folder ({', '.join(sorted(SUFFIXES))}); videos are "
                "named one by one or by a pattern"
            )
        return [Item(str(p), path) for p in found]
    if not path.exists() and glob.has_magic(source):
        matches = sorted(glob.glob(str(path), recursive=True))
        files = [match for match in matches if Path(match).is_file()]
        files = [match for match in files if not is_own_file(match)]
        if not files:
            raise UsageError(f"{source}: the pattern matches no file")
        return [Item(match) for match in files]
    return [Item(str(path))]


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
        last = item.name.split("?")[0].rstrip("/").rsplit("/", 1)[-1] or "picture"
        return last.rsplit("@", 1)[-1].replace(":", "_")
    if is_camera(item.source):
        return f"camera{int(item.source)}"
    return item.source
