"""The `foreground` statistic: the depth cluster in a box that belongs to the object.

Mean and median of a box are wrong where the object does not fill it: through a chair one sees
the wall, an occluder stands in front. What sets the object's own depths apart:

1. Figure and ground. A detector draws its box tightly around the object, so the object's depths
   stop at the border of the box. Background, floor and most occluders go on outside. A depth is
   therefore weighted by how much more often it occurs inside the box than in a band around it.
   Twice: depths, by the parts of the band that no other box covers, since neighbours of the same
   kind stand there; whole clusters, by all of the band, since occluders have boxes too.
2. Extent. The object reaches all sides of its box; an occluder that cuts into it does not.
3. Support and centrality: many samples, near the middle.
4. Plausible size, weakly: a cluster that would make a person 6 m tall is unlikely.
5. Explanation. A cluster that lies almost wholly in an overlapping box, at the depth which that
   box found for itself, is left to that box if another cluster is left; less so if it stops at
   the border of its own box, as a bottle does that stands on a table.
6. Softness. Small networks blur the edges of depth, so that clusters run into each other and none
   is pure. Where depth changes by small steps, and a nearer box hides a part, one cluster is no
   better than all of the box but less steady: the result moves towards the median of the box.

Being nearer than a rival says nothing more once these are used (measured on the synthetic world).

All boxes of a picture are handled at once on arrays: N boxes, S lattice samples, R samples around
a box.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from howfar.core.box_pairs import BoxPairs, box_pairs, choose, partly_hidden
from howfar.core.boxes import FloatArray
from howfar.core.depth import BoolArray, DepthMap
from howfar.core.depth_clusters import GRID, find_clusters
from howfar.core.detections import IntArray
from howfar.core.lattice import PixelBoxes, lattice_index, ranked_quantiles, take

SPARSE = 0.5
"""A map with a smaller share of valid pixels is sparse: its gaps are closed before it is read."""
RING = 0.18
"""Width of the band around a box, as a share of the box's sides."""
RING_SAMPLES = 12
"""Samples along each of the eight lines of the band."""
BAND_GAP_PX = 1.5
"""Distance of the band from the box, since boxes are a little too tight as often as too loose."""
SIZE_LOSS = 2.0
"""Most that an impossible size costs in log score."""
STEPS = (0.3, 0.4)
"""Typical step between neighbouring samples over the spread of a box: soft depth, sharp depth."""
MIN_SPREAD = 0.02
"""A box whose log depths spread less has no clusters to tell apart."""
SOFT_SHARE = (0.1, 0.85)
"""Share of the whole box's median in the result on soft depth: seen freely, partly hidden."""


@dataclass(frozen=True, eq=False)
class SizePrior:
    """Where objects would be if they had their class's typical size.

    Attributes:
        depth: (N,) expected depth in the map's unit, NaN where nothing is known.
        spread: (N,) standard deviation of its logarithm.
    """

    depth: FloatArray
    spread: FloatArray


