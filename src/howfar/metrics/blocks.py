"""Do the intervals of a dense depth map hold what they promise? Judged block by block, because the
pixels of one surface err together."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from howfar.core.boxes import FloatArray
from howfar.core.depth import BoolArray, DepthMap
from howfar.errors import UsageError
from howfar.metrics.intervals import interval_sums
from howfar.metrics.sums import Float64Array

GRID = 16
"""A picture is divided into this many blocks each way."""
LEAST_SHARE = 0.01
"""Of a block's pixels whose depth is known, for the block to count."""
WIDTHS = np.exp(np.linspace(np.log(0.01), np.log(3), 120))
"""Constant half-widths that are tried: logarithm of depth, or share of the mean depth."""


def blocks(height: int, width: int) -> Iterator[tuple[slice, slice]]:
    """The `GRID` x `GRID` blocks of an array; fewer where it has fewer rows or columns."""
    rows = np.unique(np.linspace(0, height, GRID + 1).astype(int))
    columns = np.unique(np.linspace(0, width, GRID + 1).astype(int))
    for top, bottom in itertools.pairwise(rows):
        for left, right in itertools.pairwise(columns):
            yield slice(top, bottom), slice(left, right)


def block_medians(known: BoolArray, *maps: FloatArray) -> Float64Array:
    """(N, len(maps)) medians of several (H, W) maps over the known pixels of each block."""
    rows = []
    for cut in blocks(*known.shape):
        use = known[cut]
        if use.any() and use.mean() >= LEAST_SHARE:
            rows.append([float(np.median(values[cut][use])) for values in maps])
    return np.array(rows, np.float64).reshape(-1, len(maps))


def depth_blocks(prediction: DepthMap, truth: DepthMap) -> Float64Array:
    """(N, 3): predicted depth in m, half-width of its interval in log depth, true depth in m.

    Raises `UsageError` for maps of different size and for predictions without intervals.
    """
    if prediction.log_error is None:
        raise UsageError("the depth map has no intervals to judge")
    if prediction.values.shape != truth.values.shape:
        raise UsageError(f"maps of {prediction.values.shape} and {truth.values.shape} pixels")
    known = truth.valid & prediction.valid & np.isfinite(prediction.log_error)
    return block_medians(known, prediction.values, prediction.log_error, truth.values)


@dataclass(frozen=True)
class BlockScores:
    """How good intervals of one level are.

    Attributes:
        count: blocks.
        coverage: share of true depths inside; compare with the level.
        winkler: mean interval score in m (see `howfar.metrics.intervals.interval_sums`).
        winkler_factor: the least that intervals of one and the same factor for all blocks reach,
            the factor being chosen on these very blocks.
        winkler_metres: likewise for one and the same width in metres.
        rank_correlation: Spearman's, of width and error, both in log depth.
    """

    count: int
    coverage: float
    winkler: float
    winkler_factor: float
    winkler_metres: float
    rank_correlation: float


def block_scores(rows: Float64Array, level: float) -> BlockScores:
    """Judge rows of `depth_blocks` whose intervals promise `level` (0..1)."""
    if not len(rows):
        raise UsageError("no block of the pictures has a known depth")
    p, half, g = rows.T

    def winkler(low: Float64Array, high: Float64Array) -> float:
        return interval_sums(low, high, g, level).scores()["winkler"]

    own = interval_sums(p * np.exp(-half), p * np.exp(half), g, level).scores()
    error = np.abs(np.log(p / g))
    return BlockScores(
        len(rows),
        own["coverage"],
        own["winkler"],
        min(winkler(p * np.exp(-w), p * np.exp(w)) for w in WIDTHS),
        min(winkler(p - w * g.mean(), p + w * g.mean()) for w in WIDTHS),
        rank_correlation(half, error),
    )


def rank_correlation(a: Float64Array, b: Float64Array) -> float:
    """Spearman's rank correlation of two (N,) arrays, equal values sharing their mean rank; NaN
    where one of them is constant."""
    ranks = [_ranks(a), _ranks(b)]
    if min(r.std() for r in ranks) == 0:
        return float("nan")
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _ranks(values: Float64Array) -> Float64Array:
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    mean: Float64Array = (ends - (counts - 1) / 2)[group]
    return mean
