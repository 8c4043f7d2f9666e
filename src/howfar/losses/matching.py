"""Losses by which a student follows teachers, and measurements of unequal worth.

Depth losses take log depth and the logarithm of its error scale b, the parameter of a Laplace
distribution: -log p = |u - u*| / b + log 2b (Kendall and Gal, arXiv 1703.04977).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from howfar.losses.masked import full_precision

FARTHEST = 0.01
"""Least inverse depth of a relative teacher that counts, as a share of the picture's largest."""
EDGES = 0.5
"""Weight of gradients in `relative_depth`."""


def laplace_nll(
    log_depth: Tensor, log_error: Tensor, target: Tensor, valid: Tensor, weight: Tensor
) -> Tensor:
    """Mean over the pictures with a valid pixel of weight * mean (|u - u*| / b + log b) sqrt(b),
    the root taken as a constant.

    Without the root, pixels that are hard to know are given up early: a large b lets their error
    count for little (Seitzer et al., ICLR 2022, arXiv 2203.09168, beta = .5).

    Args:
        log_depth, log_error: (B, 1, H, W) prediction u and log b.
        target: (B, 1, H, W) u*, anything where not valid.
        valid: (B, 1, H, W) bool.
        weight: (B,) of each picture.

    Returns a scalar; 0 where nothing is valid.
    """
    u, s = full_precision(log_depth), full_precision(log_error)
    gap = (u - torch.where(valid, target, 0)).abs() * (-s).exp() + s
    return _weighted(torch.where(valid, gap * (s.detach() / 2).exp(), 0), valid, weight)


def log_gradient(log_depth: Tensor, target: Tensor, valid: Tensor, weight: Tensor) -> Tensor:
    """Multi-scale gradient of the residual u - u* (four scales), weighted as `laplace_nll`.

    Penalises edges where there are none and missing ones (MegaDepth, arXiv 1804.00607, eq. 4).
    """
    residual = torch.where(valid, full_precision(log_depth) - torch.where(valid, target, 0), 0)
    total = residual.new_zeros(())
    for step in (1, 2, 4, 8):
        r, v = residual[..., ::step, ::step], valid[..., ::step, ::step]
        for axis in (2, 3):
            size = r.shape[axis]
            first, second = r.narrow(axis, 0, size - 1), r.narrow(axis, 1, size - 1)
            both = v.narrow(axis, 0, size - 1) & v.narrow(axis, 1, size - 1)
            total = total + _weighted((first - second).abs() * both, both, weight)
    return total / 4


def relative_depth(log_depth: Tensor, inverse: Tensor, weight: Tensor) -> Tensor:
    """How far log depth is from a teacher's whose scale is unknown.

    The median difference is the scale. The mean absolute difference without its largest fifth (what
    the teacher does not know), and that of the gradients (`log_gradient`). What the teacher puts
    beyond 1 / `FARTHEST` times its nearest depth, such as sky, counts as that far, and has no
    gradients. Inverse depth, as in `affine_depth`, hardly sees what is far: half and a third of a
    disparity are close, twice and three times the distance are not.

    Args:
        log_depth: (B, 1, H, W) of the student.
        inverse: (B, 1, H, W) inverse depth of the teacher, in no unit; NaN where it says nothing.
        weight: (B,) of each picture; 0 leaves it out.
    """
    known = inverse.isfinite()
    inverse = full_precision(inverse).nan_to_num(0.0)
    least = FARTHEST * inverse.flatten(1).amax(1)[:, None, None, None]
    target = -torch.maximum(inverse, least.clamp(min=1e-6)).log()
    gaps = (full_precision(log_depth) - target).flatten(1)
    kept = _most((gaps - _median(gaps.detach(), known.flatten(1))).abs(), known.flatten(1))
    loss = (kept * weight).sum() / (weight > 0).sum().clamp(min=1)
    edges = log_gradient(log_depth, target, known & (inverse > least), weight)
    return loss + EDGES * edges


