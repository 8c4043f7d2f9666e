"""Films of the synthetic world: exact motion, the same objects, new noise."""

import numpy as np
import pytest

from howfar.data.synthetic import people, scene
from howfar.data.synthetic.film import Mover, film, walk


def person(seed=0):
    return people.person(np.random.default_rng(seed))


def test_the_first_frame_is_the_scene():
    (frame,) = film(7, [0.0], effects=False)
    still = scene(7, effects=False)
    assert np.array_equal(frame.image, still.image)
    assert np.array_equal(frame.depth.values, still.depth.values)
    assert frame.objects == still.objects


def test_a_still_film_differs_by_noise_alone():
    a, b = film(3, [0.0, 0.1], "street")
    assert np.array_equal(a.depth.values, b.depth.values)
    assert a.objects == b.objects
    assert (a.image != b.image).any()
    assert np.abs(a.image.astype(int) - b.image).mean() < 15
    again = next(iter(film(3, [0.0], "street")))
    assert np.array_equal(again.image, a.image)


def test_a_mover_goes_as_told():
    way = walk((0.0, 6.0), (0.0, -1.5), 1.0, 3.0)
    times = [0.0, 1.0, 2.0, 3.0, 9.0]
    frames = list(film(5, times, "street", movers=[Mover(person(), way, 1.57)], emptied=True))
    seen = [frame.objects[0] for frame in frames]
    assert {(thing.label, thing.instance) for thing in seen} == {("person", 1)}
    z = np.array([thing.distance_m for thing in seen])
    assert np.diff(z) == pytest.approx([0, -1.5, -1.5, 0], abs=0.15)
    heights = [thing.full_box.height for thing in seen]
    assert heights[0] == heights[1] < heights[2] < heights[3] == heights[4]


def test_a_moving_camera_comes_nearer_to_everything():
    frames = list(film(4, [0.0, 1.0], "street", camera=walk((0, 0), (0, 0.8), 0, 9)))
    before, after = ({t.instance: t for t in frame.objects} for frame in frames)
    same = [i for i in before.keys() & after.keys() if before[i].visible_share > 0.95]
    moved = [before[i].distance_m - after[i].distance_m for i in same]
    assert len(moved) >= 2
    assert np.median(moved) == pytest.approx(0.8, abs=0.15)


def test_movers_come_after_the_scenes_own_objects():
    own = max(thing.instance for thing in scene(5, "street").objects)
    way = walk((0.0, 3.0), (0.0, 0.0), 0, 1)
    (frame,) = film(5, [0.0], "street", movers=[Mover(person(), way)])
    assert max(thing.instance for thing in frame.objects) > own
