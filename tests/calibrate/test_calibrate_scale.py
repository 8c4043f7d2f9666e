"""Scales of a fake depth network on synthetic scenes whose truth is known."""

import math
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from howfar.calibrate.known import Known
from howfar.calibrate.lens import check_zoom, lens_from
from howfar.calibrate.scale import calibrate_scale
from howfar.core.camera import Camera
from howfar.core.depth import DepthMap
from howfar.core.detections import Detections
from howfar.core.image import Image
from howfar.core.profile import CameraProfile, Lens, ProfileScale
from howfar.core.result import ModelUse
from howfar.core.scale import CameraHeight, KnownDistance, ObjectSizes, Scale, ScaleSource
from howfar.core.sizes import TypicalSize
from howfar.core.straighten import straightener
from howfar.data.synthetic import scene
from howfar.data.synthetic.lenses import through_lens
from howfar.errors import ProfileError, ScaleError, UsageError
from howfar.options import make_options
from howfar.pipeline import Ranger

FACTOR = 1.4


@dataclass
class Oracle:
    """Detector and depth network that know each picture's truth: depth is FACTOR / value."""

    name: str = "oracle"
    sha256: str = "abc"
    kind: str = "relative"
    scenes: dict = field(default_factory=dict)
    cameras: list = field(default_factory=list)

    def see(self, seed, kind="street", size=(320, 240)):
        found = scene(seed, kind, *size, effects=False)
        image = Image(found.image, f"{kind}-{seed}.png")
        self.scenes[image.source] = found
        return image

    def detect(self, image, options):
        things = [t for t in self.scenes[image.source].objects if t.detected]
        names = tuple(dict.fromkeys(t.label for t in things))
        boxes = np.array([t.box for t in things], np.float32).reshape(-1, 4)
        ids = [names.index(t.label) for t in things]
        return Detections(boxes, np.full(len(things), 0.9), ids, names)

    def estimate(self, image, camera=None):
        self.cameras.append(camera)
        metres = self.scenes[image.source].depth.values
        with np.errstate(divide="ignore"):
            values = FACTOR / metres if self.kind == "relative" else metres / FACTOR
        return DepthMap(values, self.kind)

    def use(self, role):
        return ModelUse(role, self.name, self.sha256, "none", "float32", 1)


def setup(seeds, kind="street", depth_kind="relative"):
    oracle = Oracle(kind=depth_kind)
    images = [oracle.see(seed, kind) for seed in seeds]
    return oracle, Ranger(oracle, oracle), images


def profile_of(image, oracle):
    """One camera for all: synthetic scenes have their own focal length each, so one scene each."""
    camera = oracle.scenes[image.source].camera
    return CameraProfile(image.width, image.height, lens_from(camera))


def nearest(found):
    return min((t for t in found.objects if t.visible_share > 0.9), key=lambda t: t.distance_m)


def test_known_distances_at_pixels_of_several_pictures():
    oracle, ranger, images = setup(range(900_010, 900_014))
    wanted = {}
    for image in images:
        depth = oracle.scenes[image.source].depth.values
        request = KnownDistance(float(depth[200, 160]), (160, 200))
        wanted[image.source] = [Known(request, "on the road")]
    profile = CameraProfile(320, 240)
    found = calibrate_scale(ranger, images, wanted, profile)
    assert found.scale.scale.factor == pytest.approx(FACTOR, rel=0.02)
    assert (found.scale.network, found.scale.sha256) == ("oracle", "abc")
    assert (found.scale.pictures, len(found.readings)) == (4, 4)
    assert found.scale.scale.source == "known-distance"
    assert 0.1 < found.scale.scale.uncertainty < 0.2


@pytest.mark.parametrize("depth_kind", ["relative", "metric"])
def test_camera_height(depth_kind):
    oracle, ranger, images = setup([900_020], depth_kind=depth_kind)
    height = oracle.scenes[images[0].source].camera_height_m
    profile = profile_of(images[0], oracle)
    found = calibrate_scale(ranger, images, CameraHeight(height), profile)
    assert found.scale.scale.factor == pytest.approx(FACTOR, rel=0.02)
    assert found.scale.scale.source == "camera-height"


