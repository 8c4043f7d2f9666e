"""Files of results: each format is written, read back, and whole or not there."""

import csv
import json
import os
import stat
from pathlib import Path

import cv2
import jsonschema
import numpy as np
import PIL.Image
import pytest

from howfar.core.boxes import Box
from howfar.core.camera import Camera
from howfar.core.depth import DepthMap
from howfar.core.image import Image
from howfar.core.result import Object, Result
from howfar.errors import OutputError, UsageError
from howfar.io import sinks
from howfar.io.depthfiles import read_depth
from howfar.io.records import CSV_COLUMNS, result_record
from howfar.io.schema import RESULT_SCHEMA
from howfar.io.sinks import (
    PICTURE_FORMATS,
    RUN_FORMATS,
    RunFiles,
    check_formats,
    encode_picture,
    save_result,
    write_picture_files,
    write_whole,
)

HEIGHT, WIDTH = 60, 80


def make_result(source="photos/kitchen.jpg", kind="metric", camera=None, depth=True, **changes):
    rng = np.random.default_rng(0)
    values = rng.uniform(1, 9, (HEIGHT, WIDTH)).astype(np.float32)
    values[0, 0] = np.nan
    things = (
        Object("chair", 56, 0.9, Box(5, 6, 30, 40), distance_m=2.5, interval_m=(2, 3)),
        Object("cup", 41, 0.5, Box(40, 10, 60, 30), reason="no valid depth"),
    )
    image = Image(rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8), source)
    fields = {"objects": things, "depth": DepthMap(values, kind) if depth else None}
    return Result(image, camera=camera, **(fields | changes))


def names_in(folder):
    return sorted(path.name for path in Path(folder).iterdir())


# -- every format of a picture ----------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in PICTURE_FORMATS if name != "truth"])
def test_every_format_is_one_file_named_after_the_picture(tmp_path, name):
    (path,) = make_result().save(tmp_path / "new" / "out", [name])
    assert path == tmp_path / "new" / "out" / f"kitchen{PICTURE_FORMATS[name][0]}"
    assert names_in(path.parent) == [path.name]
    assert path.stat().st_size > 100


@pytest.mark.parametrize("name", ["annotated", "depth", "panel", "triptych"])
def test_pictures_can_be_read(tmp_path, name):
    (path,) = make_result().save(tmp_path, [name])
    with PIL.Image.open(path) as picture:
        picture.load()
        assert picture.format == ("PNG" if path.suffix == ".png" else "JPEG")
        assert picture.width >= WIDTH
        assert picture.height >= HEIGHT


def test_the_truth_triptych_needs_the_truth(tmp_path):
    result = make_result()
    (path,) = save_result(result, tmp_path, ["truth"], DepthMap(np.ones((HEIGHT, WIDTH))))
    with PIL.Image.open(path) as picture:
        assert picture.width > 2 * WIDTH
    with pytest.raises(OutputError, match="no true depth was given"):
        save_result(result, tmp_path / "none", ["truth"])
    assert not (tmp_path / "none").exists()


def test_npy_holds_metres_and_nan(tmp_path):
    result = make_result()
    (path,) = result.save(tmp_path, ["npy"])
    values = np.load(path, allow_pickle=False)
    assert values.dtype == np.float32
    assert np.isnan(values[0, 0])
    assert np.array_equal(values, result.depth.values, equal_nan=True)


@pytest.mark.parametrize(
    ("name", "unit", "step"), [("png16", "mm", 1e-3), ("kitti", "kitti", 1 / 256)]
)
def test_sixteen_bit_pictures_and_their_scale_in_the_record(tmp_path, name, unit, step):
    result = make_result()
    depth_path, json_path = result.save(tmp_path, [name, "json"])
    back = read_depth(depth_path, unit)
    assert np.array_equal(back.valid, result.depth.valid)
    np.testing.assert_allclose(
        back.values[back.valid], result.depth.values[back.valid], atol=0.51 * step
    )
    record = json.loads(json_path.read_text())
    per_metre = record["files"][name]["values_per_metre"]
    raw = cv2.imread(record["files"][name]["path"], cv2.IMREAD_UNCHANGED)
    assert raw[5, 5] / per_metre == pytest.approx(result.depth.values[5, 5], abs=step)


def test_the_point_cloud_uses_the_camera(tmp_path):
    vertex = np.dtype([("xyz", "<f4", 3), ("rgb", "u1", 3)])
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
    for camera, told in (
        (Camera.from_focal(123.0, WIDTH, HEIGHT, "exif"), "exif"),
        (None, "assumed, 60 degrees"),
    ):
        result = make_result(camera=camera)
        (path,) = result.save(tmp_path, ["ply"])
        header, _, body = path.read_bytes().partition(b"end_header\n")
        assert told in header.decode()
        camera = camera or Camera.from_fov(60, WIDTH, HEIGHT)
        expected = camera.unproject(x, y, result.depth.values)[result.depth.valid]
        vertices = np.frombuffer(body, vertex)
        assert f"element vertex {len(expected)}\n" in header.decode()
        np.testing.assert_allclose(vertices["xyz"], expected, rtol=1e-6)
        assert np.array_equal(vertices["rgb"], result.image.pixels[result.depth.valid])


