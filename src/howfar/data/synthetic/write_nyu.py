"""NYU Depth v2 as CSV pairs (DenseDepth): 8-bit training depth, 16-bit test depth (facts, 2)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from howfar.data.synthetic.files import quantised, save_gray, save_rgb
from howfar.data.synthetic.records import SyntheticScene

TRAIN_SCALE = 25.5
"""Training depth: 255 is 10 m."""
MILLIMETRES = 1000.0
"""Test depth."""
TEST_EVERY = 5
"""Every fifth scene is for the test."""
PER_SCENE = 20
"""Pictures in one folder `synthetic_NNNN_out`."""


def write(folder: Path, scenes: Iterable[SyntheticScene]) -> None:
    """Write indoor scenes; depth beyond 10 m is clipped in the training files."""
    lists: dict[str, list[str]] = {"train": [], "test": []}
    for number, scene in enumerate(scenes):
        if number % TEST_EVERY == TEST_EVERY - 1:
            stem = f"data/nyu2_test/{len(lists['test']):05d}"
            picture, depth = f"{stem}_colors.png", f"{stem}_depth.png"
            save_gray(folder / depth, quantised(scene.depth, MILLIMETRES, 16, 0))
            lists["test"].append(f"{picture},{depth}")
        else:
            index = len(lists["train"])
            stem = f"data/nyu2_train/synthetic_{index // PER_SCENE:04d}_out/{index % PER_SCENE + 1}"
            picture, depth = f"{stem}.jpg", f"{stem}.png"
            save_gray(folder / depth, quantised(scene.depth, TRAIN_SCALE, 8, 0))
            lists["train"].append(f"{picture},{depth}")
        save_rgb(folder / picture, scene.image)
    for name, rows in lists.items():
        path = folder / "data" / f"nyu2_{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{row}\n" for row in rows))
