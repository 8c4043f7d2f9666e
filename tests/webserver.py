"""A server for tests: fake networks whose depth is known at every pixel, on a port of its own."""

import io
import socket
import threading
import time
from contextlib import contextmanager

import numpy as np
import PIL.Image
import uvicorn

from howfar import DepthMap, Detections, Join, Ranger
from howfar.cli.serve import listen, server_config
from howfar.core.result import ModelUse
from howfar.web.app import make_app

CLASSES = ("chair", "person", "cup")


def known_depth(width, height):
    """Depth that differs at every pixel: 1 m at the left to 5 m at the right, and none on top."""
    y, x = np.mgrid[:height, :width]
    values = 1 + 4 * (x + y / height) / width
    values[: height // 10] = np.nan
    return np.round(values, 3)


class FakeDetector:
    """A chair on the left, a person in the middle, a cup on the right, in shares of the picture."""

    BOXES = ((0.1, 0.3, 0.3, 0.8), (0.4, 0.2, 0.6, 0.9), (0.75, 0.5, 0.9, 0.7))

    def __init__(self, seconds=0.0):
        self.seconds = seconds
        self.runs = 0

    def detect(self, image, options):
        self.runs += 1
        time.sleep(self.seconds)
        scale = np.array([image.width, image.height] * 2)
        keep = [i for i, score in enumerate((0.9, 0.8, 0.5)) if score >= options.conf]
        boxes = np.array(self.BOXES).reshape(-1, 4)[keep] * scale
        return Detections(boxes, np.array((0.9, 0.8, 0.5))[keep], keep, CLASSES)

    def use(self, role):
        return ModelUse(role, "fake", "", "none", "float32", 1, "tests" if role == "depth" else "")


class FakeDepth(FakeDetector):
    """`known_depth`, in metres or relative."""

    def __init__(self, kind="metric"):
        super().__init__()
        self.kind = kind

    def estimate(self, image, camera=None):
        values = known_depth(image.width, image.height)
        return DepthMap(values if self.kind == "metric" else 7 / values, self.kind)


def fake_ranger(kind="metric", seconds=0.0):
    """A Ranger of fakes; `kind` None is without depth."""
    return Ranger(FakeDetector(seconds), FakeDepth(kind) if kind else None)


class FakeCrops(FakeDetector):
    """Depth of cut-outs, 180 m over their height in pixels: people are near and cups are far."""

    def estimate(self, image, camera=None):
        return DepthMap(np.full((image.height, image.width), 180 / image.height), "metric")


def crop_ranger():
    """A Ranger of fakes that looks at each object by itself: it has metres, but no depth map."""
    return Ranger(FakeDetector(), FakeCrops(), join=Join.CROP)


def picture_bytes(width=200, height=120, form="PNG"):
    """A picture file of random colours."""
    pixels = np.random.default_rng(3).integers(0, 255, (height, width, 3), np.uint8)
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, form)
    return buffer.getvalue()


@contextmanager
def running(rangers, settings=None):
    """A real server in a thread: (port, app)."""
    app = make_app(rangers, settings)
    listening = listen("127.0.0.1", 0)
    server = uvicorn.Server(server_config(app, app.state.server.limits))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield listening.getsockname()[1], app
    finally:
        server.should_exit = True
        thread.join(20)
        listening.close()
    assert not thread.is_alive()


def raw_connection(port):
    """A plain TCP connection."""
    return socket.create_connection(("127.0.0.1", port), 10)


def wait_for(condition, seconds=10.0):
    """Wait until a condition holds; whether it did."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False
