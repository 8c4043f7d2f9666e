import numpy as np
import pytest

from howfar.core.boxes import Box
from howfar.core.depth import DepthKind, DepthMap
from howfar.core.image import Image
from howfar.core.result import Object, Result
from howfar.errors import OutputError, UsageError
from howfar.io import depthview
from howfar.io.draw import annotated
from howfar.io.palette import NEAR_TO_FAR, NONE, Ramp, depth_ramp, text_extent, tick_depths_m


def sloped(width=160, height=120, near=1.0, far=5.0):
    """A dense map, nearest in its last row."""
    return DepthMap(np.repeat(np.linspace(far, near, height)[:, None], width, axis=1))


def picture(width=160, height=120):
    rng = np.random.default_rng(0)
    return Image(rng.integers(0, 255, (height, width, 3), np.uint8))


def result(depth, *objects, size=(160, 120)):
    return Result(picture(*size), objects, depth=depth)


def chair(box=(20, 30, 80, 100), **more):
    return Object("chair", 0, 0.87, Box(*box), **more)


@pytest.fixture
def painted(monkeypatch):
    """The texts of the marks of each painted picture."""
    texts, paint = [], depthview.paint

    def listen(pixels, marks, note=""):
        texts.append([mark.text for mark in marks])
        return paint(pixels, marks, note)

    monkeypatch.setattr(depthview, "paint", listen)
    return texts


def test_a_depth_picture_holds_the_map_at_its_own_size_and_a_bar():
    shown = depthview.depth_picture(sloped())
    assert shown.dtype == np.uint8
    assert shown.shape[0] == 120
    assert 160 + 30 < shown.shape[1] < 160 + 80


def test_near_has_the_near_colour_and_far_the_far_one():
    shown = depthview.depth_picture(sloped(), range_m=(1.0, 5.0))
    assert (shown[119, :160] == NEAR_TO_FAR[0]).all()
    assert (shown[0, :160] == NEAR_TO_FAR[-1]).all()


def test_boxes_and_depth_have_the_same_colours():
    depth = DepthMap(np.full((120, 160), 2.0))
    found = result(depth, chair(distance_m=2.0))
    box_colour = annotated(found, range_m=(1.0, 4.0))[60, 20]
    assert (depthview.depth_picture(depth, range_m=(1.0, 4.0))[60, 60] == box_colour).all()


def test_a_height_scales_the_map_and_keeps_its_shape():
    shown = depthview.coloured(sloped(), Ramp(1.0, 5.0), 320, 240)
    tall = depthview.depth_picture(sloped(), range_m=(1.0, 5.0), height=240)
    assert tall.shape[0] == 240
    assert (tall[:, :320] == shown).all()


def test_pixels_without_depth_are_grey():
    values = np.array(sloped().values)
    values[10:20, 10:20], values[30:40, 30:40], values[50:60, 50:60] = np.nan, 0, -1
    shown = depthview.depth_picture(DepthMap(values))
    for at in (15, 35, 55):
        assert tuple(shown[at, at]) == NONE
    assert tuple(shown[5, 5]) != NONE
    assert tuple(NONE) not in {tuple(row) for row in NEAR_TO_FAR.tolist()}


def test_a_map_without_any_depth_is_all_grey_and_its_bar_names_no_number():
    shown = depthview.depth_picture(DepthMap(np.full((100, 80), np.nan)))
    assert (shown[:, :80] == NONE).all()
    assert (shown[10:60, 85] == NONE).all()
    assert depthview.bar_labels(None, DepthKind.METRIC, 5) == {}


def test_the_bar_of_a_metric_map_is_in_metres():
    labels = depthview.bar_labels(Ramp(1.0, 5.0), DepthKind.METRIC, 4)
    assert labels == {0.0: "1 m", 0.25: "2 m", 0.5: "3 m", 0.75: "4 m", 1.0: "5 m"}


@pytest.mark.parametrize("kind", [DepthKind.RELATIVE, DepthKind.RELATIVE_AFFINE])
def test_the_bar_of_a_relative_map_has_no_number(kind):
    assert depthview.bar_labels(Ramp(1.0, 5.0), kind, 4) == {0.0: "near", 1.0: "far"}


@pytest.mark.parametrize("kind", [DepthKind.RELATIVE, DepthKind.RELATIVE_AFFINE])
def test_a_relative_map_has_the_near_colour_where_it_is_near(kind):
    depth = DepthMap(1 / sloped().values, kind)
    shown = depthview.depth_picture(depth, range_m=(1000.0, 2000.0)).astype(int)
    assert np.abs(shown[119, 0] - NEAR_TO_FAR[0]).max() < 32
    assert np.abs(shown[0, 0] - NEAR_TO_FAR[-1]).max() < 32


def test_ticks_are_the_ends_and_round_numbers_between_them():
    assert tick_depths_m(Ramp(1.8, 3.4), 8) == [
        1.8,
        2.0,
        2.2,
        2.4,
        2.6,
        2.8,
        3.0,
        3.2,
        3.4,
    ]
    assert tick_depths_m(Ramp(1.0, 80.0), 10) == [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 80.0]
    assert tick_depths_m(Ramp(2.03, 2.04), 2) == [2.03, 2.035, 2.04]


@pytest.mark.parametrize(
    "ramp", [Ramp(0.8, 80.0), Ramp(4.0, 60.0), Ramp(0.31, 2.9), Ramp(2.0, 2.01)]
)
@pytest.mark.parametrize("most", [2, 5, 12])
def test_ticks_rise_and_do_not_crowd(ramp, most):
    ticks = tick_depths_m(ramp, most)
    assert (ticks[0], ticks[-1]) == ramp
    assert (np.diff(ramp.position(ticks)) >= 0.69 / most).all()


