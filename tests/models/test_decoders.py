"""Decoders against plain computations, one number at a time, written from the layouts alone."""

import math
from dataclasses import replace

import numpy as np
import pytest

from howfar.core.preprocess import Fit, Preprocess
from howfar.errors import CardError
from howfar.models.card import Decoder, ModelCard
from howfar.models.decoders import DECODERS

NAMES = ("cup", "chair", "dog")


class Case:
    """Outputs of a network, what it is, and what each row means: (box, score of each class)."""

    def __init__(self, decoder, outputs, rows, size=(64, 32), picture=(200, 150), **card):
        self.outputs, self.rows = outputs, rows
        preprocess = Preprocess(*size, Fit.LETTERBOX)
        self.place = preprocess.place(*picture)
        self.card = ModelCard("net", decoder, preprocess, **({"classes": NAMES} | card))

    def decode(self, conf=0.25, multi_label=False, **outputs):
        decoder = DECODERS[self.card.decoder]
        return decoder(self.outputs | outputs, self.place, self.card, conf, multi_label)

    def expected(self, conf, multi_label):
        found = []
        for box, scores in self.rows:
            best = max(range(len(scores)), key=lambda c: scores[c])
            for c, score in enumerate(scores):
                if score > conf and (multi_label or c == best):
                    found.append((*box, score, c))
        return sorted(found, key=lambda item: -item[4])


def softmax(values):
    weights = [math.exp(value) for value in values]
    return [weight / sum(weights) for weight in weights]


def from_centre(cx, cy, w, h):
    return (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)


def random(rng, *shape):
    return rng.random(shape, np.float32)


def normal(rng, *shape):
    return rng.normal(0, 1.5, shape).astype(np.float32)


def nanodet_plus(rng, width=72, height=40, bins=8, classes=NAMES):
    cells = [
        (x, y, stride)
        for stride in (8, 16, 32, 64)
        for y in range(math.ceil(height / stride))
        for x in range(math.ceil(width / stride))
    ]
    scores = random(rng, len(cells), len(classes))
    logits = normal(rng, len(cells), 4 * bins)
    rows = []
    for i, (x, y, stride) in enumerate(cells):
        sides = []
        for side in range(4):
            chances = softmax(logits[i, side * bins : (side + 1) * bins].tolist())
            sides.append(stride * sum(k * chance for k, chance in enumerate(chances)))
        left, top, right, bottom = sides
        box = (x * stride - left, y * stride - top, x * stride + right, y * stride + bottom)
        rows.append((box, scores[i].tolist()))
    outputs = {"output": np.concatenate([scores, logits], axis=1)[None]}
    return Case("nanodet-plus", outputs, rows, (width, height), classes=classes)


def joint(rng):
    case = nanodet_plus(rng)
    outputs = {"log_depth": np.zeros((1, 1, 10, 18)), "detections": case.outputs["output"]}
    return Case("joint", outputs, case.rows, (72, 40), classes=NAMES, depth_kind="metric")


