"""Depth: the numbers equal an independent computation, and wrong use is told."""

import cv2
import numpy as np
import pytest
from fakes import flat

from howfar.core.depth import DepthKind, DepthMap
from howfar.core.image import Image
from howfar.core.preprocess import Preprocess
from howfar.data.dataset import Records
from howfar.data.sample import Sample
from howfar.errors import UsageError
from howfar.evaluate.depth import DepthJudge, depth_protocol
from howfar.evaluate.flow import flow_disparity
from howfar.evaluate.frames import walk
from howfar.evaluate.report import to_dict


def ramp(image):
    """1 m at the left, 9 m at the right."""
    return DepthMap(np.tile(np.linspace(1, 9, image.width, dtype=np.float32), (image.height, 1)))


def test_scores_equal_an_independent_computation(system, layout):
    dataset = layout("diode")
    judge = DepthJudge(system(depth=ramp), depth_protocol(None, "diode"))
    report = judge.report(walk(dataset, [judge]))
    rows = []
    for sample in dataset:
        g = sample.depth.values[sample.depth.valid].astype(float)
        p = ramp(sample.image).values[sample.depth.valid].astype(float)
        ratio = np.maximum(p / g, g / p)
        rows.append(
            (
                np.mean(np.abs(p - g) / g),
                np.sqrt(np.mean((p - g) ** 2)),
                np.mean(ratio < 1.25),
                np.mean(np.abs(np.log10(p / g))),
            )
        )
    expected = np.mean(rows, axis=0)
    names = ("abs_rel", "rmse", "delta1", "log10")
    assert [report.scores[n] for n in names] == pytest.approx(expected.tolist(), abs=1e-9)
    assert report.protocol["protocol"] == "diode"
    table = dict(report.tables["range"].rows)
    assert sum(row["pixels"] for row in table.values()) == report.counts["truth_pixels"]
    pixels = [row["pixels"] for row in table.values()]
    pooled = np.average([row["abs_rel"] for row in table.values()], weights=pixels)
    assert pooled == pytest.approx(expected[0], rel=0.05)  # pictures of nearly one size
    assert judge.ratios.sum() == report.counts["truth_pixels"]
    assert len(judge.items()["abs_rel"]) == 2
    assert sorted(judge.worst(5)) == [0, 1]


def test_alignment_takes_the_scale_away(system, layout):
    dataset = layout("rgbd-mm")

    def half(image):
        return DepthMap(np.linspace(1, 4.5, image.width * image.height).reshape(image.height, -1))

    scores = {}
    for align in ("none", "median", "scale-shift"):
        judge = DepthJudge(system(depth=half), depth_protocol(None, "rgbd", align))
        walk(dataset, [judge])
        scores[align] = judge.scores()["abs_rel"]
    assert scores["none"] == pytest.approx(0.5, abs=0.02)
    assert scores["median"] < 0.02
    assert scores["scale-shift"] < 0.02
    report = judge.report(walk(dataset, [judge]))
    assert any("nothing about metres" in note for note in report.notes)


@pytest.mark.parametrize(
    ("kind", "align", "works"),
    [
        (DepthKind.RELATIVE, None, False),
        (DepthKind.RELATIVE, "median", True),
        (DepthKind.RELATIVE_AFFINE, "median", False),
        (DepthKind.RELATIVE_AFFINE, "inverse-scale-shift", True),
    ],
)
def test_relative_depth_needs_an_alignment(system, layout, kind, align, works):
    def inverse(image):
        depth = np.linspace(2, 9, image.width * image.height).reshape(image.height, -1)
        return DepthMap(1 / depth, kind)

    protocol = depth_protocol("rgbd", "rgbd", align)
    if not works:
        with pytest.raises(UsageError, match="--align"):
            DepthJudge(system(depth=inverse, kind=kind), protocol)
        return
    judge = DepthJudge(system(depth=inverse, kind=kind), protocol)
    walk(layout("rgbd-mm"), [judge])
    assert judge.scores()["abs_rel"] < 0.02


