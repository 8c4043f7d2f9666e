import math

import numpy as np
import pytest

from howfar.calibrate.pool import SIZE_BIAS, Reading, odd_readings, pool, without_own
from howfar.core.scale import CameraHeight, KnownDistance, ObjectSizes, Scale, ScaleSource
from howfar.errors import ScaleError

KNOWN, SIZES = ScaleSource.KNOWN_DISTANCE, ScaleSource.OBJECT_SIZE


def readings(factors, own=0.05, source=SIZES, objects=1):
    return [
        Reading(f"{i}.jpg", f"known {i}", Scale(factor, source, own, objects))
        for i, factor in enumerate(factors)
    ]


def test_one_reading():
    scale = pool(readings([1.5]), 0.02)
    assert scale.factor == pytest.approx(1.5)
    assert scale.uncertainty == pytest.approx(math.hypot(0.05, 0.2, 0.2, 0.02), rel=0.4)
    assert (scale.source, scale.objects) == (SIZES, 1)


def test_more_pictures_make_it_surer_down_to_what_they_share():
    found = [pool(readings([1.5] * n), 0.05).uncertainty for n in (1, 2, 4, 16, 64)]
    assert found == sorted(found, reverse=True)
    assert 0.05 < found[-1] < 0.08


def test_pictures_that_disagree_keep_it_unsure():
    """The next picture has a factor of its own, however many were seen."""
    rng = np.random.default_rng(0)
    scale = pool(readings(np.exp(rng.normal(0.3, 0.3, 200))), 0.0)
    assert math.log(scale.factor) == pytest.approx(0.3, abs=0.08)
    assert scale.uncertainty == pytest.approx(0.3, rel=0.2)


def test_one_wild_picture_does_not_count():
    scale = pool(readings([1.4, 1.5, 1.5, 1.6, 9.0]), 0.0)
    assert scale.factor == pytest.approx(1.5, rel=0.02)
    assert scale.uncertainty < 0.4


def test_sure_readings_weigh_more():
    mixed = readings([1.0], own=0.9) + readings([2.0, 2.02], own=0.02)
    assert pool(mixed, 0.0).factor > 1.9


def test_stated_uncertainty_holds():
    """Factors of pictures spread by .15, read with errors of .1; the next picture's factor lies
    within one stated deviation in about two thirds of many worlds."""
    rng = np.random.default_rng(1)
    for count in (1, 3, 10):
        hits = []
        for _ in range(400):
            truths = rng.normal(0, 0.15, count + 1)
            seen = truths[:-1] + rng.normal(0, 0.1, count)
            scale = pool(readings(np.exp(seen), own=0.1), 0.0)
            hits.append(abs(math.log(scale.factor) - truths[-1]) < scale.uncertainty)
        assert 0.6 < np.mean(hits) < 0.9


def test_focal_length_matters_where_it_is_used():
    plain = pool(readings([1.5]), 0.0).uncertainty
    assert pool(readings([1.5]), 0.0, 0.1).uncertainty == pytest.approx(math.hypot(plain, 0.1))
    known = readings([1.5], source=KNOWN)
    assert pool(known, 0.0, 0.1).uncertainty == pytest.approx(plain)


@pytest.mark.parametrize(
    "factors", [[1.0, 2.1], [1.5, 1.6, 16], [0.5, 0.6, 1.5, 1.4, 1.6, 1.5, 1.55]]
)
def test_known_distances_that_contradict(factors):
    odd = int(np.argmax(np.abs(np.log(factors) - np.median(np.log(factors)))))
    with pytest.raises(ScaleError, match="contradict each other") as caught:
        pool(readings(factors, source=KNOWN), 0.0)
    if len(factors) > 2:
        assert f"known {odd} in {odd}.jpg" in str(caught.value)


def test_known_distances_that_agree():
    assert odd_readings(readings([1.0, 1.5, 1.9], source=KNOWN)) == []
    assert odd_readings(readings([1.0, 1.9], source=KNOWN)) == []
    assert odd_readings(readings([1.0], source=KNOWN)) == []


def test_one_odd_distance_among_many_is_left_out():
    mixed = readings([1.5, 1.45, 1.55, 15.0, 1.5], source=KNOWN)
    assert odd_readings(mixed) == [mixed[3]]
    assert pool(mixed, 0.0).objects == 4
    assert pool(mixed, 0.0).factor == pytest.approx(1.5, rel=0.02)


def test_no_readings():
    with pytest.raises(ScaleError, match="no picture gave a scale"):
        pool([], 0.0)


def test_what_all_pictures_share():
    assert without_own(ObjectSizes()) == (ObjectSizes(), SIZE_BIAS)
    assert without_own(KnownDistance(2, "chair", 0.1)) == (KnownDistance(2, "chair", 0), 0.1)
    request, shared = without_own(CameraHeight(1.65, 0.03))
    assert request == CameraHeight(1.65, 0)
    assert shared == pytest.approx(math.hypot(0.03, 0.2))
