import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from howfar.cli import app
from howfar.data.address import open_dataset
from howfar.distill.depth_teacher import depth_teacher
from howfar.distill.lesson import Answers, Lesson
from howfar.distill.mixture import Mixture, Source
from howfar.distill.remember import FILE, Remembered
from howfar.distill.run import RECIPE
from howfar.distill.survey import Finding, Kind
from howfar.distill.teachers import Teacher
from howfar.errors import ModelError, OutputError, UsageError
from howfar.models.card import Task
from howfar.models.store import find_model
from howfar.nets.checkpoint import load_checkpoint
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
    findings = [Finding(kind, boxes, (0,), (0.9,), (0.5,)) for kind in kinds]
    pictures = Source(open_dataset(f"pictures:{photos}"), 0.7, findings)
    rooms = Source(open_dataset("synthetic:indoor?count=3&size=96x72"), 0.3)
    recipe = overridden(RECIPE, [f"preprocess.width={SIZE}", f"preprocess.height={SIZE}"])
    metric, relative = (
        Teacher(find_model(name), Task.DEPTH) for name in ("fastdepth", "pydnet-kitti")
    )
    return Lesson(recipe, Mixture([pictures, rooms], 10), (), [metric], [relative])


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
def test_several_teachers_are_remembered(lesson, tmp_path):
    """Two of roads, the one of which is metric, and two of rooms, trusted differently."""
    more = depth_teacher(find_model("howfar-s"))
    photos, rooms = lesson.data.sources
    findings = [replace(row, trust=(0.5, 0.3)) for row in photos.findings]
    several = replace(
        lesson,
        data=Mixture([replace(photos, findings=findings), rooms], 10),
        depths=[*lesson.depths, more],
        relatives=[*lesson.relatives, more],
    )
    net = student()
    kept = Remembered(several, net, tmp_path)
    rows = [kept.example(i, nothing, NOBODY) for i in range(10)]
    batch = kept.stack([str(i) for i in range(10)], rows)
    views = [
        several.example(i, lambda i: several.scene(several.data[i]), np.random.default_rng(i))
        for i in range(10)
    ]
    seen = several.stack([str(i) for i in range(10)], views)
    assert seen.trust[0].tolist() == pytest.approx([0.5, 0.3])
    wanted = several.ask(seen)
    assert len(batch.answers.relative) == len(wanted.relative) == 2
    for ours, theirs in zip(batch.answers.relative, wanted.relative, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-2)
    torch.testing.assert_close(batch.answers.metric, wanted.metric, atol=1e-2, rtol=0)
    with torch.no_grad():
        theirs = several.loss(net, net(seen.images), seen).item()
        assert kept.loss(net, net(batch.images), batch).item() == pytest.approx(theirs, rel=0.01)
    with pytest.raises(UsageError, match=rf"{FILE}.*teachers.*another folder"):
        Remembered(replace(several, relatives=lesson.relatives), net, tmp_path)


@pytest.mark.shared
def test_lessons_teach_by_their_own_law(lesson):
    """Truth of a magnified view, and what the teacher says of a part, by half of the logarithm."""
    half = replace(lesson, exponent=0.5)
    assert half.card.focal_exponent == 0.5

    def views(of):
        return [
            of.example(i, lambda i: of.scene(of.data[i]), np.random.default_rng(i))
            for i in range(10)
        ]

    plain, law = (of.stack([str(i) for i in range(10)], views(of)) for of in (lesson, half))
    moved = (law.log_depth - plain.log_depth)[plain.valid]
    assert moved.abs().max() > 0.02
    whole, part = lesson.ask(plain).metric, half.ask(law).metric
    zoom = (plain.parts[:, 2] - plain.parts[:, 0]).log()
    torch.testing.assert_close((part - whole).mean((1, 2, 3)), -0.5 * zoom, atol=1e-4, rtol=0)


@pytest.mark.shared
def test_whole_pictures_belong_to_their_views(lesson):
    """Asked about everywhere, the metric teacher says of rooms what it said of rooms alone."""

    def answers(of):
        views = [
            of.example(i, lambda i: of.scene(of.data[i]), np.random.default_rng(i))
            for i in range(10)
        ]
        batch = of.stack([str(i) for i in range(10)], views)
        return views, batch, of.ask(batch).metric

    _, few, some = answers(lesson)
    views, batch, every = answers(replace(lesson, everywhere=True))
    assert batch.asked.tolist() == [view.kind is not None for view in views]
    assert 0 < few.asked.sum() < batch.asked.sum() == len(batch.wholes) == len(batch.parts)
    torch.testing.assert_close(batch.metric, few.metric)
    rooms = few.asked[batch.asked]
    torch.testing.assert_close(every[rooms], some, atol=1e-3, rtol=0)


@pytest.mark.shared
def test_views_by_another_law_are_refused(lesson, tmp_path):
    Remembered(lesson, student(), tmp_path)
    with pytest.raises(UsageError, match=rf"{FILE}.*focal exponent.*another folder"):
        Remembered(replace(lesson, exponent=0.5), student(), tmp_path)


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


