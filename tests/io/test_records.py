"""Results as records: every kind of result fits the schema and keeps its numbers."""

import json
import math

import jsonschema
import numpy as np
import pytest
import supervision

from howfar.core.boxes import Box
from howfar.core.camera import Camera
from howfar.core.depth import DepthMap
from howfar.core.image import Image
from howfar.core.result import ModelUse, Object, Result
from howfar.core.scale import Scale, ScaleSource
from howfar.core.semantics import LabelMap
from howfar.errors import UsageError
from howfar.io import records
from howfar.io.records import (
    CSV_COLUMNS,
    coco_results,
    csv_rows,
    result_record,
    supervision_detections,
)
from howfar.io.schema import RESULT_SCHEMA, SCHEMA_VERSION

IMAGE = Image(np.zeros((6, 8, 3), np.uint8), "kitchen.jpg")
CHAIR = Object(
    "chair",
    56,
    0.912345,
    Box(1.0, 2.0, 4.12345, 5.5),
    distance_m=2.123456,
    interval_m=(1.987654, 2.345678),
    interval_kind="pixel-spread",
    range_m=2.2,
    xyz_m=(0.1, -0.2, 2.123456),
    valid_pixels=9,
    statistic="foreground",
    scale_source="network",
)
CUP = Object("cup", 41, 0.5, Box(0, 0, 1, 1), reason="no valid depth", statistic="foreground")
FAR = Object("car", 2, 1.0, Box(0, 0, 8, 6), distance_m=9.0, reason="beyond 4 m")


def values(*holes):
    depth = np.arange(1, 49, dtype=np.float32).reshape(6, 8) / 4
    for y, x, value in holes:
        depth[y, x] = value
    return depth


def metric(**changes):
    holes = ((0, 0, np.nan), (0, 1, np.inf), (0, 2, 0), (0, 3, -1))
    return Result(IMAGE, (CHAIR, CUP), depth=DepthMap(values(*holes)), **changes)


def relative(kind="relative", **changes):
    thing = Object(
        "chair", 56, 0.9, Box(1, 2, 4, 5), relative_depth=0.25, reason="no scale is known"
    )
    return Result(IMAGE, (thing,), depth=DepthMap(values(), kind), **changes)


RESULTS = {
    "metric": metric(),
    "relative": relative(),
    "relative-affine": relative("relative-affine"),
    "no depth": Result(IMAGE, (CUP,), join="crop", statistic="center"),
    "nothing": Result(IMAGE, ()),
    "nothing valid": Result(IMAGE, (), depth=DepthMap(np.full((6, 8), np.nan))),
    "filter": metric(
        left_out=(FAR, CUP), filter={"min_distance": None, "max_distance": 4.0, "by": "z"}
    ),
    "semantic": metric(semantics=LabelMap(np.eye(6, 8, dtype=np.uint8), ("floor", "wall"))),
    "unlabelled": metric(semantics=LabelMap(np.full((6, 8), 255), ("floor",))),
    "camera": metric(camera=Camera.from_focal(10.123456, 8, 6, "exif")),
    "scale": relative(scale=Scale(1 / 3, ScaleSource.KNOWN_DISTANCE, 0.0234567, 1)),
    "models": metric(
        models=(
            ModelUse("detector", "a", "ab" * 32, "onnxruntime 1", "float32", 2, "rooms"),
            ModelUse("depth", "b", "", "openvino", "bfloat16", 1),
        ),
        timing_ms={"detect": 1.23456, "total": 3},
        notes=("A note.",),
    ),
}


@pytest.mark.parametrize("name", RESULTS)
def test_every_result_fits_the_schema_and_json(name):
    record = result_record(RESULTS[name])
    jsonschema.validate(record, RESULT_SCHEMA)
    text = json.dumps(record, allow_nan=False)
    assert json.loads(text) == record
    assert RESULTS[name].to_dict() == record


