from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from howfar.core.image import Image
from howfar.core.preprocess import Fit, Preprocess
from howfar.data.dataset import Records
from howfar.data.sample import Sample
from howfar.errors import ModelError, UsageError
from howfar.loading import load
from howfar.losses.detection import yolov5_loss
from howfar.nets.checkpoint import load_checkpoint
from howfar.nets.darknet_cfg import cfg_text
from howfar.nets.darknet_weights import save_darknet_weights
from howfar.nets.yolov4 import yolov4
from howfar.nets.yolov5 import yolov5
from howfar.train.detection import DetectionTask, rescaled, resolved
from howfar.train.loop import Job, train
from howfar.train.recipe import Recipe, overridden
from howfar.train.recipes import RECIPES
from howfar.train.start import Started, start_from, transfer

CLASSES = ("disc", "square")
TINY = replace(
    RECIPES["yolov5n"],
    preprocess=Preprocess(64, 64, fit=Fit.LETTERBOX),
    batch=4,
    nominal_batch=4,
    epochs=2,
    warmup_batches=4,
    warmup_epochs=0,
    ema=0.9,
)


def make_sample(index: int) -> Sample:
    """Bright discs and dark squares on grey."""
    rng = np.random.default_rng(index)
    pixels = np.full((64, 64, 3), 120, np.uint8)
    boxes, labels = [], []
    for i in range(2):
        x, y = int(rng.integers(2, 40)), int(rng.integers(2, 12)) + 30 * i
        kind = int(rng.integers(2))
        if kind:
            pixels[y : y + 20, x : x + 20] = (20, 20, 90)
        else:
            cv2.circle(pixels, (x + 10, y + 10), 10, (250, 240, 90), -1)
        boxes.append([x, y, x + 20, y + 20])
        labels.append(CLASSES[kind])
    return Sample(
        id=f"sample-{index}",
        picture=Image(pixels),
        boxes=np.array(boxes, np.float32),
        labels=tuple(labels),
    )


def dataset(count: int = 16, first: int = 0) -> Records[int]:
    return Records("shapes", tuple(range(first, first + count)), make_sample, CLASSES)


def job(folder: Path, recipe: Recipe = TINY, **options: Any) -> Job:
    given: dict[str, Any] = {"data": dataset(), "workers": 1, "cpu": True}
    return Job(recipe=recipe, folder=folder, **(given | options))


def rows(folder: Path, name: str = "epochs.csv") -> list[dict[str, str]]:
    with (folder / name).open() as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_a_detector_learns_and_its_checkpoint_runs(tmp_path: Path) -> None:
    recipe = replace(
        TINY,
        epochs=30,
        batch=8,
        nominal_batch=8,
        optimiser="adamw",
        optimiser_options={},
        lr=2e-3,
        warmup_bias_lr=None,
        schedule="cosine",
        augment="none",
        ema=0.0,
    )
    folder = tmp_path / "run"
    val = dataset(16, 1000)
    train(job(folder, recipe, data=dataset(64), validation=val, val_limit=8))
    scores = [float(row["AP50"]) for row in rows(folder)]
    assert scores[-1] > 0.8
    ranger = load(detector=folder / "best.pt", depth=None, threads=torch.get_num_threads())
    sample = make_sample(1000)
    found = ranger(sample.image, conf=0.3)
    assert {o.label for o in found.objects} == set(sample.labels)


def test_a_stopped_run_of_a_detector_resumes_to_the_bit(tmp_path: Path) -> None:
    recipe = replace(TINY, augment_options={"mixup": 0.5}, multi_scale=0.5, batch=2)
    train(job(tmp_path / "whole", recipe))
    for steps in (1, 5, None):
        train(job(tmp_path / "parts", recipe, max_steps=steps, resume=True))
    whole, parts = (load_checkpoint(tmp_path / f / "last.pt") for f in ("whole", "parts"))
    for name, value in whole.training["model"].items():
        assert torch.equal(value, parts.training["model"][name]), name
    for name, value in whole.weights.items():
        assert torch.equal(value, parts.weights[name]), name


def test_a_run_of_yolov4(tmp_path: Path) -> None:
    recipe = replace(
        RECIPES["yolov4"],
        preprocess=replace(RECIPES["yolov4"].preprocess, width=64, height=64),
        net_options={"width": 0.125},
        batch=4,
        accumulate=1,
        epochs=6,
        lr=1e-3,
        warmup_batches=0,
        multi_scale=0,
        augment="none",
    )
    train(job(tmp_path / "run", recipe, validation=dataset(4, 100)))
    losses = [float(row["loss"]) for row in rows(tmp_path / "run")]
    assert losses[-1] < 0.8 * losses[0]
    card = load_checkpoint(tmp_path / "run" / "best.pt").card
    assert card.classes == CLASSES
    assert card.preprocess.interpolation == "corner-bilinear"


