"""Colours by distance, and text: what the pictures of `draw` and `depthview` share.

One colour map for boxes and depth pictures: near is yellow, far is violet, and lightness falls all
the way, so that it is read by the colour-blind and in print. It is plasma without its darkest
part, which would be lost on a photo. Grey never occurs in it and means "no distance".
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple, cast

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from howfar.core.boxes import FloatArray
from howfar.core.depth import DepthMap
from howfar.core.image import RgbArray
from howfar.errors import UsageError

Rgb = tuple[int, int, int]

BLACK: Rgb = (0, 0, 0)
WHITE: Rgb = (255, 255, 255)
OUTLINE: Rgb = (24, 24, 24)
"""Thin border of boxes and plates; keeps them visible on any background."""
UNKNOWN: Rgb = (200, 200, 200)
"""Boxes without a distance."""
NONE: Rgb = (96, 96, 96)
"""Pixels without a valid depth."""

BRIGHTEST, DARKEST = 250, 40
"""Entries of plasma for near and far."""
FAR_WHITE = 0.2
"""Share of white that is mixed into the far end."""
WORD_GAP = 0.3
"""Space between words as a share of the font size; the font's own is too narrow when small."""
MOST_DECADES = 2
"""A logarithmic ramp spans at most this many powers of ten; what is nearer has the near colour."""
SAMPLES = 40_000
"""About how many pixels the default range is read from."""


def _near_to_far() -> RgbArray:
    every = np.arange(256, dtype=np.uint8)[:, None]
    plasma = cv2.applyColorMap(every, cv2.COLORMAP_PLASMA)[:, 0, ::-1]
    index = np.round(np.linspace(BRIGHTEST, DARKEST, 256)).astype(np.int64)
    white = np.linspace(0, FAR_WHITE, 256)[:, None]
    return np.round(plasma[index] * (1 - white) + 255 * white).astype(np.uint8)


NEAR_TO_FAR = _near_to_far()
"""(256, 3) uint8 RGB, row 0 is nearest."""


class Ramp(NamedTuple):
    """Which distances the colours stand for, in the unit of an ordered depth map.

    `near` < `far`; `logarithmic` where `far` > 10 * `near`, else colours are spaced evenly.
    """

    near: float
    far: float

    @property
    def logarithmic(self) -> bool:
        """Whether equal ratios, not equal differences, are equally far apart in colour."""
        return self.far > 10 * self.near

    def position(self, distances: npt.ArrayLike) -> FloatArray:
        """Positions 0 (near or nearer) .. 1 (far or farther), float32, shape of `distances`."""
        inside = np.clip(np.asarray(distances, np.float32), self.near, self.far)
        near, far = self.near, self.far
        if self.logarithmic:
            inside = np.log(inside, out=inside if inside.ndim else None)
            near, far = math.log(near), math.log(far)
        inside = (inside - np.float32(near)) * np.float32(1 / (far - near))
        return np.clip(inside, 0, 1).astype(np.float32, copy=False)

    def rows(self, distances: npt.ArrayLike) -> npt.NDArray[np.uint8]:
        """Rows of `NEAR_TO_FAR`, uint8, shape of `distances`; these must be finite."""
        return (self.position(distances) * np.float32(255) + np.float32(0.5)).astype(np.uint8)

    def colour(self, distance: float) -> Rgb:
        """RGB of one distance."""
        r, g, b = NEAR_TO_FAR[int(self.rows(distance))].tolist()
        return r, g, b


def given_ramp(range_m: tuple[float, float]) -> Ramp:
    """The ramp of a range in metres that the caller gave.

    A near end below a hundredth of the far one, 0 say, is raised to that.

    Raises `UsageError` unless 0 <= near < far, both finite.
    """
    near, far = float(range_m[0]), float(range_m[1])
    if not (0 <= near < far < math.inf):
        raise UsageError(f"range_m is ({near:g}, {far:g}); give 0 <= near < far in metres")
    return Ramp(max(near, far / 10**MOST_DECADES), far)


