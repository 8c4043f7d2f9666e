"""Train every recipe for a short time on the synthetic world, and test two claims of the sources.

    python benchmarks/train_recipes.py recipes --epochs 8
    python benchmarks/train_recipes.py semantics --epochs 6   # ds-net against depth-mancini
    python benchmarks/train_recipes.py lateral --epochs 6     # hybrid-cnn with and without
    python benchmarks/train_recipes.py page                 # docs/results.md from all runs

Runs go to `--out` (default: out/results). A run that is there already is not repeated. Training and
test scenes have different seeds; the best checkpoint is chosen on a third set. The baseline is the
constant that a network which ignores its picture would give: the mean of the training depths,
measured under the same protocol and alignment.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from howfar.core.camera import Camera
from howfar.core.depth import DepthKind, DepthMap
from howfar.core.image import Image
from howfar.core.result import ModelUse
from howfar.data.dataset import Dataset, Records
from howfar.data.sample import Sample
from howfar.data.synthetic.world import scenes
from howfar.evaluate.depth import DepthJudge, depth_protocol
from howfar.evaluate.frames import walk
from howfar.evaluate.systems import System
from howfar.evaluate.variants import Variant
from howfar.nets.checkpoint import load_checkpoint
from howfar.options import Options
from howfar.pipeline import Ranger
from howfar.train.loop import Job, train
from howfar.train.recipe import Recipe, overridden
from howfar.train.recipes import RECIPES
from howfar.train.validate import validate

ROOT = Path(__file__).parents[1]
KEPT = Path(__file__).with_name("train_results.json")
"""Results of the runs that the page shows."""
TRAIN, CHOOSE, TEST = 1200, 48, 150
SIZE = 160, 120
SEEDS = {"train": 1_000_000, "choose": 2_000_000, "test": 3_000_000}


@dataclass(frozen=True)
class Run:
    """One training run of a study.

    Attributes:
        study: `recipes`, `semantics` or `lateral`.
        label: row of its table.
        recipe: key of `RECIPES`.
        world: `indoor` or `street`.
        settings: what differs from the published recipe.
        seed: of weights and order.
        epochs: in place of the command's.
        scenes: that it trains on.
    """

    study: str
    label: str
    recipe: str
    world: str
    settings: tuple[str, ...]
    seed: int = 0
    epochs: int | None = None
    scenes: int = TRAIN

    @property
    def folder(self) -> str:
        """Name of its folder."""
        return f"{self.study}-{self.label}-{self.seed}".replace(" ", "-")

    def resolved(self) -> Recipe:
        """Its recipe."""
        return overridden(RECIPES[self.recipe], [f"seed={self.seed}", *self.settings])


SHORT = ("preprocess.width=96", "preprocess.height=64", "batch=8", "schedule=cosine")
VGG = (*SHORT, "net_options.width=0.25", "lr=1e-3", "protocol=rgbd", "monitor=abs_rel")
LABELS = (*VGG, "net_options.classes=50")
HYBRID = (*SHORT, "net_options.width=0.25", "augment=flip")

RECIPE_RUNS = (
    Run("recipes", "unet-nyu", "unet-nyu", "indoor", (*SHORT, "lr=1e-3")),
    Run(
        "recipes",
        "hybrid-cnn",
        "hybrid-cnn",
        "indoor",
        (*HYBRID, "optimiser=adam", "optimiser_options={}", "weight_decay=0.0", "lr=1e-3"),
        epochs=12,
    ),
    Run(
        "recipes",
        "resnet34-unet",
        "resnet34-unet",
        "indoor",
        (*SHORT, "net_options.width=0.25", "lr=1e-3"),
        epochs=10,
        scenes=4 * TRAIN,
    ),
    Run(
        "recipes",
        "plain-unet",
        "plain-unet",
        "indoor",
        (*SHORT, "net_options.width=0.25", "lr=1e-3"),
    ),
    Run("recipes", "depthnet", "depthnet", "indoor", ("batch=8", "schedule=cosine", "lr=1e-3")),
    Run(
        "recipes",
        "depthnet, He start",
        "depthnet",
        "indoor",
        ("batch=8", "schedule=cosine", "lr=1e-3", "net_options.he_init=true"),
    ),
    Run(
        "recipes",
        "unet-diode",
        "unet-diode",
        "indoor",
        (*SHORT, "net_options.width=0.5", "lr=1e-3"),
    ),
    Run(
        "recipes",
        "unet-diode, MARE x 0.05",
        "unet-diode",
        "indoor",
        (*SHORT, "net_options.width=0.5", "lr=1e-3", "loss_options.mare_weight=0.05"),
        epochs=10,
        scenes=2 * TRAIN,
    ),
    Run("recipes", "depth-mancini", "depth-mancini", "street", VGG),
    Run("recipes", "depth-mancini-stressed", "depth-mancini-stressed", "street", VGG),
    Run("recipes", "ds-net", "ds-net", "street", LABELS),
)
SEMANTIC_RUNS = tuple(
    Run("semantics", name, name, "street", settings, seed)
    for seed in (1, 2, 3)
    for name, settings in (("depth-mancini", VGG), ("ds-net", LABELS))
)
LATERAL_RUNS = tuple(
    Run("lateral", label, "hybrid-cnn", "indoor", (*HYBRID, *more), seed)
    for seed in (1, 2, 3)
    for label, more in (("lateral", ()), ("no lateral", ("net_options.lateral=false",)))
)
STUDIES = {"recipes": RECIPE_RUNS, "semantics": SEMANTIC_RUNS, "lateral": LATERAL_RUNS}


class Worlds:
    """Scenes of each world and part, rendered once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, int], Records[int]] = {}

    def get(self, world: str, part: str, count: int) -> Dataset:
        """`part` is a key of `SEEDS`."""
        if (world, part, count) not in self._known:
            found = scenes(count, SEEDS[part], world, *SIZE)
            samples = [
                Sample(
                    id=f"{world}-{i}", picture=Image(s.image), depth=s.depth, semantics=s.semantics
                )
                for i, s in enumerate(found)
            ]
            items = tuple(range(count))
            self._known[world, part, count] = Records(f"{world} {part}", items, samples.__getitem__)
        return self._known[world, part, count]


