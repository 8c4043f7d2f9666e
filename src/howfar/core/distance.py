"""How far away is the thing in this box: one number per box from a depth map.

Pixels: a box reads every pixel that it touches, clipped to the image: columns floor(x1) up to
ceil(x2), at least one. A statistic that would read more than 1,024 pixels of a box reads an even
lattice of at most 1,024 of them. Relative to the standard deviation of the depths in the box, the
error of that is .05 (rms; at most .16) for `median` and .03 (at most .08) for `central-mean` on 300
boxes of pure noise (`benchmarks/distance.py`); on real surfaces it is smaller.

Interval, where the network gives no calibrated one: `pixel-spread`, the 10th to the 90th percentile
of the depths that were used, widened to hold the value (a mean can lie outside); of `center`, one
pixel, it has no width. Where `foreground` draws its value towards the whole box, on soft depth, it
draws the percentiles alike. It shows how much the depths inside the object differ and is no error
bar: a network that is wrong by a factor gives a narrow pixel-spread all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from howfar.core.boxes import FloatArray, as_boxes
from howfar.core.depth import DepthKind, DepthMap
from howfar.core.detections import IntArray
from howfar.core.foreground import SizePrior, foreground
from howfar.core.lattice import PixelBoxes, pixel_boxes, ranked_quantiles, read_lattice
from howfar.errors import UsageError

INTERVAL_KIND = "pixel-spread"
CALIBRATED = "calibrated"
NEAR_SHARE = 0.1
"""Pixels this close to an object's distance, as a share of it, are its own."""
OUTSIDE = "the box lies outside the image"
NO_DEPTH = "no pixel of the box has a valid depth"
CENTRAL_SHARE = 0.4
"""Share of width and height that `central-mean` reads (facts 1i, equation 8)."""


class Statistic(StrEnum):
    """Which depth stands for an object."""

    CENTER = "center"
    """Depth of the pixel at the box centre (source 003)."""
    CENTRAL_MEAN = "central-mean"
    """Mean of the central 40 % of width and height, divided by the pixels really summed
    (source 000, equation 8)."""
    MEDIAN = "median"
    """Median of the whole box (source 000, equation 9)."""
    FOREGROUND = "foreground"
    """Median of the depth cluster that belongs to the object; on soft depth drawn towards the
    median of the box: `howfar.core.foreground`."""


@dataclass(frozen=True)
class Distance:
    """Distance of one box, in the unit of the depth map.

    Attributes:
        value: the distance, or None.
        interval: (low, high) around it, or None.
        interval_kind: what the interval is; here always `pixel-spread`.
        valid_pixels: pixels with a valid depth in the region that the statistic looks at.
        statistic: how `value` was read.
        reason: why there is no value; None where there is one.
    """

    value: float | None
    interval: tuple[float, float] | None
    valid_pixels: int
    statistic: Statistic
    reason: str | None = None
    interval_kind: str = INTERVAL_KIND


@dataclass(frozen=True, eq=False)
class Distances:
    """Distances of N boxes as arrays; NaN where there is none. Indexing gives a `Distance`."""

    values: FloatArray
    low: FloatArray
    high: FloatArray
    valid_pixels: IntArray
    inside: npt.NDArray[np.bool_]
    statistic: Statistic

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, i: int) -> Distance:
        count = int(self.valid_pixels[i])
        if not self.inside[i]:
            return Distance(None, None, 0, self.statistic, OUTSIDE)
        if not np.isfinite(self.values[i]):
            return Distance(None, None, count, self.statistic, NO_DEPTH)
        interval = (float(self.low[i]), float(self.high[i]))
        return Distance(float(self.values[i]), interval, count, self.statistic)


def measure(
    depth: DepthMap,
    boxes: npt.ArrayLike,
    statistic: Statistic | str = Statistic.FOREGROUND,
    prior: SizePrior | None = None,
) -> Distances:
    """Distances of boxes on a depth map of the same image.

    Args:
        depth: the map; a relative one is read in its own order (`DepthMap.ordered`).
        boxes: (N, 4) `xyxy` pixels of the map. `foreground` looks at all of them together, so
            give all boxes of the picture in one call.
        statistic: one of `Statistic`.
        prior: expected distances from object sizes; only `foreground` uses it.

    Raises `UsageError` for an unknown statistic or malformed boxes.
    """
    if statistic not in tuple(Statistic):
        raise UsageError(f"statistic {statistic!r} is unknown; use one of {', '.join(Statistic)}")
    statistic = Statistic(statistic)
    array = as_boxes(boxes)
    ordered = depth.ordered()
    whole = pixel_boxes(array, depth.width, depth.height)
    region = whole
    if statistic is Statistic.CENTER:
        region = _center(whole, array)
    elif statistic is Statistic.CENTRAL_MEAN:
        region = _central(array, whole, depth)
    counts = region.count_valid(ordered.valid)
    if statistic is Statistic.FOREGROUND:
        values, low, high = foreground(ordered, array, whole, prior)
        values = np.where(counts > 0, values, np.float32(np.nan))  # not from closed gaps alone
    else:
        samples = read_lattice(ordered, region)
        values, low, high = _summary(samples, mean=statistic is Statistic.CENTRAL_MEAN)
    return Distances(values, low, high, counts, whole.inside, statistic)


