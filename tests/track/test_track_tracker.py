"""Who is who over time."""

import numpy as np
import pytest
from footage import follow, frame, thing

from howfar.core.depth import DepthKind
from howfar.errors import UsageError
from howfar.track import Tracker

TENTHS = np.arange(0, 3, 0.1)


def ids(tracked):
    return [one.id for one in tracked.tracks]


def kinds(frames):
    return [(change.kind, change.id) for one in frames for change in one.changes]


def test_a_still_object_keeps_its_number():
    found = follow(Tracker(), [frame(t, thing(100)) for t in TENTHS])
    assert [ids(one) for one in found] == [[1]] * len(TENTHS)
    assert kinds(found) == [("new", 1)]
    last = found[-1].tracks[0]
    assert (last.frames, last.age_s) == (len(TENTHS), pytest.approx(2.9))
    assert last.object.distance_m == pytest.approx(4.0)


def test_after_the_first_frame_an_object_is_believed_when_it_was_seen_twice():
    tracker = Tracker()
    found = follow(
        tracker,
        [
            frame(0.0),
            frame(0.1, thing(100)),
            frame(0.2, thing(300)),
            frame(0.3, thing(300)),
        ],
    )
    assert [ids(one) for one in found] == [[], [], [], [1]]
    assert tracker.close()[0].frames == 2


def test_unsure_detections_go_on_with_tracks_and_begin_none():
    scores = [0.8] * 5 + [0.15] * 10 + [0.8] * 5
    frames = [
        frame(t, thing(100, score=s), thing(300, score=0.15))
        for t, s in zip(TENTHS, scores, strict=False)
    ]
    assert [ids(one) for one in follow(Tracker(), frames)] == [[1]] * 20


def test_people_who_cross_keep_their_numbers():
    frames = [
        frame(t, thing(50 + 100 * t, 3.0), thing(350 - 100 * t, 6.0)) for t in np.arange(0, 3, 0.1)
    ]
    found = follow(Tracker(), frames)
    near = {one.id for f in found for one in f.tracks if one.measured_m == 3.0}
    far = {one.id for f in found for one in f.tracks if one.measured_m == 6.0}
    assert len(near) == len(far) == 1
    assert near != far


@pytest.mark.parametrize("speed", [0, 60, 120])
def test_an_object_is_found_again_after_a_second_out_of_sight(speed):
    times = np.arange(0, 4, 0.1)
    hidden = (times > 1.5) & (times < 2.55)
    frames = [
        frame(t) if gone else frame(t, thing(50 + speed * t, 5 - 0.2 * t))
        for t, gone in zip(times, hidden, strict=True)
    ]
    found = follow(Tracker(), frames)
    assert {one for f in found for one in ids(f)} == {1}
    assert kinds(found) == [("new", 1), ("lost", 1), ("found", 1)]
    (missing,) = found[20].lost
    assert missing.id == 1
    assert missing.unseen_s == pytest.approx(0.5)
    assert missing.distance_m == pytest.approx(5 - 0.2 * 2.0, abs=0.2)
    assert missing.box.center[0] == pytest.approx(50 + speed * 2.0, abs=12)


def test_an_object_that_slows_behind_something_is_found_again_nearby():
    """It stopped out of sight, so that its box does not overlap the one foreseen."""
    seen = [frame(t, thing(50 + 100 * t)) for t in np.arange(0, 1.5, 0.1)]
    hidden = [frame(t) for t in np.arange(1.5, 2.5, 0.1)]
    again = [frame(t, thing(220)) for t in np.arange(2.5, 3, 0.1)]
    found = follow(Tracker(), [*seen, *hidden, *again])
    assert {one for f in found for one in ids(f)} == {1}


def test_a_short_miss_is_not_announced():
    frames = [frame(t) if 0.95 < t < 1.15 else frame(t, thing(100)) for t in TENTHS]
    found = follow(Tracker(), frames)
    assert kinds(found) == [("new", 1)]
    assert [one.id for one in found[10].lost] == [1]


