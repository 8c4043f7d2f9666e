"""Files of data sets -> arrays, or one error that names the file."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image

from howfar.core.depth import DepthKind, DepthMap
from howfar.core.image import Image
from howfar.data.dataset import Problem
from howfar.errors import DatasetError, UsageError
from howfar.media import DAMAGE, SUFFIXES

PNG_START = b"\x89PNG\r\n\x1a\n"
INDOOR_M = (0.1, 20.0)
"""Median depth that an indoor picture can have; outside it the scale of the file is wrong."""
ROAD_M = (0.5, 130.0)
"""The same for a picture of a road."""
ANYWHERE_M = (0.05, 350.0)


def folder(path: Path, what: str) -> Path:
    """`path` if it is a folder; `what` tells what should be in it."""
    if not path.is_dir():
        raise DatasetError(f"{path}: no such folder; expected {what}")
    return path


def read_bytes(path: Path) -> bytes:
    """Contents of a file that must not be empty."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise DatasetError(f"{path}: no such file") from None
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror or error})") from error
    if not data:
        raise DatasetError(f"{path}: the file is empty")
    return data


def read_text(path: Path, empty: bool = False) -> str:
    """Text of a UTF-8 file; `empty` allows that nothing is in it."""
    if empty and path.is_file() and path.stat().st_size == 0:
        return ""
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DatasetError(f"{path}: no UTF-8 text") from None


def read_lines(path: Path, empty: bool = False) -> list[str]:
    """Lines of a text file without blank ones."""
    return [line.strip() for line in read_text(path, empty).splitlines() if line.strip()]


def read_json(path: Path) -> Any:
    """Contents of a JSON file."""
    try:
        return json.loads(read_text(path))
    except ValueError as error:
        raise DatasetError(f"{path}: no JSON ({error})") from error


def numbers(words: Iterable[str], path: Path, line: int) -> list[float]:
    """Words of a text file as finite numbers."""
    try:
        values = [float(word) for word in words]
    except ValueError as error:
        raise DatasetError(f"{path}: line {line}: {error}") from None
    if not np.isfinite(values).all():
        raise DatasetError(f"{path}: line {line} holds a number that is not finite")
    return values


def read_npy(path: Path) -> npt.NDArray[Any]:
    """An array of numbers from a `.npy` file."""
    try:
        array = np.load(io.BytesIO(read_bytes(path)), allow_pickle=False)
    except (ValueError, OSError, EOFError, SyntaxError, TypeError) as error:
        raise DatasetError(f"{path}: no NumPy array can be read ({error})") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
        raise DatasetError(f"{path}: no NumPy array of numbers")
    return array


def read_png(path: Path) -> npt.NDArray[Any]:
    """Stored numbers of a PNG: (H, W) uint8 or uint16 (grey or palette index), or (H, W, 3) uint8.

    Unlike `media.read_image` nothing is converted: these are labels and depths, no pictures.
    """
    data = read_bytes(path)
    if not data.startswith(PNG_START):
        raise DatasetError(f"{path}: no PNG file")
    try:
        with PIL.Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
            mode = picture.mode
            array = np.asarray(picture.convert("RGB") if mode == "RGBA" else picture)
    except (*DAMAGE, PIL.UnidentifiedImageError, PIL.Image.DecompressionBombError) as error:
        raise DatasetError(f"{path}: the PNG is damaged ({error})") from error
    if mode.startswith("I"):
        return array.astype(np.uint16)
    if array.dtype == np.uint8 and (array.ndim == 2 or array.shape[2] == 3):
        return array
    raise DatasetError(f"{path}: a PNG of mode {mode}; expected grey, palette or RGB")


def read_deep_png(path: Path) -> npt.NDArray[np.uint16]:
    """(H, W) of a 16-bit grey PNG.

    Numbers that all fit 8 bits are refused: such a file was widened and has lost its scale.
    """
    values = read_png(path)
    if values.dtype != np.uint16 or values.ndim != 2:
        raise DatasetError(
            f"{path}: {values.dtype} {values.shape}; a depth picture is 16-bit grey, so this file "
            "was converted: copy the original again"
        )
    if 0 < values.max(initial=0) <= 255:
        raise DatasetError(
            f"{path}: no value above {values.max()} in a 16-bit depth picture: an 8-bit file was "
            "widened and has lost its scale; copy the original again"
        )
    return values