def log_errors(depth: DepthMap, boxes: npt.ArrayLike, values: npt.ArrayLike) -> FloatArray:
    """Half-width of each box's calibrated interval in the logarithm of depth: (N,), NaN = none.

    The median of the map's `log_error` over the pixels of the box whose depth lies within 10 % of
    the box's distance, or over all of its pixels where none does.

    Args:
        depth: a map with `log_error`.
        boxes: (N, 4) `xyxy` pixels of the map.
        values: (N,) their distances, NaN = none.

    Raises `UsageError` where the map has no calibrated errors.
    """
    if depth.log_error is None:
        raise UsageError("this depth map has no calibrated errors")
    region = pixel_boxes(as_boxes(boxes), depth.width, depth.height)
    errors = DepthMap(depth.log_error, DepthKind.RELATIVE_AFFINE, depth.valid)
    at, spread = read_lattice(depth, region), read_lattice(errors, region)
    wanted = np.asarray(values, np.float32)[:, None]
    with np.errstate(invalid="ignore"):
        near = np.abs(at - wanted) <= NEAR_SHARE * wanted
    near |= ~near.any(axis=1, keepdims=True)
    ranked = np.sort(np.where(near & np.isfinite(at), spread, np.float32(np.nan)), axis=1)
    (middle,) = ranked_quantiles(ranked, np.isfinite(ranked).sum(axis=1), (0.5,))
    return np.where(np.isfinite(wanted[:, 0]), middle, np.float32(np.nan)).astype(np.float32)


def _center(whole: PixelBoxes, boxes: FloatArray) -> PixelBoxes:
    """The pixel that holds the box centre, clamped into the visible part of the box."""
    middle = np.floor((boxes[:, :2] + boxes[:, 2:]) / 2).astype(np.int64)
    x = np.clip(middle[:, 0], whole.x1, np.maximum(whole.x2 - 1, whole.x1))
    y = np.clip(middle[:, 1], whole.y1, np.maximum(whole.y2 - 1, whole.y1))
    return PixelBoxes(x, y, x + whole.inside, y + whole.inside)


def _central(boxes: FloatArray, whole: PixelBoxes, depth: DepthMap) -> PixelBoxes:
    """The central 40 % of each box; where that lies outside the image, the visible part's."""
    seen = np.stack([whole.x1, whole.y1, whole.x2, whole.y2], axis=1).astype(np.float32)
    core = pixel_boxes(_shrunk(boxes), depth.width, depth.height)
    rest = pixel_boxes(_shrunk(seen), depth.width, depth.height)
    pairs = zip(
        (core.x1, core.y1, core.x2, core.y2), (rest.x1, rest.y1, rest.x2, rest.y2), strict=True
    )
    inside = core.inside
    x1, y1, x2, y2 = (np.where(inside, a, b) for a, b in pairs)
    shown = whole.inside
    return PixelBoxes(x1, y1, np.where(shown, x2, x1), np.where(shown, y2, y1))


def _shrunk(boxes: FloatArray) -> FloatArray:
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]) * np.float32(CENTRAL_SHARE / 2)
    shrunk: FloatArray = np.concatenate([middle - half, middle + half], axis=1)
    return shrunk


def _summary(samples: FloatArray, mean: bool) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Median or mean, 10th and 90th percentile of the rows of (N, S), NaN = no sample."""
    ranked = np.sort(samples, axis=1)  # NaN last
    counts = np.isfinite(ranked).sum(axis=1)
    low, middle, high = ranked_quantiles(ranked, counts, (0.1, 0.5, 0.9))
    if not mean:
        return middle, low, high
    with np.errstate(invalid="ignore"):
        total = np.nansum(ranked, axis=1, dtype=np.float64)
        average = (total / np.where(counts, counts, np.nan)).astype(np.float32)
        return average, np.minimum(low, average), np.maximum(high, average)
