"""Depth clusters in boxes: the figure-ground histogram of a box, cut at its valleys.

All boxes of a picture are handled at once on arrays: N boxes, S lattice samples, R samples in the
band around a box, K depth bins, J clusters a box.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from howfar.core.boxes import FloatArray
from howfar.core.depth import BoolArray

GRID = 16
"""Samples along each side of a box."""
RING_KNOWN = 0.25
"""With less than this share of the band known, it counts for less."""
FIGURE_POWER = 3
"""How strongly depths that also occur around the box are discounted."""
BINS = 96
MIN_STEP = 0.01
"""Smallest width of a bin of log depth: 1 %."""
MAX_RANGE = 3.0
"""Largest range of log depth in one box: a factor of 20; what is beyond falls in the end bins."""
EDGE_LOSS = 0.3
"""How much less a sample at the side of a box counts than one in the middle."""
CORE = 3
"""A cluster is found by the mass in this many bins on both sides of its centre."""
VALLEY = 0.06
"""A cluster ends where its density falls below this share of its peak."""
CLUSTERS = 4
MIN_SUPPORT = 0.02
"""Clusters with a smaller share of a box's samples are noise."""
EXTENT = 3.5
"""Exponent of the share of rows and columns that a cluster reaches."""
OWN = 4.0
"""Exponent of the share of a cluster's density that is inside the box."""

BinArray = npt.NDArray[np.int16]
_PLACE = np.arange(BINS, dtype=np.int16)
_CENTRES = _PLACE + np.float32(0.5)


@dataclass(frozen=True, eq=False)
class Clusters:
    """J candidate clusters of each of N boxes, the best first found.

    Attributes:
        members: (N, J, S) which samples belong.
        log_depth: (N, J) mean of the members' logarithms, NaN without any.
        own: (N, J) density inside the box over density inside and around it, 0..1; 1 where the
            cluster stops at the border of the box, about 1/2 where it goes on outside.
        score: (N, J) logarithm, -inf where there is no such cluster.
    """

    members: BoolArray
    log_depth: FloatArray
    own: FloatArray
    score: FloatArray


def find_clusters(
    logs: FloatArray, limits: FloatArray, ring: FloatArray, covered: BoolArray
) -> Clusters:
    """Cut the figure-ground density of each box into its CLUSTERS heaviest clusters.

    Args:
        logs: (N, S) log depths on a GRID x GRID lattice of each box, NaN where there is none.
        limits: (2, N) where the bins start and end: low and high quantile of `logs`.
        ring: (N, R) log depths in the band around each box, NaN where there is none.
        covered: (N, R) whether another box covers that sample of the band.
    """
    n = len(logs)
    low, step = _bin_scale(limits)
    bins, beyond = _bin(logs, low, step), _bin(ring, low, step)
    inside, figure = _densities(bins, np.where(covered, -1, beyond))
    outside = np.maximum((beyond >= 0).sum(axis=1), 1)
    members = np.zeros((n, CLUSTERS, logs.shape[1]), bool)
    score = np.full((n, CLUSTERS), -np.inf, np.float32)
    own = np.zeros((n, CLUSTERS), np.float32)
    log_depth = np.full((n, CLUSTERS), np.nan, np.float32)
    for j in range(CLUSTERS):
        first, last = (edge[:, None] for edge in _heaviest(figure))
        span = ((first <= _PLACE) & (last >= _PLACE)).astype(np.float32)
        mine = (bins >= first) & (bins <= last)
        part = inside * span
        mass, support = np.einsum("nk,nk->n", figure, span), part.sum(axis=1)
        counts = mine.sum(axis=1)
        enough = (counts > 0) & ((support >= MIN_SUPPORT) | (j == 0))
        goes_on = ((beyond >= first) & (beyond <= last)).sum(axis=1) / outside
        members[:, j] = mine
        own[:, j] = support / np.maximum(support + goes_on, 1e-6)
        value = np.log(mass + 1e-9) + EXTENT * np.log(_extent(mine))
        value += OWN * np.log(np.maximum(own[:, j], 1e-3))
        score[:, j] = np.where(enough, value, -np.inf)
        centre = part @ _CENTRES / np.maximum(support, 1e-9)
        log_depth[:, j] = np.where(counts > 0, low[:, 0] + centre * step[:, 0], np.nan)
        figure, inside = figure * (1 - span), inside - part
    return Clusters(members, log_depth, own, score)


