"""The safetensors format: a JSON header and raw tensors, nothing that runs.

Eight bytes hold the length of the header (little-endian), then comes the header,
{name: {"dtype", "shape", "data_offsets": [begin, end]}}, then the data, row by row.
"""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from howfar.errors import ModelError

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
MAX_HEADER = 100_000_000
"""Bytes; the format's own limit."""
MAX_LENGTH = 1 << 48
"""Of a tensor's side, or bytes from the start."""


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a file by their names, and its metadata.

    Raises `ModelError` for files that cannot be read, or whose header does not fit the data.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
    if len(content) < 8:
        raise ModelError(f"{path}: {len(content)} bytes are no safetensors file")
    (length,) = struct.unpack("<Q", content[:8])
    if length > min(len(content) - 8, MAX_HEADER):
        raise ModelError(f"{path}: no safetensors file, or cut off: a header of {length} bytes")
    try:
        header = json.loads(content[8 : 8 + length])
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: the header is no JSON ({error})") from error
    if not isinstance(header, dict):
        raise ModelError(f"{path}: the header is no object")
    data = memoryview(content)[8 + length :]
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict):
        raise ModelError(f"{path}: the metadata is no object")
    return {name: _tensor(path, name, entry, data) for name, entry in header.items()}, metadata


def _tensor(path: Path, name: str, entry: Any, data: memoryview) -> Tensor:
    try:
        dtype, shape = DTYPES[entry["dtype"]], list(entry["shape"])
        begin, end = entry["data_offsets"]
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: tensor {name!r} is described wrongly ({error})") from error
    if any(type(n) is not int or n > MAX_LENGTH for n in (*shape, begin, end)):
        raise ModelError(
            f"{path}: tensor {name!r} is described wrongly (shape {entry['shape']!r}, offsets "
            f"{entry['data_offsets']!r})"
        )
    size = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or not 0 <= begin <= end <= len(data) or end - begin != size:
        raise ModelError(
            f"{path}: tensor {name!r} of shape {shape} lies at {begin}..{end} of {len(data)} bytes"
        )
    if not size:
        return torch.zeros(shape, dtype=dtype)
    return torch.frombuffer(bytearray(data[begin:end]), dtype=dtype).reshape(shape)
