import numpy as np
import pytest

from howfar.core.resize import CORNERS, resize


def plain(array, width, height):
    """Darknet's resize, pixel by pixel."""
    out = np.zeros((height, width, *array.shape[2:]))
    for i in range(height):
        for j in range(width):
            y = i * (array.shape[0] - 1) / (height - 1) if height > 1 else 0
            x = j * (array.shape[1] - 1) / (width - 1) if width > 1 else 0
            y0, x0 = int(y), int(x)
            y1, x1 = min(y0 + 1, array.shape[0] - 1), min(x0 + 1, array.shape[1] - 1)
            top = array[y0, x0] * (1 - x + x0) + array[y0, x1] * (x - x0)
            low = array[y1, x0] * (1 - x + x0) + array[y1, x1] * (x - x0)
            out[i, j] = top * (1 - y + y0) + low * (y - y0)
    return out


@pytest.mark.parametrize("size", [(7, 5), (4, 3), (20, 31), (1, 1), (12, 9)])
def test_corners_stay_at_corners(size):
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (9, 12, 3), np.uint8)
    found = resize(picture, *size, CORNERS)
    assert found.dtype == np.uint8
    np.testing.assert_allclose(found, plain(picture.astype(float), *size), atol=0.51)
    if min(size) > 1:
        for y, x in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
            assert np.array_equal(found[y, x], picture[y, x])
    depth = rng.random((9, 12), np.float32)
    found = resize(depth, *size, CORNERS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, plain(depth.astype(float), *size), atol=1e-5)
