"""From files to results: whole networks against plain computations, and what `load` refuses."""

import json
import math
import re
import threading
import time
from dataclasses import replace

import cv2
import numpy as np
import pytest
from networks import constant_network, depth_card, detr_network, patch_weights, yolov8_network
from onnx import TensorProto

import howfar
from howfar import loading
from howfar.core.preprocess import Fit, Preprocess
from howfar.errors import CardError, ModelError, UsageError
from howfar.loading import Alternating, available_threads, has_openvino, load_network, sized
from howfar.models.card import ModelCard, embed_card, sidecar_path
from howfar.models.store import local_model

RUNTIMES = [
    "onnx",
    pytest.param("openvino", marks=pytest.mark.skipif(not has_openvino(), reason="needs openvino")),
]
runtimes = pytest.mark.parametrize("runtime", RUNTIMES)


def noise(width, height, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def write_card(path, card):
    sidecar_path(path).write_text(json.dumps(card.to_dict()))


def ultralytics(names, **more):
    """Metadata as an export of ultralytics 8.3 writes it."""
    return {
        "description": "Ultralytics YOLOv8n model trained on own.yaml",
        "author": "Ultralytics",
        "version": "8.3.64",
        "license": "AGPL-3.0 License (https://ultralytics.com/license)",
        "docs": "https://docs.ultralytics.com",
        "stride": "32",
        "task": "detect",
        "batch": "1",
        "imgsz": "[64, 64]",
        "names": str(dict(enumerate(names))),
    } | more


# -- plain computations -----------------------------------------------------------------------


def sigmoid(value):
    return 1 / (1 + math.exp(-value))


def plain_convolution(tensor, kernel, bias, stride):
    """Rows of channels, one for each patch, from left to right and top to bottom."""
    rows = []
    for y in range(tensor.shape[1] // stride):
        for x in range(tensor.shape[2] // stride):
            patch = tensor[:, y * stride : (y + 1) * stride, x * stride : (x + 1) * stride]
            rows.append([float((patch * k).sum() + b) for k, b in zip(kernel, bias, strict=True)])
    return rows


def plain_iou(a, b):
    width = max(min(a[2], b[2]) - max(a[0], b[0]), 0)
    height = max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
    return width * height / both if both else 0


def plain_suppression(found, iou, by_class):
    """Of (score, label, box), best first, those that no better one covers."""
    kept = []
    for item in sorted(found, key=lambda item: -item[0]):
        rivals = [other for other in kept if not by_class or other[1] == item[1]]
        if all(plain_iou(item[2], other[2]) <= iou for other in rivals):
            kept.append(item)
    return kept


def plain_yolov8(pixels, weights, names, conf, iou, side=64):
    """Letterbox, convolutions, best class, back to the picture, suppression; all in float64."""
    height, width = pixels.shape[:2]
    ratio = side / max(width, height)
    new = (round(width * ratio), round(height * ratio))
    left, top = (side - new[0]) // 2, (side - new[1]) // 2
    canvas = np.full((side, side, 3), 114, np.uint8)
    small = pixels if new == (width, height) else cv2.resize(pixels, new)
    canvas[top : top + new[1], left : left + new[0]] = small
    tensor = canvas.transpose(2, 0, 1) / 255
    found = []
    for stride, (kernel, bias) in weights.items():
        for row in plain_convolution(tensor, kernel, bias, stride):
            cx, cy, w, h = (64 * sigmoid(value) for value in row[:4])
            score, label = max((sigmoid(v), n) for v, n in zip(row[4:], names, strict=True))
            if score > conf:
                box = []
                for x, y in ((cx - w / 2, cy - h / 2), (cx + w / 2, cy + h / 2)):
                    box.append(min(max((x - left) * width / new[0], 0), width))
                    box.append(min(max((y - top) * height / new[1], 0), height))
                found.append((score, label, box))
    assert len(found) > 20
    return plain_suppression(plain_suppression(found, iou, True), 0.8, False)


def assert_same_objects(result, expected):
    assert [thing.label for thing in result.objects] == [label for _, label, _ in expected]
    np.testing.assert_allclose(
        [thing.score for thing in result.objects], [score for score, _, _ in expected], atol=1e-4
    )
    boxes = np.array([thing.box for thing in result.objects])
    np.testing.assert_allclose(boxes, [box for _, _, box in expected], atol=0.02)


@runtimes
@pytest.mark.parametrize("names", [("cup", "chair", "dog"), ("cup", "chair")])
@pytest.mark.parametrize("size", [(64, 40), (32, 64), (96, 64)])
def test_an_official_yolov8_export_equals_the_plain_computation(tmp_path, runtime, names, size):
    rng = np.random.default_rng(3)
    weights = {stride: patch_weights(rng, 4 + len(names), stride) for stride in (8, 16, 32)}
    path = yolov8_network(tmp_path / "best.onnx", weights, (64, 64), ultralytics(names))
    ranger = howfar.load(path, None, runtime=runtime, precision="float32", threads=1)
    pixels = noise(*size)
    result = ranger(pixels, conf=0.3, iou=0.45)
    expected = plain_yolov8(pixels, weights, names, 0.3, 0.45)
    assert len({label for _, label, _ in expected}) > 1
    assert_same_objects(result, expected)
    (use,) = result.models
    assert (use.role, use.name, use.precision, use.threads) == ("detector", "best", "float32", 1)
    assert use.sha256 == local_model(path).sha256
    assert use.runtime.startswith("onnxruntime" if runtime == "onnx" else "openvino")


def test_an_export_of_any_size_follows_imgsz(tmp_path):
    names = ("cup", "chair")
    weights = {32: patch_weights(np.random.default_rng(4), 6, 32)}
    path = yolov8_network(tmp_path / "any.onnx", weights, ("h", "w"), ultralytics(names), "n")
    pixels = noise(96, 96)
    for imgsz, side in ((None, 64), (96, 96), (128, 128), ((160, 160), 160)):
        detector = howfar.load(path, None, runtime="onnx", imgsz=imgsz).detector
        outputs, place = detector.forward(howfar.Image(pixels))
        assert (place.input_width, place.input_height) == (side, side)
        assert outputs["output0"].shape == (1, 6, (side // 32) ** 2)
    detector = howfar.load(path, None, runtime="onnx", imgsz=(64, 128)).detector
    assert detector.card.preprocess == Preprocess(128, 64, Fit.LETTERBOX)


def test_imgsz_of_a_fixed_graph(tmp_path):
    weights = {32: patch_weights(np.random.default_rng(4), 6, 32)}
    path = yolov8_network(tmp_path / "net.onnx", weights, (64, 64), ultralytics(("cup", "dog")))
    assert howfar.load(path, None, runtime="onnx", imgsz=64).detector.card.preprocess.width == 64
    with pytest.raises(CardError, match=r"^net: .* width is 64, fixed; .* --imgsz asks for 96"):
        howfar.load(path, None, runtime="onnx", imgsz=96)


def plain_detr(pixels, kernel, bias, names, conf):
    tensor = ((pixels / 255 - (0.4, 0.5, 0.6)) / (0.2, 0.25, 0.5)).transpose(2, 0, 1)
    height, width = pixels.shape[:2]
    found = []
    for row in plain_convolution(tensor, kernel, bias, 16):
        weights = [math.exp(value) for value in row[:-4]]
        score, label = max(zip((w / sum(weights) for w in weights[:-1]), names, strict=True))
        cx, cy, w, h = (sigmoid(value) for value in row[-4:])
        if score > conf and label != "N/A":
            box = [(cx - w / 2) * width, (cy - h / 2) * height]
            box += [(cx + w / 2) * width, (cy + h / 2) * height]
            limits = (width, height, width, height)
            box = [min(max(v, 0), limit) for v, limit in zip(box, limits, strict=True)]
            found.append((score, label, box))
    assert len(found) > 4
    return plain_suppression(found, 0.8, False)


@runtimes
@pytest.mark.parametrize("size", [(64, 48), (48, 96)])
def test_a_detr_layout_equals_the_plain_computation(tmp_path, runtime, size):
    names = ("N/A", "cup", "chair", "N/A", "dog")
    kernel, bias = patch_weights(np.random.default_rng(5), len(names) + 1 + 4, 16)
    path = detr_network(tmp_path / "detr.onnx", kernel, bias)
    preprocess = Preprocess(
        48, 48, Fit.KEEP_ASPECT, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.5), multiple=16
    )
    write_card(path, ModelCard("my-detr", "detr", preprocess, names, activation="softmax"))
    ranger = howfar.load(path, None, runtime=runtime, precision="float32", threads=1)
    pixels = noise(*size)
    result = ranger(pixels, conf=0.15)
    assert_same_objects(result, plain_detr(pixels, kernel, bias, names, 0.15))
    assert result.models[0].name == "my-detr"


# -- detector and depth together --------------------------------------------------------------


CUP = (20, 20, 8, 8, 0.9, 0.1)
NAMES = ("cup", "dog")


def cup_detector(path, dtype=TensorProto.FLOAT, names=NAMES):
    """An export that always finds one cup."""
    kind = np.float16 if dtype == TensorProto.FLOAT16 else np.float32
    raw = np.array(CUP, kind).reshape(1, 6, 1)
    return constant_network(path, {"output0": raw}, dtype=dtype, metadata=ultralytics(names))


def wall_depth(path, metres=2.5, card=None):
    """A network that sees everything at one distance, with its card inside."""
    constant_network(path, {"depth": np.full((1, 1, 32, 32), metres, np.float32)})
    path.write_bytes(embed_card(path.read_bytes(), card or depth_card()))
    return path


@runtimes
@pytest.mark.parametrize("threads", [1, 2])
def test_two_files_give_a_distance(tmp_path, runtime, threads):
    detector, depth = cup_detector(tmp_path / "cups.onnx"), wall_depth(tmp_path / "wall.onnx")
    ranger = howfar.load(detector, depth, runtime=runtime, threads=threads, precision="float32")
    for _ in range(7):  # through all ways of running the two
        result = ranger(noise(32, 32))
        (thing,) = result.objects
        assert (thing.label, tuple(thing.box)) == ("cup", (16, 16, 24, 24))
        assert thing.distance_m == pytest.approx(2.5)
        assert [use.name for use in result.models] == ["cups", "tiny-depth"]
    assert result.depth.values.shape == (32, 32)
    assert [use.threads for use in result.models] == [threads] * 2


def test_threads_decide_how_two_networks_share_them(tmp_path):
    path = cup_detector(tmp_path / "cups.onnx")
    assert isinstance(howfar.load(path, None, runtime="onnx", threads=2).both, Alternating)
    one = howfar.load(path, None, runtime="onnx", threads=1)
    assert not isinstance(one.both, Alternating)
    assert one.both(lambda: 1, lambda: 2) == (1, 2)
    every = howfar.load(path, None, runtime="onnx")
    assert every.detector.runtime.threads == available_threads() >= 1


def test_a_semantic_network(tmp_path):
    logits = np.zeros((1, 2, 4, 4), np.float32)
    logits[:, 1, :, 2:] = 1
    path = constant_network(tmp_path / "rooms.onnx", {"logits": logits})
    write_card(path, ModelCard("rooms", "semantic", Preprocess(32, 32), ("wall", "floor")))
    ranger = howfar.load(cup_detector(tmp_path / "c.onnx"), None, semantic=path, runtime="onnx")
    result = ranger(noise(32, 32))
    assert result.semantics.fractions() == {"wall": 0.5, "floor": 0.5}
    assert [use.role for use in result.models] == ["detector", "semantic"]


# -- cards ------------------------------------------------------------------------------------


@runtimes
def test_the_card_in_the_file_is_read(tmp_path, runtime):
    path = wall_depth(tmp_path / "wall.onnx", card=depth_card(domain="walls"))
    network = load_network(local_model(path), runtime=runtime)
    assert network.card == depth_card(domain="walls")


@runtimes
def test_a_sidecar_wins_over_the_card_in_the_file(tmp_path, runtime):
    path = wall_depth(tmp_path / "wall.onnx")
    write_card(path, depth_card(depth_unit_m=0.001))
    network = load_network(local_model(path), runtime=runtime)
    assert network.card.depth_unit_m == 0.001
    found = network.estimate(howfar.Image(noise(32, 32)))
    np.testing.assert_allclose(found.values, 0.0025, rtol=1e-2)


def test_a_sidecar_wins_over_an_exports_metadata(tmp_path):
    path = cup_detector(tmp_path / "cups.onnx")
    card = ModelCard("mine", "yolov8", Preprocess(32, 32), ("mug", "dog"))
    write_card(path, card)
    assert load_network(local_model(path)).card == card


def test_a_damaged_card_in_the_file_names_the_file(tmp_path):
    path = wall_depth(tmp_path / "wall.onnx")
    content = path.read_bytes()
    assert content.count(b'"depth_kind"') == 1
    path.write_bytes(content.replace(b'"depth_kind"', b'"depth_sort"'))
    with pytest.raises(CardError, match=re.escape(f"{path}: card 'tiny-depth': unknown field")):
        load_network(local_model(path))


@runtimes
def test_a_file_that_says_nothing_wants_a_card(tmp_path, runtime):
    path = constant_network(tmp_path / "plain.onnx", {"depth": np.ones((1, 1, 4, 4), np.float32)})
    with pytest.raises(CardError) as caught:
        load_network(local_model(path), runtime=runtime)
    message = str(caught.value)
    assert message.startswith(f"{path}: nothing says how to feed this network")
    assert "write plain.card.json beside it" in message
    assert "\n" not in message


@runtimes
def test_a_file_that_is_no_network(tmp_path, runtime):
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"garbage " * 50)
    with pytest.raises(ModelError) as caught:
        howfar.load(path, None, runtime=runtime)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("role", ["detector", "depth", "semantic"])
def test_a_network_for_another_task(tmp_path, role):
    depth, cups = wall_depth(tmp_path / "wall.onnx"), cup_detector(tmp_path / "cups.onnx")
    path = cups if role == "depth" else depth
    roles = {"detector": None, "depth": None, role: path}
    task = {"detector": "detection"}.get(role, role)
    with pytest.raises(UsageError, match=f"^{path.stem} is a .* network, not a {task} one$"):
        howfar.load(**roles, runtime="onnx")


# -- precision and runtimes -------------------------------------------------------------------


def test_a_half_precision_export(tmp_path):
    path = cup_detector(tmp_path / "half.onnx", TensorProto.FLOAT16)
    result = howfar.load(path, None, runtime="onnx")(noise(32, 32))
    (thing,) = result.objects
    assert (thing.label, tuple(thing.box)) == ("cup", (16, 16, 24, 24))
    assert thing.score == pytest.approx(0.9, abs=1e-3)
    assert result.models[0].precision == "float16"


@pytest.mark.parametrize("where", ["inside", "beside"])
def test_the_cards_precision_is_reported_of_onnx_runtime(tmp_path, where):
    card = replace(depth_card(), precision="int8")
    path = wall_depth(tmp_path / "wall.onnx", card=card if where == "inside" else None)
    if where == "beside":
        write_card(path, card)
    assert load_network(local_model(path), runtime="onnx").use("depth").precision == "int8"


def test_auto_takes_openvino_where_it_is_installed(tmp_path, monkeypatch):
    path = cup_detector(tmp_path / "cups.onnx")
    expected = "openvino" if has_openvino() else "onnxruntime"
    assert howfar.load(path, None).detector.runtime.name.startswith(expected)
    monkeypatch.setattr(loading, "has_openvino", lambda: False)
    assert howfar.load(path, None).detector.runtime.name.startswith("onnxruntime")
    with pytest.raises(UsageError, match=r"^openvino is not installed; run `pip install 'howfar\["):
        howfar.load(path, None, runtime="openvino")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threads": 0}, "threads is 0; give a whole number"),
        ({"threads": -2}, "threads is -2; give a whole number"),
        ({"runtime": "tensorrt"}, "runtime 'tensorrt' is unknown; use one of auto, onnx, openvino"),
        ({"precision": "int4"}, "precision 'int4' is unknown; use one of auto, float32"),
        ({"join": "series"}, "join 'series' is unknown; use one of parallel, crop, mask"),
        ({"imgsz": 16}, "imgsz is 16; give at least 32 pixels"),
        ({"imgsz": (64, 16)}, r"imgsz is \(64, 16\); give at least 32 pixels"),
        ({"detector": "yolo-99"}, "network 'yolo-99' is unknown"),
    ],
)
def test_values_that_cannot_be(tmp_path, options, message):
    path = cup_detector(tmp_path / "cups.onnx")
    with pytest.raises(UsageError, match=f"^{message}"):
        howfar.load(**({"detector": path, "depth": None} | options))


def test_sizes():
    base = Preprocess(10, 20, Fit.LETTERBOX, channels="BGR")
    assert sized(base, 320) == replace(base, width=320, height=320)
    assert sized(base, (192, 640)) == replace(base, width=640, height=192)


# -- one after the other, or side by side -----------------------------------------------------


def runs(both, first, second, count):
    """On which thread the first job ran, each time: the caller's means one after the other."""
    beside = []

    def job():
        beside.append(threading.current_thread() is not threading.main_thread())
        return first(beside[-1])

    for _ in range(count):
        assert both(job, second) == ("first", "second")
    return beside


def after(seconds, value):
    time.sleep(seconds)
    return value


def test_side_by_side_stays_where_it_is_faster():
    both = Alternating()
    beside = runs(both, lambda _: after(0.05, "first"), lambda: after(0.05, "second"), 8)
    assert beside == [False, False, True, False, True, True, True, True]
    assert both.side_by_side


def test_one_after_the_other_stays_where_it_is_faster():
    both = Alternating()
    beside = runs(both, lambda beside: after(0.1 if beside else 0.01, "first"), lambda: "second", 8)
    assert beside == [False, False, True, False, True, False, False, False]
    assert not both.side_by_side


def test_the_first_picture_does_not_count():
    both = Alternating()
    waits = iter([0, 0])

    def wait(value):
        return after(next(waits, 0.05), value)

    runs(both, lambda _: wait("first"), lambda: wait("second"), 5)
    assert both.side_by_side


@pytest.mark.parametrize("picture", [0, 2])
@pytest.mark.parametrize("failing", ["first", "second"])
def test_errors_come_through_and_the_next_picture_works(picture, failing):
    both = Alternating()

    def job(name, broken):
        if broken and name == failing:
            raise ModelError("it broke")
        return name

    for _ in range(picture):
        both(lambda: job("first", False), lambda: job("second", False))
    with pytest.raises(ModelError, match="it broke"):
        both(lambda: job("first", True), lambda: job("second", True))
    assert both(lambda: job("first", False), lambda: job("second", False)) == ("first", "second")


# -- real networks ----------------------------------------------------------------------------


@pytest.mark.shared
@pytest.mark.parametrize(
    ("detector", "depth", "kind"),
    [("nanodet-plus-m", "fastdepth", "metric"), ("yolox-nano", "pydnet-kitti", "relative")],
)
def test_real_networks_run_by_name(shared_models, detector, depth, kind):
    result = howfar.load(detector, depth, runtime="onnx")(noise(160, 120), conf=0.01)
    assert [use.name for use in result.models] == [detector, depth]
    assert str(result.depth.kind) == kind
    assert result.depth.values.shape == (120, 160)
    assert result.depth.valid.mean() > 0.99
    assert len(result.objects) > 0


@pytest.mark.shared
@pytest.mark.skipif(not has_openvino(), reason="needs openvino")
def test_real_networks_agree_between_runtimes(shared_models):
    image = howfar.Image(noise(160, 120))
    maps = [
        howfar.load(None, "fastdepth", runtime=name, precision="float32").depth.estimate(image)
        for name in ("onnx", "openvino")
    ]
    np.testing.assert_allclose(maps[0].values, maps[1].values, rtol=1e-3, atol=1e-3)


def test_a_ranger_is_told_by_its_networks():
    assert repr(howfar.load(depth=None)) == (
        "Ranger(detector=Network('howfar-s'), depth=None, joint=None, semantic=None, "
        "join=<Join.PARALLEL: 'parallel'>)"
    )
