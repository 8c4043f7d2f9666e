from dataclasses import replace

import numpy as np
import pytest
import torch

from howfar.distill.conformal import (
    Blocks,
    conformal_factors,
    held,
    learn_novelty,
    measure_blocks,
    pooled,
)
from howfar.errors import UsageError
from howfar.nets.joint import CANONICAL_FOCAL, joint


def blocks(count, seed, wrong=1.0):
    """Errors of a Laplace distribution whose scale is `wrong` times the one that is told."""
    rng = np.random.default_rng(seed)
    log_scale = rng.uniform(-3, 0, count).astype(np.float32)
    error = np.abs(rng.laplace(0, wrong * np.exp(log_scale))).astype(np.float32)
    return Blocks(log_scale, error)


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95])
@pytest.mark.parametrize("wrong", [0.3, 1.0, 4.0])
def test_intervals_hold_what_they_promise(level, wrong):
    scales, factors = conformal_factors(blocks(4000, 0, wrong), level)
    assert held(blocks(4000, 1, wrong), scales, factors) == pytest.approx(level, abs=0.03)
    assert np.mean(factors) == pytest.approx(-wrong * np.log(1 - level), rel=0.1)


def test_few_blocks_give_few_bins():
    scales, factors = conformal_factors(blocks(30, 0), 0.8)
    assert len(scales) == len(factors) == 1


def test_blocks_of_a_wall(walls):
    student = joint("n").eval()
    found = measure_blocks(student, walls, 64)
    assert len(found.error) == len(walls) * 256  # 16x16 cells, each a block
    wanted = np.log(3.0 * CANONICAL_FOCAL * 64 / 50)
    assert found.error.max() < abs(wanted - 0.7) + 0.5


def test_scales_that_are_hardly_apart_are_one():
    flat = np.linspace(-1, -1.0001, 400, dtype=np.float32)
    near = replace(blocks(400, 0), log_scale=flat)
    scales, factors = conformal_factors(near, 0.8)
    assert scales == (-1.0,)
    assert len(factors) == 1


def test_every_group_weighs_the_same():
    few, many = blocks(50, 0), blocks(400, 1, wrong=4.0)
    both = pooled([few, many])
    assert len(both.error) == len(both.log_scale) == 800
    assert set(both.error[:400]) == set(few.error)
    np.testing.assert_array_equal(both.error[400:], many.error)


def test_pictures_without_depth_cannot_calibrate(pictures):
    with pytest.raises(UsageError, match="no depth to calibrate by"):
        measure_blocks(joint("n"), pictures, 64)


def test_novelty_is_one_for_the_last_percent():
    torch.manual_seed(0)
    student = joint("n").eval()
    views = torch.randn(150, 3, 64, 64)
    with torch.no_grad():
        assert student(views[:4])["novelty"].max() == 0
        learn_novelty(student, views)
        usual = student(views)["novelty"][:, 0]
        strange = student(5 * views[:4] + 3)["novelty"][:, 0]
    assert (usual <= 1.0001).float().mean() == pytest.approx(0.99, abs=0.011)
    assert strange.min() > 2


def test_blocks_are_measured_as_the_network_will_be_used(walls):
    """With half of the focal length's logarithm: the truth moves by the other half."""
    student = joint("n").eval()
    whole, half = (measure_blocks(student, walls, 64, power) for power in (1.0, 0.5))
    lens = np.log(50 / (CANONICAL_FOCAL * 64))
    signed = np.abs(np.log(3.0) - lens - 0.7)  # a fresh network says 2 m
    assert np.median(whole.error) == pytest.approx(signed, abs=0.3)
    moved = np.median(half.error) - np.median(whole.error)
    assert moved == pytest.approx(0.5 * lens, abs=0.01)
