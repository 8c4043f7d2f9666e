"""Networks that answer what they are told."""

import numpy as np

from howfar.core.depth import DepthMap
from howfar.core.detections import Detections
from howfar.core.result import ModelUse


class FakeNetwork:
    """Answers with what it was given, a value or a function of the picture."""

    def __init__(self, answer, card=None):
        self.answer, self.card, self.calls = answer, card, 0

    def _give(self, image):
        self.calls += 1
        return self.answer(image) if callable(self.answer) else self.answer

    def detect(self, image, options):
        found = self._give(image)
        return found[np.flatnonzero(found.scores >= options.conf)[: options.max_det]]

    def estimate(self, image, camera=None):
        return self._give(image)

    def segment(self, image):
        return self._give(image)

    def use(self, role):
        return ModelUse(role, "fake", "00", "fake 1", "float32", 1)


class FakeCard:
    def __init__(self, kind=None, classes=()):
        self.depth_kind, self.classes = kind, classes


def flat(metres):
    """A depth network that sees a wall."""
    return lambda image: DepthMap(np.full((image.height, image.width), metres, np.float32))


def detections(*rows):
    """(label, score, box) -> Detections."""
    names = tuple(dict.fromkeys(row[0] for row in rows))
    return Detections(
        np.array([row[2] for row in rows], np.float32).reshape(-1, 4),
        np.array([row[1] for row in rows], np.float32),
        np.array([names.index(row[0]) for row in rows], np.int64),
        names,
    )
