import numpy as np

from howfar.core.box_pairs import box_pairs, partly_hidden


def random_boxes(count, seed):
    corner = np.random.default_rng(seed).uniform(0, 60, (count, 2))
    size = np.random.default_rng(seed + 1).uniform(4, 40, (count, 2))
    return np.concatenate([corner, corner + size], axis=1).astype(np.float32)


def test_pairs_are_those_that_overlap_a_box_or_its_surroundings():
    boxes = np.array([[0, 0, 10, 10], [11, 0, 20, 10], [50, 50, 60, 60]], np.float32)
    assert not len(box_pairs(boxes, 0.0).a)
    near = box_pairs(boxes, 0.3)
    assert list(zip(near.a, near.b, strict=True)) == [(0, 1), (1, 0)]


def test_covered_points_are_those_inside_another_box():
    boxes = random_boxes(12, 3)
    pairs = box_pairs(boxes, 0.2)
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0, 100, (12, 13)), rng.uniform(0, 100, (12, 5))
    found = pairs.covered(x.astype(np.float32), y.astype(np.float32))
    assert found.shape == (12, 5, 13)
    partners = [pairs.b[pairs.a == i] for i in range(12)]
    for i, row, column in np.ndindex(found.shape):
        point = (x[i, column], y[i, row])
        inside = [
            boxes[b, 0] <= point[0] < boxes[b, 2] and boxes[b, 1] <= point[1] < boxes[b, 3]
            for b in partners[i]
        ]
        assert found[i, row, column] == any(inside)
    assert 0.05 < found.mean() < 0.95


def test_no_pairs():
    pairs = box_pairs(random_boxes(1, 0), 0.2)
    points = np.zeros((1, 3), np.float32)
    assert not pairs.covered(points, points).any()
    assert pairs.most(np.zeros((0, 2), np.float32)).tolist() == [[0, 0]]
    assert partly_hidden(np.ones(1, np.float32), pairs).tolist() == [0]


def test_only_nearer_boxes_hide():
    boxes = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [9.4, 0, 30, 10]], np.float32)
    pairs = box_pairs(boxes, 0.2)
    near_last = partly_hidden(np.array([3, 2, 1], np.float32), pairs)
    assert near_last.tolist() == [1, 1, 0]
    near_first = partly_hidden(np.array([1, 2, np.nan], np.float32), pairs)
    assert near_first.tolist() == [0, 1, 0]
    third_alone = partly_hidden(np.array([3, 4, 1], np.float32), pairs)
    assert np.isclose(third_alone[0], 0.5)  # covers 6 % of it
