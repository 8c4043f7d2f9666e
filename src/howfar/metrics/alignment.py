"""Bringing a prediction to the scale of the truth before it is judged.

Every fit uses the true depth, so the errors after it say nothing about metres. It must be named in
every report. x is the prediction, g the true depth in metres.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from howfar.errors import UsageError
from howfar.metrics.sums import Float64Array

LEAST = 1e-6
"""Depths below, in metres, have no usable inverse or logarithm; fits leave them out."""


class Alignment(StrEnum):
    """What is fitted to the truth of each image."""

    NONE = "none"
    """Nothing: the metres are the prediction's own."""
    MEDIAN = "median"
    """s = median(g) / median(p) (Zhou et al., monodepth2)."""
    SCALE = "scale"
    """s = Σ p g / Σ p², least squares in depth."""
    LOG_SCALE = "log-scale"
    """s = exp(mean(ln g - ln p)), least squares in log depth."""
    SCALE_SHIFT = "scale-shift"
    """s, t = argmin Σ (s p + t - g)², least squares in depth."""
    INVERSE_SCALE_SHIFT = "inverse-scale-shift"
    """s, t = argmin Σ (s/p + t - 1/g)², least squares in inverse depth (MiDaS)."""


@dataclass(frozen=True)
class Fit:
    """A fitted alignment.

    Attributes:
        how: which.
        scale, shift: depth = scale · p + shift, or for `INVERSE_SCALE_SHIFT`
            1 / (scale / p + shift), shift in 1/m.
    """

    how: Alignment
    scale: float = 1.0
    shift: float = 0.0

    def aligned(self, prediction: npt.ArrayLike, inverse: bool = False) -> Float64Array:
        """Depth in metres of a prediction in depth, or in inverse depth where `inverse`.

        Infinite where the inverse depth is <= 0 (behind infinity), NaN where the prediction is.
        """
        x = np.asarray(prediction, np.float64)
        if self.how is not Alignment.INVERSE_SCALE_SHIFT:
            return np.asarray(self.scale * (_reciprocal(x) if inverse else x) + self.shift)
        x = x if inverse else 1 / np.maximum(x, LEAST)
        return _reciprocal(self.scale * x + self.shift)


def fit_alignment(
    prediction: npt.ArrayLike,
    truth: npt.ArrayLike,
    how: Alignment | str,
    inverse: bool = False,
) -> Fit:
    """Fit an alignment on paired pixels.

    Args:
        prediction: depth, or inverse depth up to scale (and shift) where `inverse`.
        truth: depth in metres, same shape, all > 0 where it counts.
        how: one of `Alignment`.
        inverse: what `prediction` is.

    A constant prediction gets scale 0 and the mean of the truth as its shift (least squares).
    Raises `UsageError` where no pixel can be used for a fit.
    """
    how = Alignment(how)
    if how is Alignment.NONE:
        return Fit(how)
    x, g = np.ravel(np.asarray(prediction, np.float64)), np.ravel(np.asarray(truth, np.float64))
    use = np.isfinite(x) & np.isfinite(g) & (g > 0)
    if how is Alignment.INVERSE_SCALE_SHIFT:
        if not inverse:
            use &= x >= LEAST
        x, g = x[use], g[use]
        return Fit(how, *least_squares(x if inverse else 1 / x, 1 / g))
    x, g = x[use], g[use]
    if inverse:
        x, g = 1 / x[x > 0], g[x > 0]
    return Fit(how, *_in_depth(x, g, how))


def _in_depth(p: Float64Array, g: Float64Array, how: Alignment) -> tuple[float, float]:
    if how is Alignment.SCALE_SHIFT:
        return least_squares(p, g)
    if how is Alignment.LOG_SCALE:
        p, g = p[p >= LEAST], g[p >= LEAST]
    _check_pixels(p)
    if how is Alignment.LOG_SCALE:
        return math.exp(float(np.mean(np.log(g) - np.log(p)))), 0.0
    if how is Alignment.SCALE:
        below = float(p @ p)
        return (float(p @ g) / below if below else 0.0), 0.0
    middle = float(np.median(p))
    return (float(np.median(g)) / middle if middle > 0 else 0.0), 0.0


def least_squares(x: Float64Array, y: Float64Array) -> tuple[float, float]:
    """(s, t) = argmin Σ (s x + t - y)²; s = 0 and t = mean(y) where x is constant.

    The closed form of facts 1f about the means, which loses fewer digits.
    """
    _check_pixels(x)
    mean_x, mean_y = float(x.mean()), float(y.mean())
    dx = x - mean_x
    spread = float(dx @ dx)
    if spread <= 1e-24 * max(mean_x * mean_x, 1e-300) * x.size:
        return 0.0, mean_y
    scale = float(dx @ (y - mean_y)) / spread
    return scale, mean_y - scale * mean_x


def _check_pixels(values: Float64Array) -> None:
    if not values.size:
        raise UsageError("no pixel has both a usable prediction and a true depth to align them by")


def _reciprocal(x: Float64Array) -> Float64Array:
    """1/x, infinite where x <= 0, NaN where x is."""
    out = np.where(np.isnan(x), np.nan, np.inf)
    return np.divide(1.0, x, out=out, where=x > 0)
