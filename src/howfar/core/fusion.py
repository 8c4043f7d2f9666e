"""Two readings of one distance: a depth network's, and what the size of the object tells.

Small networks know the order of depths better than metres. A person or a vehicle that is seen whole
tells its distance by its height, if the focal length is known: a second, nearly independent
reading, and one that a longer lens does not change. Both have a stated error; together they are
nearer to the truth than either.
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
from howfar.core.sizes import feet_hidden

SOURCE = "network+object-size"
"""`Object.scale_source` of distances from both readings."""
CLASSES = frozenset(("person", "car", "bus", "truck", "motorcycle", "bicycle"))
"""Those of `howfar.core.sizes` that photographs show whole: of chairs, tables and bottles something
is hidden more often than a detector tells, and they then seem farther."""
TOGETHER = 0.4
"""Correlation of the errors of both readings, since a loose box spoils both: .34 to .73 on driving
pictures, rendered streets and cameras that the network never saw."""
USUAL = 0.9
"""Share of the things of a class that have its usual size: the others are toys, pictures of things
and wrong names."""
UNUSUAL_RANGE = math.log(100)
"""These may be anywhere within a tenth to ten times the network's distance."""
MOST_HIDDEN = 0.5
"""Where nearer boxes cover this share of a box's lower side, its height tells little: sizes err by
.11 to .36 in the mean below .6 of it, by .38 to .86 above (a drive, rendered streets)."""
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
    """Put both readings of each object together.

    The best unbiased mean of two normal readings of log depth with correlation `TOGETHER`. Its
    weight for the size is multiplied by the probability that the object has its class's usual size
    at all, by how far both are apart; what that leaves open widens the interval. Only for people
    and vehicles whose box lies within the picture and whose feet or wheels nothing nearer covers.

    Args:
        depth, log_error: (N,) the network's, in metres, and half-width of its calibrated interval
            in the logarithm; NaN = none.
        level: share of true depths that such intervals hold, 0..1.
        prior: (N,) distances from sizes (`howfar.core.sizes.size_distances`).
        boxes: (N, 4) `xyxy` pixels.
        labels: N class names.
    """
    usable = np.array([label in CLASSES for label in labels], bool).reshape(len(boxes))
    usable &= np.isfinite(depth) & np.isfinite(log_error) & np.isfinite(prior.depth)
    usable[usable] = feet_hidden(boxes[usable], boxes) < MOST_HIDDEN
    quantile = NormalDist().inv_cdf((1 + level) / 2)
    seen, told = depth[usable], prior.depth[usable]
    network = log_error[usable] / quantile
    size = np.hypot(prior.spread[usable], BOX_SPREAD)
    gap = np.log(told / seen)
    shared = TOGETHER * network * size
    apart = network**2 + size**2 - 2 * shared
    likely = USUAL * np.exp(-(gap**2) / (2 * apart)) / np.sqrt(2 * math.pi * apart)
    usual = likely / (likely + (1 - USUAL) / UNUSUAL_RANGE)
    share = np.clip((network**2 - shared) / apart, 0, 1) * usual
    open_question = usual * (1 - usual) * (share * gap) ** 2
    rest = (1 - share) ** 2 * network**2 + share**2 * size**2 + 2 * share * (1 - share) * shared
    used = share >= LEAST_SHARE
    numbers = np.flatnonzero(usable)[used]
    sized = np.zeros(len(boxes), bool)
    sized[numbers] = True
    depth, log_error = depth.copy(), log_error.copy()
    depth[numbers] = (seen * np.exp(share * gap))[used]
    log_error[numbers] = (quantile * np.sqrt(rest + open_question))[used]
    return Fused(depth, log_error, sized)
