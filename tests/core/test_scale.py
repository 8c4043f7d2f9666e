import math

import numpy as np
import pytest

from howfar.core.camera import Camera
from howfar.core.depth import DepthKind, DepthMap
from howfar.core.detections import Detections
from howfar.core.scale import (
    KNOWN_SPREAD,
    GivenScale,
    KnownDistance,
    ObjectSizes,
    apply_scale,
    find_scale,
    parse_scale,
    robust_mean,
)
from howfar.core.sizes import TYPICAL_SIZES, TypicalSize, partly_hidden, size_distances
from howfar.errors import ScaleError, UsageError
from howfar.models.classes import COCO80

CAMERA = Camera.from_focal(500, 640, 480)


def scene(kind=DepthKind.METRIC):
    """A chair at 2 m and a person at 5 m, as a map in half metres or as inverse depth."""
    metres = np.full((480, 640), 9.0)
    metres[200:400, 100:250] = 2.0
    metres[100:265, 400:470] = 5.0
    values = metres / 2 if kind is DepthKind.METRIC else 3.0 / metres
    found = Detections(
        [[100, 200, 250, 400], [400, 100, 470, 265]], [0.6, 0.9], [0, 1], ("chair", "person")
    )
    return DepthMap(values, kind), found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.3", GivenScale(1.3)),
        (" 2 ", GivenScale(2.0)),
        ("1.3+-10%", GivenScale(1.3, 0.1)),
        ("1.5e2", GivenScale(150.0)),
        ("1e-6", GivenScale(1e-6)),
        ("2±0.5", GivenScale(2.0, 0.25)),
        ("object-size", ObjectSizes()),
        ("2.5m@chair", KnownDistance(2.5, "chair", KNOWN_SPREAD)),
        ("2.5m@dining table", KnownDistance(2.5, "dining table", KNOWN_SPREAD)),
        ("2.5m@320,240", KnownDistance(2.5, (320, 240), KNOWN_SPREAD)),
        (".5m@1,2,30,40", KnownDistance(0.5, (1, 2, 30, 40), KNOWN_SPREAD)),
        ("2.5+-0.1m@chair", KnownDistance(2.5, "chair", 0.1 / 2.5)),
        ("2.5±5%m@chair", KnownDistance(2.5, "chair", 0.05)),
    ],
)
def test_parse(text, expected):
    assert parse_scale(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        "2m@nan,3",
        "2m@1,2,inf,4",
        "-1",
        "0",
        "1.3m",
        "2m@",
        "0m@chair",
        "2m@1,2,3",
        "nan",
        "2+-300%",
        "1e400",
        "1e7",
        "1e-7",
        "1e7m@chair",
        "camera-height=1e7m",
    ],
)
def test_parse_refuses(text):
    with pytest.raises(UsageError):
        parse_scale(text)


@pytest.mark.parametrize("kind", [DepthKind.METRIC, DepthKind.RELATIVE])
@pytest.mark.parametrize("at", ["chair", (175, 300), (100, 200, 250, 400)])
def test_one_known_distance_fixes_the_whole_map(kind, at):
    depth, found = scene(kind)
    scale = find_scale(KnownDistance(2.0, at), depth, found, "foreground", None)
    metric = apply_scale(depth, scale)
    assert metric.is_metric
    assert metric.values[300, 175] == pytest.approx(2.0)
    assert metric.values[150, 430] == pytest.approx(5.0)
    assert (scale.source, scale.objects) == ("known-distance", 1)
    assert scale.uncertainty == pytest.approx(KNOWN_SPREAD)


def test_known_class_means_the_best_score():
    depth, _ = scene()
    both = Detections([[400, 100, 470, 265], [100, 200, 250, 400]], [0.5, 0.8], [0, 0], ("chair",))
    scale = find_scale(KnownDistance(4.0, "chair"), depth, both, "median", None)
    assert scale.factor == pytest.approx(4.0)


@pytest.mark.parametrize("kind", [DepthKind.METRIC, DepthKind.RELATIVE])
def test_object_sizes_fix_the_whole_map(kind):
    """A person of 1.65 m at 5 m is 165 px high with f = 500 px; the chair's box is 0.8 m high."""
    depth, found = scene(kind)
    scale = find_scale(ObjectSizes(), depth, found, "foreground", CAMERA)
    metric = apply_scale(depth, scale)
    assert metric.values[150, 430] == pytest.approx(5.0, rel=0.06)
    assert (scale.source, scale.objects) == ("object-size", 2)
    assert 0.25 < scale.uncertainty < 0.4


def test_a_users_sizes_are_used():
    depth, found = scene()
    sizes = {"person": TypicalSize(3.3, 0.1)}
    scale = find_scale(ObjectSizes(sizes), depth, found, "foreground", CAMERA)
    assert scale.factor == pytest.approx(4.0)  # twice as tall, so twice as far as 2.0
    assert scale.objects == 1


def test_one_outlier_does_not_spoil_the_fit():
    values, spread = np.array([0.7, 0.69, 0.71, 0.7, 3.0]), np.full(5, 0.1)
    middle, uncertainty = robust_mean(values, spread, np.ones(5))
    assert middle == pytest.approx(0.7, abs=0.01)
    assert uncertainty == pytest.approx(1.25 * 0.1 / math.sqrt(5))