def command(models, folder, *more):
    """A short run whose frozen layers are NanoDet-Plus's and FastDepth's."""
    photos = models.parent / "data" / "train" / "coco-train128" / "images"
    return [
        *("distill", "--data", "synthetic:indoor?count=4&size=96x72@0.5", "--cpu", "--imgsz", "96"),
        *("--data", f"pictures:{photos}@0.5@indoor", "--views", "16", "--set", "batch=8"),
        *("--set", "warmup_batches=1", "--set", "ema=0.9", "--out", str(folder)),
        *("--start", str(models / "nanodet_plus_m_416.onnx"), "--start-depth", "fastdepth"),
        *("--freeze-detector", "--freeze-grafted", "--remember", *more),
    ]


@pytest.mark.shared
@pytest.mark.slow
def test_a_run_that_was_stopped_goes_on_with_its_views(shared_models, tmp_path, monkeypatch):
    """Of the frozen layers that it had, without looking at anything again."""
    from typer.testing import CliRunner

    monkeypatch.setenv("HOWFAR_MODELS", str(shared_models))
    monkeypatch.setattr("howfar.distill.run.GRAFTED", 6)
    runner, folder = CliRunner(), tmp_path / "run"
    words = command(shared_models, folder, "--epochs", "3")
    runner.invoke(app, [*words, "--max-minutes", "0.0001"], catch_exceptions=False)
    assert json.loads((folder / "views.json").read_text())["views"] == 16
    before = load_checkpoint(folder / "last.pt")
    monkeypatch.setattr(Remembered, "_make", None)
    again = runner.invoke(app, [*words, "--resume"], catch_exceptions=False)
    assert again.exit_code == 0, again.output
    after = load_checkpoint(folder / "last.pt")
    assert after.training["state"]["epoch"] == 3
    for name, value in before.weights.items():
        frozen = not name.startswith("depth.") or ".rooms." in name
        if frozen:
            torch.testing.assert_close(after.weights[name], value, rtol=0, atol=0)
    steps = np.genfromtxt(folder / "steps.csv", delimiter=",", names=True)
    assert np.isfinite(steps["loss"]).all()


@pytest.mark.shared
def test_views_without_their_key_are_refused(lesson, tmp_path):
    Remembered(lesson, student(), tmp_path)
    (tmp_path / "views.json").unlink()
    with pytest.raises(UsageError, match=r"views.json.*missing; delete the file"):
        Remembered(lesson, student(), tmp_path)


@pytest.mark.shared
@pytest.mark.parametrize("size", ["n", "s"])
def test_a_missing_teacher_teaches_the_same(lesson, tmp_path, size):
    net, alone = student(size).train(), replace(lesson, depths=(), relatives=())
    kept = Remembered(alone, net, tmp_path)
    rows = [kept.example(i, nothing, NOBODY) for i in range(10)]
    batch = kept.stack([str(i) for i in range(10)], rows)
    assert batch.metric.sum() == batch.relative.sum() == 0
    assert batch.answers == Answers()
    views = [
        alone.example(i, lambda i: alone.scene(alone.data[i]), np.random.default_rng(i))
        for i in range(10)
    ]
    seen = alone.stack([str(i) for i in range(10)], views)
    assert seen.metric.sum() == seen.relative.sum() == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--remember", "add --freeze-detector, add --freeze-grafted"),
        ("--remember --size n", "must not change: add --freeze-detector$"),
        ("--freeze-detector", "the detector has random weights; add --start"),
        ("--freeze-grafted", "nothing was grafted"),
        ("--freeze-grafted --size n", "size n have nothing of FastDepth's"),
        ("--start nope.onnx", "nope.onnx: no such file"),
        ("--freeze-wide", "layers with random weights would stay so; add --start"),
        ("--start howfar-s --start-depth fastdepth", "has its depth branch; leave it out"),
        ("--start howfar-s --size n", "howfar-s.onnx: .*give the --size that was exported"),
        (
            "--remember --freeze-grafted --start-depth fastdepth --labels --set multi_scale=0.5",
            "add --freeze-detector, leave out --labels, leave out --set multi_scale",
        ),
    ],
)
def test_options_that_contradict_are_told_before_anything_is_fetched(
    words, said, tmp_path, monkeypatch
):
    from typer.testing import CliRunner

    monkeypatch.setenv("HOWFAR_MODELS", "")
    monkeypatch.setenv("HOWFAR_OFFLINE", "1")
    start = ["distill", "--data", "synthetic:indoor?count=2&size=96x72@1", "--imgsz", "96"]
    with pytest.raises((UsageError, ModelError), match=said):
        CliRunner().invoke(
            app, [*start, *words.split(), "--out", str(tmp_path)], catch_exceptions=False
        )
    assert not list(tmp_path.iterdir())
