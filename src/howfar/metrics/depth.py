"""Errors of dense metric depth, as sums over pixels.

p is predicted and g true depth in metres, e = ln p - ln g. Formulas: facts sheet section 3. Two
aggregations, never mixed: pooled (add the `DepthSums` of all images, then divide once) and
per-image (divide for each image, then average the images: `ImageMeans`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from howfar.errors import UsageError
from howfar.metrics.sums import Float64Array, Mean, Sums, paired, ratio

LN10 = math.log(10.0)
MIN_DEPTH_M = 1e-3
"""Predictions below are raised to it, and counted: zero has no logarithm (facts 1b)."""


class Aggregation(StrEnum):
    """How the errors of many images become one number."""

    POOLED = "pooled"
    """One mean over the pixels of all images (Hybrid CNN, DenseDepth)."""
    PER_IMAGE = "per-image"
    """The mean over images of each image's error (monodepth, BTS, DIODE, source 004)."""


@dataclass(frozen=True)
class DepthSums(Sums):
    """Sums over the pixels of one or more images; `a + b` pools them.

    Attributes:
        pixels: with true depth and a prediction; what the sums run over.
        missing: with true depth but no prediction (NaN, or infinite without a cap); left out.
        clamped_low, clamped_high: predictions raised to the least or cut to the largest depth.
        signed, absolute, squared: sums of p - g in m, |p - g| in m, (p - g)² in m².
        relative: sum of |p - g| / g.
        squared_relative: sum of (p - g)² / g, in m.
        squared_relative_kitti: sum of (p - g)² / g².
        log_signed, log_absolute, log_squared: sums of e, |e|, e².
        log1p_squared: sum of (ln(1 + p) - ln(1 + g))².
        inverse_absolute, inverse_squared: sums of |1/p - 1/g| in 1/m and of its square.
        within1, within2, within3: pixels with max(p/g, g/p) < 1.25, 1.25², 1.25³ (strict).
    """

    pixels: int = 0
    missing: int = 0
    clamped_low: int = 0
    clamped_high: int = 0
    signed: float = 0.0
    absolute: float = 0.0
    squared: float = 0.0
    relative: float = 0.0
    squared_relative: float = 0.0
    squared_relative_kitti: float = 0.0
    log_signed: float = 0.0
    log_absolute: float = 0.0
    log_squared: float = 0.0
    log1p_squared: float = 0.0
    inverse_absolute: float = 0.0
    inverse_squared: float = 0.0
    within1: int = 0
    within2: int = 0
    within3: int = 0

    def errors(self) -> dict[str, float]:
        """The field's short names and their pooled values; NaN without pixels.

        abs_rel (also called REL, MARE) mean |p-g|/g · sq_rel mean (p-g)²/g in m · sq_rel_kitti
        100 · mean (p-g)²/g² in % · mae, rmse, bias (mean p-g) in m · rmse_log sqrt(mean e²) ·
        rmse_log1p (source 004) · log10 mean |e|/ln 10, DIODE's log_mae · log_rmse base 10
        (DIODE) · silog 100 · sqrt(mean e² - (mean e)²) · imae, irmse in 1/km · delta1..3 fractions.
        """
        n = self.pixels
        log10 = ratio(self.log_absolute, n) / LN10
        return {
            "abs_rel": ratio(self.relative, n),
            "sq_rel": ratio(self.squared_relative, n),
            "sq_rel_kitti": 100 * ratio(self.squared_relative_kitti, n),
            "mae": ratio(self.absolute, n),
            "rmse": math.sqrt(ratio(self.squared, n)),
            "bias": ratio(self.signed, n),
            "rmse_log": math.sqrt(ratio(self.log_squared, n)),
            "rmse_log1p": math.sqrt(ratio(self.log1p_squared, n)),
            "log10": log10,
            "log_mae": log10,
            "log_rmse": math.sqrt(ratio(self.log_squared, n)) / LN10,
            "silog": self.silog_error(),
            "imae": 1000 * ratio(self.inverse_absolute, n),
            "irmse": 1000 * math.sqrt(ratio(self.inverse_squared, n)),
            "delta1": ratio(self.within1, n),
            "delta2": ratio(self.within2, n),
            "delta3": ratio(self.within3, n),
        }

    def silog_error(self, lam: float = 1.0, root: bool = True, factor: float = 100.0) -> float:
        """Scale-invariant log error: factor · sqrt(mean e² - lam · (mean e)²).

        lam = 1, root, factor 100 is the KITTI devkit's; `root=False` leaves the square root out;
        lam = 0.5 or 0.85 occur in training. A variance from sums: below about 1e-6 it is rounding.
        """
        mean = ratio(self.log_signed, self.pixels)
        variance = ratio(self.log_squared, self.pixels) - lam * mean * mean
        variance = max(variance, 0.0) if self.pixels else variance
        return factor * (math.sqrt(variance) if root else variance)


def depth_sums(
    prediction: npt.ArrayLike,
    truth: npt.ArrayLike,
    valid: npt.ArrayLike | None = None,
    min_m: float = MIN_DEPTH_M,
    max_m: float = math.inf,
) -> DepthSums:
    """Sums of one image (or of any set of pixels).

    Args:
        prediction, truth: depth in metres, of one shape.
        valid: bool mask of that shape; true depths that are not finite or <= 0 never count.
        min_m, max_m: predictions are clamped into this range, and the clamped ones counted.

    Raises `UsageError` where shapes differ.
    """
    p, g = paired(prediction, truth, valid)
    known = np.isfinite(g) & (g > 0)
    p, g = p[known], g[known]
    p, low, high, missing = clamp(p, min_m, max_m)
    return _sums(p[~missing], g[~missing], int(missing.sum()), low, high)


