"""`howfar val`: numbers, exit codes and files, with tiny networks."""

import json

import cv2
import numpy as np
import pytest
from tiny import SIDE, THINGS, picture_bytes

import howfar as package


@pytest.fixture
def rooms(tmp_path):
    """Three pictures with true depth: 1.25 m on the left, 4 m on the right."""
    root = tmp_path / "rooms"
    for name in ("rgb", "depth"):
        (root / name).mkdir(parents=True)
    depth = np.full((SIDE, SIDE), 1250, np.uint16)
    depth[:, SIDE // 2 :] = 4000
    for k in range(3):
        (root / "rgb" / f"{k}.png").write_bytes(picture_bytes())
        cv2.imwrite(str(root / "depth" / f"{k}.png"), depth)
    camera = {"fx": 60, "fy": 60, "cx": 32, "cy": 32, "width": SIDE, "height": SIDE}
    (root / "cameras.json").write_text(json.dumps({str(k): camera for k in range(3)}))
    return root


@pytest.fixture
def boxes(tmp_path):
    """Two pictures in COCO's layout: what the tiny detector finds, but for the cup."""
    root = tmp_path / "boxes"
    (root / "images").mkdir(parents=True)
    categories = {"person": 1, "car": 3, "cup": 47}
    images, rows = [], []
    for k in (1, 2):
        (root / "images" / f"{k}.png").write_bytes(picture_bytes())
        images.append({"id": k, "file_name": f"{k}.png", "width": SIDE, "height": SIDE})
        for label, _, (x1, y1, x2, y2) in THINGS[:2]:
            box = [x1, y1, x2 - x1, y2 - y1]
            rows.append({"id": len(rows) + 1, "image_id": k, "bbox": box})
            rows[-1]["category_id"] = categories[label]
    content = {
        "images": images,
        "annotations": rows,
        "categories": [{"id": i, "name": name} for name, i in categories.items()],
    }
    (root / "instances.json").write_text(json.dumps(content))
    return root


@pytest.fixture
def road(tmp_path):
    """One KITTI frame: a car whose lidar points lie at 4 m, where the network says 5 m."""
    base = tmp_path / "road" / "training"
    for name in ("image_2", "label_2", "calib", "velodyne"):
        (base / name).mkdir(parents=True)
    (base / "image_2" / "000000.png").write_bytes(picture_bytes())
    line = "Car 0.00 {} 0 36 8 60 56 3.0 1.6 1.6 1.0 1.5 4.0 0\n".format
    (base / "label_2" / "000000.txt").write_text(line(1))
    p2 = "60 0 31.5 0 0 60 31.5 0 0 0 1 0"
    p3 = "60 0 31.5 -30 0 60 31.5 0 0 0 1 0"
    names = {"P0": p2, "P1": p2, "P2": p2, "P3": p3, "R0_rect": "1 0 0 0 1 0 0 0 1"}
    axes = "0 -1 0 0 0 0 -1 0 1 0 0 0"
    names |= {"Tr_velo_to_cam": axes, "Tr_imu_to_velo": axes}
    text = "".join(f"{name}: {values}\n" for name, values in names.items())
    (base / "calib" / "000000.txt").write_text(text)
    points = np.array([[4.0, -1.0 - 0.05 * k, 0.1 * k, 0] for k in range(-5, 6)], "<f4")
    (base / "velodyne" / "000000.bin").write_bytes(points.tobytes())
    return tmp_path / "road"


COMMON = ("--runtime", "onnx", "--threads", "1")


@pytest.fixture
def depth_network(networks):
    return networks["folder"] / "tiny-metric.onnx"


def test_depth_equals_an_independent_computation(howfar, rooms, depth_network):
    found = howfar(
        *("val", "depth", "--data", f"rgbd:{rooms}", "--depth", depth_network, "--json", *COMMON)
    )
    assert found.code == 0, found.err
    record = json.loads(found.out)
    ranger = package.load(detector=None, depth=depth_network, runtime="onnx", threads=1)
    p = ranger(rooms / "rgb" / "0.png", boxes=np.zeros((0, 4))).depth.values.astype(float)
    g = cv2.imread(str(rooms / "depth" / "0.png"), cv2.IMREAD_UNCHANGED) / 1000
    expected = {
        "abs_rel": np.mean(np.abs(p - g) / g),
        "rmse": np.sqrt(np.mean((p - g) ** 2)),
        "delta1": np.mean(np.maximum(p / g, g / p) < 1.25),
    }
    for name, value in expected.items():
        assert record["scores"][name] == pytest.approx(value, abs=1e-6), name
    assert record["counts"]["frames"] == 3
    assert record["protocol"]["aggregation"] == "per-image"
    (model,) = record["models"]
    assert len(model["sha256"]) == 64
    assert "onnxruntime" in model["runtime"]
    assert record["command"].startswith("howfar val depth")


def test_detection(howfar, boxes, networks):
    found = howfar(
        *("val", "detection", "--data", f"coco:{boxes}", "--model", networks["detector"]),
        *("--json", *COMMON),
    )
    record = json.loads(found.out)
    assert found.code == 0, found.err
    assert record["scores"]["AP"] == 1.0
    assert record["scores"]["voc_ap"] == 1.0
    assert record["scores"]["precision"] == 1.0
    assert record["scores"]["APs"] is None  # no small object: no value, and no NaN in JSON
    assert record["tables"]["confidence"]["0.15"]["precision"] == pytest.approx(2 / 3)


@pytest.mark.parametrize("boxes_from", ["detector", "truth"])
def test_objects(howfar, road, networks, depth_network, boxes_from):
    named = ("--detector", networks["detector"]) if boxes_from == "detector" else ()
    found = howfar(
        *("val", "objects", "--data", f"kitti-object:{road}", "--depth", depth_network),
        *("--boxes", boxes_from, "--within", "4.5", "--json", *named, *COMMON),
    )
    record = json.loads(found.out)
    assert found.code == 0, found.err
    assert record["scores"]["abs_rel"] == pytest.approx(0.25, abs=1e-3)
    assert record["tables"]["within"]["4.5 m"]["recall"] == 0
    assert list(record["tables"]["occlusion"]) == ["1 partly hidden"]
    assert record["counts"]["spurious"] == (1 if boxes_from == "detector" else 0)  # the person


def test_objects_with_perfect_depth_and_boxes(howfar, road):
    found = howfar(
        *("val", "objects", "--data", f"kitti-object:{road}", "--depth", "truth"),
        *("--boxes", "truth", "--json"),
    )
    assert json.loads(found.out)["scores"]["abs_rel"] == pytest.approx(0, abs=1e-6)


def test_a_comparison(howfar, rooms, depth_network):
    found = howfar(
        *("val", "depth", "--data", f"rgbd:{rooms}", "--depth", depth_network, *COMMON),
        *("--compare", "scale=1", "--compare", "scale=3", "--json"),
    )
    record = json.loads(found.out)
    assert found.code == 0, found.err
    assert [row["system"] for row in record["variants"]] == ["scale=1", "scale=3"]
    verdicts = {row["score"]: row["verdict"] for row in record["differences"]}
    assert verdicts == {"abs_rel": "worse", "rmse": "worse", "delta1": "worse"}


def test_a_person_reads_tables(howfar, rooms, depth_network, tmp_path):
    pytest.importorskip("matplotlib")
    folder = tmp_path / "report"
    found = howfar(
        *("val", "depth", "--data", f"rgbd:{rooms}", "--depth", depth_network, *COMMON),
        *("--save-dir", folder, "--worst", "1", "--limit", "2"),
    )
    assert found.code == 0, found.err
    assert "abs_rel" in found.out
    assert "beyond_limit" in found.out
    names = {path.name for path in folder.iterdir()}
    assert {"report.json", "report.md", "worst_1.jpg", "error_by_range.png"} <= names
    assert "worst_2.jpg" not in names


def test_published_rows_stand_beside_ours(howfar, boxes, networks):
    found = howfar(
        *("val", "detection", "--data", f"coco:{boxes}", "--detector", networks["detector"]),
        *COMMON,
    )
    assert "YOLOv5x (as published)" in found.out
    assert "source 000 figure 16" in found.out


def test_a_damaged_picture_is_told_and_fails_the_run(howfar, rooms, depth_network):
    (rooms / "rgb" / "1.png").write_bytes(b"no picture")
    found = howfar(
        *("val", "depth", "--data", f"rgbd:{rooms}", "--depth", depth_network, "--json", *COMMON)
    )
    record = json.loads(found.out)
    assert found.code == 1
    assert record["counts"]["failed"] == 1
    assert record["counts"]["frames"] == 2
    assert "1.png" in record["failed"][0]["reason"]
    assert found.lines("howfar: error:")


def test_nothing_to_measure_is_a_failure(howfar, boxes, depth_network):
    found = howfar(*("val", "depth", "--data", f"coco:{boxes}", "--depth", depth_network, *COMMON))
    assert found.code == 1
    assert "none of 2 pictures" in found.err
    assert "no depth map" in found.err


WRONG = {
    "format": ("depth", "--data", "folder:x"),
    "option": ("depth", "--data", "rgbd:{rooms}?colour=red"),
    "protocol": ("depth", "--data", "rgbd:{rooms}", "--protocol", "best"),
    "protocol of another task": ("objects", "--data", "rgbd:{rooms}", "--protocol", "diode"),
    "detection protocol": ("detection", "--data", "rgbd:{rooms}", "--protocol", "diode"),
    "crop": (
        *("depth", "--data", "rgbd:{rooms}", "--depth", "{metric}"),
        *("--protocol", "nyu-eigen"),
    ),
    "align": ("depth", "--data", "rgbd:{rooms}", "--align", "best"),
    "network": ("depth", "--data", "rgbd:{rooms}", "--depth", "no-such-network"),
    "two networks": ("depth", "--data", "rgbd:{rooms}", "--depth", "a", "--model", "b"),
    "truth": ("depth", "--data", "rgbd:{rooms}", "--depth", "truth"),
    "one variant": ("depth", "--data", "rgbd:{rooms}", "--compare", "stat=median"),
    "variant": ("depth", "--data", "rgbd:{rooms}", "--compare", "a=b", "--compare", "c=d"),
    "boxes": ("objects", "--data", "rgbd:{rooms}", "--boxes", "mine"),
    "boxes and detector": (
        *("objects", "--data", "rgbd:{rooms}", "--boxes", "truth"),
        *("--detector", "yolox-nano"),
    ),
    "worst": ("depth", "--data", "rgbd:{rooms}", "--worst", "-1"),
    "limit": ("depth", "--data", "rgbd:{rooms}", "--limit", "0", "--depth", "{metric}"),
    "semantic": ("segmentation", "--data", "rgbd:{rooms}"),
    "relative": ("depth", "--data", "rgbd:{rooms}", "--depth", "{relative}"),
    "relative objects": (
        *("objects", "--data", "rgbd:{rooms}", "--depth", "{relative}"),
        *("--boxes", "truth"),
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_use_is_one_line_and_exit_code_2(howfar, rooms, networks, name):
    places = {"rooms": rooms, "metric": networks["folder"] / "tiny-metric.onnx"}
    places["relative"] = networks["folder"] / "tiny-relative.onnx"
    found = howfar("val", *(word.format(**places) for word in WRONG[name]))
    assert found.code == 2, found.err
    assert len(found.err.strip().splitlines()) == 1
    assert found.err.startswith("howfar: error: ")
    assert found.out == ""


def test_missing_data_fail(howfar, tmp_path):
    found = howfar("val", "depth", "--data", f"rgbd:{tmp_path}/nowhere")
    assert found.code == 1
    assert "no such file or folder" in found.err


# --- the real thing -----------------------------------------------------------------------------

REAL = [pytest.mark.shared, pytest.mark.slow]


@pytest.fixture
def measured(howfar, shared_models):
    """JSON of `howfar val` with the real networks."""

    def call(*words):
        found = howfar("val", *words, "--json")
        assert found.code == 0, found.err
        return json.loads(found.out)

    return call


class TestReal:
    pytestmark = REAL

    @pytest.mark.parametrize(("name", "ap"), [("nanodet-plus-m", 0.371), ("yolox-nano", 0.340)])
    def test_detection(self, measured, shared_data, name, ap):
        data = f"coco:{shared_data}/eval/coco-val127"
        record = measured("detection", "--data", data, "--detector", name, "--runtime", "onnx")
        assert record["scores"]["AP"] == pytest.approx(ap, abs=0.003)
        assert record["counts"]["frames"] == 127

    @pytest.mark.parametrize(
        ("folder", "plain", "aligned"),
        [
            ("indoor-mix", (0.126, 0.450, 0.887), (0.091, 0.391, 0.936)),
            ("hololens-office", (0.268, 0.900, 0.384), (0.179, 0.703, 0.746)),
        ],
    )
    def test_depth(self, measured, shared_data, folder, plain, aligned):
        data = ("depth", "--data", f"rgbd:{shared_data}/eval/{folder}", "--depth", "fastdepth")
        for align, expected in (("none", plain), ("median", aligned)):
            scores = measured(*data, "--align", align, "--runtime", "onnx")["scores"]
            found = [scores[name] for name in ("abs_rel", "rmse", "delta1")]
            assert found == pytest.approx(expected, abs=0.003)

    def test_objects_with_perfect_depth(self, measured, shared_data):
        data = ("objects", "--data", f"kitti-object:{shared_data}/eval/kitti-object")
        record = measured(*data, "--depth", "truth", "--boxes", "truth")
        assert record["counts"]["measured"] == 41  # 42 with five points, one of them is Misc
        assert record["scores"]["median_rel"] < 0.01
        centre = record["tables"]["truth"]["box-center, of a perfect lidar-median"]
        assert 0.03 < centre["abs_rel"] < 0.19


def test_a_folder_that_cannot_be_made_is_told_before_anything_runs(
    howfar, rooms, depth_network, tmp_path
):
    (tmp_path / "file").write_text("in the way")
    asked = ("val", "depth", "--data", f"rgbd:{rooms}", "--depth", depth_network, *COMMON)
    answer = howfar(*asked, "--save-dir", tmp_path / "file" / "x")
    assert answer.code == 1
    assert answer.err.startswith("howfar: error: ")
    assert "cannot be written" in answer.err
    assert answer.out == ""
    shown = howfar("data", "show", f"rgbd:{rooms}", "--save-dir", tmp_path / "file" / "x")
    assert shown.code == 1
    assert "cannot be written" in shown.err


def test_what_is_odd_about_a_copy_is_told(howfar, rooms, depth_network):
    (rooms / "rgb" / "9.png").write_bytes(picture_bytes())
    answer = howfar(
        "val", "depth", "--data", f"rgbd:{rooms}", "--depth", depth_network, *COMMON, "--limit", "1"
    )
    assert "howfar: note: " in answer.err
    assert "9.png" in answer.err
