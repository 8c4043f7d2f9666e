"""Depth maps and point clouds as files."""

from __future__ import annotations

from pathlib import Path
from tokenize import TokenError

import cv2
import numpy as np

from howfar.core.camera import Camera
from howfar.core.depth import DepthKind, DepthMap
from howfar.core.image import RgbArray
from howfar.errors import OutputError, PictureError, UsageError

VALUES_PER_METRE = {"mm": 1000.0, "kitti": 256.0}
"""Units of 16-bit depth pictures: millimetres (depth cameras; up to 65.535 m) and KITTI's 1/256 m
(up to 255.996 m). 0 is no depth in both."""


def check_unit(unit: str) -> None:
    """Raise `UsageError` for a unit that does not exist."""
    if unit not in VALUES_PER_METRE:
        raise UsageError(
            f"depth unit {unit!r} is unknown; use one of {', '.join(VALUES_PER_METRE)}"
        )


def read_depth(path: Path, unit: str = "mm") -> DepthMap:
    """Read a metric depth map: `.npy` of metres, or a 16-bit single-channel PNG.

    Args:
        path: the file; a floating `.npy` is metres, an integer one and a PNG is in `unit`.
        unit: `mm` or `kitti`.

    Raises `PictureError` where the file is missing or is no depth map, `UsageError` for a unit.
    """
    check_unit(unit)
    if not path.is_file():
        raise PictureError(f"{path}: no such file")
    values = _read_npy(path) if path.suffix.lower() == ".npy" else _read_png(path)
    while values.ndim > 2 and 1 in values.shape:
        values = values.squeeze(values.shape.index(1))
    if values.ndim != 2 or not values.size:
        raise PictureError(f"{path}: an array of shape {values.shape} is no depth map")
    if np.issubdtype(values.dtype, np.integer):
        return DepthMap(values / VALUES_PER_METRE[unit])
    with np.errstate(over="ignore"):  # beyond float32: infinite, so not valid
        return DepthMap(values)


def _read_npy(path: Path) -> np.ndarray:
    try:
        with path.open("rb") as file:
            values = np.lib.format.read_array(file, allow_pickle=False)
    except MemoryError:
        raise PictureError(f"{path}: not enough memory for its array") from None
    except (ValueError, OSError, EOFError, SyntaxError, TypeError, TokenError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise PictureError(f"{path}: no NumPy array can be read ({reason})") from error
    if not (np.issubdtype(values.dtype, np.floating) or np.issubdtype(values.dtype, np.integer)):
        raise PictureError(f"{path}: an array of {values.dtype} is no depth map")
    return np.asarray(values)


def _read_png(path: Path) -> np.ndarray:
    try:
        values = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    except OSError as error:
        raise PictureError(f"{path}: cannot be read ({error.strerror or error})") from error
    except cv2.error:  # an empty file, or one that claims too many pixels
        values = None
    if values is None:
        raise PictureError(f"{path}: no picture can be read from it")
    if values.dtype != np.uint16 or values.ndim != 2:
        channels = 1 if values.ndim == 2 else values.shape[2]
        raise PictureError(
            f"{path}: {values.dtype} with {channels} channels; a depth picture is 16-bit grey"
        )
    return values


def encode_depth_png(depth: DepthMap, unit: str) -> bytes:
    """A metric map as a 16-bit PNG in `unit`; invalid and unrepresentable pixels are 0.

    Raises `OutputError` for relative depth: its numbers would be read as metres.
    """
    if not depth.is_metric:
        raise OutputError("a 16-bit depth picture holds metres; relative depth can be saved as npy")
    with np.errstate(over="ignore"):  # infinite is unrepresentable as well
        scaled = np.rint(depth.values * np.float32(VALUES_PER_METRE[unit]))
    good = depth.valid & (scaled >= 1) & (scaled <= np.iinfo(np.uint16).max)
    values = np.where(good, scaled, 0).astype(np.uint16)
    _, data = cv2.imencode(".png", values)
    return bytes(data.tobytes())


def raw_values(depth: DepthMap) -> np.ndarray:
    """(H, W) float32 values, NaN where not valid."""
    return np.where(depth.valid, depth.values, np.float32(np.nan))


def encode_ply(pixels: RgbArray, depth: DepthMap, camera: Camera) -> bytes:
    """A binary PLY point cloud, one coloured vertex for each valid pixel.

    Camera frame: X right, Y down, Z forward, metres.

    Args:
        pixels: (H, W, 3) uint8 RGB of the same size as `depth`.
        depth: metric map. Raises `OutputError` for relative depth.
        camera: its intrinsics.
    """
    if depth.kind is not DepthKind.METRIC:
        raise OutputError("a point cloud needs metres; relative depth has none")
    y, x = np.nonzero(depth.valid)
    centre = np.float32(0.5)
    points = camera.unproject(x + centre, y + centre, depth.values[depth.valid])
    kind = np.dtype([("xyz", "<f4", 3), ("rgb", "u1", 3)])
    vertices = np.empty(len(points), kind)
    vertices["xyz"], vertices["rgb"] = points, pixels[depth.valid]
    header = [
        "ply",
        "format binary_little_endian 1.0",
        f"comment howfar; metres; X right, Y down, Z forward; focal length: {camera.source}",
        f"element vertex {len(points)}",
        *(f"property float {axis}" for axis in "xyz"),
        *(f"property uchar {colour}" for colour in ("red", "green", "blue")),
        "end_header",
    ]
    return "\n".join(header).encode() + b"\n" + vertices.tobytes()
