from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from typer.testing import CliRunner

from howfar.cli import app
from howfar.core.image import Image
from howfar.core.preprocess import Preprocess
from howfar.errors import ModelError, UsageError
from howfar.export import export_checkpoint
from howfar.loading import load
from howfar.models.card import METADATA_KEY, ModelCard
from howfar.nets.builders import build
from howfar.nets.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from howfar.runtimes.onnx import OnnxRuntime
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


@pytest.mark.parametrize(("precision", "bound", "size"), [("fp16", 0.02, 0.6), ("int8", 0.5, 0.5)])
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
    assert result.models[-1].precision == {"fp16": "float16", "int8": "int8"}[precision]


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