def clamp(
    prediction: Float64Array, min_m: float, max_m: float
) -> tuple[Float64Array, int, int, npt.NDArray[np.bool_]]:
    """Predictions clamped to [min_m, max_m], how many were below and above, and which are missing.

    Missing are NaN, and infinity where there is no cap.
    """
    if not 0 < min_m < max_m:
        raise UsageError(f"depth range {min_m}..{max_m} m; give 0 < min < max")
    missing = np.isnan(prediction) | (np.isposinf(prediction) & (max_m == math.inf))
    low, high = int((prediction < min_m).sum()), int((prediction[~missing] > max_m).sum())
    return np.clip(prediction, min_m, max_m), low, high, missing


def _sums(p: Float64Array, g: Float64Array, missing: int, low: int, high: int) -> DepthSums:
    d, e = p - g, np.log(p) - np.log(g)
    square, inverse = d * d, 1 / p - 1 / g
    worse = np.maximum(p / g, g / p)
    log1p = np.log1p(p) - np.log1p(g)
    return DepthSums(
        pixels=p.size,
        missing=missing,
        clamped_low=low,
        clamped_high=high,
        signed=float(d.sum()),
        absolute=float(np.abs(d).sum()),
        squared=float(square.sum()),
        relative=float((np.abs(d) / g).sum()),
        squared_relative=float((square / g).sum()),
        squared_relative_kitti=float((square / (g * g)).sum()),
        log_signed=float(e.sum()),
        log_absolute=float(np.abs(e).sum()),
        log_squared=float((e * e).sum()),
        log1p_squared=float((log1p * log1p).sum()),
        inverse_absolute=float(np.abs(inverse).sum()),
        inverse_squared=float((inverse * inverse).sum()),
        within1=int((worse < 1.25).sum()),
        within2=int((worse < 1.25**2).sum()),
        within3=int((worse < 1.25**3).sum()),
    )


@dataclass(frozen=True)
class ImageMeans:
    """Errors of single images summed over images; `a + b` joins two sets of images.

    Attributes:
        images: with at least one usable pixel.
        empty: without; left out of the means.
        totals: sum over `images` of each error of `DepthSums.errors`.
    """

    images: int = 0
    empty: int = 0
    totals: Mapping[str, float] = field(default_factory=dict)

    def __add__(self, other: ImageMeans) -> ImageMeans:
        names = dict.fromkeys((*self.totals, *other.totals))
        totals = {n: self.totals.get(n, 0.0) + other.totals.get(n, 0.0) for n in names}
        return ImageMeans(self.images + other.images, self.empty + other.empty, totals)

    def errors(self) -> dict[str, float]:
        """Mean over images of each error; NaN without images."""
        names = self.totals or DepthSums().errors()
        return {name: ratio(self.totals.get(name, 0.0), self.images) for name in names}


def image_means(sums: DepthSums) -> ImageMeans:
    """The sums of exactly one image as one item of a mean over images."""
    if not sums.pixels:
        return ImageMeans(empty=1)
    return ImageMeans(images=1, totals=sums.errors())


def aggregate_errors(images: Iterable[DepthSums], how: Aggregation | str) -> dict[str, float]:
    """Errors of many images, each given as its own `DepthSums`, by a named aggregation."""
    if Aggregation(how) is Aggregation.POOLED:
        return sum(images, DepthSums()).errors()
    return sum(map(image_means, images), ImageMeans()).errors()


def soft_accuracy_score(
    prediction: npt.ArrayLike, truth: npt.ArrayLike, valid: npt.ArrayLike | None = None
) -> Mean:
    """Source 003's "accuracy" of depth scaled to 0..1: mean(round(p) == round(g)).

    Says only whether both lie on the same side of 0.5. Halves round to even, as in NumPy and
    Keras. It means nothing for metres.
    """
    p, g = paired(prediction, truth, valid)
    return Mean(float((np.round(p) == np.round(g)).sum()), p.size)


def gradient_mare_error(
    prediction: npt.ArrayLike,
    truth: npt.ArrayLike,
    valid: npt.ArrayLike | None = None,
    epsilon: float = 0.01,
) -> Mean:
    """Mean absolute relative error of the gradients of (H, W) depth (source 002).

    mean over x and y of |∂g - ∂p| / max(|∂g|, epsilon), forward differences between two pixels
    that are both valid (g > 0). epsilon, in metres, is ours: the source divides by zero on flat
    parts. The MARE of the depth itself is `abs_rel`.
    """
    p, g = np.asarray(prediction, np.float64), np.asarray(truth, np.float64)
    if p.shape != g.shape or p.ndim != 2:
        raise UsageError(f"prediction {p.shape} and truth {g.shape}: give two (H, W) maps")
    use = np.isfinite(p) & np.isfinite(g) & (g > 0)
    use &= True if valid is None else np.asarray(valid, bool)
    p, g = np.where(use, p, 0.0), np.where(use, g, 0.0)
    total, count = 0.0, 0
    for axis in (0, 1):
        n = use.shape[axis]
        first, second = range(max(n - 1, 0)), range(1, n)
        both = np.take(use, first, axis) & np.take(use, second, axis)
        dp, dg = np.diff(p, axis=axis)[both], np.diff(g, axis=axis)[both]
        total += float((np.abs(dg - dp) / np.maximum(np.abs(dg), epsilon)).sum())
        count += int(both.sum())
    return Mean(total, count)
