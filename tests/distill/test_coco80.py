import numpy as np
import pytest

from howfar.core.detections import Detections
from howfar.core.preprocess import Preprocess
from howfar.distill.coco80 import as_coco80, coco80_numbers, taught_classes
from howfar.errors import UsageError
from howfar.models.card import Decoder, ModelCard
from howfar.models.classes import COCO80, COCO91

VOC = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa"),
    *("train", "tvmonitor"),
)


def card(*classes):
    return ModelCard("some", Decoder.YOLOX, Preprocess(32, 32), classes)


def test_names_have_numbers_however_they_are_spelt():
    assert coco80_numbers(COCO80).tolist() == list(range(80))
    assert (coco80_numbers(VOC) >= 0).all()
    found = coco80_numbers(("TVmonitor", "Car", "plate"))
    assert found.tolist() == [COCO80.index("tv"), COCO80.index("car"), -1]
    assert (coco80_numbers(COCO91) >= 0).sum() == 80


def test_detections_of_other_things_are_left_out():
    boxes = np.array([[0, 0, 1, 1], [0, 0, 2, 2], [0, 0, 3, 3]], np.float32)
    scores, names = np.array([0.9, 0.8, 0.7], np.float32), ("plate", "sofa", "person")
    found = as_coco80(Detections(boxes, scores, np.array([1, 0, 2]), names))
    assert found.labels == ["couch", "person"]
    assert found.class_names == COCO80
    assert found.boxes[:, 2].tolist() == [1, 3]
    assert not len(as_coco80(Detections.empty(names)))


def test_who_knows_nothing_of_it_cannot_teach():
    assert taught_classes(card(*COCO80)) == list(range(80))
    assert taught_classes(card("car", "plate", "person")) == [0, 2]
    words = r"some: finds a, b, c, d, e, \.\.\., none of the 80 COCO classes.*another --detector"
    with pytest.raises(UsageError, match=words):
        taught_classes(card(*"abcdefg"))
    with pytest.raises(UsageError, match="some: finds plate, none of"):
        taught_classes(card("plate"))
