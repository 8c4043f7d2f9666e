"""One alert an object and entry."""

import numpy as np
import pytest
from footage import follow, frame, interval, thing

from howfar.core.depth import DepthKind
from howfar.errors import UsageError
from howfar.track import Alerts, Tracker


def alerts(frames, within_m=2.0):
    watch = Alerts(within_m)
    return [alert for one in follow(Tracker(), frames) for alert in watch.update(one)]


def test_one_alert_an_entry():
    times = np.arange(0, 12, 0.1)
    path = np.interp(times, [0, 3, 5, 8, 11], [4, 1.5, 1.5, 4, 1.5])
    found = alerts([frame(t, thing(100, z)) for t, z in zip(times, path, strict=True)])
    assert [one.id for one in found] == [1, 1]
    first = found[0]
    assert first.time_s == pytest.approx(2.4, abs=0.3)
    assert first.frame_index == round(first.time_s * 10)
    assert first.distance_m <= 2.0 == first.within_m
    assert first.interval_m[0] < first.distance_m < first.interval_m[1]
    assert first.speed_m_s == pytest.approx(0.83, abs=0.3)
    assert first.contact_s == pytest.approx(first.distance_m / first.speed_m_s, rel=0.01)


def test_flicker_around_the_border_is_one_alert():
    rng = np.random.default_rng(4)
    times = np.arange(0, 20, 0.1)
    distances = 2.0 * np.exp(rng.normal(0, 0.06, len(times)))
    assert np.sum(np.diff(distances <= 2.0)) > 50
    found = alerts([frame(t, thing(100, z)) for t, z in zip(times, distances, strict=True)])
    assert len(found) == 1


def test_losing_and_finding_again_is_no_new_entry():
    times = np.arange(0, 4, 0.1)
    frames = [frame(t) if 1 < t < 2 else frame(t, thing(100, 1.5)) for t in times]
    assert len(alerts(frames)) == 1


def test_what_is_inside_from_the_beginning_is_said_once_it_was_seen_twice():
    found = alerts([frame(t, thing(100, 1.0)) for t in (0.0, 0.1, 0.2)])
    assert [one.time_s for one in found] == [0.1]


def test_objects_without_a_distance_raise_none():
    assert alerts([frame(t, thing(100, None)) for t in np.arange(0, 2, 0.1)]) == []


def test_hidden_objects_alert_too():
    bounds = {"min_distance": 3.0, "max_distance": None, "by": "z"}
    near = thing(100, 1.0, reason="nearer than 3 m")
    frames = [frame(t, left_out=[near], filter=bounds) for t in (0.0, 0.1)]
    assert len(alerts(frames)) == 1


def test_by_range():
    bounds = {"min_distance": None, "max_distance": 9.0, "by": "range"}
    one = thing(100, 1.9, range_m=2.5, xyz_m=(1.6, 0.0, 1.9))
    assert alerts([frame(t, one, filter=bounds) for t in (0.0, 0.1)]) == []
    (found,) = alerts([frame(t, one, filter=bounds) for t in (0.0, 0.1)], 3.0)
    assert found.distance_m == pytest.approx(2.5)
    low, high = found.interval_m
    assert (low / 2.5, high / 2.5) == pytest.approx([v / 1.9 for v in interval(1.9)], abs=0.05)


def test_relative_depth_is_wrong_use():
    tracked = Tracker().update(frame(0.0, thing(100, None), kind=DepthKind.RELATIVE))
    with pytest.raises(UsageError, match="relative; give a scale"):
        Alerts(2.0).update(tracked)


@pytest.mark.parametrize("within_m", [0, -1, float("inf"), float("nan")])
def test_wrong_distances_are_named(within_m):
    with pytest.raises(UsageError, match="give metres > 0"):
        Alerts(within_m)
