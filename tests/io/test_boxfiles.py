"""A user's own boxes."""

import json

import numpy as np
import pytest

from howfar.core.boxes import Box
from howfar.core.image import Image
from howfar.core.result import Object, Result
from howfar.errors import PictureError
from howfar.io.boxfiles import read_boxes


def write(folder, content):
    path = folder / "boxes.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_a_list_of_boxes(tmp_path):
    found = read_boxes(write(tmp_path, [[1, 2, 3, 4], [5.5, 6, 7, 8.25]]))
    assert found.boxes.tolist() == [[1, 2, 3, 4], [5.5, 6, 7, 8.25]]
    assert found.labels == ["object", "object"]
    assert found.scores.tolist() == [1, 1]


def test_boxes_with_labels_and_scores(tmp_path):
    rows = [
        {"box": [1, 2, 3, 4], "label": "cup", "score": 0.5},
        [0, 0, 1, 1],
        {"box": [1, 2, 3, 5], "label": "chair"},
        {"box": [1, 2, 3, 6], "label": "cup", "score": 0, "more": "is passed over"},
    ]
    found = read_boxes(write(tmp_path, rows))
    assert found.labels == ["cup", "object", "chair", "cup"]
    assert found.scores.tolist() == [0.5, 1, 1, 0]
    assert found.class_names == ("cup", "object", "chair")


def test_a_record_of_howfar(tmp_path):
    thing = Object("cup", 41, 0.75, Box(1, 2, 3, 4))
    record = Result(Image(np.zeros((6, 8, 3), np.uint8)), (thing,)).to_dict()
    found = read_boxes(write(tmp_path, record))
    assert found.labels == ["cup"]
    assert found.scores.tolist() == [0.75]
    assert found.boxes.tolist() == [[1, 2, 3, 4]]


@pytest.mark.parametrize("content", [[], {"objects": []}])
def test_no_boxes(tmp_path, content):
    assert len(read_boxes(write(tmp_path, content))) == 0


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "no JSON"),
        ("[[1, 2, 3, 4]", "no JSON"),
        ({}, "expected a list of boxes, or a record with 'objects'"),
        ({"objects": 3}, "expected a list of boxes"),
        ("null", "expected a list of boxes"),
        ('"box"', "expected a list of boxes"),
        ([[1, 2, 3]], "a row is no box"),
        ([1, 2, 3, 4], "a row is no box"),
        ([[1, 2, 3, "x"]], "a row is no box"),
        ([[1, 2, 3, None]], "a row is no box"),
        ([None], "a row is no box"),
        ([{"label": "cup"}], "a row is no box"),
        ([[10, 20, 5, 30]], "x2 < x1"),
        ("[[1, 2, 3, Infinity]]", "not finite"),
        ([{"box": [1, 2, 3, 4], "score": 1.5}], "score"),
        ([{"box": [1, 2, 3, 4], "score": None}], "a row is no box"),
        ([{"box": [1, 2, 3, 4], "score": "high"}], "a row is no box"),
        ('[{"box": [1, 2, 3, 4], "score": NaN}]', "score"),
        ([[1, 2, 3, 4], [1, 2, 3]], "a row is no box"),
    ],
)
def test_rows_that_are_no_boxes(tmp_path, content, told):
    path = write(tmp_path, content)
    with pytest.raises(PictureError) as caught:
        read_boxes(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert told in str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(PictureError, match="cannot be read"):
            read_boxes(path)
    path = tmp_path / "latin.json"
    path.write_bytes(b'["\xff"]')
    with pytest.raises(PictureError, match="no JSON"):
        read_boxes(path)