def test_json_is_the_record_with_its_files(tmp_path):
    result = make_result()
    paths = result.save(tmp_path, ["json", "npy", "annotated"])
    assert names_in(tmp_path) == ["kitchen.annotated.jpg", "kitchen.depth.npy", "kitchen.json"]
    record = json.loads((tmp_path / "kitchen.json").read_text())
    jsonschema.validate(record, RESULT_SCHEMA)
    assert {entry["path"] for entry in record["files"].values()} == {str(path) for path in paths}
    assert record | {"files": {}} == result_record(result)


def test_formats_asked_for_twice_are_written_once(tmp_path):
    assert len(make_result().save(tmp_path, ["npy", "npy", "json"])) == 2


# -- what cannot be written -------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["relative", "relative-affine"])
@pytest.mark.parametrize("name", ["png16", "kitti", "ply"])
def test_relative_depth_is_not_written_as_metres(tmp_path, kind, name):
    result = make_result(kind=kind)
    with pytest.raises(OutputError) as caught:
        result.save(tmp_path, [name])
    assert str(caught.value).startswith(f"photos/kitchen.jpg: no {name} file (")
    assert "metres" in str(caught.value)
    assert "relative depth" in str(caught.value)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("kind", ["relative", "relative-affine"])
def test_relative_depth_can_be_shown_and_kept_raw(tmp_path, kind):
    result = make_result(kind=kind)
    written, problems = write_picture_files(
        result, tmp_path / "a", ["annotated", "depth", "panel", "npy", "png16", "json"]
    )
    assert list(written) == ["annotated", "depth", "panel", "npy", "json"]
    assert len(problems) == 1
    record = json.loads((tmp_path / "a.json").read_text())
    assert record["depth"]["kind"] == kind
    assert "png16" not in record["files"]


def test_without_depth_there_is_no_depth_picture(tmp_path):
    result = make_result(depth=False)
    assert [path.name for path in result.save(tmp_path)] == [
        "kitchen.annotated.jpg",
        "kitchen.json",
    ]
    for name in ("depth", "npy", "png16", "ply"):
        with pytest.raises(OutputError, match="there is no depth map of the whole picture"):
            result.save(tmp_path, [name])


def test_formats_that_do_not_exist(tmp_path):
    check_formats([*PICTURE_FORMATS, *RUN_FORMATS])
    with pytest.raises(UsageError, match="format 'jpeg' is unknown; use some of annotated, depth"):
        make_result().save(tmp_path, ["json", "jpeg"])
    assert names_in(tmp_path) == []


def test_a_jpeg_has_a_largest_side():
    wide = np.zeros((1, 65_501, 3), np.uint8)
    with pytest.raises(OutputError, match="65,500"):
        encode_picture(wide, ".jpg")
    assert encode_picture(wide, ".png").startswith(b"\x89PNG")
    assert encode_picture(wide[:, :65_500], ".jpg").startswith(b"\xff\xd8")


def test_encoded_pictures_keep_their_colours(tmp_path):
    red = np.zeros((8, 8, 3), np.uint8) + np.array([250, 10, 20], np.uint8)
    for suffix in (".png", ".jpg"):
        path = tmp_path / f"a{suffix}"
        path.write_bytes(encode_picture(red, suffix))
        with PIL.Image.open(path) as picture:
            assert (
                np.abs(np.asarray(picture.convert("RGB"))[4, 4].astype(int) - red[4, 4]).max() < 4
            )


@pytest.mark.parametrize(
    ("source", "stem"),
    [
        ("array", "array"),
        ("stdin", "stdin"),
        ("http://x/y/a.b.jpg?size=3", "a.b"),
        ("photos/[1] ü.png", "[1] ü"),
        ("?", "picture"),
    ],
)
def test_names_of_files_come_from_the_source(tmp_path, source, stem):
    assert make_result(source).save(tmp_path, ["json"]) == [tmp_path / f"{stem}.json"]


# -- whole or not at all ----------------------------------------------------------------------


def test_a_file_is_replaced_whole_with_the_usual_permissions(tmp_path):
    path = tmp_path / "new" / "a.txt"
    mask = os.umask(0o027)
    try:
        write_whole(path, b"first")
        write_whole(path, b"second")
    finally:
        os.umask(mask)
    assert path.read_bytes() == b"second"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert names_in(path.parent) == ["a.txt"]


