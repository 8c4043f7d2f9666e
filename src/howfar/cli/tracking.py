"""What `howfar track` does with its videos, one after the other."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from howfar.cli.predicting import named, with_bar
from howfar.cli.stopping import Stops
from howfar.errors import HowfarError, PictureError, UsageError

if TYPE_CHECKING:
    from howfar.core.result import Result
    from howfar.io.clip import Clip
    from howfar.io.frames import Frames, Reel
    from howfar.options import Options
    from howfar.pipeline import Ranger
    from howfar.track import Alert, TrackedFrame, TrackedObject, TrackSummary
    from howfar.track.files import TrackFiles


@dataclass
class TrackRun:
    """All videos; goes on past those that fail.

    Attributes:
        ranger, options: the networks, and what is asked of them.
        conf, lost_s: of the tracker.
        alert_within: metres, or None.
        clip, max_frames, drop_old: which frames.
        folder, formats, range_m: what is written where, and the colours.
        as_json: print records.
    """

    ranger: Ranger
    options: Options
    conf: float
    lost_s: float
    alert_within: float | None
    clip: Clip
    max_frames: int | None
    drop_old: bool | None
    folder: Path
    formats: list[str]
    range_m: tuple[float, float] | None
    as_json: bool
    notes: set[str] = field(default_factory=set)

    def all(self, reels: Sequence[Reel]) -> int:
        """Run everything; returns how many videos failed."""
        from howfar.io.sources import output_names

        failed = 0
        names = output_names([named(reel) for reel in reels])
        try:
            with Stops() as stops:
                for reel, name in zip(reels, names, strict=True):
                    failed += not self._tried(reel, name, stops)
        except KeyboardInterrupt:
            typer.echo("howfar: stopped; the files hold what was done", err=True)
            raise
        if self.formats:
            folder = str(self.folder).rstrip("/") + "/"
            words = f"{len(reels)} video{'s' * (len(reels) != 1)}"
            words += f", {failed} failed" * bool(failed)
            typer.echo(f"howfar: {words}; files in {folder}", err=True)
        return failed

    def _tried(self, reel: Reel, name: Path, stops: Stops) -> bool:
        """Whether a video could be worked on, unless the call is wrong."""
        try:
            self._video(reel, name, stops)
        except UsageError:
            raise
        except HowfarError as error:
            typer.echo(f"howfar: error: {error}", err=True)
            return False
        return True

    def _video(self, reel: Reel, name: Path, stops: Stops) -> None:
        """One video: decoding runs ahead of the networks, tracking and writing behind them."""
        from howfar.io.ahead import Behind
        from howfar.io.frames import Frames
        from howfar.track.files import TrackFiles

        frames = Frames(reel.open(self.clip), self.drop_old, self.max_frames)
        source = frames.source
        carried = reel.items[0].source if source.sound and not source.live else None
        rate = source.fps and source.fps / self.clip.stride
        files = TrackFiles(self.folder / name, self.formats, rate, carried, self.range_m)
        following = _Following(self, files, reel.name)
        behind: Behind[Result] = Behind(following.add)
        start = time.perf_counter()
        try:
            with frames:
                jobs = self.ranger.jobs(frames, lambda image: self.ranger.run(image, self.options))
                for job in with_bar(jobs, frames, self.max_frames):
                    result = self._result(reel.name, job)
                    if result is None:
                        following.passed += 1
                    else:
                        behind.put(result)
        finally:
            stops.finishing = True
            try:
                with ExitStack() as ending:
                    ending.callback(files.close)
                    ending.callback(following.close)
                    behind.close()
                self._summary(reel.name, frames, files, following, time.perf_counter() - start)
            finally:
                stops.finished()
        if frames.given and not following.frames:
            raise PictureError(f"{reel.name}: no frame could be worked on")

    def _result(self, name: str, job: Callable[[], Result]) -> Result | None:
        """The result of a frame, or None where the frame lacks what is asked of it, a scale say."""
        try:
            return job()
        except UsageError:
            raise
        except HowfarError as error:
            self.note(name, f"{error}; such frames are passed over.")
            return None

    def _summary(
        self,
        name: str,
        frames: Frames,
        files: TrackFiles,
        following: _Following,
        seconds: float,
    ) -> None:
        for text in (*frames.take_news(), files.sound_note):
            self.note(name, text)
        tracks = following.tracks
        words = f"{tracks} track{'s' * (tracks != 1)}"
        words += f" ({following.hidden} hidden)" if following.hidden else ""
        words += f" in {frames.given} frames, {seconds:.1f} s"
        if frames.given > 1:
            words += f", {frames.given / seconds:.1f} frames a second"
        counts = {
            "damaged": frames.damaged,
            "left out": frames.dropped,
            "passed over": following.passed,
        }
        words += "".join(f", {count} {what}" for what, count in counts.items() if count)
        typer.echo(f"howfar: {name}: {words}", err=True)

    def note(self, source: str, text: str) -> None:
        """Say a note, once for a text that is the same for all frames."""
        if text and text not in self.notes:
            self.notes.add(text)
            where = "" if source in text or text.startswith("The metres") else f"{source}: "
            typer.echo(f"howfar: note: {where}{text}", err=True)


class _Following:
    """One video's tracker, and what is said and written after each frame."""

    def __init__(self, run: TrackRun, files: TrackFiles, name: str) -> None:
        from howfar.track import Alerts, Tracker

        self._run, self._files, self._name = run, files, name
        self.tracks = self.frames = self.passed = 0
        self._told: set[int] = set()
        self._hidden: set[int] = set()
        self._tracker = Tracker(run.conf, run.lost_s)
        self._alerts = None if run.alert_within is None else Alerts(run.alert_within)

    def add(self, result: Result) -> None:
        """One more frame."""
        from howfar.track.records import track_record

        for text in result.notes:
            self._run.note(self._name, text)
        frame = self._tracker.update(result)
        alerts = [] if self._alerts is None else self._alerts.update(frame)
        record = track_record(frame, alerts)
        self._files.add(frame, record)
        self.frames += 1
        self.tracks += sum(change.kind == "new" for change in frame.changes)
        fresh = self._note(frame)
        if self._run.as_json:
            print(json.dumps(record), flush=True)  # noqa: T201 - the product of --json
        else:
            self._say(frame, alerts, fresh)

    @property
    def hidden(self) -> int:
        """Tracks that the filter by distance never let through."""
        return self.tracks - len(self._told)

    def close(self) -> None:
        """The last tracks end."""
        ended = self._tracker.close()
        self._files.end(ended)
        if not self._run.as_json:
            self._say_ended(ended)

    def _note(self, frame: TrackedFrame) -> list[TrackedObject]:
        """Take down who is hidden by the filter; returns who is shown for the first time."""
        self._hidden -= {thing.id for thing in frame.tracks}
        self._hidden |= {thing.id for thing in frame.left_out}
        fresh = [thing for thing in frame.tracks if thing.id not in self._told]
        self._told |= {thing.id for thing in fresh}
        return sorted(fresh, key=lambda thing: thing.id)

    def _say(
        self, frame: TrackedFrame, alerts: Sequence[Alert], fresh: Sequence[TrackedObject]
    ) -> None:
        """What the filter hides is not said; who comes out of hiding for the first time is new."""
        from howfar.track.picture import track_words

        when = f"{frame.time_s:.2f} s"
        things = {thing.id: thing for thing in (*frame.tracks, *frame.left_out)}
        said = self._told - self._hidden - {thing.id for thing in fresh}
        for change in frame.changes:
            if change.kind in ("lost", "found") and change.id in said:
                thing = things.get(change.id)
                words = track_words(thing) if thing else f"{change.label} #{change.id}"
                typer.echo(f"{when}: {change.kind}: {words}")
        for thing in fresh:
            typer.echo(f"{when}: new: {track_words(thing)}")
        self._say_ended(frame.ended)
        for alert in alerts:
            words = track_words(things[alert.id])
            typer.echo(f"{when}: ALERT within {alert.within_m:g} m: {words}")

    def _say_ended(self, summaries: Sequence[TrackSummary]) -> None:
        for summary in summaries:
            if summary.id in self._told:
                typer.echo(_course(summary))


def _course(summary: TrackSummary) -> str:
    """A track in a line: `person #3: 0.0 - 12.4 s, 6.2 -> 1.8 m, nearest 1.7 m at 11.9 s`."""
    from howfar.io.draw import distance_text

    words = f"{summary.label} #{summary.id}: {summary.first_s:.1f} - {summary.last_s:.1f} s"
    if summary.first_m is not None and summary.last_m is not None:
        words += f", {distance_text(summary.first_m)} -> {distance_text(summary.last_m)}"
    if summary.nearest_m is not None and summary.nearest_s is not None:
        words += f", nearest {distance_text(summary.nearest_m)} at {summary.nearest_s:.1f} s"
    if summary.fastest_m_s:
        words += f", nearing by up to {summary.fastest_m_s:.1f} m/s"
    if summary.times_lost:
        words += f", lost {summary.times_lost} time{'s' * (summary.times_lost > 1)}"
    return words
