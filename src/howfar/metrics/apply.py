"""Bringing the maps of one image to the pixels that a protocol compares."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from howfar.core.boxes import FloatArray
from howfar.core.depth import DepthKind, DepthMap
from howfar.core.resize import resize
from howfar.errors import UsageError
from howfar.metrics.alignment import LEAST, Alignment, fit_alignment
from howfar.metrics.depth import MIN_DEPTH_M, DepthSums, clamp, depth_sums
from howfar.metrics.protocols import Protocol, Task
from howfar.metrics.sums import BoolArray, Float64Array


@dataclass(frozen=True)
class Counts:
    """What became of the pixels of one image.

    Attributes:
        truth: with a true depth inside crop and caps.
        missing: of these without a prediction; not compared.
        clamped_low, clamped_high: predictions moved to `min_m` and `max_m`.
    """

    truth: int
    missing: int
    clamped_low: int
    clamped_high: int


def apply(
    protocol: Protocol, prediction: DepthMap, truth: DepthMap, covers: str = "picture"
) -> tuple[Float64Array, Float64Array, Counts]:
    """Bring the maps of one image to the pixels that a protocol compares.

    Args:
        protocol: one of `PROTOCOLS`.
        prediction: of any size and kind. A relative one needs a protocol with an alignment
            (`replace(protocol, alignment=...)`), or the task `ORDER`.
        truth: metric, or for the task `ORDER` of any kind.
        covers: `picture`, or `crop` where the prediction shows the protocol's crop only (the
            Hybrid CNN on `nyu_hybrid_input`).

    Returns:
        Predicted and true depth in metres, float64 (P,), aligned and clamped; for the task
        `ORDER` inverse depth without unit. And the counts. P may be 0.
    """
    if protocol.size is not None:
        truth = _sized(truth, *protocol.size)
    r1, r2, c1, c2 = protocol.crop(truth.height, truth.width)
    if covers not in ("picture", "crop"):
        raise UsageError(f"covers {covers!r}; a prediction covers the picture or the crop")
    if covers == "picture":
        values, seen = _fitted(prediction, truth.height, truth.width)
        values, seen = values[r1:r2, c1:c2], seen[r1:r2, c1:c2]
    else:
        values, seen = _fitted(prediction, r2 - r1, c2 - c1)
    g = truth.values[r1:r2, c1:c2].astype(np.float64)
    use = truth.valid[r1:r2, c1:c2].copy()
    p = np.where(seen, values, np.nan).astype(np.float64)
    if protocol.task is Task.ORDER:
        return _ordered(p, prediction.kind, g, truth.kind, use)
    if not truth.is_metric:
        raise UsageError(f"protocol {protocol.name} needs true depth in metres")
    if protocol.cap_truth:
        g = np.minimum(g, protocol.max_m)
    use &= (g > protocol.min_m) & ((g < protocol.max_m) | protocol.cap_truth)
    return _compared(protocol, p[use], prediction.kind, g[use])


def measure_depth(
    protocol: Protocol, prediction: DepthMap, truth: DepthMap, covers: str = "picture"
) -> DepthSums:
    """The sums of one image's errors under a protocol; arguments as in `apply`.

    Join images with `aggregate_errors(sums, protocol.aggregation)`.
    """
    p, g, counts = apply(protocol, prediction, truth, covers)
    if protocol.task is Task.ORDER:
        raise UsageError(f"protocol {protocol.name} has no metres; use `apply` and order_sums")
    sums = depth_sums(p, g)
    return replace(
        sums,
        missing=counts.missing,
        clamped_low=counts.clamped_low,
        clamped_high=counts.clamped_high,
    )


def _compared(
    protocol: Protocol, p: Float64Array, kind: DepthKind, g: Float64Array
) -> tuple[Float64Array, Float64Array, Counts]:
    p = _metres(protocol, p, kind, g)
    p, low, high, missing = clamp(p, max(protocol.min_m, MIN_DEPTH_M), protocol.max_m)
    return p[~missing], g[~missing], Counts(g.size, int(missing.sum()), low, high)


def _metres(protocol: Protocol, p: Float64Array, kind: DepthKind, g: Float64Array) -> Float64Array:
    how = protocol.alignment
    inverse = kind is not DepthKind.METRIC
    if inverse and how is Alignment.NONE:
        raise UsageError(
            f"protocol {protocol.name} compares metres, and this prediction is relative; give it "
            "a scale, or name an alignment"
        )
    if kind is DepthKind.RELATIVE_AFFINE and how is not Alignment.INVERSE_SCALE_SHIFT:
        raise UsageError(f"a map with unknown shift needs the alignment inverse-scale-shift, {how}")
    if how is Alignment.NONE:
        return p
    usable = np.isfinite(p) & ((p > LEAST) | (kind is DepthKind.RELATIVE_AFFINE))
    if not usable.any():
        return np.full_like(p, np.nan)  # nothing to align by: the whole image is missing
    return fit_alignment(p, g, how, inverse).aligned(p, inverse)


def _ordered(
    p: Float64Array, p_kind: DepthKind, g: Float64Array, g_kind: DepthKind, use: BoolArray
) -> tuple[Float64Array, Float64Array, Counts]:
    count = int(use.sum())
    seen = use & np.isfinite(p) & ((p > 0) | (p_kind is not DepthKind.METRIC))
    p, g = p[seen], g[seen]
    p = 1 / p if p_kind is DepthKind.METRIC else p
    g = 1 / g if g_kind is DepthKind.METRIC else g
    return p, g, Counts(count, count - g.size, 0, 0)


def _fitted(prediction: DepthMap, height: int, width: int) -> tuple[FloatArray, BoolArray]:
    """Values at another size, and where there is a prediction.

    A depth of zero or less is a prediction (it will be clamped and counted), not a hole. Where
    there are holes, nearest neighbour does not smear them.
    """
    values = prediction.values
    seen = np.isfinite(values) & (prediction.valid | (values <= 0))
    if seen.all():
        return resize(values, width, height), np.ones((height, width), bool)
    found = resize(seen.astype(np.uint8), width, height, "nearest") > 0
    return resize(values, width, height, "nearest"), found


def _sized(truth: DepthMap, height: int, width: int) -> DepthMap:
    values = resize(truth.values, width, height, "nearest")
    valid = resize(truth.valid.astype(np.uint8), width, height, "nearest")
    return DepthMap(values, truth.kind, valid > 0)
