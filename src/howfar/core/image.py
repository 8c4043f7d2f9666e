"""The picture that every part of the program works on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from howfar.core.camera import Camera
from howfar.errors import PictureError

RgbArray = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Image:
    """One picture, turned upright as its EXIF orientation says.

    Attributes:
        pixels: (H, W, 3) uint8 RGB.
        source: where it came from (path, URL, "stdin" or "array"); names results and errors.
        camera: its intrinsics where EXIF tells them and can be trusted, else None.
        notes: what a user should know about how it was read, in whole sentences.
        time_s: of a frame, seconds since the start of its video or stream, else None.
        frame_index: of a frame, its number in its video or stream from 0, else None.
    """

    pixels: RgbArray
    source: str = "array"
    camera: Camera | None = None
    notes: tuple[str, ...] = ()
    time_s: float | None = None
    frame_index: int | None = None

    def __post_init__(self) -> None:
        pixels = self.pixels
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8:
            kind = getattr(pixels, "dtype", type(pixels).__name__)
            raise PictureError(f"{self.source}: pixels are {kind}; expected an array of uint8 RGB")
        if pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
            raise PictureError(f"{self.source}: pixels {pixels.shape}; expected (height, width, 3)")

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.pixels.shape[1])
