"""What covers the lower side of an object; the sizes themselves are tested with scales."""

import numpy as np
import pytest

from howfar.core.sizes import feet_hidden

PERSON = [100, 100, 164, 300]


@pytest.mark.parametrize(
    ("other", "share"),
    [
        ([116, 250, 148, 400], 0.5),
        ([90, 250, 300, 400], 1.0),
        ([148, 0, 300, 310], 0.25),
        ([90, 250, 300, 290], 0.0),
        ([90, 301, 300, 400], 0.0),
        ([164, 100, 300, 400], 0.0),
        ([98, 98, 166, 305], 0.0),
    ],
    ids=["half", "all", "side", "behind", "below", "beside", "the same thing"],
)
def test_feet_hidden(other, share):
    boxes = np.array([PERSON, other], np.float32)
    assert feet_hidden(boxes[:1], boxes) == pytest.approx([share])


def test_two_cover_what_each_covers_once():
    boxes = [PERSON, [90, 250, 140, 400], [120, 250, 148, 400]]
    boxes = np.array(boxes, np.float32)
    assert feet_hidden(boxes, boxes)[0] == pytest.approx(0.75)


def test_nothing_hides_nothing():
    none = np.zeros((0, 4), np.float32)
    assert feet_hidden(none, none).shape == (0,)