def test_targets_of_a_batch() -> None:
    recipe = resolved(replace(TINY, augment="none"), dataset())
    task = DetectionTask(recipe, dataset())
    scenes = [task.scene(make_sample(i)) for i in range(2)]
    rng = np.random.default_rng(0)
    batch = task.stack(["a", "b"], [task.example(i, scenes.__getitem__, rng) for i in range(2)])
    assert batch.images.shape == (2, 3, 64, 64)
    assert batch.targets[:, 0].tolist() == [0, 0, 1, 1]
    sample = make_sample(1)
    assert sample.boxes is not None
    centres = (sample.boxes[:, :2] + sample.boxes[:, 2:]) / 2 / 64
    np.testing.assert_allclose(batch.targets[2:, 2:4], centres, atol=1e-6)
    np.testing.assert_allclose(batch.targets[2:, 4:], 20 / 64, atol=1e-6)
    named = [CLASSES[int(c)] for c in batch.targets[2:, 1]]
    assert tuple(named) == sample.labels


def test_loss_weights_are_rescaled_to_classes_and_size() -> None:
    recipe = resolved(TINY, dataset())
    task = DetectionTask(recipe, dataset())
    net = yolov5("n", 2)
    scene = task.scene(make_sample(0))
    batch = task.stack(["a"], [task.example(0, lambda _: scene, np.random.default_rng(0))])
    outputs = net(batch.images)
    outputs = {name: level.detach() for name, level in outputs.items()}
    found = float(task.loss(net, outputs, batch))
    plain = yolov5_loss(list(outputs.values()), batch.targets, net.anchors_px, net.strides)
    expected = 0.05 * plain.box + (64 / 640) ** 2 * plain.obj + 0.5 * 2 / 80 * plain.cls
    assert found == pytest.approx(float(expected), rel=1e-5)


def test_classes_are_those_of_the_data_or_the_recipe() -> None:
    assert resolved(TINY, dataset()).classes == CLASSES
    assert resolved(TINY, dataset()).net_options == {"size": "n", "classes": 2}
    mapped = resolved(replace(TINY, class_map={"disc": "ball", "square": ""}), dataset())
    assert mapped.classes == ("ball",)
    chosen = resolved(replace(TINY, classes=("square", "cat")), dataset())
    assert chosen.classes == ("square", "cat")
    with pytest.raises(UsageError, match="has no class 'cube'; it has disc, square"):
        resolved(replace(TINY, class_map={"cube": "box"}), dataset())
    with pytest.raises(UsageError, match="has none of cat"):
        resolved(replace(TINY, classes=("cat",)), dataset())
    with pytest.raises(UsageError, match="names no classes"):
        resolved(TINY, replace(dataset(), class_names=()))


def test_renamed_classes_are_trained_and_validated(tmp_path: Path) -> None:
    recipe = replace(TINY, class_map={"disc": "ball"}, classes=("ball",), epochs=1)
    train(job(tmp_path / "run", recipe, validation=dataset(4, 100)))
    assert load_checkpoint(tmp_path / "run" / "best.pt").card.classes == ("ball",)
    assert "fitness" in rows(tmp_path / "run")[0]


def test_pictures_of_several_scales() -> None:
    images = torch.rand(2, 3, 64, 96)
    sizes = {tuple(rescaled(images, 0.5, seed, 32).shape[2:]) for seed in range(30)}
    assert all(h % 32 == w % 32 == 0 for h, w in sizes)
    assert {h for h, _ in sizes} == {32, 64, 96}
    assert rescaled(images, 0.0, 1, 32) is images


def test_rows_of_known_classes_are_taken_by_name(tmp_path: Path) -> None:
    train(job(tmp_path / "run", replace(TINY, epochs=1)))
    best = tmp_path / "run" / "best.pt"
    given = load_checkpoint(best).weights
    names = ("cube", "square", "disc", "cone")
    recipe = replace(TINY, classes=names, net_options={"size": "n", "classes": 4})
    net = yolov5("n", 4)
    fresh = {name: value.clone() for name, value in net.state_dict().items()}
    started = start_from(net, recipe, best, None)
    assert started.fresh == ()
    assert started.new_classes == ("cube", "cone")
    assert "classes that it does not know: cube, cone" in str(started)
    own = net.state_dict()
    assert torch.equal(own["model.0.conv.weight"], given["model.0.conv.weight"])
    for name in net.head_tensors:
        mine, old = own[name].view(3, 9, -1), given[name].view(3, 7, -1)
        new = fresh[name].view(3, 9, -1)
        assert torch.equal(mine[:, :5], old[:, :5])
        assert torch.equal(mine[:, 6], old[:, 6])  # square
        assert torch.equal(mine[:, 7], old[:, 5])  # disc
        assert torch.equal(mine[:, [5, 8]], new[:, [5, 8]])
    with pytest.raises(ModelError, match="no tensor fits"):
        transfer(net, {"other": torch.zeros(1)}, (), names, Path("x.pt"))
    with pytest.raises(UsageError, match="either weights or an encoder"):
        start_from(net, recipe, Path("a.pt"), Path("b.pt"))


