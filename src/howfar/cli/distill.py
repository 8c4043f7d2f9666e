"""`howfar distill`: make your own small network from big ones."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from howfar.cli.progress import make_progress
from howfar.errors import UsageError

TEACHERS, LENGTH, RUN = "Teachers", "Length", "How it runs"


def distill(
    data: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS@SHARE[@KIND]",
            help="Pictures to learn from, their share of the views, and perhaps only those of a "
            "kind: indoor, road or other. Several times.",
        ),
    ] = None,
    val: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=ADDRESS", help="What decides which weights are best. Several times."
        ),
    ] = None,
    held: Annotated[
        list[str] | None,
        typer.Option(
            "--calibrate",
            metavar="NAME=ADDRESS",
            help="Pictures with depth, held back, on which the intervals of distances are "
            "calibrated in the end. Several times.",
        ),
    ] = None,
    size: Annotated[str, typer.Option(help="Of the student: n, s or m.")] = "s",
    imgsz: Annotated[
        int | None,
        typer.Option(
            min=64,
            help="Side of its views in pixels, a multiple of 32. Unless given that of a student "
            "to start from, else 320.",
        ),
    ] = None,
    detector: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Teaches boxes: a name of `howfar models list`, or a file. Several times: they "
            "teach side by side, and the first tells what a picture shows.",
            show_default="nanodet-plus-m",
            rich_help_panel=TEACHERS,
        ),
    ] = None,
    depth: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Teaches metres indoors; none for nobody. Several times: their mean, by the trust "
            "in each.",
            show_default="fastdepth",
            rich_help_panel=TEACHERS,
        ),
    ] = None,
    relative: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Teaches depth of roads up to scale (and shift: midas-small); none for nobody. "
            "Several times.",
            show_default="pydnet-kitti",
            rich_help_panel=TEACHERS,
        ),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            help="Start from nanodet-plus-m (size s), or from a student: howfar-s, the checkpoint "
            "of a run or an exported file. What starts so learns at a tenth of the rate, unless "
            "--set slow=... says otherwise."
        ),
    ] = None,
    start_depth: Annotated[
        str | None,
        typer.Option(
            help="Start the depth branch (sizes s and m) as FastDepth: name or ONNX file. It is "
            "fitted to the detector's features first."
        ),
    ] = None,
    freeze_detector: Annotated[
        bool, typer.Option("--freeze-detector", help="Only depth is learned.")
    ] = False,
    freeze_grafted: Annotated[
        bool,
        typer.Option("--freeze-grafted", help="What --start-depth gave stays as it is."),
    ] = False,
    freeze_wide: Annotated[
        bool,
        typer.Option(
            "--freeze-wide",
            help="5x5 convolutions of single channels stay as they are: on a CPU, a step of a "
            "student that learns everywhere takes a fifth (float32) to two fifths (bfloat16) less.",
        ),
    ] = False,
    remember: Annotated[
        bool,
        typer.Option(
            "--remember",
            help="Look at each view once and repeat what was seen: three to four times as many "
            "steps in the same time; 1.2 MB a view on disk. Needs --freeze-detector, and "
            "--freeze-grafted for sizes s and m.",
        ),
    ] = False,
    focal_exponent: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Power of the focal length by which depth is scaled: 1 as for a pinhole; less for "
            "small students, which expect usual sizes whatever the lens (howfar-s: 0.5). Unless "
            "given, that of a student to start from, else 1.",
        ),
    ] = None,
    labels: Annotated[
        bool,
        typer.Option("--labels", help="Also learn the labels of pixels that your data hold."),
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("runs/distill"),
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="Change a field of the recipe."),
    ] = None,
    views: Annotated[
        int, typer.Option(min=16, help="Views of an epoch.", rich_help_panel=LENGTH)
    ] = 6000,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="As --set epochs=N.", rich_help_panel=LENGTH)
    ] = None,
    max_minutes: Annotated[
        float | None,
        typer.Option(help="Stop after this time; --resume goes on.", rich_help_panel=LENGTH),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the folder's last checkpoint.")
    ] = False,
    workers: Annotated[
        int, typer.Option(min=1, help="Threads that prepare views.", rich_help_panel=RUN)
    ] = 1,
    cpu: Annotated[
        bool, typer.Option("--cpu", help="Stay on the CPU.", rich_help_panel=RUN)
    ] = False,
) -> None:
    """Teach one small network what several big ones know: boxes and metric depth in one pass.

    The student sees what its teachers see and learns to give their answers, on any pictures. Where
    your data hold true depth, that teaches instead. The folder of the run gets best.pt, for
    `howfar predict --model`, `howfar val` and `howfar export`.
    """
    if not data:
        raise UsageError(
            "give --data ADDRESS@SHARE, such as pictures:~/photos@1; `howfar data list` shows the "
            "formats"
        )
    if imgsz is not None and imgsz % 32:
        raise UsageError(f"imgsz is {imgsz}; give a multiple of 32")
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("accelerate") is None:
        raise UsageError("distilling needs PyTorch; run: pip install 'howfar[train,eval]'")
    from howfar.data.address import open_dataset
    from howfar.distill.job import DistillJob, card_of, parse_pictures
    from howfar.distill.run import distill as run
    from howfar.models.store import find_model
    from howfar.nets.checkpoint import load_checkpoint
    from howfar.train.loop import LAST, end

    last = out / LAST
    if start is not None and not last.exists():
        start = find_model(start).path
    before = last if last.exists() else start
    card = None if before is None else card_of(before)
    if imgsz is None:
        imgsz = 320 if card is None else card.preprocess.width
    changes = [f"preprocess.width={imgsz}", f"preprocess.height={imgsz}"]
    changes += [f"net_options.size={size}", f"name=howfar-{size}"]
    norm = before is None
    if before is not None and before.suffix.lower() != ".onnx":
        norm = bool(load_checkpoint(before).options.get("norm", True))
    changes += [f"net_options.norm={str(norm).lower()}"]
    changes += [f"epochs={epochs}"] if epochs is not None else []
    job = DistillJob(
        pictures=[parse_pictures(text) for text in data],
        folder=out,
        detectors=_teachers("detector", detector, DistillJob.detectors),
        depths=_teachers("depth", depth, DistillJob.depths),
        relatives=_teachers("relative", relative, DistillJob.relatives),
        start=start,
        start_depth=start_depth,
        freeze=freeze_detector,
        freeze_grafted=freeze_grafted,
        freeze_wide=freeze_wide,
        remember=remember,
        focal_exponent=focal_exponent,
        labels=labels,
        settings=[*changes, *(settings or [])],
        views=views,
        judges={name: open_dataset(address) for name, address in map(_named, val or [])},
        held={name: open_dataset(address) for name, address in map(_named, held or [])},
        resume=resume,
        max_minutes=max_minutes,
        workers=workers,
        cpu=cpu,
    )
    with make_progress() as bar:
        from howfar.cli.train import ticker

        surveying = bar.add_task("asking the teachers", total=None)
        state = run(
            job,
            ticker(bar),
            lambda name, done, count: bar.update(
                surveying, completed=done, total=count, description=f"asking about {name}"
            ),
            lambda text: typer.echo(f"howfar: note: {text}", err=True),
        )
    typer.echo(f"{state.step} steps, {state.epoch} epochs: {out / 'best.pt'}")
    end()


def _teachers(option: str, given: list[str] | None, usual: Sequence[str]) -> tuple[str, ...]:
    """The networks that an option names; nobody for `none`."""
    names = tuple(given or usual)
    if "none" in names and len(names) > 1:
        raise UsageError(f"{option}: {', '.join(names)}; give none alone, or leave it out")
    return () if names == ("none",) else names


def _named(text: str) -> tuple[str, str]:
    name, equals, address = text.partition("=")
    if not equals or not name or ":" in name:
        raise UsageError(f"{text!r}: write NAME=ADDRESS, such as road=rgbd:~/road?unit=kitti")
    return name, address
