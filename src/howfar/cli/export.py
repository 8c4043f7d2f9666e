"""`howfar export`: a trained network as an ONNX file."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from howfar.errors import UsageError

if TYPE_CHECKING:
    from howfar.core.image import Image

MOST_IMAGES = 200


def export(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint of `howfar train`.")],
    out: Annotated[
        Path | None, typer.Option(help="The ONNX file. [default: beside the checkpoint]")
    ] = None,
    precision: Annotated[str, typer.Option(help="fp32, fp16 or int8.")] = "fp32",
    images: Annotated[
        Path | None,
        typer.Option(help="Folder of pictures to compare on; int8 is calibrated on them."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="Measure the errors of both networks on FORMAT:PATH[?options]."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Pictures of --data.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write a trained network as ONNX, with its card inside.

    The file runs at once: `howfar predict --depth FILE`, `howfar val depth --depth FILE`.
    """
    for package in ("torch", "onnx", "onnxscript"):
        if importlib.util.find_spec(package) is None:
            raise UsageError("exporting needs PyTorch and onnx; run: pip install 'howfar[train]'")
    from howfar.export import export_checkpoint

    end = "" if precision == "fp32" else f"-{precision}"
    target = out or checkpoint.with_name(f"{checkpoint.stem}{end}.onnx")
    done = export_checkpoint(checkpoint, target, precision, _pictures(images))
    errors = _errors(checkpoint, target, data, limit) if data else {}
    record = {
        "file": str(done.path),
        "precision": done.precision,
        "megabytes": round(done.megabytes, 3),
        "compared_on": done.pictures,
        "difference": {
            name: {"largest": largest, "mean": mean}
            for name, (largest, mean) in done.difference.items()
        },
        "errors": errors,
    }
    if as_json:
        typer.echo(json.dumps(record, indent=1))
        return
    on = f"{done.pictures} pictures" if done.pictures else "noise"
    typer.echo(f"{done.path}  {done.megabytes:.1f} MB  {done.precision}")
    for name, (largest, mean) in done.difference.items():
        typer.echo(
            f"{name}: differs from PyTorch by {mean:.2%} on average, {largest:.2%} at most ({on})"
        )
    if errors:
        for name, before in errors["checkpoint"].items():
            typer.echo(f"{name}: {before:.4f} -> {errors['exported'][name]:.4f}")


def _pictures(folder: Path | None) -> list[Image]:
    """Pictures of a folder, `MOST_IMAGES` at most, evenly spread over it."""
    if folder is None:
        return []
    from howfar.io.sources import expand

    items = expand([str(folder)])
    chosen = sorted({i * len(items) // MOST_IMAGES for i in range(MOST_IMAGES)})
    chosen = chosen if len(items) > MOST_IMAGES else list(range(len(items)))
    return [items[i].load() for i in chosen]


def _errors(
    checkpoint: Path, exported: Path, data: str, limit: int | None
) -> dict[str, dict[str, float]]:
    """The main errors of the checkpoint and of the file on the same pictures."""
    from howfar.data.address import open_dataset
    from howfar.evaluate.run import Request, evaluate
    from howfar.evaluate.systems import Loader
    from howfar.evaluate.variants import Variant
    from howfar.nets.checkpoint import load_checkpoint

    recipe = load_checkpoint(checkpoint).recipe
    variants = tuple(
        Variant(name, depth=str(path), runtime="onnx")
        for name, path in (("checkpoint", checkpoint), ("exported", exported))
    )
    request = Request(
        "depth", data, variants, recipe.get("protocol"), recipe.get("align"), limit=limit
    )
    found = evaluate(request, open_dataset(data), Loader("depth"))
    return {
        report.system: {n: report.scores[n] for n in ("abs_rel", "rmse", "delta1")}
        for report in found.reports()
    }