def yolox(rng, width=96, height=64):
    cells = [
        (x, y, stride)
        for stride in (8, 16, 32)
        for y in range(height // stride)
        for x in range(width // stride)
    ]
    raw = np.concatenate([normal(rng, len(cells), 4), random(rng, len(cells), 4)], axis=1)
    rows = []
    for i, (x, y, stride) in enumerate(cells):
        px, py, pw, ph, objectness, *classes = raw[i].tolist()
        w, h = math.exp(pw) * stride, math.exp(ph) * stride
        box = from_centre((px + x) * stride, (py + y) * stride, w, h)
        rows.append((box, [objectness * score for score in classes]))
    return Case("yolox", {"output": raw[None]}, rows, (width, height))


def yolov5(rng):
    raw = np.concatenate([random(rng, 40, 4) * 60, random(rng, 40, 4)], axis=1)
    rows = []
    for cx, cy, w, h, objectness, *classes in raw.tolist():
        rows.append((from_centre(cx, cy, w, h), [objectness * score for score in classes]))
    return Case("yolov5", {"output0": raw[None]}, rows)


def yolov8(rng, classes=NAMES):
    raw = np.concatenate([random(rng, 40, 4) * 60, random(rng, 40, len(classes))], axis=1)
    rows = [(from_centre(*row[:4]), row[4:]) for row in raw.tolist()]
    return Case("yolov8", {"output0": raw.T[None]}, rows, classes=classes)


def yolov8_two_classes(rng):
    return yolov8(rng, ("cup", "chair"))


def numbered(number, score):
    """Scores of all classes where one is told; none for a number outside the list."""
    return [score if c == number else -1.0 for c in range(len(NAMES))]


def end_to_end(rng):
    raw = np.zeros((1, 300, 6), np.float32)  # the rest is padding
    rows = []
    for i in range(30):
        x1, y1, w, h, score = (float(v) for v in random(rng, 5) * [40, 20, 20, 10, 1])
        number = i % 4  # 3 is no class of the card
        raw[0, i] = x1, y1, x1 + w, y1 + h, score, number
        rows.append(((x1, y1, x1 + w, y1 + h), numbered(number, score)))
    return Case("end-to-end", {"output0": raw}, rows)


def detr_sigmoid(rng):
    logits, boxes = normal(rng, 1, 30, 3), random(rng, 1, 30, 4)
    rows = []
    for row, (cx, cy, w, h) in zip(logits[0].tolist(), boxes[0].tolist(), strict=True):
        box = from_centre(cx * 64, cy * 32, w * 64, h * 32)
        rows.append((box, [1 / (1 + math.exp(-value)) for value in row]))
    return Case("detr", {"pred_boxes": boxes, "logits": logits}, rows, activation="sigmoid")


def detr_softmax(rng):
    logits, boxes = normal(rng, 1, 30, 4), random(rng, 1, 30, 4)
    rows = []
    for row, (cx, cy, w, h) in zip(logits[0].tolist(), boxes[0].tolist(), strict=True):
        box = from_centre(cx * 64, cy * 32, w * 64, h * 32)
        rows.append((box, softmax(row)[:3]))
    return Case("detr", {"logits": logits, "pred_boxes": boxes}, rows, activation="softmax")


def tf_detection(rng, first_class=1):
    boxes, rows = np.zeros((1, 50, 4), np.float32), []
    scores, numbers = random(rng, 1, 50), np.zeros((1, 50), np.float32)
    for i in range(50):
        y1, x1, h, w = random(rng, 4).tolist()
        boxes[0, i] = y1, x1, y1 + h, x1 + w
        numbers[0, i] = i % 5
        if i < 35:  # the count; what follows is rubbish
            box = (x1 * 64, y1 * 32, (x1 + w) * 64, (y1 + h) * 32)
            rows.append((box, numbered(i % 5 - first_class, float(scores[0, i]))))
    outputs = {
        "num_detections:0": np.array([35.0], np.float32),
        "detection_boxes:0": boxes,
        "detection_scores:0": scores,
        "detection_classes:0": numbers,
    }
    return Case("tf-detection", outputs, rows, first_class=first_class)


LAYOUTS = [
    nanodet_plus,
    joint,
    yolox,
    yolov5,
    yolov8,
    yolov8_two_classes,
    end_to_end,
    detr_sigmoid,
    detr_softmax,
    tf_detection,
]
layouts = pytest.mark.parametrize("layout", LAYOUTS)


def assert_same(found, expected):
    """Same candidates, whatever their order."""
    order = np.argsort(-found.scores, kind="stable")
    table = np.array(expected, float).reshape(-1, 6)
    np.testing.assert_array_equal(found.class_ids[order], table[:, 5])
    np.testing.assert_allclose(found.scores[order], table[:, 4], rtol=1e-5)
    np.testing.assert_allclose(found.boxes[order], table[:, :4], rtol=1e-4, atol=1e-3)
    assert found.boxes.shape == (len(table), 4)
    assert (found.boxes.dtype, found.class_ids.dtype) == (np.float32, np.int64)
    assert found.scores.dtype == np.float32


def test_every_detection_decoder_is_covered():
    rng = np.random.default_rng(0)
    assert {layout(rng).card.decoder for layout in LAYOUTS} == set(DECODERS)
    assert set(DECODERS) == set(Decoder) - {Decoder.DEPTH, Decoder.SEMANTIC}


@layouts
@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("conf", [0.05, 0.5])
def test_equals_the_plain_computation(layout, conf, multi_label):
    case = layout(np.random.default_rng(1))
    expected = case.expected(conf, multi_label)
    assert len(expected) > 2
    assert len(expected) < len(case.rows) * len(case.card.classes)
    assert_same(case.decode(conf, multi_label), expected)


@pytest.mark.parametrize(
    "layout", [nanodet_plus, yolox, yolov5, yolov8, detr_sigmoid, detr_softmax]
)
def test_several_labels_a_row_are_more(layout):
    case = layout(np.random.default_rng(2))
    assert len(case.decode(0.05, True).scores) > len(case.decode(0.05, False).scores)


@layouts
@pytest.mark.parametrize("multi_label", [False, True])
def test_nothing_above_conf(layout, multi_label):
    case = layout(np.random.default_rng(3))
    assert_same(case.decode(0.9999999, multi_label), [])


@pytest.mark.parametrize("layout", [yolov5, yolov8, end_to_end])
@pytest.mark.parametrize("multi_label", [False, True])
def test_no_rows_at_all(layout, multi_label):
    case = layout(np.random.default_rng(4))
    empty = case.outputs["output0"]
    empty = empty[:, :, :0] if layout is yolov8 else empty[:, :0]
    assert_same(case.decode(0.1, multi_label, output0=empty), [])


@pytest.mark.parametrize("layout", [detr_sigmoid, detr_softmax])
def test_no_queries(layout):
    case = layout(np.random.default_rng(4))
    empty = {name: array[:, :0] for name, array in case.outputs.items()}
    assert_same(case.decode(0.1, True, **empty), [])


def test_tf_detection_without_detections():
    case = tf_detection(np.random.default_rng(4))
    none = {"num_detections:0": np.zeros(1, np.float32)}
    assert len(case.decode(0.1).scores) > 0
    assert_same(case.decode(0.1, **none), [])


@pytest.mark.parametrize("count", [0, 1, 49, 50])
def test_tf_detection_reads_as_many_rows_as_it_is_told(count):
    case = tf_detection(np.random.default_rng(4))
    same = {
        "detection_scores:0": np.full((1, 50), 0.9, np.float32),
        "detection_classes:0": np.ones((1, 50), np.float32),
        "num_detections:0": np.array([count], np.float32),
    }
    np.testing.assert_array_equal(
        case.decode(**same).boxes[:, 0],
        case.outputs["detection_boxes:0"][0, :count, 1] * 64,
    )


@pytest.mark.parametrize("count", [np.float32(35), np.array([35]), np.array([[35.0]])])
def test_tf_detection_count_of_any_shape(count):
    case = tf_detection(np.random.default_rng(5))
    assert_same(case.decode(0.5, **{"num_detections:0": count}), case.expected(0.5, False))


def test_tf_detection_class_numbers_may_be_whole_and_start_at_zero():
    case = tf_detection(np.random.default_rng(5), first_class=0)
    numbers = case.outputs["detection_classes:0"].astype(np.int64)
    found = case.decode(0.5, **{"detection_classes:0": numbers})
    assert_same(found, case.expected(0.5, False))
    assert set(found.class_ids.tolist()) == {0, 1, 2}


def test_corners_out_of_order_are_put_in_order():
    case = end_to_end(np.random.default_rng(6))
    swapped = case.outputs["output0"][:, :, [2, 3, 0, 1, 4, 5]]
    assert_same(case.decode(0.3, output0=swapped), case.expected(0.3, False))


def test_negative_sizes_become_empty_boxes():
    case = yolov8(np.random.default_rng(6))
    raw = np.zeros((1, 7, 1), np.float32)
    raw[0, :, 0] = 10, 20, -5, 4, 0.1, 0.9, 0.2
    assert case.decode(output0=raw).boxes.tolist() == [[10, 18, 10, 22]]


@pytest.mark.parametrize("classes", [("cup",), NAMES])
@pytest.mark.parametrize(("width", "height", "bins"), [(64, 64, 8), (100, 33, 4)])
def test_nanodet_plus_of_other_sizes(classes, width, height, bins):
    case = nanodet_plus(np.random.default_rng(7), width, height, bins, classes)
    assert_same(case.decode(0.4), case.expected(0.4, False))


def test_half_precision_outputs():
    case = yolov8(np.random.default_rng(8))
    half = case.outputs["output0"].astype(np.float16)
    same = case.decode(0.3, output0=half.astype(np.float32))
    found = case.decode(0.3, output0=half)
    assert len(found.scores) > 5
    np.testing.assert_array_equal(found.boxes, same.boxes)
    np.testing.assert_array_equal(found.scores, same.scores)


def test_huge_numbers_pass_without_a_warning():
    case = yolox(np.random.default_rng(9))
    raw = np.full_like(case.outputs["output"], 0.5)
    raw[0, :, 2] = 200
    assert np.isinf(case.decode(0.1, output=raw).boxes[:, 2]).all()
    case = detr_sigmoid(np.random.default_rng(9))
    logits = np.full_like(case.outputs["logits"], -200)
    logits[0, 3, 1] = 200
    found = case.decode(0.1, logits=logits)
    assert (found.scores.tolist(), found.class_ids.tolist()) == ([1.0], [1])


def test_class_numbers_that_are_no_numbers_are_dropped():
    case = end_to_end(np.random.default_rng(10))
    raw = np.zeros((1, 4, 6), np.float32)
    raw[0, :, 4] = 0.9
    raw[0, :, 5] = np.nan, -1, 3, 2.0
    assert case.decode(output0=raw).class_ids.tolist() == [2]


def test_outputs_named_in_the_card():
    case = detr_softmax(np.random.default_rng(11))
    logits, boxes = case.outputs["logits"], case.outputs["pred_boxes"]
    case.outputs = {"logits": np.zeros(3), "a": logits, "b": boxes}
    case.card = replace(case.card, outputs={"logits": "a", "boxes": "b"})
    assert_same(case.decode(0.4), case.expected(0.4, False))


def test_the_one_output_may_be_named_in_the_card():
    case = yolov8(np.random.default_rng(11))
    case.outputs = {"first": np.zeros((1, 2, 3)), "second": case.outputs["output0"]}
    case.card = replace(case.card, outputs={"output": "second"})
    assert_same(case.decode(0.4), case.expected(0.4, False))


def test_an_output_that_is_not_there_is_named():
    case = detr_softmax(np.random.default_rng(12))
    case.outputs = {"logits": case.outputs["logits"], "corners": case.outputs["pred_boxes"]}
    with pytest.raises(
        CardError, match=r"no output pred_boxes or boxes for 'boxes'.* has logits, c"
    ):
        case.decode()


@pytest.mark.parametrize(
    ("layout", "name", "shape"),
    [
        (nanodet_plus, "output", (1, 20, 35)),  # another input's number of rows
        (nanodet_plus, "output", (1, 63, 3)),  # no distributions
        (nanodet_plus, "output", (1, 63, 36)),  # distributions of unequal length
        (nanodet_plus, "output", (63, 35)),
        (nanodet_plus, "output", (2, 63, 35)),
        (yolox, "output", (1, 100, 8)),
        (yolox, "output", (1, 126, 85)),
        (yolox, "output", (1, 8, 126)),
        (yolov5, "output0", (1, 40, 7)),
        (yolov5, "output0", (1, 3, 8, 8, 8)),
        (yolov5, "output0", (2, 40, 8)),
        (yolov8, "output0", (1, 40, 7)),
        (yolov8, "output0", (1, 8, 40)),
        (yolov8, "output0", (2, 7, 40)),
        (yolov8, "output0", (7, 40)),
        (end_to_end, "output0", (1, 300, 7)),
        (end_to_end, "output0", (300, 6)),
        (end_to_end, "output0", (2, 300, 6)),
        (detr_sigmoid, "logits", (1, 30, 4)),
        (detr_sigmoid, "logits", (1, 29, 3)),
        (detr_sigmoid, "logits", (30, 3)),
        (detr_sigmoid, "logits", (2, 30, 3)),
        (detr_sigmoid, "pred_boxes", (1, 30, 5)),
        (detr_sigmoid, "pred_boxes", (30, 4)),
        (detr_softmax, "logits", (1, 30, 3)),
        (detr_softmax, "pred_boxes", (2, 30, 4)),
        (tf_detection, "detection_boxes:0", (1, 50, 5)),
        (tf_detection, "detection_boxes:0", (50, 4)),
        (tf_detection, "detection_scores:0", (1, 49)),
        (tf_detection, "detection_scores:0", ()),
        (tf_detection, "detection_scores:0", (2, 50)),
        (tf_detection, "detection_classes:0", (1, 50, 1)),
        (tf_detection, "num_detections:0", (2,)),
        (tf_detection, "num_detections:0", (0,)),
    ],
)
def test_shapes_that_contradict_the_card(layout, name, shape):
    case = layout(np.random.default_rng(13))
    with pytest.raises(CardError, match=r"^net: "):
        case.decode(**{name: np.full(shape, 0.5, np.float32)})
