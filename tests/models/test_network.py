"""Networks: what a card and a runtime make of a picture; the runtime gives fixed outputs."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from networks import depth_card

from howfar.core.camera import Camera
from howfar.core.depth import DepthKind
from howfar.core.image import Image
from howfar.core.preprocess import Fit, Preprocess
from howfar.errors import CardError, UsageError
from howfar.models.card import ModelCard
from howfar.models.network import DetectOptions, Network, TensorSpec

NAMES = ("cup", "chair", "N/A", "dog")
NAN = float("nan")


@dataclass
class FixedRuntime:
    """Gives the same outputs whatever it is fed, and remembers what that was."""

    values: dict
    inputs: tuple = (TensorSpec("images", (1, 3, None, None), "float32"),)
    feeds: dict = field(default_factory=dict)
    name = "fixed 1"
    precision = "float32"
    threads = 3
    outputs = ()
    metadata = None

    def run(self, feeds):
        self.feeds = dict(feeds)
        return self.values


def picture(width=8, height=6, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image(pixels)


def depth_network(values, width=8, height=6, name="depth", **card):
    array = np.asarray(values, np.float32)
    return Network(depth_card(width, height, **card), FixedRuntime({name: array}))


def estimate(values, **card):
    """(values, valid) of a depth network whose output is `values` at the picture's own size."""
    array = np.asarray(values, np.float32)[None, None]
    height, width = array.shape[2:]
    found = depth_network(array, width, height, **card).estimate(picture(width, height))
    assert str(found.kind) == card.get("kind", "metric")
    return found.values, found.valid


RAW = [[1.0, 2.0, 4.0], [0.0, -1.0, NAN], [np.inf, -np.inf, 0.5]]
USABLE = [[True, True, True], [False, False, False], [False, False, True]]


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ({"kind": "metric"}, [1.0, 2.0, 4.0, 0.5]),
        ({"kind": "metric", "depth_unit_m": 0.001}, [0.001, 0.002, 0.004, 0.0005]),
        ({"kind": "metric", "depth_inverse": True}, [1.0, 0.5, 0.25, 2.0]),
        # inverse depth of 2 units, each 0.1 per metre, is 5 m
        ({"kind": "metric", "depth_inverse": True, "depth_unit_m": 0.1}, [10.0, 5.0, 2.5, 20.0]),
        ({"kind": "relative"}, [1.0, 2.0, 4.0, 0.5]),
        ({"kind": "relative", "depth_inverse": True}, [1.0, 2.0, 4.0, 0.5]),
        ({"kind": "relative", "depth_inverse": False}, [1.0, 0.5, 0.25, 2.0]),
        # the unit means nothing without metres
        ({"kind": "relative", "depth_unit_m": 0.001}, [1.0, 2.0, 4.0, 0.5]),
    ],
)
def test_depth_kinds(card, expected):
    values, valid = estimate(RAW, **card)
    assert valid.tolist() == USABLE
    np.testing.assert_allclose(values[valid], expected, rtol=1e-6)


def test_logarithms_of_depth_may_be_zero_or_negative():
    values, valid = estimate([[0.0, -1.0], [1.0, np.nan]], kind="metric", depth_log=True)
    assert valid.tolist() == [[True, True], [True, False]]
    np.testing.assert_allclose(values[valid], np.exp([0, -1, 1]), rtol=1e-6)


def test_affine_inverse_depth_may_be_zero_or_negative():
    values, valid = estimate(RAW, kind="relative-affine")
    assert valid.tolist() == np.isfinite(RAW).tolist()
    np.testing.assert_array_equal(values[valid], [1, 2, 4, 0, -1, 0.5])


def test_affine_depth_is_inverted_where_it_can_be():
    values, valid = estimate(RAW, kind="relative-affine", depth_inverse=False)
    assert valid.tolist() == USABLE
    np.testing.assert_array_equal(values[valid], [1, 0.5, 0.25, 2])


def test_numbers_too_small_to_invert_are_invalid():
    _, valid = estimate([[1e-41, 1.0], [1e-38, 0.0]], kind="metric", depth_inverse=True)
    assert valid.tolist() == [[False, True], [True, False]]