def test_an_object_that_stays_away_ends():
    tracker = Tracker(lost_s=1.0)
    seen = [frame(t, thing(100, 4 - t)) for t in np.arange(0, 1.05, 0.1)]
    found = follow(tracker, [*seen, *(frame(t) for t in np.arange(1.1, 3, 0.1))])
    assert kinds(found) == [("new", 1), ("lost", 1), ("ended", 1)]
    (summary,) = [one for f in found for one in f.ended]
    assert (summary.id, summary.label, summary.frames, summary.times_lost) == (1, "person", 11, 0)
    assert (summary.first_s, summary.last_s) == (0.0, pytest.approx(1.0))
    assert (summary.first_frame, summary.last_frame) == (0, 10)
    assert (summary.first_m, summary.last_m) == (4.0, pytest.approx(3.0, abs=0.15))
    assert summary.nearest_m == pytest.approx(summary.last_m)
    assert summary.nearest_s == pytest.approx(1.0)
    assert summary.fastest_m_s == pytest.approx(1.0, rel=0.4)
    assert summary.score == pytest.approx(0.8)
    assert tracker.close() == []
    assert kinds(follow(tracker, [frame(3.0, thing(100)), frame(3.1, thing(100))])) == [("new", 2)]


def test_a_wavering_label_is_one_object_with_the_usual_label():
    labels = ["car", "car", "truck", "car", "truck"] * 5
    frames = [frame(t, thing(100, label=s)) for t, s in zip(TENTHS, labels, strict=False)]
    found = follow(Tracker(), frames)
    assert [ids(one) for one in found] == [[1]] * 25
    assert {one.tracks[0].object.label for one in found} == {"car"}
    assert {one.tracks[0].object.class_id for one in found} == {2}


def test_two_labels_of_one_object_are_one_track():
    frames = [frame(t, thing(100, label="car"), thing(101, label="truck")) for t in TENTHS]
    assert [ids(one) for one in follow(Tracker(), frames)] == [[1]] * len(TENTHS)


def test_a_camera_that_pauses():
    before = [frame(t, thing(100 + 20 * t)) for t in np.arange(0, 1, 0.1)]
    after = [frame(t, thing(100 + 20 * t)) for t in np.arange(2.5, 3, 0.1)]
    found = follow(Tracker(), [*before, *after])
    assert [ids(one) for one in found] == [[1]] * 15


def test_a_long_pause_ends_everything():
    found = follow(
        Tracker(), [frame(0, thing(100)), frame(60, thing(100)), frame(60.1, thing(100))]
    )
    assert kinds(found) == [("new", 1), ("ended", 1), ("new", 2)]


def test_where_time_jumps_back_all_begins_anew():
    tracker = Tracker()
    found = follow(
        tracker, [frame(5.0, thing(100)), frame(0.0, thing(100)), frame(0.1, thing(100))]
    )
    assert kinds(found) == [("new", 1), ("ended", 1), ("new", 2)]


def test_frames_may_share_their_time():
    frames = [frame(0.0, thing(100)), frame(0.1, thing(100)), frame(0.1), frame(0.1, thing(300))]
    tracked = follow(Tracker(), frames)
    assert [ids(one) for one in tracked] == [[1], [1], [], []]
    assert [[thing.id for thing in one.lost] for one in tracked] == [[], [], [1], [1]]


def test_frames_need_times():
    with pytest.raises(UsageError, match="--fps"):
        Tracker().update(frame(None))
    with pytest.raises(UsageError, match="no time"):
        Tracker().update(frame(0.0), time_s=float("nan"))
    assert Tracker().update(frame(None), time_s=1.5).time_s == 1.5


def test_a_distance_that_fails_now_and_then_is_bridged():
    frames = [frame(t, thing(100, None if 20 <= i < 25 else 6 - t)) for i, t in enumerate(TENTHS)]
    found = follow(Tracker(), frames)
    bridged = found[24].tracks[0]
    assert bridged.measured_m is None
    assert bridged.object.distance_m == pytest.approx(6 - 2.4, abs=0.2)
    assert bridged.object.interval_kind == "pixel-spread"
    assert bridged.object.reason is None


