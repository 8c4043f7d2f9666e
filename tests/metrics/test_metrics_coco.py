import copy
import json
import math
import sys
import time

import numpy as np
import pytest

from howfar.core.detections import Detections
from howfar.errors import UsageError
from howfar.metrics.coco import COCO_NAMES, coco_results, coco_scores, evaluate_coco

pytest.importorskip("faster_coco_eval")

TOY_TRUTH = [
    (1, 1, 1, [10, 10, 100, 100], 0),
    (2, 1, 1, [200, 50, 20, 20], 0),
    (3, 1, 3, [300, 300, 50, 60], 0),
    (4, 2, 1, [50, 60, 40, 80], 0),
    (5, 2, 3, [100, 100, 200, 200], 1),
    (6, 2, 3, [10, 10, 30, 30], 0),
]
TOY_FOUND = [
    (1, 1, [12, 11, 100, 98], 0.9),
    (1, 1, [205, 52, 20, 20], 0.6),
    (1, 1, [400, 10, 30, 30], 0.55),
    (1, 3, [305, 303, 50, 60], 0.8),
    (2, 1, [50, 60, 40, 60], 0.7),
    (2, 1, [52, 62, 40, 80], 0.65),
    (2, 3, [120, 120, 60, 60], 0.95),
    (2, 3, [12, 10, 30, 28], 0.3),
    (2, 3, [300, 20, 30, 30], 0.2),
]
TOY_SCORES = (
    *(0.559158, 0.957921, 0.457921, 0.4, 0.6, 0.9),
    *(0.375, 0.6, 0.6, 0.4, 0.65, 0.9),
)


def toy(first_id=1):
    truth = {
        "images": [{"id": i, "width": 640, "height": 480, "file_name": f"{i}.jpg"} for i in (1, 2)],
        "categories": [{"id": 1, "name": "person"}, {"id": 3, "name": "car"}],
        "annotations": [
            {"id": i - 1 + first_id, "image_id": image, "category_id": category, "bbox": box}
            | {"area": box[2] * box[3], "iscrowd": crowd}
            for i, image, category, box, crowd in TOY_TRUTH
        ],
    }
    found = [
        {"image_id": image, "category_id": category, "bbox": box, "score": score}
        for image, category, box, score in TOY_FOUND
    ]
    return truth, found


def pycocotools_scores(truth, found):
    """The same by the reference implementation."""
    coco = pytest.importorskip("pycocotools.coco")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    reference = coco.COCO()
    reference.dataset = copy.deepcopy(truth)
    reference.createIndex()
    judge = cocoeval.COCOeval(reference, reference.loadRes(copy.deepcopy(found)), "bbox")
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    return dict(zip(COCO_NAMES, judge.stats.tolist(), strict=True))


def noisy(truth, seed=0, images=None):
    """Fake detections: shaken true boxes with wrong classes, doubles and misses, and ghosts."""
    rng = np.random.default_rng(seed)
    ids = [c["id"] for c in truth["categories"]]
    found = []
    for image in truth["images"]:
        mine = [a for a in truth["annotations"] if a["image_id"] == image["id"]]
        for annotation in mine * 2:
            x, y, w, h = annotation["bbox"]
            if rng.random() < 0.2:
                continue
            shake = rng.normal(0, 0.1, 4) * [w, h, w, h]
            box = np.add([x, y, w, h], shake).clip(0.5).tolist()
            known = rng.random() < 0.85
            category = annotation["category_id"] if known else int(rng.choice(ids))
            found.append((image["id"], category, box, float(rng.integers(1, 100) / 100)))
        for _ in range(8):
            box = (rng.random(4) * 200 + 1).tolist()
            found.append((image["id"], int(rng.choice(ids)), box, float(rng.random())))
    keys = ("image_id", "category_id", "bbox", "score")
    return [dict(zip(keys, row, strict=True)) for row in found]


def test_the_toy_vector_of_the_facts_sheet():
    truth, found = toy()
    scores = coco_scores(truth, found)
    assert tuple(scores) == COCO_NAMES
    assert tuple(scores.values()) == pytest.approx(TOY_SCORES, abs=5e-7)
    assert scores == pycocotools_scores(truth, found)


def test_annotation_id_zero_counts():
    truth, found = toy(first_id=0)
    before = copy.deepcopy((truth, found))
    assert coco_scores(truth, found) == coco_scores(*toy())
    assert (truth, found) == before, "arguments are not changed"
    if "pycocotools" in sys.modules:
        assert pycocotools_scores(truth, found)["AP"] < TOY_SCORES[0]


def test_counts_and_categories():
    truth, found = toy()
    truth["categories"].append({"id": 9, "name": "boat"})
    found.append({"image_id": 1, "category_id": 77, "bbox": [0, 0, 5, 5], "score": 0.9})
    report = evaluate_coco(truth, found)
    assert (report.images, report.objects) == (2, 5)
    assert (report.detections, report.left_out) == (9, 1)
    assert report.by_category.keys() == {"person", "car"}
    mean = np.mean([row["AP"] for row in report.by_category.values()])
    assert mean == pytest.approx(report.overall["AP"])