def test_depth_is_resized_and_holes_stay_holes():
    rows = np.full((1, 1, 3, 4), 2.0, np.float32)
    rows[..., 2:] = 4.0
    rows[..., 0, 0] = 0.0
    found = depth_network(rows).estimate(picture())
    assert found.values.shape == (6, 8)
    assert not found.valid[:2, :2].any()
    assert found.valid[3:].all()
    assert set(found.values[:, 7]) == {4.0}
    # bilinear, pixel centres at half positions: 1/4 and 3/4 between the two columns
    np.testing.assert_allclose(found.values[5], [2, 2, 2, 2.5, 3.5, 4, 4, 4])


def test_padding_is_cut_off_the_depth():
    card = ModelCard("d", "depth", Preprocess(8, 8, Fit.LETTERBOX), depth_kind="metric")
    rows = np.repeat(np.arange(1.0, 9.0, dtype=np.float32), 8).reshape(1, 1, 8, 8)
    found = Network(card, FixedRuntime({"d": rows})).estimate(picture(8, 4))
    assert found.values[:, 0].tolist() == [3, 4, 5, 6]


@pytest.mark.parametrize("shape", [(6, 8), (1, 6, 8), (1, 1, 6, 8), (1, 6, 8, 1)])
def test_depth_of_any_number_of_axes(shape):
    values = np.arange(1, 49, dtype=np.float32).reshape(shape)
    found = depth_network(values).estimate(picture())
    np.testing.assert_array_equal(found.values, values.reshape(6, 8))


@pytest.mark.parametrize("shape", [(1, 2, 6, 8), (2, 1, 6, 8), (48,)])
def test_depth_of_a_wrong_shape(shape):
    with pytest.raises(CardError, match=r"^tiny-depth: depth output has shape "):
        depth_network(np.ones(shape)).estimate(picture())


def test_depth_output_named_in_the_card():
    runtime = FixedRuntime({"a": np.ones((6, 8)), "b": np.full((6, 8), 2.0)})
    assert Network(depth_card(8, 6), runtime).estimate(picture()).values.max() == 1
    named = Network(depth_card(8, 6, outputs={"depth": "b"}), runtime)
    assert named.estimate(picture()).values.min() == 2
    wrong = Network(depth_card(8, 6, outputs={"depth": "c"}), runtime)
    with pytest.raises(CardError, match=r"^tiny-depth: no output 'c'; it has a, b"):
        wrong.estimate(picture())


@pytest.mark.parametrize(
    ("trained", "camera", "kind", "expected"),
    [
        (None, 100.0, "metric", 3.0),
        (50.0, None, "metric", 3.0),
        # 100 px in a picture of 16 px are 50 px in an input of 8 px
        (50.0, 100.0, "metric", 3.0),
        (50.0, 300.0, "metric", 9.0),
        (200.0, 100.0, "metric", 0.75),
        (200.0, 100.0, "relative", 3.0),
    ],
)
def test_known_focal_length_rescales_metres(trained, camera, kind, expected):
    network = depth_network(np.full((6, 8), 3.0), kind=kind, focal_px=trained)
    image = picture(16, 12)
    found = network.estimate(image, camera and Camera.from_focal(camera, 16, 12))
    np.testing.assert_allclose(found.values, expected, rtol=1e-6)


@pytest.mark.parametrize(("exponent", "expected"), [(0.5, 6.0), (0.0, 3.0)])
def test_a_network_that_expects_usual_sizes_is_rescaled_less(exponent, expected):
    values = np.full((6, 8), 3.0)
    network = depth_network(values, kind="metric", focal_px=50.0, focal_exponent=exponent)
    found = network.estimate(picture(16, 12), Camera.from_focal(400.0, 16, 12))
    np.testing.assert_allclose(found.values, expected, rtol=1e-6)


def test_focal_length_rescales_inverse_depth_after_inversion():
    network = depth_network(np.full((6, 8), 0.5), depth_inverse=True, focal_px=50.0)
    found = network.estimate(picture(), Camera.from_focal(100.0, 8, 6))
    np.testing.assert_allclose(found.values, 4.0, rtol=1e-6)


# -- detectors --------------------------------------------------------------------------------


def detector(rows, classes=NAMES, decoder="yolov8", size=(64, 64), **card):
    """A YOLOv8-like network that gives rows of (cx, cy, w, h, scores)."""
    raw = np.asarray(rows, np.float32).reshape(-1, 4 + len(classes)).T[None]
    card = ModelCard("tiny", decoder, Preprocess(*size, Fit.LETTERBOX), classes, **card)
    return Network(card, FixedRuntime({"output0": raw}))


