import numpy as np
import pytest

from howfar.errors import UsageError
from howfar.metrics.bootstrap import paired_bootstrap


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_a_known_difference_is_found(statistic):
    rng = np.random.default_rng(0)
    base = rng.lognormal(0, 1, 400)
    a, b = base + rng.normal(0.1, 0.05, 400), base
    found = paired_bootstrap(a, b, statistic=statistic)
    assert found.low < found.difference < found.high
    assert found.low < 0.1 < found.high
    assert found.verdict == "higher"
    assert paired_bootstrap(b, a, statistic=statistic).verdict == "lower"
    assert found == paired_bootstrap(a, b, statistic=statistic), "seeded"
    assert paired_bootstrap(a, a, statistic=statistic).verdict == "unclear"


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution():
    a = np.random.default_rng(1).normal(0, 1, 1000)
    found = paired_bootstrap(a, np.zeros(1000), level=0.9)
    half = 1.645 * a.std() / np.sqrt(1000)
    assert found.high - found.low == pytest.approx(2 * half, rel=0.1)


def test_pairing_makes_small_differences_visible():
    rng = np.random.default_rng(2)
    base = rng.normal(10, 5, 200)
    paired = paired_bootstrap(base + 0.1, base)
    assert paired.high - paired.low < 1e-9


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_items_of_one_frame_are_drawn_together(statistic):
    rng = np.random.default_rng(3)
    frame = np.repeat(np.arange(20), 25)
    a = rng.normal(0, 1, 20)[frame]
    alone = paired_bootstrap(a, np.zeros(500), statistic=statistic)
    grouped = paired_bootstrap(a, np.zeros(500), frame.astype(str), statistic=statistic)
    assert (alone.clusters, grouped.clusters) == (500, 20)
    assert alone.difference == grouped.difference
    assert grouped.high - grouped.low > 3 * (alone.high - alone.low)


def test_coverage_is_about_the_level():
    rng = np.random.default_rng(4)
    inside = 0
    for seed in range(100):
        found = paired_bootstrap(
            rng.normal(1, 2, 80), np.zeros(80), level=0.8, resamples=300, seed=seed
        )
        inside += found.low <= 1 <= found.high
    assert 68 <= inside <= 90


def test_wrong_use():
    with pytest.raises(UsageError, match="one each"):
        paired_bootstrap([], [])
    with pytest.raises(UsageError, match="one each"):
        paired_bootstrap([1.0], [1.0], ["a", "b"])
    with pytest.raises(UsageError, match="not finite"):
        paired_bootstrap([np.nan], [1.0])
    with pytest.raises(UsageError, match="mean or median"):
        paired_bootstrap([1.0], [1.0], statistic="mode")
    with pytest.raises(UsageError, match="level"):
        paired_bootstrap([1.0], [1.0], level=95)
