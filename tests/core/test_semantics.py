import numpy as np
import pytest

from howfar.core.semantics import IGNORE, LabelMap
from howfar.errors import UsageError

NAMES = ("road", "car")


def test_from_logits_takes_the_greatest():
    logits = np.zeros((2, 1, 3), np.float32)
    logits[1, 0, 2] = 5
    assert LabelMap.from_logits(logits, NAMES).labels.tolist() == [[0, 0, 1]]
    with pytest.raises(UsageError, match="classes"):
        LabelMap.from_logits(logits, ("one",))


def test_resize_and_fractions():
    labels = LabelMap(np.array([[0, 1, 1, IGNORE]]), NAMES)
    assert labels.fractions() == {"car": pytest.approx(2 / 3), "road": pytest.approx(1 / 3)}
    assert labels.resized(8, 2).labels[1].tolist() == [0, 0, 1, 1, 1, 1, IGNORE, IGNORE]


def test_all_ignored_gives_no_fractions():
    assert LabelMap(np.full((2, 2), IGNORE), NAMES).fractions() == {}


@pytest.mark.parametrize("bad", [[[2]], [[-1]], [[300]]])
def test_unknown_labels_are_refused(bad):
    with pytest.raises(UsageError, match="label"):
        LabelMap(np.array(bad), NAMES)


def test_floats_are_refused():
    with pytest.raises(UsageError, match="integer"):
        LabelMap(np.zeros((2, 2)), NAMES)
