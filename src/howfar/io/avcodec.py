"""What reading and writing videos share: PyAV where it is installed, its errors, upright frames."""

from __future__ import annotations

import importlib.util
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from howfar.core.image import RgbArray
from howfar.errors import UsageError

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

BT709 = 1
"""Colours of HD video, as FFmpeg numbers them."""
UNTOLD = 2
HD_ROWS = 720
"""Videos of so many rows or more that do not tell their colours have those of BT.709."""


def import_av() -> ModuleType:
    """PyAV. Raises `UsageError` where the extra `video` is not installed."""
    if importlib.util.find_spec("av") is None:
        raise UsageError("videos need PyAV; run `pip install 'howfar[video]'`")
    import av

    return av


def reason_of(error: Exception) -> str:
    """What FFmpeg says in an error, without the address, which may hold a password."""
    return str(getattr(error, "strerror", None) or type(error).__name__).rstrip(".")


class FramePixels:
    """Makes pixels of decoded frames: (H, W, 3) uint8 RGB, upright, with square pixels.

    Args:
        pixel_aspect: width of a pixel by its height.
    """

    def __init__(self, pixel_aspect: float = 1.0) -> None:
        import_av()
        from av.video.reformatter import VideoReformatter

        self._reformatter = VideoReformatter()  # one for all frames: setting it up takes time
        self._aspect = pixel_aspect

    def __call__(self, frame: VideoFrame) -> RgbArray:
        untold = frame.colorspace == UNTOLD and frame.height >= HD_ROWS
        width = max(1, round(frame.width * self._aspect))
        rgb = self._reformatter.reformat(
            frame, width, format="rgb24", src_colorspace=BT709 if untold else None, threads=1
        )
        pixels = np.asarray(rgb.to_ndarray(), np.uint8)
        matrix = _display_matrix(frame)
        return pixels if matrix is None else upright(pixels, matrix)


def upright(pixels: RgbArray, matrix: tuple[int, ...]) -> RgbArray:
    """Pixels turned and mirrored as a display matrix says: x' = a x + c y, y' = b x + d y.

    `matrix` starts with a, b, u, c, d. Angles between the quarter turns count as the nearest.
    """
    a, b, _, c, d = matrix[:5]
    across, down = a, d
    if abs(a) + abs(d) < abs(b) + abs(c):
        pixels = pixels.swapaxes(0, 1)
        across, down = c, b
    if across < 0:
        pixels = pixels[:, ::-1]
    if down < 0:
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _display_matrix(frame: VideoFrame) -> tuple[int, ...] | None:
    if not frame.side_data:
        return None
    from av.sidedata.sidedata import Type

    data: Any = frame.side_data.get(Type.DISPLAYMATRIX)  # type: ignore[call-overload]
    if data is None:
        return None
    return tuple(np.frombuffer(bytes(data), np.int32).tolist())