def detect(rows, image=None, classes=NAMES, **options):
    found = detector(rows, classes).detect(image or picture(64, 64), DetectOptions(**options))
    return [
        (label, round(float(score), 4), box)
        for label, score, box in zip(found.labels, found.scores, found.boxes.tolist(), strict=True)
    ]


CUP = (20, 20, 10, 10, 0.9, 0.1, 0, 0)
CUP_AGAIN = (21, 20, 10, 10, 0.8, 0.1, 0, 0)
CHAIR = (40, 40, 20, 10, 0, 0.95, 0, 0)
CUP_BOX, CHAIR_BOX = [15, 15, 25, 25], [30, 35, 50, 45]


def test_best_score_first_and_duplicates_suppressed():
    assert detect([CUP_AGAIN, CUP, CHAIR]) == [("chair", 0.95, CHAIR_BOX), ("cup", 0.9, CUP_BOX)]
    assert [score for _, score, _ in detect([CUP_AGAIN, CUP], iou=0.9)] == [0.9]
    assert [score for _, score, _ in detect([CUP_AGAIN, CUP], iou=0.9, multi_label=True)] == [
        0.9,
        0.8,
    ]


def test_nothing_found():
    found = detector([CUP]).detect(picture(64, 64), DetectOptions(conf=0.95))
    assert len(found) == 0
    assert found.class_names == NAMES
    assert detect([]) == []


def test_boxes_are_mapped_to_the_picture_and_clipped():
    # 128x64 px into 64x64: half the size, 16 px of padding above
    wide = picture(128, 64)
    assert detect([(20, 30, 10, 20, 0.9, 0, 0, 0)], wide) == [("cup", 0.9, [30, 8, 50, 48])]
    assert detect([(0, 40, 20, 80, 0.9, 0, 0, 0)], wide) == [("cup", 0.9, [0, 0, 20, 64])]


def test_max_det():
    assert detect([CUP, CHAIR], max_det=1) == [("chair", 0.95, CHAIR_BOX)]


def test_classes_filter():
    assert detect([CUP, CHAIR], classes=NAMES) != []
    found = detector([CUP, CHAIR]).detect(picture(64, 64), DetectOptions(classes=("cup", "dog")))
    assert found.labels == ["cup"]
    with pytest.raises(UsageError, match=r"'sofa' is unknown to tiny; it knows cup, chair, dog$"):
        detector([CUP]).detect(picture(64, 64), DetectOptions(classes=("cup", "sofa")))


def test_numbers_without_a_class_are_dropped():
    assert detect([(20, 20, 10, 10, 0.1, 0.2, 0.9, 0.3)]) == []
    both = detect([(20, 20, 10, 10, 0.1, 0.2, 0.9, 0.3)], multi_label=True)
    assert [label for label, _, _ in both] == ["dog"]


def test_one_thing_with_two_names_keeps_the_better():
    row = (20, 20, 10, 10, 0.6, 0, 0, 0.7)
    almost = (20, 20, 10, 10.5, 0.8, 0, 0, 0)
    assert [label for label, _, _ in detect([row, almost])] == ["cup"]
    several = detect([row, almost], multi_label=True)
    assert [(label, score) for label, score, _ in several] == [("cup", 0.8), ("dog", 0.7)]
    together = detect([row, almost], multi_label=True, agnostic=True)
    assert [(label, score) for label, score, _ in together] == [("cup", 0.8)]


def test_overlapping_things_of_two_classes_both_stay_unless_agnostic():
    dog = (20, 21.5, 10, 10, 0, 0, 0, 0.8)  # IoU .74 with the cup
    assert [label for label, _, _ in detect([CUP, dog])] == ["cup", "dog"]
    assert [label for label, _, _ in detect([CUP, dog], agnostic=True)] == ["cup"]


