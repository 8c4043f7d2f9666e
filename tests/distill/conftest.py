"""A detector and depth networks that say what they are told, and a few pictures."""

from dataclasses import replace

import numpy as np
import pytest

from howfar.core.camera import Camera
from howfar.core.depth import DepthMap
from howfar.core.detections import Detections
from howfar.core.image import Image
from howfar.core.preprocess import Preprocess
from howfar.data.dataset import Records
from howfar.data.sample import Sample
from howfar.models.card import Decoder, ModelCard
from howfar.models.classes import COCO80

CARD = ModelCard("told", Decoder.YOLOX, Preprocess(32, 32), COCO80)


class Finder:
    """Finds the same things in every picture."""

    sha256 = "finder"
    card = CARD

    def __init__(self, *labels, score=0.8):
        self.labels, self.score, self.asked = labels, score, 0

    def detect(self, image, options):
        self.asked += 1
        count = len(self.labels)
        boxes = np.tile(np.array([[10, 10, 30, 50]], np.float32), (count, 1))
        scores = np.full(count, self.score, np.float32)
        ids = np.array([COCO80.index(n) for n in self.labels], np.int64)
        return Detections(boxes, scores, ids, COCO80)


class Slope:
    """Depth that grows to the right by `slope`: it contradicts itself when mirrored."""

    sha256 = "slope"

    def __init__(self, slope, focal_exponent=1.0):
        self.slope = slope
        self.card = replace(
            CARD,
            decoder=Decoder.DEPTH,
            classes=(),
            depth_kind="metric",
            focal_exponent=focal_exponent,
        )

    def estimate(self, image, camera=None):
        row = 2 * np.exp(self.slope * np.linspace(0, 1, image.width))
        return DepthMap(np.tile(row, (image.height, 1)).astype(np.float32))


def picture(number, size=(64, 48)):
    pixels = np.random.default_rng(number).integers(0, 255, (size[1], size[0], 3), np.uint8)
    return Image(pixels, f"picture {number}")


def plain(number):
    """A picture without truth."""
    return Sample(id=str(number), picture=picture(number))


def ranged(number):
    """A picture of a wall at 3 m."""
    depth = DepthMap(np.full((48, 64), 3.0, np.float32))
    camera = Camera.from_focal(50.0, 64, 48)
    return Sample(id=str(number), picture=picture(number), depth=depth, camera=camera)


@pytest.fixture
def pictures():
    return Records("plain", tuple(range(5)), plain)


@pytest.fixture
def walls():
    return Records("walls", tuple(range(4)), ranged)
