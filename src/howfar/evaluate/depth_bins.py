"""Errors of depth by true depth, and the spread of predicted / true depth, as sums that add up."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from howfar.evaluate.tables import Table, table_of
from howfar.metrics.blocks import GRID, block_scores
from howfar.metrics.sums import Float64Array, ratio

RANGE_EDGES_M = (0.0, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 50.0, 80.0)
LOG2_RATIOS = np.linspace(-2, 2, 81)
"""Edges of the histogram of log2(predicted / true): a quarter of the depth to four times it."""


@dataclass(frozen=True, eq=False)
class RangeBins:
    """Sums of pixels (B,) by true depth, over the bins of `RANGE_EDGES_M`; they add up."""

    pixels: Float64Array
    relative: Float64Array
    signed: Float64Array
    within1: Float64Array

    def __add__(self, other: RangeBins) -> RangeBins:
        return RangeBins(
            self.pixels + other.pixels,
            self.relative + other.relative,
            self.signed + other.signed,
            self.within1 + other.within1,
        )


def range_bins(p: Float64Array, g: Float64Array) -> RangeBins:
    """Sums of one picture by true depth."""
    count = len(RANGE_EDGES_M)
    index = np.searchsorted(RANGE_EDGES_M, g, side="right") - 1
    signed = (p - g) / g
    within = np.maximum(p / g, g / p) < 1.25

    def sums(values: npt.NDArray[np.generic] | None) -> Float64Array:
        return np.bincount(index, values, count).astype(np.float64)

    return RangeBins(sums(None), sums(np.abs(signed)), sums(signed), sums(within))


def range_table(bins: RangeBins) -> Table:
    """Errors by true depth, over the pixels of all pictures together."""
    rows = {}
    for i, low in enumerate(RANGE_EDGES_M):
        if not bins.pixels[i]:
            continue
        last = i + 1 == len(RANGE_EDGES_M)
        name = f">={low:g} m" if last else f"{low:g}-{RANGE_EDGES_M[i + 1]:g} m"
        rows[name] = {
            "pixels": int(bins.pixels[i]),
            "abs_rel": ratio(bins.relative[i], bins.pixels[i]),
            "bias_rel": ratio(bins.signed[i], bins.pixels[i]),
            "delta1": ratio(bins.within1[i], bins.pixels[i]),
        }
    return table_of("by true depth, all pixels together", rows, "range")


def interval_table(rows: Float64Array, level: float) -> Table:
    """Do the intervals of blocks (see `howfar.metrics.blocks.depth_blocks`) hold the truth."""
    note = (
        f"Of {GRID}x{GRID} blocks of the whole picture, unaligned; intervals of level {level:.0%} "
        "should cover that share. Winkler: less is better, in m; of our intervals, and of the best "
        "ones of a constant factor or a constant width. Rank correlation: of width and error."
    )
    return table_of("intervals", {"blocks": asdict(block_scores(rows, level))}, "", note)


def ratio_counts(p: Float64Array, g: Float64Array) -> npt.NDArray[np.int64]:
    """Pixels (80,) by log2(p / g); what lies beyond `LOG2_RATIOS` is in the outermost bins."""
    inside = np.clip(np.log2(p / g), LOG2_RATIOS[0], LOG2_RATIOS[-1])
    return np.histogram(inside, LOG2_RATIOS)[0].astype(np.int64)