def test_layouts_without_duplicates_are_not_suppressed():
    rows = np.array([[[15, 15, 25, 25, 0.9, 0], [17, 15, 27, 25, 0.8, 0]]], np.float32)
    card = ModelCard("e2e", "end-to-end", Preprocess(64, 64), NAMES)
    network = Network(card, FixedRuntime({"output0": rows}))
    found = network.detect(picture(64, 64), DetectOptions(iou=0.3))
    np.testing.assert_allclose(found.scores, [0.9, 0.8])
    assert len(detect([CUP, CUP_AGAIN], iou=0.3)) == 1


def test_boxes_and_scores_that_are_no_numbers_are_dropped():
    rows = [(NAN, 20, 10, 10, 0.9, 0, 0, 0), (20, 20, np.inf, 10, 0.9, 0, 0, 0)]
    rows.append((20, 20, 10, 10, np.inf, 0, 0, 0))
    assert detect([*rows, CHAIR]) == [("chair", 0.95, CHAIR_BOX)]


def test_scores_are_limited_to_one():
    assert detect([(20, 20, 10, 10, 1.00001, 0, 0, 0)]) == [("cup", 1.0, CUP_BOX)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"conf": -0.1}, "conf is -0.1; give a number in 0..1"),
        ({"conf": NAN}, "conf is nan"),
        ({"iou": 1.5}, "iou is 1.5"),
        ({"max_det": 0}, "max_det is 0; give at least 1"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(UsageError, match=message):
        DetectOptions(**options)


# -- semantic networks ------------------------------------------------------------------------


def semantic(logits, classes=("wall", "floor", "sofa"), **card):
    card = ModelCard("rooms", "semantic", Preprocess(8, 8, Fit.LETTERBOX), classes, **card)
    return Network(card, FixedRuntime({"logits": np.asarray(logits, np.float32)}))


def test_most_probable_class_of_every_pixel():
    logits = np.zeros((1, 3, 4, 4), np.float32)
    logits[0, 1, 2:] = 5  # floor below
    logits[0, 2, 2:, 3] = 9  # sofa at its right
    logits[0, 2, 0] = 9  # in the padding
    found = semantic(logits).segment(picture(16, 8))
    assert found.labels.shape == (8, 16)
    assert found.class_names == ("wall", "floor", "sofa")
    assert (found.labels[:4] == 0).all()
    assert (found.labels[4:, :12] == 1).all()
    assert (found.labels[4:, 12:] == 2).all()


@pytest.mark.parametrize("shape", [(3, 4, 4), (1, 2, 4, 4), (1, 4, 4, 3), (2, 3, 4, 4)])
def test_logits_of_a_wrong_shape(shape):
    with pytest.raises(CardError, match=r"^rooms: semantic output of shape .* fit 3 classes"):
        semantic(np.zeros(shape)).segment(picture())


def test_logits_named_in_the_card():
    network = semantic(np.zeros((1, 3, 8, 8)), outputs={"logits": "scores"})
    with pytest.raises(CardError, match=r"^rooms: no output 'scores'; it has logits"):
        network.segment(picture())


# -- tasks, inputs and sizes ------------------------------------------------------------------


def test_a_network_does_one_task():
    image = picture()
    with pytest.raises(UsageError, match="tiny-depth is a depth network, not a detection one"):
        depth_network(np.ones((6, 8))).detect(image, DetectOptions())
    with pytest.raises(UsageError, match="tiny-depth is a depth network, not a semantic one"):
        depth_network(np.ones((6, 8))).segment(image)
    with pytest.raises(UsageError, match="tiny is a detection network, not a depth one"):
        detector([CUP]).estimate(image)


def test_use_says_what_ran():
    network = replace(depth_network(np.ones((6, 8)), domain="kitchens"), sha256="ab")
    use = network.use("depth")
    assert (use.role, use.name, use.sha256) == ("depth", "tiny-depth", "ab")
    assert (use.runtime, use.precision, use.threads) == ("fixed 1", "float32", 3)
    assert use.domain == "kitchens"


@pytest.mark.parametrize(
    ("dtype", "graph", "layout"),
    [
        ("float32", "float32", "NCHW"),
        ("float32", "float16", "NCHW"),
        ("float16", "float32", "NCHW"),
        ("float32", "float32", "NHWC"),
        ("uint8", "uint8", "NHWC"),
        ("uint8", "float32", "NCHW"),
    ],
)
def test_the_input_has_the_graphs_type_and_the_cards_layout(dtype, graph, layout):
    divisor = 1.0 if dtype == "uint8" else 255.0
    preprocess = Preprocess(8, 6, channels="BGR", divisor=divisor, layout=layout, dtype=dtype)
    card = ModelCard("d", "depth", preprocess, depth_kind="metric")
    shape = (1, 6, 8, 3) if layout == "NHWC" else (1, 3, 6, 8)
    runtime = FixedRuntime({"d": np.ones((6, 8))}, (TensorSpec("x", shape, graph),))
    image = picture()
    Network(card, runtime).estimate(image)
    (name,), (fed,) = runtime.feeds, runtime.feeds.values()
    assert (name, fed.dtype, fed.shape) == ("x", np.dtype(graph), shape)
    rows = fed[0] if layout == "NHWC" else fed[0].transpose(1, 2, 0)
    tolerance = 1e-3 if "float16" in (dtype, graph) else 1e-6
    np.testing.assert_allclose(rows[..., ::-1], image.pixels / divisor, atol=tolerance)


@pytest.mark.parametrize(
    ("spec", "shape"), [((1, None, None), (1, 48, 64)), ((1, 48, 64), (1, 48, 64))]
)
def test_a_pixel_mask_is_all_ones(spec, shape):
    card = ModelCard("d", "depth", Preprocess(64, 48), depth_kind="metric")
    inputs = (
        TensorSpec("pixel_values", (1, 3, 48, 64), "float32"),
        TensorSpec("pixel_mask", spec, "int64"),
    )
    runtime = FixedRuntime({"d": np.ones((6, 8))}, inputs)
    Network(card, runtime).estimate(picture())
    mask = runtime.feeds["pixel_mask"]
    assert (mask.dtype, mask.shape) == (np.int64, shape)
    assert (mask == 1).all()


def test_an_input_that_nothing_is_known_to_feed():
    inputs = (FixedRuntime.inputs[0], TensorSpec("orig_target_sizes", (1, 2), "int64"))
    network = Network(depth_card(8, 6), FixedRuntime({"d": np.ones((6, 8))}, inputs))
    with pytest.raises(CardError, match="nothing is known to feed its input 'orig_target_sizes'"):
        network.estimate(picture())


def sized(shape, **preprocess):
    card = ModelCard("d", "depth", Preprocess(64, 48, **preprocess), depth_kind="metric")
    return Network(card, FixedRuntime({}, (TensorSpec("x", shape, "float32"),)))


@pytest.mark.parametrize(
    ("shape", "preprocess", "message"),
    [
        ((1, 3, 48, 32), {}, "input width is 32, fixed; its card or --imgsz asks for 64"),
        ((1, 3, 40, 64), {}, "input height is 40, fixed; its card or --imgsz asks for 48"),
        ((1, 3, None, 32), {}, "input width is 32"),
        ((1, 48, 64, 3), {}, "not 3 channels in layout NCHW"),
        ((1, 3, 48, 64), {"layout": "NHWC"}, "not 3 channels in layout NHWC"),
        ((1, 1, 48, 64), {}, "not 3 channels"),
        ((1, 48, 32, 3), {"layout": "NHWC"}, "input width is 32"),
        ((1, 3, 48, 64), {"fit": "keep-aspect"}, "asks for any"),
        ((1, 3, 48, 64), {"fit": "letterbox", "minimal": True}, "asks for any"),
        ((1, 3, 64), {}, r"input x has shape \(1, 3, 64\); not 4-D"),
    ],
)
def test_graphs_that_contradict_the_cards_size(shape, preprocess, message):
    with pytest.raises(CardError, match=f"^d: .*{message}"):
        sized(shape, **preprocess)


@pytest.mark.parametrize(
    ("shape", "preprocess"),
    [
        ((1, 3, 48, 64), {}),
        ((1, 48, 64, 3), {"layout": "NHWC"}),
        ((None, 3, None, None), {}),
        ((None, None, None, None), {}),
        ((1, 3, None, None), {"fit": "keep-aspect"}),
        ((1, 3, None, None), {"fit": "letterbox", "minimal": True}),
    ],
)
def test_graphs_that_fit_the_cards_size(shape, preprocess):
    assert sized(shape, **preprocess).card.preprocess.width == 64


def test_every_depth_kind_is_tested():
    assert {str(kind) for kind in DepthKind} == {"metric", "relative", "relative-affine"}
