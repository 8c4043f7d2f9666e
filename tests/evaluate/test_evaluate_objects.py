"""Distances of objects: kinds of truth, oracles, disparities, intervals, the question within X."""

from dataclasses import replace

import numpy as np
import pytest
from fakes import detections, flat

from howfar.core.depth import DepthKind
from howfar.errors import UsageError
from howfar.evaluate.frames import walk
from howfar.evaluate.objects import ObjectJudge, object_protocol
from howfar.evaluate.truths import true_objects
from howfar.metrics.published import published_rows

CAR = ("car", 0.9, [10, 12, 30, 40])


def judged(system, dataset, within=(), kitti=True):
    judge = ObjectJudge(system, object_protocol(None), dataset.class_names, kitti, within)
    return judge, judge.report(walk(dataset, [judge]))


def test_kinds_of_truth(layout):
    lidar = true_objects(layout("kitti-object")[0])
    assert lidar.kinds == ("lidar-median", "box-center")
    assert lidar.objects["lidar-median"][0].distance_m == pytest.approx(10, abs=1e-4)
    assert lidar.objects["lidar-median"][1].ignore
    assert lidar.objects["box-center"][0].occlusion == 1


def test_pixels_where_there_is_no_lidar(layout):
    pixels = true_objects(layout("vkitti2")[0])
    assert pixels.kinds[0] == "pixel-median"
    assert pixels.objects["pixel-median"][0].distance_m == pytest.approx(12.5)


def test_no_truth_is_told(layout):
    assert "boxes" in true_objects(layout("rgbd-mm")[0])
    assert "3-D" in true_objects(layout("coco")[0])


def test_too_few_points_give_no_distance(layout):
    found = true_objects(layout("kitti-object")[0], min_points=10_000)
    assert found.objects["lidar-median"][0].distance_m is None


def test_oracle_with_labelled_boxes_is_right(system, layout):
    _, report = judged(truth_system(system), layout("kitti-object"))
    assert report.counts["measured"] == 1
    assert report.scores["abs_rel"] == pytest.approx(0, abs=1e-6)
    assert report.protocol["boxes"] == "the labelled ones"


def truth_system(system):
    """Labelled boxes on the true depth."""
    found = system()
    found.variant = replace(found.variant, detector="truth", depth="truth")
    return found


def test_errors_are_those_of_the_distance(system, layout):
    wrong = detections(CAR, ("car", 0.8, [40, 30, 60, 46]), ("bird", 0.9, [0, 0, 9, 9]))
    _, report = judged(system(wrong, flat(8.0)), layout("kitti-object"), within=(9.0,))
    assert report.scores["abs_rel"] == pytest.approx(0.2, abs=1e-4)
    assert report.scores["bias_rel"] == pytest.approx(-0.2, abs=1e-4)
    assert report.scores["rmse"] == pytest.approx(2, abs=1e-3)
    # f = 50 px and B = 26.6 / 50 m: disparities 3.325 and 2.66 px
    assert report.scores["epe"] == pytest.approx(50 * 0.532 * (1 / 8 - 1 / 10), abs=2e-3)
    assert report.counts["spurious"] == 2 * 1 + 1  # on the second picture all cars are
    assert report.counts["unlabelled_classes"] == 2
    within = dict(report.tables["within"].rows)["9 m"]
    assert within["precision"] == 0
    assert within["false_yes"] == 4  # the car, and three that are not there
    assert dict(report.tables["class"].rows)["car"]["measured"] == 1
    assert list(dict(report.tables["occlusion"].rows)) == ["1 partly hidden"]


def test_a_missed_object_is_counted(system, layout):
    _, report = judged(system(detections(), flat(8.0)), layout("kitti-object"))
    assert (report.counts["missed"], report.counts["measured"]) == (1, 0)
    assert np.isnan(report.scores["abs_rel"])


def test_perfect_lidar_stands_beside_the_box_centre(system, layout):
    _, report = judged(system(detections(CAR), flat(10.0)), layout("kitti-object"))
    rows = dict(report.tables["truth"].rows)
    assert list(rows) == ["lidar-median", "box-center", "box-center, of a perfect lidar-median"]
    z = 10.0 + 0.002
    assert rows["box-center, of a perfect lidar-median"]["abs_rel"] == pytest.approx(
        abs(10 - z) / z, abs=1e-5
    )


def test_table_two_holds_the_published_rows(system, layout):
    _, report = judged(system(detections(CAR), flat(10.0)), layout("kitti-object"))
    table = dict(report.tables["table_II"].rows)
    row = published_rows("kitti-occlusion-2")[0]
    assert table[f"{row.method} (as published)"]["occ2 epe"] == row.scores["epe"]
    assert table["fake"]["occ1 epe"] == pytest.approx(0, abs=1e-3)


def test_intervals_are_judged(system, layout):
    _, report = judged(system(detections(CAR), flat(10.0)), layout("kitti-object"))
    assert dict(report.tables["interval"].rows)["all"]["count"] == 1
    assert report.scores["coverage"] in (0.0, 1.0)
    assert any("pixel-spread" in note for note in report.notes)


def test_items_and_worst(system, layout):
    judge, _ = judged(system(detections(CAR), flat(8.0)), layout("kitti-object"))
    assert judge.items()["abs_rel"] == {("000000", "0"): pytest.approx(0.2, abs=1e-4)}
    assert judge.worst(3) == [(0, 0)]


def test_wrong_use(system):
    with pytest.raises(UsageError, match="--scale"):
        ObjectJudge(system(detections(), flat(1.0), kind=DepthKind.RELATIVE), object_protocol(None))
    with pytest.raises(UsageError, match="within"):
        ObjectJudge(system(detections(), flat(1.0)), object_protocol(None), within_m=(0.0,))
    with pytest.raises(UsageError, match="not for objects"):
        object_protocol("nyu-eigen")
    crop = truth_system(system)
    crop.variant = replace(crop.variant, join="crop")
    with pytest.raises(UsageError, match="crop"):
        ObjectJudge(crop, object_protocol(None))
