import math

import numpy as np
import pytest

from howfar.errors import UsageError
from howfar.metrics.depth import (
    DepthSums,
    ImageMeans,
    aggregate_errors,
    depth_sums,
    gradient_mare_error,
    image_means,
    soft_accuracy_score,
)
from howfar.metrics.sums import Mean

G, P = [1.0, 2.0, 4.0, 8.0], [1.1, 1.5, 4.4, 11.0]


def plain_errors(p, g, valid):
    """Every error by a loop over pixels, straight from the formulas."""
    rows = [(float(a), float(b)) for a, b, v in zip(p.flat, g.flat, valid.flat, strict=True) if v]
    n = len(rows)

    def mean(f):
        return sum(f(a, b) for a, b in rows) / n

    def log(a, b):
        return math.log(a) - math.log(b)

    log_mean = mean(log)
    return {
        "abs_rel": mean(lambda a, b: abs(a - b) / b),
        "sq_rel": mean(lambda a, b: (a - b) ** 2 / b),
        "sq_rel_kitti": 100 * mean(lambda a, b: (a - b) ** 2 / b**2),
        "mae": mean(lambda a, b: abs(a - b)),
        "rmse": math.sqrt(mean(lambda a, b: (a - b) ** 2)),
        "bias": mean(lambda a, b: a - b),
        "rmse_log": math.sqrt(mean(lambda a, b: log(a, b) ** 2)),
        "rmse_log1p": math.sqrt(mean(lambda a, b: (math.log(1 + a) - math.log(1 + b)) ** 2)),
        "log10": mean(lambda a, b: abs(math.log10(a) - math.log10(b))),
        "log_mae": mean(lambda a, b: abs(math.log10(a) - math.log10(b))),
        "log_rmse": math.sqrt(mean(lambda a, b: (math.log10(a) - math.log10(b)) ** 2)),
        "silog": 100 * math.sqrt(mean(lambda a, b: (log(a, b) - log_mean) ** 2)),
        "imae": mean(lambda a, b: abs(1000 / a - 1000 / b)),
        "irmse": math.sqrt(mean(lambda a, b: (1000 / a - 1000 / b) ** 2)),
        "delta1": mean(lambda a, b: max(a / b, b / a) < 1.25),
        "delta2": mean(lambda a, b: max(a / b, b / a) < 1.25**2),
        "delta3": mean(lambda a, b: max(a / b, b / a) < 1.25**3),
    }


@pytest.fixture
def maps():
    """Random prediction, truth and mask of an image; every fifth true depth is unknown."""
    rng = np.random.default_rng(5)
    truth = rng.uniform(0.5, 80, (37, 53))
    prediction = truth * rng.lognormal(0.05, 0.3, truth.shape)
    valid = rng.random(truth.shape) < 0.7
    truth[::5] = 0
    return prediction, truth, valid


def test_the_vector_of_the_facts_sheet():
    errors = depth_sums(P, G).errors()
    expected = {
        "abs_rel": 0.20625,
        "sq_rel": 0.325,
        "sq_rel_kitti": 100 * 0.05578125,
        "rmse": 1.5346009253,
        "rmse_log": 0.2249121020,
        "log10": 0.0865067013,
        "silog": 21.7995532055,
        "delta1": 0.5,
        "delta2": 1,
        "delta3": 1,
        "rmse_log1p": 0.1762850014,
    }
    assert {name: errors[name] for name in expected} == pytest.approx(expected, abs=5e-11)


def test_every_error_equals_a_plain_loop(maps):
    prediction, truth, valid = maps
    found = depth_sums(prediction, truth, valid).errors()
    assert found == pytest.approx(plain_errors(prediction, truth, valid & (truth > 0)), rel=1e-9)


def test_partial_sums_add_up_to_the_whole(maps):
    prediction, truth, valid = maps
    whole = depth_sums(prediction, truth, valid)
    shard = np.random.default_rng(0).integers(0, 7, truth.shape)
    parts = [depth_sums(prediction, truth, valid & (shard == k)) for k in range(8)]
    total = sum(parts, DepthSums())
    assert total.pixels == whole.pixels
    assert total.errors() == pytest.approx(whole.errors(), rel=1e-12)


def test_a_perfect_prediction(maps):
    _, truth, _ = maps
    errors = depth_sums(truth, truth).errors()
    deltas = {name: errors.pop(name) for name in ("delta1", "delta2", "delta3")}
    assert set(deltas.values()) == {1.0}
    assert set(errors.values()) == {0.0}


