"""The whole way from pictures with known depth to tracks, with the flicker of a depth network."""

import numpy as np
import pytest

from howfar import Ranger
from howfar.core.detections import Detections
from howfar.core.image import Image
from howfar.data.synthetic import people
from howfar.data.synthetic.film import Mover, film, walk
from howfar.track import Tracker

pytestmark = pytest.mark.slow

FLICKER = 0.05


def tracked(times, *ways, seed=1):
    """By identity: (time, distance by frame, tracked, true, speed) of people on their ways."""
    rng = np.random.default_rng(seed)
    movers = [Mover(people.person(rng), way, np.pi / 2) for way in ways]
    ranger, tracker, found = Ranger(), Tracker(), {}
    frames = film(40, times, "street", 320, 240, movers=movers, emptied=True)
    for scene, time_s in zip(frames, times, strict=True):
        seen = [thing for thing in scene.objects if thing.visible_share > 0.4]
        boxes = np.array([thing.box for thing in seen], np.float32).reshape(-1, 4)
        boxes += rng.normal(0, 0.5, boxes.shape)
        count = len(seen)
        given = Detections(boxes, np.full(count, 0.7), np.zeros(count, int), ("person",))
        depth = scene.depth.values * np.float32(np.exp(rng.normal(0, FLICKER)))
        result = ranger(Image(scene.image, time_s=float(time_s)), depth=depth, boxes=given)
        truth = {
            thing.box: true.distance_m for thing, true in zip(result.objects, seen, strict=True)
        }
        for one in tracker.update(result).tracks:
            row = (
                time_s,
                one.measured_m,
                one.object.distance_m,
                truth[one.object.box],
                one.speed_m_s,
            )
            found.setdefault(one.id, []).append(row)
    return {number: np.array(rows).T for number, rows in found.items()}


def test_people_who_stand_jitter_half_as_much_or_less():
    stand = [walk((x, z), (0.0, 0.0), 0, 1) for x, z in ((-1.0, 3.5), (0.2, 5.0), (1.8, 6.0))]
    found = tracked(np.arange(0, 5, 0.1), *stand)
    assert len(found) == 3
    for _, frame, smooth, _, speed in found.values():
        assert np.log(smooth[10:]).std() < 0.5 * np.log(frame[10:]).std()
        assert np.abs(speed[20:]).max() < 0.5


@pytest.mark.parametrize("fps", [10, 30])
@pytest.mark.parametrize("speed", [1.0, 2.0, 3.0])
def test_who_comes_is_at_most_three_tenths_of_a_second_late(fps, speed):
    way = walk((0.2, 8.0), (0.0, -speed), 1.0, 1.0 + 5.5 / speed)
    (rows,) = tracked(np.arange(0, 2 + 5.5 / speed, 1 / fps), way).values()
    times, _, smooth, truth, speeds = rows
    delays = np.arange(-0.2, 1.0, 0.01)
    errors = [np.square(np.interp(times - d, times, truth) - smooth).mean() for d in delays]
    assert delays[int(np.argmin(errors))] <= 0.3
    coming = (times > 2.0) & (times < 1.0 + 5.5 / speed)
    assert np.median(speeds[coming]) == pytest.approx(speed, rel=0.3)


def test_people_who_pass_before_each_other_keep_their_numbers():
    left = walk((-1.5, 4.0), (0.7, 0.0), 0, 9)
    right = walk((2.5, 6.0), (-0.9, 0.0), 0, 9)
    found = tracked(np.arange(0, 5, 0.1), left, right)
    assert len(found) == 2
    for _, _, _, truth, _ in found.values():
        assert np.ptp(truth) < 1.0
