"""Files of results: per picture, and per run. Every file is written whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from howfar.core.camera import Camera
from howfar.core.depth import DepthMap
from howfar.core.image import RgbArray
from howfar.core.result import Result
from howfar.errors import OutputError, UsageError
from howfar.io import depthview, draw
from howfar.io.depthfiles import VALUES_PER_METRE, encode_depth_png, encode_ply, raw_values
from howfar.io.formats import PICTURE_FORMATS, RUN_FORMATS, check_formats
from howfar.io.records import CSV_COLUMNS, coco_results, csv_rows, result_record

JPEG_QUALITY = 92
ASSUMED_FOV_DEG = 60.0
"""Field of view of a point cloud of a picture whose focal length is unknown; its header says so."""


def save_result(
    result: Result, folder: Path, formats: Sequence[str] | str, truth: DepthMap | None = None
) -> list[Path]:
    """Write the files of one result into `folder`, named after its source.

    Formats that the result has nothing for (a depth picture without depth) are passed over, unless
    nothing else was asked for: then `OutputError` says why.
    """
    names = [formats] if isinstance(formats, str) else list(formats)
    names = [name.strip() for text in names for name in text.split(",")]
    check_formats(names)
    if runs := [name for name in names if name in RUN_FORMATS]:
        raise UsageError(
            f"format {runs[0]!r} is one file for a whole run: `howfar predict` writes it"
        )
    stem = Path(result.source.split("?")[0]).stem or "picture"
    written, problems = write_picture_files(result, folder / stem, names, truth)
    if problems and not written:
        raise OutputError("; ".join(problems))
    return [Path(entry["path"]) for entry in written.values()]


def write_picture_files(
    result: Result, base: Path, formats: Sequence[str], truth: DepthMap | None = None
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Write `base` + ending for each picture format.

    Returns {format: {path, values_per_metre}} of what was written, and why the rest was not.
    """
    written: dict[str, dict[str, Any]] = {}
    problems: list[str] = []
    for name in sorted(set(formats) & set(PICTURE_FORMATS), key=list(PICTURE_FORMATS).index):
        path = base.with_name(base.name + PICTURE_FORMATS[name][0])
        entry: dict[str, Any] = {"path": str(path), "values_per_metre": None}
        if name == "json":
            record = result_record(result, {**written, name: entry})
            data = json.dumps(record, indent=1).encode()
        else:
            try:
                data = ENCODERS[name](result, truth)
            except OutputError as error:
                problems.append(f"{result.source}: no {name} file ({error})")
                continue
        if name in ("png16", "kitti"):
            unit = "mm" if name == "png16" else "kitti"
            entry["values_per_metre"] = VALUES_PER_METRE[unit]
        write_whole(path, data)
        written[name] = entry
    return written, problems


class RunFiles:
    """Files of a whole run, in `folder`: complete after `close`, also when a run is stopped.

    They are opened with the first result, so that a run without any leaves those of an earlier run
    alone; lines are written as they come, so that memory stays flat and an interrupted run keeps
    what it has. Raises `OutputError` where the folder cannot be written to.
    """

    def __init__(
        self, folder: Path, formats: Sequence[str], category_ids: dict[str, int] | None = None
    ) -> None:
        self.paths = {
            name: folder / RUN_FORMATS[name][0] for name in RUN_FORMATS if name in formats
        }
        self._category_ids = category_ids or {}
        self._files: dict[str, io.TextIOWrapper] = {}
        self._first_coco = True
        if self.paths:
            make_folder(folder)

    def _open(self) -> None:
        for name, path in self.paths.items():
            with writing(path):
                self._files[name] = path.open(  # a picture's name may hold bytes beside UTF-8
                    "w", encoding="utf-8", errors="surrogateescape", newline=""
                )
        if "csv" in self._files:
            self._csv = csv.DictWriter(self._files["csv"], CSV_COLUMNS)
            self._csv.writeheader()
        if "coco" in self._files:
            self._files["coco"].write("[")

    def add(self, result: Result, record: dict[str, Any], image_id: int | str) -> None:
        """Append one result. Raises `OutputError`."""
        if not self._files:
            self._open()
        if "jsonl" in self._files:
            with writing(self.paths["jsonl"]):
                self._files["jsonl"].write(json.dumps(record) + "\n")
        if "csv" in self._files:
            with writing(self.paths["csv"]):
                self._csv.writerows(csv_rows(result))
        if "coco" in self._files:
            with writing(self.paths["coco"]):
                for row in coco_results(result, image_id, self._category_ids):
                    comma = "\n" if self._first_coco else ",\n"
                    self._files["coco"].write(comma + json.dumps(row))
                    self._first_coco = False

    def close(self) -> None:
        """Finish the files. Raises `OutputError`."""
        files, self._files = self._files, {}
        for name, file in files.items():
            with writing(self.paths[name]), file:
                if name == "coco":
                    file.write("\n]\n")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns what goes wrong with a file into an `OutputError` that names it."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error


def make_folder(path: Path) -> None:
    """Make a folder and see that files can be written into it. Raises `OutputError`."""
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path).close()


def write_whole(path: Path, data: bytes) -> None:
    """Write a file under its name only when it is complete. Raises `OutputError`."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".howfar-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            mask = os.umask(0)
            os.umask(mask)
            Path(temporary).chmod(0o666 & ~mask)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def encode_picture(pixels: RgbArray, suffix: str) -> bytes:
    """(H, W, 3) uint8 RGB as a `.jpg` or `.png` file."""
    flags = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if suffix == ".jpg" else []
    if suffix == ".jpg" and max(pixels.shape) > 65500:
        raise OutputError("a JPEG holds at most 65,500 pixels a side; this picture is larger")
    _, data = cv2.imencode(suffix, np.ascontiguousarray(pixels[..., ::-1]), flags)
    return bytes(data.tobytes())


def _depth_of(result: Result) -> DepthMap:
    if result.depth is None:
        raise OutputError("there is no depth map of the whole picture")
    return result.depth


def _encode_npy(result: Result, truth: DepthMap | None) -> bytes:
    del truth
    buffer = io.BytesIO()
    np.save(buffer, raw_values(_depth_of(result)))
    return buffer.getvalue()


def _encode_ply(result: Result, truth: DepthMap | None) -> bytes:
    del truth
    image, camera = result.image, result.camera
    if camera is None:
        camera = Camera.from_fov(ASSUMED_FOV_DEG, image.width, image.height, "assumed, 60 degrees")
    return encode_ply(image.pixels, _depth_of(result), camera)


def _encode_truth(result: Result, truth: DepthMap | None) -> bytes:
    if truth is None:
        raise OutputError("no true depth was given")
    picture = depthview.truth_triptych(result.image, truth, _depth_of(result))
    return encode_picture(picture, ".jpg")


ENCODERS: dict[str, Callable[[Result, DepthMap | None], bytes]] = {
    "annotated": lambda result, _: encode_picture(draw.annotated(result), ".jpg"),
    "depth": lambda result, _: encode_picture(depthview.depth_picture(_depth_of(result)), ".png"),
    "panel": lambda result, _: encode_picture(depthview.panel(result), ".jpg"),
    "triptych": lambda result, _: encode_picture(depthview.statistics_triptych(result), ".jpg"),
    "truth": _encode_truth,
    "npy": _encode_npy,
    "png16": lambda result, _: encode_depth_png(_depth_of(result), "mm"),
    "kitti": lambda result, _: encode_depth_png(_depth_of(result), "kitti"),
    "ply": _encode_ply,
}
