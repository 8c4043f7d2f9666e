from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from howfar.cli import app
from howfar.errors import UsageError
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
