"""What is read as one video, and how its frames come."""

import threading
import time
from collections import deque

import numpy as np
import PIL.Image
import pytest
from serving import Camera, serve
from videos import number_of, numbered, spoil, write_video

from howfar.core.image import Image
from howfar.errors import PictureError, UsageError
from howfar.io.clip import Clip
from howfar.io.frames import Frames, Reel, check_max_frames, sort_out
from howfar.io.live import CameraLink, Live, StreamLink
from howfar.io.sources import Item, expand, is_video
from howfar.io.videoframes import VideoFile


def write_pictures(folder, *numbers):
    for number in numbers:
        PIL.Image.fromarray(numbered(number)).save(folder / f"frame{number}.png")


@pytest.mark.parametrize(
    ("source", "video"),
    [
        ("a.mp4", True),
        ("A.MKV", True),
        ("a.jpg", False),
        ("0", True),
        ("12", True),
        ("1234", False),
        ("-", False),
        ("rtsp://user:pw@cam/live", True),
        ("http://x/a.jpg?b=c", False),
        ("http://x/a.mp4?b=c", True),
    ],
)
def test_names_tell_videos(source, video):
    assert is_video(Item(source)) is video


def test_a_file_may_be_called_like_a_camera(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "0").write_bytes(b"x")
    assert not is_video(Item("0"))


def test_the_server_of_an_address_without_an_ending_is_asked():
    pages = {"/film": ("video/mp4", b"x"), "/picture": ("image/png", b"x")}
    with serve(pages, Camera(numbered, 20)) as root:
        found = {name: is_video(Item(f"{root}/{name}")) for name in ("film", "picture", "camera")}
        assert found == {"film": True, "picture": False, "camera": True}
        assert not is_video(Item(f"{root}/none"))


def test_addresses_are_named_without_their_password():
    assert Item("rtsp://user:p:w@cam:554/live").name == "rtsp://user:***@cam:554/live"
    assert Item("rtsp://cam:554/a@b").name == "rtsp://cam:554/a@b"
    assert Item("http://user@cam/live").name == "http://user@cam/live"
    assert Item("7").name == "camera 7"


def test_each_kind_is_opened_by_what_reads_it(tmp_path):
    path = write_video(tmp_path / "a.mp4", range(5))
    pages = {"/a.mp4": ("video/mp4", path.read_bytes())}
    with serve(pages, Camera(numbered, 20)) as root:
        opened = [
            Reel((Item(source),)).open()
            for source in (str(path), f"{root}/a.mp4", f"{root}/camera", "rtsp://cam/x", "0")
        ]
    assert [type(one) for one in opened] == [VideoFile, VideoFile, Live, Live, Live]
    assert [one.live for one in opened] == [False, False, True, True, True]
    assert isinstance(opened[3].link, StreamLink)
    assert isinstance(opened[4].link, CameraLink)


def test_a_picture_is_loaded_and_a_video_is_not(tmp_path):
    path = write_video(tmp_path / "a.mp4", range(5))
    with pytest.raises(UsageError, match=r"a\.mp4: a video or camera, not a picture"):
        Item(str(path)).load()
    with pytest.raises(UsageError, match="camera 3: a video or camera"):
        Item("3").load()


# -- pictures in a row ----------------------------------------------------------------------


def test_pictures_are_sorted_by_their_numbers_and_timed(tmp_path):
    write_pictures(tmp_path, 2, 10, 1, 33)
    (reel,) = sort_out(expand([str(tmp_path)]), fps=10)
    source = reel.open()
    images = list(source)
    assert [number_of(image.pixels) for image in images] == [1, 2, 10, 33]
    assert [image.time_s for image in images] == [0, 0.1, 0.2, 0.3]
    assert [image.frame_index for image in images] == [0, 1, 2, 3]
    assert images[0].source.endswith("frame1.png")
    assert (source.count, source.fps, source.live) == (4, 10, False)
    part = reel.open(Clip(2, 0.1))
    assert [image.frame_index for image in part] == [1, 3]
    assert part.count == 2


def test_videos_beside_pictures_stay_videos(tmp_path):
    write_pictures(tmp_path, 1, 2)
    video = str(write_video(tmp_path / "a.mp4", range(3)))
    things = sort_out(expand([video, str(tmp_path), video + "x.mp4"]), fps=5)
    assert [len(thing.items) for thing in things] == [1, 2, 1]
    assert [thing.name for thing in things] == [video, "2 pictures", video + "x.mp4"]
    plain = sort_out(expand([video, str(tmp_path)]))
    assert [isinstance(thing, Reel) for thing in plain] == [True, False, False]


