import numpy as np
import pytest

from howfar.core.boxes import as_boxes, iou_matrix
from howfar.core.detections import Detections
from howfar.core.nms import nms, suppress


def plain_nms(boxes, scores, classes, threshold):
    """The textbook loop."""
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    overlap = iou_matrix(boxes, boxes)
    kept = []
    for i in order:
        if all(classes[i] != classes[j] or overlap[i, j] <= threshold for j in kept):
            kept.append(i)
    return kept


@pytest.mark.parametrize("count", [0, 1, 7, 300, 700])
@pytest.mark.parametrize("classes", [1, 5])
def test_equals_the_textbook_loop(count, classes):
    rng = np.random.default_rng(count + classes)
    start = rng.uniform(0, 60, (count, 2))
    boxes = as_boxes(np.concatenate([start, start + rng.uniform(5, 40, (count, 2))], axis=1))
    scores = rng.permutation(count).astype(np.float32) / max(count, 1)
    ids = rng.integers(0, classes, count)
    kept = nms(boxes, scores, ids, iou=0.5, max_det=1000)
    assert kept.tolist() == plain_nms(boxes, scores, ids, 0.5)


def test_ties_keep_their_order_and_max_det_counts():
    boxes = as_boxes([[0, 0, 9, 9], [20, 0, 29, 9], [40, 0, 49, 9]])
    assert nms(boxes, np.array([0.5, 0.5, 0.5], np.float32)).tolist() == [0, 1, 2]
    assert nms(boxes, np.array([0.1, 0.5, 0.3], np.float32), max_det=2).tolist() == [1, 2]


def test_overlap_equal_to_the_threshold_stays():
    boxes = as_boxes([[0, 0, 10, 10], [0, 0, 10, 5]])  # IoU is exactly one half
    scores = np.array([0.9, 0.8], np.float32)
    assert nms(boxes, scores, iou=0.5).tolist() == [0, 1]
    assert nms(boxes, scores, iou=0.49).tolist() == [0]


def test_class_aware_and_agnostic():
    boxes = as_boxes([[0, 0, 10, 10], [0, 0, 10, 10]])
    found = Detections(boxes, np.array([0.9, 0.8]), np.array([0, 1]), ("car", "truck"))
    assert suppress(found).labels == ["car", "truck"]
    assert suppress(found, agnostic=True).labels == ["car"]


def test_empty_boxes_do_not_suppress():
    boxes = as_boxes([[5, 5, 5, 5], [5, 5, 5, 5]])
    assert len(nms(boxes, np.array([0.9, 0.8], np.float32))) == 2


def plain_diou(a, b, beta):
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    inter = np.prod(np.maximum(high - low, 0))
    union = np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - inter
    rho = np.sum(((a[:2] + a[2:]) / 2 - (b[:2] + b[2:]) / 2) ** 2)
    c = np.sum((np.maximum(a[2:], b[2:]) - np.minimum(a[:2], b[:2])) ** 2)
    return inter / union - (rho / c) ** beta


@pytest.mark.parametrize("beta", [0.6, 1.0])
def test_distant_centres_lower_the_overlap(beta):
    rng = np.random.default_rng(1)
    start = rng.uniform(0, 60, (200, 2))
    boxes = as_boxes(np.concatenate([start, start + rng.uniform(5, 40, (200, 2))], axis=1))
    scores = rng.permutation(200).astype(np.float32) / 200
    kept = []
    for i in np.argsort(-scores):
        if all(plain_diou(boxes[i], boxes[j], beta) <= 0.3 for j in kept):
            kept.append(int(i))
    found = nms(boxes, scores, None, 0.3, 1000, diou=beta)
    assert found.tolist() == kept
    assert len(found) > len(nms(boxes, scores, None, 0.3, 1000))
