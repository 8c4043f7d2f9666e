"""The JSON record of one picture: its JSON Schema (draft 2020-12)."""

from __future__ import annotations

from typing import Any

SCHEMA_VERSION = "1.1"
"""Minor: fields were added. Major: fields were changed or removed."""

SCALE_SOURCES = ["given", "known-distance", "object-size", "camera-height"]
"""Where a factor can come from."""


def _nullable(kind: str, text: str, **more: Any) -> dict[str, Any]:
    return {"type": [kind, "null"], "description": text, **more}


def _tuple(count: int, text: str, nullable: bool = True) -> dict[str, Any]:
    return {
        "type": ["array", "null"] if nullable else "array",
        "items": {"type": "number"},
        "minItems": count,
        "maxItems": count,
        "description": text,
    }


def _strict(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
        **more,
    }


_OBJECT = _strict(
    {
        "label": {"type": "string", "description": "class name"},
        "class_id": {"type": "integer", "description": "its number among the detector's classes"},
        "score": {"type": "number", "minimum": 0, "maximum": 1},
        "box": _tuple(4, "x1, y1, x2, y2 in pixels of the oriented picture, half-open", False),
        "distance_m": _nullable("number", "depth z along the optical axis, metres"),
        "interval_m": _tuple(2, "low and high around distance_m, metres"),
        "interval_kind": _nullable(
            "string",
            "calibrated: holds the true distance in the share interval_level of cases (of "
            "network+object-size: what follows from that and the size's error); "
            "pixel-spread: spread of the depths used, widened by the scale's uncertainty; no "
            "error bar",
            enum=["pixel-spread", "calibrated", None],
        ),
        "interval_level": _nullable("number", "of calibrated intervals, 0..1"),
        "range_m": _nullable("number", "Euclidean distance from the camera, metres"),
        "xyz_m": _tuple(3, "box centre at distance_m: X right, Y down, Z forward, metres"),
        "valid_pixels": {"type": "integer", "minimum": 0},
        "statistic": _nullable("string", "center, central-mean, median or foreground"),
        "scale_source": _nullable(
            "string",
            "where the metres come from",
            enum=[*SCALE_SOURCES, "network", "network+object-size", "given-depth", None],
        ),
        "relative_depth": _nullable(
            "number", "grows with distance within this picture; in no unit"
        ),
        "reason": _nullable("string", "why there is no distance, or why it was left out"),
    }
)

_MODEL = _strict(
    {
        "role": {"enum": ["detector", "depth", "joint", "semantic"]},
        "name": {"type": "string"},
        "sha256": {"type": "string"},
        "runtime": {"type": "string"},
        "precision": {"type": "string", "description": "arithmetic that ran"},
        "threads": {"type": "integer", "minimum": 1},
        "domain": {"type": "string", "description": "what pictures it is made for"},
    }
)

RESULT_SCHEMA: dict[str, Any] = _strict(
    {
        "schema": {"const": SCHEMA_VERSION},
        "source": {"type": "string", "description": "path, address, stdin or array"},
        "width": {"type": "integer", "minimum": 1},
        "height": {"type": "integer", "minimum": 1},
        "time_s": _nullable("number", "of a frame: seconds since the start of its video or stream"),
        "frame_index": _nullable(
            "integer", "of a frame: its number in its video or stream, from 0", minimum=0
        ),
        "camera": {
            "description": "intrinsics in pixels, or null where the focal length is unknown",
            "anyOf": [
                {"type": "null"},
                _strict(
                    {
                        "fx": {"type": "number", "exclusiveMinimum": 0},
                        "fy": {"type": "number", "exclusiveMinimum": 0},
                        "cx": {"type": "number"},
                        "cy": {"type": "number"},
                        "fov_deg": {"type": "number", "description": "horizontal, degrees"},
                        "source": {"enum": ["given", "exif", "profile"]},
                    }
                ),
            ],
        },
        "depth": {
            "description": "kind and unit of the depth map, and its files where they were written",
            "anyOf": [
                {"type": "null"},
                _strict(
                    {
                        "kind": {"enum": ["metric", "relative", "relative-affine"]},
                        "unit": {"enum": ["m", None]},
                        "valid_pixels": {"type": "integer", "minimum": 0},
                        "min": _nullable("number", "least valid value"),
                        "max": _nullable("number", "greatest valid value"),
                    }
                ),
            ],
        },
        "scale": {
            "description": "the factor applied to the network's depth, or null",
            "anyOf": [
                {"type": "null"},
                _strict(
                    {
                        "source": {"enum": SCALE_SOURCES},
                        "factor": {"type": "number", "exclusiveMinimum": 0},
                        "uncertainty": {
                            "type": "number",
                            "minimum": 0,
                            "description": "relative standard deviation",
                        },
                        "objects": {"type": "integer", "minimum": 0},
                    }
                ),
            ],
        },
        "domain": _nullable(
            "string",
            "whether the picture is like those that the network learned from; intervals of "
            "unfamiliar ones are wider",
            enum=["familiar", "unfamiliar", None],
        ),
        "join": {"enum": ["joint", "parallel", "crop", "mask"]},
        "statistic": {"enum": ["center", "central-mean", "median", "foreground"]},
        "filter": {
            "anyOf": [
                {"type": "null"},
                _strict(
                    {
                        "min_distance": _nullable("number", "metres, inclusive"),
                        "max_distance": _nullable("number", "metres, inclusive"),
                        "by": {"enum": ["z", "range"]},
                    }
                ),
            ]
        },
        "objects": {"type": "array", "items": {"$ref": "#/$defs/object"}},
        "left_out": {"type": "array", "items": {"$ref": "#/$defs/object"}},
        "semantics": {
            "description": "share of the picture of each class, where a semantic network ran",
            "type": ["object", "null"],
            "additionalProperties": {"type": "number"},
        },
        "timing_ms": {"type": "object", "additionalProperties": {"type": "number"}},
        "models": {"type": "array", "items": _MODEL},
        "notes": {"type": "array", "items": {"type": "string"}},
        "files": {
            "description": "files written for this picture by format; 16-bit depth pictures with "
            "the number that divides their values into metres",
            "type": "object",
            "additionalProperties": _strict(
                {
                    "path": {"type": "string"},
                    "values_per_metre": {"type": ["number", "null"]},
                }
            ),
        },
    },
    **{
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "howfar result",
        "description": "One picture: its objects with distances. `howfar predict --json` prints "
        "one such object a line.",
        "$defs": {"object": _OBJECT},
    },
)
