"""What a network and the size of a thing say together of its distance."""

import math

import numpy as np
import pytest

from howfar.core.foreground import SizePrior
from howfar.core.fusion import Fused, fuse

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


def test_the_mean_is_that_of_two_normal_readings_with_correlated_errors():
    found = fused(size_m=(10.001,))  # a thing of its usual size, beyond doubt
    network, size = 0.4 / QUANTILE, math.hypot(0.1, 0.25)
    both = np.array([[network**2, 0.4 * network * size], [0.4 * network * size, size**2]])
    precision = np.linalg.inv(both)
    share = precision.sum(0)[1] / precision.sum()
    wide = QUANTILE / math.sqrt(precision.sum())
    usual = 0.9 / math.sqrt(2 * math.pi * (network**2 + size**2 - 0.8 * network * size))
    usual /= usual + 0.1 / math.log(100)
    moved = math.log(found.depth[0] / 10) / math.log(1.0001)
    assert moved == pytest.approx(share * usual, rel=0.02)
    assert found.log_error[0] == pytest.approx(wide, rel=0.02)


def test_agreement_narrows_the_interval_and_doubt_widens_it():
    agree, doubt = fused(size_m=(10.5,)), fused(size_m=(22.0,))
    assert agree.log_error[0] < 0.4
    assert doubt.log_error[0] > agree.log_error[0]


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
        {"half": (math.nan,)},
    ],
    ids=["class", "size", "network", "error"],
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
