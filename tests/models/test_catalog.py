"""The catalog: every entry is complete and consistent."""

import json
import re
from urllib.parse import urlsplit

import pytest

from howfar.models.card import ModelCard, Task
from howfar.models.catalog import CATALOG, DEFAULT_DEPTH, DEFAULT_DETECTOR, SHIPPED

SOURCES = [(name, source) for name, entry in CATALOG.items() for source in entry.sources]


def test_names_that_users_rely_on():
    detectors = {"nanodet-plus-m", "yolox-nano", "yolox-tiny", "yolox-s", "yolov5n", "yolov8n"}
    detectors |= {"yolo11n", "rt-detr-r18", "detr-resnet-50", "ssd-mobilenet-v1"}
    depth = {"fastdepth", "pydnet-kitti", "midas-small", "depth-anything-v2-small"}
    depth |= {"depth-anything-v2-small-indoor"}
    assert {name: CATALOG[name].card.task for name in sorted(detectors | depth)} == {
        name: Task.DEPTH if name in depth else Task.DETECT for name in sorted(detectors | depth)
    }


def test_the_default_is_one_network_that_needs_no_download():
    assert DEFAULT_DETECTOR == DEFAULT_DEPTH
    assert DEFAULT_DEPTH in SHIPPED
    assert CATALOG[DEFAULT_DEPTH].card.task is Task.JOINT


@pytest.mark.parametrize("name", CATALOG)
def test_cards_can_be_written_and_read(name):
    entry = CATALOG[name]
    assert entry.card.name == name
    assert entry.card.licence != "unknown"
    assert entry.card.origin.startswith("https://" if name not in SHIPPED else "howfar distill")
    assert entry.sources
    for card in [entry.card, *(source.card for source in entry.sources if source.card)]:
        assert ModelCard.from_json(json.dumps(card.to_dict()), "catalog") == card
        assert card.task is entry.card.task


@pytest.mark.parametrize(("name", "source"), SOURCES)
def test_sources_are_well_formed(name, source):
    assert re.fullmatch(r"[\w.-]+\.onnx", source.filename)
    assert source.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", source.sha256)
    if source.url is None:
        assert source.sha256, "a file that the user brings can only be known by its checksum"
    else:
        parts = urlsplit(source.url)
        assert parts.scheme == "https"
        assert "." in parts.hostname
        assert parts.path.endswith(".onnx")


def test_no_file_or_checksum_belongs_to_two_networks():
    for key in ("filename", "sha256"):
        owners = {}
        for name, source in SOURCES:
            owners.setdefault(getattr(source, key), set()).add(name)
        owners.pop(None, None)
        assert {value: names for value, names in owners.items() if len(names) > 1} == {}
