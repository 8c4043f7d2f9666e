"""Changes of the colours of a picture: (H, W, 3) uint8 RGB in, a new one out."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from howfar.core.image import RgbArray
from howfar.errors import UsageError

LEVELS = np.arange(256, dtype=np.float32)
"""Every value of a pixel."""


def gain(image: RgbArray, gains: npt.ArrayLike) -> RgbArray:
    """Each channel multiplied by its own of three `gains` >= 0; one number means all."""
    factors = np.broadcast_to(np.asarray(gains, np.float32), 3)
    if not (factors >= 0).all():
        raise UsageError(f"gains are {factors.tolist()}; give numbers that are not negative")
    return _mapped(image, LEVELS[:, None] * factors)


def contrast(image: RgbArray, factor: float) -> RgbArray:
    """Distance to the mean brightness multiplied by `factor` >= 0; 0 is flat, 1 changes nothing."""
    mean = float(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).mean())
    return _mapped(image, mean + (LEVELS - mean) * factor)


def saturation(image: RgbArray, factor: float) -> RgbArray:
    """Distance to the grey picture multiplied by `factor` >= 0; 0 is grey, 1 changes nothing."""
    return cv2.addWeighted(image, factor, grayscale(image), 1 - factor, 0).astype(np.uint8)


def hue(image: RgbArray, turn: float) -> RgbArray:
    """Hues moved by `turn` of the colour circle, -0.5..0.5; red turns to green at 1/3."""
    hsv = np.asarray(cv2.cvtColor(image.astype(np.float32), cv2.COLOR_RGB2HSV))
    hsv[..., 0] = (hsv[..., 0] + 360 * turn) % 360
    return _levels(np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.float32))


def hsv(image: RgbArray, hue_gain: float, saturation_gain: float, value_gain: float) -> RgbArray:
    """Hue (modulo the circle), saturation and value multiplied by gains >= 0, by tables of uint8.

    OpenCV's 8-bit HSV, whose hue has 180 values, as YOLOv5 augments (facts 1c).
    """
    tables = (
        (LEVELS * hue_gain) % 180,
        np.clip(LEVELS * saturation_gain, 0, 255),
        np.clip(LEVELS * value_gain, 0, 255),
    )
    channels = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2HSV))
    changed = [
        cv2.LUT(c, table.astype(np.uint8)) for c, table in zip(channels, tables, strict=True)
    ]
    return np.asarray(cv2.cvtColor(cv2.merge(changed), cv2.COLOR_HSV2RGB), np.uint8)


def gamma(image: RgbArray, exponent: float) -> RgbArray:
    """255 (v / 255)^exponent: darker above 1, brighter below."""
    if not exponent > 0:
        raise UsageError(f"gamma is {exponent}; give a positive number")
    return _mapped(image, 255 * np.power(LEVELS / 255, np.float32(exponent)))


def grayscale(image: RgbArray) -> RgbArray:
    """Luma (0.299 R + 0.587 G + 0.114 B) in all three channels."""
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return cv2.cvtColor(gray, cv2.COLOR_GRAY2RGB).astype(np.uint8)


def blur(image: RgbArray, sigma_px: float) -> RgbArray:
    """Gaussian blur with a standard deviation of `sigma_px` > 0 pixels."""
    if not sigma_px > 0:
        raise UsageError(f"blur of {sigma_px} pixels; give a positive number")
    return cv2.GaussianBlur(image, (0, 0), sigma_px).astype(np.uint8)


def noise(image: RgbArray, rng: np.random.Generator, sigma: float) -> RgbArray:
    """Independent Gaussian noise of standard deviation `sigma` (of 255) on every value."""
    grain = rng.standard_normal(image.shape, np.float32) * np.float32(sigma)
    return _levels(image + grain)


def jpeg(image: RgbArray, quality: int) -> RgbArray:
    """The picture after JPEG compression of quality 1..100."""
    if not 1 <= quality <= 100:
        raise UsageError(f"JPEG quality is {quality}; give 1 to 100")
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, code = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    back = np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), np.uint8)
    return cv2.cvtColor(back, cv2.COLOR_BGR2RGB).astype(np.uint8)


def cut_out(image: RgbArray, x: int, y: int, width: int, height: int, fill: int = 0) -> RgbArray:
    """A rectangle, clipped to the picture, painted in grey level `fill`."""
    painted = image.copy()
    painted[max(y, 0) : max(y + height, 0), max(x, 0) : max(x + width, 0)] = fill
    return painted


def _levels(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _mapped(image: RgbArray, table: npt.NDArray[np.float32]) -> RgbArray:
    """Every value v replaced by table[v], (256,) or one column a channel (256, 3)."""
    columns = np.broadcast_to(table.reshape(256, -1), (256, 3))
    return cv2.LUT(image, _levels(columns)[None]).astype(np.uint8)
