"""Two readings of one distance: a depth network's, and what the size of the object tells.

Small networks know the order of depths better than metres. A person or a vehicle that is seen whole
tells its distance by its height, if the focal length is known: a second reading, and one that a
longer lens does not change. Both have a stated error, and both err alike in part. What they say
together was nearer to the truth in the mean and the median of most groups that were measured
(`docs/decisions/019-sizes-have-a-say.md`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from howfar.core.boxes import FloatArray
from howfar.core.depth import BoolArray
from howfar.core.foreground import SizePrior
from howfar.core.scale import BOX_SPREAD
from howfar.core.sizes import SEEN_WHOLE, feet_hidden

SOURCE = "network+object-size"
"""`Object.scale_source` of distances from both readings."""
TOGETHER = 0.5
"""Correlation of the errors of both readings, since a loose box spoils both, and the statistic that
reads the network looks at sizes too: .36 to .80 (`benchmarks/size_fusion.py`)."""
USUAL = 0.9
"""Share of the things of a class that have its usual size: the others are toys, pictures of things
and wrong names."""
UNUSUAL_RANGE = math.log(100)
"""These may be anywhere within a tenth to ten times the network's distance."""
MOST_HIDDEN = 0.5
"""Where nearer boxes cover this share of a box's lower side, its height tells little: measured by
hand, sizes err by .11 to .36 in the mean below .6 of it, by .38 to .86 above (a drive, rendered
streets)."""
LEAST_SHARE = 0.05
"""A size that weighs less than this is left out."""


@dataclass(frozen=True, eq=False)
class Fused:
    """Distances from both readings.

    Attributes:
        depth: (N,) depth z in metres, NaN = none.
        log_error: (N,) half-width of the interval in the logarithm of depth.
        sized: (N,) whether the size had a say; else both are the network's.
    """

    depth: FloatArray
    log_error: FloatArray
    sized: BoolArray


def fuse(
    depth: FloatArray,
    log_error: FloatArray,
    level: float,
    prior: SizePrior,
    boxes: FloatArray,
    labels: Sequence[str],
) -> Fused:
    """Put both readings of each object together, see `mean_of_readings`.

    Only people and vehicles have a say by their size whose box lies within the picture and whose
    feet or wheels nothing nearer covers.

    Args:
        depth, log_error: (N,) the network's, in metres, and half-width of its calibrated interval
            in the logarithm; NaN = none.
        level: share of true depths that such intervals hold, between 0 and 1.
        prior: (N,) distances from sizes (`howfar.core.sizes.size_distances`).
        boxes: (N, 4) `xyxy` pixels.
        labels: N class names.
    """
    usable = np.array([label in SEEN_WHOLE for label in labels], bool).reshape(len(boxes))
    usable &= np.isfinite(depth) & np.isfinite(log_error) & np.isfinite(prior.depth)
    usable &= depth > 0
    usable[usable] = feet_hidden(boxes[usable], boxes) < MOST_HIDDEN
    quantile = NormalDist().inv_cdf((1 + level) / 2)
    gap = np.log(prior.depth[usable] / depth[usable])
    size_std = np.hypot(prior.spread[usable], BOX_SPREAD)
    share, std = mean_of_readings(gap, log_error[usable] / quantile, size_std)
    used = share >= LEAST_SHARE
    numbers = np.flatnonzero(usable)[used]
    sized = np.zeros(len(boxes), bool)
    sized[numbers] = True
    depth, log_error = depth.copy(), log_error.copy()
    depth[numbers] *= np.exp(share * gap)[used]
    log_error[numbers] = (quantile * std)[used]
    return Fused(depth, log_error, sized)


def mean_of_readings(
    gap: FloatArray, network_std: FloatArray, size_std: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """What the size counts for, and how sure both are together.

    A mixture of two cases. The object has its class's usual size: then the best unbiased mean of
    two normal readings of log depth with correlation `TOGETHER`. It has not: then the network's
    alone. How far both readings are apart tells which is likely.

    Args:
        gap: (N,) logarithm of the size's distance over the network's.
        network_std, size_std: (N,) standard deviations of both in log depth.

    Returns the share of the gap by which the mean of the mixture is away from the network's, and
    the standard deviation of the mixture, both (N,).
    """
    covariance = TOGETHER * network_std * size_std
    gap_variance = network_std**2 + size_std**2 - 2 * covariance
    density = np.exp(-(gap**2) / (2 * gap_variance)) / np.sqrt(2 * math.pi * gap_variance)
    usual = USUAL * density / (USUAL * density + (1 - USUAL) / UNUSUAL_RANGE)
    best = np.clip((network_std**2 - covariance) / gap_variance, 0, 1)
    both = (1 - best) ** 2 * network_std**2 + best**2 * size_std**2
    both += 2 * best * (1 - best) * covariance
    variance = usual * both + (1 - usual) * network_std**2 + usual * (1 - usual) * (best * gap) ** 2
    return best * usual, np.sqrt(variance)
