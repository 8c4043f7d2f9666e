"""Looks at every file of a copy of a data set and says what is wrong and where."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from howfar.data.dataset import Dataset, Problem
from howfar.data.sample import Sample
from howfar.errors import HowfarError


def check(dataset: Dataset, progress: Callable[[int, int], None] | None = None) -> list[Problem]:
    """Problems of the layout, then those found by reading every sample; [] for a sound copy.

    Args:
        dataset: what `open_dataset` returned.
        progress: called with (samples read, samples in all).
    """
    problems = list(dataset.check())
    told = {problem.path for problem in problems}
    if len(dataset) == 0:
        problems.append(Problem(dataset.name, "holds no samples"))
    seen: set[str] = set()
    for index in range(len(dataset)):
        found = _check_sample(dataset, index, seen)
        problems += [problem for problem in found if problem.path not in told]
        if progress:
            progress(index + 1, len(dataset))
    return problems


def _check_sample(dataset: Dataset, index: int, seen: set[str]) -> list[Problem]:
    try:
        sample = dataset[index]
        _ = sample.image
    except HowfarError as error:
        return [Problem.of(error, f"{dataset.name}[{index}]")]
    problems = []
    if sample.id in seen:
        problems.append(Problem(sample.source, f"sample {sample.id!r} occurs twice"))
    seen.add(sample.id)
    return problems + list(look(sample))


def look(sample: Sample) -> list[Problem]:
    """What is odd about a sample that could be read: no depth at all, empty boxes."""
    problems = []
    for name, found in (("depth", sample.depth), ("disparity", sample.disparity)):
        if found is not None and not found.valid.any():
            problems.append(Problem(sample.source, f"its {name} map has no valid pixel"))
    if sample.boxes is not None and len(sample.boxes):
        sides = sample.boxes[:, 2:] - sample.boxes[:, :2]
        empty = int(np.count_nonzero(sides.min(axis=1) <= 0))
        if empty:
            problems.append(Problem(sample.source, f"{empty} of its boxes are empty"))
    return problems
