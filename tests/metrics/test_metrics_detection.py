import numpy as np
import pytest

from howfar.core.detections import Detections
from howfar.errors import UsageError
from howfar.metrics.coco import coco_results, coco_scores
from howfar.metrics.detection import (
    IGNORED,
    RIGHT,
    WRONG,
    ApMethod,
    Judged,
    ThresholdCounts,
    TrueBoxes,
    average_precision_score,
    count_by_threshold,
    join,
    judge_image,
    mean_ap_by_threshold,
    mean_ap_score,
)
from howfar.metrics.matching import box_ious, match_boxes

NAMES = ("a", "b", "c")


def detections(boxes, scores, class_ids=None):
    ids = np.zeros(len(boxes), np.int64) if class_ids is None else np.array(class_ids)
    return Detections(np.array(boxes, np.float32), np.array(scores), ids, NAMES)


def random_image(rng, crowds=True):
    """Seven true boxes and up to sixteen shaken ones, of three classes."""
    corner = rng.random((7, 2)) * 300
    true = np.concatenate([corner, corner + 20 + rng.random((7, 2)) * 120], axis=1)
    kind = rng.integers(0, 3, 7)
    pick = rng.integers(0, 7, 16)
    found = (true[pick] + rng.normal(0, 9, (16, 4))).astype(np.float32)
    found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 1)
    classes = np.where(rng.random(16) < 0.8, kind[pick], rng.integers(0, 3, 16))
    scores = rng.integers(1, 40, 16) / 40
    ignore = rng.random(7) < (0.2 if crowds else 0)
    return detections(found, scores, classes), TrueBoxes(true.astype(np.float32), kind, ignore)


@pytest.fixture
def images():
    rng = np.random.default_rng(8)
    return [random_image(rng) for _ in range(40)]


def plain_voc_ap(images, class_id, eleven, iou, plus):
    """The VOC devkit's procedure, as a loop over all detections of a class."""
    rows = [
        (-float(d.scores[i]), n, i)
        for n, (d, _) in enumerate(images)
        for i in range(len(d))
        if d.class_ids[i] == class_id
    ]
    total = sum(int(((t.class_ids == class_id) & ~t.ignore).sum()) for _, t in images)
    taken, hits = set(), []
    for _, n, i in sorted(rows):
        d, t = images[n]
        best, best_iou = None, 0.0
        for j in np.flatnonzero(t.class_ids == class_id):
            a, b = d.boxes[i].astype(float), t.boxes[j].astype(float)
            w = min(a[2], b[2]) - max(a[0], b[0]) + plus
            h = min(a[3], b[3]) - max(a[1], b[1]) + plus
            if w <= 0 or h <= 0:
                continue
            areas = [(x[2] - x[0] + plus) * (x[3] - x[1] + plus) for x in (a, b)]
            value = w * h / (sum(areas) - w * h)
            if value > best_iou:
                best, best_iou = j, value
        if best is None or best_iou < iou:
            hits.append(0)
        elif not t.ignore[best]:
            hits.append(int((n, best) not in taken))
            taken.add((n, best))
    recalls = [sum(hits[: k + 1]) / total for k in range(len(hits))]
    precisions = [sum(hits[: k + 1]) / (k + 1) for k in range(len(hits))]
    if eleven:
        at = [r / 10 for r in range(11)]
        best = [
            max([p for p, q in zip(precisions, recalls, strict=True) if q >= r - 1e-12] or [0])
            for r in at
        ]
        return sum(best) / 11
    steps = zip(recalls, [0, *recalls], range(len(hits)), strict=False)
    return sum((r - before) * max(precisions[k:]) for r, before, k in steps)


@pytest.mark.parametrize("inclusive", [False, True])
@pytest.mark.parametrize("method", ["area", "11-point"])
def test_voc_ap_equals_a_plain_loop(images, method, inclusive):
    judged = join([judge_image(n, d, t, 0.5, "voc", inclusive) for n, (d, t) in enumerate(images)])
    each = []
    for class_id in range(3):
        plain = plain_voc_ap(images, class_id, method == "11-point", 0.5, float(inclusive))
        assert 0.1 < plain < 0.9
        found = average_precision_score(judged, class_id, method)
        assert found == pytest.approx(plain, abs=1e-9)
        each.append(plain)
    assert mean_ap_score(judged, method) == pytest.approx(np.mean(each))