def test_a_bad_picture_is_told_and_passed_over(tmp_path):
    write_pictures(tmp_path, 1, 2, 3)
    (tmp_path / "frame2.png").write_bytes(b"no picture")
    (reel,) = sort_out(expand([str(tmp_path)]), fps=1)
    with Frames(reel.open()) as frames:
        images = list(frames)
    assert [image.frame_index for image in images] == [0, 2]
    assert "frame2.png" in images[1].notes[0]
    assert frames.damaged == 1
    for name in ("frame1.png", "frame3.png"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(PictureError, match="3 pictures: none could be read"):
        list(reel.open())


def test_damage_is_told_where_it_happened_and_none_behind_the_last_frame(tmp_path):
    path = write_video(tmp_path / "bad.avi", range(20), codec="mjpeg")
    for number in (3, 8, 12):
        spoil(path, number)
    with Frames(Reel((Item(str(path)),)).open(), max_frames=9) as frames:
        first = next(frames)
        time.sleep(0.3)  # decoding is ahead
        images = [first, *frames]
    assert [image.frame_index for image in images] == [0, 1, 2, 4, 5, 6, 7, 9, 10]
    told = {image.frame_index: image.notes for image in images if image.notes}
    assert told == {
        4: ("Frame 3, at 0.12 s, is damaged: passed over.",),
        9: ("Frame 8, at 0.32 s, is damaged: passed over.",),
    }
    assert (frames.damaged, frames.take_news()) == (2, [])
    with Frames(Reel((Item(str(path)),)).open(), max_frames=18) as frames:
        assert len(list(frames)) == 17
    assert frames.damaged == 3


def test_frames_that_are_dropped_leave_their_news():
    """A camera's news come with the next frame that is given."""
    source = FakeCamera()
    with Frames(source) as frames:
        first = next(frames)
        source.go_on.set()
        while not source.over:
            time.sleep(0.01)
        last = list(frames)[-1]
    assert first.notes == ()
    assert last.notes == ("Frame 1 was bad.", "Frame 2 was bad.")
    assert frames.dropped


class FakeCamera:
    """Ten frames at once after the first; two of them come after news."""

    source, live, fps, count, sound = "fake", True, None, None, None

    def __init__(self):
        self.damaged, self.news = 0, deque()
        self.go_on, self.over = threading.Event(), False

    def __iter__(self):
        for i in range(10):
            if i == 1:
                self.go_on.wait(5)
            if i in (1, 2):
                self.damaged += 1
                self.news.append(f"Frame {i} was bad.")
            yield Image(np.zeros((4, 4, 3), np.uint8), "fake", frame_index=i)
        self.over = True


@pytest.mark.parametrize("fps", [0, -5, 1001, float("nan")])
def test_no_rates(fps):
    with pytest.raises(UsageError, match=r"fps is .*; give frames per second"):
        sort_out([Item("a.jpg")], fps)


# -- how frames come ------------------------------------------------------------------------


def test_frames_of_a_file_all_come(tmp_path):
    path = write_video(tmp_path / "a.mp4", range(80))
    with Frames(VideoFile(str(path))) as frames:
        assert [number_of(image.pixels) for image in frames] == list(range(80))
    assert (frames.given, frames.dropped) == (80, 0)


def test_no_more_frames_than_asked_for(tmp_path):
    path = write_video(tmp_path / "a.mp4", range(30))
    with Frames(VideoFile(str(path)), max_frames=7) as frames:
        assert len(list(frames)) == 7
    assert frames.given == 7


def test_a_file_waits_so_nothing_of_it_is_dropped(tmp_path):
    path = write_video(tmp_path / "a.mp4", range(3))
    with pytest.raises(UsageError, match="frames are dropped of cameras and streams only"):
        Frames(VideoFile(str(path)), drop_old=True)


@pytest.mark.parametrize("count", [0, -1, 2.5, True])
def test_no_counts(count):
    with pytest.raises(UsageError, match=r"max_frames is .*; give a whole number >= 1"):
        check_max_frames(count)


def test_decoded_pictures_are_the_users_own(tmp_path):
    path = write_video(tmp_path / "a.mp4", range(6))
    with Frames(VideoFile(str(path))) as frames:
        images = list(frames)
    assert len({image.pixels.ctypes.data for image in images}) == 6
    assert all(image.pixels.flags["C_CONTIGUOUS"] for image in images)
    assert all(image.pixels.dtype == np.uint8 for image in images)
