"""Tables, JSON, plots and pictures."""

import json

import cv2
import numpy as np
import pytest
from fakes import detections, flat

from howfar.core.semantics import LabelMap
from howfar.data.address import open_dataset
from howfar.errors import UsageError
from howfar.evaluate.depth import DepthJudge, depth_protocol
from howfar.evaluate.detection import DetectionJudge
from howfar.evaluate.frames import walk
from howfar.evaluate.gallery import draw_sample
from howfar.evaluate.objects import ObjectJudge, object_protocol
from howfar.evaluate.output import Output
from howfar.evaluate.run import Evaluation
from howfar.evaluate.segmentation import SegmentationJudge
from howfar.evaluate.tables import Table, cell_text, print_tables, to_markdown


def evaluation(dataset, *judges):
    return Evaluation(dataset, judges, walk(dataset, judges))


@pytest.fixture
def found(system, layout, request):
    """A small evaluation of each task."""
    name = request.param
    if name == "depth":
        dataset = layout("rgbd-mm")
        judges = [DepthJudge(system(depth=flat(4.0)), depth_protocol(None, "rgbd"))]
    elif name == "order":
        dataset = layout("wsvd")
        judges = [DepthJudge(system(depth=flat(4.0)), depth_protocol(None, "wsvd"))]
    elif name == "detection":
        dataset = layout("coco")
        boxes = detections(("car", 0.9, [10, 5, 30, 35]), ("person", 0.5, [40, 5, 60, 35]))
        judges = [DetectionJudge(system(boxes), dataset)]
    elif name == "objects":
        dataset = layout("kitti-object")
        car = detections(("car", 0.9, [10, 12, 30, 40]))
        protocol = object_protocol(None)
        judges = [
            ObjectJudge(system(car, flat(z), name=f"{z}"), protocol, dataset.class_names, True)
            for z in (8.0, 9.0)
        ]
    else:
        dataset = layout("voc")
        labels = LabelMap(np.zeros((48, 64), np.uint8), ("background", "sofa"))
        judges = [SegmentationJudge(system(semantic=labels, classes=labels.class_names))]
    return evaluation(dataset, *judges)


ALL = pytest.mark.parametrize(
    "found", ["depth", "order", "detection", "objects", "segmentation"], indirect=True
)


@ALL
def test_everything_is_written(found, tmp_path):
    pytest.importorskip("matplotlib")
    output = Output(found, "howfar val ...")
    pictures = output.save(tmp_path / "report", worst=2)
    for path in pictures:
        pixels = cv2.imread(str(path))
        assert pixels.min() < 100, path
        assert pixels.max() > 150, path
    record = json.loads((tmp_path / "report" / "report.json").read_text())
    assert "NaN" not in (tmp_path / "report" / "report.json").read_text()
    first = record["variants"][0] if "variants" in record else record
    assert first["scores"]
    assert first["protocol"]["protocol"]
    assert first["models"][0]["runtime"] == "fake 1"
    assert first["counts"]["frames"] >= 1
    text = (tmp_path / "report" / "report.md").read_text()
    assert "howfar val ..." in text
    assert all(path.name in text for path in pictures)
    kinds = {path.suffix for path in pictures}
    assert kinds <= {".png", ".jpg"}
    assert pictures


@ALL
def test_everything_is_printed(found, capsys):
    Output(found).print()
    out = capsys.readouterr().out
    assert "how it was measured" in out
    assert "what ran" in out
    assert "nan" not in out.lower().replace("nanodet", "")


def test_segmentation_scores(system, layout):
    """VOC's first picture: rows 5 to 8 are void, the rest background; half is called a sofa."""
    labels = np.zeros((48, 64), np.uint8)
    labels[:, 32:] = 1
    names = ("background", "couch")
    judge = SegmentationJudge(system(semantic=LabelMap(labels, names), classes=names))
    report = judge.report(walk(layout("voc"), [judge]))
    assert report.scores["pixel_accuracy"] == 0.5
    assert report.scores["miou"] == 0.25  # background 1/2, sofa 0
    assert report.tally.counts()["without_truth"] == 1
    assert report.counts["pixels"] == 44 * 64
    assert judge.items()["pixel_error"]


def test_networks_without_a_common_class_are_wrong_use(system, layout):
    labels = LabelMap(np.zeros((48, 64), np.uint8), ("road",))
    judge = SegmentationJudge(system(semantic=labels, classes=("road",)))
    with pytest.raises(UsageError, match="no class in common"):
        walk(layout("voc"), [judge])


def test_markdown():
    table = Table(
        "t", (("a|b", {"x": 1.5, "n": 1200}), ("c", {"x": float("nan")})), ("x", "n", "y")
    )
    assert to_markdown(table).splitlines() == [
        "**t**",
        "",
        "|  | x | n |",
        "|---|---:|---:|",
        "| a\\|b | 1.500 | 1,200 |",
        "| c | - |  |",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (3, "3"), (0.12345, "0.123"), (45.678, "45.68"), (1234.56, "1,234.6"), ("a", "a")],
)
def test_cells(value, text):
    assert cell_text(value) == text


def test_a_narrow_terminal_loses_no_number(capsys):
    cells = {f"column{i}": 0.123 for i in range(20)}
    print_tables([Table("wide", (("row", cells),), tuple(cells))], width=60)
    assert capsys.readouterr().out.count("0.123") == 20


def layout_names():
    import sys
    from pathlib import Path

    sys.path.append(str(Path(__file__).parents[1] / "data"))
    from layouts import WRITERS

    return list(WRITERS)


@pytest.mark.parametrize("name", layout_names())
def test_samples_of_every_format_are_drawn(name, layout):
    sample = layout(name)[0]
    pixels = draw_sample(sample)
    assert pixels.dtype == np.uint8
    assert pixels.shape[0] >= 480
    assert pixels.std() > 10


@pytest.mark.parametrize("name", layout_names())
def test_every_format_is_measured_or_its_frames_are_listed(name, system, tmp_path):
    from layouts import WRITERS

    dataset = open_dataset(WRITERS[name](tmp_path).address)
    car = detections(("car", 0.9, [10, 12, 30, 40]))
    judges = [
        DepthJudge(system(depth=flat(4.0)), depth_protocol("rgbd", "")),
        ObjectJudge(system(car, flat(4.0)), object_protocol(None), dataset.class_names),
        DetectionJudge(system(car), dataset),
    ]
    for judge in judges:
        tally = walk(dataset, [judge])
        assert not tally.failed
        assert tally.frames + len(tally.without_truth) == len(dataset)
        if tally.frames:
            assert judge.report(tally).scores


def test_the_page_names_every_protocol_and_key():
    from dataclasses import fields
    from pathlib import Path

    from howfar.evaluate.depth import DEFAULT_PROTOCOLS
    from howfar.evaluate.variants import Variant
    from howfar.metrics.protocols import PROTOCOLS, Task

    page = (Path(__file__).parents[2] / "docs" / "evaluate.md").read_text()
    for name, protocol in PROTOCOLS.items():
        if protocol.task is not Task.OBJECTS:
            assert f"| `{name}` |" in page
    assert all(f"`{name}`" in page for name in DEFAULT_PROTOCOLS)
    assert all(f"`{item.name}`" in page for item in fields(Variant) if item.name != "name")
