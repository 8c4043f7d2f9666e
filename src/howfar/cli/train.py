"""`howfar train`: train a network by a recipe."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from howfar.cli.listing import print_list
from howfar.cli.progress import make_progress
from howfar.errors import UsageError

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from howfar.train.meter import Progress
    from howfar.train.recipe import Recipe

DATA, LENGTH, RUN = "Data", "Length", "How it runs"


def train(
    name: Annotated[
        str | None, typer.Argument(metavar="RECIPE", help="A recipe's name, or its JSON file.")
    ] = None,
    listing: Annotated[
        bool, typer.Option("--list", help="Show the recipes with what their sources published.")
    ] = False,
    data: Annotated[
        str | None,
        typer.Option(help="What to learn from: FORMAT:PATH[?options].", rich_help_panel=DATA),
    ] = None,
    val: Annotated[
        str | None,
        typer.Option(help="What decides which weights are best.", rich_help_panel=DATA),
    ] = None,
    val_limit: Annotated[
        int | None,
        typer.Option(min=1, help="Pictures of each validation.", rich_help_panel=DATA),
    ] = None,
    val_every: Annotated[
        int, typer.Option(min=1, help="Epochs between validations.", rich_help_panel=DATA)
    ] = 1,
    encoder: Annotated[
        Path | None,
        typer.Option(
            help="File of ImageNet weights (torchvision's layout) that the encoder starts from.",
            rich_help_panel=DATA,
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            help="Start from these weights: a checkpoint, a YOLOv5 file, darknet's .weights.",
            rich_help_panel=DATA,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run. [default: runs/RECIPE]")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="Change a field of the recipe."),
    ] = None,
    show: Annotated[
        bool, typer.Option("--show", help="Print the resolved recipe and stop.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the folder's last checkpoint.")
    ] = False,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="As --set epochs=N.", rich_help_panel=LENGTH)
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="As --set batch=N.", rich_help_panel=LENGTH)
    ] = None,
    max_steps: Annotated[
        int | None,
        typer.Option(min=1, help="Stop after this many steps in all.", rich_help_panel=LENGTH),
    ] = None,
    max_minutes: Annotated[
        float | None,
        typer.Option(help="Stop after this time; --resume goes on.", rich_help_panel=LENGTH),
    ] = None,
    save_every: Annotated[
        int,
        typer.Option(
            min=0, help="Steps between checkpoints; 0: after each epoch.", rich_help_panel=RUN
        ),
    ] = 0,
    workers: Annotated[
        int, typer.Option(min=1, help="Threads that prepare samples.", rich_help_panel=RUN)
    ] = 2,
    cache_mb: Annotated[
        float,
        typer.Option(min=0, help="Memory for decoded pictures, in MB.", rich_help_panel=RUN),
    ] = 2048,
    cpu: Annotated[
        bool, typer.Option("--cpu", help="Stay on the CPU.", rich_help_panel=RUN)
    ] = False,
) -> None:
    """Train a network by a recipe: the systems of the literature, or your own changes to them.

    The folder of the run gets best.pt (for `howfar predict --depth`, `howfar val` and `howfar
    export`), last.pt (to resume), the resolved recipe, a log and its curves. Several processes:
    `accelerate launch -m howfar train ...`.
    """
    if listing:
        _print_recipes()
        return
    if name is None:
        raise UsageError("name a recipe; `howfar train --list` shows them")
    changes = [*(settings or [])]
    changes += [f"{k}={v}" for k, v in {"epochs": epochs, "batch": batch}.items() if v is not None]
    from howfar.train.recipe import overridden

    recipe = overridden(_recipe(name), changes)
    if show:
        typer.echo(json.dumps(recipe.to_dict(), indent=2))
        return
    if data is None:
        raise UsageError("give --data FORMAT:PATH; `howfar data list` shows the formats")
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("accelerate") is None:
        raise UsageError("training needs PyTorch; run: pip install 'howfar[train,eval]'")
    from howfar.data.address import open_dataset
    from howfar.train.loop import Job, Trainer, end

    if recipe.init == "encoder" and encoder is None and weights is None and not resume:
        typer.echo(
            "howfar: the source starts from ImageNet weights; without --encoder FILE the encoder "
            "starts from random ones",
            err=True,
        )
    folder = out or Path("runs") / recipe.name
    job = Job(
        recipe=recipe,
        data=open_dataset(data),
        validation=open_dataset(val) if val else None,
        folder=folder,
        encoder=encoder,
        weights=weights,
        resume=resume,
        max_steps=max_steps,
        max_minutes=max_minutes,
        save_every=save_every,
        val_limit=val_limit,
        val_every=val_every,
        workers=workers,
        cache_mb=cache_mb,
        cpu=cpu,
    )
    with make_progress() as bar:
        trainer = Trainer(job, ticker(bar))
        if weights is not None and not resume:
            typer.echo(f"howfar: {weights}: {trainer.started}", err=True)
        state = trainer.run()
    typer.echo(f"{state.step} steps, {state.epoch} epochs: {folder / 'best.pt'}")
    end()


def _recipe(name: str) -> Recipe:
    """A recipe by its name, or from the JSON file of a run."""
    from howfar.train.recipe import from_dict
    from howfar.train.recipes import find_recipe

    if not name.endswith(".json"):
        return find_recipe(name)
    try:
        record = json.loads(Path(name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{name}: no recipe can be read ({error})") from error
    return from_dict(record)


def ticker(bar: Bar) -> Callable[[Progress], None]:
    """Shows the progress on the bar, and each validation as a line."""
    task = bar.add_task("training", total=None)
    seen: dict[str, float] = {}
    told_epochs = [0]

    def tick(now: Progress) -> None:
        told = f"epoch {now.epoch}  loss {now.loss:.4g}  {now.images_per_s:.1f} images/s"
        bar.update(task, completed=now.step, total=now.steps, description=told)
        ended = now.epoch - 1
        if not now.errors and ended > told_epochs[0]:
            typer.echo(f"epoch {ended}: loss {now.loss:.4g}", err=True)
        told_epochs[0] = ended
        if now.errors and now.errors != seen:
            seen.clear()
            seen.update(now.errors)
            shown = [n for n in ("abs_rel", "rmse", "delta1", "miou", "AP", "AP50") if n in seen]
            errors = "  ".join(f"{n} {seen[n]:.4f}" for n in shown)
            typer.echo(f"epoch {now.epoch - 1}: loss {now.loss:.4g}  {errors}", err=True)

    return tick


def _print_recipes() -> None:
    from howfar.train.recipes import RECIPES

    columns = ("recipe", "source", "trained on", "as published")
    rows = [(r.name, r.source, r.data, r.published) for r in RECIPES.values()]
    print_list(columns, rows, whole=("recipe",))
