"""The `foreground` statistic where mean and median break: hollow, curved and occluded objects."""

import cv2
import numpy as np
import pytest

from howfar.core.depth import DepthMap
from howfar.core.distance import measure
from howfar.core.foreground import SizePrior

WALL = 8.0
HEIGHT, WIDTH = 240, 320


@pytest.fixture
def room():
    """A wall at 8 m over a floor that comes nearer towards the bottom."""
    rows = np.arange(HEIGHT)[:, None] + np.zeros((1, WIDTH))
    floor = 300 * 1.4 / np.maximum(rows - 100, 1e-3)
    return np.minimum(WALL, np.where(rows > 100, floor, WALL)).astype(np.float32)


def put(room, box, distance_m, shape=None):
    x1, y1, x2, y2 = box
    part = room[y1:y2, x1:x2]
    mask = np.ones(part.shape, bool) if shape is None else shape(*np.indices(part.shape))
    part[mask] = distance_m
    return box


def chair(y, x):
    """A frame with a seat: three quarters of the box are open."""
    wide, high = x.max() + 1, y.max() + 1
    legs = (x < wide * 0.08) | (x > wide * 0.92)
    seat = (y > high * 0.5) & (y < high * 0.6)
    return legs | seat | (y < high * 0.06)


def disc(y, x):
    return ((x / x.max() - 0.5) ** 2 + (y / y.max() - 0.5) ** 2) < 0.2


def distance_of(room, boxes, stat="foreground", **more):
    return measure(DepthMap(room), boxes, stat, **more).values


def test_hollow_object(room):
    box = put(room, (100, 40, 180, 140), 3.0, chair)
    assert distance_of(room, [box])[0] == 3.0
    assert distance_of(room, [box], "median")[0] > 4  # what the others do
    assert distance_of(room, [box], "central-mean")[0] > 4


def test_curved_object(room):
    box = put(room, (100, 30, 200, 90), 4.0, disc)
    assert distance_of(room, [box])[0] == 4.0


def test_fence_across_the_whole_picture(room):
    box = put(room, (0, 60, WIDTH, 120), 2.5, lambda y, x: (x % 10 < 3) | (y % 30 < 3))
    assert distance_of(room, [box])[0] == 2.5


def test_detected_occluder_is_left_to_its_own_box(room):
    behind = put(room, (100, 40, 180, 120), 6.0)
    before = put(room, (60, 50, 155, 150), 3.0)  # hides two thirds of it
    assert distance_of(room, [behind, before]).tolist() == [6.0, 3.0]
    assert distance_of(room, [behind], "median")[0] == 3.0


def test_undetected_occluder(room):
    behind = put(room, (100, 40, 200, 120), 6.0)
    put(room, (60, 50, 145, 150), 3.0)
    assert distance_of(room, [behind])[0] == 6.0


def test_pole_in_front(room):
    behind = put(room, (100, 40, 200, 120), 6.0)
    put(room, (140, 0, 160, 230), 2.0)
    assert distance_of(room, [behind])[0] == 6.0


def test_person_on_a_sofa_is_not_taken_for_part_of_it(room):
    sofa = put(room, (60, 80, 260, 160), 4.0)
    person = put(room, (120, 60, 170, 150), 3.9)
    found = distance_of(room, [sofa, person])
    assert found == pytest.approx([4.0, 3.9])


def test_bottle_is_not_left_to_the_table_it_stands_on(room):
    """All of the bottle lies in the table's box, at the table's depth, but ends at its own box."""
    table = put(room, (60, 120, 260, 200), 4.0, chair)
    bottle = put(room, (150, 60, 166, 125), 4.1)
    bigger = (60, 56, 260, 200)  # a box of both: table and what stands on it
    assert distance_of(room, [bigger, bottle])[1] == np.float32(4.1)
    assert distance_of(room, [table, bottle]) == pytest.approx([4.0, 4.1])


def test_row_of_equals_side_by_side(room):
    """Neighbours at the same distance fill the band around a box, and say nothing there."""
    boxes = [put(room, (20 + 50 * i, 60, 75 + 50 * i, 140), 5.0) for i in range(5)]
    assert distance_of(room, boxes).tolist() == [5.0] * 5


def test_object_that_fills_the_picture():
    assert distance_of(np.full((50, 50), 1.5, np.float32), [(0, 0, 50, 50)])[0] == 1.5


def test_slanted_object_gives_its_own_median(room):
    ramp = np.linspace(3, 4.5, 100)
    room[40:120, 100:200] = ramp
    assert distance_of(room, [(100, 40, 200, 120)])[0] == pytest.approx(np.median(ramp), rel=0.02)


def test_size_prior_decides_between_equals():
    """Half the box at 2 m, half at 8 m, nothing around it: only the size tells."""
    values = np.full((60, 60), 2.0, np.float32)
    values[:, 30:] = 8.0
    box = [(0, 0, 60, 60)]
    for expected in (2.0, 8.0):
        prior = SizePrior(np.array([expected], np.float32), np.array([0.15], np.float32))
        assert distance_of(values, box, prior=prior)[0] == expected


