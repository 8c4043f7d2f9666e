from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from samples import CLASSES, dataset, make_sample

from howfar.core.preprocess import Preprocess
from howfar.data.dataset import Records
from howfar.errors import DatasetError, ModelError, TrainingError, UsageError
from howfar.loading import load
from howfar.nets.builders import build
from howfar.nets.checkpoint import load_checkpoint
from howfar.train import depth
from howfar.train.depth import DepthTask
from howfar.train.feed import Feed
from howfar.train.loop import Job, train
from howfar.train.meter import Progress
from howfar.train.recipe import Recipe
from howfar.train.recipes import RECIPES

TINY = replace(
    RECIPES["plain-unet"],
    preprocess=Preprocess(64, 48),
    net_options={"width": 0.25},
    loss="l1",
    batch=4,
    epochs=2,
    lr=1e-3,
    protocol="rgbd",
)


def job(folder: Path, recipe: Recipe = TINY, **options: Any) -> Job:
    given: dict[str, Any] = {"data": dataset(), "workers": 1, "cpu": True}
    return Job(recipe=recipe, folder=folder, **(given | options))


def weights(path: Path) -> dict[str, torch.Tensor]:
    return dict(load_checkpoint(path).training["model"])


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_a_run_writes_its_folder_and_the_result_runs(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    told: list[Progress] = []
    state = train(job(folder, validation=dataset(4, 100)), told.append)
    assert (state.step, state.epoch, state.batch) == (8, 2, 0)
    names = {path.name for path in folder.iterdir()}
    assert {"best.pt", "last.pt", "recipe.json", "steps.csv", "epochs.csv"} <= names
    assert not [name for name in names if name.endswith(".part")]
    assert json.loads((folder / "recipe.json").read_text()) == TINY.to_dict()
    with (folder / "epochs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [4, 8]
    assert 0 < float(rows[1]["abs_rel"]) < 2
    assert state.best == pytest.approx(min(float(row["abs_rel"]) for row in rows))
    assert (told[-1].step, told[-1].steps) == (8, 8)
    ranger = load(detector=None, depth=folder / "best.pt", threads=torch.get_num_threads())
    result = ranger(make_sample(0).image, boxes=[[10, 10, 30, 30]])
    assert result.depth is not None
    assert result.depth.is_metric
    assert result.objects[0].distance_m is not None


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n, r in RECIPES.items() if r.task == "depth"])
def test_a_few_epochs_of_every_recipe_lower_the_loss(name: str, tmp_path: Path) -> None:
    small = {"depthnet": {}, "unet-nyu": {}, "unet-diode": {}}.get(name, {"width": 0.125})
    pre = RECIPES[name].preprocess
    size = {} if name == "depthnet" else {"width": 64, "height": 64}
    recipe = replace(
        RECIPES[name],
        preprocess=replace(pre, **size),
        net_options=small,
        batch=4,
        epochs=3,
        lr=1e-3,
        schedule="constant",
        protocol="rgbd",
        monitor="abs_rel",
        augment="none",
        stressed=("thing",) if RECIPES[name].stressed else (),
    )
    train(job(tmp_path / "run", recipe))
    with (tmp_path / "run" / "epochs.csv").open() as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert losses[-1] < losses[0]


def test_a_stopped_run_resumes_to_the_bit(tmp_path: Path) -> None:
    recipe = replace(TINY, ema=0.9, augment="flip", accumulate=2, precision="fp32")
    train(job(tmp_path / "whole", recipe))
    for steps in (1, 3, None):
        train(job(tmp_path / "parts", recipe, max_steps=steps, resume=True))
    assert same(weights(tmp_path / "whole/last.pt"), weights(tmp_path / "parts/last.pt"))
    whole, parts = (load_checkpoint(tmp_path / f / "last.pt") for f in ("whole", "parts"))
    assert same(dict(whole.weights), dict(parts.weights))
    assert not same(dict(whole.weights), dict(whole.training["model"]))  # the average differs


def test_rows_of_a_lost_run_are_forgotten(tmp_path: Path) -> None:
    recipe = replace(TINY, batch=1, epochs=3)
    train(job(tmp_path / "run", recipe, max_steps=20))
    with (tmp_path / "run" / "steps.csv").open("a") as file:
        file.write("30,2,9.9,0.1,1,0\n")
    train(job(tmp_path / "run", recipe, resume=True))
    with (tmp_path / "run" / "steps.csv").open() as file:
        steps = [int(row["step"]) for row in csv.DictReader(file)]
    assert steps == sorted(set(steps))
    assert steps[-1] == 48


