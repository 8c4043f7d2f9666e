"""`howfar data`: what data sets can be read, whether a copy is sound, and what is in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from howfar.cli.listing import print_list
from howfar.cli.progress import make_progress
from howfar.errors import UsageError

data_app = typer.Typer(
    help="List formats of data sets, check copies, show samples.", no_args_is_help=True
)

Where = Annotated[str, typer.Argument(metavar="ADDRESS", help="FORMAT:PATH[?option=value&...]")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@data_app.command("list")
def list_formats(as_json: AsJson = False) -> None:
    """Show the formats that can be read, and their options."""
    from howfar.data.address import FORMATS

    rows = [
        {"format": name, "what": found.what, "options": dict(found.options)}
        for name, found in FORMATS.items()
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    listed = [
        (
            name,
            found.what,
            "; ".join(f"{option}: {values}" for option, values in found.options.items()),
        )
        for name, found in FORMATS.items()
    ]
    print_list(("format", "what", "options"), listed, whole=("format",))
    typer.echo("\nAn address: FORMAT:PATH, or FORMAT:PATH?option=value&option=value (in quotes).")


@data_app.command("check")
def check_copy(address: Where, as_json: AsJson = False) -> None:
    """Read every sample of a copy; one line a problem, exit code 1 if there are any.

    Example: howfar data check kitti-object:kitti
    """
    from howfar.data.address import open_dataset
    from howfar.data.check import check

    dataset = open_dataset(address)
    with make_progress() as bar:
        task = bar.add_task("samples", total=None)
        problems = check(dataset, lambda done, n: bar.update(task, completed=done, total=n))
    if as_json:
        rows = [{"path": problem.path, "message": problem.message} for problem in problems]
        typer.echo(json.dumps({"samples": len(dataset), "problems": rows}, indent=1))
    else:
        for problem in problems:
            typer.echo(str(problem))
        words = f"{len(problems)} problems" if problems else "sound"
        typer.echo(f"{dataset.name}: {len(dataset)} samples, {words}")
    if problems:
        raise typer.Exit(1)


@data_app.command("show")
def show_samples(
    address: Where,
    count: Annotated[int, typer.Option("--count", "-n", help="How many samples.")] = 4,
    start: Annotated[int, typer.Option(help="Number of the first sample, from 0.")] = 0,
    save_dir: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("out"),
) -> None:
    """Draw samples: picture, boxes with true distances, true depth.

    Example: howfar data show rgbd:rooms -n 8 --save-dir samples
    """
    from howfar.data.address import open_dataset
    from howfar.evaluate.gallery import draw_sample, save_picture
    from howfar.io.sinks import make_folder

    if count < 1 or start < 0:
        raise UsageError(f"count is {count} and start is {start}; give at least 1 and 0")
    dataset = open_dataset(address)
    chosen = range(start, min(start + count, len(dataset)))
    if not chosen:
        raise UsageError(f"{dataset.name} has {len(dataset)} samples; start is {start}")
    make_folder(save_dir)
    for index in chosen:
        sample = dataset[index]
        name = f"{index:05d}_{sample.id}".replace("/", "_")
        file = save_picture(draw_sample(sample), save_dir / f"{name}.jpg")
        boxes = "no boxes" if sample.boxes is None else f"{len(sample.boxes)} boxes"
        typer.echo(f"{file}: {sample.width}x{sample.height}, {boxes}, {_depth_words(sample.depth)}")


def _depth_words(depth: object) -> str:
    from howfar.core.depth import DepthMap

    if not isinstance(depth, DepthMap):
        return "no depth"
    if not depth.valid.any():
        return "depth without a valid pixel"
    share = f"{depth.valid.mean():.0%} of {depth.width}x{depth.height}"
    if not depth.is_metric:
        return f"relative depth on {share}"
    known = depth.values[depth.valid]
    return f"depth {known.min():.2f} to {known.max():.2f} m on {share}"
