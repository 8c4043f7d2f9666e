"""The `foreground` statistic: the depth cluster in a box that belongs to the object.

Mean and median of a box are wrong where the object does not fill it: through a chair one sees
the wall, an occluder stands in front. What sets the object's own depths apart:

1. Figure and ground. A detector draws its box tightly around the object, so the object's depths
   stop at the border of the box. Background, floor and most occluders go on outside. A depth is
   therefore weighted by how much more often it occurs inside the box than in a band around it;
   parts of the band that other boxes cover say nothing, since neighbours of the same kind stand
   there.
2. Extent. The object reaches all sides of its box; an occluder that cuts into it does not.
3. Support and centrality: many samples, near the middle.
4. Plausible size, weakly: a cluster that would make a person 6 m tall is unlikely.
5. Explanation. A cluster that lies almost wholly in an overlapping box, at the depth which that
   box found for itself, is left to that box if another cluster is left.

Being nearer than a rival says nothing more once these are used (measured on the synthetic world).

All boxes of a picture are handled at once on arrays: N boxes, S lattice samples, K depth bins,
J clusters a box.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from howfar.core.boxes import FloatArray, box_areas, intersections
from howfar.core.depth import BoolArray, DepthMap
from howfar.core.detections import IntArray
from howfar.core.lattice import PixelBoxes, lattice_index, ranked_quantiles, take

SPARSE = 0.5
"""A map with a smaller share of valid pixels is sparse: its gaps are closed before it is read."""
GRID = 16
"""Samples along each side of a box."""
RING = 0.18
"""Width of the band around a box, as a share of the box's sides."""
RING_SAMPLES = 12
"""Samples along each of the eight lines of the band."""
BAND_GAP_PX = 1.5
"""Distance of the band from the box, since boxes are a little too tight as often as too loose."""
RING_KNOWN = 0.25
"""With less than this share of the band known, it counts for less."""
FIGURE_POWER = 3
"""How strongly depths that also occur around the box are discounted."""
BINS = 96
MIN_STEP = 0.01
"""Smallest width of a bin of log depth: 1 %."""
MAX_RANGE = 3.0
"""Largest range of log depth in one box: a factor of 20; what is beyond falls in the end bins."""
SMOOTHING = 1
"""Passes of the kernel (1, 2, 1) / 4 over a histogram."""
EDGE_LOSS = 0.3
"""How much less a sample at the side of a box counts than one in the middle."""
CORE = 3
"""A cluster is found by the mass in this many bins on both sides of its centre."""
VALLEY = 0.06
"""A cluster ends where its density falls below this share of its peak."""
CLUSTERS = 3
MIN_SUPPORT = 0.02
"""Clusters with a smaller share of a box's samples are noise."""
EXTENT = 4.0
"""Exponent of the share of rows and columns that a cluster reaches."""
SIZE_LOSS = 2.0
"""Most that an impossible size costs in log score."""
MIN_OVERLAP = 0.02
"""Pairs that overlap less than this share of a box are not looked at."""
SAME_DEPTH = 0.2
"""Two clusters within this difference of log depth are the same thing."""
EXPLAINED = 6.0
"""Loss in log score of a cluster that another box explains completely."""
SWEEPS = 2
"""Rounds of boxes explaining each other's clusters."""


_PLACE = np.arange(BINS)


@dataclass(frozen=True, eq=False)
class SizePrior:
    """Where objects would be if they had their class's typical size.

    Attributes:
        depth: (N,) expected depth in the map's unit, NaN where nothing is known.
        spread: (N,) standard deviation of its logarithm.
    """

    depth: FloatArray
    spread: FloatArray