def test_a_scale_makes_relative_depth_metric(system, layout):
    def inverse(image):
        depth = np.linspace(2, 9, image.width * image.height).reshape(image.height, -1)
        return DepthMap(2 / depth, DepthKind.RELATIVE)

    measured = system(depth=inverse, kind=DepthKind.RELATIVE, scale=2.0)
    judge = DepthJudge(measured, depth_protocol("rgbd", "rgbd"))
    walk(layout("rgbd-mm"), [judge])
    assert judge.scores()["abs_rel"] < 0.02


def test_order_only_protocol_on_stereo_videos(system, layout):
    dataset = layout("wsvd")
    judge = DepthJudge(system(depth=ramp), depth_protocol(None, "wsvd"))
    report = judge.report(walk(dataset, [judge]))
    assert 0 <= report.scores["order_error"] <= 1
    assert report.tally.counts()["absent"] == 1
    assert to_dict(report)["absent"] == ["gone"]


def test_disparity_from_flow():
    rng = np.random.default_rng(0)
    import cv2

    noise = cv2.GaussianBlur(rng.uniform(0, 255, (120, 200, 3)), (0, 0), 2)
    noise = np.clip((noise - 127) * 4 + 127, 0, 255).astype(np.uint8)
    left, right = noise[:, 10:180], noise[:, 15:185]  # 5 px to the left in the right picture
    pair = [Image(np.ascontiguousarray(view)) for view in (left, right)]
    found = flow_disparity(*pair)
    assert found.valid.mean() > 0.5
    assert np.median(found.values[found.valid]) == pytest.approx(5, abs=0.3)


def test_samples_without_truth_are_listed(system, layout):
    judge = DepthJudge(system(depth=flat(2.0)), depth_protocol(None, "coco"))
    tally = walk(layout("coco"), [judge])
    assert tally.frames == 0
    assert tally.without_truth[0].reason == "the sample has no depth map"


@pytest.mark.parametrize(
    ("name", "align", "message"),
    [("best", None, "unknown"), ("kitti-objects", None, "objects"), (None, "fit", "align")],
)
def test_wrong_protocols_are_wrong_use(name, align, message):
    with pytest.raises(UsageError, match=message):
        depth_protocol(name, "rgbd", align)


def test_the_hybrid_protocol_shows_the_network_what_its_authors_showed(system):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (480, 640, 3), np.uint8)
    truth = np.tile(np.linspace(2, 6, 640, dtype=np.float32), (480, 1))
    shown = []

    def answer(image):
        shown.append(image.pixels)
        return DepthMap(np.full((image.height, image.width), 4.0, np.float32))

    sample = Sample(id="a", picture=Image(pixels), depth=DepthMap(truth))
    dataset = Records("nyu", (0,), lambda _: sample)
    under = system(depth=answer)
    judge = DepthJudge(under, depth_protocol("nyu-hybrid", "nyu-csv"))
    whole = judge.report(walk(dataset, [judge]))
    assert shown.pop().shape == (480, 640, 3)
    assert "input" not in whole.protocol
    under.ranger.depth.card.preprocess = Preprocess(320, 256, interpolation="nearest")
    judge = DepthJudge(under, depth_protocol("nyu-hybrid", "nyu-csv"))
    report = judge.report(walk(dataset, [judge]))
    small = cv2.resize(pixels, None, fx=0.55, fy=0.55, interpolation=cv2.INTER_NEAREST)
    np.testing.assert_array_equal(shown.pop(), small[4:260, 16:336])
    g = truth[7:473, 29:611].astype(float)
    assert report.scores["abs_rel"] == pytest.approx(np.mean(np.abs(4 - g) / g), rel=1e-6)
    assert report.counts["truth_pixels"] == 466 * 582
    assert "0.55" in report.protocol["input"]
