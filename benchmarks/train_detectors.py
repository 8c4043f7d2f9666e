"""Does training of detectors work? Five runs of YOLOv5n, their curves and their table.

    python benchmarks/train_detectors.py scratch     # from random weights, on the synthetic street
    python benchmarks/train_detectors.py scratch-2   # ... and on, with other scenes
    python benchmarks/train_detectors.py scratch-3   # ... and on, with larger pictures
    python benchmarks/train_detectors.py overfit     # 32 photographs, from random weights
    python benchmarks/train_detectors.py choose      # rate of `finetune`: on 96, judged by 32
    python benchmarks/train_detectors.py finetune    # from the official weights, on 128 photographs
    python benchmarks/train_detectors.py page        # docs/results.md from all runs

The photographs are `$HOWFAR_DATA/train/coco-train128` and `eval/coco-val127`, the official weights
`$HOWFAR_MODELS/yolov5n.pt`. Runs go to `--out` (default: out/results) and resume. Pictures of
`eval/` are only measured, once, after training: `scratch` and `overfit` choose by pictures of their
own, `finetune` takes the weights of its last epoch, with the rate that `choose` found.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from timing import SHARED

from howfar.data.address import open_dataset
from howfar.data.dataset import Dataset, Records
from howfar.data.relabel import relabelled
from howfar.nets.files import open_weights
from howfar.train.detection import validate_detector
from howfar.train.loop import Job, train
from howfar.train.recipe import overridden
from howfar.train.recipes import RECIPES

ROOT = Path(__file__).parents[1]
KEPT = Path(__file__).with_name("train_detectors.json")
PHOTOS = f"coco:{SHARED}/train/coco-train128"
JUDGED = f"coco:{SHARED}/eval/coco-val127"
OFFICIAL = Path(os.environ["HOWFAR_MODELS"]) / "yolov5n.pt"
ADAM = ("optimiser=adamw", 'optimiser_options={"betas":[0.9,0.99]}', "warmup_bias_lr=null")
SMALL = ("nominal_batch=0", "batch=8", "lr=0.002", "schedule=cosine", "warmup_epochs=0", *ADAM)
GENTLE = (
    *("epochs=4", "lr_end=0.1", "nominal_batch=16", "warmup_batches=20", "warmup_epochs=0"),
    *("warmup_bias_lr=0", "ema=0.99", "augment_options.mosaic=0.5"),
)
CHOICES = [
    (*GENTLE, f"lr={lr}", f"frozen_norm={frozen}")
    for lr in ("0.00003", "0.0001", "0.0005")
    for frozen in ("true", "false")
]
"""What `choose` compares; all else of the fine-tuning is the same."""
KEPT_FROM = 96
"""`choose` trains on the first photographs and judges by those from here on."""


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        data, choose, test: addresses; `choose` None takes the last weights.
        settings: what differs from the recipe `yolov5n`.
        first: only so many pictures of `data`.
        weights: file to start from.
        val_every: epochs between validations.
        max_steps: stop after as many steps; the rate's schedule stays that of all epochs.
        wanted: what it should show.
    """

    data: str
    choose: str | None
    test: str
    settings: tuple[str, ...]
    first: int | None = None
    weights: Path | None = None
    val_every: int = 1
    max_steps: int | None = None
    wanted: str = ""


