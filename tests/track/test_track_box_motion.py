"""Where boxes will be."""

import numpy as np
import pytest

from howfar.core.boxes import Box
from howfar.track.box_motion import BoxMotion


def moving(times, speed=60.0):
    """A box that moves to the right, followed; returns the motion."""
    motion = BoxMotion(times[0], Box(0 + speed * times[0], 0, 40 + speed * times[0], 80))
    for time_s in times[1:]:
        motion.update(time_s, Box(speed * time_s, 0, 40 + speed * time_s, 80))
    return motion


def test_steady_motion_is_foreseen():
    box = moving(np.arange(0, 2, 0.1)).foresee(2.4)
    assert box.center == pytest.approx((20 + 60 * 2.4, 40), abs=4)
    assert (box.width, box.height) == pytest.approx((40, 80), abs=0.5)


def test_times_count_not_frames():
    even = moving(np.arange(0, 2.01, 0.1)).foresee(2.5)
    rng = np.random.default_rng(2)
    uneven = moving(np.array([0, *np.sort(rng.uniform(0, 2, 19)), 2.0])).foresee(2.5)
    assert uneven == pytest.approx(even, abs=3)


def test_an_unseen_object_goes_on_for_a_second_then_stands():
    motion = moving(np.arange(0, 2, 0.1))
    x = [motion.foresee(motion.time_s + gone).center[0] for gone in (0, 1, 5)]
    assert x[1] - x[0] == pytest.approx(60, abs=3)
    assert x[2] == x[1]


def test_a_shrinking_box_is_not_foreseen_to_vanish():
    """Something hides it step by step; behind that it keeps its size."""
    motion = BoxMotion(0.0, Box(0, 0, 40, 80))
    for i in range(1, 8):
        motion.update(i / 10, Box(0, 0, 40 - 5 * i, 80))
    assert motion.foresee(1.5).width == pytest.approx(motion.foresee(0.7).width)
    assert motion.foresee(1.5).width >= 1


def test_noise_is_averaged():
    rng = np.random.default_rng(0)
    motion = BoxMotion(0.0, Box(0, 0, 40, 80))
    off = []
    for i in range(1, 100):
        shaken = Box(*(np.array([0, 0, 40, 80]) + rng.normal(0, 2, 4)))
        motion.update(i / 30, shaken)
        off.append((motion.foresee(i / 30).center[0] - 20, shaken.center[0] - 20))
    ours, theirs = np.abs(off).mean(axis=0)
    assert ours < theirs


def test_an_empty_box_is_no_error():
    motion = BoxMotion(0.0, Box(5, 5, 5, 5))
    motion.update(0.1, Box(5, 5, 5, 5))
    assert motion.foresee(0.2).center == pytest.approx((5, 5))
