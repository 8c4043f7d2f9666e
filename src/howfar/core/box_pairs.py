"""Overlapping boxes explain each other's depths: what lies in two boxes belongs to one of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from howfar.core.boxes import FloatArray, box_areas, intersections
from howfar.core.depth import BoolArray
from howfar.core.depth_clusters import GRID, Clusters
from howfar.core.detections import IntArray
from howfar.core.lattice import PixelBoxes

MIN_OVERLAP = 0.02
"""Pairs that overlap less than this share of a box and its surroundings are not looked at."""
SHARED = (0.6, 0.95)
"""A cluster is explained by another box if at least this share of it lies there: not at all,
completely."""
SAME_DEPTH = (0.08, 0.32)
"""Two clusters within this difference of log depth are the same thing: certainly, at most."""
STOPS = (0.7, 0.95)
"""`Clusters.own` of a cluster that goes on outside its box, and of one that stops there."""
EXPLAINED = 10.0
"""Loss in log score of a cluster that another box explains completely."""
STOPS_LOSS = 0.3
"""Share of that loss for a cluster that stops at the border of its own box."""
SWEEPS = 2
"""Rounds of boxes explaining each other's clusters."""
NEARER = (0.02, 0.1)
"""A box is partly hidden if nearer ones cover this share of it: not at all, certainly."""


@dataclass(frozen=True, eq=False)
class BoxPairs:
    """P ordered pairs of boxes (a, b) of one picture, sorted by a, where b may hide a.

    Attributes:
        boxes: (N, 4) `xyxy` pixels.
        a, b: (P,) indices of boxes.
    """

    boxes: FloatArray
    a: IntArray
    b: IntArray

    @cached_property
    def starts(self) -> IntArray:
        """Index of the first pair of each distinct a."""
        return np.flatnonzero(np.diff(self.a, prepend=-1))

    def covered(self, x: FloatArray, y: FloatArray) -> BoolArray:
        """(N, Y, X) which points of each a's lattice, columns x (N, X), rows y (N, Y), lie in a b.

        The bits of eight columns are handled at once.
        """
        found = np.zeros((len(x), y.shape[1], x.shape[1]), bool)
        if not len(self.a):
            return found
        x1, y1, x2, y2 = self.boxes[self.b].T[..., None]
        beside = np.packbits((x[self.a] >= x1) & (x[self.a] < x2), axis=1)
        level = (y[self.a] >= y1) & (y[self.a] < y2)
        bits = np.bitwise_or.reduceat(level[:, :, None] * beside[:, None, :], self.starts)
        found[self.a[self.starts]] = np.unpackbits(bits, axis=2, count=x.shape[1])
        return found

    def most(self, values: FloatArray) -> FloatArray:
        """(N, ...) the largest of `values` (P, ...) among each a's pairs; 0 without any."""
        found = np.zeros((len(self.boxes), *values.shape[1:]), np.float32)
        if len(self.a):
            found[self.a[self.starts]] = np.maximum.reduceat(values, self.starts)
        return found


def box_pairs(boxes: FloatArray, margin: float) -> BoxPairs:
    """Pairs (a, b) where b overlaps a or its surroundings, `margin` of its sides wide."""
    edge = (boxes[:, 2:] - boxes[:, :2]) * np.float32(margin)
    grown = np.concatenate([boxes[:, :2] - edge, boxes[:, 2:] + edge], axis=1)
    hides = intersections(grown, boxes) > MIN_OVERLAP * box_areas(grown)[:, None]
    np.fill_diagonal(hides, val=False)
    a, b = np.nonzero(hides)
    return BoxPairs(boxes, a, b)


def choose(unary: FloatArray, clusters: Clusters, pairs: BoxPairs, whole: PixelBoxes) -> IntArray:
    """The cluster (N,) of each box after boxes have explained each other's clusters.

    Args:
        unary: (N, J) log score of each cluster on its own.
        clusters: of the boxes.
        pairs: of the boxes.
        whole: the boxes as whole pixels.
    """
    choice: IntArray = unary.argmax(axis=1)
    if not len(pairs.a):
        return choice
    shared = _ramp(_shares(clusters.members, pairs, whole), *SHARED)
    loss = EXPLAINED * (1 - (1 - STOPS_LOSS) * _ramp(clusters.own, *STOPS))
    for _ in range(SWEEPS):
        found = clusters.log_depth[pairs.b, choice[pairs.b]][:, None]
        apart = np.abs(clusters.log_depth[pairs.a] - found)
        same = 1 - _ramp(np.nan_to_num(apart, nan=np.inf), *SAME_DEPTH)
        choice = (unary - loss * pairs.most(shared * same)).argmax(axis=1)
    return choice


def partly_hidden(depth: FloatArray, pairs: BoxPairs) -> FloatArray:
    """(N,) 0..1 whether boxes that are nearer cover some of a box; `depth` (N,), NaN unknown."""
    x1, y1, x2, y2 = np.moveaxis(pairs.boxes[np.stack([pairs.a, pairs.b])], 2, 0)
    wide = np.minimum(x2[0], x2[1]) - np.maximum(x1[0], x1[1])
    high = np.minimum(y2[0], y2[1]) - np.maximum(y1[0], y1[1])
    area = np.maximum((x2[0] - x1[0]) * (y2[0] - y1[0]), np.float32(1e-6))
    cover = np.maximum(wide, 0) * np.maximum(high, 0) / area
    return pairs.most(_ramp(cover, *NEARER) * (depth[pairs.b] < depth[pairs.a]))


def _ramp(values: FloatArray, start: float, stop: float) -> FloatArray:
    """0 up to `start`, 1 from `stop`, straight in between."""
    ramp: FloatArray = np.clip((values - np.float32(start)) / np.float32(stop - start), 0, 1)
    return ramp


def _shares(members: BoolArray, pairs: BoxPairs, whole: PixelBoxes) -> FloatArray:
    """(P, J) what part of each cluster of pair p's box a lies in its box b, 0..1.

    What lies in b is a rectangle of a's lattice, so it is counted from cumulative sums.
    """
    n, clusters = members.shape[:2]
    grid = members.reshape(n, clusters, GRID, GRID).transpose(2, 3, 0, 1)
    sums = np.zeros((GRID + 1, GRID + 1, n, clusters), np.int16)
    for line in range(GRID):
        np.add(sums[line, 1:], grid[line], out=sums[line + 1, 1:])
    for line in range(1, GRID):
        sums[:, line + 1] += sums[:, line]
    a, (x1, y1, x2, y2) = pairs.a, pairs.boxes[pairs.b].T
    left, right = (_lines_before(edge, whole.x1[a], whole.x2[a]) for edge in (x1, x2))
    top, bottom = (_lines_before(edge, whole.y1[a], whole.y2[a]) for edge in (y1, y2))
    inside = sums[bottom, right, a] - sums[top, right, a]
    inside += sums[top, left, a] - sums[bottom, left, a]
    shares: FloatArray = inside / np.maximum(sums[-1, -1, a], 1).astype(np.float32)
    return shares


def _lines_before(edge: FloatArray, start: IntArray, stop: IntArray) -> IntArray:
    """How many of the GRID lattice lines between start and stop lie before `edge`; all (P,)."""
    lines = (edge - start) * (GRID / np.maximum(stop - start, 1))
    return np.asarray(np.clip(np.rint(lines), 0, GRID), np.int64)
