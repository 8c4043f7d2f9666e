"""Pictures on disk."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from howfar.core.depth import DepthMap
from howfar.core.image import RgbArray

UnsignedArray = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


def save_rgb(path: Path, image: RgbArray) -> None:
    """Write (H, W, 3) RGB; the suffix says how (JPEG quality 95)."""
    _save(path, np.ascontiguousarray(image[..., ::-1]))


def save_gray(path: Path, values: UnsignedArray) -> None:
    """Write (H, W) uint8 or uint16 as PNG."""
    _save(path, values)


def quantised(depth: DepthMap, scale: float, bits: int, invalid: int) -> UnsignedArray:
    """Depth (H, W) as whole numbers of 1 / scale metres, clipped to 1 .. 2^bits - 1.

    Pixels without depth (the sky) become `invalid`.
    """
    top = 2**bits - 1
    values = np.where(depth.valid, depth.values, 0)
    whole = np.clip(np.rint(values.astype(np.float64) * scale), 1, top)
    whole[~depth.valid] = invalid
    return whole.astype(np.uint8) if bits == 8 else whole.astype(np.uint16)


def _save(path: Path, pixels: UnsignedArray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    options = [cv2.IMWRITE_JPEG_QUALITY, 95] if path.suffix == ".jpg" else []
    coded, data = cv2.imencode(path.suffix, pixels, options)
    if not coded:
        raise OSError(f"{path}: OpenCV could not encode the picture")
    path.write_bytes(data.tobytes())
