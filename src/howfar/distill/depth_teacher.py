"""Teachers of depth: as tensors where that is all there is to it, else picture by picture."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from howfar.core.depth import DepthKind
from howfar.core.image import Image
from howfar.distill.mixture import assumed_camera
from howfar.distill.teachers import Teacher, need_metres, opened, pixels_of, takes_tensors
from howfar.models.card import ModelCard, Task
from howfar.models.store import LocalModel

NEAREST_M = 0.05
"""Depth that is less is none."""


class DepthTeacher:
    """Any depth network, asked about each view as a picture of the student's canonical camera.

    Args:
        model: the file and its card.
    """

    def __init__(self, model: LocalModel) -> None:
        self._network = opened(model, Task.DEPTH)
        self.card: ModelCard = self._network.card
        self.sha256 = self._network.sha256

    def inverse_depth(self, views: Tensor, size: int) -> Tensor:
        """(B, 1, size, size) inverse depth, in no unit, for views (B, 3, S, S), RGB 0..1; NaN where
        the network says nothing."""
        found = self._said(views)
        if self.card.depth_kind is DepthKind.METRIC:
            found = found.clamp(min=1e-3).reciprocal()
        elif self.card.depth_kind is DepthKind.RELATIVE:
            found = found.nan_to_num(0.0)  # no inverse depth is infinitely far
        mean, share = _means(found, found.isfinite(), size)
        return torch.where(share > 0.5, mean, torch.nan)

    def log_depth(self, views: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """(B, 1, size, size) logarithm of a metric teacher's depth, and where it gives one."""
        need_metres(self.card)
        found = self._said(views)
        mean, share = _means(found, found > NEAREST_M, size)
        return mean.clamp(min=1e-2).log(), share > 0.5

    def _said(self, views: Tensor) -> Tensor:
        """(B, 1, S, S) what the network says, NaN where it says nothing."""
        side = views.shape[2]
        camera = assumed_camera(side, side)
        maps = [self._network.estimate(Image(pixels), camera) for pixels in pixels_of(views)]
        values = np.stack([np.where(one.valid, one.values, np.nan) for one in maps])
        return torch.from_numpy(values[:, None].astype(np.float32)).to(views.device)


def _means(values: Tensor, known: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Means over the known pixels of each cell of (B, 1, size, size), and the share of these."""
    share = functional.interpolate(known.float(), (size, size), mode="area")
    total = functional.interpolate(torch.where(known, values, 0), (size, size), mode="area")
    return total / share.clamp(min=1e-3), share


def depth_teacher(model: LocalModel) -> Teacher | DepthTeacher:
    """Whoever asks a depth network best: in batches, where it gives plain depth of stretched
    pictures, or one by one."""
    card = opened(model, Task.DEPTH).card
    plain = card.task is Task.DEPTH and not card.depth_log and card.focal_px is None
    if plain and takes_tensors(card):
        return Teacher(model, Task.DEPTH)
    return DepthTeacher(model)
