import math

import numpy as np
import pytest

from howfar.errors import UsageError
from howfar.metrics.segmentation import confusion, empty_confusion


def plain_miou(prediction, truth, classes):
    ious = []
    for k in range(classes):
        inter = union = 0
        for p, g in zip(prediction.flat, truth.flat, strict=True):
            if g != 255:
                inter += p == k and g == k
                union += p == k or g == k
        if union:
            ious.append(inter / union)
    return sum(ious) / len(ious)


@pytest.fixture
def maps():
    rng = np.random.default_rng(6)
    truth = rng.integers(0, 4, (30, 20)).astype(np.uint8)
    prediction = np.where(rng.random((30, 20)) < 0.6, truth, rng.integers(0, 4, (30, 20)))
    prediction = prediction.astype(np.uint8)
    truth[rng.random((30, 20)) < 0.1] = 255
    prediction[rng.random((30, 20)) < 0.1] = 255
    return prediction, truth


def test_miou_equals_a_plain_loop(maps):
    prediction, truth = maps
    found = confusion(prediction, truth, 6)
    assert found.scores()["miou"] == pytest.approx(plain_miou(prediction, truth, 6), abs=1e-9)
    assert np.isnan(found.iou()[4:]).all(), "classes that do not occur have no IoU"
    right = (prediction == truth)[truth != 255].mean()
    assert found.scores()["pixel_accuracy"] == pytest.approx(right)


def test_rows_add_up_to_the_whole(maps):
    prediction, truth = maps
    rows = [confusion(p, g, 4) for p, g in zip(prediction, truth, strict=True)]
    total = sum(rows, empty_confusion(4))
    assert np.array_equal(total.counts, confusion(prediction, truth, 4).counts)


def test_perfect_ignored_and_empty(maps):
    _, truth = maps
    assert confusion(truth, truth, 4).scores()["miou"] == 1
    void = np.full((3, 3), 255)
    assert all(math.isnan(v) for v in confusion(void * 0, void, 4).scores().values())
    assert confusion([[255, 0]], [[0, 0]], 1).scores()["miou"] == 0.5


def test_wrong_labels():
    with pytest.raises(UsageError, match="predicted label"):
        confusion([[9]], [[0]], 2)
    with pytest.raises(UsageError, match="true label"):
        confusion([[0]], [[2]], 2)
    with pytest.raises(UsageError, match="differ in shape"):
        confusion([0], [[0]], 2)