def test_the_schema_is_a_schema_and_strict():
    jsonschema.Draft202012Validator.check_schema(RESULT_SCHEMA)
    for change in ({"more": 1}, {"schema": "0.9"}, {"width": 0}, {"join": "glue"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(result_record(metric()) | change, RESULT_SCHEMA)
    thin = result_record(metric())
    del thin["objects"][0]["reason"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(thin, RESULT_SCHEMA)


def test_every_field_of_the_schema_is_described_where_its_name_does_not_say_it():
    (item,) = RESULT_SCHEMA["$defs"].values()
    clear = {"label", "score", "valid_pixels"}
    for name, field in item["properties"].items():
        assert name in clear or field.get("description"), name


def test_an_object_in_a_record():
    record = result_record(metric())
    assert record["schema"] == SCHEMA_VERSION
    assert (record["source"], record["width"], record["height"]) == ("kitchen.jpg", 8, 6)
    assert record["objects"][0] == {
        "label": "chair",
        "class_id": 56,
        "score": 0.9123,
        "box": [1.0, 2.0, 4.12, 5.5],
        "distance_m": 2.1235,
        "interval_m": [1.9877, 2.3457],
        "interval_kind": "pixel-spread",
        "interval_level": None,
        "range_m": 2.2,
        "xyz_m": [0.1, -0.2, 2.1235],
        "valid_pixels": 9,
        "statistic": "foreground",
        "scale_source": "network",
        "relative_depth": None,
        "reason": None,
    }
    unknown = record["objects"][1]
    assert unknown["reason"] == "no valid depth"
    for name in ("distance_m", "interval_m", "interval_kind", "range_m", "xyz_m", "scale_source"):
        assert unknown[name] is None, name


def test_depth_in_a_record_counts_only_valid_pixels():
    assert result_record(metric())["depth"] == {
        "kind": "metric",
        "unit": "m",
        "valid_pixels": 44,
        "min": 1.25,
        "max": 12.0,
    }
    assert result_record(relative())["depth"]["unit"] is None
    assert result_record(relative("relative-affine"))["depth"]["kind"] == "relative-affine"
    empty = result_record(RESULTS["nothing valid"])["depth"]
    assert (empty["valid_pixels"], empty["min"], empty["max"]) == (0, None, None)
    assert result_record(RESULTS["no depth"])["depth"] is None


def test_filter_and_what_it_left_out():
    record = result_record(RESULTS["filter"])
    assert record["filter"] == {"min_distance": None, "max_distance": 4.0, "by": "z"}
    assert [thing["label"] for thing in record["objects"]] == ["chair", "cup"]
    assert [thing["reason"] for thing in record["left_out"]] == ["beyond 4 m", "no valid depth"]
    assert result_record(metric())["filter"] is None


def test_camera_scale_semantics_and_files():
    camera = result_record(RESULTS["camera"])["camera"]
    assert camera == {
        "fx": 10.123,
        "fy": 10.123,
        "cx": 4,
        "cy": 3,
        "fov_deg": round(math.degrees(2 * math.atan(4 / 10.123456)), 3),
        "source": "exif",
    }
    scale = result_record(RESULTS["scale"])["scale"]
    assert scale == {
        "source": "known-distance",
        "factor": 0.333333,
        "uncertainty": 0.0235,
        "objects": 1,
    }
    assert result_record(RESULTS["semantic"])["semantics"] == {
        "floor": pytest.approx(42 / 48),
        "wall": pytest.approx(6 / 48),
    }
    assert result_record(RESULTS["unlabelled"])["semantics"] == {}
    files = {"png16": {"path": "out/a.png", "values_per_metre": 1000.0}}
    record = result_record(metric(), files)
    assert record["files"] == files
    jsonschema.validate(record, RESULT_SCHEMA)


def test_models_timing_and_notes():
    record = result_record(RESULTS["models"])
    assert [model["role"] for model in record["models"]] == ["detector", "depth"]
    assert record["models"][1]["precision"] == "bfloat16"
    assert record["timing_ms"] == {"detect": 1.235, "total": 3}
    assert record["notes"] == ["A note."]


# -- CSV ------------------------------------------------------------------------------------


def test_csv_rows():
    found, unknown, left_out = csv_rows(metric(left_out=(FAR,)))
    assert tuple(found) == tuple(unknown) == tuple(left_out) == CSV_COLUMNS
    assert (found["source"], found["label"], found["left_out"]) == ("kitchen.jpg", "chair", 0)
    assert [found[side] for side in ("x1", "y1", "x2", "y2")] == [1.0, 2.0, 4.12, 5.5]
    assert found["distance_m"] == 2.1235
    assert (found["interval_low_m"], found["interval_high_m"]) == (1.9877, 2.3457)
    assert unknown["distance_m"] is unknown["interval_low_m"] is None
    assert unknown["reason"] == "no valid depth"
    assert (left_out["label"], left_out["left_out"], left_out["reason"]) == ("car", 1, "beyond 4 m")
    assert csv_rows(RESULTS["nothing"]) == []


# -- COCO -----------------------------------------------------------------------------------


def test_coco_results():
    (row,) = coco_results(metric(), 7, {"chair": 62})
    assert row == {
        "image_id": 7,
        "category_id": 62,
        "bbox": [1.0, 2.0, 3.12, 3.5],
        "score": 0.912345,
        "distance_m": 2.1235,
    }
    chair, cup = coco_results(metric(), "kitchen", {"chair": 62, "cup": 47})
    assert chair["image_id"] == "kitchen"
    assert cup["distance_m"] is None
    json.dumps([chair, cup], allow_nan=False)


def test_coco_results_leave_out_what_the_filter_left_out():
    rows = coco_results(RESULTS["filter"], 1, {"chair": 1, "cup": 2, "car": 3})
    assert [row["category_id"] for row in rows] == [1, 2]


# -- supervision ----------------------------------------------------------------------------


def test_supervision_detections():
    found = metric().to_supervision()
    assert isinstance(found, supervision.Detections)
    assert len(found) == 2
    np.testing.assert_allclose(found.xyxy[0], [1, 2, 4.12345, 5.5], rtol=1e-6)
    np.testing.assert_allclose(found.confidence, [0.912345, 0.5], rtol=1e-6)
    assert found.class_id.tolist() == [56, 41]
    assert found.data["class_name"].tolist() == ["chair", "cup"]
    np.testing.assert_allclose(found.data["distance_m"], [2.123456, np.nan], rtol=1e-6)
    np.testing.assert_allclose(
        found.data["interval_m"], [[1.987654, 2.345678], [np.nan, np.nan]], rtol=1e-6
    )
    near = found[found.data["distance_m"] < 3]
    assert near.data["class_name"].tolist() == ["chair"]


def test_supervision_detections_of_nothing():
    found = supervision_detections(RESULTS["nothing"])
    assert len(found) == 0
    assert found.xyxy.shape == (0, 4)
    assert found.data["interval_m"].shape == (0, 2)
    assert len(supervision.Detections.merge([found, supervision_detections(metric())])) == 2


def test_supervision_that_is_not_installed(monkeypatch):
    monkeypatch.setattr(records.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match="pip install supervision"):
        metric().to_supervision()
