"""Several systems on the same pictures: is the difference to the first one chance?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from howfar.errors import UsageError
from howfar.evaluate.detection import DetectionJudge
from howfar.evaluate.tables import Cell, Table
from howfar.metrics.bootstrap import RESAMPLES, PairedDifference, paired_bootstrap
from howfar.metrics.detection import Judged
from howfar.metrics.sums import Float64Array

MEDIANS = ("median_rel",)
"""Errors that are medians over items; the others are means."""
UP_IS_BETTER = ("delta1", "AP50", "AP75")
RECALLS = np.linspace(0, 1, 101)
CHUNK = 2_000_000
"""Numbers that one step of the bootstrap of average precision holds at a time."""


@runtime_checkable
class HasItems(Protocol):
    """A judge that knows the errors of single items."""

    def items(self) -> dict[str, dict[tuple[str, str], float]]:
        """Error name -> (frame, item) -> error."""


@dataclass(frozen=True)
class Difference:
    """One score of a system compared with the first system's.

    Attributes:
        system, reference: their names.
        score: short name.
        paired: the difference with its interval.
        only_one: items that not both of the two measured; they are not compared.
    """

    system: str
    reference: str
    score: str
    paired: PairedDifference
    only_one: int = 0

    @property
    def verdict(self) -> str:
        """`better`, `worse` or `unclear`, whatever the direction of the score."""
        told = self.paired.verdict
        if told == "unclear":
            return told
        return "better" if (told == "higher") == (self.score in UP_IS_BETTER) else "worse"

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        paired = self.paired
        return {
            "system": self.system,
            "reference": self.reference,
            "score": self.score,
            "difference": paired.difference,
            "low": paired.low,
            "high": paired.high,
            "level": paired.level,
            "statistic": paired.statistic,
            "items": paired.items,
            "clusters": paired.clusters,
            "only_one": self.only_one,
            "verdict": self.verdict,
        }


def differences(judges: Sequence[Any]) -> list[Difference]:
    """Every score of every system against the first one's; frames are drawn as a whole."""
    first, *others = judges
    found: list[Difference] = []
    for other in others:
        if isinstance(first, DetectionJudge):
            found += _of_detection(other, first)
        elif isinstance(first, HasItems):
            found += _of_items(other, first)
    return found


def _of_items(other: Any, first: Any) -> list[Difference]:
    found = []
    mine, theirs = other.items(), first.items()
    for score in theirs:
        a, b = mine[score], theirs[score]
        both = [key for key in b if key in a and np.isfinite(a[key]) and np.isfinite(b[key])]
        if not both:
            raise UsageError(
                f"{other.system.name} and {first.system.name} measured nothing in common"
            )
        paired = paired_bootstrap(
            [a[key] for key in both],
            [b[key] for key in both],
            [key[0] for key in both],
            "median" if score in MEDIANS else "mean",
        )
        only = len({*a, *b} - {*both})
        found.append(Difference(other.system.name, first.system.name, score, paired, only))
    return found


def _of_detection(other: DetectionJudge, first: DetectionJudge) -> list[Difference]:
    found = []
    for score, which in (("AP50", "at50"), ("AP75", "at75")):
        paired = paired_ap(other.judged(which), first.judged(which), _truths(first, which))
        found.append(Difference(other.system.name, first.system.name, score, paired))
    return found


def _truths(judge: DetectionJudge, which: str) -> list[Mapping[int, int]]:
    return [getattr(part, which).truths for _, part in judge.parts]


def paired_ap(
    a: Judged,
    b: Judged,
    truths: Sequence[Mapping[int, int]],
    level: float = 0.95,
    resamples: int = RESAMPLES // 4,
    seed: int = 0,
) -> PairedDifference:
    """Bootstrap the difference of two detectors' mean AP over pictures.

    Args:
        a, b: judged detections of the same pictures, which are numbered from 1.
        truths: number of true objects by class of each picture.
        level, resamples, seed: of the interval. A class that a draw holds no object of is left
            out of that draw's mean, for both.
    """
    count = len(truths)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(count, np.full(count, 1 / count), resamples).astype(np.float64)
    weights = np.vstack([np.ones(count), drawn])
    classes = sorted({k for row in truths for k in row})
    totals: Float64Array = np.zeros((2, len(weights)))
    seen = np.zeros(len(weights))
    for k in classes:
        objects = weights @ np.array([row.get(k, 0) for row in truths], np.float64)
        seen += objects > 0
        for total, judged in zip(totals, (a, b), strict=True):
            total += _weighted_ap(judged, k, weights, objects)
    mean = totals / np.maximum(seen, 1)
    each = mean[0] - mean[1]
    low, high = np.quantile(each[1:], [(1 - level) / 2, (1 + level) / 2])
    return PairedDifference(float(each[0]), float(low), float(high), level, "mean", count, count)


def _weighted_ap(
    judged: Judged, k: int, weights: Float64Array, objects: Float64Array
) -> Float64Array:
    """COCO's 101-point AP of one class (R,) where picture i counts weights[:, i] times (R, P)."""
    use = (judged.class_ids == k) & (judged.state >= 0)
    scores, state, image = judged.scores[use], judged.state[use], judged.image[use] - 1
    order = np.lexsort((image, -scores))
    state, image = state[order].astype(np.float64), image[order]
    result = np.zeros(len(weights))
    if not len(order):
        return result
    step = max(1, CHUNK // len(order))
    for start in range(0, len(weights), step):
        rows = slice(start, start + step)
        w = weights[rows][:, image]
        right, all_ = np.cumsum(w * state, axis=1), np.cumsum(w, axis=1)
        precision = np.divide(right, all_, out=np.zeros_like(right), where=all_ > 0)
        envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        for i, (found, env) in enumerate(zip(right, envelope, strict=True), start):
            if objects[i] > 0:
                at = np.searchsorted(found, RECALLS * objects[i] - 1e-9, side="left")
                result[i] = np.append(env, 0.0)[at].mean()
    return result


def difference_table(found: Sequence[Difference]) -> Table:
    """One row a difference, with its verdict."""
    rows: list[tuple[str, dict[str, Cell]]] = []
    for item in found:
        paired = item.paired
        cells: dict[str, Cell] = {
            "score": item.score,
            "difference": f"{paired.difference:+.4f}",
            "95 % interval": f"{paired.low:+.4f} .. {paired.high:+.4f}",
            "items": paired.items,
            "frames": paired.clusters,
            "only one has": item.only_one,
            "verdict": item.verdict,
        }
        rows.append((item.system, cells))
    first = found[0].reference if found else ""
    note = (
        "Paired bootstrap over frames, on the items that both measured; means over items or "
        "frames, but for median_rel. A verdict is given where the whole interval lies on one side "
        "of zero."
    )
    columns = tuple(rows[0][1]) if rows else ()
    return Table(f"difference to {first}", tuple(rows), columns, "system", note)
