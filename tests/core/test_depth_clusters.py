import numpy as np
import pytest

from howfar.core.depth_clusters import GRID, find_clusters


def lattice(near_m, far_m, near):
    """Log depths (1, GRID * GRID) of a box: `near` (GRID, GRID) says where the near depth is."""
    return np.log(np.where(near, near_m, far_m)).astype(np.float32).reshape(1, -1)


def clusters_of(logs, ring_m, covered=False):
    ring = np.log(np.full((1, 40), ring_m, np.float32))
    limits = np.quantile(logs, [0.01, 0.99], axis=1).astype(np.float32)
    return find_clusters(logs, limits, ring, np.full(ring.shape, covered))


@pytest.fixture
def left_half():
    return np.indices((GRID, GRID))[1] < GRID // 2


@pytest.mark.parametrize(("ring_m", "own_m"), [(8.0, 2.0), (2.0, 8.0)])
def test_depth_that_goes_on_around_the_box_is_the_worse_cluster(left_half, ring_m, own_m):
    logs = lattice(2.0, 8.0, left_half)
    found = clusters_of(logs, ring_m)
    best = int(found.score[0].argmax())
    assert np.exp(found.log_depth[0, best]) == pytest.approx(own_m, rel=0.03)
    assert np.array_equal(found.members[0, best], np.isclose(logs[0], np.log(own_m)))
    assert found.own[0, best] == 1
    assert found.own[0, 1 - best] == pytest.approx(1 / 3, abs=0.02)  # half inside, all around


def test_a_covered_band_says_nothing_about_depths_but_about_clusters(left_half):
    found = clusters_of(lattice(2.0, 8.0, left_half), 8.0, covered=True)
    near, far = np.argsort(found.log_depth[0, :2])
    assert found.own[0, near] == 1
    assert found.own[0, far] < 0.4
    assert found.score[0, near] > found.score[0, far]


def test_a_cluster_that_reaches_all_sides_beats_a_heavier_one_that_does_not():
    frame = np.ones((GRID, GRID), bool)
    frame[2:-2, 2:-2] = False
    found = clusters_of(lattice(2.0, 8.0, frame), 30.0)
    best = int(found.score[0].argmax())
    assert frame.mean() < 0.5
    assert np.exp(found.log_depth[0, best]) == pytest.approx(2.0, rel=0.03)


def test_one_depth_is_one_cluster():
    found = clusters_of(np.full((1, GRID * GRID), np.log(3.0), np.float32), 9.0)
    assert found.members[0, 0].all()
    assert np.isneginf(found.score[0, 1:]).all()


def test_no_depth_at_all():
    logs = np.full((1, GRID * GRID), np.nan, np.float32)
    found = find_clusters(
        logs, np.full((2, 1), np.nan, np.float32), logs[:, :40], np.zeros((1, 40), bool)
    )
    assert not found.members.any()
    assert np.isneginf(found.score).all()
    assert np.isnan(found.log_depth).all()
