"""Tracked frames as JSON records, and tracks as rows of a table."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from howfar.io.records import result_record
from howfar.io.schema import RESULT_SCHEMA
from howfar.track.alerts import Alert
from howfar.track.tracked import LostObject, TrackedFrame, TrackedObject, TrackSummary

DIGITS, PIXEL_DIGITS = 4, 2
TRACK_COLUMNS = tuple(field.name for field in fields(TrackSummary))
"""Columns of the table of tracks, one row a track: see `TrackSummary`."""


def track_record(frame: TrackedFrame, alerts: Sequence[Alert] = ()) -> dict[str, Any]:
    """The JSON record of a tracked frame (`track_schema`): that of its smoothed result, and each
    object's `track`, and `lost`, `changes` and `alerts`."""
    record = result_record(frame.smoothed())
    for name, things in (("objects", frame.tracks), ("left_out", frame.left_out)):
        for row, thing in zip(record[name], things, strict=True):
            row["track"] = _track(thing)
    return record | {
        "time_s": _short(frame.time_s),
        "lost": [_lost(thing) for thing in frame.lost],
        "changes": [asdict(change) for change in frame.changes],
        "alerts": [{name: _short(value) for name, value in asdict(a).items()} for a in alerts],
    }


def summary_row(summary: TrackSummary) -> dict[str, Any]:
    """One row (`TRACK_COLUMNS`) of the table of tracks."""
    return {name: _short(value) for name, value in asdict(summary).items()}


def track_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `track_record`."""
    schema = copy.deepcopy(RESULT_SCHEMA)
    properties = schema["properties"]
    thing = schema["$defs"]["object"]
    thing["properties"]["track"] = _TRACK
    thing["required"] = list(thing["properties"])
    properties |= {
        "lost": {"type": "array", "items": _LOST},
        "changes": {"type": "array", "items": _CHANGE},
        "alerts": {"type": "array", "items": _ALERT},
    }
    schema["required"] = list(properties)
    return schema


def _track(thing: TrackedObject) -> dict[str, Any]:
    return {
        "id": thing.id,
        "measured_m": _short(thing.measured_m),
        "speed_m_s": _short(thing.speed_m_s),
        "speed_interval_m_s": _short(thing.speed_interval_m_s),
        "contact_s": _short(thing.contact_s),
        "contact_interval_s": _short(thing.contact_interval_s),
        "age_s": _short(thing.age_s),
        "frames": thing.frames,
    }


def _lost(thing: LostObject) -> dict[str, Any]:
    return {
        "id": thing.id,
        "label": thing.label,
        "box": [round(float(v), PIXEL_DIGITS) for v in thing.box],
        "distance_m": _short(thing.distance_m),
        "unseen_s": _short(thing.unseen_s),
    }


def _short(value: Any) -> Any:
    """Numbers with few digits; anything else as it is."""
    if isinstance(value, float):
        return round(value, DIGITS)
    return [_short(one) for one in value] if isinstance(value, tuple) else value


def _strict(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _number(text: str) -> dict[str, Any]:
    return {"type": ["number", "null"], "description": text}


def _pair(text: str) -> dict[str, Any]:
    number = {"type": "number"}
    limits = {"minItems": 2, "maxItems": 2}
    return {"type": ["array", "null"], "items": number, "description": text, **limits}


_ID = {"type": "integer", "minimum": 1, "description": "number of the object, never used again"}
_LABEL = {"type": "string", "description": "class name that it had most often"}
_TRACK = _strict(
    {
        "id": _ID,
        "measured_m": _number("distance in this frame alone, metres"),
        "speed_m_s": _number("approach speed along the optical axis, positive: comes nearer"),
        "speed_interval_m_s": _pair("low and high, 80 %"),
        "contact_s": _number("seconds to contact at this rate, where it surely comes nearer"),
        "contact_interval_s": _pair("low and high, 80 %"),
        "age_s": {"type": "number", "minimum": 0, "description": "since it was first seen"},
        "frames": {"type": "integer", "minimum": 1, "description": "in which it was seen"},
    }
)
_LOST = _strict(
    {
        "id": _ID,
        "label": _LABEL,
        "box": {
            "type": "array",
            "items": {"type": "number"},
            "minItems": 4,
            "maxItems": 4,
            "description": "where it is expected, x1, y1, x2, y2 in pixels",
        },
        "distance_m": _number("how far it is expected, metres"),
        "unseen_s": {"type": "number", "minimum": 0, "description": "since it was last seen"},
    }
)
_CHANGE = _strict({"kind": {"enum": ["new", "lost", "found", "ended"]}, "id": _ID, "label": _LABEL})
_ALERT = _strict(
    {
        "time_s": {"type": "number"},
        "frame_index": {"type": ["integer", "null"]},
        "id": _ID,
        "label": _LABEL,
        "within_m": {"type": "number", "description": "the distance that was asked for"},
        "distance_m": {"type": "number", "description": "smoothed"},
        "interval_m": _pair("low and high around distance_m, metres"),
        "speed_m_s": _number("approach speed"),
        "contact_s": _number("seconds to contact"),
    }
)
