"""Frame lists of WSVD from pickle files, without running what a pickle could run.

A pickle names functions to call. Here every name is refused but the handful with which NumPy
arrays and scalars of numbers are stored, and those lead to the plain stand-ins below, not to NumPy.
"""

from __future__ import annotations

import io
import pickle  # only through `_Reader`, which calls nothing of the file's choice
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from howfar.data.files import read_bytes
from howfar.errors import DatasetError


class Clip(NamedTuple):
    """Consecutive frames of a video.

    Attributes:
        video: name, without suffix.
        number: place among the video's clips, from 0.
        label: as stored.
        frames: frame numbers, counted from 1.
    """

    video: str
    number: int
    label: str
    frames: tuple[int, ...]


class _Dtype:
    """Stands for numpy.dtype: keeps the type's code and byte order."""

    def __init__(self, code: Any, *_: Any) -> None:
        self.code, self.order = str(code), "="

    def __setstate__(self, state: Any) -> None:
        self.order = "=" if state[1] == "|" else str(state[1])

    def type(self) -> np.dtype[Any]:
        """The number type; `ValueError` for any other."""
        found = np.dtype(self.code)
        if found.kind not in "biuf":
            raise ValueError(f"an array of {found}")
        return found.newbyteorder(self.order)  # type: ignore[arg-type]  # NumPy checks the sign


class _Array:
    """Stands for numpy.ndarray: filled by its state, as bytes of numbers."""

    def __init__(self, *_: Any) -> None:
        self.values = np.zeros(0)

    def __setstate__(self, state: Any) -> None:
        _, _, dtype, _, data = state
        self.values = _numbers(data, dtype)


def _numbers(data: Any, dtype: Any) -> Any:
    if not isinstance(dtype, _Dtype) or not isinstance(data, bytes | bytearray):
        raise ValueError("an array that is not stored as numbers")
    return np.frombuffer(data, dtype.type())


def _latin1(text: Any, _: Any = "latin1") -> bytes:
    """Stands for _codecs.encode: bytes in a pickle of protocol 2."""
    return str(text).encode("latin1")


def _from_buffer(data: Any, dtype: Any, *_: Any) -> _Array:
    array = _Array()
    array.values = _numbers(data, dtype)
    return array


def _scalar(dtype: Any, data: Any) -> Any:
    return _numbers(data, dtype)[0].item()


_NUMPY = {"_reconstruct": _Array, "scalar": _scalar}
_STAND_INS: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _latin1,
    **{("numpy.core.multiarray", name): found for name, found in _NUMPY.items()},
    **{("numpy._core.multiarray", name): found for name, found in _NUMPY.items()},
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("numpy._core.numeric", "_frombuffer"): _from_buffer,
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _STAND_INS:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not allowed")
        return _STAND_INS[module, name]


DAMAGE = (
    pickle.UnpicklingError,
    EOFError,
    AttributeError,
    ImportError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
    OverflowError,
    MemoryError,
    RecursionError,
    struct.error,
)
"""What a damaged or hostile pickle makes the unpickler raise."""


def read_clips(path: Path) -> list[Clip]:
    """Clips of `wsvd_{train,test}_clip_frame_ids.pkl`: [{name, clips: [{label, frames}]}]."""
    data = read_bytes(path)
    try:
        content = _Reader(io.BytesIO(data), encoding="latin1").load()
        clips = [
            _clip(video["name"], number, clip)
            for video in content
            for number, clip in enumerate(video["clips"])
        ]
    except DAMAGE as error:
        raise DatasetError(f"{path}: no frame list can be read from it ({error})") from error
    if not clips:
        raise DatasetError(f"{path}: a frame list without clips")
    return clips


def _clip(video: Any, number: int, clip: Any) -> Clip:
    name = str(video)
    if not name or name != Path(name).name or name.startswith("."):
        raise ValueError(f"the video name {name!r} is no plain file name")
    frames = clip["frames"]
    values = np.asarray(frames.values if isinstance(frames, _Array) else frames)
    if not np.issubdtype(values.dtype, np.integer) and not np.array_equal(values, values.round()):
        raise ValueError(f"frames of {name} are no whole numbers")
    numbers = tuple(int(value) for value in values.ravel())
    if min(numbers, default=1) < 1:
        raise ValueError(f"frames of {name} are counted from 1, but hold {min(numbers)}")
    return Clip(name, number, str(clip.get("label", "")), numbers)
