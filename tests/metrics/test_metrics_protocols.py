import math
from dataclasses import replace

import cv2
import numpy as np
import pytest

from howfar.core.depth import DepthMap
from howfar.errors import UsageError
from howfar.metrics.alignment import Alignment
from howfar.metrics.apply import apply, measure_depth
from howfar.metrics.crops import (
    eigen_kitti_crop,
    garg_crop,
    nyu_eigen_crop,
    nyu_hybrid_crop,
    nyu_hybrid_input,
)
from howfar.metrics.depth import DepthSums, aggregate_errors, depth_sums
from howfar.metrics.protocols import PROTOCOLS, Task, find_protocol
from howfar.metrics.published import PUBLISHED, published_rows
from howfar.metrics.relative import order_sums

NYU, KITTI = (480, 640), (375, 1242)
SIZES = {"nyu-hybrid": NYU, "nyu-eigen": NYU}
DEPTH = [name for name, p in PROTOCOLS.items() if p.task is not Task.ORDER]


def world(shape, seed=0, holes=0.0):
    """A smooth random depth of 1 to 9 m, with holes."""
    rng = np.random.default_rng(seed)
    small = rng.uniform(1, 9, (6, 8)).astype(np.float32)
    values = cv2.resize(small, shape[::-1], interpolation=cv2.INTER_LINEAR)
    values[rng.random(shape) < holes] = 0
    return DepthMap(values)


def test_crops_are_those_of_the_facts_sheet():
    assert garg_crop(*KITTI) == (153, 371, 44, 1197)
    assert eigen_kitti_crop(*KITTI) == (124, 342, 44, 1197)
    assert nyu_hybrid_crop(*NYU) == (7, 473, 29, 611)
    assert nyu_eigen_crop(*NYU) == (45, 471, 41, 601)
    with pytest.raises(UsageError, match="480x640"):
        nyu_eigen_crop(240, 320)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_says_what_it_does(name):
    protocol = find_protocol(name)
    words = protocol.describe()
    assert words["protocol"] == protocol.name == name
    assert len(words["source"]) > 40
    assert all(words.values())
    if protocol.task is Task.DEPTH:
        assert set(protocol.headline) <= set(DepthSums().errors())
    assert (protocol.objects is not None) == (protocol.task is Task.OBJECTS)


def test_unknown_protocols_list_the_names():
    with pytest.raises(UsageError, match="nyu-hybrid, nyu-eigen"):
        find_protocol("nyu")


@pytest.mark.parametrize("name", DEPTH)
def test_a_perfect_prediction_is_perfect(name):
    truth = world(SIZES.get(name, (48, 60)), holes=0.0 if name == "vkitti-scene0002" else 0.3)
    sums = measure_depth(find_protocol(name), truth, truth)
    errors = sums.errors()
    assert sums.pixels > 0
    if name == "vkitti-scene0002":  # bilinear against nearest neighbour
        assert errors["abs_rel"] < 0.1
    else:
        assert (errors["rmse"], errors["delta1"]) == (0, 1)