def test_known_sizes_over_many_pictures():
    """Sizes of the very objects of the scene, told to the calibration, give its scale."""
    oracle, ranger, images = setup([900_005])
    found = oracle.scenes[images[0].source]
    labels = {t.label for t in found.objects if t.detected}
    sizes = {
        label: TypicalSize(
            float(np.median([t.box3d.height_m for t in found.objects if t.label == label])), 0.05
        )
        for label in labels
    }
    result = calibrate_scale(ranger, images * 3, ObjectSizes(sizes), profile_of(images[0], oracle))
    assert result.scale.scale.factor == pytest.approx(FACTOR, rel=0.2)
    assert result.scale.scale.objects >= 3
    assert result.scale.pictures == 1


def test_the_profile_then_gives_metres_with_source_and_uncertainty():
    oracle, ranger, images = setup([900_020])
    found = oracle.scenes[images[0].source]
    profile = profile_of(images[0], oracle)
    before = ranger.run(images[0], make_options({"camera": profile}))
    assert all(t.distance_m is None and t.scale_source is None for t in before.objects)
    assert any("no metres" in note for note in before.notes)
    scale = calibrate_scale(ranger, images, CameraHeight(found.camera_height_m), profile).scale
    profile = replace(profile, scales=(scale,))
    after = ranger.run(images[0], make_options({"camera": profile, "max_distance": 500}))
    thing = nearest(found)
    ours = min(after.objects, key=lambda t: abs(t.distance_m - thing.distance_m))
    assert ours.distance_m == pytest.approx(thing.distance_m, rel=0.05)
    assert ours.scale_source == "camera-height"
    assert after.scale == scale.scale
    low, high = ours.interval_m
    spread = scale.scale.uncertainty
    assert low <= ours.distance_m / (1 + spread) * 1.0001
    assert high >= ours.distance_m * (1 + spread) * 0.9999
    assert after.camera.source == "profile"
    assert ours.range_m is not None


def test_another_network_is_not_scaled():
    oracle, _, images = setup([900_020])
    scale = ProfileScale(Scale(2.0, ScaleSource.CAMERA_HEIGHT, 0.1), "other")
    profile = replace(profile_of(images[0], oracle), scales=(scale,), name="my.toml")
    result = Ranger(oracle, oracle).run(images[0], make_options({"camera": profile}))
    assert result.scale is None
    assert all(t.distance_m is None for t in result.objects)
    assert any("my.toml holds a scale for other, not for oracle" in note for note in result.notes)
    with pytest.raises(UsageError, match="this depth is relative"):
        Ranger(oracle, oracle).run(images[0], make_options({"camera": profile, "max_distance": 5}))


def test_a_given_scale_goes_before_the_profiles():
    oracle, ranger, images = setup([900_020])
    scale = ProfileScale(Scale(2.0, ScaleSource.CAMERA_HEIGHT, 0.1), "oracle", "abc")
    profile = replace(profile_of(images[0], oracle), scales=(scale,))
    result = ranger.run(images[0], make_options({"camera": profile, "scale": 3.0}))
    assert (result.scale.factor, result.scale.source) == (3.0, "given")


def test_own_depth_is_not_scaled():
    oracle, ranger, images = setup([900_020])
    scale = ProfileScale(Scale(2.0, ScaleSource.CAMERA_HEIGHT, 0.1), "oracle", "abc")
    profile = replace(profile_of(images[0], oracle), scales=(scale,))
    own = np.full((240, 320), 7.0, np.float32)
    result = ranger.run(images[0], make_options({"camera": profile}), depth=own)
    assert result.scale is None
    assert {t.distance_m for t in result.objects} == {7.0}


