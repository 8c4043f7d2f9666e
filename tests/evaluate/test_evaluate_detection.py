"""Boxes: COCO's numbers equal pycocotools, names are brought together, regions are ignored."""

import contextlib
import io
import json

import numpy as np
import pytest
from fakes import detections

from howfar.core.image import Image
from howfar.data.address import open_dataset
from howfar.data.dataset import Records
from howfar.data.sample import Sample
from howfar.evaluate.detection import DetectionJudge, by_confidence
from howfar.evaluate.frames import walk
from howfar.evaluate.labels import known_names, meaning
from howfar.io.sinks import encode_picture
from howfar.metrics.coco import COCO_NAMES


@pytest.fixture
def coco(tmp_path):
    """Twelve pictures with random boxes of three classes."""
    rng = np.random.default_rng(3)
    names = {1: "person", 3: "car", 62: "chair"}
    images, rows = [], []
    (tmp_path / "images").mkdir()
    for k in range(12):
        images.append({"id": 40 + k, "file_name": f"{k}.png", "width": 64, "height": 48})
        picture = encode_picture(np.full((48, 64, 3), k, np.uint8), ".png")
        (tmp_path / "images" / f"{k}.png").write_bytes(picture)
        for _ in range(3):
            x, y = rng.uniform(0, 40), rng.uniform(0, 24)
            w, h = rng.uniform(5, 60 - x), rng.uniform(5, 46 - y)
            rows.append(
                {
                    "id": len(rows) + 1,
                    "image_id": 40 + k,
                    "category_id": int(rng.choice(list(names))),
                    "bbox": [x, y, w, h],
                    "area": w * h * 0.7,
                    "iscrowd": int(rng.random() < 0.1),
                }
            )
    content = {
        "images": images,
        "annotations": rows,
        "categories": [{"id": i, "name": n} for i, n in names.items()],
    }
    (tmp_path / "instances.json").write_text(json.dumps(content))
    return tmp_path


def answers(content):
    """Noisy copies of the truth, and false alarms, by the grey value of the picture."""
    rng = np.random.default_rng(7)
    names = {row["id"]: row["name"] for row in content["categories"]}
    found = {}
    for image in content["images"]:
        rows = []
        for row in content["annotations"]:
            if row["image_id"] == image["id"]:
                x, y, w, h = np.array(row["bbox"]) + rng.normal(0, 1.5, 4)
                box = [x, y, x + max(w, 2), y + max(h, 2)]
                rows.append((names[row["category_id"]], rng.uniform(0.1, 1), box))
        rows.append(("chair", rng.uniform(0.1, 0.8), [1, 1, 20, 20]))
        rows.append(("zebra", 0.9, [1, 1, 20, 20]))
        rows.sort(key=lambda row: -row[1])
        found[image["id"]] = detections(*rows)
    return found


def by_pycocotools(folder, found):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(folder / "instances.json"))
        ids = {c["name"]: c["id"] for c in truth.dataset["categories"]}
        rows = []
        for image, dets in found.items():
            for label, score, (x1, y1, x2, y2) in zip(
                dets.labels, dets.scores.tolist(), dets.boxes.tolist(), strict=True
            ):
                if label in ids:
                    box = [x1, y1, x2 - x1, y2 - y1]
                    rows.append(
                        {"image_id": image, "category_id": ids[label], "bbox": box, "score": score}
                    )
        judge = COCOeval(truth, truth.loadRes(rows), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return judge.stats


def test_coco_numbers_equal_pycocotools(system, coco):
    dataset = open_dataset(f"coco:{coco}")
    found = answers(dataset.content)
    detector = system(lambda image: found[40 + int(image.pixels[0, 0, 0])], conf=0.05)
    judge = DetectionJudge(detector, dataset)
    report = judge.report(walk(dataset, [judge]))
    measured = [report.scores[name] for name in COCO_NAMES]
    expected = [value if value > -1 else np.nan for value in by_pycocotools(coco, found)]
    assert measured == pytest.approx(expected, abs=1e-12, nan_ok=True)
    assert report.published
    assert 0.3 < report.scores["AP50"] < 1


def test_curves_by_confidence(system, coco):
    dataset = open_dataset(f"coco:{coco}")
    found = answers(dataset.content)
    judge = DetectionJudge(
        system(lambda image: found[40 + int(image.pixels[0, 0, 0])], conf=0.05), dataset
    )
    report = judge.report(walk(dataset, [judge]))
    curve = by_confidence(judge.judged("at50"), judge.judged("at75"))
    assert (np.diff(curve["recall"]) <= 0).all()
    assert (curve["mAP75"] <= curve["mAP50"] + 1e-12).all()
    table = dict(report.tables["confidence"].rows)
    assert table["0.25"]["recall"] == pytest.approx(report.scores["recall"])
    at50 = judge.judged("at50")
    usual = at50.scores >= 0.25
    right, wrong = (at50.state[usual] == 1).sum(), (at50.state[usual] == 0).sum()
    assert report.scores["precision"] == pytest.approx(right / (right + wrong))
    assert report.scores["recall"] == pytest.approx(right / sum(at50.truths.values()))
    assert judge.worst(3)


def kitti_sample():
    boxes = [[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 60, 20], [0, 30, 8, 46]]
    return Sample(
        id="a",
        picture=Image(np.zeros((48, 64, 3), np.uint8)),
        boxes=np.array(boxes, np.float32),
        labels=("Car", "Van", "DontCare", "Pedestrian"),
        ignore=np.array([False, False, True, False]),
    )


def test_kitti_names_and_ignored_regions(system):
    dataset = Records("kitti-object:x", (0,), lambda _: kitti_sample(), ("Car", "Truck", "Van"))
    found = detections(
        ("car", 0.9, [0, 0, 10, 10]),
        ("truck", 0.8, [20, 0, 30, 10]),  # a van may be called a truck
        ("car", 0.7, [41, 1, 58, 18]),  # in a region that says nothing
        ("bird", 0.7, [0, 0, 9, 9]),  # the data know no birds
        ("person", 0.6, [30, 30, 60, 46]),  # a false alarm
    )
    judge = DetectionJudge(system(found), dataset)
    report = judge.report(walk(dataset, [judge]))
    assert report.counts == {"objects": 3, "detections": 4}
    assert report.scores["precision"] == pytest.approx(1 / 2)
    assert report.scores["recall"] == pytest.approx(1 / 3)


def test_a_class_without_detector_counts_as_missed(system, layout):
    found = detections(("dog", 0.9, [0, 0, 64, 48]))
    judge = DetectionJudge(system(found, classes=("dog", "bird")), layout("voc"))
    report = judge.report(walk(layout("voc"), [judge]))
    assert report.scores["voc_ap"] == 1.0  # the persons are difficult, so they do not count
    judge = DetectionJudge(system(found, classes=("dog",)), layout("coco"))
    report = judge.report(walk(layout("coco"), [judge]))
    assert report.scores["AP"] == 0
    assert any("no class for car" in note for note in report.notes)


def test_names():
    assert meaning("sofa").name == "couch"
    assert meaning("Traffic_Light").name == "traffic light"
    assert meaning("DontCare").name == ""
    assert known_names(("Car", "Van", "Pedestrian", "Misc")) == ("car", "person")
