"""A joint network from file to result: one pass, focal length, calibrated intervals, domain."""

import json

import numpy as np
import pytest
from networks import constant_network
from typer.testing import CliRunner

import howfar
from howfar.cli import app
from howfar.core.preprocess import Preprocess
from howfar.errors import CardError, UsageError
from howfar.models.card import Decoder, ModelCard, sidecar_path
from howfar.runtimes.onnx import OnnxRuntime

SIZE, FOCAL = 64, 50.0
DEPTH_M, LOG_ERROR = 3.0, -2.0
LEVEL = {
    "interval_level": 0.8,
    "interval_scales": (-3.0, -1.0),
    "interval_factors": (1.0, 2.0),
}


def network(path, novelty=0.5, thing="chair", log_error=LOG_ERROR, **card):
    """Finds one `thing` in the middle of every picture, and a wall at `DEPTH_M`."""
    cells = [(x, y, s) for s in (8, 16, 32, 64) for y in range(SIZE // s) for x in range(SIZE // s)]
    rows = np.zeros((1, len(cells), 2 + 32), np.float32)
    row = cells.index((4, 4, 8))
    rows[0, row, 1] = 0.9
    rows[0, row, 2:].reshape(4, 8)[:, 2] = 50.0  # all sides two cells away
    constant_network(
        path,
        {
            "detections": rows,
            "log_depth": np.full((1, 1, 16, 16), np.log(DEPTH_M), np.float32),
            "log_error": np.full((1, 1, 16, 16), log_error, np.float32),
            "novelty": np.full((1, 1), novelty, np.float32),
        },
        shape=(1, 3, SIZE, SIZE),
    )
    made = ModelCard(
        "twofold",
        Decoder.JOINT,
        Preprocess(SIZE, SIZE),
        ("cup", thing),
        depth_kind="metric",
        depth_log=True,
        focal_px=FOCAL,
        **card,
    )
    sidecar_path(path).write_text(json.dumps(made.to_dict()))
    return path


def picture(width=128, height=64):
    return np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)


def load(path, **more):
    return howfar.load(detector=path, depth=path, runtime="onnx", threads=1, **more)


def test_one_pass_gives_boxes_and_metres(tmp_path, monkeypatch):
    runs = []
    run = OnnxRuntime.run
    monkeypatch.setattr(OnnxRuntime, "run", lambda self, feeds: runs.append(1) or run(self, feeds))
    result = load(network(tmp_path / "twofold.onnx"))(picture())
    assert runs == [1]
    assert result.join == "joint"
    assert [use.role for use in result.models] == ["joint"]
    (chair,) = result.objects
    assert chair.label == "chair"
    assert tuple(chair.box) == pytest.approx((32, 16, 96, 48), abs=1e-3)
    assert chair.distance_m == pytest.approx(DEPTH_M, rel=1e-5)
    assert chair.interval_kind == "pixel-spread", "nobody calibrated it"
    assert result.domain is None


def test_the_focal_length_scales_depth(tmp_path):
    """z = canonical * focal of the input / focal of the card."""
    ranger = load(network(tmp_path / "twofold.onnx"))
    for focal_px in (100.0, 200.0):  # of a picture twice as wide as the input
        (chair,) = ranger(picture(), focal_px=focal_px).objects
        assert chair.distance_m == pytest.approx(DEPTH_M * focal_px / 2 / FOCAL, rel=1e-5)


@pytest.mark.parametrize(("novelty", "domain"), [(0.5, "familiar"), (3.0, "unfamiliar")])
def test_calibrated_intervals_widen_where_it_is_strange(novelty, domain, tmp_path):
    result = load(network(tmp_path / "twofold.onnx", novelty, **LEVEL))(picture())
    (chair,) = result.objects
    half = np.exp(LOG_ERROR) * 1.5 * max(novelty, 1)  # 1.5: between the factors at -3 and -1
    wanted = (DEPTH_M * np.exp(-half), DEPTH_M * np.exp(half))
    assert chair.interval_m == pytest.approx(wanted, rel=1e-4)
    assert (chair.interval_kind, chair.interval_level) == ("calibrated", 0.8)
    assert result.domain == domain
    record = result.to_dict()
    assert record["domain"] == domain
    assert record["objects"][0]["interval_level"] == 0.8


CAR_M = 1.52 * 100 / 32
"""Where a car of usual height fills 32 rows of a picture with a focal length of 100 pixels."""


def test_the_size_of_a_whole_car_has_a_say(tmp_path):
    ranger = load(network(tmp_path / "twofold.onnx", thing="car", **LEVEL))
    result = ranger(picture(), focal_px=100)
    (car,) = result.objects
    assert DEPTH_M < car.distance_m < CAR_M
    assert car.scale_source == "network+object-size"
    assert any("usual size" in note for note in result.notes)
    assert (car.interval_kind, car.interval_level) == ("calibrated", 0.8)
    low, high = car.interval_m
    assert low * high == pytest.approx(car.distance_m**2, rel=1e-4)
    assert car.xyz_m[2] == car.distance_m
    assert car.range_m >= car.distance_m


@pytest.mark.parametrize(
    ("card", "asked"),
    [
        (LEVEL, {}),
        (LEVEL, {"focal_px": 100, "stat": "median"}),
        ({}, {"focal_px": 100}),
    ],
    ids=["no focal length", "another statistic", "no error of its own"],
)
def test_else_the_network_has_the_say_alone(card, asked, tmp_path):
    unsure = network(tmp_path / "twofold.onnx", thing="car", log_error=-0.5, **card)
    result = load(unsure)(picture(), **asked)
    (car,) = result.objects
    assert car.distance_m == pytest.approx(DEPTH_M, rel=1e-5)
    assert car.scale_source == "network"
    assert not any("usual size" in note for note in result.notes)


def test_with_a_scale_sizes_have_no_say(tmp_path):
    ranger = load(network(tmp_path / "twofold.onnx", thing="car", **LEVEL))
    (car,) = ranger(picture(), focal_px=100, scale="2.0").objects
    assert car.distance_m == pytest.approx(2 * DEPTH_M, rel=1e-5)
    assert (car.scale_source, car.interval_kind) == ("given", "pixel-spread")


@pytest.mark.parametrize(
    ("novelty", "calibrated", "said"),
    [
        (0.5, True, None),
        (3.0, True, "this picture is unlike those: they are unreliable"),
        (3.0, False, "on other pictures they are unreliable"),
    ],
)
def test_a_picture_of_the_usual_kind_needs_no_note(novelty, calibrated, said, tmp_path):
    """A network that can tell says so only of the others; one that cannot says it always."""
    options = (LEVEL if calibrated else {}) | {"domain": "gardens"}
    result = load(network(tmp_path / "twofold.onnx", novelty, **options))(picture())
    notes = [note for note in result.notes if "made for gardens" in note]
    assert len(notes) == (said is not None)
    assert said is None or said in notes[0]


def test_another_scale_ends_the_calibration(tmp_path):
    ranger = load(network(tmp_path / "twofold.onnx", **LEVEL))
    result = ranger(picture(), scale="2.0")
    (chair,) = result.objects
    assert chair.distance_m == pytest.approx(2 * DEPTH_M, rel=1e-5)
    assert chair.interval_kind == "pixel-spread"
    assert result.domain is None


def test_it_serves_as_detector_or_as_depth_network_alone(tmp_path):
    path = network(tmp_path / "twofold.onnx")
    found = howfar.load(detector=path, depth=None, runtime="onnx")(picture())
    assert found.depth is None
    assert found.objects[0].label == "chair"
    ranged = howfar.load(detector=None, depth=path, runtime="onnx")(
        picture(), boxes=[[0, 0, 30, 30]]
    )
    assert ranged.objects[0].distance_m == pytest.approx(DEPTH_M, rel=1e-5)
    with pytest.raises(UsageError, match="joint network, not a semantic"):
        howfar.load(detector=None, depth=None, semantic=path)
    crops = load(path, join="crop")(picture())
    assert crops.join == "crop"
    assert crops.objects[0].distance_m == pytest.approx(DEPTH_M, rel=1e-5)


def test_an_output_that_is_missing_is_named(tmp_path):
    path = network(tmp_path / "twofold.onnx")
    record = json.loads(sidecar_path(path).read_text())
    sidecar_path(path).write_text(json.dumps(record | {"outputs": {"depth": "metres"}}))
    with pytest.raises(CardError, match="no output 'metres'"):
        load(path)(picture())


def test_model_names_it_on_the_command_line(tmp_path):
    import cv2

    path, room = network(tmp_path / "twofold.onnx"), tmp_path / "room.png"
    cv2.imwrite(str(room), picture())
    runner = CliRunner()
    words = ["predict", str(room), "--model", str(path), "--runtime", "onnx", "--json"]
    found = json.loads(runner.invoke(app, words, catch_exceptions=False).stdout)
    assert found["join"] == "joint"
    with pytest.raises(UsageError, match="either --model or --depth"):
        runner.invoke(app, [*words, "--depth", "fastdepth"], catch_exceptions=False)


def test_it_is_timed_as_a_whole(tmp_path):
    from howfar.benchmark import measure
    from howfar.core.image import Image
    from howfar.loading import load_network
    from howfar.models.store import find_model

    found = load_network(find_model(network(tmp_path / "twofold.onnx")))
    (timing,) = measure({"both": found}, Image(picture()), rounds=2)
    assert timing.network == "twofold"
    assert (timing.network_ms > 0).all()
