"""What a network and the size of a thing say together of its distance."""

import math

import numpy as np
import pytest

from howfar.core.foreground import SizePrior
from howfar.core.fusion import (
    TOGETHER,
    UNUSUAL_RANGE,
    USUAL,
    Fused,
    fuse,
    mean_of_readings,
)

LEVEL = 0.8
QUANTILE = 1.2815515655446004
CAR = [[100, 100, 200, 160]]


def fused(
    network_m=(10.0,), half=(0.4,), size_m=(20.0,), spread=(0.1,), boxes=CAR, labels=("car",)
) -> Fused:
    """`fuse` of things that are given as tuples."""
    prior = SizePrior(np.array(size_m, np.float32), np.array(spread, np.float32))
    arrays = (np.array(network_m, np.float32), np.array(half, np.float32))
    return fuse(*arrays, LEVEL, prior, np.array(boxes, np.float32), labels)


def test_the_distance_lies_between_both_readings():
    found = fused(size_m=(13.0,))
    assert found.sized.tolist() == [True]
    assert 10 < found.depth[0] < 13


NETWORK, SIZE = 0.3, 0.27


def mixture(gap: float) -> tuple[float, float]:
    """Mean and standard deviation of both cases, from draws of true depths and their readings."""
    rng = np.random.default_rng(0)
    count = 4_000_000
    covariance = TOGETHER * NETWORK * SIZE
    both = [[NETWORK**2, covariance], [covariance, SIZE**2]]
    usual = rng.random(count) < USUAL
    errors = rng.multivariate_normal((0, 0), both, count)
    anywhere = rng.uniform(-UNUSUAL_RANGE / 2, UNUSUAL_RANGE / 2, count)
    gaps = np.where(usual, errors[:, 1] - errors[:, 0], anywhere)
    truths = -errors[np.abs(gaps - gap) < 0.02, 0]  # from the network's reading
    return float(truths.mean()), float(truths.std())


@pytest.mark.parametrize("gap", [0.0, 0.3, -0.5, 0.75, 0.9])
def test_the_mean_is_that_of_all_that_could_be_so(gap):
    share, std = mean_of_readings(*(np.array([v]) for v in (gap, NETWORK, SIZE)))
    mean, wide = mixture(gap)
    assert share[0] * gap == pytest.approx(mean, abs=0.01)
    assert std[0] == pytest.approx(wide, abs=0.01)


def test_agreement_narrows_the_interval_and_doubt_widens_it():
    agree, doubt = fused(size_m=(10.5,)), fused(size_m=(25.0,))
    assert agree.log_error[0] < 0.4 < doubt.log_error[0]


def test_the_stated_errors_are_those_that_count():
    found = fused(size_m=(13.0,))
    readings = (math.log(1.3), 0.4 / QUANTILE, math.hypot(0.1, 0.25))
    share, std = mean_of_readings(*(np.array([v]) for v in readings))
    assert found.depth[0] == pytest.approx(10 * 1.3 ** share[0], rel=1e-5)
    assert found.log_error[0] == pytest.approx(QUANTILE * std[0], rel=1e-5)


@pytest.mark.parametrize("label", ["person", "car", "bus", "truck", "motorcycle", "bicycle"])
def test_people_and_vehicles_have_a_say(label):
    assert fused(size_m=(13.0,), labels=(label,)).sized.tolist() == [True]


def test_a_sure_network_is_moved_less():
    sure, unsure = fused(half=(0.25,), size_m=(13.0,)), fused(half=(0.8,), size_m=(13.0,))
    assert sure.depth[0] < unsure.depth[0]


def test_a_toy_is_left_to_the_network():
    found = fused(network_m=(1.0,), size_m=(40.0,))
    assert found.sized.tolist() == [False]
    assert found.depth[0] == 1.0
    assert found.log_error[0] == np.float32(0.4)


@pytest.mark.parametrize(
    "changed",
    [
        {"labels": ("chair",)},
        {"size_m": (math.nan,)},
        {"network_m": (math.nan,)},
        {"network_m": (0.0,)},
        {"half": (math.nan,)},
    ],
    ids=["class", "size", "network", "no distance", "error"],
)
def test_what_lacks_a_reading_stays_as_it_is(changed):
    found = fused(**changed)
    given = changed.get("network_m", (10.0,))
    assert found.sized.tolist() == [False]
    np.testing.assert_array_equal(found.depth, np.array(given, np.float32))


def test_what_a_nearer_thing_covers_is_left_to_the_network():
    boxes = [[100, 100, 200, 160], [140, 110, 260, 200]]
    found = fused((10.0, 6.0), (0.4, 0.4), (13.0, 8.0), (0.1, 0.1), boxes, ("car", "car"))
    assert found.sized.tolist() == [False, True]
    assert found.depth[0] == 10
    assert 6 < found.depth[1] < 8


def test_anything_can_cover_the_feet():
    boxes = [[100, 100, 160, 300], [90, 250, 170, 320]]
    found = fused((4.0, 3.0), (0.4, 0.4), (5.0, 3.0), (0.1, 0.1), boxes, ("person", "chair"))
    assert found.sized.tolist() == [False, False]


def test_what_is_covered_at_its_side_keeps_its_height():
    boxes = [[100, 100, 200, 160], [160, 110, 260, 200]]
    found = fused((10.0, 6.0), (0.4, 0.4), (13.0, 8.0), (0.1, 0.1), boxes, ("car", "car"))
    assert found.sized.tolist() == [True, True]


def test_nothing_found_is_nothing_fused():
    found = fused((), (), (), (), np.zeros((0, 4)), ())
    assert found.depth.shape == found.sized.shape == (0,)


def test_what_is_given_is_not_changed():
    network = np.array([10.0], np.float32)
    error = np.array([0.4], np.float32)
    prior = SizePrior(np.array([13.0], np.float32), np.array([0.1], np.float32))
    fuse(network, error, LEVEL, prior, np.array(CAR, np.float32), ("car",))
    assert network[0] == 10
    assert error[0] == np.float32(0.4)
