"""Which cells and anchors of a detector answer for which true boxes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from howfar.losses.boxes import shape_iou

MAX_RATIO = 4.0
"""YOLOv5: an anchor answers for boxes of up to this many times its sides, or this part of them."""
MIN_SHAPE_IOU = 0.213
"""YOLOv4: other anchors than the best answer too above this overlap of shapes."""


@dataclass(frozen=True, eq=False)
class Assigned:
    """Rows of one level; row i says that a cell's anchor answers for a true box.

    Attributes:
        image, anchor, y, x: (R,) int64 place in the level's output.
        boxes: (R, 4) true `cx, cy, w, h` in cells, the centre relative to the cell's corner.
        classes: (R,) int64.
    """

    image: Tensor
    anchor: Tensor
    y: Tensor
    x: Tensor
    boxes: Tensor
    classes: Tensor

    def __len__(self) -> int:
        return len(self.image)

    @property
    def place(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Indices into (B, A, h, w, ...)."""
        return self.image, self.anchor, self.y, self.x


def assign_yolov5(
    targets: Tensor, anchors: Tensor, height: int, width: int, max_ratio: float = MAX_RATIO
) -> Assigned:
    """YOLOv5's rows of one level (facts 1c).

    A box goes to every anchor that its sides differ from by less than `max_ratio`, in the cell of
    its centre and the two neighbours that are nearest to it.

    Args:
        targets: (N, 6) `image, class, cx, cy, w, h`, the box as shares of width and height.
        anchors: (A, 2) sizes in cells.
        height, width: cells of the level.
        max_ratio: see above.

    The rows come in five blocks: own cell, left, above, right, below; inside a block by anchor,
    then by target.
    """
    size = torch.tensor([width, height], device=targets.device, dtype=targets.dtype)
    sides = targets[:, 4:6] * size
    ratio = sides[None] / anchors[:, None].to(targets)
    fits = torch.maximum(ratio, 1 / ratio).amax(-1) < max_ratio
    anchor, row = fits.nonzero(as_tuple=True)
    chosen = targets[row]
    centre = chosen[:, 2:4] * size
    back = size - centre
    near = (centre % 1 < 0.5) & (centre > 1)
    far = (back % 1 < 0.5) & (back > 1)
    own = torch.ones_like(near[:, 0])
    blocks = torch.stack([own, near[:, 0], near[:, 1], far[:, 0], far[:, 1]])
    steps = torch.tensor(
        [[0.0, 0.0], [0.5, 0.0], [0.0, 0.5], [-0.5, 0.0], [0.0, -0.5]],
        device=targets.device,
        dtype=targets.dtype,
    )
    block, kept = blocks.nonzero(as_tuple=True)
    chosen, centre, anchor = chosen[kept], centre[kept], anchor[kept]
    cell = (centre - steps[block]).long()
    cell = torch.stack([cell[:, 0].clamp(0, width - 1), cell[:, 1].clamp(0, height - 1)], 1)
    return Assigned(
        image=chosen[:, 0].long(),
        anchor=anchor,
        y=cell[:, 1],
        x=cell[:, 0],
        boxes=torch.cat([centre - cell, chosen[:, 4:6] * size], 1),
        classes=chosen[:, 1].long(),
    )


def assign_yolov4(
    targets: Tensor,
    anchors_px: Tensor,
    level: int,
    height: int,
    width: int,
    stride: int,
    min_iou: float = MIN_SHAPE_IOU,
) -> Assigned:
    """YOLOv4's rows of one level, as darknet assigns them (facts 1d).

    A box goes to the cell of its centre, at the anchor of all levels whose shape overlaps it best,
    and at every other anchor whose shape overlaps it by more than `min_iou`.

    Args:
        targets: (N, 6) `image, class, cx, cy, w, h`, the box as shares of width and height.
        anchors_px: (L, A, 2) of all levels, in input pixels.
        level: of `anchors_px`.
        height, width, stride: cells of the level, and the pixels of one.
        min_iou: see above.
    """
    size = torch.tensor([width, height], device=targets.device, dtype=targets.dtype)
    each = anchors_px.shape[1]
    overlap = shape_iou(targets[:, 4:6] * size * stride, anchors_px.reshape(-1, 2).to(targets))
    fits = overlap > min_iou
    fits[torch.arange(len(targets), device=targets.device), overlap.argmax(1)] = True
    row, anchor = fits[:, level * each : (level + 1) * each].nonzero(as_tuple=True)
    chosen = targets[row]
    centre = chosen[:, 2:4] * size
    cell = torch.minimum(centre.long(), (size - 1).long())
    return Assigned(
        image=chosen[:, 0].long(),
        anchor=anchor,
        y=cell[:, 1],
        x=cell[:, 0],
        boxes=torch.cat([centre - cell, chosen[:, 4:6] * size], 1),
        classes=chosen[:, 1].long(),
    )
