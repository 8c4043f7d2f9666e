from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
import torch

from howfar.errors import ModelError
from howfar.nets.safetensors import read_safetensors


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "weights.safetensors"


def write(path: Path, header: bytes | dict[str, Any], data: bytes = b"") -> None:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def entry(dtype: Any, shape: Any, *offsets: Any) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": list(offsets)}


@pytest.mark.parametrize(
    ("dtype", "data", "expected"),
    [
        ("F64", struct.pack("<2d", 1.5, -2), torch.tensor([1.5, -2], dtype=torch.float64)),
        ("F32", struct.pack("<2f", 1.5, -2), torch.tensor([1.5, -2])),
        ("F16", struct.pack("<2e", 1.5, -2), torch.tensor([1.5, -2], dtype=torch.float16)),
        ("BF16", b"\xc0\x3f\x00\xc0", torch.tensor([1.5, -2], dtype=torch.bfloat16)),
        ("I64", struct.pack("<2q", 2**40, -2), torch.tensor([2**40, -2])),
        ("I32", struct.pack("<2i", 70000, -2), torch.tensor([70000, -2], dtype=torch.int32)),
        ("I16", struct.pack("<2h", 700, -2), torch.tensor([700, -2], dtype=torch.int16)),
        ("I8", b"\x07\xfe", torch.tensor([7, -2], dtype=torch.int8)),
        ("U8", b"\x07\xfe", torch.tensor([7, 254], dtype=torch.uint8)),
        ("BOOL", b"\x01\x00", torch.tensor([True, False])),
    ],
)
def test_every_type(path: Path, dtype: str, data: bytes, expected: torch.Tensor) -> None:
    write(path, {"a": entry(dtype, [2], 0, len(data))}, data)
    found = read_safetensors(path)[0]["a"]
    assert found.dtype == expected.dtype
    assert torch.equal(found, expected)


def test_shapes_places_and_metadata(path: Path) -> None:
    header = {
        "__metadata__": {"format": "pt"},
        "b": entry("F32", [], 24, 28),
        "a": entry("F32", [2, 3], 0, 24),
        "none": entry("F32", [0, 3], 28, 28),
    }
    write(path, header, struct.pack("<7f", *range(7)))
    tensors, metadata = read_safetensors(path)
    assert metadata == {"format": "pt"}
    assert torch.equal(tensors["a"], torch.arange(6.0).view(2, 3))
    assert torch.equal(tensors["b"], torch.tensor(6.0))
    assert tensors["none"].shape == (0, 3)


def test_tensors_can_be_changed_without_the_file(path: Path) -> None:
    write(path, {"a": entry("F32", [1], 0, 4), "b": entry("F32", [1], 0, 4)}, bytes(4))
    tensors, _ = read_safetensors(path)
    tensors["a"].add_(1)
    assert float(tensors["b"]) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        entry("F32", [1.0], 0, 4),
        entry("F32", "1", 0, 4),
        entry("F32", [True], 0, 4),
        entry("F32", [1], 0, 4, 8),
        entry("F32", [1], "0", "4"),
        entry("F32", [float("inf")], 0, 4),
        entry("F32", [0, 2**70], 0, 0),
        entry("F32", [2**40, 2**40], 0, 4),
        entry("F32", [1], -4, 0),
        entry("F32", [1], 4, 0),
        entry("F32", [1], 8, 12),
        entry([], [1], 0, 4),
        entry("F8", [1], 0, 1),
        [],
        None,
    ],
)
def test_wrong_descriptions(path: Path, wrong: Any) -> None:
    write(path, {"a": wrong}, bytes(8))
    with pytest.raises(ModelError, match=r"weights\.safetensors: tensor 'a'"):
        read_safetensors(path)


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (b"[" * 200_000, "the header is no JSON"),
        (b"\xff\xfe\xfd", "the header is no JSON"),
        (b"3", "the header is no object"),
        (b'{"__metadata__": 3}', "the metadata is no object"),
    ],
)
def test_wrong_headers(path: Path, header: bytes, told: str) -> None:
    write(path, header)
    with pytest.raises(ModelError, match=told):
        read_safetensors(path)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.safetensors"):
        with pytest.raises(ModelError, match="cannot be read"):
            read_safetensors(path)
