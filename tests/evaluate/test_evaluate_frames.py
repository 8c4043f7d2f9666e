"""Variants, and the walk over a data set that loses nothing."""

import numpy as np
import pytest
from fakes import FakeNetwork

from howfar.core.image import Image
from howfar.data.dataset import Records
from howfar.data.sample import Sample
from howfar.errors import DatasetError, HowfarError, UsageError
from howfar.evaluate.frames import walk
from howfar.evaluate.systems import Loader, Remembered
from howfar.evaluate.variants import Variant, parse_variant
from howfar.loading import parse_imgsz


def read(number):
    if number == 2:
        raise DatasetError("third.png: damaged")
    return Sample(id=f"s{number}", picture=Image(np.zeros((4, 6, 3), np.uint8)))


class CountingJudge:
    """Has no truth for sample 1 and, where `fails`, breaks on sample 3."""

    def __init__(self, system, fails=False):
        self.system, self.fails, self.kept = system, fails, []

    def measure(self, sample):
        if self.fails and sample.id == "s3":
            raise HowfarError("the network broke")
        return "no truth" if sample.id == "s1" else (sample.id,)

    def keep(self, part, index):
        self.kept.append((part[0], index))


def test_every_sample_is_kept_or_listed(system):
    judges = [CountingJudge(system()), CountingJudge(system(), fails=True)]
    ticks = []
    dataset = Records("test", tuple(range(6)), read, left_out=("gone",))
    tally = walk(dataset, judges, limit=5, tick=lambda done, n: ticks.append((done, n)))
    assert tally.counts() == {
        "frames": 2,
        "failed": 2,
        "without_truth": 1,
        "absent": 1,
        "beyond_limit": 1,
    }
    assert [item.frame for item in tally.failed] == ["#2", "s3"]
    assert "damaged" in tally.failed[0].reason
    assert tally.without_truth == [("s1", "no truth")]
    assert judges[0].kept == judges[1].kept == [("s0", 0), ("s4", 4)]  # the same for both
    assert ticks[-1] == (5, 5)


def test_wrong_use_stops_the_walk(system):
    class Wrong(CountingJudge):
        def measure(self, sample):
            raise UsageError("crop")

    with pytest.raises(UsageError, match="crop"):
        walk(Records("test", (0,), read), [Wrong(system())])
    with pytest.raises(UsageError, match="at least 1"):
        walk(Records("test", (0,), read), [Wrong(system())], limit=0)


def test_a_variant_is_read_from_text():
    base = Variant(depth="fastdepth", threads=1)
    found = parse_variant("stat=median,scale=2.5m@320,240,conf=0.4,boxes=truth", base)
    assert (found.stat, found.scale, found.conf) == ("median", "2.5m@320,240", 0.4)
    assert (found.depth, found.threads, found.detector) == ("fastdepth", 1, "truth")
    assert found.name.startswith("stat=median")
    assert parse_imgsz("384x640") == (384, 640)
    assert parse_imgsz("640") == 640
    assert parse_imgsz(None) is None


@pytest.mark.parametrize("text", ["", "median", "colour=red", "conf=high", "stat=", "name=x"])
def test_a_wrong_variant_is_wrong_use(text):
    with pytest.raises(UsageError, match="compare"):
        parse_variant(text, Variant())


@pytest.mark.parametrize("text", ["a", "1x2x3", "640x", "-1"])
def test_a_wrong_size_is_wrong_use(text):
    with pytest.raises(UsageError, match="imgsz"):
        parse_imgsz(text)


@pytest.mark.parametrize(
    ("task", "settings", "message"),
    [
        ("segmentation", {}, "--semantic"),
        ("detection", {"detector": "truth"}, "itself"),
        ("objects", {"detector": "truth", "depth": "truth", "join": "series"}, "join"),
        ("objects", {"detector": "truth", "depth": "truth", "stat": "mean"}, "stat"),
    ],
)
def test_a_variant_that_cannot_be_is_wrong_use(task, settings, message):
    with pytest.raises(UsageError, match=message):
        Loader(task).system(Variant(**settings))


def test_a_network_that_two_variants_share_runs_once_a_picture():
    network = FakeNetwork(lambda image: image.width)
    shared = Remembered(network)
    first, second = (Image(np.zeros((4, side, 3), np.uint8)) for side in (5, 7))
    assert [shared.estimate(i) for i in (first, first, second, first)] == [5, 5, 7, 5]
    assert network.calls == 3
    assert shared.saved_s > 0
