"""Smoothing of one object's distance: calm when still, prompt when moving, honest intervals."""

import math

import numpy as np
import pytest
from footage import interval

from howfar.track.distance_filter import DistanceFilter, interval_sigma


def smooth(times, distances, spread=0.1):
    """Estimates after each measurement."""
    spreads = np.broadcast_to(spread, len(times))
    first, *rest = zip(times, distances, spreads, strict=True)
    track = DistanceFilter(first[0], first[1], interval(first[1], first[2]))
    found = [track.estimate(first[0])]
    for time_s, distance, one in rest:
        track.update(time_s, distance, interval(distance, one))
        found.append(track.estimate(time_s))
    return found


def metres(found):
    return np.array([one.distance_m for one in found])


def lag_s(times, truth, smoothed):
    """The delay of the truth at which it fits best."""
    delays = np.arange(-0.2, 1.0, 0.01)
    errors = [np.square(np.interp(times - d, times, truth) - smoothed).mean() for d in delays]
    return delays[int(np.argmin(errors))]


def flicker(count, spread, lasting, rng):
    """Log errors of frames, correlated by `lasting` from one to the next."""
    errors = [rng.normal() * spread]
    for _ in range(count - 1):
        fresh = rng.normal() * spread * math.sqrt(1 - lasting**2)
        errors.append(lasting * errors[-1] + fresh)
    return np.exp(errors)


@pytest.mark.parametrize("fps", [10, 30])
@pytest.mark.parametrize("lasting", [0.0, 0.5])
@pytest.mark.parametrize(("real", "stated"), [(0.01, 0.2), (0.05, 0.1), (0.1, 0.1), (0.1, 0.05)])
def test_a_still_object_jitters_half_as_much_or_less(fps, lasting, real, stated):
    times = np.arange(0, 15, 1 / fps)
    ratios, steps = [], []
    for seed in range(3):
        measured = 4 * flicker(len(times), real, lasting, np.random.default_rng(seed))
        calm = metres(smooth(times, measured, stated))
        logs = np.log([measured[times > 1], calm[times > 1]])
        ratios.append(logs[1].std() / logs[0].std())
        steps.append(np.abs(np.diff(logs[1])).mean() / np.abs(np.diff(logs[0])).mean())
    assert np.median(ratios) < 0.5
    assert max(steps) < 0.3


