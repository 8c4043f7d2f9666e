"""Real RTSP on this machine, against GStreamer's server: round trip, loss and return."""

import contextlib
import socket
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from videos import number_of, write_video

from howfar import Detections, Ranger
from howfar.core.depth import DepthMap
from howfar.core.result import ModelUse
from howfar.errors import PictureError
from howfar.io import live
from howfar.io.frames import Frames, Reel
from howfar.io.live import Live, StreamLink
from howfar.io.sources import Item

pytestmark = pytest.mark.slow

DEBIAN_PYTHON = "/usr/bin/python3"
SERVER = Path(__file__).with_name("rtsp_server.py")
FPS = 15


class Server:
    """GStreamer's server in a process that can be killed and started again."""

    def __init__(self, video):
        self.video = video
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"rtsp://127.0.0.1:{self.port}/live"
        self.process = None

    def start(self):
        command = [DEBIAN_PYTHON, str(SERVER), str(self.port), str(self.video)]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        if self.process.stdout.readline() != "ready\n":
            raise AssertionError(self.process.communicate()[1])

    def kill(self):
        self.process.kill()
        self.process.communicate()


@pytest.fixture(scope="session")
def gstreamer():
    """Whether Debian's packages are there."""
    command = [DEBIAN_PYTHON, "-c", "import gi; gi.require_version('GstRtspServer', '1.0')"]
    with contextlib.suppress(OSError):
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return
    pytest.skip("needs GStreamer's RTSP server: run tests/install_rtsp_server.sh")


@pytest.fixture(scope="session")
def film(tmp_path_factory):
    """A minute of H.264 as cameras send it."""
    path = tmp_path_factory.mktemp("rtsp") / "film.mp4"
    return write_video(path, range(60 * FPS), fps=FPS, g=str(FPS), bf="0")


@pytest.fixture
def server(gstreamer, film):
    """A server that plays the film."""
    server = Server(film)
    server.start()
    yield server
    server.kill()


def open_stream(server):
    return Reel((Item(server.address),)).open()


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_every_frame_makes_the_round_trip(server, transport, monkeypatch):
    monkeypatch.setattr(live, "TRANSPORTS", (transport,))
    with Frames(open_stream(server), drop_old=False, max_frames=45) as frames:
        images = list(frames)
    numbers = [number_of(image.pixels) for image in images]
    assert numbers == list(range(numbers[0], numbers[0] + 45))
    steps_s = np.diff([image.time_s for image in images])[5:]
    assert steps_s == pytest.approx(1 / FPS, abs=0.01)  # the camera's clock, not the network's
    assert frames.source.damaged == 0
    assert frames.source.fps == pytest.approx(FPS)


def test_a_slow_user_is_not_late(server):
    with Frames(open_stream(server), max_frames=15) as frames:
        late_s = []
        for image in frames:
            moment = time.monotonic() - image.time_s  # would grow if old frames were given
            late_s.append(moment)
            time.sleep(0.2)
    assert frames.dropped > 15
    assert max(late_s) - min(late_s) < 0.3


class Fake:
    """A detector and a depth network in one: a box, and 2 m everywhere."""

    def detect(self, image, options):
        return Detections([(0, 0, 32, 32)], [0.9], [0], ("chair",))

    def estimate(self, image, camera=None):
        return DepthMap(np.full(image.pixels.shape[:2], 2.0))

    def use(self, role):
        return ModelUse(role, "fake", "", "none", "float32", 1)


def test_a_camera_that_is_lost_comes_back(server):
    """The server is killed in the middle of a stream and comes back two seconds later."""
    results, notes = [], []
    back = threading.Timer(2.0, server.start)
    for result in Ranger(Fake(), Fake()).stream(server.address, drop_old=False, max_frames=60):
        results.append(result)
        notes += [note for note in result.notes if note.startswith(("Lost", "Back"))]
        if len(results) == 20:
            server.kill()
            back.start()
    back.join()
    assert len(results) == 60
    assert [result.image.frame_index for result in results] == list(range(60))
    times = np.array([result.image.time_s for result in results])
    gap = int(np.argmax(np.diff(times)))
    assert 19 <= gap <= 25
    assert 2.0 < times[gap + 1] - times[gap] < 9
    assert (np.diff(times) >= 0).all()
    assert len(notes) == 2, notes
    assert notes[0].startswith(f"Lost at {times[gap]:.0f}"), notes
    assert f"{times[gap + 1]:.1f} s" in notes[1], notes
    numbers = [number_of(result.image.pixels) for result in results]
    assert numbers[gap + 1] < numbers[gap]  # the film began anew
    assert all(result.objects[0].distance_m == 2 for result in results)


def test_a_stream_that_tells_its_length_is_over_at_its_end(gstreamer, tmp_path):
    server = Server(write_video(tmp_path / "short.mp4", range(30), fps=FPS, g="15", bf="0"))
    server.start()
    try:
        with Frames(open_stream(server), drop_old=False) as frames:
            assert number_of(list(frames)[-1].pixels) == 29
        assert frames.source.lost == 0
    finally:
        server.kill()


def test_a_path_that_the_server_does_not_have(server):
    address = server.address.replace("/live", "/none")
    with pytest.raises(PictureError) as caught:
        next(iter(Live("the camera", StreamLink(address, "the camera"))))
    assert str(caught.value) == "the camera: Server returned 404 Not Found"