def _densities(bins: BinArray, around_bins: BinArray) -> tuple[FloatArray, FloatArray]:
    """Density of the depths in each box (N, K), and what stands out of the density around it."""
    inside = _histogram(bins, _centrality())
    around = _histogram(around_bins, np.ones(around_bins.shape[1], np.float32))
    around *= np.minimum((around_bins >= 0).mean(axis=1, keepdims=True) / RING_KNOWN, 1)
    ratio = inside / np.maximum(inside + around, 1e-9)
    return inside, inside * ratio**FIGURE_POWER


def _bin_scale(limits: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Start and width (N, 1) of each box's bins: its range, at most MAX_RANGE."""
    low, high = np.nan_to_num(limits)
    step = np.clip((high - low) / (BINS - 6), MIN_STEP, MAX_RANGE / BINS).astype(np.float32)
    return (low - 3 * step)[:, None], step[:, None]


def _bin(logs: FloatArray, low: FloatArray, step: FloatArray) -> BinArray:
    """Bin (N, S) of each log depth, clipped to the ends; -1 where there is none."""
    known = np.isfinite(logs)
    position = np.where(known, (logs - low) / step, 0)
    return np.where(known, np.clip(position, 0, BINS - 1), -1).astype(np.int16)


def _histogram(bins: BinArray, weights: FloatArray) -> FloatArray:
    """Weighted histogram (N, K) of each row of bins, smoothed by (1, 2, 1) / 4.

    It sums to 1 where any bin is known.
    """
    n = len(bins)
    flat = np.where(bins >= 0, bins + 1, 0) + np.arange(n)[:, None] * (BINS + 1)
    spread = np.broadcast_to(weights, bins.shape)
    counts = np.bincount(flat.ravel(), spread.ravel(), minlength=n * (BINS + 1))
    hist = np.asarray(counts.reshape(n, BINS + 1)[:, 1:], np.float32)
    hist /= np.maximum(hist.sum(axis=1, keepdims=True), 1e-9)
    wide = np.zeros((n, BINS + 2), np.float32)
    wide[:, 1:-1] = hist
    smooth: FloatArray = (wide[:, :-2] + 2 * hist + wide[:, 2:]) / np.float32(4)
    return smooth


def _centrality() -> FloatArray:
    """Weight (S,) of each lattice sample: 1 in the middle, falling towards the sides."""
    offset = np.abs((np.arange(GRID, dtype=np.float32) + 0.5) / GRID * 2 - 1)
    farther = np.maximum(offset[:, None], offset[None, :])
    weights: FloatArray = (1 - EDGE_LOSS * farther**2).astype(np.float32).ravel()
    return weights


def _heaviest(figure: FloatArray) -> tuple[BinArray, BinArray]:
    """First and last bin (N,) of the cluster with the heaviest core in each row of (N, K)."""
    sums = np.zeros((len(figure), BINS + 2 * CORE + 1), np.float32)
    np.cumsum(figure, axis=1, out=sums[:, CORE + 1 : CORE + 1 + BINS])
    sums[:, CORE + 1 + BINS :] = sums[:, CORE + BINS, None]
    core = sums[:, 2 * CORE + 1 :] - sums[:, : -2 * CORE - 1]
    centre = core.argmax(axis=1)[:, None].astype(np.int16)
    away = _PLACE - centre
    peak = (figure * (np.abs(away) <= CORE)).max(axis=1, keepdims=True)
    empty = figure < VALLEY * peak
    before = np.where(empty & (away < -CORE), _PLACE, -1).max(axis=1)
    behind = np.where(empty & (away > CORE), _PLACE, BINS).min(axis=1)
    return before + 1, behind - 1


def _extent(members: BoolArray) -> FloatArray:
    """Share (N,) of the box's columns times share of its rows that a cluster reaches, 0..1."""
    grid = members.reshape(-1, GRID, GRID)
    columns, rows = grid.max(axis=1).mean(axis=1), grid.max(axis=2).mean(axis=1)
    extent: FloatArray = np.maximum(columns * rows, 1e-3).astype(np.float32)
    return extent