def test_what_scaling_leaves_alone(maps):
    prediction, truth, valid = maps
    base = depth_sums(prediction, truth, valid).errors()
    both = depth_sums(3 * prediction, 3 * truth, valid).errors()
    for name in ("abs_rel", "sq_rel_kitti", "rmse_log", "log10", "silog", "delta1"):
        assert both[name] == pytest.approx(base[name])
    assert both["rmse"] == pytest.approx(3 * base["rmse"])
    assert both["irmse"] == pytest.approx(base["irmse"] / 3)
    one = depth_sums(3 * prediction, truth, valid).errors()
    assert one["silog"] == pytest.approx(base["silog"])
    assert depth_sums(2 * truth, truth).silog_error() == pytest.approx(0, abs=1e-4)


def test_silog_variants():
    sums = depth_sums(P, G)
    e = np.log(P) - np.log(G)
    half = np.mean(e**2) - 0.5 * np.mean(e) ** 2
    assert sums.silog_error(lam=0.5, factor=1) == pytest.approx(math.sqrt(half))
    assert sums.silog_error(lam=0.5, root=False, factor=1) == pytest.approx(half)


def test_delta_is_strict():
    assert depth_sums([1.25], [1.0]).errors()["delta1"] == 0
    assert depth_sums([1.25], [1.0]).errors()["delta2"] == 1


def test_clamped_and_missing_predictions_are_counted():
    prediction = [0.0, -1.0, np.nan, 90.0, np.inf, 5.0, 7.0]
    truth = [1.0, 1.0, 1.0, 1.0, 1.0, 5.0, 0.0]
    capped = depth_sums(prediction, truth, max_m=80)
    assert (capped.pixels, capped.missing) == (5, 1)
    assert (capped.clamped_low, capped.clamped_high) == (2, 2)
    assert capped.absolute == pytest.approx(2 * (1 - 1e-3) + 2 * 79)
    free = depth_sums(prediction, truth)
    assert (free.pixels, free.missing, free.clamped_high) == (4, 2, 0)
    assert all(math.isfinite(v) for v in free.errors().values())


def test_no_pixels_have_no_error():
    assert all(math.isnan(v) for v in DepthSums().errors().values())
    assert all(math.isnan(v) for v in ImageMeans().errors().values())
    assert ImageMeans().errors().keys() == DepthSums().errors().keys()
    assert image_means(depth_sums([1.0], [0.0])) == ImageMeans(empty=1)


def test_pooled_and_per_image_are_two_things():
    small, large = depth_sums([2.0], [1.0]), depth_sums([1.0] * 9, [1.0] * 9)
    images = [small, large, DepthSums()]
    assert aggregate_errors(images, "pooled")["abs_rel"] == pytest.approx(0.1)
    assert aggregate_errors(images, "per-image")["abs_rel"] == pytest.approx(0.5)
    means = [image_means(s) for s in images]
    total = sum(means, ImageMeans())
    assert (total.images, total.empty) == (2, 1)
    assert means[2] + means[1] + means[0] == total


def test_wrong_use_is_one_clear_error():
    with pytest.raises(UsageError, match="differ in shape"):
        depth_sums([1.0], [1.0, 2.0])
    with pytest.raises(UsageError, match="does not fit truth"):
        depth_sums([1.0, 2.0], [1.0, 2.0], [True])
    with pytest.raises(UsageError, match="0 < min < max"):
        depth_sums([1.0], [1.0], min_m=0)
    with pytest.raises(TypeError):
        DepthSums() + Mean()


def test_soft_accuracy_is_agreement_about_one_half():
    prediction, truth = [0.1, 0.6, 0.5, 0.9], [0.4, 0.4, 0.3, 1.0]
    score = soft_accuracy_score(prediction, truth)
    assert (score.total, score.count) == (3, 4)  # 0.5 rounds to 0
    half = soft_accuracy_score(prediction, truth, [True, True, False, False])
    assert (half + soft_accuracy_score(prediction, truth, [False, False, True, True])) == score
    assert math.isnan(soft_accuracy_score([], []).value)


def test_gradient_mare_equals_a_plain_loop(maps):
    prediction, truth, valid = maps
    use = valid & (truth > 0)
    terms = []
    for y in range(truth.shape[0]):
        for x in range(truth.shape[1]):
            for v, u in ((y + 1, x), (y, x + 1)):
                if v < truth.shape[0] and u < truth.shape[1] and use[y, x] and use[v, u]:
                    dg, dp = truth[v, u] - truth[y, x], prediction[v, u] - prediction[y, x]
                    terms.append(abs(dg - dp) / max(abs(dg), 0.01))
    found = gradient_mare_error(prediction, truth, valid)
    assert found.count == len(terms)
    assert found.value == pytest.approx(np.mean(terms), rel=1e-9)
    assert gradient_mare_error(truth, truth).value == 0
    with pytest.raises(UsageError, match="give two"):
        gradient_mare_error([1.0], [1.0])
