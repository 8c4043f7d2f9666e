"""Cameras and streams: lost and found again, on time, and one clear error where there is none."""

import socket
import time

import numpy as np
import pytest
from serving import Camera, serve
from videos import number_of, numbered

from howfar.errors import PictureError
from howfar.io import live
from howfar.io.clip import Clip
from howfar.io.frames import Frames
from howfar.io.live import CameraLink, Live, StreamClock, StreamLink


class World:
    """Time that passes when one sleeps, and a link that plays what is written down.

    `plays` holds one list a connection: numbers are frames at these seconds of the stream's clock,
    texts are errors; a connection that comes to its end is over.
    """

    fps, sound = 10.0, None

    def __init__(self, *plays):
        self.plays, self.now_s, self.slept, self.opened = list(plays), 100.0, [], 0

    def now(self):
        return self.now_s

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now_s += seconds

    def frames(self, damage):
        self.opened += 1
        play = self.plays.pop(0) if self.plays else ["refused"]
        for one in play:
            if one == "damage":
                damage()
            elif isinstance(one, str):
                raise PictureError(f"cam: {one}")
            else:
                self.now_s += 0.1
                yield one, lambda: np.zeros((4, 6, 3), np.uint8)

    def live(self, clip=Clip()):  # noqa: B008 - frozen
        return Live("cam", self, clip, self.now, self.sleep)


def times(source):
    return [(im.frame_index, round(im.time_s, 3)) for im in source]


def test_a_source_that_is_over_ends():
    world = World([7.0, 7.1, 7.2])
    source = world.live()
    assert times(source) == [(0, 0.0), (1, 0.1), (2, 0.2)]
    assert (source.lost, list(source.news), world.opened) == (0, [], 1)


def test_a_lost_source_is_found_again_and_time_goes_on():
    world = World([0.0, 0.1, "gone"], ["refused"], ["refused"], [50.0, 50.1])
    source = world.live()
    assert times(source) == [(0, 0.0), (1, 0.1), (2, 3.7), (3, 3.8)]
    assert world.slept == [0.5, 1.0, 2.0]
    assert source.lost == 1
    assert list(source.news) == ["Lost at 0.1 s (gone); looking for it again.", "Back at 3.7 s."]


def test_the_wait_starts_short_again_after_each_loss():
    world = World([0.0, "gone"], ["refused"], [9.0, "gone"], [0.0])
    source = world.live()
    assert len(times(source)) == 3
    assert world.slept == [0.5, 1.0, 0.5]
    assert source.lost == 2


def test_a_source_that_stays_away_is_given_up():
    world = World([0.0, "gone"])
    source = world.live()
    frames = iter(source)
    next(frames)
    told = r"cam: lost, and not back within 300 s \(refused\)"
    with pytest.raises(PictureError, match=told):
        next(frames)
    assert world.slept[:6] == [0.5, 1, 2, 4, 8, 8]
    assert max(world.slept) == 8
    assert 300 < sum(world.slept) < 310


@pytest.mark.parametrize("play", [["refused"], []])
def test_a_source_that_was_never_there_is_an_error_at_once(play):
    world = World(play)
    with pytest.raises(PictureError, match=r"cam: (refused|no frame came)"):
        next(iter(world.live()))
    assert world.slept == []


def test_damaged_frames_are_counted_and_told():
    source = World([0.0, "damage", 0.2]).live()
    assert len(times(source)) == 2
    assert source.damaged == 1
    assert list(source.news) == ["A frame is damaged (1 so far): passed over."]


def test_a_part_of_a_stream():
    world = World([i / 10 for i in range(50)])
    assert times(world.live(Clip(2, 1.0, 1.6))) == [(10, 1.0), (12, 1.2), (14, 1.4)]


def test_the_clock_is_the_streams_where_it_can_be_believed():
    clock = StreamClock()
    arrivals = [0.0, 0.18, 0.21, 0.3]
    assert [clock.time_s(5 + i / 10, t) for i, t in enumerate(arrivals)] == pytest.approx(
        [0, 0.1, 0.2, 0.3]
    )
    assert clock.time_s(None, 0.5) == 0.5  # no clock: when it came
    assert clock.time_s(90.0, 0.6) == pytest.approx(0.6)  # it jumped: laid anew
    assert clock.time_s(90.1, 0.75) == pytest.approx(0.7)
    assert clock.time_s(90.0, 0.8) == pytest.approx(0.7)  # never back


# -- over HTTP -----------------------------------------------------------------------------


def stream(root):
    return Live("the camera", StreamLink(f"{root}/camera", "the camera"))


