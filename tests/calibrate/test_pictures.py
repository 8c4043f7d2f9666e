import numpy as np
import PIL.Image
import pytest
from videos import number_of, write_video

from howfar.calibrate.pictures import _spaced, list_shots, named
from howfar.core.image import Image
from howfar.errors import UsageError
from howfar.io.videoframes import VideoFile

PIXELS = np.zeros((8, 8, 3), np.uint8)


@pytest.fixture
def folder(tmp_path):
    for i in range(10):
        PIL.Image.fromarray(PIXELS + i).save(tmp_path / f"{i}.png")
    return tmp_path


def test_some_evenly_among_many(folder):
    shots = list_shots([str(folder)], 4)
    assert [shot.source[-5:] for shot in shots] == ["0.png", "3.png", "6.png", "9.png"]
    (image,) = shots[1].images(60)
    assert image.pixels[0, 0, 0] == 3
    assert len(list_shots([str(folder)], 60)) == 10
    assert list_shots([], 60) == []


def test_sources_that_are_not_there(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        list_shots([str(tmp_path / "none.mp4")], 4)


def test_frames_of_a_camera_come_with_time_between_them():
    frames = (Image(PIXELS, "camera 0", time_s=i / 10) for i in range(100))
    assert [image.time_s for image in _spaced(frames, 4)] == [0.0, 0.5, 1.0, 1.5]


def test_names_of_frames():
    assert named(Image(PIXELS, "a.mp4", time_s=2.51)) == "a.mp4 at 2.5 s"
    assert named(Image(PIXELS, "a.png")) == "a.png"


@pytest.mark.parametrize(("most", "expected"), [(60, 12), (4, 4), (5, 4)])
def test_frames_evenly_over_a_video(tmp_path, most, expected):
    pytest.importorskip("av", reason="videos need PyAV")
    from howfar.io.videofile import VideoWriter

    with VideoWriter(tmp_path / "a.mp4", fps=10, size=(16, 16)) as writer:
        for i in range(12):
            writer.write(np.zeros((16, 16, 3), np.uint8), i / 10)
    (shot,) = list_shots([str(tmp_path / "a.mp4")], 60)
    times = [image.time_s for image in shot.images(most)]
    assert len(times) == expected
    assert np.allclose(np.diff(times), times[1] - times[0], atol=0.01)


def test_frames_evenly_over_a_video_that_does_not_tell_its_length(tmp_path):
    path = write_video(tmp_path / "raw.h264", range(100))
    assert VideoFile(str(path)).count is None
    (shot,) = list_shots([str(path)], 60)
    assert [number_of(image.pixels) for image in shot.images(10)] == list(range(0, 100, 10))
    assert len(list(shot.images(1000))) == 100
