"""Results as records: JSON, CSV rows, COCO results, supervision."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from howfar.core.camera import Camera
from howfar.core.depth import DepthMap
from howfar.core.result import Object, Result
from howfar.errors import UsageError
from howfar.io.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    import supervision

PIXEL_DIGITS, METRE_DIGITS, SCORE_DIGITS, SECOND_DIGITS = 2, 4, 4, 4

CSV_COLUMNS = (
    "source",
    "time_s",
    "frame_index",
    "label",
    "score",
    "x1",
    "y1",
    "x2",
    "y2",
    "distance_m",
    "interval_low_m",
    "interval_high_m",
    "interval_kind",
    "interval_level",
    "range_m",
    "valid_pixels",
    "statistic",
    "scale_source",
    "left_out",
    "reason",
)


def result_record(
    result: Result, files: Mapping[str, dict[str, Any]] | None = None
) -> dict[str, Any]:
    """The JSON record of a result (`RESULT_SCHEMA`); `files` is what was written for it."""
    return {
        "schema": SCHEMA_VERSION,
        "source": result.source,
        "width": result.image.width,
        "height": result.image.height,
        "time_s": _seconds(result.image.time_s),
        "frame_index": result.image.frame_index,
        "camera": _camera(result.camera),
        "depth": _depth(result.depth),
        "scale": _scale(result),
        "domain": result.domain,
        "join": result.join,
        "statistic": result.statistic,
        "filter": dict(result.filter) or None,
        "objects": [_object(thing) for thing in result.objects],
        "left_out": [_object(thing) for thing in result.left_out],
        "semantics": result.semantics.fractions() if result.semantics else None,
        "timing_ms": {stage: round(ms, 3) for stage, ms in result.timing_ms.items()},
        "models": [asdict(use) for use in result.models],
        "notes": list(result.notes),
        "files": dict(files or {}),
    }


def csv_rows(result: Result) -> list[dict[str, Any]]:
    """One row (`CSV_COLUMNS`) for each object, those left out last."""
    pairs = [(thing, False) for thing in result.objects]
    pairs += [(thing, True) for thing in result.left_out]
    frame = {
        "source": result.source,
        "time_s": _seconds(result.image.time_s),
        "frame_index": result.image.frame_index,
    }
    return [frame | _csv_row(thing, left_out) for thing, left_out in pairs]


def coco_results(result: Result, image_id: int | str, category_ids: Mapping[str, int]) -> list[Any]:
    """COCO results: `image_id`, `category_id`, `bbox` as x, y, w, h, `score`, and `distance_m`.

    Labels without a category id are left out.
    """
    rows = []
    for thing in result.objects:
        if thing.label not in category_ids:
            continue
        x1, y1, x2, y2 = (float(v) for v in thing.box)
        bbox = [round(v, PIXEL_DIGITS) for v in (x1, y1, x2 - x1, y2 - y1)]
        rows.append(
            {
                "image_id": image_id,
                "category_id": category_ids[thing.label],
                "bbox": bbox,
                "score": round(thing.score, 6),
                "distance_m": _metres(thing.distance_m),
            }
        )
    return rows


def supervision_detections(result: Result) -> supervision.Detections:
    """The objects as `supervision.Detections`; `data` holds class names and distances."""
    if importlib.util.find_spec("supervision") is None:
        raise UsageError("supervision is not installed; run `pip install supervision`")
    import supervision

    things = result.objects
    boxes = np.array([thing.box for thing in things], np.float32).reshape(-1, 4)
    return supervision.Detections(
        xyxy=boxes,
        confidence=np.array([thing.score for thing in things], np.float32),
        class_id=np.array([thing.class_id for thing in things], int),
        data={
            "class_name": np.array([thing.label for thing in things], str),
            "distance_m": np.array([_or_nan(thing.distance_m) for thing in things], np.float32),
            "interval_m": np.array(
                [thing.interval_m or (np.nan, np.nan) for thing in things], np.float32
            ).reshape(-1, 2),
        },
    )


def _object(thing: Object) -> dict[str, Any]:
    return {
        "label": thing.label,
        "class_id": thing.class_id,
        "score": round(thing.score, SCORE_DIGITS),
        "box": [round(float(v), PIXEL_DIGITS) for v in thing.box],
        "distance_m": _metres(thing.distance_m),
        "interval_m": thing.interval_m and [_metres(v) for v in thing.interval_m],
        "interval_kind": thing.interval_kind,
        "interval_level": thing.interval_level,
        "range_m": _metres(thing.range_m),
        "xyz_m": thing.xyz_m and [_metres(v) for v in thing.xyz_m],
        "valid_pixels": thing.valid_pixels,
        "statistic": thing.statistic,
        "scale_source": thing.scale_source,
        "relative_depth": _metres(thing.relative_depth),
        "reason": thing.reason,
    }


def _csv_row(thing: Object, left_out: bool) -> dict[str, Any]:
    low, high = thing.interval_m or (None, None)
    box = dict(zip(("x1", "y1", "x2", "y2"), thing.box, strict=True))
    return {
        "label": thing.label,
        "score": round(thing.score, SCORE_DIGITS),
        **{side: round(float(v), PIXEL_DIGITS) for side, v in box.items()},
        "distance_m": _metres(thing.distance_m),
        "interval_low_m": _metres(low),
        "interval_high_m": _metres(high),
        "interval_kind": thing.interval_kind,
        "interval_level": thing.interval_level,
        "range_m": _metres(thing.range_m),
        "valid_pixels": thing.valid_pixels,
        "statistic": thing.statistic,
        "scale_source": thing.scale_source,
        "left_out": int(left_out),
        "reason": thing.reason,
    }


def _camera(camera: Camera | None) -> dict[str, Any] | None:
    if camera is None:
        return None
    record: dict[str, Any] = {
        name: round(getattr(camera, name), 3) for name in ("fx", "fy", "cx", "cy", "fov_deg")
    }
    return record | {"source": camera.source}


def _depth(depth: DepthMap | None) -> dict[str, Any] | None:
    if depth is None:
        return None
    seen = depth.values[depth.valid]
    return {
        "kind": str(depth.kind),
        "unit": "m" if depth.is_metric else None,
        "valid_pixels": int(seen.size),
        "min": _metres(float(seen.min())) if seen.size else None,
        "max": _metres(float(seen.max())) if seen.size else None,
    }


def _scale(result: Result) -> dict[str, Any] | None:
    scale = result.scale
    if scale is None:
        return None
    return {
        "source": str(scale.source),
        "factor": float(f"{scale.factor:.6g}"),
        "uncertainty": round(scale.uncertainty, 4),
        "objects": scale.objects,
    }


def _metres(value: float | None) -> float | None:
    return None if value is None else round(float(value), METRE_DIGITS)


def _seconds(value: float | None) -> float | None:
    return None if value is None else round(float(value), SECOND_DIGITS)


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value
