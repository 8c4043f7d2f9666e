"""Cards inferred from what exports of the Ultralytics kind say of themselves."""

import pytest

from howfar.core.preprocess import Fit, Preprocess
from howfar.errors import CardError
from howfar.models.card import Decoder
from howfar.models.classes import COCO80
from howfar.models.infer import infer_card
from howfar.models.network import TensorSpec

V8 = {  # as an export of ultralytics 8.3 writes it
    "description": "Ultralytics YOLOv8n model trained on coco.yaml",
    "author": "Ultralytics",
    "date": "2025-01-20T12:00:00",
    "version": "8.3.64",
    "license": "AGPL-3.0 License (https://ultralytics.com/license)",
    "docs": "https://docs.ultralytics.com",
    "stride": "32",
    "task": "detect",
    "batch": "1",
    "imgsz": "[480, 640]",
    "names": str(dict(enumerate(COCO80))),
}
V5 = {"stride": "32", "names": str(dict(enumerate(COCO80)))}  # as yolov5's export.py writes it


def infer(output, metadata, size=(480, 640), dtype="float32"):
    inputs = (TensorSpec("images", (1, 3, *size), dtype),)
    return infer_card("net", inputs, (TensorSpec("output0", output, "float32"),), metadata)


def names(count):
    return str({i: f"class {i}" for i in range(count)})


def test_yolov8_export():
    card = infer((1, 84, 6300), V8)
    assert card.name == "net"
    assert card.decoder is Decoder.YOLOV8
    assert card.classes == COCO80
    assert card.preprocess == Preprocess(640, 480, Fit.LETTERBOX)
    assert card.precision == "float32"
    assert card.licence.startswith("AGPL-3.0")
    assert card.origin == "https://docs.ultralytics.com"


def test_yolov5_export():
    card = infer((1, 25200, 85), V5, (640, 640))
    assert card.decoder is Decoder.YOLOV5
    assert card.classes == COCO80
    assert card.preprocess == Preprocess(640, 640, Fit.LETTERBOX)
    assert card.licence == "unknown"


@pytest.mark.parametrize(
    ("output", "count", "extra", "decoder"),
    [
        ((1, 300, 6), 80, {"end2end": "True"}, Decoder.END_TO_END),
        ((1, 300, 6), 80, {}, Decoder.END_TO_END),
        ((1, 300, 6), 1, {"end2end": "True"}, Decoder.END_TO_END),
        ((1, 6, 8400), 2, {}, Decoder.YOLOV8),
        ((1, 6, 8400), 2, {"end2end": "False"}, Decoder.YOLOV8),
        ((1, 5, 8400), 1, {}, Decoder.YOLOV8),
        ((1, 25200, 6), 1, {}, Decoder.YOLOV5),
        ((None, 84, None), 80, {}, Decoder.YOLOV8),
        ((1, None, 85), 80, {}, Decoder.YOLOV5),
        ((None, None, 6), 80, {}, Decoder.END_TO_END),
    ],
)
def test_layout_by_shape(output, count, extra, decoder):
    card = infer(output, V8 | {"names": names(count)} | extra)
    assert card.decoder is decoder
    assert len(card.classes) == count


@pytest.mark.parametrize(
    ("size", "imgsz", "expected"),
    [
        ((None, None), "[320, 256]", (320, 256)),
        ((None, None), "(320, 256)", (320, 256)),
        ((None, None), "[320]", (320, 320)),
        ((None, None), "320", (320, 320)),
        ((None, None), None, (640, 640)),
        ((192, None), "[320, 256]", (192, 256)),
        ((192, 224), "[320, 256]", (192, 224)),
    ],
)
def test_input_size_is_the_graphs_else_the_metadatas_else_640(size, imgsz, expected):
    metadata = V5 if imgsz is None else V5 | {"imgsz": imgsz}
    preprocess = infer((1, None, 85), metadata, size).preprocess
    assert (preprocess.height, preprocess.width) == expected


@pytest.mark.parametrize("imgsz", ["", "[]", "large", "[0, 640]", "[640.5, 640]"])
def test_input_size_that_cannot_be_read(imgsz):
    with pytest.raises(CardError, match=r"^net: its metadata 'imgsz' cannot be read"):
        infer((1, None, 85), V5 | {"imgsz": imgsz}, (None, None))


def test_names_may_be_a_list_or_out_of_order():
    assert infer((1, 6, 9), {"names": "['cup', 'dog']"}).classes == ("cup", "dog")
    assert infer((1, 6, 9), {"names": "{1: 'dog', 0: 'cup'}"}).classes == ("cup", "dog")
    many = "{" + ", ".join(f"{i}: 'c{i}'" for i in reversed(range(12))) + "}"
    assert infer((1, 16, 9), {"names": many}).classes == tuple(f"c{i}" for i in range(12))


@pytest.mark.parametrize(
    "text",
    ["", "cup, dog", "__import__('os').getcwd()", "{0: ", "5", "'cup'", "[]", "{0: 'a', 'b': 1}"],
)
def test_names_that_cannot_be_read(text):
    with pytest.raises(CardError, match=r"^net: its metadata 'names' cannot be read"):
        infer((1, 84, 8400), {"names": text})


def test_half_precision_export():
    assert infer((1, 84, 6300), V8, dtype="float16").precision == "float16"


def test_without_names_nothing_is_inferred():
    assert infer((1, 84, 6300), {}) is None
    assert infer((1, 84, 6300), {"stride": "32"}) is None


@pytest.mark.parametrize("task", ["segment", "pose", "classify", "obb"])
def test_other_tasks_are_refused(task):
    with pytest.raises(CardError, match=f"^net: an export for '{task}'; only detection"):
        infer((1, 116, 8400), V8 | {"task": task})


@pytest.mark.parametrize("output", [(1, 1000), (1, 83, 8400), (1, 255, 80, 80), (1, 8400, 84)])
def test_unknown_shapes_are_refused(output):
    with pytest.raises(CardError, match="with 80 classes is no known YOLO layout; write a card"):
        infer(output, V8)
