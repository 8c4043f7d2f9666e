from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from howfar.core.depth import DepthKind
from howfar.errors import UsageError
from howfar.train.recipe import Recipe, from_dict, overridden
from howfar.train.recipes import RECIPES, find_recipe
from howfar.train.schedule import Schedule
from howfar.train.targets import make_target, recipe_card


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=str)
def test_a_recipe_survives_json(recipe: Recipe) -> None:
    assert from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=str)
def test_every_recipe_says_what_its_source_did(recipe: Recipe) -> None:
    assert recipe.source
    assert recipe.data
    assert recipe.published


def test_settings_reach_every_kind_of_field() -> None:
    recipe = overridden(
        RECIPES["hybrid-cnn"],
        [
            "lr=0.002",
            "epochs=3",
            "clamp=true",
            "align=median",
            "preprocess.width=160",
            "net_options.width=0.5",
            "lr_steps=[[1, 0.001]]",
            "optimiser_options.nesterov=true",
        ],
    )
    assert (recipe.lr, recipe.epochs, recipe.clamp, recipe.align) == (0.002, 3, True, "median")
    assert (recipe.preprocess.width, recipe.preprocess.height) == (160, 256)
    assert recipe.net_options == {"width": 0.5}
    assert recipe.lr_steps == ((1, 0.001),)
    assert recipe.optimiser_options == {"momentum": 0.9, "nesterov": True}
    assert overridden(recipe, ["lr=1"]).lr == 1.0


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("speed=1", "write FIELD=VALUE"),
        ("lr", "write FIELD=VALUE"),
        ("lr=fast", "lr is a number"),
        ("epochs=1.5", "epochs is a whole number"),
        ("epochs=true", "epochs is a whole number"),
        ("epochs=0", "epochs is 0; it must be at least 1"),
        ("optimiser=lion", "one of adam"),
        ("preprocess.speed=1", "no such field"),
        ("preprocess.width=0", "impossible"),
        ("ema=1.0", "below 1"),
        ("warmup_bias_lr=high", "a number or null"),
        ("lr_end=2", "from 0 to 1"),
        ("warmup_epochs=-1", "at least 0"),
        ("decay=some", "one of all, weights"),
    ],
)
def test_wrong_settings_are_named(setting: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        overridden(RECIPES["unet-nyu"], [setting])


def test_unknown_recipes_and_fields_are_named() -> None:
    with pytest.raises(UsageError, match="unknown; use one of unet-nyu"):
        find_recipe("unet")
    record = RECIPES["unet-nyu"].to_dict()
    with pytest.raises(UsageError, match="'speed' is unknown"):
        from_dict({**record, "speed": 1})
    del record["net"]
    with pytest.raises(UsageError, match="no recipe"):
        from_dict(record)


DEPTH = np.array([[0.5, 2.0], [np.nan, 50.0]], np.float32)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("metres", [[0.5, 2], [0, 0]]),
        ("unit", [[0.05, 0.2], [0, 0]]),
        ("image-max", [[0.25, 1], [0, 0]]),
        ("min-max", [[0, 1], [0, 0]]),
        ("disparity", [[2, 0.5], [0, 0]]),
    ],
)
def test_targets(target: str, expected: list[list[float]]) -> None:
    recipe = replace(RECIPES["unet-nyu"], target=target, max_depth_m=10.0)
    found, valid = make_target(DEPTH, recipe)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_array_equal(valid, [[True, True], [False, False]])


def test_far_depths_count_as_the_limit_where_the_recipe_clamps() -> None:
    found, valid = make_target(DEPTH, RECIPES["ds-net"])
    np.testing.assert_allclose(found, [[0.5, 2], [0, 40]])
    assert valid.tolist() == [[True, True], [False, True]]


def test_log_targets_have_a_floor_and_a_ceiling() -> None:
    depth = np.linspace(0.05, 20, 400, dtype=np.float32).reshape(20, 20)
    found, valid = make_target(depth, replace(RECIPES["unet-diode"], max_depth_m=300.0))
    assert valid.all()
    assert found.min() == pytest.approx(0.1)
    assert found.max() == pytest.approx(np.log(np.percentile(depth, 99)), rel=1e-5)


def test_nothing_known_is_no_target() -> None:
    found, valid = make_target(np.full((2, 2), np.nan, np.float32), RECIPES["unet-nyu"])
    assert not valid.any()
    assert not found.any()


def test_cards_say_what_the_numbers_mean() -> None:
    assert recipe_card(RECIPES["hybrid-cnn"]).depth_kind is DepthKind.METRIC
    assert recipe_card(RECIPES["resnet34-unet"]).depth_unit_m == 10
    assert recipe_card(RECIPES["unet-diode"]).depth_log
    relative = recipe_card(RECIPES["unet-nyu"])
    assert (relative.depth_kind, relative.depth_inverse) == (DepthKind.RELATIVE, False)
    card = recipe_card(RECIPES["ds-net"], ("road", "car"))
    assert card.outputs == {"depth": "depth", "semantics": "semantics"}


def lr(recipe: Recipe, position: int) -> float:
    return Schedule(recipe, 10).rates(position).lr


def test_schedules() -> None:
    base = replace(RECIPES["unet-nyu"], lr=1.0, epochs=10)
    assert lr(base, 50) == 1.0
    assert lr(replace(base, schedule="linear"), 25) == pytest.approx(0.75)
    assert lr(replace(base, schedule="linear", lr_end=0.1), 99) == pytest.approx(0.109)
    assert lr(replace(base, schedule="cosine"), 50) == pytest.approx(0.5)
    steps = replace(base, schedule="steps", lr_steps=((3, 0.5), (6, 0.1)))
    assert [lr(steps, s) for s in (0, 29, 30, 59, 60)] == [1, 1, 0.5, 0.5, 0.1]
    assert lr(replace(base, warmup_batches=4), 1) == 0.5
    assert lr(replace(base, warmup_batches=4, warmup_power=4), 1) == 0.5**4


def test_warm_up_of_yolov5() -> None:
    plan = Schedule(replace(RECIPES["yolov5n"], batch=16, epochs=100), 50)
    assert plan.warmup == 150
    first, middle, after = (plan.rates(i) for i in (0, 74, 150))
    assert first.lr < 1e-4 < 0.09 < first.bias_lr < 0.1
    assert first.momentum == pytest.approx(0.8, abs=0.002)
    assert middle.momentum == pytest.approx((0.8 + 0.937) / 2, abs=0.002)
    assert after.bias_lr == after.lr == pytest.approx(0.01 * (0.01 + 0.99 * 0.97))
    assert after.momentum == 0.937


def test_steps_grow_to_the_nominal_batch() -> None:
    plan = Schedule(replace(RECIPES["yolov5n"], batch=16, epochs=5), 50)
    groups = [plan.groups(epoch) for epoch in range(5)]
    assert all(sum(sizes) == 50 for sizes in groups)
    assert groups[0][:5] == [1] * 5
    assert groups[4] == [4] * 12 + [2]
    assert plan.steps() == sum(map(len, groups))
    assert Schedule(replace(RECIPES["yolov5n"], batch=16), 50, world=4).groups(200) == [1] * 50
    fixed = replace(RECIPES["unet-nyu"], accumulate=4)
    assert Schedule(fixed, 10).groups(0) == [4, 4]