@pytest.mark.parametrize("name", DEPTH)
def test_caps_and_masks(name):
    protocol = find_protocol(name)
    shape = SIZES.get(name, (48, 60))
    values = np.full(shape, 5.0, np.float32)
    values[: shape[0] // 2] = 500
    row, _, column, _ = protocol.crop(*shape)
    values[row, column] = 0
    p, g, counts = apply(protocol, DepthMap(np.full(shape, 700.0)), DepthMap(values))
    assert p.shape == g.shape == (counts.truth,)
    assert counts.missing == counts.clamped_low == 0
    if protocol.max_m == math.inf:
        assert set(g) == {5, 500}
        assert set(p) == {700}
        assert counts.clamped_high == 0
    else:
        assert set(g) == ({5, protocol.max_m} if protocol.cap_truth else {5})
        assert set(p) == {protocol.max_m}
        assert counts.clamped_high == counts.truth


@pytest.mark.parametrize("name", DEPTH)
def test_apply_equals_a_plain_loop(name):
    protocol = find_protocol(name)
    shape = protocol.size or SIZES.get(name, (50, 70))
    truth, prediction = world(shape, 1, 0.4), world(shape, 2)
    sums = measure_depth(protocol, prediction, truth)
    r1, r2, c1, c2 = protocol.crop(*shape)
    g, p = truth.values[r1:r2, c1:c2], prediction.values[r1:r2, c1:c2]
    keep = (g > protocol.min_m) & (g < protocol.max_m)
    expected = np.abs(p.astype(float) - g)[keep].sum()
    assert sums.absolute == pytest.approx(expected, rel=1e-9)
    assert sums.pixels == keep.sum()


@pytest.mark.parametrize("name", DEPTH)
def test_predictions_of_another_size_are_brought_to_the_truth(name):
    truth = world(SIZES.get(name, (48, 60)))
    small = truth.resized(truth.width // 2, truth.height // 2)
    sums = measure_depth(find_protocol(name), small, truth)
    assert sums.errors()["abs_rel"] < 0.1
    assert sums.missing == 0


def test_zero_is_clamped_and_holes_are_missing():
    truth = DepthMap(np.full((4, 4), 2.0))
    values = np.full((4, 4), 2.0, np.float32)
    values[0] = 0
    values[1, 0] = np.nan
    sums = measure_depth(PROTOCOLS["diode"], DepthMap(values), truth)
    assert (sums.pixels, sums.missing, sums.clamped_low) == (15, 1, 4)
    masked = DepthMap(np.full((4, 4), 2.0), valid=values > 0)
    sums = measure_depth(PROTOCOLS["diode"], masked, truth)
    assert (sums.pixels, sums.missing, sums.clamped_low) == (11, 5, 0)
    nothing = measure_depth(PROTOCOLS["diode"], truth, DepthMap(np.zeros((4, 4))))
    assert nothing == DepthSums()


def test_the_hybrid_chain():
    """256 x 320 input, 128 x 160 output, 466 x 582 window (facts 1b)."""
    picture = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    by_opencv = cv2.resize(picture, None, fx=0.55, fy=0.55, interpolation=cv2.INTER_NEAREST)
    assert by_opencv.shape == (264, 352, 3)
    assert np.array_equal(nyu_hybrid_input(picture), by_opencv[4:260, 16:336])
    output, truth = world((128, 160), 3), world(NYU, 4)
    p, g, counts = apply(PROTOCOLS["nyu-hybrid"], output, truth, covers="crop")
    grown = cv2.resize(output.values, (582, 466), interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(p, grown.ravel())
    assert np.array_equal(g, truth.values[7:473, 29:611].ravel())
    assert counts.truth == 466 * 582
    with pytest.raises(UsageError, match="480x640"):
        nyu_hybrid_input(picture[:100])
    with pytest.raises(UsageError, match="covers"):
        apply(PROTOCOLS["nyu-hybrid"], output, truth, covers="half")


def test_the_crop_of_the_input_is_the_window_of_the_truth():
    depth = world(NYU, 5)
    seen = DepthMap(nyu_hybrid_input(depth.values)).resized(160, 128)
    sums = measure_depth(PROTOCOLS["nyu-hybrid"], seen, depth, covers="crop")
    assert sums.errors()["abs_rel"] < 0.01


def test_relative_predictions_need_an_alignment():
    truth = world((40, 50))
    protocol = PROTOCOLS["diode"]
    relative = DepthMap(7 / truth.values, "relative")
    affine = DepthMap(3 / truth.values - 1, "relative-affine")
    with pytest.raises(UsageError, match="relative"):
        measure_depth(protocol, relative, truth)
    for how in ("median", "scale", "log-scale"):
        sums = measure_depth(replace(protocol, alignment=Alignment(how)), relative, truth)
        assert sums.errors()["abs_rel"] < 1e-5
    inverse = replace(protocol, alignment=Alignment.INVERSE_SCALE_SHIFT)
    assert measure_depth(inverse, affine, truth).errors()["abs_rel"] < 1e-5
    with pytest.raises(UsageError, match="unknown shift"):
        measure_depth(replace(protocol, alignment=Alignment.MEDIAN), affine, truth)
    with pytest.raises(UsageError, match="true depth in metres"):
        measure_depth(protocol, truth, relative)


def test_an_image_that_cannot_be_aligned_is_missing():
    protocol = replace(PROTOCOLS["diode"], alignment=Alignment.MEDIAN)
    blank = DepthMap(np.zeros((4, 5)))
    sums = measure_depth(protocol, blank, DepthMap(np.ones((4, 5))))
    assert (sums.pixels, sums.missing) == (0, 20)
    errors = aggregate_errors([sums], protocol.aggregation)
    assert math.isnan(errors["abs_rel"])


def test_order_has_no_metres():
    truth = world((40, 50))
    disparity = DepthMap(-5 / truth.values, "relative-affine")
    protocol = PROTOCOLS["wsvd-ordinal"]
    p, g, counts = apply(protocol, truth, DepthMap(9 / truth.values + 2, "relative-affine"))
    assert counts.truth == p.size == 2000
    assert order_sums(p, g).wrong == 0
    p, g, _ = apply(protocol, disparity, truth)
    assert order_sums(p, g).errors()["order_error"] == 1
    with pytest.raises(UsageError, match="no metres"):
        measure_depth(protocol, truth, truth)


def test_images_are_joined_as_the_protocol_says():
    images = [(world((20, 30), k), world((20, 30), k + 9, 0.1 * k)) for k in range(5)]
    for name in ("diode", "kitti-objects"):
        protocol = find_protocol(name)
        sums = [measure_depth(protocol, p, g) for p, g in images]
        each = [depth_sums(p.values, g.values).errors()["rmse"] for p, g in images]
        pooled = depth_sums(*(np.concatenate([m[i].values for m in images]) for i in (0, 1)))
        expected = np.mean(each) if name == "diode" else pooled.errors()["rmse"]
        assert aggregate_errors(sums, protocol.aggregation)["rmse"] == pytest.approx(expected)


def test_published_rows_have_sources_and_known_protocols():
    assert len(PUBLISHED) > 35
    for row in PUBLISHED:
        assert row.source
        assert row.scores
        assert row.protocol == "" or row.protocol in PROTOCOLS
    table_one = {row.method: row.scores for row in published_rows("nyu-depth")}
    assert table_one["Hybrid CNN"]["rmse"] == 0.592839
    assert "log10" not in table_one["Eigen et al."]
    table_two = published_rows("kitti-occlusion-2", "kitti-objects")
    assert len(table_two) == 7
    assert table_two[0].scores == {
        "epe": 1.38,
        "over3_pct": 9.54,
        "over5_pct": 3.28,
        "time_s": 0.027,
    }
    assert published_rows(table="nothing") == ()
