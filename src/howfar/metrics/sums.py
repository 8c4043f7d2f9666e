"""Sums that can be added: what every aggregated metric is made of."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import numpy.typing as npt

from howfar.errors import UsageError

Float64Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Sums:
    """Base of the additive dataclasses: `a + b` adds field by field.

    Every field is a sum or a count that defaults to zero, so that `sum(parts, Kind())` adds up any
    number of parts, in any split.
    """

    def __add__(self, other: Self) -> Self:
        if type(other) is not type(self):
            return NotImplemented
        return type(self)(
            **{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        )


@dataclass(frozen=True)
class Mean(Sums):
    """A mean as its sum and count.

    Attributes:
        total: sum of the values.
        count: how many there are.
    """

    total: float = 0.0
    count: int = 0

    @property
    def value(self) -> float:
        """total / count; NaN without values."""
        return ratio(self.total, self.count)


def ratio(total: float, count: float) -> float:
    """total / count as a float, NaN where count is 0."""
    return float(total) / float(count) if count else float("nan")


def paired(
    prediction: npt.ArrayLike, truth: npt.ArrayLike, valid: npt.ArrayLike | None = None
) -> tuple[Float64Array, Float64Array]:
    """Prediction and truth (float64, 1-D) of the pixels where `valid` holds; all where None.

    Raises `UsageError` where the shapes differ.
    """
    p, g = np.asarray(prediction, np.float64), np.asarray(truth, np.float64)
    if p.shape != g.shape:
        raise UsageError(f"prediction {p.shape} and truth {g.shape} differ in shape; resize first")
    if valid is None:
        return p.ravel(), g.ravel()
    mask = np.asarray(valid, bool)
    if mask.shape != g.shape:
        raise UsageError(f"valid mask {mask.shape} does not fit truth {g.shape}")
    return p[mask], g[mask]
