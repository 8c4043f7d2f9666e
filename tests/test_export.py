from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from typer.testing import CliRunner

import howfar
from howfar.cli import app
from howfar.core.image import Image
from howfar.core.nms import nms
from howfar.core.preprocess import Fit, Preprocess
from howfar.errors import ModelError, UsageError
from howfar.export import Suppression, export_checkpoint
from howfar.loading import load
from howfar.models.card import METADATA_KEY, ModelCard
from howfar.nets.builders import build
from howfar.nets.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from howfar.runtimes.onnx import OnnxRuntime
from howfar.train.detection import detector_card
from howfar.train.recipes import RECIPES
from howfar.train.targets import recipe_card

pytestmark = pytest.mark.slow
OPTIONS = {"width": 0.125}


def checkpoint(path: Path, name: str = "plain-unet", classes: tuple[str, ...] = ()) -> Path:
    torch.manual_seed(0)
    recipe = replace(RECIPES[name], preprocess=Preprocess(64, 48))
    module = build(name, **OPTIONS)
    card = recipe_card(recipe, classes)
    save_checkpoint(path, Checkpoint(name, OPTIONS, card, module.state_dict(), recipe.to_dict()))
    return path


def pictures(count: int = 4) -> list[Image]:
    rng = np.random.default_rng(0)
    return [Image(rng.integers(0, 256, (60, 80, 3), np.uint8)) for _ in range(count)]


def test_the_file_carries_its_card_and_equals_pytorch(tmp_path: Path) -> None:
    source = checkpoint(tmp_path / "a.pt")
    done = export_checkpoint(source, tmp_path / "out" / "a.onnx")
    assert done.path.is_file()
    assert [p.name for p in done.path.parent.iterdir()] == ["a.onnx"]
    assert done.difference["depth"][0] < 1e-4
    metadata = {e.key: e.value for e in onnx.load(done.path).metadata_props}
    assert ModelCard.from_json(metadata[METADATA_KEY], "") == load_checkpoint(source).card
    picture = pictures(1)[0]
    ours, torchs = (
        load(detector=None, depth=path, runtime="onnx", threads=1)(picture, boxes=np.zeros((0, 4)))
        for path in (done.path, source)
    )
    np.testing.assert_allclose(ours.depth.values, torchs.depth.values, rtol=1e-3, atol=1e-5)


def test_the_batch_is_free(tmp_path: Path) -> None:
    done = export_checkpoint(checkpoint(tmp_path / "a.pt"), tmp_path / "a.onnx")
    runtime = OnnxRuntime(done.path, 1)
    for count in (1, 3):
        feed = np.random.default_rng(0).random((count, 3, 48, 64)).astype(np.float32)
        assert runtime.run({"images": feed})["depth"].shape[0] == count


def test_a_file_tells_no_folder_of_where_it_was_made(tmp_path: Path) -> None:
    done = export_checkpoint(checkpoint(tmp_path / "a.pt"), tmp_path / "a.onnx")
    content = done.path.read_bytes()
    assert b"howfar.card" in content
    for folder in (Path(torch.__file__).parent, Path(howfar.__file__).parent, tmp_path):
        assert str(folder).encode() not in content


@pytest.mark.parametrize(
    ("precision", "bound", "size"),
    [("fp16-weights", 0.01, 0.65), ("fp16", 0.02, 0.6), ("int8", 0.5, 0.5)],
)
def test_smaller_precisions(tmp_path: Path, precision: str, bound: float, size: float) -> None:
    source = checkpoint(tmp_path / "a.pt")
    whole = export_checkpoint(source, tmp_path / "a.onnx")
    done = export_checkpoint(source, tmp_path / f"{precision}.onnx", precision, pictures())
    largest, mean = done.difference["depth"]
    assert 0 < mean <= largest < bound
    assert done.pictures == 4
    assert done.megabytes < size * whole.megabytes
    ranger = load(detector=None, depth=done.path, runtime="onnx", threads=1)
    result = ranger(pictures(1)[0], boxes=[[5, 5, 40, 40]])
    arithmetic = {"fp16-weights": "float32", "fp16": "float16", "int8": "int8"}
    assert result.models[-1].precision == arithmetic[precision]


def test_labels_are_exported_too(tmp_path: Path) -> None:
    names = tuple(f"class {i}" for i in range(30))
    source = checkpoint(tmp_path / "ds.pt", "ds-net", names)
    done = export_checkpoint(source, tmp_path / "ds.onnx")
    assert set(done.difference) == {"depth", "semantics"}
    result = load(detector=None, depth=done.path, threads=1)(pictures(1)[0], boxes=np.zeros((0, 4)))
    assert result.semantics is not None
    assert result.semantics.class_names == names


