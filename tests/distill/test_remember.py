import json

import cv2
import numpy as np
import pytest
import torch

from howfar.cli import app
from howfar.data.address import open_dataset
from howfar.distill.lesson import Lesson
from howfar.distill.mixture import Mixture, Source
from howfar.distill.remember import FILE, Remembered
from howfar.distill.run import RECIPE
from howfar.distill.survey import Finding, Kind
from howfar.distill.teachers import Teacher
from howfar.errors import OutputError, UsageError
from howfar.models.card import Task
from howfar.models.store import find_model
from howfar.nets.joint import joint
from howfar.train.recipe import overridden

SIZE = 96
NOBODY = np.random.default_rng()


def nothing(_index):
    return None


@pytest.fixture
def lesson(shared_models, shared_data, tmp_path, monkeypatch):
    """Photographs that two teachers know about, and rendered rooms with truth."""
    monkeypatch.setenv("HOWFAR_MODELS", str(shared_models))
    photos = tmp_path / "photos"
    photos.mkdir()
    for path in sorted((shared_data / "train" / "coco-train128" / "images").glob("*"))[:6]:
        cv2.imwrite(str(photos / f"{path.stem}.png"), cv2.resize(cv2.imread(str(path)), (160, 120)))
    boxes = ((0.3, 0.2, 0.5, 0.9),)
    kinds = (Kind.INDOOR, Kind.ROAD, Kind.OTHER) * 2
    findings = [Finding(kind, boxes, (0,), (0.9,), 0.5) for kind in kinds]
    pictures = Source(open_dataset(f"pictures:{photos}"), 0.7, findings)
    rooms = Source(open_dataset("synthetic:indoor?count=3&size=96x72"), 0.3)
    recipe = overridden(RECIPE, [f"preprocess.width={SIZE}", f"preprocess.height={SIZE}"])
    metric, relative = (
        Teacher(find_model(name), Task.DEPTH) for name in ("fastdepth", "pydnet-kitti")
    )
    return Lesson(recipe, Mixture([pictures, rooms], 10), None, metric, relative)


def student(size="n"):
    torch.manual_seed(0)
    return joint(size).eval().requires_grad_(False)


@pytest.mark.shared
@pytest.mark.parametrize("size", ["n", "s"])
def test_what_is_remembered_teaches_the_same(lesson, tmp_path, size):
    """Loss of the views themselves, each asked about as it comes, and of what is kept of them."""
    net = student(size)
    kept = Remembered(lesson, net, tmp_path)
    rows = [kept.example(i, nothing, NOBODY) for i in range(10)]
    batch = kept.stack([str(i) for i in range(10)], rows)
    views = [
        lesson.example(i, lambda i: lesson.scene(lesson.data[i]), np.random.default_rng(i))
        for i in range(10)
    ]
    seen = lesson.stack([str(i) for i in range(10)], views)
    assert (seen.metric > 0).any()
    assert (seen.relative > 0).any()
    assert len(seen.priors)
    torch.testing.assert_close(batch.metric, seen.metric)
    torch.testing.assert_close(batch.priors, seen.priors)
    with torch.no_grad():
        theirs, ours = net(seen.images), net(batch.images)
        assert "detections" not in ours
        for name in ours:
            torch.testing.assert_close(ours[name], theirs[name], atol=0.01, rtol=0.01)
        wanted = lesson.loss(net, theirs, seen)
        assert kept.loss(net, ours, batch).item() == pytest.approx(wanted.item(), rel=0.01)


@pytest.mark.shared
def test_views_are_looked_at_once(lesson, tmp_path, monkeypatch):
    told = []
    Remembered(lesson, student(), tmp_path, lambda done, count: told.append((done, count)))
    assert told[-1] == (10, 10)
    monkeypatch.setattr(Lesson, "ask", None)
    told.clear()
    again = Remembered(lesson, student(), tmp_path, lambda done, count: told.append((done, count)))
    assert not told
    assert len(again.example(0, nothing, NOBODY)["priors"]) == 16


@pytest.mark.shared
def test_views_of_other_layers_are_refused(lesson, tmp_path):
    Remembered(lesson, student(), tmp_path)
    other = student()
    other.encoder.requires_grad_(True)
    with torch.no_grad():
        next(other.encoder.parameters()).add_(1)
    with pytest.raises(UsageError, match=rf"{FILE}.*frozen layers.*another folder"):
        Remembered(lesson, other, tmp_path)


@pytest.mark.shared
def test_a_full_disk_is_told_before_anything_is_written(lesson, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "howfar.distill.remember.shutil.disk_usage", lambda _: type("Usage", (), {"free": 10})
    )
    with pytest.raises(OutputError, match=r"need .* GB.*--views"):
        Remembered(lesson, student(), tmp_path)
    assert not (tmp_path / FILE).exists()


@pytest.mark.shared
@pytest.mark.slow
def test_the_verb_goes_on_with_the_views(shared_models, tmp_path, monkeypatch):
    """Four steps; then more, without looking at anything again."""
    from typer.testing import CliRunner

    monkeypatch.setenv("HOWFAR_MODELS", str(shared_models))
    command = [
        *("distill", "--data", "synthetic:indoor?count=6&size=96x72@1", "--cpu", "--imgsz", "96"),
        *("--views", "16", "--set", "batch=8", "--set", "warmup_batches=1", "--size", "n"),
        *("--freeze-detector", "--remember", "--out", str(tmp_path / "run")),
    ]
    runner = CliRunner()
    first = runner.invoke(app, [*command, "--epochs", "2"], catch_exceptions=False)
    assert first.exit_code == 0, first.output
    assert json.loads((tmp_path / "run" / "views.json").read_text())["views"] == 16
    steps = np.genfromtxt(tmp_path / "run" / "steps.csv", delimiter=",", names=True)
    assert np.isfinite(steps["loss"]).all()
    (tmp_path / "run" / "last.pt").unlink()
    monkeypatch.setattr("howfar.distill.remember.Remembered._make", None)
    again = runner.invoke(app, [*command, "--epochs", "3"], catch_exceptions=False)
    assert again.exit_code == 0, again.output


@pytest.mark.shared
@pytest.mark.parametrize(
    ("flag", "said"),
    [("--freeze-detector", "must not learn"), ("--freeze-grafted", "nothing was grafted")],
)
def test_what_learns_cannot_be_remembered(flag, said, shared_models, tmp_path, monkeypatch):
    from typer.testing import CliRunner

    monkeypatch.setenv("HOWFAR_MODELS", str(shared_models))
    command = [
        *("distill", "--data", "synthetic:indoor?count=2&size=96x72@1", "--cpu", "--imgsz", "96"),
        *("--remember", flag, "--out", str(tmp_path / "run")),
    ]
    with pytest.raises(UsageError, match=said):
        CliRunner().invoke(app, command, catch_exceptions=False)
    assert not (tmp_path / "run" / FILE).exists()
