import math

import numpy as np
import pytest

from howfar.core.camera import Camera
from howfar.errors import UsageError


def test_field_of_view_and_back():
    camera = Camera.from_fov(90, 640, 480)
    assert camera.fx == pytest.approx(320)
    assert camera.fov_deg == pytest.approx(90)
    assert (camera.cx, camera.cy) == (320, 240)


def test_35mm_equivalent_goes_by_the_diagonal():
    camera = Camera.from_focal_35mm(50, 3600, 2400)
    assert camera.fx == pytest.approx(5000)
    assert camera.source == "exif"


def test_project_and_unproject_are_inverse():
    camera = Camera(640, 480, 500, 510, 300, 250)
    rng = np.random.default_rng(0)
    x, y, z = rng.uniform(0, 600, 50), rng.uniform(0, 400, 50), rng.uniform(0.5, 80, 50)
    points = camera.unproject(x, y, z)
    np.testing.assert_allclose(camera.project(points), np.stack([x, y], 1), rtol=1e-4, atol=1e-3)
    assert camera.unproject(np.array(300.0), np.array(250.0), np.array(2.0)).tolist() == [0, 0, 2]


def test_range_is_the_length_of_the_point():
    camera = Camera(640, 480, 500, 500, 320, 240)
    point = camera.unproject(np.array(620.0), np.array(440.0), np.array(4.0))
    assert camera.range_m(620, 440, 4.0) == pytest.approx(float(np.linalg.norm(point)))


@pytest.mark.parametrize("change", ["resize", "crop", "flip"])
def test_known_points_stay_on_their_pixels(change):
    camera = Camera(640, 480, 500, 520, 310, 250)
    points = np.array([[0.5, -0.2, 3], [-1, 0.4, 7]], np.float32)
    u, v = camera.project(points).T
    if change == "resize":
        moved, expected = camera.resized(320, 960), (u / 2, v * 2)
    elif change == "crop":
        moved, expected = camera.cropped(100, 50, 200, 200), (u - 100, v - 50)
    else:
        moved, expected = camera.flipped(), (640 - u, v)
        points = points * [-1, 1, 1]
    np.testing.assert_allclose(moved.project(points).T, expected, rtol=1e-5)


def test_nonsense_is_refused():
    with pytest.raises(UsageError, match="180"):
        Camera.from_fov(180, 640, 480)
    for focal in (0, -5, math.nan, math.inf):
        with pytest.raises(UsageError, match="focal length"):
            Camera.from_focal(focal, 640, 480)
    with pytest.raises(UsageError, match="pixels"):
        Camera.from_focal(500, 0, 480)
