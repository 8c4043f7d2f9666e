import numpy as np
import pytest

from howfar.core.boxes import Box, as_boxes, box_areas, clip_boxes, iou_matrix
from howfar.errors import UsageError


def test_box_iterates_as_four_floats_and_knows_its_shape():
    box = Box(1, 2, 4, 8)
    assert list(box) == [1, 2, 4, 8]
    assert (box.width, box.height, box.area, box.center) == (3, 6, 18, (2.5, 5))


def test_as_boxes_accepts_one_box_and_none():
    assert as_boxes([1, 2, 3, 4]).shape == (1, 4)
    assert as_boxes([]).shape == (0, 4)
    assert as_boxes([[1, 2, 3, 4]]).dtype == np.float32


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ([[1, 2, 3]], "shape"),
        ([[5, 0, 1, 4]], "x2 < x1"),
        ([[0, np.nan, 1, 4]], "not finite"),
        ([[0, 0, np.inf, 4]], "not finite"),
    ],
)
def test_as_boxes_refuses(bad, words):
    with pytest.raises(UsageError, match=words):
        as_boxes(bad)


def test_iou_matrix_against_counting_pixels():
    rng = np.random.default_rng(0)
    corners = rng.integers(0, 20, (12, 2, 2))
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    grid = np.zeros((12, 20, 20), bool)
    for mask, (x1, y1, x2, y2) in zip(grid, boxes, strict=True):
        mask[y1:y2, x1:x2] = True
    inter = (grid[:, None] & grid[None]).sum(axis=(2, 3))
    union = (grid[:, None] | grid[None]).sum(axis=(2, 3))
    expected = np.divide(inter, union, out=np.zeros_like(inter, float), where=union > 0)
    np.testing.assert_allclose(iou_matrix(as_boxes(boxes), as_boxes(boxes)), expected, rtol=1e-6)


def test_clip_and_areas():
    boxes = clip_boxes(as_boxes([[-5, -5, 5, 5], [90, 40, 120, 60], [200, 200, 300, 300]]), 100, 50)
    assert boxes.tolist() == [[0, 0, 5, 5], [90, 40, 100, 50], [100, 50, 100, 50]]
    assert box_areas(boxes).tolist() == [25, 100, 0]