@pytest.mark.parametrize(("iou", "name"), [(0.5, "AP50"), (0.75, "AP75")])
def test_coco_ap_at_one_iou_equals_the_package(images, iou, name):
    pytest.importorskip("faster_coco_eval")
    truth = {
        "images": [{"id": n} for n in range(len(images))],
        "categories": [{"id": k + 1, "name": name} for k, name in enumerate(NAMES)],
        "annotations": [
            {"id": 9, "image_id": n, "category_id": int(k) + 1, "iscrowd": int(crowd)}
            | {"bbox": [*box[:2].tolist(), *(box[2:] - box[:2]).tolist()]}
            for n, (_, t) in enumerate(images)
            for box, k, crowd in zip(t.boxes, t.class_ids, t.ignore, strict=True)
        ],
    }
    results = [r for n, (d, _) in enumerate(images) for r in coco_results(n, d, [1, 2, 3])]
    judged = join([judge_image(n, d, t, iou) for n, (d, t) in enumerate(images)])
    expected = coco_scores(truth, results)[name]
    assert mean_ap_score(judged, "101-point") == pytest.approx(expected, abs=1e-9)


def test_any_split_and_order_adds_up_to_the_same(images):
    parts = [judge_image(n, d, t) for n, (d, t) in enumerate(images)]
    whole = join(parts)
    mixed = Judged()
    for k in np.random.default_rng(1).permutation(len(parts)):
        mixed = mixed + parts[k]
    assert mixed.truths == whole.truths
    for method in ApMethod:
        assert mean_ap_score(mixed, method) == mean_ap_score(whole, method)
    thresholds = np.linspace(0, 1, 21)
    total = count_by_threshold(parts[0], thresholds)
    for part in parts[1:]:
        total = total + count_by_threshold(part, thresholds)
    at_once = count_by_threshold(whole, thresholds)
    assert np.array_equal(total.right, at_once.right)
    assert np.array_equal(total.wrong, at_once.wrong)
    assert np.array_equal(total.missed, at_once.missed)


def test_the_two_rules_differ_about_doubles_and_ignored_boxes():
    truth = TrueBoxes([[0, 0, 10, 10], [2, 0, 12, 10]], [0, 0])
    found = detections([[0, 0, 10, 10], [0, 0, 10, 10]], [0.9, 0.8])
    assert judge_image(0, found, truth).state.tolist() == [RIGHT, RIGHT]
    assert judge_image(0, found, truth, rule="voc").state.tolist() == [RIGHT, WRONG]
    crowd = TrueBoxes([[0, 0, 100, 100]], [0], [True])
    assert judge_image(0, found, crowd).state.tolist() == [IGNORED, IGNORED]
    assert judge_image(0, found, crowd, rule="voc").state.tolist() == [WRONG, WRONG]
    difficult = TrueBoxes([[0, 0, 10, 10]], [0], [True])
    assert judge_image(0, found, difficult, rule="voc").state.tolist() == [IGNORED, IGNORED]
    assert judge_image(0, found, difficult).truths == {}


def test_iou_at_the_threshold_counts():
    truth = TrueBoxes([[0, 0, 10, 10]], [0])
    assert judge_image(0, detections([[0, 0, 10, 5]], [1]), truth).state.tolist() == [RIGHT]
    assert judge_image(0, detections([[0, 0, 10, 5]], [1]), truth, 0.51).state.tolist() == [WRONG]


def test_inclusive_corners_are_half_open_boxes_one_pixel_larger():
    boxes = np.array([[1, 1, 10, 10], [4, 2, 20, 9]], float)
    grown = boxes + np.array([0, 0, 1, 1])
    assert box_ious(boxes, boxes, inclusive=True) == pytest.approx(box_ious(grown, grown))


