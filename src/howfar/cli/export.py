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
    checkpoint: Annotated[
        Path,
        typer.Argument(help="A checkpoint of `howfar train`, a YOLOv5 file, darknet's .weights."),
    ],
    out: Annotated[
        Path | None, typer.Option(help="The ONNX file. [default: beside the checkpoint]")
    ] = None,
    precision: Annotated[str, typer.Option(help="fp32, fp16-weights, fp16 or int8.")] = "fp32",
    imgsz: Annotated[
        str | None, typer.Option(help="Input size of the file: 640, or 384x640 (height x width).")
    ] = None,
    nms: Annotated[
        bool,
        typer.Option("--nms", help="A detector's file gives finished boxes (1, M, 6)."),
    ] = False,
    conf: Annotated[float, typer.Option(help="Least score, with --nms.")] = 0.25,
    iou: Annotated[float, typer.Option(help="Overlap that suppresses, with --nms.")] = 0.6,
    max_det: Annotated[int, typer.Option(help="Most boxes, with --nms.")] = 300,
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

    The file runs at once: `howfar predict --depth FILE` or `--detector FILE`, `howfar val`,
    `howfar benchmark`.
    """
    for package in ("torch", "onnx", "onnxscript"):
        if importlib.util.find_spec(package) is None:
            raise UsageError("exporting needs PyTorch and onnx; run: pip install 'howfar[train]'")
    from howfar.export import Suppression, export_checkpoint
    from howfar.loading import parse_imgsz

    end = "" if precision == "fp32" else f"-{precision}"
    target = out or checkpoint.with_name(f"{checkpoint.stem}{end}.onnx")
    inside = Suppression(conf, iou, max_det) if nms else None
    pictures = _pictures(images)
    done = export_checkpoint(checkpoint, target, precision, pictures, parse_imgsz(imgsz), inside)
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
    from howfar.models.card import Task
    from howfar.nets.files import open_weights

    found = open_weights(checkpoint)
    detector = found.card.task is Task.DETECT
    task = "detection" if detector else "depth"
    variants = [
        Variant(
            name,
            detector=str(path) if detector else None,
            depth=None if detector else str(path),
            runtime="onnx",
        )
        for name, path in (("checkpoint", checkpoint), ("exported", exported))
    ]
    protocol, align = found.recipe.get("protocol"), found.recipe.get("align")
    request = Request(
        task, data, tuple(variants), *((None, None) if detector else (protocol, align)), limit=limit
    )
    compared = evaluate(request, open_dataset(data), Loader(task))
    names = ("AP", "AP50") if detector else ("abs_rel", "rmse", "delta1")
    return {
        report.system: {name: report.scores[name] for name in names}
        for report in compared.reports()
    }
