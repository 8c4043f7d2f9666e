"""One training run in a process of its own: python driver.py FOLDER BATCH NET [--resume]."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch
from samples import dataset

from howfar.core.preprocess import Preprocess
from howfar.train.loop import Job, end, train
from howfar.train.recipes import RECIPES


def main() -> None:
    torch.set_num_threads(1)
    folder, batch, name = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    recipe = replace(
        RECIPES[name],
        preprocess=Preprocess(64, 64),
        net_options={"width": 0.125},
        loss="l1",
        optimiser="sgd",
        optimiser_options={"momentum": 0.9},
        lr=1e-3,
        lr_steps=(),
        schedule="constant",
        batch=batch,
        epochs=10,
        precision="fp32",
        augment="flip",
        protocol="rgbd",
        monitor="abs_rel",
        ema=0.9,
    )
    resume = "--resume" in sys.argv
    train(Job(recipe, dataset(16), folder, resume=resume, save_every=2, workers=1, cpu=True))
    end()


if __name__ == "__main__":
    main()