@dataclass(frozen=True, eq=False)
class _Clusters:
    """J candidate clusters of each of N boxes, the best first."""

    members: BoolArray  # (N, J, S): which samples belong
    log_depth: FloatArray  # (N, J): mean of the members' logarithms, NaN without any
    score: FloatArray  # (N, J): logarithm, -inf where there is no such cluster


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Ordered pairs of overlapping boxes (a, b), sorted by a, in which b may hide a."""

    a: IntArray
    b: IntArray
    starts: IntArray  # index of the first pair of each distinct a


def foreground(
    depth: DepthMap, boxes: FloatArray, whole: PixelBoxes, prior: SizePrior | None = None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Median, 10th and 90th percentile (N,) of the object's own depths; NaN without any.

    Args:
        depth: (H, W) map whose values grow with distance.
        boxes: (N, 4) `xyxy` pixels.
        whole: the same boxes as whole pixels of the map.
        prior: expected depths from object sizes, or None.
    """
    if np.count_nonzero(depth.valid) < SPARSE * depth.valid.size:
        depth = depth.filled()
    x, y = _grid(whole)
    index = lattice_index(depth, x, y)
    index[~whole.inside] = 0
    samples = take(depth, index, np.broadcast_to(whole.inside[:, None], index.shape))
    if not np.isfinite(samples).any():
        nothing = np.full(len(boxes), np.nan, np.float32)
        return nothing, nothing, nothing
    logs = np.log(samples)
    pairs = _hiding_pairs(boxes)
    clusters = _find_clusters(logs, _around(depth, boxes, pairs))
    unary = clusters.score
    if prior is not None:
        unary = unary + _size_score(clusters.log_depth, prior)
    shares = _shares(whole, boxes, pairs, clusters.members)
    choice = _choose(unary, clusters.log_depth, pairs, shares)
    members = clusters.members[np.arange(len(boxes)), choice]
    ranked = np.sort(np.where(members, samples, np.float32(np.nan)), axis=1)
    counts = members.sum(axis=1)
    low, middle, high = ranked_quantiles(ranked, counts, (0.1, 0.5, 0.9))
    return middle, low, high


def _grid(whole: PixelBoxes) -> tuple[IntArray, IntArray]:
    """Columns and rows (N, GRID) of an even lattice in each box."""
    steps = 2 * np.arange(GRID) + 1
    column = whole.x1[:, None] + steps * (whole.x2 - whole.x1)[:, None] // (2 * GRID)
    row = whole.y1[:, None] + steps * (whole.y2 - whole.y1)[:, None] // (2 * GRID)
    return column, row


def _around(depth: DepthMap, boxes: FloatArray, pairs: _Pairs) -> FloatArray:
    """Log depths (N, R) in the band around each box; NaN outside the image and in other boxes.

    Two lines of samples on each of the four sides, as two lattices: many columns on four rows
    above and below, many rows on four columns left and right.
    """
    along = (np.arange(RING_SAMPLES, dtype=np.float32) + 0.5) / RING_SAMPLES * (1 + 2 * RING) - RING
    outward = np.array([0.35, 0.85], np.float32) * RING
    across = np.concatenate([-outward, 1 + outward])
    gap = np.array([-BAND_GAP_PX] * 2 + [BAND_GAP_PX] * 2, np.float32)
    corner, size = boxes[:, None, :2], boxes[:, None, 2:] - boxes[:, None, :2]
    long_x, long_y = np.moveaxis(corner + along[:, None] * size, 2, 0)
    wide_x, wide_y = np.moveaxis(corner + across[:, None] * size + gap[:, None], 2, 0)
    bands = [_band(depth, x, y, boxes, pairs) for x, y in ((long_x, wide_y), (wide_x, long_y))]
    return np.log(np.concatenate(bands, axis=1))


def _band(
    depth: DepthMap, x: FloatArray, y: FloatArray, boxes: FloatArray, pairs: _Pairs
) -> FloatArray:
    """Depths (N, Y * X) on the lattice of columns x (N, X) and rows y (N, Y), as `_around`."""
    in_x, in_y = (x >= 0) & (x < depth.width), (y >= 0) & (y < depth.height)
    usable = in_y[:, :, None] & in_x[:, None, :]
    if len(pairs.a):
        x1, y1, x2, y2 = boxes[pairs.b].T[..., None]
        beside = (x[pairs.a] >= x1) & (x[pairs.a] < x2)
        level = (y[pairs.a] >= y1) & (y[pairs.a] < y2)
        hidden = level[:, :, None] & beside[:, None, :]
        usable[pairs.a[pairs.starts]] &= ~np.logical_or.reduceat(hidden, pairs.starts)
    index = lattice_index(depth, x.astype(np.int64), y.astype(np.int64))
    return take(depth, index, usable.reshape(index.shape))