def test_a_folder_with_a_run_is_not_overwritten(tmp_path: Path) -> None:
    train(job(tmp_path / "run", max_steps=1))
    with pytest.raises(UsageError, match="--resume"):
        train(job(tmp_path / "run"))
    with pytest.raises(UsageError, match="differs in lr"):
        train(job(tmp_path / "run", replace(TINY, lr=0.5), resume=True))


def test_a_loss_that_is_no_number_names_the_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        depth, "objective", lambda _: lambda out, _b: out["depth"].mean() * math.nan
    )
    with pytest.raises(TrainingError, match=r"loss is nan at step 0 \(epoch 1, samples sample-"):
        train(job(tmp_path / "run"))


def test_training_stops_early_and_keeps_the_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = iter([0.5, 0.3, 0.4, 0.3, 0.2])
    monkeypatch.setattr(depth, "validate", lambda *_: {"abs_rel": next(errors)})
    recipe = replace(TINY, epochs=50, patience=2)
    state = train(job(tmp_path / "run", recipe, data=dataset(4), validation=dataset(1, 100)))
    assert (state.epoch, state.waited, state.best) == (4, 2, 0.3)
    best, last = (load_checkpoint(tmp_path / f"run/{name}.pt") for name in ("best", "last"))
    assert not same(dict(best.weights), dict(last.weights))


def test_an_unknown_monitor_is_refused() -> None:
    with pytest.raises(UsageError, match="monitor is 'speed'"):
        replace(TINY, monitor="speed")


def test_validation_pictures_that_cannot_be_measured_stop_the_run(tmp_path: Path) -> None:
    bad = Records("bad", (0,), lambda i: replace(make_sample(i), depth=None))
    with pytest.raises(DatasetError, match="1 validation pictures"):
        train(job(tmp_path / "run", validation=bad))


def test_semantic_networks_train_save_and_label(tmp_path: Path) -> None:
    recipe = replace(
        RECIPES["ds-net"],
        preprocess=Preprocess(64, 48),
        net_options={"width": 0.125},
        batch=4,
        epochs=1,
        protocol="rgbd",
        monitor="abs_rel",
    )
    train(job(tmp_path / "run", recipe, validation=dataset(2, 100)))
    with (tmp_path / "run" / "epochs.csv").open() as file:
        assert 0 <= float(next(csv.DictReader(file))["miou"]) <= 1
    ranger = load(detector=None, depth=tmp_path / "run/best.pt", threads=1)
    result = ranger(make_sample(3).image, boxes=np.zeros((0, 4)))
    assert result.semantics is not None
    assert result.semantics.class_names[:2] == CLASSES


def feed(data: Records[int], recipe: Recipe, **options: Any) -> Feed:
    module = build(recipe.net, **recipe.net_options)
    return Feed(data, recipe, DepthTask(recipe, data, module), **options)


def test_batches_depend_on_seed_and_position_only() -> None:
    recipe = replace(TINY, augment="usual")
    first = list(feed(dataset(), recipe, workers=3).epoch(1))
    again = list(feed(dataset(), recipe, workers=1, cache_mb=0).epoch(1, start=2))
    assert [b.ids for b in first[2:]] == [b.ids for b in again]
    for a, b in zip(first[2:], again, strict=True):
        assert torch.equal(a.images, b.images)
        assert torch.equal(a.target, b.target)
    other = next(feed(dataset(), replace(recipe, seed=1)).epoch(1))
    assert other.ids != first[0].ids


def test_processes_share_each_batch() -> None:
    whole = [b.ids for b in feed(dataset(), replace(TINY, batch=8)).epoch(0)]
    parts = [[b.ids for b in feed(dataset(), TINY, rank=r, world=2).epoch(0)] for r in (0, 1)]
    assert whole == [a + b for a, b in zip(*parts, strict=True)]


def test_too_little_data_is_named() -> None:
    with pytest.raises(UsageError, match="3 samples are fewer than a batch of 4"):
        feed(dataset(3), TINY)


def test_a_foreign_file_is_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    torch.save({"weights": 1}, path)
    with pytest.raises(ModelError, match="no checkpoint of howfar"):
        load_checkpoint(path)
    path.write_bytes(b"nonsense")
    with pytest.raises(ModelError, match="read safely"):
        load_checkpoint(path)
