"""What training and export ask of a detector with anchors."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Detector(Protocol):
    """A network whose forward pass gives {"p8": (B, A, h, w, 5 + C), ...} raw outputs, fine level
    first, in training mode, and {"output": (B, N, 5 + C)} in evaluation mode: boxes `cx, cy, w, h`
    in input pixels, objectness and classes in 0..1.

    Attributes:
        strides: input pixels of a cell of each level.
        classes: number of classes C.
        head_tensors: names of weights and biases whose rows are A (5 + C) outputs.
    """

    strides: tuple[int, ...]
    classes: int
    head_tensors: tuple[str, ...]

    @property
    def anchors_px(self) -> Tensor:
        """(L, A, 2) widths and heights in input pixels."""
