import math

import numpy as np
import pytest

from howfar.errors import UsageError
from howfar.metrics.alignment import Alignment, fit_alignment, least_squares
from howfar.metrics.depth import depth_sums
from howfar.metrics.relative import (
    OrderSums,
    order_sums,
    sdr_sums,
    ssi_mae_error,
    ssi_mse_error,
)

D, TARGET = [1.0, 2, 3, 4, 6, 9], [2, 4.1, 5.9, 8, 12.3, 30]


@pytest.fixture
def depths():
    return np.random.default_rng(2).uniform(1, 60, 500)


def test_the_vectors_of_the_facts_sheet():
    scale, shift = least_squares(np.array(D), np.array(TARGET))
    assert scale == pytest.approx(3.3645914396, abs=1e-10)
    assert shift == pytest.approx(-3.6357976654, abs=1e-10)
    assert ssi_mse_error(D, TARGET).value == pytest.approx(3.2612191958, abs=1e-10)
    assert ssi_mae_error(D, TARGET).value == pytest.approx(0.1787507532, abs=1e-10)
    assert ssi_mae_error(D, TARGET, trim=0.2).value == pytest.approx(0.0578429403, abs=1e-10)
    lower = ssi_mae_error(D, TARGET, lower_median=True).value
    assert lower == pytest.approx(0.1677043584, abs=1e-10)
    trimmed = ssi_mae_error(D, TARGET, trim=0.2, lower_median=True).value
    assert trimmed == pytest.approx(0.0520184776, abs=1e-10)


@pytest.mark.parametrize("how", ["median", "scale", "log-scale", "scale-shift"])
def test_a_wrong_scale_is_undone(depths, how):
    fit = fit_alignment(depths / 7, depths, how)
    assert fit.scale == pytest.approx(7)
    assert fit.aligned(depths / 7) == pytest.approx(depths)


def test_least_squares_in_depth_and_in_inverse_depth(depths):
    shifted = (depths - 3) / 2
    assert fit_alignment(shifted, depths, "scale-shift").aligned(shifted) == pytest.approx(depths)
    disparity = (1 / depths - 0.02) / 0.3
    fit = fit_alignment(disparity, depths, "inverse-scale-shift", inverse=True)
    assert (fit.scale, fit.shift) == pytest.approx((0.3, 0.02))
    assert fit.aligned(disparity, inverse=True) == pytest.approx(depths)
    behind = 1 / (0.5 / depths + 0.01)
    fit = fit_alignment(behind, depths, "inverse-scale-shift")
    assert fit.aligned(behind) == pytest.approx(depths)


def test_relative_maps_align_by_scale(depths):
    fit = fit_alignment(4 / depths, depths, "median", inverse=True)
    assert fit.aligned(4 / depths, inverse=True) == pytest.approx(depths)


def test_each_fit_is_the_best_of_its_kind(depths):
    rng = np.random.default_rng(4)
    prediction = depths * rng.lognormal(0.3, 0.2, depths.size)

    def error(how, factor=1.0):
        p = fit_alignment(prediction, depths, how).aligned(prediction) * factor
        return depth_sums(p, depths).errors()

    for factor in (0.99, 1.01):
        assert error("scale")["rmse"] < error("scale", factor)["rmse"]
        assert error("log-scale")["rmse_log"] < error("log-scale", factor)["rmse_log"]
    assert error("scale-shift")["rmse"] <= error("scale")["rmse"] < error("none")["rmse"]
    assert error("log-scale")["rmse_log"] == pytest.approx(error("log-scale")["silog"] / 100)
    middle = fit_alignment(prediction, depths, "median").aligned(prediction)
    assert np.median(middle) == pytest.approx(np.median(depths))


def test_disparities_beyond_zero_are_infinitely_far():
    fit = fit_alignment([1.0, 2.0], [1.0, 0.5], "inverse-scale-shift", inverse=True)
    found = fit.aligned([-1.0, 0.0, np.nan, 4.0], inverse=True)
    assert np.isinf(found[:2]).all()
    assert np.isnan(found[2])
    assert found[3] == pytest.approx(0.25)


def test_constant_and_unusable_predictions():
    fit = fit_alignment([2.0, 2.0], [1.0, 3.0], Alignment.SCALE_SHIFT)
    assert (fit.scale, fit.shift) == (0, 2)
    for how in ("median", "scale", "scale-shift", "inverse-scale-shift"):
        with pytest.raises(UsageError, match="no pixel"):
            fit_alignment([np.nan], [1.0], how)
    with pytest.raises(UsageError, match="no pixel"):
        fit_alignment([0.0], [1.0], "log-scale")
    assert fit_alignment([0.0, 0.0], [1.0, 1.0], "scale").scale == 0
    assert fit_alignment([5.0], [1.0], "none").aligned([5.0]) == 5


def test_ssi_errors_ignore_scale_and_shift():
    rng = np.random.default_rng(0)
    d, target = rng.random((2, 9, 9))
    valid = rng.random((9, 9)) < 0.5
    for error in (ssi_mse_error, ssi_mae_error):
        base = error(d, target, valid)
        assert base.count == valid.sum()
        assert error(5 * d + 3, target, valid).value == pytest.approx(base.value)
        assert error(2 * target - 1, target).value == pytest.approx(0, abs=1e-15)
        assert error(d, target, np.zeros((9, 9), bool)).count == 0
    assert math.isfinite(ssi_mae_error(np.ones(5), target[0, :5]).value)


def test_order_of_pairs():
    truth = np.random.default_rng(1).random(400)
    right = order_sums(np.exp(truth), truth)
    assert right.wrong == 0
    assert 15_000 < right.pairs < 20_000
    assert order_sums(-truth, truth).errors()["order_error"] == 1
    assert order_sums(np.zeros(400), truth).errors()["order_error"] == 1
    guess = order_sums(np.random.default_rng(2).random(400), truth).errors()["order_error"]
    assert guess == pytest.approx(0.5, abs=0.05)
    assert order_sums(truth, truth, seed=0) == right
    assert right + OrderSums() == right
    assert order_sums([1.0], [1.0]) == OrderSums()
    assert order_sums(truth, np.ones(400)).pairs == 0


def test_sdr_on_hand_made_pairs():
    first, second = [1.0, 1.05, 2.0, 1.0], [1.2, 1.0, 1.0, 1.0]
    sums = sdr_sums(first, second, [-1, 0, -1, 0])
    assert (sums.pairs, sums.wrong) == (4, 1)
    with pytest.raises(UsageError, match="orders for"):
        sdr_sums(first, second, [1])
