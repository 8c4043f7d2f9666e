"""Differences between systems on the same pictures."""

from dataclasses import replace

import numpy as np
import pytest
from fakes import detections, flat

from howfar.errors import UsageError
from howfar.evaluate.compare import Difference, difference_table, differences, paired_ap
from howfar.evaluate.depth import DepthJudge, depth_protocol
from howfar.evaluate.frames import walk
from howfar.evaluate.objects import ObjectJudge, object_protocol
from howfar.metrics.bootstrap import PairedDifference
from howfar.metrics.detection import ApMethod, TrueBoxes, join, judge_image, mean_ap_score

BOX = [10.0, 10.0, 20.0, 20.0]


def judged(labels, quality, seed):
    """Judged parts of pictures with two objects each, found with the chance `quality`."""
    rng = np.random.default_rng(seed)
    boxes = [BOX, [30, 10, 40, 30]]
    parts = []
    for k, classes in enumerate(labels, 1):
        rows = [("a", 0.0, BOX), ("b", 0.0, BOX), ("a", rng.uniform(0, 0.6), [50, 0, 60, 9])]
        for label, box in zip(classes, boxes, strict=True):
            if rng.random() < quality:
                rows.append((("a", "b")[label], rng.uniform(0.2, 1), box))
        parts.append(judge_image(k, detections(*rows)[2:], TrueBoxes(boxes, classes)))
    return parts


LABELS = np.random.default_rng(5).integers(0, 2, (60, 2))


def test_average_precision_of_all_pictures_is_that_of_the_metrics():
    parts = judged(LABELS, 0.8, seed=0)
    truths = [part.truths for part in parts]
    alone = paired_ap(join(parts), join([]), truths, resamples=50)
    assert alone.difference == pytest.approx(
        mean_ap_score(join(parts), ApMethod.COCO_101), abs=1e-12
    )
    assert alone.low < alone.difference < alone.high
    assert paired_ap(join(parts), join(parts), truths, resamples=50).high == 0


def test_a_draw_weighs_a_picture_as_often_as_it_is_drawn():
    """Drawing one of two pictures twice is evaluating it twice."""
    parts = judged(LABELS[:2], 0.8, seed=3)
    truths = [part.truths for part in parts]
    found = paired_ap(join(parts), join([]), truths, resamples=400)
    ends = []
    for part in parts:
        twice = [replace(part, image=part.image * 0 + k) for k in (1, 2)]
        ends.append(mean_ap_score(join(twice), ApMethod.COCO_101))
    assert found.low == pytest.approx(min(*ends, found.difference))
    assert found.high == pytest.approx(max(*ends, found.difference))


def test_a_detector_that_finds_less_is_worse():
    good, poor = judged(LABELS, 1.0, seed=0), judged(LABELS, 0.4, seed=0)
    truths = [part.truths for part in good]
    found = paired_ap(join(poor), join(good), truths, resamples=200)
    assert found.high < 0
    assert Difference("poor", "good", "AP50", found).verdict == "worse"


@pytest.mark.parametrize(
    ("score", "low", "high", "verdict"),
    [
        ("abs_rel", 0.1, 0.2, "worse"),
        ("abs_rel", -0.2, -0.1, "better"),
        ("delta1", 0.1, 0.2, "better"),
        ("AP50", -0.2, -0.1, "worse"),
        ("rmse", -0.1, 0.1, "unclear"),
    ],
)
def test_verdicts(score, low, high, verdict):
    paired = PairedDifference((low + high) / 2, low, high, 0.95, "mean", 9, 9)
    found = Difference("b", "a", score, paired)
    assert found.verdict == verdict
    assert found.to_dict()["verdict"] == verdict
    assert dict(difference_table([found]).rows)["b"]["verdict"] == verdict


def test_depth_networks_on_the_same_frames(system, layout):
    judges = [
        DepthJudge(system(depth=flat(metres), name=name), depth_protocol(None, "rgbd"))
        for name, metres in (("near", 4.0), ("far", 30.0))
    ]
    walk(layout("rgbd-mm"), judges)
    found = {item.score: item for item in differences(judges)}
    errors = [judge.scores()["abs_rel"] for judge in judges]
    assert found["abs_rel"].paired.difference == pytest.approx(errors[1] - errors[0])
    assert found["abs_rel"].verdict == "worse"
    assert (found["abs_rel"].system, found["abs_rel"].reference) == ("far", "near")


def test_objects_that_only_one_measured_are_counted(system, layout):
    dataset = layout("kitti-object")
    car = detections(("car", 0.9, [10, 12, 30, 40]))
    judges = [
        ObjectJudge(system(found, flat(9.0)), object_protocol(None), dataset.class_names)
        for found in (car, detections())
    ]
    walk(dataset, judges)
    with pytest.raises(UsageError, match="nothing in common"):
        differences(judges)
    same = differences([judges[0], judges[0]])
    assert {item.score for item in same} == {"abs_rel", "median_rel"}
    assert all(item.paired.difference == 0 and item.only_one == 0 for item in same)
