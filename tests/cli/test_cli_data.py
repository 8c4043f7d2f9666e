"""`howfar data`: formats, checks, drawn samples."""

import json

import cv2
import numpy as np
import pytest
from tiny import SIDE, picture_bytes


@pytest.fixture
def rooms(tmp_path):
    """Two pictures with depth."""
    root = tmp_path / "rooms"
    for name in ("rgb", "depth"):
        (root / name).mkdir(parents=True)
    for k in range(2):
        (root / "rgb" / f"{k}.png").write_bytes(picture_bytes())
        cv2.imwrite(str(root / "depth" / f"{k}.png"), np.full((SIDE, SIDE), 2500, np.uint16))
    camera = {"fx": 60, "fy": 60, "cx": 32, "cy": 32, "width": SIDE, "height": SIDE}
    (root / "cameras.json").write_text(json.dumps({str(k): camera for k in range(2)}))
    return root


def test_formats_are_listed(howfar):
    from howfar.data.address import FORMATS

    found = howfar("data", "list")
    assert found.code == 0
    assert all(name in found.out for name in FORMATS)
    rows = json.loads(howfar("data", "list", "--json").out)
    assert [row["format"] for row in rows] == list(FORMATS)


def test_a_sound_copy(howfar, rooms):
    found = howfar("data", "check", f"rgbd:{rooms}")
    assert found.code == 0, found.err
    assert "2 samples, sound" in found.out


def test_every_problem_is_a_line(howfar, rooms):
    (rooms / "depth" / "0.png").unlink()
    (rooms / "rgb" / "1.png").write_bytes(b"no picture")
    found = howfar("data", "check", f"rgbd:{rooms}")
    assert found.code == 1
    assert len(found.out.splitlines()) == 3
    assert "0.png" in found.out
    assert "1.png" in found.out
    assert "2 problems" in found.out
    record = json.loads(howfar("data", "check", f"rgbd:{rooms}", "--json").out)
    assert len(record["problems"]) == 2


def test_samples_are_drawn(howfar, rooms, tmp_path):
    folder = tmp_path / "drawn"
    found = howfar("data", "show", f"rgbd:{rooms}", "-n", 1, "--start", 1, "--save-dir", folder)
    assert found.code == 0, found.err
    (path,) = folder.iterdir()
    assert str(path) in found.out
    assert "depth 2.50 to 2.50 m on 100%" in found.out
    assert cv2.imread(str(path)).shape[0] >= 480


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("check", "rooms"), 2),
        (("check", "film:x"), 2),
        (("check", "rgbd:nowhere"), 1),
        (("show", "{rooms}", "-n", "0"), 2),
        (("show", "{rooms}", "--start", "9"), 2),
        (("show", "{rooms}?unit=feet"), 2),
    ],
)
def test_wrong_use(howfar, rooms, words, code):
    found = howfar("data", *(word.format(rooms=f"rgbd:{rooms}") for word in words))
    assert found.code == code
    assert len(found.err.strip().splitlines()) == 1
