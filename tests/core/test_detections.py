import numpy as np
import pytest

from howfar.core.detections import Detections
from howfar.errors import UsageError

BOXES = [[0, 0, 5, 5], [1, 1, 8, 8]]


def test_indexes_like_an_array():
    found = Detections(BOXES, [0.9, 0.2], [1, 0], ("cup", "chair"))
    assert len(found) == 2
    assert found.labels == ["chair", "cup"]
    best = found[found.scores > 0.5]
    assert best.labels == ["chair"]
    assert best.boxes.tolist() == [[0, 0, 5, 5]]
    assert found[[1, 0]].labels == ["cup", "chair"]


def test_is_immutable():
    found = Detections(BOXES, [0.9, 0.2], [1, 0], ("cup", "chair"))
    with pytest.raises(ValueError, match="read-only"):
        found.boxes[0, 0] = 7


@pytest.mark.parametrize(
    ("scores", "ids", "words"),
    [
        ([0.9], [0, 1], "do not fit"),
        ([0.9, 1.5], [0, 1], "outside 0..1"),
        ([0.9, np.nan], [0, 1], "outside 0..1"),
        ([0.9, 0.5], [0, 2], "class id"),
        ([0.9, 0.5], [0, -1], "class id"),
    ],
)
def test_refuses_what_does_not_fit(scores, ids, words):
    with pytest.raises(UsageError, match=words):
        Detections(BOXES, scores, ids, ("cup", "chair"))


def test_empty():
    assert len(Detections.empty()) == 0
    assert Detections.empty(("cup",)).labels == []
