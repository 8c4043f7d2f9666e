"""The losses of YOLOv5 and YOLOv4."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from howfar.losses.assignment import MAX_RATIO, Assigned, assign_yolov4, assign_yolov5
from howfar.losses.boxes import ciou, iou_of

BALANCE = 4.0, 1.0, 0.4
"""YOLOv5: weight of each level's objectness, fine level first."""
IGNORE_IOU, IGNORE_PROBABILITY = 0.7, 0.25
"""YOLOv4: boxes that overlap a true one by more, and are that sure of a class, may be objects."""
BOX_WEIGHT, BOX_CLIP, ALPHA_EPS = 0.07, 5.0, 1e-6
"""YOLOv4: weight of CIoU, largest gradient of a box's number in one picture, eps of CIoU."""


@dataclass(frozen=True, eq=False)
class DetectionLoss:
    """A loss and its parts, scalars.

    Attributes:
        total: what is minimised.
        box, obj, cls: its parts before their weights.
    """

    total: Tensor
    box: Tensor
    obj: Tensor
    cls: Tensor


def yolov5_loss(
    levels: Sequence[Tensor],
    targets: Tensor,
    anchors_px: Tensor,
    strides: Sequence[int],
    *,
    box: float = 0.05,
    obj: float = 1.0,
    cls: float = 0.5,
    label_smoothing: float = 0.0,
    max_ratio: float = MAX_RATIO,
) -> DetectionLoss:
    """YOLOv5's loss (facts 1c): B (box L_box + obj L_obj + cls L_cls).

    L_box is the sum over levels of the mean of 1 - CIoU; L_obj of the cross-entropy of objectness
    over all cells, whose target is the box's CIoU where a cell is assigned and 0 elsewhere, with
    weights 4, 1, .4; L_cls of the mean cross-entropy of classes, where there are several.

    Args:
        levels: for each level (B, A, h, w, 5 + C) raw outputs, fine level first.
        targets: (N, 6) `image, class, cx, cy, w, h`, the box as shares of width and height.
        anchors_px: (L, A, 2) in input pixels.
        strides: input pixels of a cell.
        box, obj, cls: weights.
        label_smoothing: e; classes are taught 1 - e / 2 and e / 2.
        max_ratio: of `assign_yolov5`.
    """
    zero = levels[0].new_zeros((), dtype=torch.float32)
    box_loss, obj_loss, cls_loss = zero, zero, zero
    for i, raw in enumerate(levels):
        raw = raw.float()
        anchors = anchors_px[i].to(raw) / strides[i]
        rows = assign_yolov5(targets.to(raw), anchors, raw.shape[2], raw.shape[3], max_ratio)
        goal = torch.zeros_like(raw[..., 0])
        if len(rows):
            found = raw[rows.place]
            sides = (2 * found[:, 2:4].sigmoid()).square() * anchors[rows.anchor]
            boxes = torch.cat([2 * found[:, :2].sigmoid() - 0.5, sides], 1)
            overlap = ciou(boxes, rows.boxes)
            box_loss = box_loss + (1 - overlap).mean()
            last = _last(rows, goal.shape)
            goal[tuple(part[last] for part in rows.place)] = overlap.detach()[last].clamp(min=0)
            if raw.shape[-1] > 6:
                cls_loss = cls_loss + bce(
                    found[:, 5:], _smooth(rows.classes, raw.shape[-1] - 5, label_smoothing)
                )
        obj_loss = obj_loss + BALANCE[i] * bce(raw[..., 4], goal)
    total = (box * box_loss + obj * obj_loss + cls * cls_loss) * len(levels[0])
    return DetectionLoss(total, box_loss, obj_loss, cls_loss)


