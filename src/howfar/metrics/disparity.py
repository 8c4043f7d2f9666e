"""Errors of object distances as stereo disparities: Table II of source 000.

Disparity d = f B / z in pixels, f the focal length in pixels, B the baseline in metres (facts 1i).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from howfar.errors import UsageError
from howfar.metrics.objects import ObjectRecord, group_records, measured_pairs
from howfar.metrics.sums import Float64Array, Sums, ratio


@dataclass(frozen=True)
class DisparitySums(Sums):
    """Sums over objects; `a + b` pools them.

    Attributes:
        count: objects with true and predicted disparity.
        missing: with a true one only; left out of the sums.
        absolute: sum of |d̂ - d| in px.
        over3, over5: objects with |d̂ - d| > 3 and > 5 px (strict).
        outliers: with |d̂ - d| > 3 px and > 5 % of d: D1 of KITTI 2015 (strict).
    """

    count: int = 0
    missing: int = 0
    absolute: float = 0.0
    over3: int = 0
    over5: int = 0
    outliers: int = 0

    def errors(self) -> dict[str, float]:
        """`epe` mean end-point error in px; `over3_pct`, `over5_pct`, `d1_pct` % of objects."""
        return {
            "epe": ratio(self.absolute, self.count),
            "over3_pct": 100 * ratio(self.over3, self.count),
            "over5_pct": 100 * ratio(self.over5, self.count),
            "d1_pct": 100 * ratio(self.outliers, self.count),
        }


def disparity_px(
    distance_m: npt.ArrayLike, focal_px: npt.ArrayLike, baseline_m: npt.ArrayLike
) -> Float64Array:
    """f B / z in pixels, of distances z > 0 in metres."""
    z = np.asarray(distance_m, np.float64)
    if (z <= 0).any():
        raise UsageError("a distance is not above zero, so it has no disparity")
    return np.asarray(np.asarray(focal_px) * np.asarray(baseline_m) / z, np.float64)


def disparity_sums(prediction: npt.ArrayLike, truth: npt.ArrayLike) -> DisparitySums:
    """Sums of disparities in pixels: NaN truths do not count, NaN predictions are missing."""
    p, g = np.ravel(np.asarray(prediction, np.float64)), np.ravel(np.asarray(truth, np.float64))
    if p.shape != g.shape:
        raise UsageError(f"{p.size} predicted and {g.size} true disparities do not fit together")
    known = np.isfinite(g)
    both = known & np.isfinite(p)
    error = np.abs(p[both] - g[both])
    return DisparitySums(
        count=int(both.sum()),
        missing=int((known & ~both).sum()),
        absolute=float(error.sum()),
        over3=int((error > 3).sum()),
        over5=int((error > 5).sum()),
        outliers=int(((error > 3) & (error > 0.05 * np.abs(g[both]))).sum()),
    )


def object_disparity_sums(records: Iterable[ObjectRecord]) -> DisparitySums:
    """Sums over object records; an object without a predicted distance is missing.

    Raises `UsageError` where a record with a true distance has no focal length or baseline.
    """
    known = [r for r in records if math.isfinite(r.truth_m)]
    if not all(r.focal_px > 0 and r.baseline_m > 0 for r in known):
        raise UsageError("an object has no focal length or stereo baseline to get disparities by")
    measured = [r for r in known if r.measured]
    factor = np.array([r.focal_px * r.baseline_m for r in measured])
    p, g = measured_pairs(measured)
    sums = disparity_sums(disparity_px(p, factor, 1.0), disparity_px(g, factor, 1.0))
    return sums + DisparitySums(missing=len(known) - len(measured))


def disparity_table(records: Sequence[ObjectRecord]) -> dict[str, dict[str, float]]:
    """`epe`, `over3_pct`, `over5_pct`, `d1_pct`, counts by occlusion level: Table II."""
    groups = group_records(records, lambda r: str(r.occlusion))
    table = {}
    for level in sorted(groups):
        sums = object_disparity_sums(groups[level])
        table[level] = {"count": sums.count, "missing": sums.missing, **sums.errors()}
    return table
