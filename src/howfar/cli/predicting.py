"""What `howfar predict` does with its pictures and videos, one after the other."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from howfar.cli.progress import make_progress
from howfar.cli.stopping import Stops
from howfar.errors import HowfarError, PictureError, UsageError

if TYPE_CHECKING:
    from howfar.core.depth import DepthMap
    from howfar.core.image import Image
    from howfar.core.result import Object, Result
    from howfar.io.clip import Clip
    from howfar.io.films import FilmFiles
    from howfar.io.frames import Frames, Reel
    from howfar.io.sinks import RunFiles
    from howfar.io.sources import Item
    from howfar.options import Options
    from howfar.pipeline import Ranger

T = TypeVar("T")


class Extras:
    """What the user brings beside the pictures: boxes, depth maps, true depth."""

    def __init__(
        self, boxes: Path | None, depth_map: Path | None, truth: Path | None, unit: str
    ) -> None:
        self._boxes, self._depth_map, self._truth, self._unit = boxes, depth_map, truth, unit

    def boxes(self, item: Item) -> Any:
        """Boxes of a picture, or None."""
        from howfar.io.boxfiles import read_boxes

        path = _beside(self._boxes, item, (".json",))
        return None if path is None else read_boxes(path)

    def depth_map(self, item: Item) -> DepthMap | None:
        """Depth of a picture, or None."""
        return self._read(self._depth_map, item)

    def truth(self, item: Item) -> DepthMap | None:
        """True depth of a picture, or None."""
        return self._read(self._truth, item)

    def _read(self, where: Path | None, item: Item) -> DepthMap | None:
        from howfar.io.depthfiles import read_depth

        path = _beside(where, item, (".npy", ".png"))
        return None if path is None else read_depth(path, self._unit)


@dataclass(frozen=True)
class FilmOptions:
    """What is asked of videos.

    Attributes:
        clip: which frames.
        formats: what to write.
        max_frames: most frames of a video.
        drop_old: whether frames are left out rather than being late; None: of live sources.
        fps: pictures are the frames of one video of this rate.
        range_m: nearest and farthest depth of the colours.
    """

    clip: Clip
    formats: list[str]
    max_frames: int | None = None
    drop_old: bool | None = None
    fps: float | None = None
    range_m: tuple[float, float] | None = None


class Run:
    """All pictures and videos, one after the other; goes on past those that fail.

    Args:
        ranger, options: the networks, and what is asked of them.
        extras: what lies beside the pictures.
        folder: for files.
        formats: what to write of pictures and of the run.
        as_json: print records.
        film: what is asked of videos.
    """

    def __init__(
        self,
        ranger: Ranger,
        options: Options,
        extras: Extras,
        folder: Path,
        formats: list[str],
        as_json: bool,
        film: FilmOptions,
    ) -> None:
        self.ranger, self.options, self.extras = ranger, options, extras
        self.folder, self.formats, self.as_json, self.film = folder, formats, as_json, film
        self.notes: set[str] = set()
        self.failed = 0

    def all(self, things: Sequence[Item | Reel]) -> int:
        """Run everything; returns how many pictures and videos failed."""
        from howfar.io.avcodec import import_av
        from howfar.io.formats import VIDEO_ENDINGS
        from howfar.io.frames import Reel
        from howfar.io.sinks import RunFiles
        from howfar.io.sources import output_names

        names = output_names([named(thing) for thing in things])
        ids = image_ids(names)
        self._next_id = max(ids) + 1
        reels = [thing for thing in things if isinstance(thing, Reel)]
        pictures = not reels
        if any(reel.needs_av for reel in reels) or (
            reels and set(VIDEO_ENDINGS) & set(self.film.formats)
        ):
            import_av()  # before anything is written
        files = RunFiles(self.folder, self.formats, self._category_ids())
        jobs = list(zip(things, names, ids, strict=True))
        try:
            with Stops() as stops:
                try:
                    self._each(_with_progress(jobs) if pictures else jobs, files, stops)
                finally:
                    stops.finishing = True
                    files.close()
        except KeyboardInterrupt:
            typer.echo("howfar: stopped; the files hold what was done", err=True)
            raise
        self._summary(len(things), pictures)
        return self.failed

    def _each(
        self, jobs: Iterable[tuple[Item | Reel, Path, int]], files: RunFiles, stops: Stops
    ) -> None:
        from howfar.io.frames import Reel

        for thing, name, image_id in jobs:
            with self._going_on(thing.name if isinstance(thing, Reel) else thing.source):
                if isinstance(thing, Reel):
                    self._film(thing, name, files, stops)
                else:
                    self._one(thing, name, image_id, files)

    @contextmanager
    def _going_on(self, name: str) -> Iterator[None]:
        """Say what failed and go on, unless the call is wrong."""
        try:
            yield
        except UsageError:
            raise
        except (HowfarError, MemoryError) as error:
            self.failed += 1
            told = f"{name}: not enough memory; make it smaller"
            text = error if isinstance(error, HowfarError) else told
            typer.echo(f"howfar: error: {text}", err=True)

    def _one(self, item: Item, name: Path, image_id: int, files: RunFiles) -> None:
        from howfar.io.sinks import write_picture_files

        truth = self.extras.truth(item)
        boxes, depth = self.extras.boxes(item), self.extras.depth_map(item)
        result = self.ranger.run(item.load(), self.options, depth, boxes)
        written, problems = write_picture_files(result, self.folder / name, self.formats, truth)
        self._give(result, written, problems, image_id, files, result.source)

    def _give(
        self,
        result: Result,
        written: dict[str, dict[str, Any]],
        problems: list[str],
        image_id: int,
        files: RunFiles,
        name: str,
    ) -> None:
        """Say and write down one result; `name` is what its notes are about."""
        from howfar.io.records import result_record

        for text in (*result.notes, *problems):
            self._note(name, text)
        record = result_record(result, written)
        files.add(result, record, image_id)
        if self.as_json:
            print(json.dumps(record), flush=True)  # noqa: T201 - the product of --json
        else:
            typer.echo(_line(result))

    def _film(self, reel: Reel, name: Path, files: RunFiles, stops: Stops) -> None:
        """One video: decoding runs ahead of the networks, drawing and encoding behind them."""
        from howfar.io.ahead import Behind
        from howfar.io.films import FilmFiles
        from howfar.io.frames import Frames

        frames = Frames(reel.open(self.film.clip), self.film.drop_old, self.film.max_frames)
        source = frames.source
        carried = reel.items[0].source if source.sound and not source.live else None
        rate = source.fps and source.fps / self.film.clip.stride
        films = FilmFiles(self.folder / name, self.film.formats, rate, carried, self.film.range_m)
        behind: Behind[Result] = Behind(lambda result: self._show(result, films, files, reel.name))
        start, done, passed = time.perf_counter(), 0, 0
        try:
            with frames:
                jobs = self.ranger.jobs(frames, lambda image: self._frame(reel, image))
                for job in with_bar(jobs, frames, self.film.max_frames):
                    result = self._result(reel.name, job)
                    if result is not None:
                        behind.put(result)
                        done += 1
                    else:
                        passed += 1
        finally:
            stops.finishing = True
            try:
                with ExitStack() as ending:
                    ending.callback(films.close)
                    behind.close()
                self._film_summary(reel.name, frames, films, passed, time.perf_counter() - start)
            finally:
                stops.finished()
        if frames.given and not done:
            raise PictureError(f"{reel.name}: no frame could be worked on")

    def _result(self, name: str, job: Callable[[], Result]) -> Result | None:
        """The result of a frame, or None where the frame lacks what is asked of it, a scale say."""
        try:
            return job()
        except UsageError:
            raise
        except HowfarError as error:
            self._note(name, f"{error}; such frames are passed over.")
            return None

    def _frame(self, reel: Reel, image: Image) -> Result:
        if reel.fps is None:
            return self.ranger.run(image, self.options)
        from howfar.io.sources import Item

        item = Item(image.source)
        boxes, depth = self.extras.boxes(item), self.extras.depth_map(item)
        return self.ranger.run(image, self.options, depth, boxes)

    def _show(self, result: Result, films: FilmFiles, files: RunFiles, name: str) -> None:
        written, problems = films.add(result)
        self._give(result, written, problems, self._next_id, files, name)
        self._next_id += 1

    def _film_summary(
        self, name: str, frames: Frames, films: FilmFiles, passed: int, seconds: float
    ) -> None:
        for text in (*frames.take_news(), *films.sound_notes):
            self._note(name, text)
        if films.views and frames.source.live and frames.source.sound:
            self._note(name, f"The sound ({frames.source.sound}) of a live stream is not written.")
        if not frames.given:
            return
        words = f"{frames.given} frame{'s' * (frames.given != 1)} in {seconds:.1f} s"
        if frames.given > 1:
            words += f", {frames.given / seconds:.1f} a second"
        counts = {
            "damaged": frames.damaged,
            "left out": frames.dropped,
            "passed over": passed,
        }
        words += "".join(f", {count} {what}" for what, count in counts.items() if count)
        typer.echo(f"howfar: {name}: {words}", err=True)

    def _note(self, source: str, text: str) -> None:
        """Say a note, once for a text that is the same for all pictures."""
        if text not in self.notes:
            self.notes.add(text)
            where = "" if source in text or text.startswith("The metres") else source
            typer.echo(f"howfar: note: {where + ': ' if where else ''}{text}", err=True)

    def _category_ids(self) -> dict[str, int]:
        """COCO's category ids for its classes, else the class number plus one."""
        from howfar.models.classes import COCO80, COCO_IDS

        card = getattr(self.ranger.detector, "card", None)
        names = card.classes if card else COCO80
        if set(names) <= {*COCO80, "N/A"}:
            return dict(zip(COCO80, COCO_IDS, strict=True))
        return {name: i + 1 for i, name in enumerate(names)}

    def _summary(self, count: int, pictures: bool) -> None:
        words = f"{count} {'picture' if pictures else 'source'}{'s' * (count != 1)}"
        if self.failed:
            words += f", {self.failed} failed"
        if self.formats or self.film.formats:
            words += f"; files in {self.folder}{'' if str(self.folder).endswith('/') else '/'}"
        if self.formats or self.film.formats or self.failed:
            typer.echo(f"howfar: {words}", err=True)


