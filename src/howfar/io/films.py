"""Files of one video: annotated videos, and files of its frames."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from howfar.core.image import RgbArray
from howfar.core.result import Result
from howfar.io import depthview, draw
from howfar.io.formats import PICTURE_FORMATS, VIDEO_ENDINGS, VIDEO_FORMATS
from howfar.io.palette import depth_ramp
from howfar.io.sinks import encode_picture, write_picture_files, write_whole
from howfar.io.videofile import VideoWriter

Range = tuple[float, float]


class FilmFiles:
    """Writes the frames of one video; complete after `close`, also when a run is stopped.

    The formats annotated, depth and panel become one video each, `base` + `.annotated.mp4` and so
    on; frames, and the other formats of a picture, become files in the folder `base`, named by the
    number of the frame.

    Args:
        base: path of the files, without ending.
        formats: names of formats; those of a whole run are passed over.
        fps: frames per second, about.
        sound: a video whose sound is carried over into each of them.
        range_m: nearest and farthest depth of the colours in metres; that of the first frame with
            metres unless given. It is the same for all frames; relative depth has no metres, and
            its colours follow each frame.

    Raises `OutputError`.
    """

    def __init__(
        self,
        base: Path,
        formats: Sequence[str],
        fps: float | None = None,
        sound: str | None = None,
        range_m: Range | None = None,
    ) -> None:
        self.base, self.range_m = base, range_m
        self.views = {
            name: VideoWriter(base.with_name(base.name + ending), fps, sound=sound)
            for name, ending in VIDEO_ENDINGS.items()
            if name in formats
        }
        self._stills = "frames" in formats
        self._others = [
            name for name in formats if name in PICTURE_FORMATS and name not in VIDEO_ENDINGS
        ]

    def add(self, result: Result) -> tuple[dict[str, dict[str, Any]], list[str]]:
        """Append one frame. Returns what was written and problems, as `write_picture_files`."""
        self._find_range(result)
        written: dict[str, dict[str, Any]] = {}
        problems: list[str] = []
        annotated = draw.annotated(result, range_m=self.range_m) if self._needs_drawing else None
        for name, writer in self.views.items():
            view = self._view(name, result, annotated)
            if view is None:
                problems.append("No depth video: there is no depth map of whole pictures.")
                continue
            writer.write(view, result.image.time_s)
            written[name] = {"path": str(writer.path), "values_per_metre": None}
        base = self.base / f"{result.image.frame_index or 0:06d}"
        if annotated is not None and self._stills:
            path = base.with_name(base.name + VIDEO_FORMATS["frames"][0])
            write_whole(path, encode_picture(annotated, ".jpg"))
            written["frames"] = {"path": str(path), "values_per_metre": None}
        files, failures = write_picture_files(result, base, self._others)
        return written | files, problems + failures

    @property
    def sound_notes(self) -> list[str]:
        """What became of sound that could not be carried over."""
        return sorted({writer.sound_note for writer in self.views.values() if writer.sound_note})

    def close(self) -> None:
        """Finish the videos, each whatever becomes of the others."""
        with ExitStack() as ending:
            for writer in self.views.values():
                ending.callback(writer.close)

    @property
    def _needs_drawing(self) -> bool:
        return self._stills or "annotated" in self.views

    def _view(self, name: str, result: Result, annotated: RgbArray | None) -> RgbArray | None:
        if name == "annotated":
            return annotated
        if name == "panel":
            return depthview.panel(result, range_m=self.range_m)
        if result.depth is None:
            return None
        return depthview.depth_picture(result.depth, range_m=self.range_m)

    def _find_range(self, result: Result) -> None:
        """The colours of all frames: those of the first that has metres."""
        if self.range_m is None and result.depth is not None and result.depth.is_metric:
            ramp = depth_ramp(result.depth)
            self.range_m = ramp and (ramp.near, ramp.far)
