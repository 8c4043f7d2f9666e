"""What can be fetched of a result: pictures, depth, points, tables."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import cv2
import numpy as np

from howfar.core.depth import DepthMap
from howfar.core.image import Image
from howfar.core.result import Result
from howfar.errors import OutputError
from howfar.io.depthfiles import VALUES_PER_METRE, encode_depth_png
from howfar.io.depthview import depth_picture
from howfar.io.draw import annotated
from howfar.io.records import CSV_COLUMNS, csv_rows
from howfar.io.sinks import ENCODERS, encode_picture
from howfar.web.limits import Refusal

MOST = int(np.iinfo(np.uint16).max)
FARTHEST_NEAREST = 100.0
"""Relative depth is spread over 16 bits up to this many times the nearest; farther is the end."""


class File(NamedTuple):
    """One kind of file: its media type, what it is, and how it is made."""

    media_type: str
    text: str
    encode: Callable[[Result], bytes]


def as_json(record: dict[str, Any]) -> bytes:
    """A record as JSON. Numbers too large for it cannot be meant: `Refusal` 422."""
    try:
        return json.dumps(record, allow_nan=False).encode()
    except ValueError as error:
        text = "the scale or focal length gives distances that are no finite numbers"
        raise Refusal(422, text, "ScaleError") from error


def is_straightened(result: Result, image: Image) -> bool:
    """Whether a result is of other pixels than the picture's: its lens distortion was taken out."""
    return result.image.pixels is not image.pixels


def depth_unit(depth: DepthMap) -> str:
    """Millimetres where they reach, else KITTI's 1/256 m."""
    seen = depth.values[depth.valid]
    far = float(seen.max()) if seen.size else 0.0
    return "mm" if far * VALUES_PER_METRE["mm"] <= MOST else "kitti"


def file_entries(result: Result, name: str) -> dict[str, dict[str, Any]]:
    """The `files` of a result's record: where each can be fetched."""
    entries: dict[str, dict[str, Any]] = {}
    for file in FILES:
        if file in needs(result):
            continue
        entries[file] = {"path": f"/v1/results/{name}/{file}", "values_per_metre": None}
    if "depth.png" in entries and result.depth is not None:
        entries["depth.png"]["values_per_metre"] = VALUES_PER_METRE[depth_unit(result.depth)]
    return entries


def needs(result: Result) -> dict[str, str]:
    """Files that a result cannot give, and why."""
    if result.depth is None:
        why = "there is no depth map of the whole picture"
        return dict.fromkeys(("depth.png", "order.png", "colours.png", "points.ply"), why)
    if not result.depth.is_metric:
        why = "it holds metres, but this depth is relative: give a scale, or use order.png"
        return dict.fromkeys(("depth.png", "points.ply"), why)
    return {"order.png": "this depth is in metres: use depth.png"}


def encode_file(result: Result, file: str) -> bytes:
    """The bytes of one file. Raises `OutputError` where the result has nothing for it."""
    if why := needs(result).get(file):
        raise OutputError(f"there is no {file}: {why}")
    return FILES[file].encode(result)


def small_depth(result: Result, side: int) -> tuple[bytes, float | None, float | None]:
    """Depth for a live view: 16-bit PNG of at most `side` pixels.

    With it its values per metre, or those per unit of relative depth.
    """
    depth = result.depth
    if depth is None:
        raise OutputError("there is no depth map of the whole picture")
    share = min(1.0, side / max(depth.width, depth.height))
    size = max(1, round(depth.width * share)), max(1, round(depth.height * share))
    if not depth.is_metric:
        per_unit = values_per_unit(depth)
        return order_png(depth.ordered().resized(*size), per_unit), None, per_unit
    small = depth.resized(*size)
    unit = depth_unit(small)
    return encode_depth_png(small, unit), VALUES_PER_METRE[unit], None


def values_per_unit(depth: DepthMap) -> float:
    """How many 16-bit values one unit of an object's `relative_depth` has in `order.png`."""
    ordered = depth.ordered()
    seen = ordered.values[ordered.valid]
    if not seen.size:
        return 1.0
    return MOST / min(float(seen.max()), FARTHEST_NEAREST * float(seen.min()))


def order_png(ordered: DepthMap, per_unit: float) -> bytes:
    """An ordered relative map as 16 bits that grow with distance, in no unit; 0 is none."""
    scaled = np.clip(np.rint(ordered.values * np.float32(per_unit)), 1, MOST)
    values = np.where(ordered.valid, scaled, 0).astype(np.uint16)
    _, data = cv2.imencode(".png", values)
    return bytes(data.tobytes())


def _csv(result: Result) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(csv_rows(result))
    return text.getvalue().encode()


def _depth(result: Result) -> DepthMap:
    assert result.depth is not None  # noqa: S101 - encode_file has looked
    return result.depth


FILES: dict[str, File] = {
    "depth.png": File(
        "image/png",
        "16-bit depth; the record says how many values a metre has, 0 is none",
        lambda result: encode_depth_png(_depth(result), depth_unit(_depth(result))),
    ),
    "order.png": File(
        "image/png",
        "relative depth: 16-bit values that grow with distance, in no unit, 0 is none",
        lambda result: order_png(_depth(result).ordered(), values_per_unit(_depth(result))),
    ),
    "annotated.png": File(
        "image/png",
        "the picture with boxes and distances",
        lambda result: encode_picture(annotated(result), ".png"),
    ),
    "colours.png": File(
        "image/png",
        "depth in colours with a scale bar",
        lambda result: encode_picture(depth_picture(_depth(result)), ".png"),
    ),
    "picture.jpg": File(
        "image/jpeg",
        "the picture, upright",
        lambda result: encode_picture(result.image.pixels, ".jpg"),
    ),
    "points.ply": File(
        "application/octet-stream",
        "coloured point cloud in metres: X right, Y down, Z forward",
        lambda result: ENCODERS["ply"](result, None),
    ),
    "objects.csv": File("text/csv", "all objects, one a row", _csv),
}
"""By the last part of their address."""