def test_perfect_detections(images):
    perfect = [
        (detections(t.boxes[~t.ignore], np.ones((~t.ignore).sum()), t.class_ids[~t.ignore]), t)
        for _, t in images
    ]
    judged = join([judge_image(n, d, t, 0.99) for n, (d, t) in enumerate(perfect)])
    for method in ApMethod:
        assert mean_ap_score(judged, method) == pytest.approx(1)
    counts = count_by_threshold(judged, [0.0, 1.0])
    assert counts.precision().tolist() == counts.recall().tolist() == counts.f1().tolist() == [1, 1]


def test_precision_and_recall_by_threshold():
    truth = TrueBoxes([[0, 0, 10, 10], [50, 50, 60, 60]], [0, 1])
    found = detections(
        [[0, 0, 10, 10], [80, 80, 90, 90], [50, 50, 60, 60]], [0.75, 0.5, 0.25], [0, 0, 1]
    )
    counts = count_by_threshold(judge_image(0, found, truth), [0, 0.25, 0.3, 0.5, 0.75, 0.9])
    assert counts.right.tolist() == [2, 2, 1, 1, 1, 0]
    assert counts.wrong.tolist() == [1, 1, 1, 1, 0, 0]
    assert counts.missed.tolist() == [0, 0, 1, 1, 1, 2]
    assert counts.precision().tolist() == pytest.approx([2 / 3, 2 / 3, 0.5, 0.5, 1, 1])
    assert counts.precision(empty=0)[-1] == 0
    assert counts.recall().tolist() == [1, 1, 0.5, 0.5, 0.5, 0]
    assert counts.f1().tolist() == pytest.approx([0.8, 0.8, 0.5, 0.5, 2 / 3, 0])
    only = count_by_threshold(judge_image(0, found, truth), [0.0], class_id=0)
    assert (only.right[0], only.wrong[0], only.missed[0]) == (1, 1, 0)
    assert isinstance(only + only, ThresholdCounts)


def test_map_falls_when_the_threshold_rises(images):
    judged = join([judge_image(n, d, t) for n, (d, t) in enumerate(images)])
    curve = mean_ap_by_threshold(judged, [0, 0.2, 0.5, 0.8, 1.01])
    assert curve[0] == mean_ap_score(judged)
    assert (np.diff(curve) <= 0).all()
    assert curve[-1] == 0
    kept = [(d[d.scores >= 0.5], t) for d, t in images]
    alone = join([judge_image(n, d, t) for n, (d, t) in enumerate(kept)])
    assert curve[2] == pytest.approx(mean_ap_score(alone))


def test_nothing_to_find_or_nothing_found():
    nothing = join([])
    assert np.isnan(mean_ap_score(nothing))
    assert np.isnan(average_precision_score(nothing, 0))
    assert np.isnan(count_by_threshold(nothing, [0.5]).recall()).all()
    assert count_by_threshold(nothing, [0.5]).precision().tolist() == [1]
    truth = TrueBoxes([[0, 0, 9, 9]], [1])
    blind = judge_image(0, Detections.empty(NAMES), truth)
    assert mean_ap_score(blind) == mean_ap_score(blind, "11-point") == 0
    ghost = judge_image(1, detections([[0, 0, 9, 9]], [0.5]), TrueBoxes([], []), rule="voc")
    assert ghost.state.tolist() == [WRONG]
    assert mean_ap_score(blind + ghost) == 0


def test_true_boxes_must_fit_together():
    with pytest.raises(UsageError, match="do not fit together"):
        TrueBoxes([[0, 0, 1, 1]], [0, 1])


def test_greedy_matching_takes_the_best_free_box_in_the_order_of_scores():
    truth = [[0, 0, 10, 10], [4, 0, 14, 10]]
    boxes = [[1, 0, 11, 10], [0, 0, 10, 10], [90, 90, 99, 99]]
    assert match_boxes(boxes, [0.5, 0.9, 1], truth, 0.3).tolist() == [1, 0, -1]
    assert match_boxes(boxes, [0.9, 0.5, 1], truth, 0.3).tolist() == [0, 1, -1]
    by_class = match_boxes(boxes, [0.9, 0.5, 1], truth, 0.3, "abc", "ba")
    assert by_class.tolist() == [1, 0, -1]
    assert match_boxes([], [], truth).shape == (0,)
    assert match_boxes(boxes, [1, 1, 1], []).tolist() == [-1, -1, -1]
