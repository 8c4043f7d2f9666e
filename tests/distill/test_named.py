"""The networks that a job names, and whether they can teach."""

import numpy as np
import pytest
from networks import constant_network

from howfar.core.preprocess import Preprocess
from howfar.distill.job import DistillJob, parse_pictures
from howfar.distill.named import found_models, starts_of, teachers_of
from howfar.errors import ModelError, UsageError
from howfar.models.card import Decoder, ModelCard
from howfar.models.store import LocalModel, find_model


def job_of(tmp_path, **teachers):
    return DistillJob(
        [parse_pictures("synthetic:indoor?count=2&size=96x72@1")], tmp_path, **teachers
    )


@pytest.mark.parametrize(
    ("teachers", "said"),
    [
        ({"detectors": ("howfar-s", "howfar-s")}, "detector: howfar-s is named twice"),
        ({"detectors": ("howfar-s", "nobody")}, "detector: .*'nobody' is unknown"),
        ({"detectors": ("howfar-s",), "depths": ("nobody",)}, "depth: .*'nobody' is unknown"),
    ],
)
def test_errors_name_the_option(teachers, said, tmp_path):
    with pytest.raises((UsageError, ModelError), match=said):
        found_models(job_of(tmp_path, **{"depths": (), "relatives": ()} | teachers))


def test_the_first_detector_has_to_know_what_rooms_hold(tmp_path):
    """Else no picture would count as a room, and nobody would be told."""
    path = constant_network(tmp_path / "n.onnx", {"out": np.zeros((1, 1, 6), np.float32)})
    card = ModelCard("drivers", Decoder.END_TO_END, Preprocess(32, 32), ("person", "car"))
    models = {"drivers": LocalModel(path, "sha", card, "drivers")}
    models["howfar-s"] = find_model("howfar-s")
    job = job_of(tmp_path, detectors=("drivers",), depths=("howfar-s",), relatives=())
    with pytest.raises(UsageError, match=r"finds nothing by which rooms .* or give --depth none"):
        teachers_of(job, models)
    roads = job_of(tmp_path, detectors=("drivers",), depths=(), relatives=("howfar-s",))
    assert [card.name for card in teachers_of(roads, models)] == ["drivers", "howfar-s"]


@pytest.mark.shared
def test_the_card_tells_whose_weights_it_has(shared_models, tmp_path, monkeypatch):
    monkeypatch.setenv("HOWFAR_MODELS", str(shared_models))
    start = shared_models / "nanodet_plus_m_416.onnx"
    job = job_of(tmp_path, start=start, start_depth="fastdepth", depths=())
    assert [(c.name, c.licence) for c in starts_of(job)] == [
        ("nanodet-plus-m", "Apache-2.0"),
        ("fastdepth", "MIT"),
    ]
    again = job_of(tmp_path, start=find_model("howfar-s").path)
    assert starts_of(again) == [], "a student tells of itself"
