import numpy as np
import pytest

from howfar.core.camera import Camera
from howfar.core.profile import CameraProfile, Lens
from howfar.data.synthetic.lenses import board_view, lens_slopes, random_pose, through_lens
from howfar.errors import UsageError

PLAIN = CameraProfile(160, 120, Lens(150, 140, 82, 61))


def test_slopes_without_distortion_are_those_of_the_pinhole():
    slopes = lens_slopes(PLAIN)
    assert slopes.shape == (120, 160, 2)
    assert slopes[0, 0] == pytest.approx([(0.5 - 82) / 150, (0.5 - 61) / 140])


def test_slopes_fulfil_the_formula_of_the_lens():
    """x (1 + k1 r² + k2 r⁴) of the slope gives the pixel back."""
    k1, k2 = -0.2, 0.05
    found = CameraProfile(160, 120, Lens(150, 140, 82, 61, (k1, k2, 0, 0)))
    slopes = lens_slopes(found)
    r2 = np.sum(slopes**2, axis=-1, keepdims=True)
    back = slopes * (1 + k1 * r2 + k2 * r2**2) * [150, 140] + [82, 61]
    x, y = np.meshgrid(np.arange(160) + 0.5, np.arange(120) + 0.5)
    assert np.abs(back - np.stack([x, y], axis=-1)).max() < 1e-4


def test_a_plain_lens_shows_the_pinholes_view():
    pixels = np.random.default_rng(0).integers(0, 255, (120, 160, 3)).astype(np.uint8)
    assert np.array_equal(through_lens(pixels, Camera(160, 120, 150, 140, 82, 61), PLAIN), pixels)


def test_a_board_seen_from_the_front():
    view = board_view(PLAIN, 3, 3, np.eye(3), np.array([-1, -1, 10.0]), np.random.default_rng(0))
    assert view.shape == (120, 160, 3)
    assert view[60:62, 81:83].mean() == pytest.approx((30 + 230) / 2, abs=25)  # a corner of squares
    assert view[61 - 7, 82 - 7].mean() < 60
    assert view[61 - 7, 82 + 7].mean() > 200
    assert view[2, 2].mean() == pytest.approx(110, abs=8)


def test_what_cannot_be_seen():
    with pytest.raises(UsageError, match="no lens"):
        lens_slopes(CameraProfile(160, 120))
    with pytest.raises(UsageError, match="no lens"):
        random_pose(CameraProfile(160, 120), 5, 4, np.random.default_rng(0))
    tall = CameraProfile(600, 20, Lens(500, 500, 300, 10))
    with pytest.raises(UsageError, match="never fits"):
        random_pose(tall, 3, 40, np.random.default_rng(0))
