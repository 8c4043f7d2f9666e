"""The pictures that a calibration looks at: files, folders, frames of videos and cameras."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from howfar.core.image import Image
from howfar.io.clip import Clip
from howfar.io.frames import Frames, Reel, sort_out
from howfar.io.sources import Item, expand
from howfar.io.videoframes import VideoFile

LIVE_GAP_S = 0.5
"""Time between two frames of a camera or stream, so that the view can change."""


@dataclass(frozen=True)
class Shot:
    """A picture, or a video or camera whose frames are pictures.

    Attributes:
        thing: what is read.
    """

    thing: Item | Reel

    @property
    def source(self) -> str:
        """What its pictures call their source."""
        return self.thing.source if isinstance(self.thing, Item) else self.thing.name

    def images(self, most: int) -> Iterator[Image]:
        """The picture, or at most `most` frames: evenly over a video, by and by of a camera."""
        if isinstance(self.thing, Item):
            yield self.thing.load()
            return
        source = self.thing.open()
        if source.live:
            with Frames(source) as frames:
                yield from _spaced(frames, most)
            return
        count = source.count
        if count is None and isinstance(source, VideoFile):
            count = source.counted()
        stride = max(1, math.ceil((count or 1) / most))
        with Frames(self.thing.open(Clip(stride)), max_frames=most) as frames:
            yield from frames


def _spaced(frames: Iterator[Image], most: int) -> Iterator[Image]:
    given, last_s = 0, -math.inf
    for image in frames:
        time_s = image.time_s or 0.0
        if time_s - last_s < LIVE_GAP_S:
            continue
        yield image
        given, last_s = given + 1, time_s
        if given == most:
            return


def list_shots(sources: Sequence[str], most: int) -> list[Shot]:
    """Pictures and videos of `sources`; of more than `most` some evenly among them.

    Raises `UsageError` where a source names nothing.
    """
    found = [Shot(thing) for thing in sort_out(expand(sources))] if sources else []
    if len(found) > most:
        found = [found[i] for i in np.linspace(0, len(found) - 1, most).round().astype(int)]
    return found


def named(image: Image) -> str:
    """How messages call a picture: its source, and the time of a frame."""
    return image.source if image.time_s is None else f"{image.source} at {image.time_s:.1f} s"
