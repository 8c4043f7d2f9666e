"""Do the intervals around distances hold what they promise, and how wide are they?"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from howfar.errors import UsageError
from howfar.metrics.objects import ObjectRecord
from howfar.metrics.sums import Sums, paired, ratio


@dataclass(frozen=True)
class IntervalSums(Sums):
    """Sums over intervals [l, u] of one level; `a + b` pools them.

    Attributes:
        count: with a true value.
        missing: true values without an interval; left out.
        covered: l <= g <= u.
        below, above: true values below l and above u.
        width: sum of u - l in metres.
        relative_width: sum of (u - l) / g.
        winkler: sum of Winkler's interval scores in metres.
    """

    count: int = 0
    missing: int = 0
    covered: int = 0
    below: int = 0
    above: int = 0
    width: float = 0.0
    relative_width: float = 0.0
    winkler: float = 0.0

    def scores(self) -> dict[str, float]:
        """`coverage` (compare with the level), `below`, `above` as fractions, `width` and
        `winkler` in m (lower is better), `relative_width`."""
        return {
            "coverage": ratio(self.covered, self.count),
            "below": ratio(self.below, self.count),
            "above": ratio(self.above, self.count),
            "width": ratio(self.width, self.count),
            "relative_width": ratio(self.relative_width, self.count),
            "winkler": ratio(self.winkler, self.count),
        }


def interval_sums(
    low: npt.ArrayLike, high: npt.ArrayLike, truth: npt.ArrayLike, level: float = 0.8
) -> IntervalSums:
    """Judge intervals that promise to hold the truth with probability `level`.

    Winkler's score (Winkler 1972; Gneiting and Raftery 2007, equation 43), a = 1 - level:
    (u - l) + 2/a (l - g) where g < l, + 2/a (g - u) where g > u. Add sums of one level only.
    True values that are not finite do not count; intervals that are not are missing.

    Raises `UsageError` where an interval has low > high or shapes differ.
    """
    if not 0 < level < 1:
        raise UsageError(f"interval level {level}; give 0.8 for 80 %")
    lo, g = paired(low, truth)
    hi, _ = paired(high, truth)
    if (lo > hi).any():
        raise UsageError("an interval has its low end above its high end")
    known = np.isfinite(g)
    use = known & np.isfinite(lo) & np.isfinite(hi)
    lo, hi, g = lo[use], hi[use], g[use]
    outside = np.maximum(lo - g, 0) + np.maximum(g - hi, 0)
    return IntervalSums(
        count=g.size,
        missing=int((known & ~use).sum()),
        covered=int(((g >= lo) & (g <= hi)).sum()),
        below=int((g < lo).sum()),
        above=int((g > hi).sum()),
        width=float((hi - lo).sum()),
        relative_width=float(((hi - lo) / g).sum()),
        winkler=float((hi - lo + 2 / (1 - level) * outside).sum()),
    )


def object_interval_sums(records: Iterable[ObjectRecord], level: float = 0.8) -> IntervalSums:
    """Judge the intervals of object records; objects without one are missing."""
    rows = [(r.low_m, r.high_m, r.truth_m) for r in records]
    low, high, truth = np.array(rows, np.float64).reshape(-1, 3).T
    return interval_sums(low, high, truth, level)


@dataclass(frozen=True)
class WithinSums(Sums):
    """Answers to "is it within X metres?"; `a + b` pools those of one X.

    An object that was not detected, or has no distance, is answered "no", as the filter
    `--max-distance` does; those are counted once more in `unanswered`.

    Attributes:
        true_yes, false_yes, false_no, true_no: answers; both ends inclusive (<= X).
        unanswered_near, unanswered_far: of the "no"s, those without a distance, by the truth.
        spurious: of `false_yes`, predicted objects within X that do not exist.
    """

    true_yes: int = 0
    false_yes: int = 0
    false_no: int = 0
    true_no: int = 0
    unanswered_near: int = 0
    unanswered_far: int = 0
    spurious: int = 0

    def scores(self) -> dict[str, float]:
        """`precision`, `recall`, `f1`; NaN where 0/0."""
        yes, near = self.true_yes + self.false_yes, self.true_yes + self.false_no
        return {
            "precision": ratio(self.true_yes, yes),
            "recall": ratio(self.true_yes, near),
            "f1": ratio(2 * self.true_yes, yes + near),
        }


def within_sums(
    records: Iterable[ObjectRecord], limit_m: float, spurious_m: Iterable[float] = ()
) -> WithinSums:
    """Count the answers of object records; those without a true distance do not count.

    Args:
        records: true objects with what was measured.
        limit_m: X in metres.
        spurious_m: distances of detections without a true object (NaN where they have none).
    """
    if not limit_m > 0:
        raise UsageError(f"distance limit {limit_m} m; give a positive number")
    pairs = [(r.distance_m, r.truth_m) for r in records if math.isfinite(r.truth_m)]
    p, g = np.array(pairs, np.float64).reshape(-1, 2).T
    yes, near, silent = p <= limit_m, g <= limit_m, ~np.isfinite(p)
    ghosts = sum(distance <= limit_m for distance in spurious_m)
    return WithinSums(
        true_yes=int((yes & near).sum()),
        false_yes=int((yes & ~near).sum()) + ghosts,
        false_no=int((~yes & near).sum()),
        true_no=int((~yes & ~near).sum()),
        unanswered_near=int((silent & near).sum()),
        unanswered_far=int((silent & ~near).sum()),
        spurious=ghosts,
    )