def test_disagreement_shows_in_the_uncertainty():
    spread, weights = np.full(4, 0.01), np.ones(4)
    assert robust_mean(np.array([0.0, 1.0, 2.0, 3.0]), spread, weights)[1] > 0.5
    assert robust_mean(np.array([0.3]), np.array([0.2]), np.ones(1)) == pytest.approx((0.3, 0.2))


def test_heavy_values_decide():
    values = np.array([0.0, 0.0, 1.0])
    assert robust_mean(values, np.full(3, 0.1), np.array([0.1, 0.1, 9.0]))[0] > 0.9


def test_unsure_detections_set_no_scale_where_others_are_sure():
    depth, found = scene()
    unsure = Detections(found.boxes, [0.2, 0.9], found.class_ids, found.class_names)
    assert find_scale(ObjectSizes(), depth, unsure, "foreground", CAMERA).objects == 1
    both = Detections(found.boxes, [0.2, 0.2], found.class_ids, found.class_names)
    assert find_scale(ObjectSizes(), depth, both, "foreground", CAMERA).objects == 2


def test_ragged_depth_makes_a_known_distance_uncertain():
    values = np.random.default_rng(0).uniform(1, 4, (480, 640))
    box = (100, 100, 300, 300)
    scale = find_scale(
        KnownDistance(2.0, box), DepthMap(values), Detections.empty(), "median", None
    )
    assert scale.uncertainty == pytest.approx(math.log(3.7 / 1.3) / 2.56, rel=0.1)


def test_given_factor():
    depth, found = scene()
    scale = find_scale(GivenScale(2.0, 0.1), depth, found, "median", None)
    assert apply_scale(depth, scale).values[300, 175] == pytest.approx(2.0)
    assert (scale.source, scale.uncertainty) == ("given", 0.1)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (KnownDistance(2.0, "zebra"), "zebra.*seen: chair, person"),
        (KnownDistance(2.0, (9000, 10)), "outside the image"),
        (ObjectSizes(), "focal"),
        (ObjectSizes({"zebra": TypicalSize(1.4, 0.1)}), "focal"),
    ],
)
def test_what_the_picture_does_not_hold(request_, words):
    depth, found = scene()
    with pytest.raises(ScaleError, match=words):
        find_scale(request_, depth, found, "median", None)


def test_no_object_with_a_size():
    depth, found = scene()
    with pytest.raises(ScaleError, match="typical size"):
        find_scale(ObjectSizes({}), depth, found, "median", CAMERA)


def test_affine_depth_has_no_single_factor():
    with pytest.raises(UsageError, match="shift"):
        find_scale(
            GivenScale(2), DepthMap([[1.0]], "relative-affine"), Detections.empty(), "median", None
        )


def test_sizes_use_the_right_side_and_skip_cut_boxes():
    boxes = np.array(
        [[100, 100, 150, 200], [0, 100, 50, 200], [100, 100, 180, 150], [10, 10, 200, 60]],
        np.float32,
    )
    labels = ["person", "person", "stop sign", "person"]
    expected = size_distances(boxes, labels, CAMERA)
    assert expected.depth[0] == pytest.approx(500 * 1.65 / 100)
    assert np.isnan(expected.depth[1])  # touches the border
    assert expected.depth[2] == pytest.approx(500 * 0.75 / 80)  # by width
    assert np.isnan(expected.depth[3])  # lies or sits


def test_the_table_is_sane():
    assert set(TYPICAL_SIZES) <= set(COCO80)
    assert all(
        0.03 < size.metres < 6 and 0.05 <= size.spread <= 0.4 for size in TYPICAL_SIZES.values()
    )


@pytest.mark.parametrize(
    "bad", [{"metres": 0}, {"metres": math.nan}, {"spread": 0}, {"side": "area"}]
)
def test_nonsense_sizes_are_refused(bad):
    with pytest.raises(UsageError):
        TypicalSize(**{"metres": 1.0, "spread": 0.1} | bad)


def test_partly_hidden_objects_count_less():
    """A car of 1.52 m at 10 m is 76 px high; the one behind it shows only its upper half."""
    metres = np.full((480, 640), 30.0)
    metres[200:238, 300:400] = 10.0
    metres[210:286, 250:380] = 10.0
    boxes = [[300, 200, 400, 238], [250, 210, 380, 286], [450, 200, 550, 276]]
    metres[200:276, 450:550] = 10.0
    found = Detections(boxes, [0.9, 0.9, 0.9], [0, 0, 0], ("car",))
    scale = find_scale(ObjectSizes(), DepthMap(metres), found, "median", CAMERA)
    assert scale.factor == pytest.approx(1.0, rel=0.05)
    assert partly_hidden(found.boxes).tolist() == [True, False, False]
    alone = find_scale(ObjectSizes(), DepthMap(metres), found[[0]], "median", CAMERA)
    assert alone.factor == pytest.approx(2.0, rel=0.01)
