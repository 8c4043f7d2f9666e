"""The frames of one video, camera, stream or row of pictures, decoded ahead of their user."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Protocol

from howfar.core.image import Image
from howfar.errors import PictureError, UsageError
from howfar.io.ahead import Ahead
from howfar.io.clip import Clip
from howfar.io.sources import Item, is_camera, is_url, is_video


class FrameSource(Protocol):
    """What gives frames: `VideoFile`, `Live` and `PictureRow`.

    Attributes:
        source: what messages and results call it.
        live: whether it does not wait for its user.
        damaged: frames that could not be decoded so far.
        news: sentences on what happened since they were last taken.
    """

    source: str
    live: bool
    damaged: int
    news: deque[str]

    @property
    def fps(self) -> float | None:
        """Frames per second, about, or None."""

    @property
    def count(self) -> int | None:
        """Frames that will come, about, or None."""

    @property
    def sound(self) -> str | None:
        """Name of the sound's codec, or None."""

    def __iter__(self) -> Iterator[Image]:
        """The frames. Raises `PictureError`."""
        ...


class Frames:
    """Iterates over the frames of a source, which a thread decodes up to four ahead.

    What happened to the source between two frames, a damaged frame or a lost camera, is in the
    `notes` of the second; what happened after the last frame is told by `take_news`. What lies
    behind `max_frames` is neither told nor counted.

    Args:
        source: what gives the frames.
        drop_old: give the newest frame and forget those that came meanwhile, so that the user is
            never behind; else every frame comes. None: for live sources.
        max_frames: stop after so many.

    Attributes:
        source: see above.
        drops: whether frames are dropped.
        given: frames so far.

    Raises `UsageError` where frames of a source that waits shall be dropped; iterating raises
    `PictureError`.
    """

    def __init__(
        self, source: FrameSource, drop_old: bool | None = None, max_frames: int | None = None
    ) -> None:
        if drop_old and not source.live:
            raise UsageError(f"{source.source}: frames are dropped of cameras and streams only")
        self.source, self.given, self._most = source, 0, max_frames
        self.drops = source.live if drop_old is None else drop_old
        self._damaged = 0
        self._news: deque[tuple[int, str]] = deque()
        frames = self._numbered()
        self._ahead = Ahead(frames, 1, drop_old=True) if self.drops else Ahead(frames)

    def __iter__(self) -> Iterator[Image]:
        return self

    def __next__(self) -> Image:
        if self._enough:
            raise StopIteration
        number, self._damaged, image = next(self._ahead)
        self.given += 1
        notes = list(image.notes)
        while self._news and self._news[0][0] <= number:
            notes.append(self._news.popleft()[1])
        return replace(image, notes=tuple(notes))

    def _numbered(self) -> Iterator[tuple[int, int, Image]]:
        """Frames with their numbers and the damage before them; runs ahead of the user.

        News go to `_news` with the number of the frame that they come before.
        """
        for number, image in enumerate(self.source):
            while self.source.news:
                self._news.append((number, self.source.news.popleft()))
            yield number, self.source.damaged, image

    @property
    def _enough(self) -> bool:
        return self.given == self._most

    @property
    def damaged(self) -> int:
        """Frames that could not be decoded so far."""
        return self._damaged if self._enough else self.source.damaged

    def take_news(self) -> list[str]:
        """What happened since the last frame, in sentences."""
        if self._enough:
            return []
        news = [self._news.popleft()[1] for _ in range(len(self._news))]
        return news + [self.source.news.popleft() for _ in range(len(self.source.news))]

    @property
    def dropped(self) -> int:
        """Frames that came and were not given."""
        return self._ahead.dropped

    def close(self) -> None:
        """Stop decoding and close the source."""
        self._ahead.close()

    def __enter__(self) -> Frames:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class PictureRow:
    """Pictures as the frames of a video, `fps` a second.

    Attributes: as `FrameSource`. A picture that cannot be read is counted as damaged.
    """

    live = False
    sound = None

    def __init__(self, items: Sequence[Item], fps: float, source: str, clip: Clip) -> None:
        self.items, self.source, self.clip = items, source, clip
        self.fps, self.damaged = fps, 0
        self.news: deque[str] = deque()

    @property
    def count(self) -> int:
        """Frames that will come."""
        return sum(1 for _ in self.clip.pick(self._timed()))

    def _timed(self) -> Iterator[tuple[int, float, Item]]:
        return ((i, i / self.fps, item) for i, item in enumerate(self.items))

    def __iter__(self) -> Iterator[Image]:
        some = False
        for index, time_s, item in self.clip.pick(self._timed()):
            try:
                image = item.load()
            except PictureError as error:
                self.damaged += 1
                self.news.append(f"{error}: passed over.")
                continue
            some = True
            yield replace(image, time_s=time_s, frame_index=index)
        if not some:
            raise PictureError(f"{self.source}: none could be read, or none is in the part asked")


@dataclass(frozen=True)
class Reel:
    """What is read as one video: a video, camera or stream; or pictures, where `fps` is given."""

    items: tuple[Item, ...]
    fps: float | None = None

    @property
    def name(self) -> str:
        """What messages and results call it."""
        return self.items[0].name if len(self.items) == 1 else f"{len(self.items)} pictures"

    @property
    def needs_av(self) -> bool:
        """Whether reading it needs PyAV: cameras by number and pictures do not."""
        return self.fps is None and not is_camera(self.items[0].source)

    def open(self, clip: Clip = Clip()) -> FrameSource:  # noqa: B008 - frozen
        """Open it. A video at an address that tells its length is like a file; others are live.

        Raises `PictureError`; `UsageError` without PyAV, which cameras do not need.
        """
        from howfar.io.live import CameraLink, Live, StreamLink
        from howfar.io.videoframes import VideoFile

        if self.fps is not None:
            return PictureRow(self.items, self.fps, self.name, clip)
        source = self.items[0].source
        if is_camera(source):
            return Live(self.name, CameraLink(int(source)), clip)
        if not is_url(source):
            return VideoFile(source, clip)
        if not source.lower().startswith("rtsp"):
            video = VideoFile(source, clip, self.name)
            if video.duration_s is not None:
                return video
        return Live(self.name, StreamLink(source, self.name), clip)


def sort_out(items: Sequence[Item], fps: float | None = None) -> list[Item | Reel]:
    """Pictures and videos, in the order given; with `fps` all pictures are one video.

    Raises `UsageError` where `fps` is no rate.
    """
    if fps is not None and not 0 < fps <= 1000:
        raise UsageError(f"fps is {fps!r}; give frames per second, above 0 and at most 1000")
    found: list[Item | Reel] = [Reel((item,)) if is_video(item) else item for item in items]
    pictures = [thing for thing in found if isinstance(thing, Item)]
    if fps is None or not pictures:
        return found
    row = Reel(tuple(sorted(pictures, key=lambda item: _by_number(item.source))), fps)
    at = found.index(pictures[0])
    rest: list[Item | Reel] = [thing for thing in found if isinstance(thing, Reel)]
    return [*rest[:at], row, *rest[at:]]


def check_max_frames(count: int | None) -> None:
    """Raise `UsageError` unless it is None or a whole number >= 1."""
    if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 1):
        raise UsageError(f"max_frames is {count!r}; give a whole number >= 1")


def _by_number(name: str) -> list[tuple[int, str]]:
    """A key that sorts `frame2` before `frame10`."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)
    ]
