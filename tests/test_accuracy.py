"""The product on real pictures with ground truth, against figures measured independently.

The expected figures, and how they were computed, stand in the README beside the networks.
"""

import contextlib
import io
import json

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import howfar
from howfar.export import export_checkpoint
from howfar.io.records import coco_results
from howfar.metrics.coco import COCO_NAMES, coco_scores
from howfar.models.classes import COCO80, COCO_IDS

pytestmark = [pytest.mark.shared, pytest.mark.slow]


def coco_ap(detector, data):
    ranger = howfar.load(detector=detector, depth=None, runtime="onnx")
    truth = json.loads((data / "instances.json").read_text())
    ids = dict(zip(COCO80, COCO_IDS, strict=True))
    rows = []
    for image in truth["images"]:
        result = ranger(
            data / "images" / image["file_name"], conf=0.01, iou=0.6, max_det=100, multi_label=True
        )
        rows += coco_results(result, image["id"], ids)
    ours = coco_scores(truth, rows)
    assert ours == pycocotools_scores(data / "instances.json", rows), "to the last bit"
    return ours["AP"], ours["AP50"]


def pycocotools_scores(path, rows):
    """The twelve numbers by the reference implementation."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(path))
        judge = COCOeval(truth, truth.loadRes(rows), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return dict(zip(COCO_NAMES, judge.stats.tolist(), strict=True))


@pytest.mark.parametrize(
    ("detector", "expected"),
    [("nanodet-plus-m", (0.371, 0.535)), ("yolox-nano", (0.340, 0.509))],
)
def test_detection_ap_on_coco(detector, expected, shared_data, shared_models):
    measured = coco_ap(detector, shared_data / "eval" / "coco-val127")
    assert measured == pytest.approx(expected, abs=0.003)


def test_an_official_checkpoint_on_coco(shared_data, shared_models, tmp_path):
    done = export_checkpoint(shared_models / "yolov5n.pt", tmp_path / "yolov5n.onnx")
    measured = coco_ap(done.path, shared_data / "eval" / "coco-val127")
    assert measured == pytest.approx((0.334, 0.521), abs=0.005)


def depth_errors(depth_network, folder):
    """Per-image mean AbsRel, RMSE, delta1 with prediction resized to the truth, 0.1 to 80 m."""
    ranger = howfar.load(detector=None, depth=depth_network, runtime="onnx")
    rows = []
    for path in sorted((folder / "rgb").glob("*.jpg")):
        truth = cv2.imread(str(folder / "depth" / f"{path.stem}.png"), cv2.IMREAD_UNCHANGED) / 1000
        depth = ranger(path, boxes=np.zeros((0, 4))).depth
        seen = cv2.resize(depth.values, truth.shape[::-1])
        assert np.isnan(seen).mean() < 1e-2  # FastDepth gives a few depths <= 0
        good = (truth >= 0.1) & (truth <= 80) & np.isfinite(seen)
        p, g = seen[good], truth[good]
        ratio = np.maximum(p / g, g / p)
        rows.append(
            (np.mean(np.abs(p - g) / g), np.sqrt(np.mean((p - g) ** 2)), np.mean(ratio < 1.25))
        )
    return np.mean(rows, axis=0)


def test_depth_error_on_indoor_mix(shared_data, shared_models):
    measured = depth_errors("fastdepth", shared_data / "eval" / "indoor-mix")
    assert measured == pytest.approx((0.126, 0.450, 0.887), abs=0.003)


def test_depth_error_on_office(shared_data, shared_models):
    measured = depth_errors("fastdepth", shared_data / "eval" / "hololens-office")
    assert measured == pytest.approx((0.268, 0.900, 0.384), abs=0.003)
