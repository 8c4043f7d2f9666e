import math

import pytest

from howfar.core.profile import CameraProfile, Lens, ProfileScale
from howfar.core.scale import Scale, ScaleSource
from howfar.errors import ProfileError, UsageError

LENS = Lens(500, 510, 322, 241)
SCALE = Scale(1.5, ScaleSource.CAMERA_HEIGHT, 0.1)


def profile(**more):
    return CameraProfile(**({"width": 640, "height": 480, "lens": LENS, "name": "my.toml"} | more))


def test_cameras_of_other_sizes():
    assert profile().raw_camera(640, 480).fx == 500
    half = profile().raw_camera(320, 240)
    assert (half.fx, half.fy, half.cx, half.cy) == (250, 255, 161, 120.5)
    assert half.source == "profile"
    assert profile(lens=None).raw_camera(640, 480) is None


@pytest.mark.parametrize("size", [(640, 480), (1280, 960), (320, 240), (641, 480)])
def test_pictures_that_fit(size):
    profile().check_size(*size, "a.jpg")


@pytest.mark.parametrize(
    ("size", "words"),
    [((480, 640), "turned by 90 degrees"), ((640, 360), "another camera or mode")],
)
def test_pictures_that_do_not_fit(size, words):
    with pytest.raises(ProfileError, match=rf"a\.jpg: {size[0]}x{size[1]}.*my\.toml.*{words}"):
        profile().check_size(*size, "a.jpg")


def test_a_scale_is_for_its_own_network():
    found = profile(scales=(ProfileScale(SCALE, "pydnet", "abc"),))
    assert found.scale_for("pydnet", "abc") == SCALE
    assert found.scale_for("pydnet", "") == SCALE  # a network whose file nobody hashed
    assert found.scale_for("pydnet", "xyz") is None
    assert found.scale_for("fastdepth", "abc") is None
    assert "for pydnet, not for fastdepth" in found.why_no_scale("fastdepth")
    assert "another file of pydnet" in found.why_no_scale("pydnet")


@pytest.mark.parametrize(
    "bad",
    [
        {"fx": 0},
        {"fy": math.nan},
        {"cx": math.inf},
        {"distortion": (0.1,)},
        {"distortion": (math.nan,) * 4},
        {"source": "dream"},
        {"uncertainty": 1.5},
        {"views": -1},
    ],
)
def test_lenses_that_cannot_be(bad):
    with pytest.raises(UsageError, match="a lens has"):
        Lens(**({"fx": 500, "fy": 500, "cx": 320, "cy": 240} | bad))


@pytest.mark.parametrize(
    "bad",
    [
        {"width": 0},
        {"lens": Lens(500, 500, 900, 240)},
        {"scales": (ProfileScale(SCALE, "a"), ProfileScale(SCALE, "a"))},
    ],
)
def test_profiles_that_cannot_be(bad):
    with pytest.raises(UsageError, match=r"my\.toml"):
        profile(**bad)


@pytest.mark.parametrize("scale", [Scale(0, "given"), Scale(math.nan, "given"), Scale(1, "x", -1)])
def test_scales_that_cannot_be(scale):
    with pytest.raises(UsageError, match="a profile has a scale"):
        ProfileScale(scale, "pydnet")


def test_a_scale_names_its_network():
    with pytest.raises(UsageError, match="for which depth network"):
        ProfileScale(SCALE, "")
