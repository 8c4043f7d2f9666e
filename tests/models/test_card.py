"""Model cards: reading, writing, refusing."""

import json
import re
from dataclasses import fields

import numpy as np
import onnx
import onnxruntime
import pytest
from networks import constant_network, depth_card

from howfar.core.preprocess import Fit, Preprocess
from howfar.errors import CardError
from howfar.models.card import (
    METADATA_KEY,
    Decoder,
    ModelCard,
    Task,
    embed_card,
    read_sidecar,
    sidecar_path,
)
from howfar.models.classes import COCO80, COCO91

FULL = ModelCard(
    name="Zählwerk",
    decoder=Decoder.DETR,
    preprocess=Preprocess(
        640,
        480,
        Fit.LETTERBOX_TOP_LEFT,
        channels="BGR",
        divisor=2.0,
        mean=(1.5, 2.0, 3.0),
        std=(0.5, 0.25, 4.0),
        interpolation="cubic",
        pad_value=0,
        multiple=7,
        layout="NHWC",
        dtype="float16",
        scale_up=False,
        minimal=True,
    ),
    classes=("cup", "chair"),
    outputs={"logits": "a", "boxes": "b"},
    activation="softmax",
    first_class=1,
    precision="int8",
    domain="kitchens",
    licence="MIT",
    origin="https://example.org/",
    published="AP .5",
)
DEPTH = depth_card(
    kind="relative",
    depth_inverse=False,
    depth_log=True,
    depth_unit_m=0.001,
    focal_px=721.5,
    focal_exponent=0.5,
    outputs={"depth": "d"},
)
JOINT = ModelCard(
    "j",
    Decoder.JOINT,
    Preprocess(64, 64),
    ("cup",),
    labels=("road", "sky"),
    depth_kind="metric",
    interval_level=0.8,
    interval_scales=(-3.0, -1.0),
    interval_factors=(1.5, 2.0),
)


def record(**changes):
    """A small valid record with changes; a value of `...` leaves the field out."""
    base = {
        "name": "n",
        "decoder": "yolov8",
        "preprocess": {"width": 64, "height": 32},
        "classes": ["cup"],
    }
    return {key: value for key, value in (base | changes).items() if value is not ...}


@pytest.mark.parametrize("card", [FULL, DEPTH, JOINT], ids=["detector", "depth", "joint"])
def test_json_round_trip_keeps_every_field(card):
    again = ModelCard.from_json(json.dumps(card.to_dict()), "x")
    assert again == card
    for item in fields(ModelCard):
        assert type(getattr(again, item.name)) is type(getattr(card, item.name)), item.name


def test_the_round_trip_tests_set_every_field_away_from_its_default():
    for item in fields(ModelCard):
        values = [getattr(card, item.name) for card in (FULL, DEPTH, JOINT)]
        assert any(value != item.default for value in values), item.name
    for item in fields(Preprocess):
        assert getattr(FULL.preprocess, item.name) != item.default, item.name


def test_record_leaves_out_defaults_and_names_known_class_lists():
    card = ModelCard("n", Decoder.YOLOX, Preprocess(416, 416), COCO80)
    assert card.to_dict() == {
        "name": "n",
        "decoder": "yolox",
        "preprocess": {"width": 416, "height": 416},
        "classes": "coco80",
    }


@pytest.mark.parametrize(("name", "names"), [("coco80", COCO80), ("coco91", COCO91)])
def test_known_class_lists_by_name(name, names):
    assert ModelCard.from_dict(record(classes=name)).classes == names


@pytest.mark.parametrize("decoder", Decoder)
def test_decoder_decides_the_task(decoder):
    card = ModelCard("n", decoder, Preprocess(8, 8), ("cup",), depth_kind="metric")
    others = {"depth": Task.DEPTH, "semantic": Task.SEMANTIC, "joint": Task.JOINT}
    expected = others.get(str(decoder), Task.DETECT)
    assert card.task is expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": ...}, "field 'name' is missing"),
        ({"decoder": ...}, "field 'decoder' is missing"),
        ({"preprocess": ...}, "field 'preprocess' is missing"),
        ({"preprocess": {"width": 3}}, "preprocess: field 'height' is missing"),
        ({"preprocess": {"height": 3}}, "preprocess: field 'width' is missing"),
        ({"colour": "red"}, "unknown field 'colour'; known: activation, classes,"),
        (
            {"preprocess": {"width": 3, "height": 3, "size": 3}},
            "preprocess: unknown field 'size'; known: channels,",
        ),
    ],
)
def test_unknown_and_missing_fields_are_named(changes, message):
    with pytest.raises(CardError, match=re.escape(message)):
        ModelCard.from_dict(record(**changes))


WRONG_TYPES = [
    ("name", 5),
    ("decoder", ["yolov8"]),
    ("preprocess", [64, 32]),
    ("classes", 5),
    ("classes", [1, 2]),
    ("classes", {"0": "cup"}),
    ("labels", 5),
    ("outputs", "output0"),
    ("outputs", {"output": 0}),
    ("activation", None),
    ("first_class", "1"),
    ("first_class", 1.5),
    ("first_class", True),
    ("depth_kind", 1),
    ("depth_inverse", "no"),
    ("depth_inverse", 0),
    ("depth_log", "yes"),
    ("depth_unit_m", "0.001"),
    ("depth_unit_m", None),
    ("depth_unit_m", float("nan")),
    ("focal_px", [700]),
    ("focal_px", float("inf")),
    ("focal_exponent", "0.5"),
    ("interval_level", "0.8"),
    ("interval_scales", ["a"]),
    ("interval_factors", 2.0),
    ("precision", 32),
    ("domain", None),
    ("licence", ["MIT"]),
    ("origin", 1),
    ("published", 0.5),
]


