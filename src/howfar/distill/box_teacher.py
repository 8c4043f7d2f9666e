"""Teachers of boxes: dense where their cells are the student's, else their boxes in its cells.

Any detector can say where things are, but only one of the student's layout says so cell by cell.
What others find is written into the student's cells about as a NanoDet-Plus that found the same
would: its scores fall off around things and from level to level. `benchmarks/box_rows.py` shows how
they do, what is lost by the rows, and how far howfar-s is from the rows of what it finds itself: by
that, and by what students then learned, the numbers below were chosen.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from howfar.core.boxes import FloatArray
from howfar.core.depth import BoolArray
from howfar.core.detections import Detections
from howfar.core.image import Image
from howfar.distill.coco80 import as_coco80, taught_classes
from howfar.distill.teachers import Teacher, in_torch, module_of, opened, pixels_of, takes_tensors
from howfar.errors import ModelError
from howfar.models.card import Decoder, ModelCard, Task
from howfar.models.classes import COCO80
from howfar.models.decoders import grid
from howfar.models.network import DetectOptions
from howfar.models.store import LocalModel
from howfar.nets.nanodet import BINS, STRIDES

AnyFloats = npt.NDArray[np.floating[Any]]
OPTIONS = DetectOptions(conf=0.05)
"""What teachers are asked for; the losses leave out cells below that score."""
USUAL_SIDE = 9.0
"""Longer side of a box in strides of the level that suits it best."""
OCTAVES = 0.8
"""Times by which a box is larger or smaller, as a power of 2, at which its score is 1/e."""
REACH = 2.4
"""Strides from the middle of a box, along x or y, at which its score is 1/e."""
LEAST = 0.1
"""Of the best cell's score; cells with less are not written."""
SPREAD = 0.55
"""Standard deviation of the distribution of a side, in strides."""


class BoxTeacher:
    """A detector of any layout, asked for boxes on each view.

    Args:
        model: the file and its card.

    Attributes:
        classes: numbers among `COCO80` of those that it knows; None: all.

    Raises `UsageError` for detectors that know none of COCO's 80 classes.
    """

    def __init__(self, model: LocalModel) -> None:
        self._network = opened(model, Task.DETECT)
        self.card: ModelCard = self._network.card
        self.sha256 = self._network.sha256
        known = taught_classes(self.card)
        self.classes = known if len(known) < len(COCO80) else None

    def __call__(self, views: Tensor) -> Tensor:
        """(B, P, 80 + 32) rows for square views (B, 3, S, S), RGB 0..1, as of `rows_of`."""
        found = (self._network.detect(Image(pixels), OPTIONS) for pixels in pixels_of(views))
        rows = [rows_of(as_coco80(boxes), views.shape[2]) for boxes in found]
        return torch.from_numpy(np.stack(rows)).to(views.device)


def box_teacher(model: LocalModel, size: int) -> Teacher | BoxTeacher:
    """Whoever teaches boxes best by a network: itself, cell by cell, on views of `size` pixels, or
    what it finds."""
    card = opened(model, Task.DETECT).card
    same_cells = card.decoder in (Decoder.NANODET_PLUS, Decoder.JOINT) and card.classes == COCO80
    exported = card.decoder is Decoder.JOINT and not in_torch(model.path)  # for one size only
    own = (card.preprocess.width, card.preprocess.height) == (size, size)
    if same_cells and takes_tensors(card) and (own or (not exported and _runs_in_torch(model))):
        return Teacher(model, Task.DETECT, size)
    return BoxTeacher(model)


def _runs_in_torch(model: LocalModel) -> bool:
    """Whether PyTorch knows all of a network, so that it runs at any size."""
    try:
        module_of(model.path)
    except ModelError:
        return False
    return True


def rows_of(found: Detections, size: int) -> FloatArray:
    """Boxes in the cells of NanoDet-Plus, see `howfar.models.decoders.nanodet_plus`.

    Only cells inside a box can tell it, unless there is none. The best has its score; others have
    less the farther from its middle they are, and the less its size suits their level. A cell
    speaks of one box, that to which it gives the best score (of two things that cover each other,
    the less certain may lose some); the means of its distributions are the distances of the sides.

    Args:
        found: in pixels of a square view, classes of `COCO80`.
        size: side of the view in pixels.

    Returns (P, 80 + 32) float32: scores 0..1, then logits of the distributions.
    """
    cells, strides = grid(size, size, STRIDES, ceil=True)
    rows = np.zeros((len(cells), len(COCO80) + 4 * BINS), np.float32)
    if not len(found):
        return rows
    points, boxes = cells * strides[:, None], found.boxes[:, None]
    gaps = [points - boxes[..., :2], boxes[..., 2:] - points]
    distances: FloatArray = (np.concatenate(gaps, 2) / strides[:, None]).astype(np.float32)
    scores = found.scores[:, None] * _shares(distances)
    cell = np.flatnonzero(scores.max(0))
    box = scores[:, cell].argmax(0)
    rows[cell, found.class_ids[box]] = scores[box, cell]
    rows[cell, len(COCO80) :] = _distributions(distances[box, cell])
    return rows


def _shares(distances: FloatArray) -> FloatArray:
    """(N, P) what each cell has of the score of each box, 0..1, from its distances (N, P, 4) of
    the four sides in strides."""
    sides = distances[..., :2] + distances[..., 2:]
    away = np.abs(distances[..., 2:] - distances[..., :2]).max(2) / 2
    octaves = np.log2(np.maximum(sides.max(2), 1e-3) / USUAL_SIDE)
    costs = np.square(octaves / OCTAVES) + np.square(away / REACH)
    inside: BoolArray = (distances.min(2) >= 0) & (distances.max(2) <= BINS - 1)
    alone = np.flatnonzero(~inside.any(1))
    inside[alone, costs[alone].argmin(1)] = True
    costs = np.where(inside, costs, np.inf)
    shares = np.exp(costs.min(1, keepdims=True) - costs)
    kept: FloatArray = np.where(shares >= LEAST, shares, 0).astype(np.float32)
    return kept


def _distributions(distances: FloatArray) -> FloatArray:
    """(N, 4 * BINS) logits of distributions around distances (N, 4) in strides, which are their
    means: normal ones, cut off at both ends and moved as far as that moves their mean."""
    middles = np.linspace(-BINS, 2 * BINS, 2000, dtype=np.float32)
    weights = np.exp(_normal(middles))
    means = weights @ np.arange(BINS) / weights.sum(1)
    found = np.interp(distances, means, middles)
    logits: FloatArray = _normal(found).reshape(len(found), -1).astype(np.float32)
    return logits


def _normal(middles: AnyFloats) -> AnyFloats:
    """(..., BINS) logits of the steps of normal distributions around `middles`, the largest 0."""
    gaps: AnyFloats = np.square((middles[..., None] - np.arange(BINS)) / SPREAD) / 2
    gaps -= gaps.min(-1, keepdims=True)
    return -gaps