def test_old_scales_do_not_touch_a_new_calibration():
    oracle, ranger, images = setup([900_020])
    height = oracle.scenes[images[0].source].camera_height_m
    old = ProfileScale(Scale(9.0, ScaleSource.CAMERA_HEIGHT, 0.1), "oracle", "abc")
    profile = replace(profile_of(images[0], oracle), scales=(old,))
    found = calibrate_scale(ranger, images, CameraHeight(height), profile)
    assert found.scale.scale.factor == pytest.approx(FACTOR, rel=0.02)


def test_pictures_without_what_is_needed_are_told_and_passed_over():
    oracle, ranger, images = setup([900_020])
    blank = Image(np.zeros((240, 320, 3), np.uint8), "wall.png")
    oracle.scenes["wall.png"] = replace(
        oracle.scenes[images[0].source], depth=DepthMap(np.full((240, 320), 3.0)), objects=()
    )
    height = oracle.scenes[images[0].source].camera_height_m
    profile, told = profile_of(images[0], oracle), []
    wanted = CameraHeight(height)
    found = calibrate_scale(ranger, [blank, *images], wanted, profile, tell=told.append)
    assert found.scale.pictures == 1
    assert len(told) == 1
    assert told[0].startswith("wall.png: no ground plane")
    with pytest.raises(ScaleError, match=r"no picture gave a scale: wall\.png: no ground.*1 pict"):
        calibrate_scale(ranger, [blank, blank], wanted, profile)


def test_a_distance_of_one_picture_has_to_be_there():
    _, ranger, images = setup([900_020])
    wanted = {images[0].source: [Known(KnownDistance(2.0, "zebra"), "2m@zebra")]}
    with pytest.raises(ScaleError, match=r"street-900020\.png: no 'zebra' was detected"):
        calibrate_scale(ranger, images, wanted, CameraProfile(320, 240))
    with pytest.raises(ScaleError, match="none of them has a known distance"):
        calibrate_scale(ranger, images, {}, CameraProfile(320, 240))


def test_a_distance_of_all_frames_is_one_measurement():
    oracle, ranger, images = setup([900_020])
    depth = oracle.scenes[images[0].source].depth.values
    request = KnownDistance(float(depth[200, 160]), (160, 200), 0.3)
    frames = [replace(images[0], time_s=i / 10, frame_index=i) for i in range(20)]
    wanted = {images[0].source: [Known(request, "on the road")]}
    found = calibrate_scale(ranger, frames, wanted, CameraProfile(320, 240))
    assert found.scale.scale.uncertainty > 0.3  # twenty looks at one tape do not make it truer
    assert found.scale.pictures == 20
    assert found.readings[3].source.endswith("at 0.3 s")


def test_contradicting_distances():
    oracle, ranger, images = setup([900_020, 900_021])
    wanted = {}
    for image, wrong in zip(images, (1, 10), strict=True):
        depth = oracle.scenes[image.source].depth.values
        request = KnownDistance(float(depth[200, 160]) * wrong, (160, 200))
        wanted[image.source] = [Known(request, f"{request.distance_m:.1f}m@160,200")]
    with pytest.raises(ScaleError, match="contradict each other"):
        calibrate_scale(ranger, images, wanted, CameraProfile(320, 240))


def test_sizes_and_height_need_a_lens():
    _, ranger, images = setup([900_020])
    for wanted in (ObjectSizes(), CameraHeight(1.5)):
        with pytest.raises(UsageError, match="--checkerboard"):
            calibrate_scale(ranger, images, wanted, CameraProfile(320, 240))


def test_pictures_of_another_size():
    oracle, ranger, images = setup([900_020])
    profile = CameraProfile(320, 200, lens_from(oracle.scenes[images[0].source].camera))
    with pytest.raises(ProfileError, match=r"320x240 pixels do not fit .* 320x200"):
        calibrate_scale(ranger, images, CameraHeight(1.5), profile)


def test_affine_depth_is_refused():
    oracle, ranger, images = setup([900_020], depth_kind="relative-affine")
    profile = profile_of(images[0], oracle)
    with pytest.raises(UsageError, match="shift"):
        calibrate_scale(ranger, images, CameraHeight(1.5), profile)


