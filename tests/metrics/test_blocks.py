import numpy as np
import pytest
from scipy.stats import spearmanr

from howfar.core.depth import DepthMap
from howfar.errors import UsageError
from howfar.metrics.blocks import GRID, block_scores, blocks, depth_blocks, rank_correlation


def rows_of(count=20_000, seed=0, told=1.0, constant=False):
    """Blocks whose log error is Laplace of a known scale; the interval is `told` times as wide as
    the 80 % one."""
    rng = np.random.default_rng(seed)
    scale = np.full(count, 0.1) if constant else np.exp(rng.uniform(-4, -0.5, count))
    truth = np.exp(rng.uniform(0, 2, count))
    p = truth * np.exp(rng.laplace(0, scale))
    return np.column_stack([p, told * -np.log(0.2) * scale, truth])


def test_blocks_cover_the_picture_once():
    seen = np.zeros((50, 37), int)
    for cut in blocks(50, 37):
        seen[cut] += 1
    assert (seen == 1).all()
    assert len(list(blocks(50, 37))) == GRID**2
    assert len(list(blocks(5, 100))) == 5 * GRID


def test_calibrated_intervals_cover_their_level_and_beat_constant_ones():
    found = block_scores(rows_of(), 0.8)
    assert found.coverage == pytest.approx(0.8, abs=0.01)
    assert found.winkler < 0.9 * min(found.winkler_factor, found.winkler_metres)
    assert found.rank_correlation > 0.5


def test_narrow_intervals_cover_less():
    assert block_scores(rows_of(told=0.4), 0.8).coverage < 0.6


def test_of_constant_errors_the_best_constant_factor_is_as_good():
    found = block_scores(rows_of(constant=True), 0.8)
    assert found.winkler == pytest.approx(found.winkler_factor, rel=0.02)
    assert np.isnan(found.rank_correlation)


def test_medians_of_known_pixels_only():
    truth = np.full((32, 32), 4.0, np.float32)
    truth[:16] = np.nan
    truth[16, 0] = 1000.0
    half = np.full((32, 32), 0.5, np.float32)
    prediction = DepthMap(np.full((32, 32), 2.0), log_error=half, level=0.8)
    rows = depth_blocks(prediction, DepthMap(truth))
    assert rows.shape == (GRID * GRID // 2, 3)
    assert rows[1:].tolist() == [[2.0, 0.5, 4.0]] * (len(rows) - 1)


def test_what_cannot_be_judged():
    flat = DepthMap(np.ones((4, 4)))
    with pytest.raises(UsageError, match="no intervals"):
        depth_blocks(flat, flat)
    half = np.ones((4, 4), np.float32)
    with pytest.raises(UsageError, match="pixels"):
        depth_blocks(
            DepthMap(np.ones((4, 4)), log_error=half, level=0.8), DepthMap(np.ones((2, 2)))
        )
    with pytest.raises(UsageError, match="no block"):
        block_scores(np.zeros((0, 3)), 0.8)


def test_rank_correlation_is_scipys():
    rng = np.random.default_rng(0)
    a = rng.integers(0, 9, 200).astype(float)
    b = a + rng.normal(0, 3, 200)
    assert rank_correlation(a, b) == pytest.approx(spearmanr(a, b).statistic, abs=1e-12)
