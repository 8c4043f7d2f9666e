"""How fast does the training loop run, against a plain loop of the same network?

    python benchmarks/train_throughput.py --threads 1

For each recipe, one process, the same pictures from memory, the same network, loss and batch:
`ours` is `howfar.train` (reading, augmentation, logging, everything that a run does); `plain` is a
single-file PyTorch loop in the same arithmetic (channels last; bfloat16 autocast where the CPU has
units for it), fed with one ready-made batch; `naive` is that loop in float32, channels first.
Rounds are interleaved. `wait` is the share of time in which our loop waited for data.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from howfar.data.address import open_dataset
from howfar.data.dataset import Dataset, Records
from howfar.nets.builders import build
from howfar.train.detection import resolved
from howfar.train.feed import Feed
from howfar.train.loop import Job, make_task, train
from howfar.train.optimiser import make_optimiser
from howfar.train.precision import uses_bf16
from howfar.train.recipe import Recipe, overridden
from howfar.train.recipes import RECIPES
from howfar.train.task import Batch, Task

SIZES = {
    "unet-nyu": ("preprocess.width=320", "preprocess.height=240", "batch=4"),
    "hybrid-cnn": ("net_options.width=0.25", "batch=4"),
    "resnet34-unet": ("preprocess.width=160", "preprocess.height=160", "batch=4"),
    "plain-unet": ("preprocess.width=160", "preprocess.height=128", "batch=4"),
    "depthnet": ("batch=16",),
    "unet-diode": ("preprocess.width=160", "preprocess.height=160", "batch=4"),
    "depth-mancini": ("net_options.width=0.5", "batch=4"),
    "ds-net": ("net_options.width=0.5", "net_options.classes=50", "batch=4"),
    "depth-mancini-stressed": ("net_options.width=0.5", "batch=4"),
    "yolov5n": ("preprocess.width=320", "preprocess.height=256", "batch=8", "nominal_batch=8"),
    "yolov5s": ("preprocess.width=320", "preprocess.height=256", "batch=4", "nominal_batch=4"),
    "yolov4": (
        *("preprocess.width=320", "preprocess.height=256", "batch=4", "accumulate=1"),
        *("net_options.width=0.25", "multi_scale=0"),
    ),
}
"""What differs from the published recipe, so that a round takes seconds."""


def in_memory(dataset: Dataset) -> Records[int]:
    """The data set, rendered once."""
    samples = [dataset[i] for i in range(len(dataset))]
    for sample in samples:
        _ = sample.image
    items = tuple(range(len(samples)))
    return Records(dataset.name, items, samples.__getitem__, dataset.class_names)


def ours(recipe: Recipe, data: Dataset, steps: int) -> tuple[float, float]:
    """Images/s and share of waiting of our loop, without its first steps."""
    with tempfile.TemporaryDirectory() as folder:
        job = Job(recipe, data, Path(folder) / "run", max_steps=steps, workers=1, cpu=True)
        train(job)
        with (Path(folder) / "run" / "steps.csv").open() as file:
            rows = list(csv.DictReader(file))[1:]
    speed = [float(row["images_per_s"]) for row in rows]
    return float(np.mean(speed)), float(np.mean([float(row["wait_share"]) for row in rows]))


def plain(recipe: Recipe, task: Task, batch: Batch, steps: int, naive: bool) -> float:
    """Images/s of a plain loop over one batch."""
    torch.manual_seed(0)
    module = build(recipe.net, **recipe.net_options)
    images = batch.images.contiguous()
    if not naive:
        module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        images = images.contiguous(memory_format=torch.channels_last)
    batch = replace(batch, images=images)
    optimiser = make_optimiser(module, recipe)
    bf16 = uses_bf16(recipe.precision, torch.device("cpu"))
    began = 0.0
    for step in range(steps + 2):
        if step == 2:
            began = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16 and not naive):
            outputs = module(images)
        task.loss(module, {name: out.float() for name, out in outputs.items()}, batch).backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
    return steps * len(batch.ids) / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--only", nargs="*", default=list(SIZES))
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    data = in_memory(open_dataset("synthetic:mixed?count=64&size=320x240"))
    print(f"{asked.threads} thread(s), medians of {asked.rounds} interleaved rounds, images/s\n")
    print("| recipe | ours | plain | naive fp32 | ours / plain | ours / naive | wait |")
    print("|---|---|---|---|---|---|---|")
    for name in asked.only:
        recipe = resolved(overridden(RECIPES[name], ["epochs=1000", *SIZES[name]]), data)
        task = make_task(recipe, data, build(recipe.net, **recipe.net_options))
        batch = next(Feed(data, recipe, task).epoch(0))
        rows = []
        for _ in range(asked.rounds):
            speed, wait = ours(recipe, data, asked.steps + 10)
            others = [plain(recipe, task, batch, asked.steps // 2, n) for n in (False, True)]
            rows.append((speed, *others, wait))
        found = np.array(rows)
        o, p, n, w = np.median(found, axis=0)
        ratio_p, ratio_n = (
            np.median(found[:, 0] / found[:, 1]),
            np.median(found[:, 0] / found[:, 2]),
        )
        print(
            f"| {name} | {o:.1f} | {p:.1f} | {n:.1f} | {ratio_p:.2f} | {ratio_n:.2f} | {w:.1%} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
