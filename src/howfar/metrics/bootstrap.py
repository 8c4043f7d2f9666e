"""Is one method better than another on the same items, or is it chance?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from howfar.errors import UsageError
from howfar.metrics.sums import Float64Array

RESAMPLES = 2000


@dataclass(frozen=True)
class PairedDifference:
    """The difference a - b of two methods' errors, with a bootstrap interval.

    Attributes:
        difference: of the statistic on all items; below 0 where a is better.
        low, high: percentile interval of the resampled differences.
        level: its level, 0.95 say.
        statistic: `mean` or `median`.
        items: compared.
        clusters: resampled units: frames, or the items themselves.
    """

    difference: float
    low: float
    high: float
    level: float
    statistic: str
    items: int
    clusters: int

    @property
    def verdict(self) -> str:
        """`lower` or `higher` where the whole interval says so of a's error, else `unclear`."""
        if self.high < 0:
            return "lower"
        return "higher" if self.low > 0 else "unclear"


def paired_bootstrap(
    errors_a: npt.ArrayLike,
    errors_b: npt.ArrayLike,
    clusters: npt.ArrayLike | None = None,
    statistic: str = "mean",
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> PairedDifference:
    """Bootstrap the difference of two methods' errors on the same items.

    Args:
        errors_a, errors_b: (N,) errors of the same N items, finite. What to do with an item that
            only one method measured is the caller's choice, to be made before.
        clusters: (N,) frame of each item. Frames are then drawn with all their items, because
            errors within a picture are alike; items are drawn one by one where None.
        statistic: `mean` of a minus mean of b, or `median` of a minus median of b.
        level: of the interval.
        resamples: number of draws.
        seed: of the draws; equal input gives equal output.

    Raises `UsageError` for no items, lengths that differ, errors that are not finite.
    """
    a, b = np.asarray(errors_a, np.float64).ravel(), np.asarray(errors_b, np.float64).ravel()
    names = np.arange(a.size) if clusters is None else np.asarray(clusters).ravel()
    _check(a, b, names, statistic, level)
    group = np.unique(names, return_inverse=True)[1].reshape(-1)
    count = int(group.max()) + 1
    rng = np.random.default_rng(seed)
    draw = _mean_draws if statistic == "mean" else _median_draws
    drawn = draw(a, b, group, count, resamples, rng)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    middle: Callable[[Float64Array], np.float64] = np.mean if statistic == "mean" else np.median
    difference = float(middle(a) - middle(b))
    return PairedDifference(difference, float(low), float(high), level, statistic, a.size, count)


def _mean_draws(
    a: Float64Array,
    b: Float64Array,
    group: npt.NDArray[np.intp],
    count: int,
    resamples: int,
    rng: np.random.Generator,
) -> Float64Array:
    """Differences of means: sums and counts of the drawn clusters."""
    total = np.bincount(group, a - b, count)
    size = np.bincount(group, minlength=count)
    drawn = np.empty(resamples)
    for r in range(resamples):
        picked = rng.integers(0, count, count)
        drawn[r] = total[picked].sum() / size[picked].sum()
    return drawn


def _median_draws(
    a: Float64Array,
    b: Float64Array,
    group: npt.NDArray[np.intp],
    count: int,
    resamples: int,
    rng: np.random.Generator,
) -> Float64Array:
    """Differences of medians of the items of the drawn clusters."""
    order = np.argsort(group, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(group, minlength=count))[:-1])
    alone = count == a.size
    drawn = np.empty(resamples)
    for r in range(resamples):
        picked = rng.integers(0, count, count)
        items = order[picked] if alone else np.concatenate([members[k] for k in picked])
        drawn[r] = np.median(a[items]) - np.median(b[items])
    return drawn


def _check(
    a: Float64Array, b: Float64Array, names: npt.NDArray[np.generic], statistic: str, level: float
) -> None:
    if not a.size == b.size == names.size or not a.size:
        raise UsageError(f"{a.size} and {b.size} errors of {names.size} items; give one each")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise UsageError("an error is not finite; leave such items out of both methods, or rate it")
    if statistic not in ("mean", "median"):
        raise UsageError(f"statistic {statistic!r} is unknown; use mean or median")
    if not 0 < level < 1:
        raise UsageError(f"level {level}; give 0.95 for 95 %")