@pytest.mark.parametrize("step", ["fdopen", "replace", "chmod"])
def test_a_failure_keeps_the_old_file_and_leaves_nothing_behind(tmp_path, monkeypatch, step):
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")

    def full(*args, **_):
        if step == "fdopen":
            os.close(args[0])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os if step == "fdopen" else sinks.Path, step, full)
    with pytest.raises(OutputError, match=r"a\.txt: cannot be written \(No space left on device\)"):
        write_whole(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["a.txt"]


def test_an_interrupt_leaves_nothing_behind(tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(sinks.Path, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "a.txt", b"new")
    assert names_in(tmp_path) == []


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    result = make_result()
    with pytest.raises(OutputError, match="cannot be written"):
        result.save(tmp_path / "file", ["json"])
    with pytest.raises(OutputError, match="cannot be written"):
        RunFiles(tmp_path / "file" / "below", ["jsonl"])
    (tmp_path / "out" / "kitchen.json").mkdir(parents=True)
    with pytest.raises(OutputError, match="cannot be written"):
        result.save(tmp_path / "out", ["json"])
    assert names_in(tmp_path / "out") == ["kitchen.json"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="Permission denied"):
            make_result().save(tmp_path / "out", ["json"])
    finally:
        tmp_path.chmod(0o700)


# -- files of a run ---------------------------------------------------------------------------


def run_files(folder, count, close=True):
    files = RunFiles(folder, ["jsonl", "csv", "coco", "annotated"], {"chair": 62, "cup": 47})
    for number in range(count):
        result = make_result(f"photos/{number}.jpg")
        files.add(result, result_record(result), number + 1)
    if close:
        files.close()
    return files


@pytest.mark.parametrize("count", [1, 3])
def test_files_of_a_run(tmp_path, count):
    files = run_files(tmp_path / "out", count)
    assert names_in(tmp_path / "out") == ["coco_results.json", "objects.csv", "results.jsonl"]
    lines = files.paths["jsonl"].read_text().splitlines()
    assert [json.loads(line)["source"] for line in lines] == [
        f"photos/{number}.jpg" for number in range(count)
    ]
    for line in lines:
        jsonschema.validate(json.loads(line), RESULT_SCHEMA)
    with files.paths["csv"].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert files.paths["csv"].read_text().splitlines()[0] == ",".join(CSV_COLUMNS)
    assert len(rows) == 2 * count
    results = json.loads(files.paths["coco"].read_text())
    assert [row["image_id"] for row in results] == [1 + number // 2 for number in range(2 * count)]
    assert (rows[0]["label"], rows[0]["distance_m"], rows[0]["left_out"]) == ("chair", "2.5", "0")
    assert (rows[1]["label"], rows[1]["distance_m"]) == ("cup", "")
    assert [row["category_id"] for row in results[:2]] == [62, 47]


def test_a_run_whose_pictures_hold_nothing(tmp_path):
    files = RunFiles(tmp_path, ["coco", "csv"], {"chair": 1})
    for _ in range(2):
        empty = make_result(objects=())
        files.add(empty, result_record(empty), 1)
    files.close()
    assert json.loads(files.paths["coco"].read_text()) == []
    assert len(files.paths["csv"].read_text().splitlines()) == 1


def test_only_the_formats_of_a_run_make_files(tmp_path):
    RunFiles(tmp_path / "out", ["annotated", "json"]).close()
    assert not (tmp_path / "out").exists()


def test_closing_twice_is_closing_once(tmp_path):
    files = run_files(tmp_path, 1)
    files.close()
    assert len(json.loads(files.paths["coco"].read_text())) == 2


def test_commas_quotes_and_lines_in_names_stay_one_field(tmp_path):
    source = 'a "b", c\nd;e.jpg'
    result = make_result(source)
    files = RunFiles(tmp_path, ["csv", "jsonl"])
    files.add(result, result_record(result), 1)
    files.close()
    with files.paths["csv"].open(newline="") as file:
        assert [row["source"] for row in csv.DictReader(file)] == [source] * 2
    (line,) = files.paths["jsonl"].read_text().splitlines()
    assert json.loads(line)["source"] == source


def test_a_name_that_is_no_unicode(tmp_path):
    source = os.fsdecode(b"photos/\xff.jpg")
    result = make_result(source)
    files = RunFiles(tmp_path, ["csv", "jsonl", "coco"])
    files.add(result, result_record(result), 1)
    files.close()
    assert b"photos/\xff.jpg,,,chair" in files.paths["csv"].read_bytes()
    assert json.loads(files.paths["jsonl"].read_text())["source"] == source
    (path,) = result.save(tmp_path, ["json"])
    assert os.fsencode(path.name) == b"\xff.json"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("name", ["jsonl", "csv", "coco"])
def test_a_full_disk_is_one_clear_error(tmp_path, name):
    path = tmp_path / RUN_FORMATS[name][0]
    path.symlink_to("/dev/full")
    files = RunFiles(tmp_path, [name], {"chair": 1})
    result = make_result()
    files.add(result, result_record(result), 1)
    with pytest.raises(OutputError, match=f"{path.name}: cannot be written .No space left"):
        files.close()


def test_a_run_without_results_leaves_earlier_files_alone(tmp_path):
    (tmp_path / "results.jsonl").write_text("earlier\n")
    RunFiles(tmp_path, ["jsonl", "csv", "coco"]).close()
    assert [path.name for path in tmp_path.iterdir()] == ["results.jsonl"]
    assert (tmp_path / "results.jsonl").read_text() == "earlier\n"
