import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from howfar.cli import app
from howfar.distill.job import DistillJob, parse_pictures
from howfar.distill.named import found_models
from howfar.distill.restart import restart
from howfar.distill.run import distill, sources, teaches
from howfar.distill.survey import Finding, Kind
from howfar.distill.teachers import Teacher
from howfar.errors import UsageError
from howfar.models.card import Task
from howfar.models.store import find_model
from howfar.nets.blocks import DepthwiseConv2d
from howfar.nets.checkpoint import load_checkpoint
from howfar.nets.joint import joint


@pytest.fixture
def photos(shared_data, tmp_path):
    """A folder of twelve small photographs."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for path in sorted((shared_data / "train" / "coco-train128" / "images").glob("*"))[:12]:
        cv2.imwrite(str(folder / f"{path.stem}.png"), cv2.resize(cv2.imread(str(path)), (160, 120)))
    return folder


@pytest.mark.shared
@pytest.mark.slow
def test_a_student_learns_from_three_teachers(photos, shared_models, tmp_path, monkeypatch):
    """The verb as a user types it, on photographs and rendered rooms; then what it made runs."""
    from typer.testing import CliRunner

    monkeypatch.setenv("HOWFAR_MODELS", str(shared_models))
    command = [
        *("distill", "--data", f"pictures:{photos}@0.7", "--cpu", "--imgsz", "96", "--views", "32"),
        *("--data", "synthetic:indoor?count=3&size=96x72@0.3", "--out", str(tmp_path / "run")),
        *("--start", str(shared_models / "nanodet_plus_m_416.onnx"), "--set", "warmup_batches=2"),
        *("--val", "rooms=synthetic:indoor?count=2&seed=9&size=96x72", "--set", "batch=8"),
        *("--start-depth", "fastdepth", "--focal-exponent", "0.5"),
        *("--labels", "--calibrate", "rooms=synthetic:indoor?count=4&seed=5&size=96x72"),
    ]
    runner = CliRunner()
    result = runner.invoke(app, [*command, "--epochs", "1"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    best = tmp_path / "run" / "best.pt"
    assert str(best) in result.output.replace("\n", "")
    losses = np.genfromtxt(tmp_path / "run" / "steps.csv", delimiter=",", names=True)["loss"]
    assert np.isfinite(losses).all()
    picture = next(iter(photos.iterdir()))
    found = runner.invoke(
        app,
        ["predict", str(picture), "--detector", str(best), "--depth", str(best), "--json"],
        catch_exceptions=False,
    )
    record = json.loads(found.stdout)
    assert record["join"] == "joint"
    assert record["depth"]["kind"] == "metric"
    assert record["domain"] in ("familiar", "unfamiliar")
    card = load_checkpoint(best).card
    assert card.interval_level == 0.8
    assert card.focal_exponent == 0.5
    assert sum(record["semantics"].values()) == pytest.approx(1)


@pytest.mark.shared
@pytest.mark.slow
def test_a_student_goes_on_from_the_network_of_the_package(
    shared_data, shared_models, tmp_path, monkeypatch
):
    """By its name alone; slowly, wide kernels stay as they are, and it still finds the same."""
    from typer.testing import CliRunner

    monkeypatch.setenv("HOWFAR_MODELS", str(shared_models))
    photos = tmp_path / "photos"
    photos.mkdir()
    for path in sorted((shared_data / "train" / "coco-train128" / "images").glob("*"))[:4]:
        cv2.imwrite(str(photos / f"{path.stem}.png"), cv2.imread(str(path)))
    words = [
        *("distill", "--data", f"pictures:{photos}@1", "--cpu", "--views", "16", "--epochs", "2"),
        *("--start", "howfar-s", "--freeze-wide", "--set", "batch=8", "--out", str(tmp_path / "a")),
    ]
    runner = CliRunner()
    result = runner.invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found = load_checkpoint(tmp_path / "a" / "best.pt")
    assert (found.card.preprocess.width, found.card.focal_exponent) == (288, 0.5)
    assert found.recipe["slow"] == ["encoder.", "pyramid.", "head.", "depth."]
    before, after = joint("s", norm=False), found.module()
    restart(before, find_model("howfar-s").path, None)
    for name, layer in before.named_modules():
        if isinstance(layer, DepthwiseConv2d):
            same = torch.equal(layer.weight, after.get_submodule(name).weight)
            assert same == (layer.kernel_size[0] == 5), name
    again = [word for word in words if word != "--freeze-wide"]
    with pytest.raises(UsageError, match=r"last\.pt: other layers learned before"):
        runner.invoke(app, [*again, "--resume"], catch_exceptions=False)


@pytest.mark.shared
@pytest.mark.slow
def test_any_detectors_and_depth_networks_teach_together(
    photos, shared_models, tmp_path, monkeypatch
):
    """Several of each kind, among them ones that pad, a file of weights and the network of the
    package; whose licence asks for more is told."""
    from typer.testing import CliRunner

    monkeypatch.setenv("HOWFAR_MODELS", str(shared_models))
    words = [
        *("distill", "--data", f"pictures:{photos}@1", "--cpu", "--imgsz", "96", "--views", "16"),
        *("--epochs", "1", "--set", "batch=8", "--size", "n", "--out", str(tmp_path / "run")),
        *("--detector", str(shared_models / "yolov5n.pt"), "--detector", "yolox-nano"),
        *("--detector", "nanodet-plus-m", "--depth", "fastdepth", "--depth", "howfar-s"),
        *("--relative", "pydnet-kitti", "--relative", "howfar-s"),
    ]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert result.stderr.count("has the licence") == 1
    assert "yolov5n" in result.stderr
    steps = np.genfromtxt(tmp_path / "run" / "steps.csv", delimiter=",", names=True)
    assert np.isfinite(steps["loss"]).all()
    card = load_checkpoint(tmp_path / "run" / "best.pt").card
    for name in (
        "yolox-nano (Apache-2.0)",
        "fastdepth (MIT)",
        "howfar-s (Apache-2.0)",
        "yolov5n (",
    ):
        assert name in card.origin
    (file,) = (tmp_path / "run").glob("survey-*.json")
    record = json.loads(file.read_text())
    assert len(record["asked"]["depths"]) == 2
    assert all(len(row["trust"]) == 2 for row in record["rows"])


@pytest.mark.shared
@pytest.mark.parametrize("name", ["fastdepth", "pydnet-kitti"])
def test_teachers_say_the_same_in_bfloat16(name, shared_models, monkeypatch):
    monkeypatch.setenv("HOWFAR_MODELS", str(shared_models))
    views = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    answers = []
    for fast in (True, False):
        monkeypatch.setattr("howfar.distill.teachers.uses_bf16", lambda *_, fast=fast: fast)
        answers.append(Teacher(find_model(name), Task.DEPTH)(views))
    gap = (answers[0] - answers[1]).abs().mean() / answers[1].abs().mean()
    assert 0 < gap < 0.02


def job_of(tmp_path, **teachers):
    return DistillJob(
        [parse_pictures("synthetic:indoor?count=2&size=96x72@1")], tmp_path, **teachers
    )


def test_somebody_has_to_teach(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((48, 64, 3), np.uint8))
    job = DistillJob(
        [parse_pictures(f"pictures:{tmp_path}@1")],
        tmp_path / "run",
        detectors=("howfar-s",),
        depths=(),
        relatives=(),
        freeze=True,
    )
    with pytest.raises(UsageError, match="nobody teaches depth; add --depth or --relative"):
        sources(job, found_models(job), None)


def test_rooms_that_nobody_can_tell_anything_of_are_left_out():
    room = Finding(Kind.INDOOR, (), (), (), ())
    assert teaches(room, None)
    assert not teaches(room, None, boxes=False)
    trusted, doubted = (replace(room, trust=(0.1, best)) for best in (0.5, 0.15))
    assert teaches(trusted, None, boxes=False)
    assert not teaches(doubted, None)
    assert teaches(replace(room, kind=Kind.ROAD), None, boxes=False)


def test_a_folder_with_a_run_is_told_before_anybody_is_asked(tmp_path, monkeypatch):
    (tmp_path / "last.pt").touch()
    monkeypatch.setattr("howfar.distill.run.check", lambda *_: None)
    monkeypatch.setattr("howfar.distill.run.with_rates", lambda _, recipe: recipe)
    monkeypatch.setattr("howfar.distill.run.exponent_of", lambda _: 1.0)
    with pytest.raises(UsageError, match="holds a run already; go on with --resume"):
        distill(job_of(tmp_path))