def test_order_of_boxes_does_not_matter(room):
    boxes = [put(room, (100, 40, 180, 120), 6.0), put(room, (60, 50, 155, 150), 3.0)]
    boxes += [put(room, (200, 90, 300, 200), 2.0, chair), (0, 0, 40, 40)]
    forward = distance_of(room, boxes)
    backward = distance_of(room, boxes[::-1])
    assert forward.tolist() == backward[::-1].tolist()


def random_scene(rng):
    """Boxes of solid, round, hollow and barred things in a room, with the truth for each."""
    rows = np.arange(HEIGHT)[:, None] + np.zeros((1, WIDTH))
    camera_m, wall = rng.uniform(1, 1.7), rng.uniform(4, 25)
    floor = 260 * camera_m / np.maximum(rows - 100, 1e-3)
    depth = np.minimum(wall, np.where(rows > 101, floor, 1e9)).astype(np.float32)
    owner = np.full(depth.shape, -1)
    shapes = [None, disc, chair, lambda y, x: (x % 9 < 3) | (y % 25 < 3)]
    things = []
    for number, distance in enumerate(np.sort(rng.uniform(1.5, wall * 0.95, 5))[::-1]):
        size = 260 * rng.uniform(0.5, 2, 2) / distance
        left, foot = rng.uniform(-20, WIDTH - 20), 100 + 260 * camera_m / distance
        x1, y1 = int(max(left, 0)), int(max(foot - size[1], 0))
        x2, y2 = int(min(left + size[0], WIDTH)), int(min(foot, HEIGHT))
        if x2 - x1 < 12 or y2 - y1 < 12:
            continue
        shape = shapes[rng.integers(4)]
        mask = np.zeros(depth.shape, bool)
        mask[y1:y2, x1:x2] = True if shape is None else shape(*np.indices((y2 - y1, x2 - x1)))
        depth[mask], owner[mask] = distance, number
        things.append((number, (x1, y1, x2, y2), distance, mask.sum()))
    return depth, owner, things


def scenes_of_things(count):
    rng = np.random.default_rng(11)
    for _ in range(count):
        depth, owner, things = random_scene(rng)
        seen = [(b, d) for n, b, d, size in things if (owner == n).sum() > max(0.25 * size, 40)]
        if seen:
            yield (depth, *(np.array(column) for column in zip(*seen, strict=True)))


def test_beats_every_other_statistic_on_random_scenes():
    errors = {stat: [] for stat in ("foreground", "median", "central-mean", "center")}
    for depth, boxes, truth in scenes_of_things(150):
        for stat, rows in errors.items():
            rows.extend(np.abs(distance_of(depth, boxes, stat) / truth - 1))
    wrong = {stat: np.mean(np.array(rows) > 0.05) for stat, rows in errors.items()}
    assert len(errors["foreground"]) > 300
    assert wrong["foreground"] < 0.08
    assert wrong["foreground"] < 0.4 * min(wrong[s] for s in wrong if s != "foreground")


def blurred(depth):
    """As a small network sees it: read in small, blurred."""
    small = cv2.GaussianBlur(cv2.resize(depth, (WIDTH // 4, HEIGHT // 4)), (0, 0), 3)
    return cv2.resize(small, (WIDTH, HEIGHT))


@pytest.fixture
def hidden(room):
    """A thing at 6 m, partly hidden by one at 3 m, and both boxes."""
    return room, [put(room, (100, 40, 200, 120), 6.0), put(room, (60, 50, 145, 150), 3.0)]


def test_soft_depth_draws_what_is_partly_hidden_towards_the_box(hidden):
    room, boxes = hidden
    room = blurred(room)
    alone = distance_of(room, boxes[:1])[0]
    both = distance_of(room, boxes)
    median = distance_of(room, boxes, "median")
    assert abs(both[0] - median[0]) < 0.3 * abs(alone - median[0])
    assert both[1] < 0.95 * median[1]  # what is in front is seen freely


def test_sharp_depth_is_not_drawn_towards_the_box(hidden):
    room, boxes = hidden
    assert distance_of(room, boxes).tolist() == [6.0, 3.0]


def test_no_worse_than_the_others_on_soft_depth():
    """A network that blurs and is wrong by a factor that differs from place to place."""
    rng = np.random.default_rng(2)
    errors = {stat: [] for stat in ("foreground", "median", "central-mean", "center")}
    for depth, boxes, truth in scenes_of_things(150):
        factor = cv2.resize(rng.normal(0, 0.3, (6, 8)).astype(np.float32), (WIDTH, HEIGHT))
        soft = blurred(depth) * np.exp(factor)
        for stat, rows in errors.items():
            rows.extend(np.abs(distance_of(soft, boxes, stat) / truth - 1))
    mean = {stat: np.mean(rows) for stat, rows in errors.items()}
    assert len(errors["foreground"]) > 300
    assert mean["foreground"] < min(mean[s] for s in mean if s != "foreground")


def test_the_interval_holds_the_value_on_soft_and_sharp_depth():
    for depth, boxes, _ in scenes_of_things(40):
        for values in (depth, blurred(depth)):
            found = measure(DepthMap(values), boxes)
            assert (found.low <= found.values).all()
            assert (found.values <= found.high).all()
            span = measure(DepthMap(values), boxes, "median")
            assert (found.high <= span.high * 1.5).all()
            assert (found.low >= values.min()).all()
