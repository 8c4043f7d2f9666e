"""Agreement of label maps, from one confusion matrix over the whole set (facts 3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from howfar.core.semantics import IGNORE
from howfar.errors import UsageError
from howfar.metrics.sums import Float64Array, Sums

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Confusion(Sums):
    """Pixels by true and predicted class; `a + b` adds images.

    Attributes:
        counts: (C, C + 1) int64, rows are true classes; the last column counts pixels that the
            prediction left without a class, which is wrong for every class.
    """

    counts: IntArray

    def union(self) -> IntArray:
        """Pixels (C,) that truth or prediction give to each class."""
        square = self.counts[:, :-1]
        return np.asarray(self.counts.sum(axis=1) + square.sum(axis=0) - np.diagonal(square))

    def iou(self) -> Float64Array:
        """Intersection over union (C,) of each class; NaN where the union is empty."""
        return _ratio(np.diagonal(self.counts), self.union())

    def scores(self) -> dict[str, float]:
        """`miou`: mean over classes with union > 0; `pixel_accuracy`; `mean_accuracy` over
        classes that occur in the truth. NaN where there are none."""
        hits = np.diagonal(self.counts)
        truth = self.counts.sum(axis=1)
        return {
            "miou": _mean(self.iou()),
            "pixel_accuracy": float(_ratio(hits.sum(), truth.sum())),
            "mean_accuracy": _mean(_ratio(hits, truth)),
        }


def confusion(
    prediction: npt.ArrayLike, truth: npt.ArrayLike, classes: int, ignore: int = IGNORE
) -> Confusion:
    """The confusion of one image.

    Args:
        prediction, truth: integer labels of one shape, 0..classes-1 or `ignore`.
        classes: how many there are.
        ignore: label of true pixels that do not count.

    Raises `UsageError` where shapes differ or a label is out of range.
    """
    p, g = np.asarray(prediction), np.asarray(truth)
    if p.shape != g.shape:
        raise UsageError(f"prediction {p.shape} and truth {g.shape} differ in shape")
    p, g = p[g != ignore].astype(np.int64), g[g != ignore].astype(np.int64)
    p = np.where(p == ignore, classes, p)
    for name, labels, most in (("true", g, classes - 1), ("predicted", p, classes)):
        if labels.size and (labels.min() < 0 or labels.max() > most):
            raise UsageError(f"a {name} label is outside 0..{classes - 1} and not {ignore}")
    flat = np.bincount(g * (classes + 1) + p, minlength=classes * (classes + 1))
    return Confusion(flat.reshape(classes, classes + 1).astype(np.int64))


def empty_confusion(classes: int) -> Confusion:
    """No pixels yet, to add to."""
    return Confusion(np.zeros((classes, classes + 1), np.int64))


def _ratio(part: npt.ArrayLike, whole: npt.ArrayLike) -> Float64Array:
    above, below = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    share: Float64Array = np.divide(above, below, out=np.full(below.shape, np.nan), where=below > 0)
    return share


def _mean(values: Float64Array) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")
