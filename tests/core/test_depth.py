import numpy as np
import pytest

from howfar.core.depth import DepthKind, DepthMap
from howfar.errors import UsageError


def test_unusable_values_are_never_valid():
    depth = DepthMap([[1.0, 0.0, -2.0, np.nan, np.inf, 3.0]], valid=[[1, 1, 1, 1, 1, 0]])
    assert depth.valid.tolist() == [[True, False, False, False, False, False]]
    assert (depth.width, depth.height, depth.is_metric) == (6, 1, True)


def test_zero_of_an_affine_map_means_nothing():
    depth = DepthMap([[0.0, -1.0, np.nan]], DepthKind.RELATIVE_AFFINE)
    assert depth.valid.tolist() == [[True, True, False]]


@pytest.mark.parametrize("shape", [(3,), (2, 2, 1), (0, 4)])
def test_shape_is_checked(shape):
    with pytest.raises(UsageError, match="shape"):
        DepthMap(np.ones(shape))


def test_mask_must_fit():
    with pytest.raises(UsageError, match="mask"):
        DepthMap(np.ones((2, 2)), valid=np.ones((2, 3)))


def test_kind_may_be_written_as_text():
    assert DepthMap([[1.0]], "relative").kind is DepthKind.RELATIVE
    with pytest.raises(ValueError, match="nonsense"):
        DepthMap([[1.0]], "nonsense")


def test_ordered_grows_with_distance():
    assert DepthMap([[4.0, 2.0]], DepthKind.RELATIVE).ordered().values.tolist() == [[0.25, 0.5]]
    near, far, nothing = DepthMap([[5.0, -3.0, np.nan]], "relative-affine").ordered().values[0]
    assert near < far
    assert np.isnan(nothing)
    metric = DepthMap([[4.0]])
    assert metric.ordered() is metric


def test_a_complete_map_is_resized_smoothly():
    assert DepthMap([[1.0, 3.0]]).resized(4, 1).values.tolist() == [[1.0, 1.5, 2.5, 3.0]]


def test_a_sparse_map_keeps_its_points_and_mixes_nothing():
    values = np.zeros((4, 4), np.float32)
    values[1, 2] = 7
    grown = DepthMap(values).resized(12, 12)
    assert grown.valid.sum() == 9
    assert set(grown.values[grown.valid]) == {7}


def test_values_cannot_be_changed_but_the_callers_array_can():
    mine = np.ones((2, 2), np.float32)
    depth = DepthMap(mine)
    with pytest.raises(ValueError, match="read-only"):
        depth.values[0, 0] = 3
    mine[0, 0] = 2  # not frozen by us
