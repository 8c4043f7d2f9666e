"""Intervals that hold what they promise: conformal calibration of a student's error scale.

On pictures held back from training the true error of a block of pixels is divided by the student's
error scale b; the level's quantile of that ratio, taken in bins of b, is the factor by which b is
widened (split conformal prediction, Lei et al. 2018, with one group for each bin). Blocks, not
pixels, because the pixels of one surface err together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from howfar.core.boxes import FloatArray
from howfar.core.depth import BoolArray
from howfar.data.dataset import Dataset
from howfar.data.scene import Scene
from howfar.distill.views import make_view
from howfar.errors import UsageError
from howfar.metrics.blocks import block_medians
from howfar.nets.joint import Joint

DIGITS = 3
"""Of scales and factors, so that a card can be read."""
FAMILIAR = 0.99
"""Share of the training views that count as familiar."""
RIDGE = 1e-3
"""Added to the variances of features, as a share of their mean."""


@dataclass(frozen=True, eq=False)
class Blocks:
    """Blocks of pixels with a known depth.

    Attributes:
        log_scale: (N,) logarithm of the student's error scale b, median of the block.
        error: (N,) absolute difference of log depth, of the block's medians.
    """

    log_scale: FloatArray
    error: FloatArray


def measure_blocks(student: Joint, data: Dataset, size: int, exponent: float = 1.0) -> Blocks:
    """Blocks of all pictures of a data set with depth and cameras, seen whole.

    Args:
        student: to be measured.
        data: the pictures.
        size: of the student's input.
        exponent: its `ModelCard.focal_exponent`.

    Raises `UsageError` where no block has a known depth.
    """
    seen = _seen(student, data, size, exponent)
    rows = [block_medians(valid, u, s, truth) for u, s, truth, valid in seen]
    u, s, truth = np.concatenate([np.zeros((0, 3)), *rows]).astype(np.float32).T
    if not len(u):
        raise UsageError(f"{data.name}: no depth to calibrate by; it needs depth and cameras")
    return Blocks(s, np.abs(u - truth))


def pooled(groups: Sequence[Blocks]) -> Blocks:
    """Blocks of several data sets, or cameras, with the same weight for each: those of small ones
    are repeated."""
    count = max(len(group.error) for group in groups)
    picks = [np.linspace(0, len(group.error) - 1e-6, count).astype(int) for group in groups]
    return Blocks(
        np.concatenate([g.log_scale[i] for g, i in zip(groups, picks, strict=True)]),
        np.concatenate([g.error[i] for g, i in zip(groups, picks, strict=True)]),
    )


def _seen(
    student: Joint, data: Dataset, size: int, exponent: float
) -> Iterator[tuple[FloatArray, FloatArray, FloatArray, BoolArray]]:
    """Log depth, log error scale, truth and its mask of each picture."""
    from howfar.distill.lesson import normalised

    rng = np.random.default_rng(0)
    student.eval()
    for sample in data:
        scene = Scene.from_sample(sample, data.class_names)
        view = make_view(scene, None, (), size, rng, plain=True, exponent=exponent)
        with torch.inference_mode():
            found = student(normalised(np.stack([view.image])))
        u, s = found["log_depth"][0, 0].numpy(), found["log_error"][0, 0].numpy()
        yield u, s, view.log_depth, view.valid


def conformal_factors(
    blocks: Blocks, level: float, bins: int = 8
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Middles of bins of the error scale's logarithm, and the factor that widens each.

    Args:
        blocks: of pictures held back.
        level: share of errors that factor * b must hold, 0..1.
        bins: of equal numbers of blocks; fewer where there are not 50 blocks for each.
    """
    order = np.argsort(blocks.log_scale, kind="stable")
    count = max(min(bins, len(order) // 50), 1)
    scales, factors = [], []
    for rows in np.array_split(order, count):
        ratio = np.sort(blocks.error[rows] / np.exp(blocks.log_scale[rows]))
        rank = min(int(np.ceil((len(ratio) + 1) * level)), len(ratio)) - 1
        scales.append(round(float(np.median(blocks.log_scale[rows])), DIGITS))
        factors.append(max(round(float(ratio[rank]), DIGITS), 0.1**DIGITS))
    distinct = [i for i in range(count) if i == 0 or scales[i] > scales[i - 1]]
    return tuple(scales[i] for i in distinct), tuple(factors[i] for i in distinct)


def held(blocks: Blocks, scales: tuple[float, ...], factors: tuple[float, ...]) -> float:
    """Share of blocks whose error the widened scale holds."""
    half = np.exp(blocks.log_scale) * np.interp(blocks.log_scale, scales, factors)
    return float(np.mean(blocks.error <= half))


def learn_novelty(student: Joint, views: Tensor) -> None:
    """Let the student know what its training views (N, 3, S, S) look like to it.

    Sets the mean of the pooled features and the map that whitens them, scaled so that `FAMILIAR`
    of the views come out at 1 or less.
    """
    student.eval()
    with torch.inference_mode():
        parts = torch.split(views, 16)
        pooled = [student.depth(student.features(part)).pooled for part in parts]
    features = torch.cat(pooled).double()
    mean = features.mean(0)
    cov = torch.cov((features - mean).T)
    values, vectors = torch.linalg.eigh(cov)
    count = student.depth.unlike.shape[1]
    values, vectors = values[-count:], vectors[:, -count:]
    white = vectors / (values + RIDGE * values.mean()).sqrt()
    far = ((features - mean) @ white).square().sum(1).sqrt().quantile(FAMILIAR)
    with torch.no_grad():
        student.depth.usual.copy_(mean)
        student.depth.unlike.copy_(white / far)