@pytest.mark.parametrize("fps", [10, 15, 30])
@pytest.mark.parametrize("speed", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("spread", [0.02, 0.05])
def test_a_moving_object_is_at_most_three_tenths_of_a_second_late(fps, speed, spread):
    times = np.arange(0, 3 + 6 / speed, 1 / fps)
    truth = np.clip(8 - speed * (times - 2), 2, 8)
    for seed in range(4):
        rng = np.random.default_rng(seed)
        measured = truth * flicker(len(times), spread, 0.3, rng)
        assert lag_s(times, truth, metres(smooth(times, measured))) <= 0.3


def test_speed_and_contact_of_a_steady_approach():
    times = np.arange(0, 3, 0.1)
    found = smooth(times, 8 - 2 * times, 0.05)
    last = found[-1]
    assert last.speed_m_s == pytest.approx(2, rel=0.05)
    assert last.speed_interval_m_s[0] < 2 < last.speed_interval_m_s[1]
    seconds, low, high = last.contact_s
    assert low < seconds < high
    assert seconds == pytest.approx((8 - 2 * times[-1]) / 2, rel=0.08)
    assert found[0].contact_s is None


def test_going_away_is_a_negative_speed_without_contact():
    times = np.arange(0, 3, 0.1)
    last = smooth(times, 3 + 1.5 * times, 0.05)[-1]
    assert last.speed_m_s == pytest.approx(-1.5, rel=0.1)
    assert last.speed_interval_m_s[1] < 0
    assert last.contact_s is None


def test_speed_intervals_cover():
    """At least 80 % of speeds of moving objects, and nearly all of still ones, lie in theirs."""
    times = np.arange(0, 6, 1 / 15)
    inside, still = [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        noise = flicker(len(times), 0.05, 0.0, rng)
        for one, time_s in zip(smooth(times, (9 - 1.2 * times) * noise), times, strict=True):
            low, high = one.speed_interval_m_s
            inside += [low <= 1.2 <= high] * int(time_s > 1)
        bounds = (one.speed_interval_m_s for one in smooth(times, 4 * noise))
        still += [low <= 0 <= high for low, high in bounds]
    assert np.mean(inside) > 0.85
    assert np.mean(still) > 0.95


def test_a_wide_interval_counts_less():
    times = np.arange(0, 2, 0.1)
    distances = np.full(20, 4.0)
    distances[-1] = 4.4
    narrow, wide = np.full(20, 0.1), np.full(20, 0.1)
    wide[-1] = 0.6
    by_narrow, by_wide = (smooth(times, distances, s)[-1].distance_m for s in (narrow, wide))
    assert 4.0 < by_wide < by_narrow - 0.01


def test_one_wrong_distance_changes_nothing():
    times = np.arange(0, 4, 0.1)
    distances = 4 * flicker(len(times), 0.01, 0, np.random.default_rng(3))
    distances[25] = 9.0
    assert np.abs(np.log(metres(smooth(times, distances))[5:] / 4)).max() < 0.02


def test_a_lasting_jump_is_believed_after_a_quarter_of_a_second():
    times = np.arange(0, 4, 0.1)
    distances = np.where(times < 2, 4.0, 6.0)
    found = smooth(times, distances)
    assert metres(found)[times < 2.15] == pytest.approx(4.0, rel=0.05)
    assert metres(found)[times >= 2.3] == pytest.approx(6.0, rel=0.05)
    assert abs(found[-1].speed_m_s) < 0.2


def test_times_count_not_frames():
    """The same motion seen in uneven frames gives the same answer."""
    even = np.arange(0, 3.01, 0.1)
    uneven = np.sort(np.random.default_rng(5).choice(np.arange(0.01, 3, 0.01), 29, replace=False))
    uneven = np.concatenate([[0.0], uneven, [3.0]])
    a, b = (smooth(t, 8 - 2 * t, 0.05)[-1] for t in (even, uneven))
    assert b.distance_m == pytest.approx(a.distance_m, rel=0.02)
    assert b.speed_m_s == pytest.approx(a.speed_m_s, rel=0.06)


def test_a_gap_is_bridged_and_less_sure():
    times = np.arange(0, 2, 0.1)
    track = DistanceFilter(0.0, 8.0, interval(8.0))
    for time_s in times[1:]:
        track.update(time_s, 8 - 2 * time_s, interval(8 - 2 * time_s))
    now, later = track.estimate(times[-1]), track.estimate(times[-1] + 1)
    assert later.distance_m < now.distance_m - 1.2
    widths = [high / low for low, high in (now.interval_m, later.interval_m)]
    assert widths[1] > widths[0]


def test_the_interval_keeps_what_averaging_cannot_remove():
    """A calm network whose intervals are wide stays unsure; one that flickers as its intervals say
    becomes sure."""
    times = np.arange(0, 6, 0.1)
    rng = np.random.default_rng(1)
    calm = smooth(times, 4 * flicker(len(times), 0.005, 0, rng), 0.2)[-1]
    loud = smooth(times, 4 * flicker(len(times), 0.2, 0, rng), 0.2)[-1]
    calm_sigma, loud_sigma = interval_sigma(calm.interval_m), interval_sigma(loud.interval_m)
    assert calm_sigma == pytest.approx(0.2, rel=0.05)
    assert loud_sigma < 0.75 * calm_sigma


@pytest.mark.parametrize("bounds", [(4.0, 4.0), (0.0, 5.0), (1e-9, 1e9)])
def test_odd_intervals_are_bounded(bounds):
    assert 0.02 <= interval_sigma(bounds) <= 1.0
    track = DistanceFilter(0.0, 4.0, bounds)
    track.update(0.1, 4.1, bounds)
    assert 3.9 < track.estimate(0.1).distance_m < 4.2
    low, high = track.estimate(0.1).interval_m
    assert 0 < low < high < math.inf


def test_two_measurements_at_one_time():
    track = DistanceFilter(1.0, 4.0, interval(4.0))
    track.update(1.0, 4.2, interval(4.2))
    assert 4.0 < track.estimate(1.0).distance_m < 4.2
