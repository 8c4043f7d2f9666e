"""The network that comes with the package: offline, on the first picture."""

from pathlib import Path

import pytest

import howfar
from howfar.core.result import Result
from howfar.loading import load_network
from howfar.models.card import Task
from howfar.models.catalog import CATALOG
from howfar.models.store import EMBEDDED, find_model

EXAMPLES = Path(howfar.__file__).parent / "web" / "static" / "examples"


@pytest.fixture(scope="module")
def table_with_cup():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOWFAR_MODELS", "")
        patch.setenv("HOWFAR_OFFLINE", "1")
        return howfar_s()(EXAMPLES / "coffee.jpg")


def howfar_s():
    return howfar.load("howfar-s", "howfar-s", runtime="onnx", threads=1)


def test_the_catalog_says_what_the_file_says():
    found = find_model("howfar-s")
    assert found.path.parent == EMBEDDED
    inside = load_network(found, Task.JOINT).runtime.metadata["howfar.card"]
    assert CATALOG["howfar-s"].card == type(found.card).from_json(inside, "embedded")


def test_it_is_small():
    onnx = pytest.importorskip("onnx")
    path = EMBEDDED / "howfar-s.onnx"
    assert path.stat().st_size < 12e6
    weights = onnx.load(path).graph.initializer
    count = sum(onnx.numpy_helper.to_array(w).size for w in weights)
    assert count < 4e6


def test_it_tells_no_folder_of_where_it_was_made():
    content = (EMBEDDED / "howfar-s.onnx").read_bytes()
    assert b"howfar.card" in content
    assert b"stack_trace" not in content
    assert b"site-packages" not in content


def test_a_cup_on_a_table(table_with_cup: Result):
    result = table_with_cup
    assert result.join == "joint"
    assert [use.name for use in result.models] == ["howfar-s"]
    cup = next(thing for thing in result.objects if thing.label == "cup")
    assert 0.2 < cup.distance_m < 2
    assert cup.interval_kind == "calibrated"
    low, high = cup.interval_m
    assert low < cup.distance_m < high
    assert result.domain in ("familiar", "unfamiliar")
    assert result.depth.is_metric
    assert result.depth.valid.all()


def test_a_longer_lens_sees_the_same_farther_away(table_with_cup: Result):
    longer = howfar_s()(EXAMPLES / "coffee.jpg", focal_px=1200)
    wider = howfar_s()(EXAMPLES / "coffee.jpg", focal_px=600)
    for near, far in zip(wider.objects, longer.objects, strict=True):
        assert far.distance_m == pytest.approx(2**0.5 * near.distance_m, rel=1e-3)