def _beside(where: Path | None, item: Item, suffixes: tuple[str, ...]) -> Path | None:
    """The file for a picture: the one named, or the one of the same name in a folder."""
    if where is None or where.is_file():
        return where
    if not where.is_dir():
        raise UsageError(f"{where}: no such file or folder")
    stem = Path(item.source).stem
    for suffix in suffixes:
        if (path := where / f"{stem}{suffix}").is_file():
            return path
    names = " or ".join(stem + suffix for suffix in suffixes)
    raise PictureError(f"{item.source}: there is no {names} in {where}")


def image_ids(names: list[Path]) -> list[int]:
    """COCO's image ids: the names where all are numbers, as COCO's are, else 1, 2, 3 ..."""
    if all(name.name.isdecimal() for name in names):
        ids = [int(name.name) for name in names]
        if len(set(ids)) == len(ids):
            return ids
    return list(range(1, len(names) + 1))


def named(thing: Item | Reel) -> Item:
    """The item after which files are named: of pictures in a row their folder."""
    from howfar.io.frames import Reel
    from howfar.io.sources import Item

    if not isinstance(thing, Reel):
        return thing
    first = thing.items[0]
    return first if thing.fps is None else Item(str(Path(first.source).absolute().parent))


def _with_progress(
    jobs: list[tuple[Item | Reel, Path, int]],
) -> Iterator[tuple[Item | Reel, Path, int]]:
    if len(jobs) < 2 or not sys.stderr.isatty():
        yield from jobs
        return
    with make_progress() as progress:
        yield from progress.track(jobs, description="pictures")


