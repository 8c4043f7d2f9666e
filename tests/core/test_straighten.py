import numpy as np
import pytest

from howfar.core.depth import DepthMap
from howfar.core.profile import CameraProfile, Lens
from howfar.core.straighten import straightener
from howfar.data.synthetic import scene
from howfar.data.synthetic.lenses import lens_slopes, through_lens
from howfar.errors import ProfileError

BARREL = (-0.28, 0.09, 0.001, -0.0008)
CUSHION = (0.12, -0.04, 0.0, 0.0)
WIDE = (-0.35, 0.17, 0.0, 0.0, -0.04)


def profile(distortion=BARREL, width=320, height=240):
    return CameraProfile(width, height, Lens(260, 258, 165, 118, distortion))


@pytest.mark.parametrize("distortion", [BARREL, CUSHION, WIDE])
def test_points_go_where_the_pinhole_shows_their_ray(distortion):
    """Independent of the straightener: slopes of the raw pixels, found by inverting the lens."""
    found = profile(distortion)
    moved = straightener(found, 320, 240)
    slopes = lens_slopes(found)[::37, ::41].reshape(-1, 2)
    y, x = (np.mgrid[:240, :320] + 0.5)[:, ::37, ::41]
    points = moved.points(np.stack([x.ravel(), y.ravel()], axis=1))
    camera = moved.camera
    expected = slopes * [camera.fx, camera.fy] + [camera.cx, camera.cy]
    assert np.abs(points - expected).max() < 0.01


@pytest.mark.parametrize("distortion", [BARREL, CUSHION, WIDE])
def test_a_scene_through_the_lens_is_straightened_back(distortion):
    found = profile(distortion)
    moved = straightener(found, 320, 240)
    real = scene(3, "indoor", 320, 240, effects=False)
    raw = through_lens(real.image, real.camera, found)
    straight = moved.pixels(raw)
    pinhole = CameraProfile(
        320, 240, Lens(moved.camera.fx, moved.camera.fy, moved.camera.cx, moved.camera.cy)
    )
    expected = through_lens(real.image, real.camera, pinhole)
    both = (straight.any(axis=2)) & (expected.any(axis=2))
    assert both.mean() > 0.5
    difference = np.abs(straight.astype(int) - expected)[both].mean()
    unmoved = np.abs(raw.astype(int) - expected)[both].mean()
    assert difference < 4 < unmoved


def test_pixels_keep_their_shape_and_none_is_empty():
    for distortion in (BARREL, CUSHION, WIDE):
        moved = straightener(profile(distortion), 320, 240)
        assert moved.camera.fx / moved.camera.fy == pytest.approx(260 / 258)
        white = np.full((240, 320, 3), 255, np.uint8)
        assert moved.pixels(white).min() == 255
        assert moved.camera.source == "profile"


def test_boxes_and_depth_move_with_the_picture():
    moved = straightener(profile(), 320, 240)
    depth = np.full((240, 320), 9.0)
    depth[40:90, 30:80] = 2.0
    box = moved.boxes(np.array([[30, 40, 80, 90]], np.float32))[0]
    near = moved.depth(DepthMap(depth)).values == 2.0
    rows, columns = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
    seen = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    assert np.abs(box - np.clip(seen, 0, [320, 240, 320, 240])).max() < 2
    assert moved.boxes(np.zeros((0, 4), np.float32)).shape == (0, 4)


def test_holes_of_depth_stay_holes():
    moved = straightener(profile(), 320, 240)
    depth = np.full((240, 320), 3.0)
    depth[100:140, 150:200] = 0
    straight = moved.depth(DepthMap(depth))
    assert not straight.valid[115:125, 165:185].any()
    assert set(np.unique(straight.values[straight.valid])) == {3.0}


def test_resized_pictures_are_straightened_alike():
    small, large = straightener(profile(), 160, 120), straightener(profile(), 320, 240)
    assert large.camera.fx == pytest.approx(2 * small.camera.fx, rel=0.01)
    point = np.array([[20.0, 30.0]])
    assert large.points(2 * point)[0] == pytest.approx(2 * small.points(point)[0], abs=1.5)


def test_nothing_to_do_without_distortion():
    assert straightener(profile(()), 320, 240) is None
    assert straightener(profile((0.0,) * 5), 320, 240) is None
    assert straightener(CameraProfile(320, 240), 320, 240) is None


def test_a_distortion_that_leaves_nothing():
    with pytest.raises(ProfileError, match="leave nothing of the picture"):
        straightener(profile((50.0, -900.0, 0.0, 0.0)), 320, 240)