def test_perfect_and_empty_results():
    truth, _ = toy()
    perfect = [{**a, "score": 1.0} for a in truth["annotations"] if not a["iscrowd"]]
    scores = coco_scores(truth, perfect)
    assert [scores[n] for n in ("AP", "AP50", "AR100", "APs")] == pytest.approx([1] * 4)
    assert coco_scores(truth, [])["AP"] == 0
    nothing = coco_scores({**truth, "annotations": []}, perfect)
    assert all(math.isnan(value) for value in nothing.values())


def test_area_and_crowd_may_be_left_out():
    truth, found = toy()
    truth["annotations"] = [a for a in truth["annotations"] if not a["iscrowd"]]
    with_area = coco_scores(truth, found)
    for annotation in truth["annotations"]:
        del annotation["area"], annotation["iscrowd"]
    assert coco_scores(truth, found) == with_area


def test_results_of_unknown_pictures_are_wrong_use():
    truth, found = toy()
    with pytest.raises(UsageError, match="image 7"):
        coco_scores(truth, [{**found[0], "image_id": 7}])


def test_missing_extra_names_the_way_out(monkeypatch):
    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    with pytest.raises(UsageError, match=r"pip install 'howfar\[eval\]'"):
        coco_scores(*toy())


def test_detections_become_results():
    found = Detections(
        np.array([[10, 20, 40, 60]], np.float32), np.array([0.5]), np.array([1]), ("a", "b")
    )
    (row,) = coco_results(42, found, [1, 3])
    assert row == {"image_id": 42, "category_id": 3, "bbox": [10, 20, 30, 40], "score": 0.5}


def test_random_sets_equal_pycocotools():
    truth, _ = toy()
    for seed in range(20):
        found = noisy(truth, seed)
        assert coco_scores(truth, found) == pycocotools_scores(truth, found)


@pytest.mark.parametrize("second_is_right", [True, False])
@pytest.mark.parametrize("objects", [1, 2, 3, 101, 350])
def test_a_first_right_detection_equals_pycocotools(objects, second_is_right):
    """Where only the best detection reaches precision 1, pycocotools says 1 - 2e-16."""
    boxes = [[20 * (i % 20), 20 * (i // 20), 10, 10] for i in range(objects)]
    truth = {
        "images": [{"id": 1, "width": 640, "height": 640}],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [
            {"id": i, "image_id": 1, "category_id": 1, "bbox": b, "area": 100, "iscrowd": 0}
            for i, b in enumerate(boxes, 1)
        ],
    }
    ghosts = [[500 + i, 600, 10, 10] for i in range(3)]
    rest = boxes[1:] + ghosts if second_is_right else ghosts + boxes[1:]
    found = [
        {"image_id": 1, "category_id": 1, "bbox": b, "score": 0.9 - 0.001 * i}
        for i, b in enumerate([boxes[0], *rest])
    ]
    ours, theirs = coco_scores(truth, found), pycocotools_scores(truth, found)
    assert {n: v for n, v in ours.items() if not math.isnan(v)} == {
        n: v for n, v in theirs.items() if v != -1
    }


@pytest.mark.shared
def test_real_truth_equals_pycocotools(shared_data):
    path = shared_data / "eval" / "coco-val127" / "instances.json"
    truth = json.loads(path.read_text())
    found = noisy(truth)
    assert len(found) > 2000
    assert coco_scores(truth, found) == pycocotools_scores(truth, found)


def large_set(images=5000, each=100, classes=80):
    """5,000 pictures with 7 true objects and 100 detections each: the size of COCO val2017."""
    rng = np.random.default_rng(0)
    corner, side = rng.random((images, 7, 2)) * 400, rng.random((images, 7, 2)) * 200 + 5
    kind = rng.integers(1, classes + 1, (images, 7))
    boxes = np.concatenate([corner, side], axis=2)
    which = rng.integers(0, 7, (images, each))
    shaken = np.take_along_axis(boxes, which[..., None], 1)
    shaken = shaken + rng.normal(0, 8, shaken.shape)
    shaken[..., 2:] = shaken[..., 2:].clip(1)
    guess = np.where(
        rng.random(which.shape) < 0.5,
        np.take_along_axis(kind, which, 1),
        rng.integers(1, classes + 1, which.shape),
    )
    truth = {
        "images": [{"id": i, "width": 640, "height": 640} for i in range(images)],
        "categories": [{"id": k, "name": str(k)} for k in range(1, classes + 1)],
        "annotations": [
            {"id": 7 * i + j, "image_id": i, "category_id": int(kind[i, j])}
            | {"bbox": boxes[i, j].tolist(), "iscrowd": 0}
            for i in range(images)
            for j in range(7)
        ],
    }
    found = [
        {"image_id": i, "category_id": c, "bbox": b, "score": s}
        for i in range(images)
        for c, b, s in zip(
            guess[i].tolist(), shaken[i].tolist(), rng.random(each).tolist(), strict=True
        )
    ]
    return truth, found


@pytest.mark.slow
def test_five_thousand_pictures_take_seconds():
    truth, found = large_set()
    start = time.process_time()
    scores = coco_scores(truth, found)
    assert 0 < scores["AP"] < 1
    assert time.process_time() - start < 60