class Constant:
    """A depth network that gives the same depth everywhere."""

    def __init__(self, depth_m: float, kind: DepthKind) -> None:
        self.depth_m, self.kind = depth_m, kind

    def estimate(self, image: Image, camera: Camera | None = None) -> DepthMap:
        """The constant map; a relative one holds its inverse."""
        del camera
        value = self.depth_m if self.kind is DepthKind.METRIC else 1 / self.depth_m
        return DepthMap(np.full((image.height, image.width), value, np.float32), self.kind)

    def use(self, role: str) -> ModelUse:
        """What reports say."""
        return ModelUse(role, "constant", "", "numpy", "float32", 1, "")


def mean_depth(data: Dataset, recipe: Recipe) -> float:
    """Mean of all true depths in reach, metres."""
    total, count = 0.0, 0
    for sample in data:
        assert sample.depth is not None
        seen = sample.depth.values[sample.depth.valid]
        seen = (
            np.minimum(seen, recipe.max_depth_m)
            if recipe.clamp
            else seen[seen <= recipe.max_depth_m]
        )
        total, count = total + float(seen.sum(dtype=np.float64)), count + seen.size
    return total / count


def baseline(recipe: Recipe, kind: DepthKind, training: Dataset, test: Dataset) -> float:
    """abs_rel of the training mean."""
    ranger = Ranger(depth=Constant(mean_depth(training, recipe), kind))
    judge = DepthJudge(
        System(Variant("mean"), ranger, Options()),
        depth_protocol(recipe.protocol, "", recipe.align),
    )
    walk(test, [judge])
    return judge.scores()["abs_rel"]


def do(run: Run, worlds: Worlds, out: Path, epochs: int) -> None:
    """Train, measure on the test scenes, and write `result.json`."""
    folder = out / run.folder
    if (folder / "result.json").is_file():
        return
    shutil.rmtree(folder, ignore_errors=True)
    recipe = overridden(run.resolved(), [f"epochs={run.epochs or epochs}"])
    training, choose = (
        worlds.get(run.world, "train", run.scenes),
        worlds.get(run.world, "choose", CHOOSE),
    )
    began = time.perf_counter()
    job = Job(recipe, training, folder, choose, workers=1, cpu=True)
    state = train(job)
    took = time.perf_counter() - began
    best = load_checkpoint(folder / "best.pt")
    test = worlds.get(run.world, "test", TEST)
    errors = validate(best.module(), best.card, recipe, test)
    assert best.card.depth_kind is not None
    record = {
        "label": run.label,
        "world": run.world,
        "seed": run.seed,
        "settings": list(run.settings),
        "minutes": took / 60,
        "steps": state.step,
        "epochs": state.epoch,
        "scenes": run.scenes,
        "images": state.step * recipe.batch * recipe.accumulate,
        "parameters": sum(v.numel() for v in best.module().parameters()),
        "errors": errors,
        "baseline": baseline(recipe, best.card.depth_kind, training, test),
        "threads": torch.get_num_threads(),
    }
    (folder / "result.json").write_text(json.dumps(record, indent=1))
    gain = 1 - errors["abs_rel"] / record["baseline"]
    print(
        f"{run.folder}: abs_rel {errors['abs_rel']:.4f}, mean {record['baseline']:.4f}: "
        f"{gain:.0%} lower, {state.step} steps",
        flush=True,
    )


