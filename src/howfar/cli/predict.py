"""`howfar predict`: objects and their distances in pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from howfar.cli.networks import (
    NETWORKS,
    ImgszOption,
    ModelOption,
    ThreadsOption,
    detector_and_depth,
)
from howfar.cli.predicting import Extras, FilmOptions, Run
from howfar.cli.progress import DownloadBar, confirm_download, split_commas
from howfar.errors import UsageError

if TYPE_CHECKING:
    from howfar.io.frames import Reel
    from howfar.io.sources import Item

FORMAT_HELP = (
    "What to write, separated by commas. For each picture: annotated, depth, panel, triptych, "
    "truth, npy, png16, kitti, ply, json. For the run: jsonl, csv, coco. Of videos annotated, "
    "depth and panel are videos, frames are annotated pictures, the rest is a file a frame."
)
DEFAULT_FORMATS = ["annotated", "depth", "json"]
DEFAULT_VIDEO_FORMATS = ["annotated", "jsonl"]

DISTANCE, VIDEO, OUTPUT = "Distance", "Videos", "Output"


def predict(
    source: Annotated[
        list[str] | None,
        typer.Argument(
            help="Pictures and videos: file, folder, glob pattern, http(s) or rtsp(s) address, "
            "number of a camera, or - (stdin)."
        ),
    ] = None,
    model: ModelOption = None,
    detector: Annotated[
        str | None,
        typer.Option(help="Name, ONNX file or address of the detector.", rich_help_panel=NETWORKS),
    ] = None,
    depth: Annotated[
        str | None,
        typer.Option(
            help="Name, ONNX file or address of the depth network; none for boxes only.",
            rich_help_panel=NETWORKS,
        ),
    ] = None,
    semantic: Annotated[
        str | None,
        typer.Option(help="ONNX file of a semantic network.", rich_help_panel=NETWORKS),
    ] = None,
    join: Annotated[
        str,
        typer.Option(
            help="How detector and depth network work together: parallel, crop or mask.",
            rich_help_panel=NETWORKS,
        ),
    ] = "parallel",
    conf: Annotated[
        float, typer.Option(help="Least score, 0..1.", rich_help_panel=NETWORKS)
    ] = 0.25,
    iou: Annotated[
        float,
        typer.Option(
            help="Overlap above which boxes of a class suppress each other; above .8 of any class, "
            "unless --multi-label.",
            rich_help_panel=NETWORKS,
        ),
    ] = 0.6,
    diou: Annotated[
        float,
        typer.Option(
            "--nms-diou",
            help="Exponent by which distant centres lower the overlap (darknet: .6); 0 is plain "
            "IoU.",
            rich_help_panel=NETWORKS,
        ),
    ] = 0.0,
    max_det: Annotated[
        int, typer.Option(help="Most objects of a picture.", rich_help_panel=NETWORKS)
    ] = 300,
    classes: Annotated[
        list[str] | None,
        typer.Option(help="Only these classes, separated by commas.", rich_help_panel=NETWORKS),
    ] = None,
    agnostic: Annotated[
        bool,
        typer.Option("--agnostic", help="Suppress across classes.", rich_help_panel=NETWORKS),
    ] = False,
    multi_label: Annotated[
        bool,
        typer.Option(
            "--multi-label", help="A box may be several classes.", rich_help_panel=NETWORKS
        ),
    ] = False,
    imgsz: ImgszOption = None,
    runtime: Annotated[
        str,
        typer.Option(
            help="onnx, openvino, or auto: openvino if installed.", rich_help_panel=NETWORKS
        ),
    ] = "auto",
    precision: Annotated[
        str, typer.Option(help="float32, or auto: the runtime's choice.", rich_help_panel=NETWORKS)
    ] = "auto",
    device: Annotated[str, typer.Option(help="Only cpu.", rich_help_panel=NETWORKS)] = "cpu",
    threads: ThreadsOption = None,
    max_distance: Annotated[
        float | None,
        typer.Option(help="Hide what is farther, in metres, inclusive.", rich_help_panel=DISTANCE),
    ] = None,
    min_distance: Annotated[
        float | None, typer.Option(help="Hide what is nearer.", rich_help_panel=DISTANCE)
    ] = None,
    by: Annotated[
        str,
        typer.Option(
            help="Filter by z (along the optical axis) or range (from the camera).",
            rich_help_panel=DISTANCE,
        ),
    ] = "z",
    stat: Annotated[
        str,
        typer.Option(
            help="Distance of a box: foreground, median, central-mean or center.",
            rich_help_panel=DISTANCE,
        ),
    ] = "foreground",
    scale: Annotated[
        str | None,
        typer.Option(
            help="Metres from a factor (1.3), a known distance (2.5m@chair, 2.5m@320,240), "
            "camera-height=1.65m or object-size.",
            rich_help_panel=DISTANCE,
        ),
    ] = None,
    sizes: Annotated[
        Path | None,
        typer.Option(help="TOML file of typical sizes for object-size.", rich_help_panel=DISTANCE),
    ] = None,
    focal_px: Annotated[
        float | None, typer.Option(help="Focal length in pixels.", rich_help_panel=DISTANCE)
    ] = None,
    fov_deg: Annotated[
        float | None,
        typer.Option(help="Horizontal field of view in degrees.", rich_help_panel=DISTANCE),
    ] = None,
    camera: Annotated[
        Path | None,
        typer.Option(
            help="Camera profile (`howfar calibrate`): lens and scale.", rich_help_panel=DISTANCE
        ),
    ] = None,
    depth_map: Annotated[
        Path | None,
        typer.Option(
            help="Your own depth: .npy of metres or 16-bit PNG, or a folder of files named like "
            "the pictures.",
            rich_help_panel=DISTANCE,
        ),
    ] = None,
    depth_unit: Annotated[
        str,
        typer.Option(help="Unit of 16-bit depth: mm or kitti (1/256 m).", rich_help_panel=DISTANCE),
    ] = "mm",
    boxes: Annotated[
        Path | None,
        typer.Option(
            help="Your own boxes: JSON list of [x1, y1, x2, y2] or a howfar record, or a folder of "
            "such files named like the pictures.",
            rich_help_panel=DISTANCE,
        ),
    ] = None,
    vid_stride: Annotated[
        int, typer.Option(help="Every how manieth frame.", rich_help_panel=VIDEO)
    ] = 1,
    start: Annotated[
        str | None,
        typer.Option(help="Begin at this time: 83.5, or 1:23.5.", rich_help_panel=VIDEO),
    ] = None,
    end: Annotated[
        str | None, typer.Option(help="End before this time.", rich_help_panel=VIDEO)
    ] = None,
    max_frames: Annotated[
        int | None, typer.Option(help="Most frames of a video.", rich_help_panel=VIDEO)
    ] = None,
    drop_old: Annotated[
        bool | None,
        typer.Option(
            "--drop-old/--keep-all",
            help="Of cameras and streams: leave out the frames that came while others were worked "
            "on (usual), or take all and fall behind.",
            rich_help_panel=VIDEO,
        ),
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option(
            help="Take all pictures as the frames of one video of this rate.",
            rich_help_panel=VIDEO,
        ),
    ] = None,
    colour_range: Annotated[
        str | None,
        typer.Option(
            help="Nearest and farthest metres of the colours, 0.5,10; those of the first frame "
            "unless given.",
            rich_help_panel=VIDEO,
        ),
    ] = None,
    save_dir: Annotated[
        Path | None,
        typer.Option(help="Folder for files; out unless --json.", rich_help_panel=OUTPUT),
    ] = None,
    formats: Annotated[
        list[str] | None, typer.Option("--format", help=FORMAT_HELP, rich_help_panel=OUTPUT)
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            help="True depth for the format truth, like --depth-map.", rich_help_panel=OUTPUT
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="One JSON record a picture on stdout.", rich_help_panel=OUTPUT),
    ] = False,
    schema: Annotated[
        bool,
        typer.Option(
            "--schema", help="Print the JSON Schema of a record and exit.", rich_help_panel=OUTPUT
        ),
    ] = False,
) -> None:
    """Find the objects in pictures and videos and say how far away they are.

    Examples:

      howfar predict kitchen.jpg --max-distance 4

      howfar predict photos/ --format annotated,csv --save-dir results

      howfar predict street.jpg --depth pydnet-kitti --scale 12m@car

      howfar predict room.jpg --scale object-size --fov-deg 65 --json

      howfar predict drive.mp4 --start 1:30 --end 2:00 --vid-stride 2

      howfar predict rtsp://192.168.1.20/stream --max-distance 5 --json
    """
    if schema:
        from howfar.io.schema import RESULT_SCHEMA

        typer.echo(json.dumps(RESULT_SCHEMA, indent=1))
        return
    if not source:
        raise UsageError("no picture is named; give a file, a folder, a pattern, an address or -")
    if device != "cpu":
        raise UsageError(f"device {device!r} is not there; networks run on the cpu")
    from howfar.io.clip import make_clip
    from howfar.io.depthfiles import check_unit
    from howfar.io.frames import check_max_frames, sort_out
    from howfar.io.sources import expand
    from howfar.options import make_options

    asked = make_options(
        {
            "conf": conf,
            "iou": iou,
            "diou": diou,
            "max_det": max_det,
            "classes": tuple(split_commas(classes)) if classes is not None else None,
            "agnostic": agnostic,
            "multi_label": multi_label,
            "max_distance": max_distance,
            "min_distance": min_distance,
            "by": by,
            "stat": stat,
            "scale": _scale(scale, sizes),
            "focal_px": focal_px,
            "fov_deg": fov_deg,
            "camera": camera,
        }
    )
    if truth is not None and asked.camera and asked.camera.lens and asked.camera.lens.distorts:
        raise UsageError(
            f"{camera} straightens the pictures, but --truth is of them as they came; leave one of "
            "the two out, or undistort both first"
        )
    check_max_frames(max_frames)
    clip = make_clip(vid_stride, start, end)
    colours = parse_range(colour_range)
    check_unit(depth_unit)
    things = sort_out(expand(source), fps)
    wanted, film_formats = _formats(formats, things, nothing=as_json and save_dir is None)
    _check_beside(boxes or depth_map, truth, wanted, things)
    from howfar.loading import load, parse_imgsz

    size = parse_imgsz(imgsz)

    ranger = load(
        **_networks(model, detector, depth, boxes is not None, depth_map is not None),
        semantic=semantic,
        join=join,
        runtime=runtime,
        precision=precision,
        threads=threads,
        imgsz=size,
        confirm=confirm_download(trust=False),
        progress=DownloadBar(),
    )
    extras = Extras(boxes, depth_map, truth, depth_unit)
    film = FilmOptions(clip, film_formats, max_frames, drop_old, fps, colours)
    run = Run(ranger, asked, extras, save_dir or Path("out"), wanted, as_json, film)
    if run.all(things):
        raise typer.Exit(1)


def _formats(
    given: list[str] | None, things: Sequence[Item | Reel], nothing: bool
) -> tuple[list[str], list[str]]:
    """Formats of pictures and of the run, and formats of videos."""
    from howfar.io.formats import VIDEO_FORMATS, check_formats
    from howfar.io.frames import Reel

    videos = any(isinstance(thing, Reel) for thing in things)
    if given is not None:
        wanted = split_commas(given)
        check_formats(wanted)
        if not videos and (only := [name for name in wanted if name in VIDEO_FORMATS]):
            raise UsageError(f"format {only[0]!r} is for videos; pictures have 'annotated'")
        return wanted, wanted
    if nothing:
        return [], []
    pictures = any(not isinstance(thing, Reel) for thing in things)
    usual = [*(DEFAULT_FORMATS if pictures else ()), *(DEFAULT_VIDEO_FORMATS if videos else ())]
    return usual, DEFAULT_VIDEO_FORMATS


def _check_beside(
    own: Path | None, truth: Path | None, wanted: list[str], things: Sequence[Item | Reel]
) -> None:
    """What lies beside pictures cannot lie beside the frames of a video."""
    from howfar.io.frames import Reel

    if "truth" in wanted and truth is None:
        raise UsageError("format truth needs --truth: the true depth to compare with")
    for thing in things:
        if isinstance(thing, Reel) and (truth or (own and thing.fps is None)):
            raise UsageError(
                f"{thing.name}: --boxes and --depth-map go with pictures or pictures and --fps, "
                "--truth goes with pictures"
            )


def parse_range(text: str | None) -> tuple[float, float] | None:
    """Two numbers `NEAR,FAR`."""
    if text is None:
        return None
    from howfar.io.palette import given_ramp

    try:
        near, far = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(
            f"--colour-range is {text!r}; give nearest and farthest metres as 0.5,10"
        ) from None
    given_ramp((near, far))
    return near, far


def _networks(
    model: str | None, detector: str | None, depth: str | None, own_boxes: bool, own_depth: bool
) -> dict[str, str | None]:
    """The networks to load: none where the user brings the boxes or the depth."""
    if own_boxes and detector:
        raise UsageError("give either --detector or --boxes, not both")
    if own_depth and depth:
        raise UsageError("give either --depth or --depth-map, not both")
    finder, ranging = detector_and_depth(model, detector, depth)
    return {
        "detector": None if own_boxes else finder,
        "depth": None if own_depth else ranging,
    }


def _scale(text: str | None, sizes: Path | None) -> Any:
    from howfar.core.scale import ObjectSizes, parse_scale

    request = parse_scale(text) if text else None
    if sizes is None:
        return request
    if not isinstance(request, ObjectSizes):
        raise UsageError("--sizes is used with --scale object-size only")
    from howfar.io.sizefiles import read_sizes

    return ObjectSizes(read_sizes(sizes))
