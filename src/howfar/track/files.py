"""Files of one tracked video: the annotated video, a record a frame, a row a track."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from howfar.errors import UsageError
from howfar.io.palette import depth_ramp
from howfar.io.sinks import make_folder, writing
from howfar.io.videofile import VideoWriter
from howfar.track.picture import annotated
from howfar.track.records import TRACK_COLUMNS, summary_row
from howfar.track.tracked import TrackedFrame, TrackSummary

TRACK_FORMATS = {
    "annotated": (".tracked.mp4", "the video with numbers, distances and speeds"),
    "jsonl": (".tracked.jsonl", "a record a frame"),
    "csv": (".tracks.csv", "a row a track"),
}
"""What can be written: ending of the file and what it is."""


def check_track_formats(formats: Sequence[str]) -> None:
    """Raise `UsageError` for a format that does not exist."""
    for name in formats:
        if name not in TRACK_FORMATS:
            known = ", ".join(TRACK_FORMATS)
            raise UsageError(f"format {name!r} is unknown; `howfar track` writes {known}")


class TrackFiles:
    """Writes what is known after each frame; complete after `close`, also when a run is stopped.

    Texts are opened with the first frame: a run without any leaves those of an earlier one alone.

    Args:
        base: path of the files, without ending.
        formats: names in `TRACK_FORMATS`.
        fps: frames per second, about.
        sound: a video whose sound is carried over.
        range_m: nearest and farthest depth of the colours; that of the first frame with metres
            unless given. It is the same for all frames.

    Raises `OutputError`.
    """

    def __init__(
        self,
        base: Path,
        formats: Sequence[str],
        fps: float | None = None,
        sound: str | None = None,
        range_m: tuple[float, float] | None = None,
    ) -> None:
        check_track_formats(formats)
        self.range_m = range_m
        self.paths = {
            name: base.with_name(base.name + ending)
            for name, (ending, _) in TRACK_FORMATS.items()
            if name in formats
        }
        self._video = None
        if "annotated" in self.paths:  # the first, since without PyAV nothing shall be written
            self._video = VideoWriter(self.paths["annotated"], fps, sound=sound)
        self._texts: dict[str, io.TextIOWrapper] = {}
        if self.paths:
            make_folder(base.parent)

    def _open(self) -> None:
        for name in ("jsonl", "csv"):
            if name in self.paths:
                with writing(self.paths[name]):
                    self._texts[name] = self.paths[name].open(
                        "w", encoding="utf-8", errors="surrogateescape", newline=""
                    )
        if "csv" in self._texts:
            self._rows = csv.DictWriter(self._texts["csv"], TRACK_COLUMNS)
            self._rows.writeheader()

    def add(self, frame: TrackedFrame, record: dict[str, Any]) -> None:
        """Append one frame and its record; what ended in it becomes rows."""
        if not self._texts:
            self._open()
        if self._video is not None:
            self._find_range(frame)
            self._video.write(annotated(frame, range_m=self.range_m), frame.time_s)
        if "jsonl" in self._texts:
            with writing(self.paths["jsonl"]):
                self._texts["jsonl"].write(json.dumps(record) + "\n")
        self.end(frame.ended)

    def end(self, summaries: Sequence[TrackSummary]) -> None:
        """Append tracks that ended."""
        if "csv" in self._texts:
            with writing(self.paths["csv"]):
                self._rows.writerows(summary_row(summary) for summary in summaries)

    @property
    def sound_note(self) -> str:
        """What became of sound that could not be carried over, else nothing."""
        return "" if self._video is None else self._video.sound_note

    def close(self) -> None:
        """Finish the files, each whatever becomes of the others."""
        texts, self._texts = self._texts, {}
        with ExitStack() as ending:
            if self._video is not None:
                ending.callback(self._video.close)
            for name, file in texts.items():
                ending.enter_context(writing(self.paths[name]))
                ending.callback(file.close)

    def _find_range(self, frame: TrackedFrame) -> None:
        """The colours of all frames: those of the first that has metres."""
        depth = frame.result.depth
        if self.range_m is None and depth is not None and depth.is_metric:
            ramp = depth_ramp(depth)
            self.range_m = ramp and (ramp.near, ramp.far)
