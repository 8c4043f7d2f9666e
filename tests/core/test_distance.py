import numpy as np
import pytest

from howfar.core.depth import DepthKind, DepthMap
from howfar.core.distance import NO_DEPTH, OUTSIDE, Statistic, measure
from howfar.errors import UsageError

EVERY = pytest.mark.parametrize("stat", list(Statistic))


def plain_pixels(values, box, share=1.0):
    """The pixels that a box touches, or its central share, by the definition."""
    x1, y1, x2, y2 = box
    cx, cy, w, h = (x1 + x2) / 2, (y1 + y2) / 2, (x2 - x1) * share, (y2 - y1) * share
    x1, y1, x2, y2 = cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2
    columns = [x for x in range(values.shape[1]) if x + 1 > x1 and x < x2]
    rows = [y for y in range(values.shape[0]) if y + 1 > y1 and y < y2]
    return values[np.ix_(rows, columns)].ravel()


@pytest.fixture
def rough():
    return np.random.default_rng(3).uniform(1, 9, (60, 80)).astype(np.float32)


SMALL_BOXES = [(3, 4, 20, 31), (10.5, 7.25, 30.25, 19.5), (70, 50, 80, 60), (5, 5, 6, 25)]


@pytest.mark.parametrize("box", SMALL_BOXES)
def test_statistics_of_small_boxes_are_exact(rough, box):
    depth = DepthMap(rough)
    median = measure(depth, box, "median")[0]
    whole = plain_pixels(rough, box)
    assert median.value == pytest.approx(np.median(whole))
    assert median.interval == pytest.approx(tuple(np.percentile(whole, [10, 90])), rel=1e-5)
    assert median.valid_pixels == whole.size
    central = measure(depth, box, "central-mean")[0]
    core = plain_pixels(rough, box, 0.4)
    assert central.value == pytest.approx(core.mean())
    assert central.valid_pixels == core.size
    center = measure(depth, box, "center")[0]
    x, y = int((box[0] + box[2]) / 2), int((box[1] + box[3]) / 2)
    assert center.value == rough[y, x]
    assert center.valid_pixels == 1


@pytest.mark.parametrize("stat", ["median", "central-mean"])
def test_statistics_of_large_boxes_are_near(stat):
    """At most 1,024 pixels are read: within 4 % of the spread for pure noise, 3 sigma."""
    values = np.random.default_rng(0).uniform(2, 4, (720, 1280)).astype(np.float32)
    found = measure(DepthMap(values), [(100, 100, 900, 600)], stat)[0]
    assert found.value == pytest.approx(3.0, abs=float(3 * 1.25 / 32 * values.std()))
    assert found.valid_pixels == (800 * 500 if stat == "median" else 320 * 200)


@EVERY
def test_a_flat_box_is_its_depth(stat):
    found = measure(DepthMap(np.full((50, 60), 2.5)), [(10, 10, 40, 40)], stat)[0]
    assert found.value == 2.5
    assert found.interval == (2.5, 2.5)
    assert found.interval_kind == "pixel-spread"
    assert found.statistic == stat
    assert found.reason is None


@EVERY
def test_box_outside_the_image(stat):
    found = measure(DepthMap(np.ones((20, 20))), [(30, 30, 40, 40), (0, 0, 5, 5)], stat)
    assert (found[0].value, found[0].reason, found[0].valid_pixels) == (None, OUTSIDE, 0)
    assert found[1].value == 1


@EVERY
def test_box_partly_outside_reads_what_is_inside(stat):
    values = np.full((40, 40), 3.0)
    for box in [(-30, -30, 10, 10), (35, 35, 90, 90), (-10, 5, 60, 12)]:
        found = measure(DepthMap(values), [box], stat)[0]
        assert found.value == 3
        assert found.valid_pixels >= 1


@EVERY
@pytest.mark.parametrize("box", [(7, 3, 8, 30), (7, 3, 7, 3), (7.2, 3.2, 7.4, 3.4), (3, 9, 30, 9)])
def test_thin_and_empty_boxes_read_the_pixels_they_touch(stat, box):
    found = measure(DepthMap(np.full((40, 40), 4.0)), [box], stat)[0]
    assert found.value == 4
    assert found.valid_pixels >= 1


@EVERY
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 0.0, -3.0])
def test_box_without_valid_depth(stat, bad):
    found = measure(DepthMap(np.full((20, 20), bad)), [(2, 2, 9, 9)], stat)[0]
    assert (found.value, found.interval, found.valid_pixels) == (None, None, 0)
    assert found.reason == NO_DEPTH


@pytest.mark.parametrize("stat", ["median", "central-mean", "foreground"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0, -3.0])
def test_invalid_pixels_are_passed_over(stat, bad):
    values = np.full((40, 40), 5.0)
    values[::2] = bad
    found = measure(DepthMap(values), [(4, 4, 36, 36)], stat)[0]
    assert found.value == 5
    assert 0 < found.valid_pixels < 32 * 32


@EVERY
def test_no_boxes(stat):
    assert len(measure(DepthMap(np.ones((9, 9))), [], stat)) == 0


@EVERY
def test_relative_depth_keeps_the_order(stat):
    values = np.full((40, 80), 10.0)  # inverse depth: greater is nearer
    values[:, 40:] = 2.0
    found = measure(DepthMap(values, DepthKind.RELATIVE), [(5, 5, 30, 35), (45, 5, 75, 35)], stat)
    assert found.values.tolist() == pytest.approx([0.1, 0.5])


def test_unknown_statistic():
    with pytest.raises(UsageError, match=r"mode.*center, central-mean, median, foreground"):
        measure(DepthMap(np.ones((9, 9))), [(0, 0, 5, 5)], "mode")


@EVERY
def test_random_boxes_and_holes_never_fail(stat):
    rng = np.random.default_rng(5)
    for _ in range(30):
        values = rng.choice([np.nan, 0, np.inf, 1e-6, 1e6, 2, 2.5, 7], (33, 47))
        corners = np.sort(rng.uniform(-60, 110, (25, 2, 2)), axis=1).reshape(25, 4)
        found = measure(DepthMap(values), corners, stat)
        for i in range(25):
            one = found[i]
            assert (one.value is None) == (one.reason is not None)
            if one.value is not None:
                assert one.interval[0] <= one.interval[1]
                assert one.valid_pixels > 0


def test_the_interval_holds_the_value():
    values = np.full((40, 100), 2.0)
    values[:, 55:58] = 90.0  # few far pixels move the mean, not the percentiles
    found = measure(DepthMap(values), [(0, 0, 100, 40)], "central-mean")[0]
    assert found.interval[0] <= found.value <= found.interval[1]
    assert found.value > 2


def test_closed_gaps_alone_are_no_distance():
    """On a sparse map a box between the points has no depth of its own."""
    values = np.zeros((60, 60))
    values[::10, ::10] = 5.0
    found = measure(DepthMap(values), [(12, 12, 18, 18), (8, 8, 32, 32)], "foreground")
    between, on = found[0], found[1]
    assert (between.value, between.reason) == (None, NO_DEPTH)
    assert on.value == 5.0
