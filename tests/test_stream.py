"""`Ranger.stream` over videos, cameras and pictures; memory that stays flat."""

import ctypes
import os
import threading
from pathlib import Path

import jsonschema
import numpy as np
import PIL.Image
import pytest
from serving import Camera, serve
from videos import number_of, numbered, read_back, spoil, write_video

import howfar
from howfar import Detections, PictureError, Ranger, UsageError
from howfar.core.depth import DepthMap
from howfar.core.result import ModelUse
from howfar.io.ahead import Behind
from howfar.io.films import FilmFiles
from howfar.io.schema import RESULT_SCHEMA
from howfar.media import read_image


class Fake:
    """A detector and a depth network in one: a box, and 2 m everywhere."""

    def detect(self, image, options):
        return Detections([(0, 0, 32, 32)], [0.9], [0], ("chair",))

    def estimate(self, image, camera=None):
        return DepthMap(np.full(image.pixels.shape[:2], 2.0))

    def use(self, role):
        return ModelUse(role, "fake", "", "none", "float32", 1)


@pytest.fixture
def ranger():
    return Ranger(Fake(), Fake())


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """50 frames, 25 a second."""
    return write_video(tmp_path_factory.mktemp("film") / "film.mkv", range(50), g="10")


def threads():
    return [one.name for one in threading.enumerate() if one.name.startswith("howfar")]


def numbers(results):
    return [(one.image.frame_index, number_of(one.image.pixels)) for one in results]


def test_a_result_a_frame(ranger, film):
    results = list(ranger.stream(film))
    assert numbers(results) == [(i, i) for i in range(50)]
    assert [one.image.time_s for one in results] == pytest.approx([i / 25 for i in range(50)])
    assert all(one.objects[0].distance_m == 2 for one in results)
    record = results[3].to_dict()
    jsonschema.validate(record, RESULT_SCHEMA)
    assert (record["frame_index"], record["time_s"]) == (3, 0.12)
    assert record["source"] == str(film)


def test_parts_of_a_video(ranger, film):
    part = ranger.stream(film, vid_stride=4, start="0:01", end=1.5, conf=0.1)
    assert numbers(part) == [(i, i) for i in (25, 29, 33, 37)]
    assert numbers(ranger.stream(film, start=1, max_frames=2)) == [(25, 25), (26, 26)]


def test_pictures_are_no_frames_unless_a_rate_is_given(ranger, tmp_path):
    for number in (1, 2, 10):
        PIL.Image.fromarray(numbered(number)).save(tmp_path / f"{number}.png")
    plain = list(ranger.stream(tmp_path))
    assert [one.image.time_s for one in plain] == [None] * 3
    assert plain[0].to_dict()["frame_index"] is None
    assert numbers(ranger.stream(tmp_path, fps=2)) == [(0, 1), (1, 2), (2, 10)]
    assert [one.image.time_s for one in ranger.stream(tmp_path, fps=2)] == [0, 0.5, 1]


def test_a_damaged_frame_is_in_the_notes_of_the_next_result(ranger, tmp_path):
    path = write_video(tmp_path / "bad.avi", range(20), codec="mjpeg")
    spoil(path, 7)
    results = list(ranger.stream(path))
    assert [one.image.frame_index for one in results] == [i for i in range(20) if i != 7]
    noted = {
        one.image.frame_index: note for one in results for note in one.notes if "Frame" in note
    }
    assert list(noted.values()) == ["Frame 7, at 0.28 s, is damaged: passed over."]
    assert min(noted) <= 8


def test_the_last_damaged_frame_is_told_too(ranger, tmp_path):
    path = write_video(tmp_path / "bad.avi", range(9), codec="mjpeg")
    spoil(path, 8)
    told = []
    results = list(ranger.stream(path, on_error=lambda _, error: told.append(str(error))))
    assert len(results) == 8
    told += [f"{path}: {note}" for one in results for note in one.notes if "Frame" in note]
    assert told == [f"{path}: Frame 8, at 0.32 s, is damaged: passed over."]


def test_a_bad_video_is_raised_or_handed_on(ranger, film, tmp_path):
    bad = tmp_path / "bad.mp4"
    bad.write_text("nothing")
    with pytest.raises(PictureError, match=r"bad\.mp4: cannot be read as a video"):
        list(ranger.stream([bad, film]))
    told = []
    results = ranger.stream([bad, film], on_error=lambda *what: told.append(what), max_frames=3)
    assert len(list(results)) == 3
    assert [name for name, _ in told] == [str(bad)]


def test_wrong_use_is_raised_whatever_is_handed_on(ranger, film):
    def on_error(*_):
        raise AssertionError

    for wrong in ({"drop_old": True}, {"vid_stride": 0}, {"max_frames": 0}, {"fps": 0}):
        with pytest.raises(UsageError):
            list(ranger.stream(film, on_error=on_error, **wrong))
    with pytest.raises(UsageError, match="unknown option 'stride'"):
        list(ranger.stream(film, stride=2))
    with pytest.raises(UsageError, match="a video or camera, not a picture"):
        ranger(film)


def test_a_stopped_stream_leaves_no_thread_behind(ranger, film):
    stream = ranger.stream(film)
    next(stream)
    assert "howfar-ahead" in threads()
    stream.close()
    assert threads() == []


def test_a_live_source_is_read_until_it_is_left(ranger):
    with serve(camera=Camera(numbered, 50)) as root:
        stream = ranger.stream(f"{root}/camera")
        first = next(stream)
        later = next(stream)
        stream.close()
    assert 0 <= first.image.time_s < 1
    assert later.image.frame_index > first.image.frame_index
    assert threads() == []


@pytest.mark.shared
def test_real_networks_see_in_a_video_what_they_see_in_the_picture(
    shared_data, shared_models, tmp_path
):
    folder = shared_data / "eval" / "kitti-object" / "training" / "image_2"
    pixels = read_image(folder / "000008.png").pixels
    even = np.ascontiguousarray(pixels[: len(pixels) // 2 * 2, : pixels.shape[1] // 2 * 2])
    film = write_video(tmp_path / "room.mp4", [even] * 4, crf="12")
    ranger = howfar.load(detector="nanodet-plus-m", depth="fastdepth", threads=1)
    results = list(ranger.stream(film, conf=0.6))
    still = ranger(even, conf=0.6)
    assert len(results) == 4
    assert still.objects
    for result in results:
        assert [thing.label for thing in result.objects] == [t.label for t in still.objects]
        for thing, same in zip(result.objects, still.objects, strict=True):
            assert thing.distance_m == pytest.approx(same.distance_m, rel=0.05)


def resident_mb():
    """Without what the allocator has free but keeps, which other tests leave behind."""
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.slow
def test_memory_is_flat_over_thousands_of_frames(ranger, tmp_path):
    """Decode, run, draw, encode 3,000 frames: what is held after 500 is held at the end."""
    count = 3000
    path = write_video(tmp_path / "long.mp4", range(count))
    films = FilmFiles(tmp_path / "out", ["annotated"], 25)
    behind = Behind(films.add)
    held = {}
    for result in ranger.stream(path):
        behind.put(result)
        if result.image.frame_index in (500, count - 1):
            held[result.image.frame_index] = resident_mb()
    behind.close()
    films.close()
    assert held[count - 1] - held[500] < 8, held
    frames = read_back(tmp_path / "out.annotated.mp4")
    assert len(frames) == count
    assert frames[-1][0] == pytest.approx((count - 1) / 25)