def foreground(
    depth: DepthMap, boxes: FloatArray, whole: PixelBoxes, prior: SizePrior | None = None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Median, 10th and 90th percentile (N,) of the object's own depths; NaN without any.

    On soft depth all three are drawn towards those of the whole box (rule 6 above).

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
    box_quantiles = _quantiles(logs, np.isfinite(logs), (0.01, 0.1, 0.5, 0.9, 0.99))
    pairs = box_pairs(boxes, RING)
    clusters = find_clusters(logs, box_quantiles[[0, 4]], *_around(depth, boxes, pairs))
    unary = clusters.score
    if prior is not None:
        unary = unary + _size_score(clusters.log_depth, prior)
    choice = choose(unary, clusters, pairs, whole)
    members = clusters.members[np.arange(len(boxes)), choice]
    found = _quantiles(samples, members, (0.1, 0.5, 0.9))
    share = _softness(logs, box_quantiles[3] - box_quantiles[1])
    share *= np.interp(partly_hidden(found[1], pairs), (0, 1), SOFT_SHARE)
    low, middle, high = _towards(found, np.exp(box_quantiles[1:4]), share)
    return middle, low, high


def _grid(whole: PixelBoxes) -> tuple[IntArray, IntArray]:
    """Columns and rows (N, GRID) of an even lattice in each box."""
    steps = 2 * np.arange(GRID) + 1
    column = whole.x1[:, None] + steps * (whole.x2 - whole.x1)[:, None] // (2 * GRID)
    row = whole.y1[:, None] + steps * (whole.y2 - whole.y1)[:, None] // (2 * GRID)
    return column, row


def _quantiles(values: FloatArray, members: BoolArray, shares: tuple[float, ...]) -> FloatArray:
    """Quantiles (Q, N) of the members of each row of (N, S)."""
    ranked = np.sort(np.where(members, values, np.float32(np.nan)), axis=1)
    return ranked_quantiles(ranked, members.sum(axis=1), shares)


def _around(depth: DepthMap, boxes: FloatArray, pairs: BoxPairs) -> tuple[FloatArray, BoolArray]:
    """Log depths (N, R) in the band around each box, NaN outside the image; which of them lie in
    another box.

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
    bands = [_band(depth, x, y, pairs) for x, y in ((long_x, wide_y), (wide_x, long_y))]
    values, covered = (np.concatenate(parts, axis=1) for parts in zip(*bands, strict=True))
    return np.log(values), covered


def _band(
    depth: DepthMap, x: FloatArray, y: FloatArray, pairs: BoxPairs
) -> tuple[FloatArray, BoolArray]:
    """Depths (N, Y * X) on the lattice of columns x (N, X) and rows y (N, Y), and which of them
    another box covers."""
    in_x, in_y = (x >= 0) & (x < depth.width), (y >= 0) & (y < depth.height)
    usable = in_y[:, :, None] & in_x[:, None, :]
    index = lattice_index(depth, x.astype(np.int64), y.astype(np.int64))
    covered = pairs.covered(x, y).reshape(index.shape)
    return take(depth, index, usable.reshape(index.shape)), covered


def _size_score(log_depth: FloatArray, prior: SizePrior) -> FloatArray:
    """Log likelihood (N, J) of each cluster under the size prior, never below -SIZE_LOSS."""
    with np.errstate(invalid="ignore", divide="ignore"):
        error = (log_depth - np.log(prior.depth)[:, None]) / prior.spread[:, None]
    loss = np.minimum(np.maximum(np.abs(error) - 1, 0) ** 2 / 2, SIZE_LOSS)
    score: FloatArray = -np.nan_to_num(loss).astype(np.float32)
    return score


def _softness(logs: FloatArray, spread: FloatArray) -> FloatArray:
    """(N,) 0..1 whether depth changes by small steps: 0 at sharp edges, and on flat boxes.

    Compares the mean step between neighbouring samples, each weighted by itself so that steps of
    nothing do not count, with the spread (N,) of the box.
    """
    grid = logs.reshape(-1, GRID, GRID)
    across = np.nan_to_num(np.diff(grid, axis=2)).reshape(len(logs), -1)
    down = np.nan_to_num(np.diff(grid, axis=1)).reshape(len(logs), -1)
    squares = np.einsum("ns,ns->n", across, across) + np.einsum("ns,ns->n", down, down)
    total = np.abs(across).sum(axis=1) + np.abs(down).sum(axis=1)
    step = squares / np.maximum(total, 1e-9) / np.maximum(spread, MIN_SPREAD)
    soft = np.clip((STEPS[1] - step) / (STEPS[1] - STEPS[0]), 0, 1)
    return np.where(spread > MIN_SPREAD, soft, 0)


def _towards(found: FloatArray, box: FloatArray, share: FloatArray) -> FloatArray:
    """Quantiles (Q, N) of the cluster, moved by `share` (N,) of their log distance to the box's."""
    mixed: FloatArray = found * (box / found) ** share
    return np.where(share > 0, mixed, found).astype(np.float32)
