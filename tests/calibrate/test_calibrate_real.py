"""Profiles on real pictures with truth: half of the pictures calibrate, the others judge."""

from functools import cache

import numpy as np
import pytest

import howfar
from howfar.calibrate.known import Known
from howfar.calibrate.lens import lens_from
from howfar.calibrate.scale import calibrate_scale
from howfar.core.profile import CameraProfile
from howfar.core.scale import CameraHeight, KnownDistance, ObjectSizes
from howfar.data.address import open_dataset
from howfar.io.profiles import load_profile, save_profile

pytestmark = pytest.mark.shared


@pytest.fixture
def kitti(shared_data, shared_models):
    """Samples of KITTI object frames, a ranger with relative depth, and the camera's profile."""
    return opened(shared_data)


@cache
def opened(shared_data):
    ranger = howfar.load("nanodet-plus-m", "pydnet-kitti", threads=1, runtime="onnx")
    data = open_dataset(f"kitti-object:{shared_data / 'eval' / 'kitti-object'}")
    samples = [data[i] for i in range(len(data))]
    first = next(s for s in samples if s.width == 1242)
    return samples, ranger, CameraProfile(1242, 375, lens_from(first.camera))


def truths(sample):
    """Box and median lidar depth of each object with at least 5 points."""
    found = []
    for box, solid in zip(sample.boxes, sample.boxes3d, strict=True):
        points = sample.lidar_m[solid.contains(sample.lidar_m)] if solid else ()
        if len(points) >= 5:
            found.append((box, float(np.median(points[:, 2]))))
    return found


def object_error(ranger, samples, profile):
    """Median relative error of labelled objects, and the share inside the scale's own range."""
    errors, inside = [], []
    for sample in samples:
        pairs = truths(sample)
        if not pairs:
            continue
        boxes = np.array([box for box, _ in pairs])
        result = ranger(sample.image, boxes=boxes, camera=profile)
        assert {t.scale_source for t in result.objects} == {str(result.scale.source)}
        for thing, (_, truth) in zip(result.objects, pairs, strict=True):
            errors.append(abs(thing.distance_m / truth - 1))
            inside.append(thing.interval_m[0] <= truth <= thing.interval_m[1])
    return float(np.median(errors)), float(np.mean(inside))


def with_scale(profile, found, tmp_path):
    """The profile with its scale, through its file."""
    path = tmp_path / "kitti.toml"
    whole = CameraProfile(profile.width, profile.height, profile.lens, (found.scale,))
    save_profile(whole, path)
    return load_profile(path)


def test_without_a_profile_there_are_no_metres(kitti):
    samples, ranger, profile = kitti
    result = ranger(samples[8].image, camera=profile)
    assert len(result.objects) > 3
    assert all(thing.distance_m is None for thing in result.objects)


def test_camera_height_over_the_road(kitti, tmp_path):
    """KITTI's camera stands 1.65 m above the road."""
    samples, ranger, profile = kitti
    images = [sample.image for sample in samples[:6]]
    found = calibrate_scale(ranger, images, CameraHeight(1.65), profile)
    assert found.scale.scale.factor == pytest.approx(1.5, rel=0.1)
    assert found.scale.pictures == 6
    error, inside = object_error(ranger, samples[6:], with_scale(profile, found, tmp_path))
    assert error < 0.2
    assert inside > 0.6


def test_known_distances_of_one_object_a_picture(kitti, tmp_path):
    samples, ranger, profile = kitti
    known = {}
    for sample in samples[:6]:
        box, metres = min(truths(sample), key=lambda pair: pair[1])
        request = KnownDistance(metres, tuple(box.tolist()))
        known[sample.image.source] = [Known(request, f"{metres:.1f}m")]
    found = calibrate_scale(ranger, [s.image for s in samples[:6]], known, profile)
    assert 1.1 < found.scale.scale.factor < 2.0
    error, inside = object_error(ranger, samples[6:], with_scale(profile, found, tmp_path))
    assert error < 0.2
    assert inside > 0.6


def test_object_sizes_over_frames(kitti, tmp_path):
    samples, ranger, profile = kitti
    images = [sample.image for sample in samples[:6]]
    found = calibrate_scale(ranger, images, ObjectSizes(), profile)
    assert found.scale.scale.objects >= 6
    error, inside = object_error(ranger, samples[6:], with_scale(profile, found, tmp_path))
    assert error < 0.3
    assert inside > 0.6


def test_another_network_is_refused_metres_of_this_one(kitti, tmp_path, shared_models):
    samples, ranger, profile = kitti
    images = [sample.image for sample in samples[:2]]
    found = calibrate_scale(ranger, images, CameraHeight(1.65), profile)
    profile = with_scale(profile, found, tmp_path)
    other = howfar.load("nanodet-plus-m", "fastdepth", threads=1, runtime="onnx")
    result = other(samples[0].image, camera=profile)
    assert result.scale is None
    assert any("for pydnet-kitti, not for fastdepth" in note for note in result.notes)


def test_an_office_at_known_pixels(shared_data, shared_models):
    """FastDepth's metres are a fifth off there; a few distances a person could tape mend that."""
    data = open_dataset(f"rgbd:{shared_data / 'eval' / 'hololens-office'}")
    samples = [data[i] for i in range(0, len(data), 4)]
    ranger = howfar.load("nanodet-plus-m", "fastdepth", threads=1, runtime="onnx")
    first = samples[0]
    profile = CameraProfile(first.width, first.height, lens_from(first.camera))
    known = {}
    for sample in samples[::2]:
        truth = sample.depth.resized(sample.width, sample.height)
        spots = [(sample.width * x, sample.height / 2) for x in (0.25, 0.5, 0.75)]
        metres = [float(truth.values[int(y), int(x)]) for x, y in spots]
        known[sample.image.source] = [
            Known(KnownDistance(distance, spot), "taped")
            for distance, spot in zip(metres, spots, strict=True)
            if distance > 0
        ]
    found = calibrate_scale(ranger, [s.image for s in samples[::2]], known, profile)
    assert len(found.readings) >= 6
    profile = CameraProfile(profile.width, profile.height, profile.lens, (found.scale,))

    def error(camera):
        errors = []
        for sample in samples[1::2]:
            depth = ranger(sample.image, camera=camera).depth
            truth = sample.depth.resized(sample.width, sample.height)
            both = truth.valid & depth.valid
            errors.append(np.median(np.abs(depth.values[both] / truth.values[both] - 1)))
        return float(np.mean(errors))

    before, after = error(None), error(profile)
    assert after < 0.85 * before