def metric(
    metres: npt.ArrayLike,
    path: Path,
    median_m: tuple[float, float] = ANYWHERE_M,
    valid: npt.ArrayLike | None = None,
) -> DepthMap:
    """A metric depth map whose median is plausible, else `DatasetError`."""
    try:
        depth = DepthMap(metres, DepthKind.METRIC, valid)
    except UsageError as error:
        raise DatasetError(f"{path}: {error}") from error
    if depth.valid.any():
        median = float(np.median(depth.values[depth.valid]))
        low, high = median_m
        if not low <= median <= high:
            raise DatasetError(
                f"{path}: the median depth is {median:.4g} m, expected {low:g} to {high:g} m: "
                "the unit of the file is not the one of this format"
            )
    return depth


def same_size(path: Path, array: npt.NDArray[Any] | DepthMap | Image, image: Image) -> None:
    """Raise `DatasetError` where a file's array is not as large as its picture."""
    if isinstance(array, np.ndarray):
        height, width = array.shape[:2]
    else:
        height, width = array.height, array.width
    if (width, height) != (image.width, image.height):
        raise DatasetError(
            f"{path}: {width}x{height} pixels, but its picture {image.source} has "
            f"{image.width}x{image.height}"
        )


def pictures(path: Path) -> list[Path]:
    """Picture files in a folder, sorted by name."""
    return sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)


def picture_of(folder_: Path, stem: str) -> Path:
    """The picture called `stem` with any suffix; the `.png` name where there is none."""
    for suffix in (".png", ".jpg", ".jpeg", *sorted(SUFFIXES)):
        if (folder_ / f"{stem}{suffix}").is_file():
            return folder_ / f"{stem}{suffix}"
    return folder_ / f"{stem}.png"


def missing(stems: Iterable[str], folder_: Path, suffix: str) -> list[Problem]:
    """Files `<stem><suffix>` that a folder lacks; none where the folder itself is missing."""
    if not folder_.is_dir():
        return []
    files = [folder_ / f"{stem}{suffix}" for stem in sorted(stems)]
    return [Problem(str(file), "no such file") for file in files if not file.is_file()]


def surplus(stems: Iterable[str], folder_: Path, suffix: str) -> list[Problem]:
    """Files of a folder that belong to no picture."""
    known = {f"{stem}{suffix}" for stem in stems}
    files = [file for file in sorted(folder_.glob(f"*{suffix}")) if file.name not in known]
    return [Problem(str(file), "belongs to no picture") for file in files]


def h5py() -> Any:
    """The h5py package, or an error that says how to get it."""
    try:
        return import_module("h5py")
    except ImportError:
        raise UsageError(
            "reading HDF5 (.mat and .h5) needs h5py; run: pip install 'howfar[eval]'"
        ) from None


@contextmanager
def open_h5(path: Path) -> Iterator[Any]:
    """An HDF5 file, open for reading; damage found inside the block is a `DatasetError` too."""
    library = h5py()
    if not path.is_file():
        raise DatasetError(f"{path}: no such file")
    try:
        with library.File(path, "r") as file:
            yield file
    except KeyError as error:
        raise DatasetError(f"{path}: a data set is missing ({error.args[0]})") from error
    except (OSError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        raise DatasetError(f"{path}: no sound HDF5 file ({error})") from error


def h5_array(file: Any, key: str, path: Path, ndim: int, kinds: str = "iuf") -> Any:
    """Data set `key` of an open HDF5 file, checked for its dimensions and type."""
    found = file.get(key)
    if found is None or not hasattr(found, "shape"):
        raise DatasetError(f"{path}: no array /{key} in it; it holds {', '.join(sorted(file))}")
    if len(found.shape) != ndim or found.dtype.kind not in kinds:
        raise DatasetError(
            f"{path}: /{key} is {found.dtype} {found.shape}; expected {ndim} dimensions of numbers"
        )
    return found
