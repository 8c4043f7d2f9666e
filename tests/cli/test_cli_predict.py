"""`howfar predict`: what it prints, writes and refuses, with tiny networks."""

import csv
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import jsonschema
import numpy as np
import PIL.Image
import pytest
from tiny import FAR_M, NEAR_M, SIDE, THINGS, picture_bytes, write_pictures

from howfar.cli.predicting import _line, _words, image_ids
from howfar.core.boxes import Box
from howfar.core.image import Image
from howfar.core.result import Object, Result
from howfar.io.schema import RESULT_SCHEMA
from howfar.io.sources import Item


def distances(record):
    return {thing["label"]: thing["distance_m"] for thing in record["objects"]}


def names_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def the_record(answer):
    """The one record of a call that went well."""
    assert answer.code == 0, answer.err
    (record,) = answer.records
    jsonschema.validate(record, RESULT_SCHEMA)
    return record


# -- what it prints and writes ----------------------------------------------------------------


def test_objects_and_distances(predict, picture, tmp_path):
    record = the_record(predict(picture, "--json"))
    assert (record["source"], record["width"], record["height"]) == (str(picture), SIDE, SIDE)
    assert distances(record) == {
        "person": pytest.approx(NEAR_M, rel=1e-3),
        "car": pytest.approx(FAR_M, rel=1e-3),
    }
    for thing, (label, score, box) in zip(record["objects"], THINGS, strict=False):
        assert thing["label"] == label
        assert thing["score"] == pytest.approx(score, abs=1e-4)
        assert thing["box"] == pytest.approx(box, abs=0.01)
        assert thing["scale_source"] == "network"
        assert thing["interval_kind"] == "pixel-spread"
    assert [(model["role"], model["name"]) for model in record["models"]] == [
        ("detector", "tiny-detector"),
        ("depth", "tiny-metric"),
    ]
    assert record["files"] == {}
    assert names_below(tmp_path) == ["room.png"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("calibrated", "chair 2.34 m (1.8 m to 3.0 m)"),
        ("pixel-spread", "chair 2.34 m"),
        (None, "chair ?"),
    ],
)
def test_a_line_tells_intervals_that_were_calibrated(kind, words):
    """A spread of pixels is no interval of the distance."""
    chair = Object("chair", 56, 0.9, Box(0, 0, 1, 1))
    if kind is not None:
        chair = replace(chair, distance_m=2.341, interval_m=(1.8, 3.04), interval_kind=kind)
    assert _words(chair) == words


def test_intervals_are_told_in_ordinary_numbers():
    thing = Object("car", 2, 0.9, Box(0, 0, 1, 1), distance_m=67.9)
    thing = replace(thing, interval_m=(0.504, 112.4), interval_kind="calibrated")
    assert _words(thing) == "car 67.9 m (0.50 m to 112 m)"


def test_a_line_tells_that_its_picture_is_unlike_the_others():
    image = Image(np.zeros((2, 2, 3), np.uint8), "a.jpg")
    told = [_line(Result(image, (), domain=domain)) for domain in ("unfamiliar", "familiar", None)]
    assert told[0] == "a.jpg: nothing; unlike what the network learned from"
    assert told[1:] == ["a.jpg: nothing"] * 2


def test_a_person_reads_one_line_a_picture_nearest_first(predict, picture, tmp_path):
    answer = predict(picture, "--save-dir", tmp_path / "out")
    assert answer.code == 0
    assert answer.out == f"{picture}: person 1 m, car 5 m\n"
    assert answer.lines("howfar: 1 picture; files in ")
    assert names_below(tmp_path / "out") == ["room.annotated.jpg", "room.depth.png", "room.json"]
    record = json.loads((tmp_path / "out" / "room.json").read_text())
    jsonschema.validate(record, RESULT_SCHEMA)
    assert set(record["files"]) == {"annotated", "depth", "json"}