def test_no_depth_network():
    oracle, _, images = setup([900_020])
    with pytest.raises(UsageError, match="no depth network"):
        calibrate_scale(
            Ranger(oracle, None), images, CameraHeight(1.5), profile_of(images[0], oracle)
        )


def test_places_are_those_of_the_picture_as_it_came():
    """Through a distorting lens: the pixel is named in the raw picture, the depth is straight."""
    lens = Lens(260, 260, 160, 120, (-0.3, 0.1, 0.0, 0.0))
    profile = CameraProfile(320, 240, lens)
    moved = straightener(profile, 320, 240)
    metres = np.tile(np.linspace(2, 20, 320, dtype=np.float32), (240, 1))

    class Slope(Oracle):
        def detect(self, image, options):
            return Detections.empty()

        def estimate(self, image, camera=None):
            self.cameras.append(camera)
            return DepthMap(FACTOR / metres, "relative")

    network = Slope()
    place = (40.5, 60.5)
    x, y = moved.points(np.array([place]))[0]
    true = float(metres[int(y), int(x)])
    assert abs(true - metres[60, 40]) > 0.1
    image = Image(np.zeros((240, 320, 3), np.uint8), "a.png")
    wanted = {"a.png": [Known(KnownDistance(true, place), "here")]}
    ranger = Ranger(network, network)
    found = calibrate_scale(ranger, [image], wanted, profile)
    assert found.scale.scale.factor == pytest.approx(FACTOR, rel=0.01)
    assert network.cameras == [moved.camera]
    options = make_options({"camera": profile, "scale": KnownDistance(true, place)})
    assert ranger.run(image, options).scale.factor == pytest.approx(FACTOR, rel=0.01)


def test_own_boxes_and_depth_move_with_the_picture():
    oracle, _, _ = setup([])
    profile = CameraProfile(320, 240, Lens(260, 260, 160, 120, (-0.3, 0.1, 0.0, 0.0)))
    real = scene(3, "indoor", effects=False)
    raw = through_lens(real.image, real.camera, profile)
    depth = np.full((240, 320), 9.0, np.float32)
    depth[40:90, 30:80] = 2.0
    result = Ranger(oracle, oracle).run(
        Image(raw), make_options({"camera": profile}), depth, [[30, 40, 80, 90]]
    )
    moved = straightener(profile, 320, 240)
    assert result.objects[0].distance_m == pytest.approx(2.0)
    assert np.array_equal(result.image.pixels, moved.pixels(raw))
    assert any("distortion" in note for note in result.notes)
    assert result.camera == moved.camera


def test_lens_of_exif_and_its_zoom():
    exif = Camera.from_focal(500, 640, 480, "exif")
    lens = lens_from(exif)
    assert (lens.source, lens.fx, lens.distortion) == ("exif", 500, ())
    assert lens_from(Camera.from_focal(500, 640, 480)).source == "given"
    pixels = np.zeros((240, 320, 3), np.uint8)
    check_zoom(lens, 640, Image(pixels))
    check_zoom(lens, 640, Image(pixels, camera=exif.resized(320, 240)))
    zoomed = Image(pixels, "tele.jpg", camera=Camera.from_focal(900, 320, 240, "exif"))
    with pytest.raises(ProfileError, match=r"tele\.jpg.*1800 pixels.*500.*one zoom"):
        check_zoom(lens, 640, zoomed)
    check_zoom(replace(lens, source="given"), 640, zoomed)


def test_options_refuse_two_focal_lengths():
    profile = CameraProfile(320, 240, Lens(260, 260, 160, 120))
    with pytest.raises(UsageError, match="tells the focal length"):
        make_options({"camera": profile, "focal_px": 500})
    with pytest.raises(UsageError, match="camera is 3"):
        make_options({"camera": 3})
    no_lens = replace(
        profile, lens=None, scales=(ProfileScale(Scale(2.0, ScaleSource.GIVEN), "a"),)
    )
    assert make_options({"camera": no_lens, "focal_px": 500}).focal_px == 500
    assert math.isfinite(make_options({"camera": profile}).camera.lens.fx)