def _hiding_pairs(boxes: FloatArray) -> _Pairs:
    """Pairs (a, b) where b overlaps a or its surroundings."""
    margin = (boxes[:, 2:] - boxes[:, :2]) * np.float32(RING)
    grown = np.concatenate([boxes[:, :2] - margin, boxes[:, 2:] + margin], axis=1)
    hides = intersections(grown, boxes) > MIN_OVERLAP * box_areas(grown)[:, None]
    np.fill_diagonal(hides, val=False)
    a, b = np.nonzero(hides)
    return _Pairs(a, b, np.flatnonzero(np.diff(a, prepend=-1)))


def _find_clusters(logs: FloatArray, ring: FloatArray) -> _Clusters:
    """Cut the figure-ground density of each box into its CLUSTERS heaviest clusters."""
    n = len(logs)
    low, step = _bin_scale(logs)
    bins = _bin(logs, low, step)
    inside = _histogram(bins, _centrality())
    around = _histogram(_bin(ring, low, step), np.ones(ring.shape[1], np.float32))
    known = np.isfinite(ring).mean(axis=1, keepdims=True)
    around *= np.minimum(known / RING_KNOWN, 1)
    ratio = inside / np.maximum(inside + around, 1e-9)
    figure = inside * ratio**FIGURE_POWER
    members = np.zeros((n, CLUSTERS, logs.shape[1]), bool)
    score = np.full((n, CLUSTERS), -np.inf, np.float32)
    log_depth = np.full((n, CLUSTERS), np.nan, np.float32)
    for j in range(CLUSTERS):
        first, last = (edge[:, None] for edge in _heaviest(figure))
        span = (first <= _PLACE) & (last >= _PLACE)
        mine = (bins >= first) & (bins <= last)
        mass, support = (figure * span).sum(axis=1), (inside * span).sum(axis=1)
        counts = mine.sum(axis=1)
        enough = (counts > 0) & ((support >= MIN_SUPPORT) | (j == 0))
        members[:, j] = mine
        value = np.log(mass + 1e-9) + EXTENT * np.log(_extent(mine))
        score[:, j] = np.where(enough, value, -np.inf)
        centre = (inside * span * _PLACE).sum(axis=1) / np.maximum(support, 1e-9) + 0.5
        log_depth[:, j] = np.where(counts > 0, low[:, 0] + centre * step[:, 0], np.nan)
        figure, inside = figure * ~span, inside * ~span
    return _Clusters(members, log_depth, score)