@pytest.mark.parametrize(("name", "value"), WRONG_TYPES)
def test_wrong_types_are_named_with_the_value(name, value):
    with pytest.raises(CardError, match=re.escape(f"card {value!r}" if name == "name" else name)):
        ModelCard.from_dict(record(**{name: value}))
    with pytest.raises(CardError, match=re.escape(f"{value!r}; expected ")):
        ModelCard.from_dict(record(**{name: value}))


def test_wrong_types_cover_every_field():
    assert {name for name, _ in WRONG_TYPES} == {item.name for item in fields(ModelCard)}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("width", "416"),
        ("width", 416.5),
        ("height", None),
        ("fit", 3),
        ("channels", ["R", "G", "B"]),
        ("divisor", "255"),
        ("mean", 0.5),
        ("mean", [0.5, 0.5]),
        ("mean", ["a", "b", "c"]),
        ("std", [1, 1, None]),
        ("interpolation", 1),
        ("pad_value", [114]),
        ("multiple", 3.2),
        ("layout", None),
        ("dtype", 1),
        ("scale_up", "yes"),
        ("minimal", 1),
    ],
)
def test_wrong_types_of_preprocessing_are_named(name, value):
    preprocess = {"width": 64, "height": 32, name: value}
    with pytest.raises(CardError, match=f"card 'n': preprocess: field '{name}' is "):
        ModelCard.from_dict(record(preprocess=preprocess))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"decoder": "joint", "depth_kind": "metric", "interval_level": 80.0},
            "interval_level is 80.0; give a share in 0..1",
        ),
        (
            {
                "decoder": "joint",
                "depth_kind": "metric",
                "interval_level": 0.8,
                "interval_scales": [1.0, 0.0],
                "interval_factors": [1.0, 1.0],
            },
            "interval_scales must rise",
        ),
        ({"decoder": "yolov99"}, "decoder 'yolov99' is not one of nanodet-plus, yolox"),
        ({"classes": "coco12"}, "classes 'coco12' is no list and no known set"),
        ({"classes": ...}, "a detect network needs its classes"),
        ({"decoder": "semantic", "classes": []}, "a semantic network needs its classes"),
        ({"decoder": "depth"}, "depth_kind is None; use one of metric, relative"),
        ({"decoder": "depth", "depth_kind": "m"}, "depth_kind is 'm'"),
        ({"activation": "relu"}, "activation is 'relu'; use 'sigmoid' or 'softmax'"),
        ({"preprocess": {"width": 0, "height": 3}}, "card 'n': preprocess: .*0x3"),
        (
            {"preprocess": {"width": 3, "height": 3, "channels": "GBR"}},
            "card 'n': preprocess: channels is 'GBR'",
        ),
        (
            {"preprocess": {"width": 3, "height": 3, "fit": "squeeze"}},
            "card 'n': preprocess: fit is 'squeeze'",
        ),
    ],
)
def test_impossible_values_are_named(changes, message):
    with pytest.raises(CardError, match=message):
        ModelCard.from_dict(record(**changes))


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["depth_unit_m", "focal_px"])
def test_lengths_are_positive_and_finite(name, value):
    with pytest.raises(CardError, match=f"{name} is {value}; must be > 0"):
        depth_card(**{name: value})


@pytest.mark.parametrize("value", [-0.1, 1.5, float("nan")])
def test_a_focal_exponent_is_a_share(value):
    with pytest.raises(CardError, match=f"focal_exponent is {value}; must be 0 to 1"):
        depth_card(focal_exponent=value)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", b"\xff\xfe"])
def test_a_card_that_is_no_json_object_names_its_file(text):
    with pytest.raises(CardError, match=r"cards/my.card.json: "):
        ModelCard.from_json(text, "cards/my.card.json")


def test_sidecar(tmp_path):
    model = tmp_path / "my.net.onnx"
    assert sidecar_path(model) == tmp_path / "my.net.card.json"
    assert read_sidecar(model) is None
    sidecar_path(model).write_text(json.dumps(FULL.to_dict()), encoding="utf-8")
    assert read_sidecar(model) == FULL
    sidecar_path(model).write_text("{}")
    with pytest.raises(CardError, match=re.escape(f"{sidecar_path(model)}: card '?'")):
        read_sidecar(model)


@pytest.mark.parametrize("metadata", [{}, {"stride": "32", "names": "{0: 'cup'}"}])
def test_embedded_card_is_read_by_onnx_runtime_and_onnx(tmp_path, metadata):
    values = {"depth": np.ones((1, 1, 4, 4), np.float32)}
    path = constant_network(tmp_path / "net.onnx", values, metadata=metadata)
    long = ModelCard("n", Decoder.YOLOV8, Preprocess(8, 8), tuple(f"ü{i}" for i in range(500)))
    for card in (FULL, long):
        path_with = tmp_path / "with.onnx"
        path_with.write_bytes(embed_card(path.read_bytes(), card))
        onnx.checker.check_model(str(path_with), full_check=True)
        session = onnxruntime.InferenceSession(path_with, providers=["CPUExecutionProvider"])
        found = dict(session.get_modelmeta().custom_metadata_map)
        assert ModelCard.from_json(found.pop(METADATA_KEY), "x") == card
        assert found == metadata
        (depth,) = session.run(None, {"images": np.zeros((1, 3, 32, 32), np.float32)})
        assert depth.tolist() == values["depth"].tolist()


def test_a_second_card_is_refused(tmp_path):
    path = constant_network(tmp_path / "net.onnx", {"depth": np.ones((1, 1, 4, 4), np.float32)})
    with pytest.raises(CardError, match="already holds a card; write a sidecar"):
        embed_card(embed_card(path.read_bytes(), FULL), DEPTH)