def affine_depth(log_depth: Tensor, inverse: Tensor, weight: Tensor) -> Tensor:
    """How far inverse depth is from a teacher's, up to scale and shift.

    Both are brought to median 0 and mean absolute deviation 1 over the picture (MiDaS, arXiv
    1907.01341, eq. 7); the mean absolute difference without its largest fifth.

    Args:
        log_depth: (B, 1, H, W) of the student.
        inverse: (B, 1, H, W) inverse depth of the teacher; NaN where it says nothing.
        weight: (B,) of each picture; 0 leaves it out.
    """
    known = inverse.isfinite().flatten(1)
    student = _standard((-full_precision(log_depth)).exp().flatten(1), known)
    teacher = _standard(full_precision(inverse).nan_to_num(0.0).flatten(1), known)
    kept = _most((student - teacher).abs(), known)
    return (kept * weight).sum() / (weight > 0).sum().clamp(min=1)


def _standard(values: Tensor, known: Tensor) -> Tensor:
    """Rows (B, N) less their median, over the mean absolute deviation from it, where known."""
    centred = values - _median(values, known)
    deviation = (centred.abs() * known).sum(1, keepdim=True) / known.sum(1, keepdim=True).clamp(1)
    return centred / deviation.clamp(min=1e-4)


def _median(values: Tensor, known: Tensor) -> Tensor:
    """(B, 1) medians of rows (B, N) where known; 0 where nothing is."""
    return torch.where(known, values, torch.nan).nanmedian(1, keepdim=True).values.nan_to_num(0.0)


def _most(gaps: Tensor, known: Tensor) -> Tensor:
    """(B,) means of rows (B, N) where known, without the largest fifth."""
    ranked = torch.where(known, gaps, torch.inf).sort(1).values
    count = (0.8 * known.sum(1, keepdim=True)).long()
    kept = torch.arange(gaps.shape[1], device=gaps.device) < count
    return torch.where(kept, ranked, 0).sum(1) / count[:, 0].clamp(min=1)


def score_matching(logits: Tensor, wanted: Tensor) -> Tensor:
    """Quality focal loss of class scores against a teacher's (arXiv 2006.04388, eq. 2, beta 2).

    |y - p|² (-(1 - y) log(1 - p) - y log p), summed and divided by the sum of the teacher's best
    scores of the cells, at least 1.

    Args:
        logits: (B, P, C) of the student.
        wanted: (B, P, C) scores 0..1 of the teacher.
    """
    logits = full_precision(logits)
    cross = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    loss = cross * (logits.sigmoid() - wanted).square()
    return loss.sum() / wanted.amax(2).sum().clamp(min=1)


def distribution_matching(logits: Tensor, wanted: Tensor, scores: Tensor, bins: int) -> Tensor:
    """KL divergence of box distributions from a teacher's, where its best score exceeds .05.

    Args:
        logits, wanted: (B, P, 4 * bins) of student and teacher.
        scores: (B, P) best score of the teacher, the weight of the cell.
        bins: of one side.
    """
    weight = scores * (scores > 0.05)
    student = full_precision(logits).reshape(*scores.shape, 4, bins).log_softmax(3)
    teacher = full_precision(wanted).reshape(*scores.shape, 4, bins).log_softmax(3)
    gap = (teacher.exp() * (teacher - student)).sum(3).mean(2)
    return (gap * weight).sum() / weight.sum().clamp(min=1)


def outside_range(log_depth: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """How far (N,) values lie outside their ranges, 0 inside; for priors that only know roughly."""
    return (low - log_depth).relu() + (log_depth - high).relu()


def _weighted(values: Tensor, valid: Tensor, weight: Tensor) -> Tensor:
    """Mean over pictures of weight * mean over valid pixels; pictures without any do not count."""
    count = valid.sum((1, 2, 3))
    means = values.sum((1, 2, 3)) / count.clamp(min=1)
    used = (count > 0) & (weight > 0)
    return (means * weight * used).sum() / used.sum().clamp(min=1)
