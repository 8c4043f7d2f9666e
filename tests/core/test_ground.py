import math

import numpy as np
import pytest

from howfar.core.camera import Camera
from howfar.core.depth import DepthMap
from howfar.core.detections import Detections
from howfar.core.ground import find_ground
from howfar.core.scale import CameraHeight, find_scale, parse_scale, read_scale
from howfar.data.synthetic import scene
from howfar.errors import ScaleError, UsageError

CAMERA = Camera.from_focal(300, 320, 240)


def floor(height=1.5, pitch=0.2, roll=0.0, wall_m=6.0, noise=0.0):
    """Depth of a floor under a wall, from a camera that looks down by `pitch`."""
    y, x = np.mgrid[:240, :320] + 0.5
    rays = np.stack([(x - 160) / 300, (y - 120) / 300, np.ones_like(x)], axis=-1)
    down = np.array([math.sin(roll), math.cos(roll) * math.cos(pitch), math.sin(pitch)])
    with np.errstate(divide="ignore"):
        ground = height / (rays @ (down / np.linalg.norm(down)))
    depth = np.where((ground > 0) & (ground < wall_m), ground, wall_m)
    return depth * np.exp(np.random.default_rng(0).normal(0, noise, depth.shape))


@pytest.mark.parametrize(("pitch", "roll"), [(0.2, 0.0), (0.0, 0.05), (0.5, -0.1), (0.1, 0.2)])
def test_height_and_pitch_of_a_floor(pitch, roll):
    ground = find_ground(DepthMap(floor(1.5, pitch, roll)), CAMERA)
    assert ground.height == pytest.approx(1.5, rel=0.005)
    assert ground.pitch_deg == pytest.approx(math.degrees(pitch), abs=1.0)
    assert ground.uncertainty < 0.01


def test_relative_depth_gives_a_height_in_its_own_unit():
    relative = DepthMap(3.0 / floor(), "relative")
    assert find_ground(relative, CAMERA).height == pytest.approx(0.5, rel=0.005)


def test_noise_shows_in_the_uncertainty():
    ground = find_ground(DepthMap(floor(noise=0.03)), CAMERA)
    assert ground.height == pytest.approx(1.5, rel=0.03)
    assert 0.001 < ground.uncertainty < 0.05


def test_a_table_is_not_the_ground():
    """A table's top 0.75 m under the camera covers half of the floor's pixels."""
    depth, top = floor(), floor(0.75)
    depth[150:, 40:200] = top[150:, 40:200]
    assert find_ground(DepthMap(depth), CAMERA).height == pytest.approx(1.5, rel=0.01)


def test_objects_on_the_ground_are_left_out():
    depth = floor()
    depth[130:, 60:260] = 2.0
    boxes = np.array([[60, 130, 260, 240]], np.float32)
    assert find_ground(DepthMap(depth), CAMERA, boxes).height == pytest.approx(1.5, rel=0.01)


@pytest.mark.parametrize(
    "depth",
    [
        np.full((240, 320), 3.0),
        np.full((240, 320), np.nan),
        np.random.default_rng(0).uniform(1, 9, (240, 320)),
    ],
    ids=["wall", "no depth", "noise"],
)
def test_no_ground(depth):
    with pytest.raises(ScaleError, match=r"no ground plane.*known distance"):
        find_ground(DepthMap(depth), CAMERA)


@pytest.mark.parametrize("kind", ["indoor", "street"])
def test_heights_of_synthetic_scenes(kind):
    """Of scenes whose ground is seen, nine in ten have their height within 4 %."""
    errors = []
    for seed in range(700_000, 700_012):
        found = scene(seed, kind, effects=False)
        boxes = np.array([thing.box for thing in found.objects if thing.detected], np.float32)
        try:
            ground = find_ground(found.depth, found.camera, boxes.reshape(-1, 4))
        except ScaleError:
            continue
        errors.append(abs(ground.height / found.camera_height_m - 1))
    assert len(errors) >= 8
    assert np.mean(np.array(errors) < 0.04) >= 0.9


def test_camera_height_as_a_scale():
    depth = DepthMap(3.0 / floor(), "relative")
    request = CameraHeight(1.5, 0.03)
    scale = find_scale(request, depth, Detections.empty(), "median", CAMERA)
    assert scale.factor == pytest.approx(3.0, rel=0.005)
    assert scale.source == "camera-height"
    assert scale.uncertainty == pytest.approx(math.hypot(0.03, 0.2), abs=0.005)
    own = read_scale(request, depth, Detections.empty(), "median", CAMERA)
    assert own.uncertainty == pytest.approx(0.03, abs=0.002)


def test_camera_height_needs_a_focal_length():
    with pytest.raises(ScaleError, match="--camera"):
        find_scale(CameraHeight(1.5), DepthMap(floor()), Detections.empty(), "median", None)


def test_camera_height_as_text():
    assert parse_scale("camera-height=1.65m") == CameraHeight(1.65)
    assert parse_scale("camera-height=2+-0.1m") == CameraHeight(2.0, 0.05)
    for text in ("camera-height=0m", "camera-height=", "camera-height=-1m"):
        with pytest.raises(UsageError):
            parse_scale(text)