def depth_ramp(ordered: DepthMap) -> Ramp | None:
    """The ramp from the 2nd to the 98th percentile of an ordered map, rounded outwards.

    None where no pixel is valid. Large maps are sampled on an even grid.
    """
    step = max(1, math.isqrt(ordered.values.size // SAMPLES))
    seen = ordered.values[::step, ::step][ordered.valid[::step, ::step]]
    if seen.size < 100:
        seen = ordered.values[ordered.valid]
    if not seen.size:
        return None
    low, high = np.percentile(seen, (2, 98))
    return rounded_ramp(float(low), float(high))


def rounded_ramp(low: float, high: float) -> Ramp:
    """The ramp over 0 < low <= high, its ends rounded outwards to numbers with few digits."""
    high = max(high, 1.05 * low)
    step = round_step((high - low) / 10)
    near, far = math.floor(low / step) * step, math.ceil(high / step) * step
    if far > 10 * near:
        finer = round_step(low / 5)
        near = max(math.floor(low / finer + 1e-6) * finer, far / 10**MOST_DECADES)
    return Ramp(_few_digits(near), _few_digits(far))


def tick_depths_m(ramp: Ramp, most: int) -> list[float]:
    """Depths in metres to label at a bar with room for `most` gaps: the ends, and between them
    multiples of 1, 2 or 5 times a power of ten that do not crowd."""
    if ramp.logarithmic:
        low, high = math.floor(math.log10(ramp.near)), math.ceil(math.log10(ramp.far))
        round_depths = [float(f"{f}e{p}") for p in range(low, high + 1) for f in (1, 2, 5)]
    else:
        step = round_step((ramp.far - ramp.near) / most)
        first, last = math.ceil(ramp.near / step), math.floor(ramp.far / step)
        round_depths = [float(f"{k * step:.9g}") for k in range(first, last + 1)]
    ticks, reached = [ramp.near], 0.0
    for depth_m in round_depths:
        at = float(ramp.position(depth_m))
        if reached + 0.7 / most <= at <= 1 - 0.7 / most:
            ticks.append(depth_m)
            reached = at
    return [*ticks, ramp.far]


def round_step(least: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is not below `least` > 0."""
    power = 10.0 ** math.floor(math.log10(least))
    return _few_digits(next(f * power for f in (1, 2, 5, 10) if f * power >= least * (1 - 1e-9)))


def _few_digits(value: float) -> float:
    """`value` without the noise of float arithmetic."""
    return float(f"{value:.9g}")


def text_size_px(width: int, height: int) -> int:
    """Font size that reads well on a picture of `width` x `height`: 20 px on 1280 x 720."""
    return max(10, round(4 + math.sqrt(width * height) / 60))


@lru_cache(maxsize=64)
def _font(size_px: int) -> ImageFont.FreeTypeFont:
    """Pillow's built-in TrueType font."""
    return cast("ImageFont.FreeTypeFont", ImageFont.load_default(size_px))


def text_extent(text: str, size_px: int) -> tuple[int, int]:
    """Width and height in pixels of `text`; the height depends on the size alone."""
    masks = [_word_mask(word, size_px) for word in text.split()]
    gaps = max(len(masks) - 1, 0) * _gap_px(size_px)
    return sum(mask.shape[1] for mask in masks) + gaps, _line_height_px(size_px)


def text_block(text: str, size_px: int, ink: Rgb, ground: Rgb, pad_px: int = 0) -> RgbArray:
    """A filled (h, w, 3) uint8 block with `text`, `pad_px` wider on the left and on the right."""
    width, height = text_extent(text, size_px)
    cover = np.zeros((height, max(width, 1) + 2 * pad_px), np.uint8)
    x = pad_px
    for word in text.split():
        mask = _word_mask(word, size_px)
        cover[:, x : x + mask.shape[1]] = mask
        x += mask.shape[1] + _gap_px(size_px)
    steps = np.linspace(ground, ink, 256).round().astype(np.uint8)
    return steps.take(cover, axis=0)


@lru_cache(maxsize=256)
def _word_mask(word: str, size_px: int) -> npt.NDArray[np.uint8]:
    """How much ink each pixel of a word has, (h, w) uint8; words recur, so they are kept."""
    font = _font(size_px)
    mask = Image.new("L", (max(1, math.ceil(font.getlength(word))), _line_height_px(size_px)), 0)
    ImageDraw.Draw(mask).text((0, font.getmetrics()[0]), word, fill=255, font=font, anchor="ls")
    return np.asarray(mask)


def _line_height_px(size_px: int) -> int:
    """Height of a line of text."""
    return sum(_font(size_px).getmetrics())


def _gap_px(size_px: int) -> int:
    """Space between two words."""
    return round(WORD_GAP * size_px)


def ink_on(ground: Rgb) -> Rgb:
    """Black or white, whichever has the higher contrast (WCAG 2) on `ground`: 4.5 or more."""
    return BLACK if luminance(ground) > 0.179 else WHITE


def luminance(colour: Rgb) -> float:
    """Relative luminance 0..1 of an sRGB colour (WCAG 2)."""
    parts = [c / 255 for c in colour]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
