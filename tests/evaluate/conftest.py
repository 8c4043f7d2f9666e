"""Fake networks and the tiny data sets of the tests of the readers."""

import sys
from pathlib import Path

import pytest
from fakes import FakeCard, FakeNetwork

from howfar.core.depth import DepthKind
from howfar.evaluate.systems import System
from howfar.evaluate.variants import Variant
from howfar.options import make_options
from howfar.pipeline import Ranger

sys.path.append(str(Path(__file__).parents[1] / "data"))


@pytest.fixture
def system():
    """Makes a system of fake answers."""

    def make(detector=None, depth=None, semantic=None, kind=DepthKind.METRIC, classes=(), **how):
        options = {key: how.pop(key) for key in ("conf", "stat", "scale") if key in how}
        ranger = Ranger(
            detector=None if detector is None else FakeNetwork(detector, FakeCard(None, classes)),
            depth=None if depth is None else FakeNetwork(depth, FakeCard(kind)),
            semantic=None if semantic is None else FakeNetwork(semantic, FakeCard(None, classes)),
        )
        return System(Variant(**{"name": "fake", **how}), ranger, make_options(options))

    return make


@pytest.fixture
def layout(tmp_path):
    """Writes a tiny copy of a data set and opens it."""
    from layouts import WRITERS

    from howfar.data.address import open_dataset

    def write(name):
        case = WRITERS[name](tmp_path)
        return open_dataset(case.address)

    return write
