"""Errors of relative depth: scale- and shift-invariant, and by the order of pairs.

d is predicted and d* true disparity (inverse depth), each up to its own scale and shift.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from howfar.errors import UsageError
from howfar.metrics.alignment import least_squares
from howfar.metrics.sums import Float64Array, Mean, Sums, paired, ratio


def ssi_mse_error(
    prediction: npt.ArrayLike, truth: npt.ArrayLike, valid: npt.ArrayLike | None = None
) -> Mean:
    """1/(2M) Σ (s d + t - d*)², s and t by least squares (MiDaS, arXiv 1907.01341; facts 1f).

    In the square of the truth's own unit. As `Mean` over the M pixels of one image.
    """
    d, target = paired(prediction, truth, valid)
    if not d.size:
        return Mean()
    scale, shift = least_squares(d, target)
    return Mean(float(np.square(scale * d + shift - target).sum()) / 2, d.size)


def ssi_mae_error(
    prediction: npt.ArrayLike,
    truth: npt.ArrayLike,
    valid: npt.ArrayLike | None = None,
    trim: float = 0.0,
    lower_median: bool = False,
) -> Mean:
    """1/(2M) Σ |d̂ - d̂*| of maps normalised by median and mean absolute deviation (facts 1f).

    Args:
        prediction, truth: disparities of one image.
        valid: pixels that count, M of them.
        trim: share of the largest residuals to drop, 0.2 in MiDaS; int((1 - trim) M) are kept
            and the sum is still divided by 2M.
        lower_median: take the lower middle element, as torch.median does.

    A constant map stays zero after its median is taken off.
    """
    d, target = paired(prediction, truth, valid)
    if not d.size:
        return Mean()
    residual = np.sort(np.abs(_robust(d, lower_median) - _robust(target, lower_median)))
    kept = residual[: int((1 - trim) * d.size)]
    return Mean(float(kept.sum()) / 2, d.size)


def _robust(values: Float64Array, lower_median: bool) -> Float64Array:
    if lower_median:
        middle = float(np.partition(values, (values.size - 1) // 2)[(values.size - 1) // 2])
    else:
        middle = float(np.median(values))
    centred = values - middle
    scale = float(np.abs(centred).mean())
    return centred / scale if scale > 0 else centred


@dataclass(frozen=True)
class OrderSums(Sums):
    """Pairs of pixels and whether the prediction puts them in the true order.

    Attributes:
        pairs: judged.
        wrong: in another order, ties included.
    """

    pairs: int = 0
    wrong: int = 0

    def errors(self) -> dict[str, float]:
        """`order_error`: share of pairs in the wrong order; 0.5 is guessing."""
        return {"order_error": ratio(self.wrong, self.pairs)}


def order_sums(
    prediction: npt.ArrayLike,
    truth: npt.ArrayLike,
    valid: npt.ArrayLike | None = None,
    pairs: int = 20_000,
    margin: float = 0.05,
    seed: int = 0,
) -> OrderSums:
    """Compare the order of random pairs of pixels of one image.

    Args:
        prediction, truth: both inverse depth, or both depth, up to any growing function.
        valid: pixels that count.
        pairs: drawn with this `seed`, independent of the image's content.
        margin: a pair is judged where the truth differs by more than this share of the spread
            (5th to 95th percentile) of the image's truth.
    """
    p, g = paired(prediction, truth, valid)
    if g.size < 2:
        return OrderSums()
    i, j = np.random.default_rng(seed).integers(0, g.size, (2, pairs))
    low, high = np.percentile(g, [5, 95])
    apart = g[i] - g[j]
    judged = np.abs(apart) > margin * (high - low)
    same = np.sign(p[i] - p[j]) == np.sign(apart)
    return OrderSums(int(judged.sum()), int((judged & ~same).sum()))


def sdr_sums(
    first: npt.ArrayLike, second: npt.ArrayLike, order: npt.ArrayLike, ratio_limit: float = 1.1
) -> OrderSums:
    """MegaDepth's SfM disagreement rate of predicted depths of point pairs.

    Args:
        first, second: predicted depth (any unit, > 0) of the two points of each pair.
        order: 1 where the first is truly farther, -1 where nearer, 0 where equal.
        ratio_limit: depths whose ratio lies within 1/limit..limit count as equal.
    """
    a, b = paired(first, second)
    truth = np.ravel(np.asarray(order))
    if truth.shape != a.shape:
        raise UsageError(f"{truth.size} orders for {a.size} pairs of points")
    found = (a > b * ratio_limit).astype(int) - (b > a * ratio_limit).astype(int)
    return OrderSums(a.size, int((found != truth).sum()))