STREET = "synthetic:street?count={}&seed={}&size=320x240"
WIDE = "synthetic:street?count={}&seed={}&size=480x360"
RUNS = {
    "scratch": Run(
        STREET.format(2400, 5_000_000),
        STREET.format(60, 6_000_000),
        STREET.format(200, 7_000_000),
        (
            *("preprocess.width=320", "preprocess.height=256", "epochs=18", "ema=0.998"),
            *("augment_options.mosaic=0", "augment_options.scale=0.2", "warmup_batches=100"),
            *SMALL,
        ),
        wanted="-",
    ),
    "scratch-2": Run(
        STREET.format(2400, 8_000_000),
        STREET.format(60, 6_000_000),
        STREET.format(200, 7_000_000),
        (
            *("preprocess.width=320", "preprocess.height=256", "epochs=8", "ema=0.998"),
            *("augment_options.mosaic=0", "augment_options.scale=0.2", "warmup_batches=100"),
            *(*SMALL, "lr=0.001"),
        ),
        weights=ROOT / "out" / "results" / "detectors-scratch" / "best.pt",
        wanted="-",
    ),
    "scratch-3": Run(
        WIDE.format(2700, 10_000_000),
        WIDE.format(60, 6_000_000),
        WIDE.format(200, 7_000_000),
        (
            *("preprocess.width=480", "preprocess.height=384", "epochs=8", "ema=0.998"),
            *("augment_options.mosaic=0", "augment_options.scale=0.2", "warmup_batches=100"),
            *(*SMALL, "lr=0.001"),
        ),
        weights=ROOT / "out" / "results" / "detectors-scratch-2" / "best.pt",
        max_steps=5 * 2700 // 8,
        wanted="AP50 of .60 or more on unseen scenes, from random weights",
    ),
    "overfit": Run(
        PHOTOS,
        PHOTOS,
        PHOTOS,
        (
            *("preprocess.width=416", "preprocess.height=416", "epochs=160", "ema=0.98"),
            *("augment=none", "warmup_batches=20", "weight_decay=0", "monitor=AP50"),
            *SMALL,
        ),
        first=32,
        val_every=20,
        wanted="AP50 of .95 or more on the same 32 pictures",
    ),
    "finetune": Run(
        PHOTOS,
        None,
        JUDGED,
        (*GENTLE, "lr=0.00003", "frozen_norm=true"),
        weights=OFFICIAL,
        wanted="at most .01 less AP than before on 127 other pictures",
    ),
}


def opened(address: str, first: int | None) -> Dataset:
    """The data, or its first pictures."""
    data = open_dataset(address)
    return data if first is None else part(data, range(first))


def part(data: Dataset, numbers: Iterable[int]) -> Dataset:
    """Some pictures of the data."""
    return Records(data.name, tuple(numbers), data.__getitem__, data.class_names)


def choose(out: Path) -> None:
    """Fine-tune with each of `CHOICES` on some photographs of `train/`, judge by the others."""
    photos = open_dataset(PHOTOS)
    judges = part(photos, range(KEPT_FROM, len(photos)))
    rows = []
    for settings in CHOICES:
        folder = out / f"detectors-choose-{'-'.join(settings[-2:])}"
        recipe = overridden(RECIPES["yolov5n"], list(settings))
        train(
            Job(
                recipe,
                part(photos, range(KEPT_FROM)),
                folder,
                None,
                weights=OFFICIAL,
                resume=True,
                workers=1,
                cpu=True,
            )
        )
        best = open_weights(folder / "best.pt")
        scores = validate_detector(best.module(), best.card, "choose", judges)
        rows.append({"settings": list(settings[-2:])} | {k: scores[k] for k in ("AP", "AP50")})
        print(rows[-1], flush=True)
    before = open_weights(OFFICIAL)
    scores = validate_detector(before.module(), before.card, "choose", judges)
    rows.append({"settings": ["before"]} | {k: scores[k] for k in ("AP", "AP50")})
    keep("choose", {"rows": rows})


def keep(name: str, record: dict) -> None:
    """Put the record among the others."""
    kept = json.loads(KEPT.read_text()) if KEPT.is_file() else {}
    KEPT.write_text(json.dumps(kept | {name: record}, indent=1, sort_keys=True) + "\n")


def do(name: str, out: Path, threads: int) -> None:
    """Train, measure, and keep what came out."""
    run = RUNS[name]
    folder = out / f"detectors-{name}"
    recipe = overridden(RECIPES["yolov5n"], list(run.settings))
    choose = opened(run.choose, run.first) if run.choose else None
    job = Job(
        recipe,
        opened(run.data, run.first),
        folder,
        choose,
        weights=run.weights,
        resume=True,
        save_every=100,
        val_every=run.val_every,
        max_steps=run.max_steps,
        workers=1,
        cpu=True,
    )
    state = train(job)
    minutes = minutes_of(folder, recipe.nominal_batch or recipe.batch)
    best = open_weights(folder / "best.pt")
    test = opened(run.test, run.first)
    test = relabelled(test, {}, recipe.classes) if recipe.classes else test
    record = {
        "settings": list(run.settings),
        "minutes": minutes,
        "threads": threads,
        "images": state.step * (recipe.nominal_batch or recipe.batch),
        "scores": validate_detector(best.module(), best.card, name, test),
        "curve": curve(folder),
    }
    if run.weights == OFFICIAL:
        before = open_weights(run.weights)
        record["before"] = validate_detector(before.module(), before.card, name, test)
    keep(name, record)
    print(name, {k: round(record["scores"][k], 4) for k in ("AP", "AP50")}, f"{minutes:.0f} min")


