"""A small data set in memory: squares at known depths before a slanted floor."""

from __future__ import annotations

import numpy as np

from howfar.core.depth import DepthMap
from howfar.core.image import Image
from howfar.core.semantics import LabelMap
from howfar.data.dataset import Records
from howfar.data.sample import Sample

CLASSES = ("floor", "thing")


def make_sample(index: int, width: int = 64, height: int = 48) -> Sample:
    """Near things are bright, so that a network can learn depth from the picture."""
    rng = np.random.default_rng(index)
    depth = np.linspace(8, 2, height, dtype=np.float32)[:, None].repeat(width, 1)
    labels = np.zeros((height, width), np.uint8)
    for _ in range(3):
        x, y = rng.integers(0, width - 16), rng.integers(0, height - 16)
        depth[y : y + 16, x : x + 16] = rng.uniform(1, 6)
        labels[y : y + 16, x : x + 16] = 1
    grey = (255 * (1 - depth / 10)).astype(np.uint8)
    pixels = np.stack([grey, grey, 255 * labels], axis=2)
    pixels += rng.integers(0, 10, pixels.shape, np.uint8)
    return Sample(
        id=f"sample-{index}",
        picture=Image(np.ascontiguousarray(pixels)),
        depth=DepthMap(depth),
        semantics=LabelMap(labels, CLASSES),
    )


def dataset(count: int = 16, first: int = 0) -> Records[int]:
    """`count` samples with numbers from `first` on."""
    return Records("squares", tuple(range(first, first + count)), make_sample)