def test_weights_of_another_size_are_taken_where_they_fit(tmp_path: Path) -> None:
    small, path = yolov5("n", 2), tmp_path / "small.pt"
    torch.save(small.state_dict(), path)
    net = yolov5("s", 2)
    with pytest.raises(ModelError, match="no tensor fits"):
        start_from(net, replace(TINY, classes=CLASSES), path, None)


def test_darknet_weights_start_yolov4_only(tmp_path: Path) -> None:
    given, path = yolov4(2, 0.125), tmp_path / "own.weights"
    save_darknet_weights(given, path)
    net = yolov4(2, 0.125)
    recipe = replace(RECIPES["yolov4"], net_options={"width": 0.125, "classes": 2})
    (tmp_path / "own.cfg").write_text(cfg_text(given.cfg))
    (tmp_path / "own.names").write_text("disc\nsquare\n")
    recipe = replace(recipe, classes=CLASSES)
    assert start_from(net, recipe, path, None) == Started(len(net.state_dict()))
    assert torch.equal(net.layers["0"].conv.weight, given.layers["0"].conv.weight)
    (tmp_path / "own.names").unlink()
    assert start_from(yolov4(2, 0.125), recipe, path, None).new_classes == CLASSES
    backbone = tmp_path / "own.conv.3"
    count = sum(v.numel() for i in "01" for v in given.layers[i].state_dict().values() if v.ndim)
    backbone.write_bytes(path.read_bytes()[: 20 + 4 * count])
    started = start_from(yolov4(2, 0.125), recipe, backbone, None)
    assert started.taken == 12
    assert "layers.109" not in started.fresh[0]
    with pytest.raises(UsageError, match="for yolov4, not for yolov5"):
        start_from(yolov5("n", 2), TINY, path, None)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"loss": "l1"}, "loss 'l1' is unknown; use one of yolov5, yolov4"),
        ({"loss_options": {"speed": 1}}, "loss with speed"),
        ({"augment_options": {"speed": 1}}, "augment_options.speed=1; give a number to one of mos"),
        ({"augment_options": {"mosaic": "yes"}}, "augment_options.mosaic='yes'"),
        ({"augment_options": {"mosaic": 2}}, "augment mosaic is 2"),
    ],
)
def test_wrong_recipes_are_named(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        train(job(tmp_path / "run", replace(TINY, **change)))


def test_fields_of_the_other_task_are_refused() -> None:
    with pytest.raises(UsageError, match="augment is 'hybrid'; it must be one of none, mosaic"):
        replace(TINY, augment="hybrid")
    with pytest.raises(UsageError, match="monitor is 'abs_rel'"):
        replace(TINY, monitor="abs_rel")
    with pytest.raises(UsageError, match="task is 'sing'"):
        replace(TINY, task="sing")


def test_samples_without_boxes_are_named(tmp_path: Path) -> None:
    plain = Image(np.zeros((64, 64, 3), np.uint8))
    data = Records("bare", tuple(range(4)), lambda i: Sample(id=f"s{i}", picture=plain), CLASSES)
    with pytest.raises(UsageError, match="has no boxes to learn from"):
        train(job(tmp_path / "run", data=data))


def test_frozen_norms_keep_their_statistics(tmp_path: Path) -> None:
    recipe = replace(TINY, frozen_norm=True, ema=0.0, epochs=1)
    train(job(tmp_path / "run", recipe))
    state = load_checkpoint(tmp_path / "run" / "last.pt").weights
    means = [v for name, v in state.items() if name.endswith("running_mean")]
    assert means
    assert not any(v.any() for v in means)


def test_validation_of_other_classes_is_refused_before_training(tmp_path: Path) -> None:
    other = replace(dataset(4, 100), class_names=("cat",))
    with pytest.raises(UsageError, match="none of the classes that are learned, disc, square"):
        train(job(tmp_path / "run", validation=other))
    with pytest.raises(UsageError, match="max_minutes is -1"):
        train(job(tmp_path / "run", max_minutes=-1))
    assert not (tmp_path / "run").exists()


def test_resuming_without_validation_keeps_the_best(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    train(job(folder, validation=dataset(4, 100), max_steps=4))
    best = (folder / "best.pt").read_bytes()
    train(job(folder, resume=True))
    assert (folder / "best.pt").read_bytes() == best


def test_stretched_recipes_learn_stretched_pictures() -> None:
    recipe = resolved(replace(TINY, preprocess=Preprocess(64, 32)), dataset())
    scene = DetectionTask(recipe, dataset()).scene(make_sample(0))
    assert (scene.width, scene.height) == (64, 32)
    sample = make_sample(0)
    assert sample.boxes is not None
    np.testing.assert_allclose(scene.boxes, sample.boxes * [1, 0.5, 1, 0.5], atol=1e-4)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("classes=[1,2]", "classes is .* a list of names"),
        ('class_map={"disc":3}', "an object of names"),
        ("lr_steps=[1,2]", "pairs of epoch and rate"),
        ("preprocess.width=abc", "width is a number"),
    ],
)
def test_wrong_settings_are_named(setting: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        overridden(TINY, [setting])