def test_a_distance_that_is_gone_for_long_is_not_made_up():
    frames = [frame(t, thing(100, 4.0 if t < 0.5 else None)) for t in np.arange(0, 4, 0.1)]
    last = follow(Tracker(), frames)[-1].tracks[0]
    assert last.object.distance_m is last.speed_m_s is last.contact_s is None
    assert last.object.reason == "no pixel of the box has a valid depth"


def test_objects_without_any_distance_are_followed():
    found = follow(Tracker(), [frame(t, thing(100 + 50 * t, None)) for t in TENTHS])
    assert [ids(one) for one in found] == [[1]] * len(TENTHS)
    assert found[-1].tracks[0].object.distance_m is None
    assert Tracker().close() == []


def test_relative_depth_gives_no_metres():
    frames = [
        frame(t, thing(100, None, relative_depth=4.0 - t), kind=DepthKind.RELATIVE) for t in TENTHS
    ]
    tracker = Tracker()
    last = follow(tracker, frames)[-1].tracks[0]
    assert last.object.relative_depth == pytest.approx(4.0 - 2.9)
    assert last.object.distance_m is last.speed_m_s is last.contact_s is last.measured_m is None
    summary = tracker.close()[0]
    assert summary.nearest_m is summary.first_m is summary.fastest_m_s is None


def test_range_and_position_move_with_the_distance():
    rng, tracker = np.random.default_rng(0), Tracker()
    for t in TENTHS:
        z = 4 * float(np.exp(rng.normal(0, 0.05)))
        last = frame(t, thing(100, z, range_m=1.25 * z, xyz_m=(0.75 * z, 0.0, z)))
        one = tracker.update(last).tracks[0].object
    assert one.range_m == pytest.approx(1.25 * one.distance_m)
    assert one.xyz_m == pytest.approx((0.75 * one.distance_m, 0.0, one.distance_m))


def test_the_filter_looks_at_the_smoothed_distance():
    """A per-frame filter at 4 m lets an object at 3.9 m flicker in and out; here it stays."""
    rng = np.random.default_rng(1)
    shown, by_frame, tracker = [], [], Tracker()
    bounds = {"min_distance": None, "max_distance": 4.0, "by": "z"}
    for t in np.arange(0, 6, 0.1):
        one = thing(100, 3.8 * float(np.exp(rng.normal(0, 0.06))))
        kept = one.distance_m <= 4.0
        result = frame(t, *[one] * kept, left_out=[one] * (not kept), filter=bounds)
        tracked = tracker.update(result)
        assert len(tracked.tracks) + len(tracked.left_out) == 1
        shown.append(bool(tracked.tracks))
        by_frame.append(kept)
    assert np.sum(np.diff(by_frame)) > 10
    assert all(shown[10:])


def test_left_out_objects_keep_their_reason():
    bounds = {"min_distance": None, "max_distance": 4.0, "by": "z"}
    far = thing(100, 9.0, reason="beyond 4 m")
    blind = thing(300, None, reason="no distance: no pixel of the box has a valid depth")
    frames = [frame(t, left_out=[far, blind], filter=bounds) for t in (0, 0.1)]
    reasons = [one.object.reason for one in follow(Tracker(), frames)[-1].left_out]
    assert reasons == ["beyond 4 m", "no distance: no pixel of the box has a valid depth"]


def test_smoothed_is_a_result_with_the_tracked_objects():
    tracked = follow(Tracker(), [frame(t, thing(100, 4 + 0.1 * (t > 0))) for t in (0, 0.1)])[-1]
    result = tracked.smoothed()
    assert result.objects == (tracked.tracks[0].object,)
    assert result.image is tracked.result.image
    assert 4 < result.objects[0].distance_m < 4.1 == tracked.tracks[0].measured_m


def test_memory_stays_flat():
    tracker = Tracker(lost_s=0.5)
    for i in range(800):
        tracker.update(frame(i / 10, thing(100), thing(300 + 500 * (i % 7))))
    assert len(tracker._courses) < 12
    (course,) = [one for one in tracker._courses if one.id == 1]
    assert len(course.distance.flicker._seen) < 20


@pytest.mark.parametrize("wrong", [{"conf": 2}, {"conf": -0.1}, {"lost_s": 0}, {"lost_s": np.inf}])
def test_wrong_settings_are_named(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Tracker(**wrong)