def collect(out: Path) -> None:
    """Add the runs that are done to `KEPT`, from which the page is made."""
    kept = json.loads(KEPT.read_text()) if KEPT.is_file() else {}
    for file in sorted(out.glob("*/result.json")):
        with (file.parent / "epochs.csv").open() as rows:
            curve = [[int(r["step"]), float(r["abs_rel"])] for r in csv.DictReader(rows)]
        kept[file.parent.name] = json.loads(file.read_text()) | {"curve": curve}
    KEPT.write_text(json.dumps(kept, indent=None, sort_keys=True).replace("}, ", "},\n") + "\n")


def results(study: str) -> list[tuple[Run, dict]]:
    """The runs of a study that are done."""
    kept = json.loads(KEPT.read_text())
    return [(run, kept[run.folder]) for run in STUDIES[study] if run.folder in kept]


def recipe_table() -> list[str]:
    """The table of all recipes."""
    lines = [
        "| recipe | parameters | differs from the recipe by | minutes | images | AbsRel | RMSE "
        "| delta1 | AbsRel of the mean | lower by |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for run, r in results("recipes"):
        e = r["errors"]
        align = RECIPES[run.recipe].align
        name = f"`{run.label}`" + (f" (aligned: {align})" if align else "")
        settings = ", ".join(s for s in r["settings"] if s not in SHORT)
        lines.append(
            f"| {name} | {r['parameters']:,} | {settings} | {r['minutes']:.1f} | {r['images']:,} | "
            f"{e['abs_rel']:.3f} | {e['rmse']:.3f} m | {e['delta1']:.3f} | {r['baseline']:.3f} | "
            f"**{1 - e['abs_rel'] / r['baseline']:.0%}** |"
        )
    return lines


def study_table(study: str, names: Sequence[str]) -> list[str]:
    """Mean and spread of both arms over their seeds, and the paired difference."""
    lines = [
        "| network | seeds | " + " | ".join(names) + " |",
        "|---|---" + "|---" * len(names) + "|",
    ]
    arms: dict[str, dict[int, dict]] = {}
    for run, record in results(study):
        arms.setdefault(run.label, {})[run.seed] = record["errors"]
    for label, by_seed in arms.items():
        cells = [
            spread([errors.get(name, np.nan) for errors in by_seed.values()]) for name in names
        ]
        lines.append(f"| {label} | {len(by_seed)} | " + " | ".join(cells) + " |")
    if len(arms) == 2:
        (first, a), (second, b) = arms.items()
        cells = []
        for name in names:
            both = [seed for seed in a if seed in b and name in a[seed] and name in b[seed]]
            cells.append(", ".join(f"{b[s][name] - a[s][name]:+.4f}" for s in both) or "-")
        lines.append(f"| {second} minus {first}, by seed | | " + " | ".join(cells) + " |")
    return lines


def spread(values: Sequence[float]) -> str:
    """Mean ± standard deviation."""
    if np.isnan(values).any():
        return "-"
    deviation = f" ± {np.std(values, ddof=1):.4f}" if len(values) > 1 else ""
    return f"{np.mean(values):.4f}{deviation}"


def curves(study: str, target: Path) -> None:
    """Validation AbsRel of every run of a study against the minutes of training."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    axis = figure.subplots()
    colors: dict[str, str] = {}
    for run, record in results(study):
        per_step = record["minutes"] / record["steps"]
        alone = study == "recipes" or run.label not in colors
        color = colors.setdefault(run.label, f"C{len(colors)}")
        steps, errors = zip(*record["curve"], strict=True)
        axis.plot(
            [step * per_step for step in steps],
            errors,
            color=color,
            label=run.label if alone else None,
        )
    axis.set_xlabel("minutes of training")
    axis.set_ylabel("AbsRel on the scenes that choose the checkpoint")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8, ncols=2)
    figure.savefig(target, dpi=100)


def write_page(out: Path) -> None:
    """Draw the curves and put the tables between the marks of `docs/results.md`."""
    collect(out)
    page = ROOT / "docs" / "results.md"
    text = page.read_text()
    tables = {
        "recipes": recipe_table(),
        "semantics": study_table("semantics", ("abs_rel", "rmse", "rmse_log1p", "delta1", "miou")),
        "lateral": study_table("lateral", ("abs_rel", "rmse", "log10", "delta1")),
    }
    for study, lines in tables.items():
        curves(study, ROOT / "docs" / "images" / f"train-{study}.png")
        mark = f"<!-- {study} -->\n"
        before, _, after = text.split(mark)
        text = before + mark + "\n".join(lines) + "\n" + mark + after
    page.write_text(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", choices=[*STUDIES, "page"])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "results")
    parser.add_argument("--only", nargs="*", help="Labels of the runs to do.")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    if asked.study == "page":
        write_page(asked.out)
        return
    worlds = Worlds()
    for run in STUDIES[asked.study]:
        if not asked.only or run.label in asked.only:
            do(run, worlds, asked.out, asked.epochs)


if __name__ == "__main__":
    main()
