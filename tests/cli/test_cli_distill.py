"""What is typed after `howfar distill`, as the job that it asks for."""

import pytest
from typer.testing import CliRunner

from howfar.cli import app
from howfar.distill.job import DistillJob
from howfar.errors import UsageError
from howfar.train.loop import State

DATA = "synthetic:indoor?count=2&size=96x72@1"


@pytest.fixture
def jobs(monkeypatch):
    """Jobs that were asked for; nothing runs."""
    found = []

    def run(job, *_):
        found.append(job)
        return State()

    monkeypatch.setattr("howfar.distill.run.distill", run)
    return found


def typed(tmp_path, *words):
    command = ["distill", "--data", DATA, "--out", str(tmp_path / "run"), *words]
    return CliRunner().invoke(app, command, catch_exceptions=False)


def test_teachers_unless_told(jobs, tmp_path):
    assert typed(tmp_path).exit_code == 0
    (job,) = jobs
    assert job.detectors == DistillJob.detectors
    assert job.depths == DistillJob.depths
    assert job.relatives == DistillJob.relatives
    text = CliRunner().invoke(app, ["distill", "--help"], env={"COLUMNS": "200"}).stdout
    for name in (*job.detectors, *job.depths, *job.relatives):
        assert name in text


def test_several_teachers_and_nobody(jobs, tmp_path):
    words = ["--detector", "yolox-nano", "--detector", "a.onnx", "--depth", "none"]
    assert typed(tmp_path, *words, "--relative", "midas-small").exit_code == 0
    (job,) = jobs
    assert job.detectors == ("yolox-nano", "a.onnx")
    assert job.depths == ()
    assert job.relatives == ("midas-small",)


def test_nobody_beside_others_is_an_error(jobs, tmp_path):
    with pytest.raises(UsageError, match="relative: none, pydnet-kitti; give none alone"):
        typed(tmp_path, "--relative", "none", "--relative", "pydnet-kitti")
    assert not jobs


def test_somebody_has_to_find_things(tmp_path):
    with pytest.raises(UsageError, match="detector: somebody has to find what tells rooms"):
        typed(tmp_path, "--detector", "none")


@pytest.mark.shared
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--detector fastdepth", "fastdepth is a depth network, not a detection one"),
        ("--depth nanodet-plus-m", "nanodet-plus-m is a detection network, not a depth one"),
        ("--depth pydnet-kitti", "pydnet-kitti: gives no metres; give it as --relative"),
    ],
)
def test_who_cannot_teach_it_is_told_before_anything_is_surveyed(
    words, said, tmp_path, shared_models
):
    with pytest.raises(UsageError, match=said):
        typed(tmp_path, *words.split(), "--imgsz", "96")
    assert not (tmp_path / "run").exists()