def _bin_scale(logs: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Start and width (N, 1) of each box's bins: its range, at most MAX_RANGE."""
    ranked = np.sort(logs, axis=1)
    counts = np.isfinite(ranked).sum(axis=1)
    low, high = np.nan_to_num(ranked_quantiles(ranked, counts, (0.01, 0.99)))
    step = np.clip((high - low) / (BINS - 6), MIN_STEP, MAX_RANGE / BINS).astype(np.float32)
    return (low - 3 * step)[:, None], step[:, None]


def _bin(logs: FloatArray, low: FloatArray, step: FloatArray) -> IntArray:
    """Bin (N, S) of each log depth, clipped to the ends; -1 where there is none."""
    known = np.isfinite(logs)
    position = np.where(known, (logs - low) / step, 0)
    return np.where(known, np.clip(position, 0, BINS - 1), -1).astype(np.int64)


def _histogram(bins: IntArray, weights: FloatArray) -> FloatArray:
    """Smoothed weighted histogram (N, K) of each row of bins, summing to 1 where any is known."""
    n = len(bins)
    flat = np.where(bins >= 0, bins + 1, 0) + np.arange(n)[:, None] * (BINS + 1)
    spread = np.broadcast_to(weights, bins.shape)
    counts = np.bincount(flat.ravel(), spread.ravel(), minlength=n * (BINS + 1))
    hist = np.asarray(counts.reshape(n, BINS + 1)[:, 1:], np.float32)
    hist /= np.maximum(hist.sum(axis=1, keepdims=True), 1e-9)
    wide = np.zeros((n, BINS + 2), np.float32)
    for _ in range(SMOOTHING):
        wide[:, 1:-1] = hist
        hist = (wide[:, :-2] + 2 * hist + wide[:, 2:]) / np.float32(4)
    return hist


def _centrality() -> FloatArray:
    """Weight (S,) of each lattice sample: 1 in the middle, falling towards the sides."""
    offset = np.abs((np.arange(GRID, dtype=np.float32) + 0.5) / GRID * 2 - 1)
    farther = np.maximum(offset[:, None], offset[None, :])
    weights: FloatArray = (1 - EDGE_LOSS * farther**2).astype(np.float32).ravel()
    return weights


def _heaviest(figure: FloatArray) -> tuple[IntArray, IntArray]:
    """First and last bin (N,) of the cluster with the heaviest core in each row of (N, K)."""
    sums = np.zeros((len(figure), BINS + 2 * CORE + 1), np.float32)
    np.cumsum(figure, axis=1, out=sums[:, CORE + 1 : CORE + 1 + BINS])
    sums[:, CORE + 1 + BINS :] = sums[:, CORE + BINS, None]
    core = sums[:, 2 * CORE + 1 :] - sums[:, : -2 * CORE - 1]
    centre = core.argmax(axis=1)[:, None]
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


def _size_score(log_depth: FloatArray, prior: SizePrior) -> FloatArray:
    """Log likelihood (N, J) of each cluster under the size prior, never below -SIZE_LOSS."""
    with np.errstate(invalid="ignore", divide="ignore"):
        error = (log_depth - np.log(prior.depth)[:, None]) / prior.spread[:, None]
    loss = np.minimum(np.maximum(np.abs(error) - 1, 0) ** 2 / 2, SIZE_LOSS)
    score: FloatArray = -np.nan_to_num(loss).astype(np.float32)
    return score


def _shares(whole: PixelBoxes, boxes: FloatArray, pairs: _Pairs, members: BoolArray) -> FloatArray:
    """(P, J) what part of each cluster of pair p's box a lies in its box b, 0..1.

    What lies in b is a rectangle of a's lattice, so it is counted from cumulative sums.
    """
    grid = members.reshape(len(members), CLUSTERS, GRID, GRID)
    sums = np.zeros((len(members), CLUSTERS, GRID + 1, GRID + 1), np.int32)
    np.cumsum(grid, axis=2, out=sums[:, :, 1:, 1:], dtype=np.int32)
    np.cumsum(sums[:, :, 1:, 1:], axis=3, out=sums[:, :, 1:, 1:])
    a, (x1, y1, x2, y2) = pairs.a, boxes[pairs.b].T
    left, right = (_lines_before(edge, whole.x1[a], whole.x2[a]) for edge in (x1, x2))
    top, bottom = (_lines_before(edge, whole.y1[a], whole.y2[a]) for edge in (y1, y2))
    inside = sums[a, :, bottom, right] - sums[a, :, top, right]
    inside += sums[a, :, top, left] - sums[a, :, bottom, left]
    return np.asarray(inside / np.maximum(sums[a, :, -1, -1], 1), np.float32)


def _lines_before(edge: FloatArray, start: IntArray, stop: IntArray) -> IntArray:
    """How many of the GRID lattice lines between start and stop lie before `edge`; all (P,)."""
    lines = (edge - start) * (GRID / np.maximum(stop - start, 1))
    return np.asarray(np.clip(np.rint(lines), 0, GRID), np.int64)


def _choose(
    unary: FloatArray, log_depth: FloatArray, pairs: _Pairs, shares: FloatArray
) -> IntArray:
    """The cluster (N,) of each box after boxes have explained each other's clusters."""
    choice: IntArray = unary.argmax(axis=1)
    if not len(pairs.a):
        return choice
    hidden = pairs.a[pairs.starts]
    for _ in range(SWEEPS):
        found = log_depth[pairs.b, choice[pairs.b]][:, None]
        same = np.abs(log_depth[pairs.a] - found) < SAME_DEPTH
        explained = np.zeros_like(unary)
        explained[hidden] = np.maximum.reduceat(shares * same, pairs.starts)
        ramp = np.clip((explained - 0.6) / 0.35, 0, 1)
        choice = (unary - EXPLAINED * ramp).argmax(axis=1)
    return choice
