"""`howfar val`: how good networks, joins and statistics are on data with known truth."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from howfar.cli.progress import DownloadBar, confirm_download, make_progress
from howfar.errors import UsageError

if TYPE_CHECKING:
    from howfar.data.dataset import Dataset
    from howfar.evaluate.run import Evaluation, Request

val_app = typer.Typer(
    help="Measure networks, joins and statistics on data with known truth.", no_args_is_help=True
)

TOLD = 3
"""Problems of a copy that are told before it is measured."""
WHAT, HOW, OUTPUT = "What is measured", "How it is measured", "Output"

Data = Annotated[
    str, typer.Option(help="FORMAT:PATH[?option=value]; `howfar data list` shows the formats.")
]
Model = Annotated[
    str | None,
    typer.Option(
        help="The network of this task; of objects one that gives boxes and depth.",
        rich_help_panel=WHAT,
    ),
]
Detector = Annotated[
    str | None, typer.Option(help="Name, file or address of the detector.", rich_help_panel=WHAT)
]
Depth = Annotated[
    str | None,
    typer.Option(help="Name, file or address of the depth network.", rich_help_panel=WHAT),
]
Semantic = Annotated[
    str | None, typer.Option(help="File of the semantic network.", rich_help_panel=WHAT)
]
JoinName = Annotated[str, typer.Option(help="parallel, crop or mask.", rich_help_panel=WHAT)]
Stat = Annotated[
    str,
    typer.Option(help="foreground, median, central-mean or center.", rich_help_panel=WHAT),
]
ScaleText = Annotated[
    str | None,
    typer.Option(help="A factor (1.55) or object-size.", rich_help_panel=WHAT),
]
CameraFile = Annotated[
    str | None,
    typer.Option(help="Camera profile (`howfar calibrate`): scale, focal.", rich_help_panel=WHAT),
]
MaxDistance = Annotated[
    float | None, typer.Option(help="Hide what is farther, in metres.", rich_help_panel=WHAT)
]
Conf = Annotated[
    float | None,
    typer.Option(help="Least score: .01 for detection, else .25.", rich_help_panel=WHAT),
]
Iou = Annotated[
    float, typer.Option(help="Overlap above which boxes suppress.", rich_help_panel=WHAT)
]
Diou = Annotated[
    float,
    typer.Option(
        help="Exponent by which distant centres lower the overlap (darknet: .6); 0 is plain IoU.",
        rich_help_panel=WHAT,
    ),
]
MaxDet = Annotated[int, typer.Option(help="Most objects of a picture.", rich_help_panel=WHAT)]
Imgsz = Annotated[
    str | None,
    typer.Option(help="Input size of the detector: 640 or 384x640.", rich_help_panel=WHAT),
]
RuntimeName = Annotated[
    str, typer.Option(help="onnx, openvino, or auto: openvino if installed.", rich_help_panel=WHAT)
]
Precision = Annotated[
    str, typer.Option(help="float32, or auto: the runtime's choice.", rich_help_panel=WHAT)
]
Threads = Annotated[
    int | None, typer.Option(help="CPU threads; all unless given.", rich_help_panel=WHAT)
]
Compare = Annotated[
    list[str] | None,
    typer.Option(
        help="One variant to compare, as KEY=VALUE,... (depth=fastdepth,stat=median); give it "
        "twice or more. The first is the reference; what it does not say is as in the options.",
        rich_help_panel=WHAT,
    ),
]
ProtocolName = Annotated[
    str | None,
    typer.Option(help="Named way of measuring; the data's usual one.", rich_help_panel=HOW),
]
Limit = Annotated[int | None, typer.Option(help="Only the first N pictures.", rich_help_panel=HOW)]
SaveDir = Annotated[
    Path | None,
    typer.Option(help="Folder for report.json, report.md and pictures.", rich_help_panel=OUTPUT),
]
Worst = Annotated[
    int, typer.Option(help="Worst cases to draw into --save-dir.", rich_help_panel=OUTPUT)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.", rich_help_panel=OUTPUT)]


@val_app.command("depth")
def val_depth(
    data: Data,
    model: Model = None,
    depth: Depth = None,
    detector: Detector = None,
    join: JoinName = "parallel",
    scale: ScaleText = None,
    camera: CameraFile = None,
    max_distance: MaxDistance = None,
    conf: Conf = None,
    imgsz: Imgsz = None,
    runtime: RuntimeName = "auto",
    precision: Precision = "auto",
    threads: Threads = None,
    compare: Compare = None,
    protocol: ProtocolName = None,
    align: Annotated[
        str | None,
        typer.Option(
            help="Fit each picture to its truth first: median, scale, log-scale, scale-shift, "
            "inverse-scale-shift or none.",
            rich_help_panel=HOW,
        ),
    ] = None,
    limit: Limit = None,
    save_dir: SaveDir = None,
    worst: Worst = 6,
    as_json: AsJson = False,
) -> None:
    """Errors of depth maps, pixel by pixel.

    Examples:

      howfar val depth --data rgbd:rooms --depth fastdepth

      howfar val depth --data "kitti-raw:kitti?frames=eigen_test_files.txt" --depth pydnet-kitti
      --align median
    """
    base = _variant(
        depth=_either(model, depth, "depth"),
        detector=detector,
        join=join,
        scale=scale,
        camera=camera,
        max_distance=max_distance,
        conf=conf,
        imgsz=imgsz,
        runtime=runtime,
        precision=precision,
        threads=threads,
    )
    request = _request("depth", data, base, compare, protocol=protocol, align=align, limit=limit)
    _run(request, save_dir, worst, as_json)


@val_app.command("detection")
def val_detection(
    data: Data,
    model: Model = None,
    detector: Detector = None,
    conf: Conf = None,
    iou: Iou = 0.6,
    nms_diou: Diou = 0.0,
    max_det: MaxDet = 100,
    imgsz: Imgsz = None,
    runtime: RuntimeName = "auto",
    precision: Precision = "auto",
    threads: Threads = None,
    compare: Compare = None,
    protocol: ProtocolName = None,
    limit: Limit = None,
    save_dir: SaveDir = None,
    worst: Worst = 6,
    as_json: AsJson = False,
) -> None:
    """Boxes: COCO's twelve numbers, VOC's AP, precision and recall by confidence.

    Example: howfar val detection --data coco:coco --detector yolox-nano
    """
    base = _variant(
        detector=_either(model, detector, "detector"),
        conf=conf,
        iou=iou,
        nms_diou=nms_diou,
        max_det=max_det,
        imgsz=imgsz,
        runtime=runtime,
        precision=precision,
        threads=threads,
    )
    named = None if protocol == "coco" else protocol
    request = _request("detection", data, base, compare, protocol=named, limit=limit)
    _run(request, save_dir, worst, as_json)


@val_app.command("objects")
def val_objects(
    data: Data,
    model: Model = None,
    detector: Detector = None,
    depth: Depth = None,
    join: JoinName = "parallel",
    stat: Stat = "foreground",
    boxes: Annotated[
        str,
        typer.Option(help="detector, or truth: the labelled boxes.", rich_help_panel=WHAT),
    ] = "detector",
    scale: ScaleText = None,
    camera: CameraFile = None,
    max_distance: MaxDistance = None,
    conf: Conf = None,
    iou: Iou = 0.6,
    nms_diou: Diou = 0.0,
    max_det: MaxDet = 100,
    imgsz: Imgsz = None,
    runtime: RuntimeName = "auto",
    precision: Precision = "auto",
    threads: Threads = None,
    compare: Compare = None,
    protocol: ProtocolName = None,
    within: Annotated[
        list[float] | None,
        typer.Option(
            help='Judge the answers to "is it within X metres?"; may be given several times.',
            rich_help_panel=HOW,
        ),
    ] = None,
    limit: Limit = None,
    save_dir: SaveDir = None,
    worst: Worst = 6,
    as_json: AsJson = False,
) -> None:
    """Distances of whole objects, by class, range and occlusion.

    Examples:

      howfar val objects --data kitti-object:kitti --depth pydnet-kitti --scale 1.55

      howfar val objects --data kitti-object:kitti --depth truth --boxes truth --stat median
    """
    if boxes not in ("detector", "truth"):
        raise UsageError(f"boxes is {boxes!r}; use detector or truth")
    if boxes == "truth" and detector:
        raise UsageError("give either --detector or --boxes truth, not both")
    depth = _either(model, depth, "depth")
    detector = detector if boxes == "truth" else _either(model, detector, "detector")
    base = _variant(
        detector="truth" if boxes == "truth" else detector,
        depth=depth,
        join=join,
        stat=stat,
        scale=scale,
        camera=camera,
        max_distance=max_distance,
        conf=conf,
        iou=iou,
        nms_diou=nms_diou,
        max_det=max_det,
        imgsz=imgsz,
        runtime=runtime,
        precision=precision,
        threads=threads,
    )
    limits = tuple(within or ())
    request = _request(
        "objects", data, base, compare, protocol=protocol, within_m=limits, limit=limit
    )
    _run(request, save_dir, worst, as_json)


@val_app.command("segmentation")
def val_segmentation(
    data: Data,
    model: Model = None,
    semantic: Semantic = None,
    runtime: RuntimeName = "auto",
    precision: Precision = "auto",
    threads: Threads = None,
    compare: Compare = None,
    protocol: ProtocolName = None,
    limit: Limit = None,
    save_dir: SaveDir = None,
    worst: Worst = 6,
    as_json: AsJson = False,
) -> None:
    """Label maps: mean intersection over union.

    Example: howfar val segmentation --data vkitti2:vkitti2 --semantic streets.onnx
    """
    base = _variant(
        semantic=_either(model, semantic, "semantic"),
        runtime=runtime,
        precision=precision,
        threads=threads,
    )
    named = None if protocol == "miou" else protocol
    request = _request("segmentation", data, base, compare, protocol=named, limit=limit)
    _run(request, save_dir, worst, as_json)


def _either(model: str | None, named: str | None, option: str) -> str | None:
    if model and named:
        raise UsageError(f"give either --model or --{option}, not both")
    return model or named


def _variant(**settings: Any) -> Any:
    from howfar.evaluate.variants import Variant

    return Variant(**settings)


def _request(task: str, data: str, base: Any, compare: list[str] | None, **how: Any) -> Request:
    from howfar.evaluate.run import Request
    from howfar.evaluate.variants import parse_variant

    if compare is not None and len(compare) == 1:
        raise UsageError("--compare needs two variants or more; give it again for each")
    variants = tuple(parse_variant(text, base) for text in compare or ())
    return Request(task, data, variants or (replace(base),), **how)


def _run(request: Request, save_dir: Path | None, worst: int, as_json: bool) -> None:
    """Measure, print, write; exit code 1 where a picture failed."""
    from howfar.data.address import open_dataset
    from howfar.evaluate.plot_style import check_matplotlib
    from howfar.evaluate.run import evaluate
    from howfar.evaluate.systems import Loader
    from howfar.io.sinks import make_folder

    if worst < 0:
        raise UsageError(f"worst is {worst}; give 0 or more")
    if save_dir is not None:
        check_matplotlib()
        make_folder(save_dir)
    dataset = open_dataset(request.data)
    _tell_layout(dataset)
    loader = Loader(request.task, confirm_download(trust=False), DownloadBar())
    with make_progress() as bar:
        task = bar.add_task(f"val {request.task}", total=None)
        found = evaluate(
            request,
            dataset,
            loader,
            lambda done, count: bar.update(task, completed=done, total=count),
        )
    _show(found, save_dir, worst, as_json)
    for item in found.tally.failed:
        typer.echo(f"howfar: error: {item.frame}: {item.reason}", err=True)
    if found.tally.failed:
        count = len(found.tally.failed)
        typer.echo(f"howfar: {count} picture{'s' * (count != 1)} failed", err=True)
        raise typer.Exit(1)


def _tell_layout(dataset: Dataset) -> None:
    """The first things that are odd about the copy, on stderr: a wrong unit, missing files."""
    problems = dataset.check()
    for problem in problems[:TOLD]:
        typer.echo(f"howfar: note: {problem}", err=True)
    if len(problems) > TOLD:
        more = len(problems) - TOLD
        typer.echo(f"howfar: note: and {more} more; see `howfar data check`", err=True)


def _show(found: Evaluation, save_dir: Path | None, worst: int, as_json: bool) -> None:
    from howfar.evaluate.output import Output

    command = shlex.join(["howfar", *sys.argv[1:]])
    output = Output(found, command)
    if as_json:
        typer.echo(output.json())
    else:
        output.print()
    if save_dir is not None:
        with make_progress() as bar:
            task = bar.add_task("pictures", total=None)
            output.save(save_dir, worst, lambda done, n: bar.update(task, completed=done, total=n))
        typer.echo(f"howfar: report in {save_dir}", err=True)