def yolov4_loss(
    levels: Sequence[Tensor],
    targets: Tensor,
    anchors_px: Tensor,
    strides: Sequence[int],
    scale_xy: Sequence[float],
) -> DetectionLoss:
    """YOLOv4's loss as darknet's gradients imply it (facts 1d), a sum over cells by picture.

    (.07 sum of 1 - CIoU over assigned rows + cross-entropy of objectness over all cells that are
    not ignored + cross-entropy of the classes of assigned cells) / B. A cell that nothing is
    assigned to is ignored where its box overlaps a true one by more than .7 and any of its class
    probabilities is above .25. The gradient of each box number is limited to 5 in a picture.

    Args:
        levels: for each level (B, A, h, w, 5 + C) raw outputs, fine level first.
        targets: (N, 6) `image, class, cx, cy, w, h`, the box as shares of width and height.
        anchors_px: (L, A, 2) in input pixels.
        strides: input pixels of a cell.
        scale_xy: of each level, see `howfar.nets.darknet`.
    """
    zero = levels[0].new_zeros((), dtype=torch.float32)
    box_loss, obj_loss, cls_loss = zero, zero, zero
    batch = len(levels[0])
    factor = zero + 1  # by which the caller multiplies the loss, known when gradients flow
    for i, raw in enumerate(levels):
        raw = raw.float()
        height, width, stride = raw.shape[2], raw.shape[3], strides[i]
        anchors = anchors_px[i].to(raw) / stride
        rows = assign_yolov4(targets.to(raw), anchors_px, i, height, width, stride)
        positive = torch.zeros_like(raw[..., 0], dtype=torch.bool)
        positive[rows.place] = True
        counts = positive | ~_ignored(raw, targets.to(raw), anchors, scale_xy[i])
        found = bce(raw[..., 4], positive.to(raw), reduction="none")
        obj_loss = obj_loss + (found * counts).sum()
        if len(rows):
            numbers = _limited(raw[rows.place][:, :4], BOX_CLIP / batch, factor)
            boxes = _relative(numbers, anchors[rows.anchor], scale_xy[i])
            overlap = ciou(boxes, rows.boxes, alpha_eps=ALPHA_EPS)
            box_loss = box_loss + (1 - overlap).sum()
            classes = torch.zeros_like(raw[..., 5:])
            classes[(*rows.place, rows.classes)] = 1
            cls_loss = cls_loss + bce(raw[positive][:, 5:], classes[positive], reduction="sum")
    total = (BOX_WEIGHT * box_loss + obj_loss + cls_loss) / batch
    if total.requires_grad:
        total.register_hook(lambda g: _note(g, factor))  # type: ignore[no-untyped-call]
    return DetectionLoss(total, box_loss, obj_loss, cls_loss)


def _relative(raw: Tensor, anchors: Tensor, scale_xy: float) -> Tensor:
    """darknet's `cx, cy, w, h` in cells, the centre relative to the cell's corner."""
    centre = raw[..., :2].sigmoid() * scale_xy - (scale_xy - 1) / 2
    return torch.cat([centre, raw[..., 2:4].exp() * anchors], -1)


@torch.no_grad()
def _ignored(raw: Tensor, targets: Tensor, anchors: Tensor, scale_xy: float) -> Tensor:
    """(B, A, h, w) bool: boxes that are on an object and sure of some class."""
    height, width = raw.shape[2:4]
    boxes = _relative(raw[..., :4], anchors[:, None, None], scale_xy)
    boxes[..., 0] += torch.arange(width, device=raw.device)
    boxes[..., 1] += torch.arange(height, device=raw.device)[:, None]
    sure = raw[..., 5:].amax(-1).sigmoid() > IGNORE_PROBABILITY
    size = torch.tensor([width, height] * 2, device=raw.device)
    for i in range(len(raw)):
        truth = targets[targets[:, 0] == i, 2:6] * size
        at = sure[i].nonzero(as_tuple=True)
        overlap = iou_of(boxes[i][at][:, None], truth[None])
        hit = overlap.amax(1) > IGNORE_IOU if len(truth) else torch.zeros_like(at[0]).bool()
        sure[i][at] = hit
    return sure


def _note(gradient: Tensor, factor: Tensor) -> None:
    """Keep the gradient of the loss itself."""
    factor.copy_(gradient.detach().abs())


def _limited(value: Tensor, most: float, factor: Tensor) -> Tensor:
    """`value`, whose gradient is limited to +-`most` times `factor`."""
    same = value.clone()
    if same.requires_grad:
        same.register_hook(lambda g: g.clamp(-most * factor, most * factor))  # type: ignore[no-untyped-call]
    return same


def _last(rows: Assigned, shape: torch.Size) -> Tensor:
    """(R,) bool: rows after which no other has the same place, so that the last one stays."""
    _, anchors, height, width = shape
    place = ((rows.image * anchors + rows.anchor) * height + rows.y) * width + rows.x
    order = torch.arange(len(rows), device=place.device)
    winner = torch.full((shape.numel(),), -1, device=place.device)
    winner.scatter_reduce_(0, place, order, "amax")
    return winner[place] == order


def _smooth(classes: Tensor, count: int, amount: float) -> Tensor:
    """(R, C) what classes (R,) are taught."""
    goal = torch.full((len(classes), count), amount / 2, device=classes.device)
    goal[torch.arange(len(classes), device=classes.device), classes] = 1 - amount / 2
    return goal
