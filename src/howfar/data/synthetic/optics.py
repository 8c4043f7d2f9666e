"""What a camera adds: haze, exposure, white balance, blur, noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from howfar.core.image import RgbArray
from howfar.data.synthetic.palette import Rng
from howfar.data.synthetic.shade import Light, Picture

SKY_M = 1000.0
"""Depth at which haze sees the sky."""


@dataclass(frozen=True)
class Optics:
    """Settings of one shot.

    Attributes:
        haze: extinction per metre; contrast falls to 5 % at 3 / haze metres.
        gain: (red, green, blue) factors.
        gamma: exponent of the tone curve.
        blur_px: sigma of the lens blur.
        smear_px: length of a horizontal motion blur, 0 for none.
        noise: standard deviation in grey levels of 255.
        vignette: darkening in the corners, 0..1.
    """

    haze: float = 0.0
    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gamma: float = 1.0
    blur_px: float = 0.0
    smear_px: int = 0
    noise: float = 0.0
    vignette: float = 0.0


def a_shot(rng: Rng, kind: str, width: int) -> Optics:
    """Random settings; blur grows with the size of the picture."""
    haze = 0.0
    if kind == "street" and rng.random() < 0.4:
        haze = 3.0 / float(np.exp(rng.uniform(np.log(40), np.log(600))))
    gain = rng.uniform(0.85, 1.3) * rng.uniform(0.92, 1.08, 3)
    return Optics(
        haze=haze,
        gain=(float(gain[0]), float(gain[1]), float(gain[2])),
        gamma=float(rng.uniform(0.7, 1.15)),
        blur_px=float(rng.uniform(0.35, 0.8)) * max(width / 640, 0.8),
        smear_px=int(rng.integers(2, 6)) * width // 320 if rng.random() < 0.08 else 0,
        noise=float(rng.uniform(0.5, 3)) if rng.random() < 0.7 else float(rng.uniform(3, 10)),
        vignette=float(rng.uniform(0, 0.35)) if rng.random() < 0.5 else 0.0,
    )


def expose(
    color: Picture, depth: npt.NDArray[np.float32], optics: Optics, light: Light, rng: Rng
) -> RgbArray:
    """Turn scene colours (3, H, W), 0..1, into a picture (H, W, 3); overwrites them.

    `depth` is in metres, inf in the sky.
    """
    clear = np.exp(np.minimum(depth, SKY_M) * -np.float32(optics.haze)) if optics.haze else None
    falloff = _vignette(depth.shape, optics.vignette) if optics.vignette else None
    for plane, gain, air in zip(color, optics.gain, light.horizon, strict=True):
        if clear is not None:
            plane -= air
            plane *= clear
            plane += air
        plane *= gain
        if falloff is not None:
            plane *= falloff
    np.clip(color, 0, 1, out=color)
    bright = np.asarray(cv2.merge(list(color)), np.float32)
    bright = np.asarray(cv2.pow(bright, optics.gamma), np.float32)
    picture = np.asarray(cv2.convertScaleAbs(bright, alpha=255), np.uint8)
    if optics.blur_px > 0.2:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), optics.blur_px), np.uint8)
    if optics.smear_px > 1:
        picture = np.asarray(cv2.blur(picture, (optics.smear_px, 1)), np.uint8)
    if optics.noise:
        noisy = _noise(picture.shape, rng) * np.float32(optics.noise)
        noisy += picture
        picture = np.asarray(cv2.convertScaleAbs(np.maximum(noisy, 0, out=noisy)), np.uint8)
    return picture


def _vignette(shape: tuple[int, ...], strength: float) -> Picture:
    """Factors (H, W) that fall towards the corners."""
    y, x = (np.linspace(-1, 1, side, dtype=np.float32) ** 2 for side in shape)
    falloff: Picture = 1 - np.float32(strength / 2) * (x + y[:, None])
    return falloff


def _noise(shape: tuple[int, ...], rng: Rng) -> Picture:
    """Normal noise of unit spread: a random stretch of one long list."""
    bank, size = _noise_bank(), int(np.prod(shape))
    if size >= len(bank):
        return rng.standard_normal(shape, np.float32)
    start = int(rng.integers(len(bank) - size))
    return bank[start : start + size].reshape(shape)


@lru_cache(maxsize=1)
def _noise_bank() -> Picture:
    return np.random.default_rng(8).standard_normal(1 << 21, np.float32)
