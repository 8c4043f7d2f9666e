"""A taught student made ready for use: it learns what it is used to, and its intervals are
calibrated on pictures held back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from howfar.data.scene import Scene
from howfar.distill.conformal import Blocks, conformal_factors, learn_novelty, pooled
from howfar.distill.lesson import normalised
from howfar.distill.mixture import Mixture
from howfar.distill.views import make_view
from howfar.errors import UsageError
from howfar.models.classes import COCO80
from howfar.nets.checkpoint import Checkpoint
from howfar.nets.joint import Joint

LEVEL = 0.8
"""Share of true depths that an interval is to hold."""
USUAL = 600
"""Pictures by which a student learns what it is used to, each whole and as a random view."""


def finish(
    checkpoint: Checkpoint, mixture: Mixture, groups: Sequence[Blocks], usual: int = USUAL
) -> Checkpoint:
    """A checkpoint of a student with its intervals calibrated, without what resuming needs.

    Args:
        checkpoint: of `howfar distill`.
        mixture: what it was taught on; `usual` of its pictures are what it is used to.
        groups: blocks of pictures held back, see `howfar.distill.conformal.measure_blocks`; each
            group weighs the same.
        usual: number of pictures.
    """
    student = student_of(checkpoint)
    learn_novelty(student, usual_views(mixture, checkpoint.card.preprocess.width, usual))
    scales, factors = conformal_factors(pooled(groups), LEVEL)
    card = replace(
        checkpoint.card, interval_level=LEVEL, interval_scales=scales, interval_factors=factors
    )
    return replace(checkpoint, card=card, weights=student.state_dict(), training={})


def student_of(checkpoint: Checkpoint) -> Joint:
    """The student of a checkpoint; raises `UsageError` for other networks."""
    module = checkpoint.module()
    if not isinstance(module, Joint):
        raise UsageError(f"{checkpoint.card.name}: is no joint network; there is nothing to finish")
    return module


def usual_views(mixture: Mixture, size: int, count: int) -> Tensor:
    """(2 count, 3, size, size): pictures of the mixture, whole and as random views."""
    rng = np.random.default_rng(0)
    views = []
    for index in np.linspace(0, len(mixture) - 1, min(count, len(mixture))).astype(int).tolist():
        sample = mixture[index]
        bare = Scene(image=sample.image.pixels, camera=sample.camera)
        for plain in (True, False):
            view = make_view(bare, mixture.finding(index), COCO80, size, rng, plain)
            views.append(normalised(np.stack([view.image])))
    return torch.cat(views)
