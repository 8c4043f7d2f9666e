"""A reader of MATLAB 5 files (`splits.mat` of NYU Depth v2), numeric arrays only.

Format: MathWorks, "MAT-File Format", version 5: a 128-byte header, then elements of type, size and
data padded to 8 bytes; `miCOMPRESSED` ones hold a zlib stream of one element.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from howfar.data.files import read_bytes
from howfar.errors import DatasetError

HEADER_BYTES = 128
MATRIX, COMPRESSED = 14, 15
TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""Storage types of the format by number, as NumPy calls them."""
NUMERIC_CLASSES = range(6, 16)
"""mxDOUBLE_CLASS to mxUINT64_CLASS; others (cells, structures, text) are skipped."""
LARGEST = 64 * 2**20
"""Bytes that a compressed element may unpack to; index lists need a few thousand."""

Arrays = dict[str, npt.NDArray[Any]]


def read_mat(path: Path) -> Arrays:
    """Numeric arrays of a MATLAB 5 file by name."""
    data = read_bytes(path)
    if len(data) < HEADER_BYTES or data[126:128] not in (b"IM", b"MI"):
        raise DatasetError(f"{path}: no MATLAB 5 file")
    order = "<" if data[126:128] == b"IM" else ">"
    try:
        return _matrices(data[HEADER_BYTES:], order)
    except (struct.error, zlib.error, ValueError, IndexError, KeyError) as error:
        raise DatasetError(f"{path}: the MATLAB file is damaged ({error})") from error


def _elements(data: bytes, order: str) -> list[tuple[int, bytes]]:
    """(type, data) of the elements that follow each other in `data`."""
    found = []
    at = 0
    while at + 8 <= len(data):
        kind, size = struct.unpack_from(order + "II", data, at)
        start, step = at + 8, 8 + size
        if kind >> 16:  # small element: size and type share the first word, data in the second
            kind, size, start, step = kind & 0xFFFF, kind >> 16, at + 4, 8
        elif kind != COMPRESSED:
            step = 8 + -(-size // 8) * 8
        if start + size > len(data):
            raise ValueError("an element is cut off")
        found.append((kind, data[start : start + size]))
        at += step
    return found


def _matrices(data: bytes, order: str) -> Arrays:
    arrays: Arrays = {}
    for kind, body in _elements(data, order):
        if kind == COMPRESSED:
            unpacker = zlib.decompressobj()
            body = unpacker.decompress(body, LARGEST)
            if unpacker.unconsumed_tail or not unpacker.eof:
                raise ValueError("an element is cut off or too large")
            arrays |= _matrices(body, order)
        elif kind == MATRIX:
            arrays |= _matrix(body, order)
    return arrays


def _matrix(body: bytes, order: str) -> Arrays:
    """{name: array} of one matrix element, {} for a class that is not numeric."""
    flags, shape, name, *parts = _elements(body, order)
    mx_class = struct.unpack_from(order + "I", flags[1])[0] & 0xFF
    if mx_class not in NUMERIC_CLASSES or not parts:
        return {}
    kind, values = parts[0]
    dims = np.frombuffer(shape[1], order + "i4")
    array = np.frombuffer(values, order + TYPES[kind]).reshape(dims, order="F")
    return {name[1].decode("ascii", "replace"): array}