def minutes_of(folder: Path, images: int) -> float:
    """Minutes of all optimiser steps, of `images` pictures each; validation does not count."""
    seconds, before = 0.0, 0
    with (folder / "steps.csv").open() as file:
        for row in csv.DictReader(file):
            seconds += (int(row["step"]) - before) * images / float(row["images_per_s"])
            before = int(row["step"])
    return seconds / 60


def curve(folder: Path) -> dict[str, list[list[float]]]:
    """Loss by step, and AP50 by step where there was a validation."""
    with (folder / "steps.csv").open() as file:
        steps = [[int(r["step"]), float(r["loss"])] for r in csv.DictReader(file)]
    with (folder / "epochs.csv").open() as file:
        rows = [r for r in csv.DictReader(file) if r.get("AP50")]
    every = max(len(steps) // 100, 1)
    return {
        "loss": steps[::every],
        "AP50": [[int(r["step"]), float(r["AP50"])] for r in rows],
    }


def table(kept: dict) -> list[str]:
    """What every run gave."""
    lines = [
        "| run | wanted | differs from recipe `yolov5n` by | minutes | AP | AP50 | before |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, run in RUNS.items():
        if name not in kept:
            continue
        r = kept[name]
        before = r.get("before")
        told = f"AP {before['AP']:.3f}, AP50 {before['AP50']:.3f}" if before else "-"
        lines.append(
            f"| {name} | {run.wanted} | {', '.join(r['settings'])} | {r['minutes']:.0f} | "
            f"**{r['scores']['AP']:.3f}** | **{r['scores']['AP50']:.3f}** | {told} |"
        )
    if "choose" in kept:
        lines += [
            "",
            "The rate of `finetune` was chosen on 96 of the photographs, judged by the other 32:",
            "",
            "| settings | AP | AP50 |",
            "|---|---|---|",
        ]
        lines += [
            f"| {', '.join(r['settings'])} | {r['AP']:.3f} | {r['AP50']:.3f} |"
            for r in kept["choose"]["rows"]
        ]
    return lines


def draw(kept: dict, target: Path) -> None:
    """Loss and AP50 of every run."""
    from matplotlib.figure import Figure

    kept = {name: record for name, record in kept.items() if "curve" in record}
    figure = Figure(figsize=(3.2 * len(kept), 3.4), layout="constrained")
    axes: Sequence = figure.subplots(1, len(kept), squeeze=False)[0]
    for axis, (name, record) in zip(axes, kept.items(), strict=True):
        axis.plot(*zip(*record["curve"]["loss"], strict=True), color="C0", lw=1)
        axis.set(title=name, xlabel="step")
        axis.set_ylabel("training loss", color="C0")
        if record["curve"]["AP50"]:
            other = axis.twinx()
            other.plot(*zip(*record["curve"]["AP50"], strict=True), color="C1", marker=".")
            other.set_ylim(0, 1)
            other.set_ylabel("AP50 on chosen-by pictures", color="C1")
    figure.savefig(target, dpi=100)


def page() -> None:
    """Put the table between the marks of `docs/results.md`, and draw the curves."""
    kept = json.loads(KEPT.read_text())
    target = ROOT / "docs" / "results.md"
    mark = "<!-- detectors -->\n"
    before, _, after = target.read_text().split(mark)
    target.write_text(before + mark + "\n".join(table(kept)) + "\n" + mark + after)
    draw({n: kept[n] for n in RUNS if n in kept}, ROOT / "docs/images/train-detectors.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", choices=[*RUNS, "choose", "page"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "results")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    if asked.run == "page":
        page()
    elif asked.run == "choose":
        choose(asked.out)
    else:
        do(asked.run, asked.out, asked.threads)


if __name__ == "__main__":
    main()
