from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from howfar.cli import app
from howfar.errors import UsageError
from howfar.nets.checkpoint import load_checkpoint
from howfar.train.recipe import from_dict
from howfar.train.recipes import RECIPES

SETTINGS = [
    *("--set", "preprocess.width=64", "--set", "preprocess.height=48"),
    *("--set", "net_options.width=0.125", "--batch", "2", "--epochs", "2"),
]


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["train", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def folder(path: Path, count: int = 4) -> str:
    """A data set of the plain layout: rgb/ and depth/ in millimetres."""
    rng = np.random.default_rng(0)
    for name in ("rgb", "depth"):
        (path / name).mkdir(parents=True)
    for i in range(count):
        Image.fromarray(rng.integers(0, 256, (48, 64, 3), np.uint8)).save(path / f"rgb/{i}.png")
        depth = rng.integers(1000, 5000, (48, 64), np.uint16)
        Image.fromarray(depth).save(path / f"depth/{i}.png")
    return f"rgbd:{path}"


def test_the_list_shows_every_recipe_with_what_was_published() -> None:
    text = run("--list")
    for recipe in RECIPES.values():
        assert recipe.name in text
    assert ".130" in text


def test_show_prints_a_recipe_that_can_be_read_back(tmp_path: Path) -> None:
    record = json.loads(run("hybrid-cnn", "--show", "--set", "lr=0.5", "--batch", "3"))
    recipe = from_dict(record)
    assert (recipe.lr, recipe.batch) == (0.5, 3)
    (tmp_path / "mine.json").write_text(json.dumps(record))
    assert json.loads(run(str(tmp_path / "mine.json"), "--show")) == record


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "name a recipe"),
        (("unet",), "recipe 'unet' is unknown"),
        (("unet-nyu",), "give --data"),
        (("missing.json", "--show"), "missing.json: no recipe can be read"),
        (("unet-nyu", "--set", "lr=fast"), "lr is a number"),
        (("unet-nyu", "--data", "rgbd:/nowhere"), "no such file or folder"),
    ],
)
def test_wrong_use_is_named(arguments: tuple[str, ...], told: str) -> None:
    result = CliRunner().invoke(app, ["train", *arguments])
    assert isinstance(result.exception, Exception)
    assert told in str(result.exception)


@pytest.mark.slow
def test_train_resume_and_use(tmp_path: Path) -> None:
    data = folder(tmp_path / "data")
    out = str(tmp_path / "run")
    arguments = ["plain-unet", "--data", data, "--out", out, "--cpu", *SETTINGS]
    assert "1 steps" in run(*arguments, "--max-steps", "1")
    with pytest.raises(UsageError, match="--resume"):
        run(*arguments)
    assert "4 steps, 2 epochs" in run(*arguments, "--resume", "--val", data)
    found = CliRunner().invoke(
        app,
        ["val", "depth", "--data", data, "--depth", f"{out}/best.pt", "--json"],
        catch_exceptions=False,
    )
    assert found.exit_code == 0
    assert json.loads(found.stdout)["scores"]["abs_rel"] > 0


def own_pictures(root: Path, layout: str, count: int = 8) -> str:
    """Dark squares ("nut") and bright ones ("bolt"), as a person would lay them down."""
    rng = np.random.default_rng(0)
    names = ("bolt", "nut")
    for i in range(count):
        pixels = np.full((60, 80, 3), 120, np.uint8)
        x, y, kind = int(rng.integers(0, 50)), int(rng.integers(0, 30)), i % 2
        pixels[y : y + 30, x : x + 30] = 20 if kind else 250
        images = root / ("images" if layout == "yolo" else "JPEGImages")
        labels = root / ("labels" if layout == "yolo" else "Annotations")
        for place in (images, labels):
            place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(images / f"{i}.jpg")
        if layout == "yolo":
            row = (kind, (x + 15) / 80, (y + 15) / 60, 30 / 80, 30 / 60)
            (labels / f"{i}.txt").write_text(" ".join(f"{v:.6f}".rstrip("0") for v in row))
        else:
            sides = dict(
                zip(("xmin", "ymin", "xmax", "ymax"), (x + 1, y + 1, x + 30, y + 30), strict=False)
            )
            box = "".join(f"<{k}>{v}</{k}>" for k, v in sides.items())
            thing = f"<object><name>{names[kind]}</name><bndbox>{box}</bndbox></object>"
            (labels / f"{i}.xml").write_text(f"<annotation>{thing}</annotation>")
    if layout == "yolo":
        (root / "data.yaml").write_text("names: [bolt, nut]\n")
    return f"{layout}:{root}"


SIZE = ("--set", "preprocess.width=64", "--set", "preprocess.height=64")
SHORT = ("--batch", "4", "--epochs", "2", "--cpu", "--workers", "1")


@pytest.mark.slow
def test_own_pictures_with_voc_files_are_learned(tmp_path: Path) -> None:
    data, out = own_pictures(tmp_path / "parts", "voc"), tmp_path / "run"
    told = run("yolov5n", "--data", data, "--val", data, *SIZE, *SHORT, "--out", str(out))
    assert f"{out}/best.pt" in told
    assert set(load_checkpoint(out / "best.pt").card.classes) == {"bolt", "nut"}


@pytest.mark.slow
def test_from_own_pictures_to_distances(tmp_path: Path) -> None:
    data, out = own_pictures(tmp_path / "parts", "yolo"), tmp_path / "run"
    told = run("yolov5n", "--data", data, "--val", data, *SIZE, *SHORT, "--out", str(out))
    assert f"{out}/best.pt" in told
    again = tmp_path / "again"
    start = ("--weights", str(out / "best.pt"), "--set", 'classes=["nut"]')
    found = CliRunner().invoke(
        app, ["train", "yolov5n", "--data", data, *SIZE, *SHORT, *start, "--out", str(again)]
    )
    assert found.exit_code == 0
    assert "349 tensors taken" in found.stderr
    onnx = str(tmp_path / "best.onnx")
    CliRunner().invoke(app, ["export", str(out / "best.pt"), "--out", onnx], catch_exceptions=False)
    picture = next((tmp_path / "parts").rglob("0.*g"))
    asked = ["predict", str(picture), "--detector", onnx, "--depth", "none", "--json"]
    answer = CliRunner().invoke(app, [*asked, "--conf", "0.0001", "--threads", "1"])
    record = json.loads(answer.stdout)
    assert {o["label"] for o in record["objects"]} <= {"bolt", "nut"}
    measured = CliRunner().invoke(
        app, ["val", "detection", "--data", data, "--detector", onnx, "--json", "--threads", "1"]
    )
    assert json.loads(measured.stdout)["counts"]["frames"] == 8