def test_a_camera_over_http():
    with serve(camera=Camera(numbered, 50)) as root, Frames(stream(root), False, 30) as frames:
        images = list(frames)
    numbers = [number_of(image.pixels) for image in images]
    assert numbers == list(range(numbers[0], numbers[0] + 30))
    assert [image.frame_index for image in images] == list(range(30))
    assert images[0].source == "the camera"


def test_dropping_keeps_up_with_the_camera_and_keeping_does_not():
    late = {}
    for drop_old in (True, False):
        camera = Camera(numbered, 50)
        with serve(camera=camera) as root, Frames(stream(root), drop_old, 12) as frames:
            for image in frames:
                now = (time.monotonic() - camera.start) * camera.fps
                late[drop_old] = (now - number_of(image.pixels)) / camera.fps
                time.sleep(0.1)  # the network takes five frames' time
            dropped = frames.dropped
        assert (dropped > 30) is drop_old
    assert late[True] < 0.15
    assert late[False] > 0.6


def test_a_connection_that_breaks_is_made_again():
    camera = Camera(numbered, 50, breaks=[10])
    with serve(camera=camera) as root, Frames(stream(root), False, 40) as frames:
        images = list(frames)
    numbers = [number_of(image.pixels) for image in images]
    gap = int(np.argmax(np.diff(numbers)))
    assert images[gap + 1].time_s - images[gap].time_s == pytest.approx(
        (numbers[gap + 1] - numbers[gap]) / 50, abs=0.15
    )
    told = [text for image in images for text in image.notes]
    assert len(told) == 2
    assert told[0].startswith("Lost at ")
    assert told[1].startswith("Back at ")
    assert frames.source.lost == 1


def test_a_camera_that_falls_silent_is_lost(monkeypatch):
    monkeypatch.setattr(live, "SILENCE_S", 0.5)
    camera = Camera(numbered, 50, silences=[20])
    with serve(camera=camera) as root, Frames(stream(root), False, 40) as frames:
        told = [text for image in frames for text in image.notes]
    assert "(nothing came for 0.5 s)" in told[0]
    assert told[1].startswith("Back at ")


def test_an_address_where_nobody_listens():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"rtsp://user:secret@127.0.0.1:{nobody.getsockname()[1]}/live"
        with pytest.raises(PictureError) as caught:
            next(iter(Live("rtsp://user:***@cam", StreamLink(address, "rtsp://user:***@cam"))))
    assert str(caught.value) == "rtsp://user:***@cam: Connection refused"


def test_a_server_that_never_answers_is_given_up_in_time(monkeypatch):
    monkeypatch.setattr(live, "OPEN_S", 0.4)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/camera"
        start = time.monotonic()
        with pytest.raises(PictureError, match=r"cam: no answer within 0\.4 s"):
            next(iter(Live("cam", StreamLink(address, "cam"))))
        assert time.monotonic() - start < 3


# -- cameras of this computer ---------------------------------------------------------------


class Capture:
    """What OpenCV has for a camera: four pictures, then it is unplugged."""

    def __init__(self, number):
        self.left = 4 if number == 1 else 0

    def isOpened(self):  # noqa: N802 - OpenCV's name
        return self.left > 0

    def get(self, _):
        return 30.0

    def read(self):
        self.left -= 1
        bgr = np.zeros((4, 6, 3), np.uint8)
        bgr[..., 0] = 200  # blue
        return (True, bgr) if self.left >= 0 else (False, None)

    def release(self):
        self.left = 0


def test_a_camera_by_its_number(monkeypatch):
    monkeypatch.setattr(live.cv2, "VideoCapture", Capture)
    link = CameraLink(1)
    frames = link.frames(lambda: None)
    pictures = [next(frames)[1]() for _ in range(4)]
    assert (pictures[3] == (0, 0, 200)).all()
    assert (link.fps, link.sound) == (30.0, None)
    with pytest.raises(PictureError, match="camera 1: it gives no pictures"):
        next(frames)


def test_an_unplugged_camera_is_sought_again(monkeypatch):
    monkeypatch.setattr(live.cv2, "VideoCapture", Capture)
    source = Live("camera 1", CameraLink(1), sleep=lambda _: None)
    with Frames(source, False, 10) as frames:
        assert [image.frame_index for image in frames] == list(range(10))
    assert source.lost >= 2


def test_no_camera_is_one_clear_error(capfd):
    with pytest.raises(PictureError) as caught:
        next(iter(Live("camera 987", CameraLink(987))))
    assert str(caught.value) == "camera 987: there is no such camera, or it is in use"
    assert capfd.readouterr().err == ""
