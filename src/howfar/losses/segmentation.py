"""Cross-entropy of semantic segmentation, and weights of pixels by class."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from howfar.errors import UsageError
from howfar.losses.masked import full_precision, masked_mean

IGNORE = 255
"""Label of pixels without a class."""
STRESSED_CLASSES = (19, 20, 21, 26, 27)
"""Cityscapes ids that source 004's third model stresses: traffic light, traffic sign, vegetation,
car, truck."""


def cross_entropy(
    logits: Tensor, labels: Tensor, weights: Tensor | None = None, ignore: int = IGNORE
) -> Tensor:
    """-ln softmax(logits) of the true class, mean over the pixels of the batch that have one.

    Args:
        logits: (B, C, H, W) of any float type.
        labels: (B, H, W) int64, 0..C-1 or `ignore`.
        weights: (B, H, W) factors of the pixels, such as `semantic_weights`; the sum is still
            divided by the number of pixels.
        ignore: label of pixels that do not count, whatever their logits and weights hold.

    Returns a scalar, 0 where no pixel counts. Raises `UsageError` where shapes, types or labels do
    not fit.
    """
    _check(logits, labels, weights)
    counts = labels != ignore
    known = torch.where(counts, labels, 0)
    low, high = int(known.min()), int(known.max())
    if low < 0 or high >= logits.shape[1]:
        raise UsageError(
            f"labels run from {low} to {high}; {logits.shape[1]} classes have "
            f"0..{logits.shape[1] - 1}, and {ignore} is ignored"
        )
    logits = torch.where(counts[:, None], full_precision(logits), 0)
    losses = functional.cross_entropy(logits, known, reduction="none")
    if weights is not None:
        losses = losses * torch.where(counts, full_precision(weights), 0)
    return masked_mean(losses, counts)


def _check(logits: Tensor, labels: Tensor, weights: Tensor | None) -> None:
    batch, _, *size = logits.shape if logits.ndim == 4 else (0, 0)
    if not size or tuple(labels.shape) != (batch, *size):
        raise UsageError(
            f"logits {tuple(logits.shape)} and labels {tuple(labels.shape)}; "
            "expected (B, C, H, W) and (B, H, W)"
        )
    if labels.dtype != torch.int64:
        raise UsageError(f"labels are {labels.dtype}; give int64")
    if weights is not None and weights.shape != labels.shape:
        raise UsageError(f"weights {tuple(weights.shape)} do not fit labels {tuple(labels.shape)}")


def semantic_weights(
    labels: Tensor, classes: Sequence[int] = STRESSED_CLASSES, factor: float = 10.0
) -> Tensor:
    """1 + factor · mask, where the mask holds pixels of `classes` (source 004; facts 1h).

    labels (...) of any integer type; returns float32 of the same shape.
    """
    wanted = torch.tensor(tuple(classes), dtype=labels.dtype, device=labels.device)
    return 1 + factor * torch.isin(labels, wanted).float()