def test_wrong_requests_are_named(tmp_path: Path) -> None:
    source = checkpoint(tmp_path / "a.pt")
    with pytest.raises(UsageError, match="'fp8' is unknown"):
        export_checkpoint(source, tmp_path / "a.onnx", "fp8")
    with pytest.raises(UsageError, match="int8 needs pictures"):
        export_checkpoint(source, tmp_path / "a.onnx", "int8")
    with pytest.raises(ModelError, match="no checkpoint"):
        export_checkpoint(Path(__file__), tmp_path / "a.onnx")
    assert not (tmp_path / "a.onnx").exists()


def test_the_command_prints_what_it_measured(tmp_path: Path) -> None:
    source = checkpoint(tmp_path / "a.pt")
    found = CliRunner().invoke(app, ["export", str(source), "--json"], catch_exceptions=False)
    record = json.loads(found.stdout)
    assert record["file"] == str(tmp_path / "a.onnx")
    assert record["difference"]["depth"]["largest"] < 1e-4


def detector(path: Path) -> Path:
    torch.manual_seed(0)
    recipe = replace(
        RECIPES["yolov5n"],
        classes=("a", "b", "c"),
        preprocess=Preprocess(96, 64, fit=Fit.LETTERBOX),
    )
    options = {"size": "n", "classes": 3}
    module = build("yolov5", **options)
    for layer in module.modules():  # so that every place gives other numbers
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                torch.nn.init.zeros_(layer.bias)
    save_checkpoint(path, Checkpoint("yolov5", options, detector_card(recipe), module.state_dict()))
    return path


def found_by(path: Path, picture: Image, **options: float) -> list[tuple[str, float, list[float]]]:
    ranger = load(detector=path, depth=None, runtime="onnx", threads=1)
    return [(o.label, o.score, list(o.box)) for o in ranger(picture, **options).objects]


def alike(a: tuple[str, float, list[float]], b: tuple[str, float, list[float]]) -> bool:
    near = np.allclose(a[2], b[2], atol=0.05)
    return a[0] == b[0] and near and a[1] == pytest.approx(b[1], abs=1e-3)


def test_detectors_are_exported_raw_and_with_suppression(tmp_path: Path) -> None:
    source, picture = detector(tmp_path / "a.pt"), pictures(1)[0]
    raw = export_checkpoint(source, tmp_path / "raw.onnx")
    assert raw.difference["output"][0] < 1e-5
    runtime = OnnxRuntime(raw.path, 1)
    assert runtime.run({"images": np.zeros((2, 3, 64, 96), np.float32)})["output"].shape == (
        2,
        378,
        8,
    )
    expected = found_by(source, picture)
    given = found_by(raw.path, picture)
    assert len(expected) > 20
    assert sum(any(alike(a, b) for b in expected) for a in given) >= len(expected) - 3
    done = export_checkpoint(source, tmp_path / "nms.onnx", nms=Suppression(0.22, 0.6, 25))
    feed = {"images": np.random.default_rng(1).random((1, 3, 64, 96), np.float32)}
    rows = runtime.run(feed)["output"][0]
    scores = rows[:, 4:5] * rows[:, 5:]
    best, kinds = scores.max(axis=1), scores.argmax(axis=1)
    boxes = np.concatenate([rows[:, :2] - rows[:, 2:4] / 2, rows[:, :2] + rows[:, 2:4] / 2], 1)
    sure = np.flatnonzero(best > 0.22)
    kept = sure[nms(boxes[sure], best[sure], kinds[sure], 0.6, 25)]
    found = OnnxRuntime(done.path, 1).run(feed)["output"][0]
    assert len(found) == len(kept) == 25
    np.testing.assert_allclose(found[:, :4], boxes[kept], atol=1e-3)
    np.testing.assert_allclose(found[:, 4], best[kept], atol=1e-6)
    np.testing.assert_array_equal(found[:, 5], kinds[kept])
    none = export_checkpoint(source, tmp_path / "none.onnx", nms=Suppression(1.0, 0.6, 4))
    assert found_by(none.path, picture) == []


def test_detectors_of_another_size_and_precision(tmp_path: Path) -> None:
    source = detector(tmp_path / "a.pt")
    half = export_checkpoint(source, tmp_path / "half.onnx", "fp16", imgsz=(32, 64))
    assert OnnxRuntime(half.path, 1).inputs[0].shape[1:] == (3, 32, 64)
    assert half.difference["output"][1] < 0.01
    quantised = export_checkpoint(source, tmp_path / "int8.onnx", "int8", pictures(8))
    assert quantised.megabytes < 0.8 * half.megabytes
    assert quantised.difference["output"][1] < 0.1


def test_suppression_is_for_detectors(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="YOLO detectors only"):
        export_checkpoint(checkpoint(tmp_path / "a.pt"), tmp_path / "a.onnx", nms=Suppression())
    with pytest.raises(UsageError, match="conf is 2"):
        Suppression(conf=2)
    assert not (tmp_path / "a.onnx").exists()
