import pytest

from howfar import load_profile, save_profile
from howfar.core.profile import CameraProfile, Lens, ProfileScale
from howfar.core.scale import Scale, ScaleSource
from howfar.errors import OutputError, ProfileError, UsageError
from howfar.io.profiles import profile_text

LENS = Lens(
    512.25, 511.5, 320.5, 239.75, (-0.28, 0.09, 1e-3, -8e-4), "checkerboard", 0.001, 18, 0.2
)
SCALES = (
    ProfileScale(Scale(1.48, ScaleSource.CAMERA_HEIGHT, 0.12), "pydnet-kitti", "abc", 12),
    ProfileScale(Scale(0.7, ScaleSource.KNOWN_DISTANCE, 0.1, 3), 'odd "name" \\ \n', "", 3),
)

TEXT = """
format = 1
width = 640
height = 480
[lens]
fx = 500
fy = 500.5
cx = 320
cy = 240
[[scale]]
factor = 1.5
source = "object-size"
uncertainty = 0.2
network = "pydnet-kitti"
"""


@pytest.mark.parametrize(
    "profile",
    [
        CameraProfile(640, 480, LENS, SCALES),
        CameraProfile(640, 480, LENS),
        CameraProfile(640, 480, None, SCALES),
    ],
)
def test_there_and_back(profile, tmp_path):
    path = tmp_path / "deep" / "my.toml"
    save_profile(profile, path)
    found = load_profile(path)
    assert (found.width, found.height) == (640, 480)
    assert found.lens == profile.lens
    assert found.scales == profile.scales
    assert found.name == str(path)


def test_a_file_by_hand(tmp_path):
    path = tmp_path / "my.toml"
    path.write_text(TEXT)
    found = load_profile(path)
    assert (found.lens.fx, found.lens.distortion, found.lens.source) == (500, (), "given")
    assert found.scale_for("pydnet-kitti", "any").factor == 1.5


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("format = 1", "format = 2", "format is 2, not 1"),
        ("format = 1", "", "format is None"),
        ("width = 640", "", "'width' is missing"),
        ("width = 640", "width = 0", "0x480"),
        ("width = 640", "width = -3", "no whole number"),
        ("width = 640", "width = 640.5", "no whole number"),
        ("fx = 500\n", "fx = true\n", "no number"),
        ("fx = 500\n", "fx = 'long'\n", "no number"),
        ("fx = 500\n", "fx = nan\n", "not finite"),
        ("fx = 500\n", "fx = -500\n", "focal lengths"),
        ("cx = 320", "cx = 3200", "outside"),
        ("cy = 240", "cy = 240\ndistortion = 0.1", "no list"),
        ("cy = 240", "cy = 240\ndistortion = [0.1, 0.2]", "2 distortion coefficients"),
        ("cy = 240", "cy = 240\nzoom = 3", "unknown key 'zoom'"),
        ("[lens]", "lens = 3\n[other]", "unknown key"),
        ("factor = 1.5", "factor = 0", "has to be positive"),
        ("factor = 1.5", "", "'factor' is missing"),
        ("uncertainty = 0.2", "uncertainty = -1", "uncertainty"),
        ('source = "object-size"', 'source = "network"', "one of"),
        ('network = "pydnet-kitti"', "network = 3", "no text"),
        ('network = "pydnet-kitti"', 'network = ""', "which depth network"),
        ("[[scale]]", "[scale]", "no list of tables"),
    ],
)
def test_what_is_no_profile(old, new, words, tmp_path):
    assert old in TEXT
    path = tmp_path / "my.toml"
    path.write_text(TEXT.replace(old, new))
    with pytest.raises(ProfileError, match=words) as caught:
        load_profile(path)
    assert str(caught.value).count(str(path)) == 1


@pytest.mark.parametrize("data", [b"<html>", b"\xff\xfe\x00", b"[lens"])
def test_what_is_no_toml(data, tmp_path):
    path = tmp_path / "my.toml"
    path.write_bytes(data)
    with pytest.raises(ProfileError, match="no TOML"):
        load_profile(path)


def test_files_that_are_not_there_or_too_large(tmp_path):
    with pytest.raises(UsageError, match="howfar calibrate"):
        load_profile(tmp_path / "none.toml")
    with pytest.raises(UsageError, match="no such camera profile"):
        load_profile(tmp_path)
    (tmp_path / "huge.toml").write_bytes(b"#" * (1 << 21))
    with pytest.raises(ProfileError, match="too large"):
        load_profile(tmp_path / "huge.toml")


def test_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        save_profile(CameraProfile(640, 480, LENS), tmp_path / "file" / "my.toml")


def test_the_text_is_small_and_says_what_it_is():
    text = profile_text(CameraProfile(640, 480, LENS, SCALES))
    assert len(text) < 1000
    assert text.startswith("# Camera profile of howfar")
