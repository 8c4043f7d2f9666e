"""Which frames of a video are wanted."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from howfar.errors import UsageError

T = TypeVar("T")

TIME = re.compile(r"(?:(?:(\d+):)?([0-5]?\d):)?(\d+(?:\.\d*)?|\.\d+)")


@dataclass(frozen=True)
class Clip:
    """A part of a video.

    Attributes:
        stride: every how manieth frame is wanted, counted from the first of the part.
        start_s, end_s: seconds since the start of the video; the end is not part of it.
    """

    stride: int = 1
    start_s: float = 0.0
    end_s: float | None = None

    def __post_init__(self) -> None:
        if isinstance(self.stride, bool) or not isinstance(self.stride, int) or self.stride < 1:
            raise UsageError(f"vid_stride is {self.stride!r}; give a whole number >= 1")
        if self.end_s is not None and self.end_s <= self.start_s:
            raise UsageError(
                f"the end, {self.end_s:g} s, is not after the start, {self.start_s:g} s"
            )

    def pick(self, frames: Iterable[tuple[int, float, T]]) -> Iterator[tuple[int, float, T]]:
        """The wanted ones of (index, time_s, frame) in the order of time."""
        first: int | None = None
        for index, time_s, frame in frames:
            if time_s < self.start_s:
                continue
            if self.end_s is not None and time_s >= self.end_s:
                return
            first = index if first is None else first
            if (index - first) % self.stride == 0:
                yield index, time_s, frame


def make_clip(
    vid_stride: int = 1, start: float | str | None = None, end: float | str | None = None
) -> Clip:
    """A part of a video as callers say it. Raises `UsageError`."""
    start_s = 0.0 if start is None else parse_time(start, "start")
    return Clip(vid_stride, start_s, None if end is None else parse_time(end, "end"))


def parse_time(value: float | str, name: str) -> float:
    """Seconds of a number, or of text: `83.5`, `1:23.5` or `0:01:23.5`. Raises `UsageError`."""
    if isinstance(value, str):
        found = TIME.fullmatch(value.strip())
        if found:
            hours, minutes, seconds = (float(part or 0) for part in found.groups())
            return hours * 3600 + minutes * 60 + seconds
    elif not isinstance(value, bool) and 0 <= value < math.inf:
        return float(value)
    raise UsageError(f"{name} is {value!r}; give seconds, as 83.5, or 1:23.5")
