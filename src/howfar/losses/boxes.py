"""Overlap of boxes as a loss."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def iou_of(a: Tensor, b: Tensor, eps: float = 1e-7) -> Tensor:
    """IoU (...) of boxes (..., 4) `cx, cy, w, h` with boxes that broadcast against them."""
    inter, union = _areas(a, b, eps)
    return inter / union


def ciou(a: Tensor, b: Tensor, *, eps: float = 1e-7, alpha_eps: float = 1e-7) -> Tensor:
    """Complete IoU of predicted and true boxes (arXiv 1911.08287), as YOLOv5 and darknet train.

    CIoU = IoU - (rho² / c² + v alpha): rho is the distance of the centres, c the diagonal of the
    smallest box around both, v = (4 / pi²) (atan(wb / hb) - atan(wa / ha))² compares the shapes,
    and alpha = v / (1 - IoU + v + alpha_eps) is a constant for the gradient (facts 1c, 1d).

    Args:
        a, b: (..., 4) `cx, cy, w, h` in any one unit, sizes above 0.
        eps: added to areas and c².
        alpha_eps: 1e-7 for YOLOv5, 1e-6 for darknet.

    Returns (...), at most 1.
    """
    inter, union = _areas(a, b, eps)
    iou = inter / union
    low = torch.minimum(a[..., :2] - a[..., 2:] / 2, b[..., :2] - b[..., 2:] / 2)
    high = torch.maximum(a[..., :2] + a[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2)
    diagonal = (high - low).square().sum(-1) + eps
    distance = (b[..., :2] - a[..., :2]).square().sum(-1)
    turn = torch.atan(b[..., 2] / b[..., 3]) - torch.atan(a[..., 2] / a[..., 3])
    v = 4 / math.pi**2 * turn.square()
    alpha = (v / (1 - iou + v + alpha_eps)).detach()
    return iou - (distance / diagonal + v * alpha)


def shape_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU (N, M) of sizes (N, 2) and (M, 2) `w, h`, as if the boxes had one centre."""
    inter = torch.minimum(a[:, None], b[None]).prod(-1)
    return inter / (a.prod(-1)[:, None] + b.prod(-1)[None] - inter)


def _areas(a: Tensor, b: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Areas of intersection and union."""
    low = torch.maximum(a[..., :2] - a[..., 2:] / 2, b[..., :2] - b[..., 2:] / 2)
    high = torch.minimum(a[..., :2] + a[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2)
    inter = (high - low).clamp(min=0).prod(-1)
    return inter, a[..., 2:].prod(-1) + b[..., 2:].prod(-1) - inter + eps