def test_the_usual_folder_is_out(predict, picture, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert predict("room.png").code == 0
    assert names_below(tmp_path / "out") == ["room.annotated.jpg", "room.depth.png", "room.json"]


def test_json_with_a_folder_does_both(predict, picture, tmp_path):
    answer = predict(picture, "--json", "--save-dir", tmp_path / "out")
    assert set(the_record(answer)["files"]) == {"annotated", "depth", "json"}
    assert len(names_below(tmp_path / "out")) == 3


def test_every_format(predict, picture, tmp_path):
    out = tmp_path / "out"
    np.save(tmp_path / "truth.npy", np.full((SIDE, SIDE), 2.0))
    formats = "annotated,depth,panel,triptych,truth,npy,png16,kitti,ply,json"
    answer = predict(
        picture,
        *("--format", formats, "--format", "jsonl, csv,coco", "--save-dir", out, "--json"),
        *("--truth", tmp_path / "truth.npy"),
    )
    record = the_record(answer)
    assert sorted(record["files"]) == sorted(formats.split(","))
    for entry in record["files"].values():
        assert os.path.getsize(entry["path"]) > 100
    assert len(names_below(out)) == 13
    with (out / "objects.csv").open(newline="") as file:
        assert [row["label"] for row in csv.DictReader(file)] == ["person", "car"]
    assert [row["category_id"] for row in json.loads((out / "coco_results.json").read_text())] == [
        1,
        3,
    ]
    assert json.loads((out / "results.jsonl").read_text()) == record
    millimetres = cv2.imread(str(out / "room.depth16.png"), cv2.IMREAD_UNCHANGED)
    assert millimetres[SIDE // 2, 5] == pytest.approx(1000 * NEAR_M, abs=2)
    assert millimetres[SIDE // 2, SIDE - 5] == pytest.approx(1000 * FAR_M, abs=2)


def test_the_schema(howfar):
    answer = howfar("predict", "--schema")
    assert answer.code == 0
    assert json.loads(answer.out) == RESULT_SCHEMA
    assert answer.err == ""


# -- sources ----------------------------------------------------------------------------------


def test_a_folder(predict, tmp_path):
    pictures = tmp_path / "in"
    write_pictures(pictures, "b.jpg", "a.PNG", "sub/c.webp", "sub/deep/d.tif")
    (pictures / "notes.txt").write_text("no picture")
    answer = predict(pictures, "--save-dir", tmp_path / "out", "--format", "json")
    assert answer.code == 0
    assert names_below(tmp_path / "out") == ["a.json", "b.json", "sub/c.json", "sub/deep/d.json"]
    assert [line.split(": ")[0] for line in answer.out.splitlines()] == [
        str(pictures / name) for name in ("a.PNG", "b.jpg", "sub/c.webp", "sub/deep/d.tif")
    ]


def test_a_pattern_and_several_sources(predict, tmp_path):
    write_pictures(tmp_path, "a1.png", "a2.png", "b.png", "sub/a3.png")
    answer = predict(f"{tmp_path}/**/a*.png", tmp_path / "b.png", tmp_path / "a1.png", "--json")
    assert answer.code == 0
    assert [os.path.basename(record["source"]) for record in answer.records] == [
        "a1.png",
        "a2.png",
        "a3.png",
        "b.png",
    ]


def test_standard_input(predict, tmp_path):
    record = the_record(predict("-", "--json", stdin=picture_bytes("JPEG")))
    assert record["source"] == "stdin"
    assert len(record["objects"]) == 2
    out = tmp_path / "out"
    assert predict("-", "--save-dir", out, "--format", "json", stdin=picture_bytes()).code == 0
    assert names_below(out) == ["stdin.json"]


def test_pictures_of_extreme_shapes(predict, tmp_path):
    PIL.Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    PIL.Image.new("RGB", (30_000, 40)).save(tmp_path / "wide.png")
    PIL.Image.new("RGB", (2, 3000)).save(tmp_path / "tall.png")
    answer = predict(tmp_path, "--json", "--save-dir", tmp_path / "out")
    assert answer.code == 0, answer.err
    assert [record["width"] for record in answer.records] == [1, 2, 30_000]
    assert len(names_below(tmp_path / "out")) == 9


def test_names_that_are_no_unicode(predict, tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.png")
    path.write_bytes(picture_bytes())
    answer = predict(tmp_path, "--save-dir", tmp_path / "out")
    assert answer.code == 0, answer.err
    assert "person 1 m, car 5 m" in answer.out
    assert len(names_below(tmp_path / "out")) == 3
    assert the_record(predict(tmp_path / path.name, "--json"))["source"] == str(path)


@pytest.mark.parametrize(
    ("names", "ids"),
    [
        (["000139", "7"], [139, 7]),
        (["3", "a", "b"], [1, 2, 3]),
        (["a/1", "b/1"], [1, 2]),
        (["²", "x"], [1, 2]),
        ([], []),
    ],
)
def test_image_ids_of_coco_are_never_shared(names, ids):
    assert image_ids([Path(name) for name in names]) == ids


# -- filter and scale -------------------------------------------------------------------------


def test_the_distance_filter_is_inclusive_and_tells_what_it_hides(predict, picture):
    record = the_record(predict(picture, "--json", "--max-distance", "4"))
    assert list(distances(record)) == ["person"]
    assert [(thing["label"], thing["reason"]) for thing in record["left_out"]] == [
        ("car", "beyond 4 m")
    ]
    assert record["filter"] == {"min_distance": None, "max_distance": 4.0, "by": "z"}
    near = the_record(predict(picture, "--json", "--min-distance", "2"))
    assert [thing["reason"] for thing in near["left_out"]] == ["nearer than 2 m"]
    at = distances(the_record(predict(picture, "--json")))["person"]
    assert "person" in distances(the_record(predict(picture, "--json", "--max-distance", at)))


def test_hidden_objects_are_counted_for_a_person(predict, picture, tmp_path):
    answer = predict(picture, "--max-distance", "4", "--save-dir", tmp_path / "out")
    assert answer.out == f"{picture}: person 1 m (1 hidden)\n"


def test_filtering_by_range_needs_the_focal_length(predict, picture):
    args = (picture, "--json", "--max-distance", "1.1", "--by", "range")
    answer = predict(*args)
    assert answer.code == 1
    assert "give focal_px or fov_deg" in answer.err
    record = the_record(predict(*args, "--focal-px", "32"))
    assert record["objects"] == []  # the person is 1 m deep and beside the axis
    assert [thing["label"] for thing in record["left_out"]] == ["person", "car"]
    assert 1.1 < record["left_out"][0]["range_m"] < 1.3


def test_relative_depth_never_prints_metres(predict, picture, tmp_path):
    answer = predict(picture, "--save-dir", tmp_path / "out", kind="relative")
    assert answer.code == 0
    assert answer.out in (f"{picture}: person ?, car ?\n", f"{picture}: car ?, person ?\n")
    record = the_record(predict(picture, "--json", kind="relative"))
    assert record["depth"]["kind"] == "relative"
    assert distances(record) == {"person": None, "car": None}
    near, far = (thing["relative_depth"] for thing in record["objects"])
    assert near < far


def test_a_filter_on_relative_depth_without_a_scale_is_wrong_use(predict, picture):
    answer = predict(picture, "--max-distance", "4", kind="relative")
    assert answer.code == 2
    assert answer.out == ""
    (line,) = answer.err.splitlines()
    assert line.startswith("howfar: error: a distance filter needs metres")
    assert "give a scale" in line


@pytest.mark.parametrize("scale", ["2", "2m@person", "2m@16,32", "10m@car", "10m@36,8,60,56"])
def test_a_scale_makes_metres(predict, picture, scale):
    record = the_record(
        predict(picture, "--json", "--scale", scale, "--max-distance", "4", kind="relative")
    )
    assert distances(record) == {"person": pytest.approx(2 * NEAR_M, rel=0.02)}
    assert record["left_out"][0]["distance_m"] == pytest.approx(2 * FAR_M, rel=0.02)
    assert record["scale"]["source"] == ("given" if scale == "2" else "known-distance")


def test_object_sizes_as_a_scale(predict, picture, tmp_path):
    sizes = tmp_path / "sizes.toml"
    sizes.write_text("[person]\nmetres = 3.0\nspread = 0.1\n[car]\nmetres = 15\nspread = 0.1\n")
    args = (picture, "--json", "--scale", "object-size", "--focal-px", "48")
    record = the_record(predict(*args, "--sizes", sizes, kind="relative"))
    assert record["scale"]["source"] == "object-size"
    assert distances(record) == {
        "person": pytest.approx(3.0, rel=0.05),
        "car": pytest.approx(15.0, rel=0.05),
    }


def test_a_scale_that_the_picture_does_not_hold_fails_that_picture(predict, picture):
    answer = predict(picture, "--json", "--scale", "2m@zebra", kind="relative")
    assert (answer.code, answer.out) == (1, "")
    (line,) = answer.lines("howfar: error: ")
    assert "no 'zebra' was detected" in line
    assert "car, person" in line


def test_conf_classes_and_max_det(predict, picture):
    assert list(distances(the_record(predict(picture, "--json", "--conf", "0.1")))) == [
        "person",
        "car",
        "cup",
    ]
    for classes in (["--classes", "car,cup"], ["--classes", "cup", "--classes", "car"]):
        assert list(distances(the_record(predict(picture, "--json", *classes)))) == ["car"]
    assert len(the_record(predict(picture, "--json", "--max-det", "1"))["objects"]) == 1


@pytest.mark.parametrize("stat", ["center", "central-mean", "median", "foreground"])
def test_every_statistic(predict, picture, stat):
    record = the_record(predict(picture, "--json", "--stat", stat))
    assert record["statistic"] == stat
    assert distances(record)["car"] == pytest.approx(FAR_M, rel=1e-3)


@pytest.mark.parametrize("join", ["crop", "mask"])
def test_every_join(predict, picture, join):
    record = the_record(predict(picture, "--json", "--join", join, "--max-distance", "9"))
    assert record["join"] == join
    assert distances(record)["person"] == pytest.approx(NEAR_M, rel=1e-3)
    assert (record["depth"] is None) == (join == "crop")


def test_boxes_without_distances(predict, picture):
    record = the_record(predict(picture, "--json", kind="boxes only"))
    assert record["depth"] is None
    assert [thing["reason"] for thing in record["objects"]] == ["there is no depth map"] * 2


# -- what the user brings ---------------------------------------------------------------------


def test_own_boxes(howfar, networks, picture, tmp_path):
    boxes = tmp_path / "boxes.json"
    boxes.write_text('[[2, 2, 30, 60], {"box": [34, 2, 60, 60], "label": "wall", "score": 0.5}]')
    depth = networks["metric"][-2:]
    record = the_record(
        howfar("predict", picture, "--json", "--runtime", "onnx", *depth, "--boxes", boxes)
    )
    assert distances(record) == {
        "object": pytest.approx(NEAR_M, rel=1e-3),
        "wall": pytest.approx(FAR_M, rel=1e-3),
    }
    assert [model["role"] for model in record["models"]] == ["depth"]


def test_own_boxes_in_a_folder_named_like_the_pictures(howfar, networks, tmp_path):
    write_pictures(tmp_path / "in", "a.png", "b.png")
    (tmp_path / "boxes").mkdir()
    (tmp_path / "boxes" / "a.json").write_text("[[2, 2, 30, 60]]")
    args = ("--json", "--runtime", "onnx", *networks["metric"][-2:], "--boxes", tmp_path / "boxes")
    answer = howfar("predict", tmp_path / "in", *args)
    assert answer.code == 1
    assert [len(record["objects"]) for record in answer.records] == [1]
    (line,) = answer.lines("howfar: error: ")
    assert "there is no b.json in" in line


def own_depth(howfar, networks, *args):
    common = ("--json", "--runtime", "onnx", "--threads", "1", "--detector", networks["detector"])
    return howfar("predict", *common, *args)


def test_own_depth(howfar, networks, picture, tmp_path):
    np.save(tmp_path / "mine.npy", np.full((SIDE, SIDE), 3.0, np.float32))
    record = the_record(own_depth(howfar, networks, picture, "--depth-map", tmp_path / "mine.npy"))
    assert distances(record) == {"person": 3.0, "car": 3.0}
    assert {thing["scale_source"] for thing in record["objects"]} == {"given-depth"}
    assert [model["role"] for model in record["models"]] == ["detector"]


def test_own_depth_in_a_folder_and_in_kittis_unit(howfar, networks, tmp_path):
    write_pictures(tmp_path / "in", "a.png", "b.png")
    (tmp_path / "depth").mkdir()
    for name, metres in (("a", 4), ("b", 8)):
        values = np.full((SIDE // 2, SIDE // 2), metres * 256, np.uint16)
        cv2.imwrite(str(tmp_path / "depth" / f"{name}.png"), values)
    args = ("--depth-map", tmp_path / "depth", "--depth-unit", "kitti")
    answer = own_depth(howfar, networks, tmp_path / "in", *args)
    assert answer.code == 0
    assert [distances(record)["car"] for record in answer.records] == [4.0, 8.0]


def test_own_depth_of_another_shape_fails(howfar, networks, picture, tmp_path):
    np.save(tmp_path / "mine.npy", np.ones((10, 64), np.float32))
    answer = own_depth(howfar, networks, picture, "--depth-map", tmp_path / "mine.npy")
    assert (answer.code, answer.out) == (1, "")
    assert "64x10" in answer.err


def test_own_boxes_and_own_depth_need_no_network(howfar, picture, tmp_path):
    (tmp_path / "boxes.json").write_text("[[2, 2, 30, 60]]")
    np.save(tmp_path / "mine.npy", np.full((SIDE, SIDE), 3.0, np.float32))
    mine = ("--boxes", tmp_path / "boxes.json", "--depth-map", tmp_path / "mine.npy")
    record = the_record(howfar("predict", picture, "--json", *mine))
    assert distances(record) == {"object": 3.0}
    assert record["models"] == []


def test_truth_of_a_folder(predict, tmp_path):
    write_pictures(tmp_path / "in", "a.png", "b.png")
    (tmp_path / "truth").mkdir()
    np.save(tmp_path / "truth" / "a.npy", np.full((SIDE, SIDE), 2.0))
    out = tmp_path / "out"
    args = ("--truth", tmp_path / "truth", "--format", "truth", "--save-dir", out)
    answer = predict(tmp_path / "in", *args)
    assert answer.code == 1
    assert names_below(out) == ["a.truth.jpg"]
    assert "there is no b.npy or b.png in" in answer.lines("howfar: error: ")[0]


# -- what goes wrong --------------------------------------------------------------------------

WRONG_VALUES = [
    (["--stat", "mean"], ["'mean'", "foreground"]),
    (["--join", "glue"], ["'glue'", "parallel, crop, mask"]),
    (["--format", "jpeg"], ["'jpeg'", "annotated"]),
    (["--format", "truth"], ["--truth"]),
    (["--classes", "unicorn"], ["'unicorn'", "person"]),
    (["--imgsz", "big"], ["'big'", "384x640"]),
    (["--imgsz", "640x"], ["'640x'", "384x640"]),
    (["--imgsz", "²"], ["'²'", "384x640"]),
    (["--imgsz", "8"], ["8", "at least 32"]),
    (["--runtime", "tensorrt"], ["'tensorrt'", "auto, onnx, openvino"]),
    (["--precision", "int4"], ["'int4'", "auto, float32"]),
    (["--device", "cuda"], ["'cuda'", "cpu"]),
    (["--threads", "0"], ["0", "at least 1"]),
    (["--conf", "1.5"], ["1.5", "0..1"]),
    (["--iou", "-1"], ["-1", "0..1"]),
    (["--max-det", "0"], ["0", "at least 1"]),
    (["--by", "x"], ["'x'", "'range'"]),
    (["--max-distance", "-3"], ["-3", ">= 0"]),
    (["--max-distance", "nan"], ["nan", ">= 0"]),
    (["--min-distance", "5", "--max-distance", "3"], ["5", "3"]),
    (["--scale", "far"], ["'far'", "2.5m@chair"]),
    (["--scale", "0"], ["scale factor is 0; give a number from 0.000001"]),
    (["--scale", "1e300"], ["scale factor is 1e+300; give a number from 0.000001 to 1000000"]),
    (["--scale", "object-size", "--sizes", "none.toml"], ["none.toml"]),
    (["--sizes", "none.toml"], ["--scale object-size"]),
    (["--focal-px", "-5"], ["-5", "positive"]),
    (["--focal-px", "nan"], ["nan", "positive"]),
    (["--fov-deg", "200"], ["200", "between 0 and 180"]),
    (["--focal-px", "500", "--fov-deg", "60"], ["not both"]),
    (["--depth-unit", "inch"], ["'inch'", "mm, kitti"]),
    (["--boxes", "b.json"], ["--detector", "--boxes", "not both"]),
    (["--depth-map", "d.npy"], ["--depth", "--depth-map", "not both"]),
    (["--truth", "nowhere", "--format", "truth"], ["nowhere: no such file or folder"]),
    (["--join", "mask"], ["give max_distance"]),
]


@pytest.mark.parametrize(("args", "told"), WRONG_VALUES, ids=[" ".join(a) for a, _ in WRONG_VALUES])
def test_wrong_values_are_one_line_that_names_the_way_out(predict, picture, tmp_path, args, told):
    answer = predict(picture, "--save-dir", tmp_path / "out", *args)
    wanted = 1 if "none.toml" in args and "object-size" in args else 2
    assert (answer.code, answer.out) == (wanted, "")
    (line,) = answer.err.splitlines()
    assert line.startswith("howfar: error: ")
    for text in told:
        assert text in line
    assert not (tmp_path / "out").exists() or names_below(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ([], "no picture is named"),
        (["none.jpg"], "none.jpg: no such file or folder"),
        (["none*.jpg"], "none*.jpg: the pattern matches no file"),
        (["ftp://x/a.jpg"], "only http://, https://, rtsp:// and rtsps://"),
        (["room.png", "--format", "frames"], "format 'frames' is for videos"),
        (["empty"], "empty: no pictures in this folder"),
        (["room.png", "--detector", "nosuch"], "network 'nosuch' is unknown"),
    ],
)
def test_wrong_sources_and_names(howfar, picture, tmp_path, monkeypatch, args, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    answer = howfar("predict", *args)
    assert (answer.code, answer.out) == (2, "")
    (line,) = answer.err.splitlines()
    assert line.startswith("howfar: error: ")
    assert told in line


def test_an_unknown_option_is_wrong_use(predict, picture):
    answer = predict(picture, "--max-distanz", "4")
    assert answer.code == 2
    assert "--max-distanz" in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize("name", ["none.onnx", "text.onnx", "bare.onnx"])
def test_networks_that_cannot_be_used(howfar, networks, picture, tmp_path, name):
    (tmp_path / "text.onnx").write_text("this is no network")
    metric = networks["metric"][-1]
    (tmp_path / "bare.onnx").write_bytes(metric.read_bytes())  # without its card
    answer = howfar("predict", picture, "--runtime", "onnx", "--detector", tmp_path / name)
    assert (answer.code, answer.out) == (1, "")
    (line,) = answer.err.splitlines()
    assert line.startswith("howfar: error: ")
    assert name in line


def test_a_network_for_another_task_is_wrong_use(howfar, networks, picture):
    depth = networks["metric"][-1]
    answer = howfar("predict", picture, "--runtime", "onnx", "--detector", depth, "--depth", "none")
    assert answer.code == 2
    assert "is a depth network, not a detection one" in answer.err


@pytest.mark.parametrize("data", [b"", b"this is text", b"<html></html>", picture_bytes()[:100]])
def test_a_bad_picture_fails_with_one_line(predict, tmp_path, data):
    path = tmp_path / "bad.png"
    path.write_bytes(data)
    answer = predict(path, "--json")
    assert (answer.code, answer.out) == (1, "")
    assert len(answer.lines("howfar: error: ")) == 1
    assert str(path) in answer.lines("howfar: error: ")[0]
    assert answer.err.splitlines()[1:] == ["howfar: 1 picture, 1 failed"]


def test_a_folder_that_cannot_be_written(predict, picture, tmp_path):
    (tmp_path / "file").touch()
    for formats in ("json", "jsonl"):
        args = ("--save-dir", tmp_path / "file" / "out", "--format", formats)
        answer = predict(picture, *args)
        assert (answer.code, answer.out) == (1, "")
        assert len(answer.lines("howfar: error: ")) == 1
        assert "cannot be written" in answer.err


def test_formats_that_need_metres_are_passed_over_with_a_note(predict, picture, tmp_path):
    out = tmp_path / "out"
    answer = predict(
        picture, "--save-dir", out, "--format", "json,png16,ply", "--json", kind="relative"
    )
    assert sorted(the_record(answer)["files"]) == ["json"]
    notes = answer.lines("howfar: note: ")
    assert any("no png16 file" in note for note in notes)
    assert any("no ply file" in note for note in notes)
    assert names_below(out) == ["room.json"]


def test_a_note_that_is_the_same_for_all_pictures_is_said_once(predict, tmp_path):
    write_pictures(tmp_path, "a.png", "b.png", "c.png")
    answer = predict(tmp_path, "--json")
    assert len([note for note in answer.lines("howfar: note: ") if "two colours" in note]) == 1


def test_help_teaches_with_examples(howfar):
    answer = howfar("predict", "--help")
    assert answer.code == 0
    for text in ("--max-distance", "howfar predict kitchen.jpg --max-distance 4", "12m@car"):
        assert text in answer.out
    assert howfar("--version").out.startswith("howfar ")
    assert howfar("--help").code == 0


# -- many pictures, good and bad --------------------------------------------------------------

BAD = {
    "empty.jpg": b"",
    "text.jpg": b"just text\n",
    "page.png": b"<!doctype html><title>404</title>",
    "cut.png": picture_bytes()[:120],
    "noise.webp": bytes(range(256)),
    "short.bmp": picture_bytes("BMP")[:400],
    "half.jpg": picture_bytes("JPEG")[:300],
    "torn.tif": picture_bytes("TIFF")[:64],
}


def write_mixture(folder, count):
    """Good pictures, and bad ones in every fifth place; returns the names of both."""
    good, bad = [], []
    for number in range(count):
        if number % 5 == 4:
            name, data = list(BAD.items())[number // 5 % len(BAD)]
            name = f"{number:03}-{name}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
            bad.append(name)
        else:
            name = f"{number:03}{('.png', '.jpg', '.webp', '.bmp', '.tif')[number % 4]}"
            write_pictures(folder, name)
            good.append(name)
    return good, bad


def test_a_folder_of_good_and_bad(predict, tmp_path):
    good, bad = write_mixture(tmp_path / "in", 40)
    assert len(bad) == len(BAD)
    answer = predict(tmp_path / "in", "--json")
    assert answer.code == 1
    assert [os.path.basename(record["source"]) for record in answer.records] == good
    errors = answer.lines("howfar: error: ")
    assert len(errors) == len(bad)
    for name, line in zip(bad, errors, strict=True):
        assert line.startswith(f"howfar: error: {tmp_path / 'in' / name}: ")
    assert answer.err.splitlines()[-1] == "howfar: 40 pictures, 8 failed"
    assert "Traceback" not in answer.err


RUN_AND_TELL_MEMORY = """
import resource, sys
from howfar.cli import main
try:
    main()
finally:
    print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


@pytest.mark.slow
def test_memory_stays_flat_over_200_good_and_bad_files(networks, tmp_path):
    peaks = {}
    for count in (20, 200):
        folder, out = tmp_path / f"in{count}", tmp_path / f"out{count}"
        good, bad = write_mixture(folder, count)
        for name in good:  # large enough that keeping them would show
            with PIL.Image.open(folder / name) as picture:
                picture.resize((640, 480)).save(folder / name)
        args = ["predict", *networks["metric"], folder, "--save-dir", out]
        args += ["--format", "annotated,json,jsonl,csv,coco,npy"]
        done = subprocess.run(
            [sys.executable, "-c", RUN_AND_TELL_MEMORY, *map(str, args)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert len(done.stdout.splitlines()) == len(good)
        errors = [line for line in done.stderr.splitlines() if line.startswith("howfar: error: ")]
        assert len(errors) == len(bad)
        for name in bad:
            assert sum(f"/{name}: " in line for line in errors) == 1
        assert len(names_below(out)) == 3 * len(good) + 3
        peaks[count] = int(done.stderr.split()[-1])
    assert peaks[200] - peaks[20] < 60_000  # KiB; 160 pictures of 640x480 are 147 MB


def test_the_installed_command(networks, tmp_path):
    """The entry point in a process of its own, where warnings are errors."""
    write_pictures(tmp_path, "room.png")
    command = [sys.executable, "-W", "error", "-c", "from howfar.cli import main; main()"]
    args = ["predict", *networks["metric"], tmp_path / "room.png", "--json"]
    done = subprocess.run([*command, *map(str, args)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    jsonschema.validate(json.loads(done.stdout), RESULT_SCHEMA)
    wrong = [*command, "predict", str(tmp_path / "none.jpg")]
    done = subprocess.run(wrong, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == f"howfar: error: {tmp_path}/none.jpg: no such file or folder\n"


def test_a_stopped_run_keeps_what_it_has(predict, tmp_path, monkeypatch):
    write_pictures(tmp_path / "in", "a.png", "b.png", "c.png")
    load = Item.load

    def load_or_stop(item):
        if item.source.endswith("c.png"):
            raise KeyboardInterrupt
        return load(item)

    monkeypatch.setattr(Item, "load", load_or_stop)
    out = tmp_path / "out"
    answer = predict(tmp_path / "in", "--format", "json,jsonl,csv,coco", "--save-dir", out)
    assert answer.code == 130
    assert "Traceback" not in answer.err
    assert len((out / "results.jsonl").read_text().splitlines()) == 2
    assert len((out / "objects.csv").read_text().splitlines()) == 5
    assert len(json.loads((out / "coco_results.json").read_text())) == 4
    assert names_below(out) == [
        "a.json",
        "b.json",
        "coco_results.json",
        "objects.csv",
        "results.jsonl",
    ]


@pytest.mark.slow
def test_a_reader_that_goes_away_ends_the_run_quietly(networks, tmp_path):
    write_pictures(tmp_path, *(f"{number}.png" for number in range(250)))
    args = ["predict", *networks["metric"], tmp_path, "--json"]
    command = [sys.executable, "-c", "from howfar.cli import main; main()", *map(str, args)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        jsonschema.validate(json.loads(running.stdout.readline()), RESULT_SCHEMA)
        running.stdout.close()
        told = running.stderr.read().decode()
    assert running.returncode == 1
    assert "Traceback" not in told
    assert "BrokenPipe" not in told