def with_bar(items: Iterator[T], frames: Frames, most: int | None) -> Iterator[T]:
    """One item a frame, with a bar where the count of frames is known, or their most."""
    count = frames.source.count
    total = most if count is None else min(count, most or count)
    if total is None or not sys.stderr.isatty():
        yield from items
        return
    with make_progress() as progress:
        yield from progress.track(items, total=total, description="frames")


def _line(result: Result) -> str:
    """What a person reads: the picture and its objects, nearest first."""
    things = sorted(
        result.objects, key=lambda thing: (thing.distance_m is None, thing.distance_m or 0)
    )
    words = ", ".join(_words(thing) for thing in things) or "nothing"
    hidden = f" ({len(result.left_out)} hidden)" if result.left_out else ""
    strange = "; unlike what the network learned from" if result.domain == "unfamiliar" else ""
    time_s = result.image.time_s
    when = "" if time_s is None else f" {time_s:.2f} s"
    return f"{result.source}{when}: {words}{hidden}{strange}"


def _words(thing: Object) -> str:
    """A label and its metres, with an interval where that was calibrated."""
    from howfar.core.distance import CALIBRATED
    from howfar.io.draw import distance_text

    if thing.distance_m is None:
        return f"{thing.label} ?"
    told = f"{thing.label} {thing.distance_m:.3g} m"
    if thing.interval_m is None or thing.interval_kind != CALIBRATED:
        return told
    low, high = thing.interval_m
    return f"{told} ({distance_text(low)} to {distance_text(high)})"