@pytest.mark.parametrize("ramp", [Ramp(1.0, 5.0), Ramp(1.0, 100.0)])
def test_a_tick_stands_beside_the_colour_of_its_depth(ramp):
    size_px, height = 12, 400
    bar = depthview.scale_bar(ramp, DepthKind.METRIC, height, size_px)
    line_px = text_extent("", size_px)[1]
    strip = round(1.2 * size_px)
    dark = np.flatnonzero((bar[: height - line_px, strip] == 0).all(axis=1))
    most = 2 * (height - 2 * line_px - line_px // 2) // (5 * line_px)
    ticks = tick_depths_m(ramp, most)
    assert len(dark) == len(ticks)
    for y, depth_m in zip(dark[::-1], ticks, strict=True):
        difference = bar[y, 0].astype(int) - np.array(ramp.colour(depth_m))
        assert np.abs(difference).max() <= 3, depth_m


@pytest.mark.parametrize("size", [(1, 1), (20, 8000), (8000, 20), (3, 2)])
def test_every_size_has_a_picture_and_a_panel(size):
    width, height = size
    depth = DepthMap(np.full((height, width), 2.0))
    shown = depthview.depth_picture(depth)
    assert shown.shape[0] >= height
    assert shown.shape[1] > width
    found = result(depth, chair((0, 0, width, height)), size=size)
    assert depthview.panel(found).ndim == 3
    assert depthview.statistics_triptych(found).ndim == 3
    assert depthview.truth_triptych(found.image, depth, depth).ndim == 3


def test_a_senseless_range_is_refused():
    with pytest.raises(UsageError, match="range_m"):
        depthview.depth_picture(sloped(), range_m=(5.0, 1.0))


def test_a_panel_is_picture_and_depth_side_by_side():
    found = result(sloped(), chair(distance_m=2.0))
    shown = depthview.panel(found)
    assert shown.shape[0] == 120
    assert (shown[:, :160] == annotated(found)).all()
    ramp = depth_ramp(found.depth)
    assert (shown[:, 164:324] == depthview.coloured(found.depth, ramp, 160, 120)).all()


def test_a_panel_without_depth_is_the_annotated_picture():
    found = result(None, chair(distance_m=2.0))
    assert (depthview.panel(found) == annotated(found)).all()


def test_large_panels_are_scaled_down():
    found = result(None, chair(), size=(3000, 2500))
    assert depthview.panel(found).shape == (2000, 2400, 3)


def test_the_statistics_triptych_reads_mean_and_median_anew(painted):
    values = np.full((100, 100), 5.0)
    values[40:60, 40:60] = 1.0
    found = result(DepthMap(values), chair((25, 25, 75, 75), distance_m=9.0), size=(100, 100))
    shown = depthview.statistics_triptych(found)
    assert painted == [["chair 0.87"], ["chair 1.0 m"], ["chair 5.0 m"]]
    assert shown.shape[1] > 300
    assert shown.shape[0] > 100


def test_the_statistics_triptych_of_relative_depth_has_no_metres(painted):
    depth = DepthMap(1 / sloped().values, "relative")
    depthview.statistics_triptych(result(depth, chair(relative_depth=0.3)))
    assert painted == [["chair 0.87"], ["chair (no scale)"], ["chair (no scale)"]]


def test_the_statistics_triptych_needs_a_depth_map():
    with pytest.raises(OutputError, match="no depth map"):
        depthview.statistics_triptych(result(None, chair()))


def test_truth_and_prediction_share_their_colours():
    truth = sloped(near=2.0, far=4.0)
    shown = depthview.truth_triptych(picture(), truth, truth)
    views = shown[shown.shape[0] - 120 :]
    assert (views[:, :160] == picture().pixels).all()
    assert (views[:, 164:324] == views[:, 328:488]).all()
    shifted = depthview.truth_triptych(picture(), truth, sloped(near=4.0, far=8.0))
    first, second = shifted[-120:, 164:324], shifted[-120:, 328:488]
    assert (first[-1] == NEAR_TO_FAR[0]).all()  # the nearest of both is the truth's
    assert (second[0] == NEAR_TO_FAR[-1]).all()  # the farthest of both is the prediction's
    assert (first[0] == second[-1]).all()  # 4 m is 4 m


def test_lidar_points_are_seen_the_nearest_on_top():
    values = np.zeros((60, 80))
    values[::6, ::4] = 8.0
    values[30, 41] = 2.0
    truth = DepthMap(values)
    ramp = Ramp(2.0, 8.0)
    for width, height in ((80, 60), (160, 120), (40, 30)):
        shown = depthview.coloured(truth, ramp, width, height)
        seen = (shown != NONE).any(axis=2)
        assert seen.mean() > 3 * truth.valid.mean()
        assert tuple(shown[height // 2, 41 * width // 80]) == ramp.colour(2.0)


def test_a_dense_map_with_holes_keeps_its_holes():
    values = np.array(sloped().values)
    values[:90] = np.nan
    shown = depthview.coloured(DepthMap(values), Ramp(1.0, 5.0), 160, 120)
    assert (shown[:90] == NONE).all()
    assert (shown[90:] != NONE).any(axis=2).all()


@pytest.mark.parametrize("kind", [DepthKind.RELATIVE, DepthKind.RELATIVE_AFFINE])
def test_the_truth_triptych_needs_metres(kind):
    relative = DepthMap(sloped().values, kind)
    with pytest.raises(OutputError, match="prediction is relative"):
        depthview.truth_triptych(picture(), sloped(), relative)
    with pytest.raises(OutputError, match="truth is relative"):
        depthview.truth_triptych(picture(), relative, sloped())
