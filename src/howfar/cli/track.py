"""`howfar track`: who is who over the frames of a video, how far, and how fast."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from howfar.cli.networks import (
    NETWORKS,
    ImgszOption,
    ModelOption,
    ThreadsOption,
    detector_and_depth,
)
from howfar.cli.progress import DownloadBar, confirm_download, split_commas
from howfar.errors import UsageError

if TYPE_CHECKING:
    from howfar.models.card import ModelCard

DISTANCE, TRACKS = "Distance", "Tracks"
VIDEO, OUTPUT = "Videos", "Output"
DEFAULT_FORMATS = ["annotated", "jsonl", "csv"]


def track(
    source: Annotated[
        list[str] | None,
        typer.Argument(
            help="Videos: file, rtsp(s) or http(s) address, number of a camera; pictures with "
            "--fps."
        ),
    ] = None,
    model: ModelOption = None,
    detector: Annotated[
        str | None,
        typer.Option(help="Name, file or address of the detector.", rich_help_panel=NETWORKS),
    ] = None,
    depth: Annotated[
        str | None,
        typer.Option(
            help="Name, file or address of the depth network; none for boxes only.",
            rich_help_panel=NETWORKS,
        ),
    ] = None,
    conf: Annotated[
        float,
        typer.Option(
            help="Least score of a detection that begins a track; from .1 on, one goes on with it.",
            rich_help_panel=NETWORKS,
        ),
    ] = 0.4,
    iou: Annotated[
        float,
        typer.Option(
            help="Overlap above which boxes of a class suppress each other.",
            rich_help_panel=NETWORKS,
        ),
    ] = 0.6,
    max_det: Annotated[
        int, typer.Option(help="Most objects of a frame.", rich_help_panel=NETWORKS)
    ] = 300,
    classes: Annotated[
        list[str] | None,
        typer.Option(help="Only these classes, separated by commas.", rich_help_panel=NETWORKS),
    ] = None,
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
    threads: ThreadsOption = None,
    max_distance: Annotated[
        float | None,
        typer.Option(
            help="Hide what is farther by its smoothed distance, in metres, inclusive.",
            rich_help_panel=DISTANCE,
        ),
    ] = None,
    min_distance: Annotated[
        float | None, typer.Option(help="Hide what is nearer.", rich_help_panel=DISTANCE)
    ] = None,
    by: Annotated[
        str,
        typer.Option(
            help="Filter and alert by z (along the optical axis) or range (from the camera).",
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
            help="Metres from a factor (1.3), a known distance (2.5m@chair), "
            "camera-height=1.65m or object-size.",
            rich_help_panel=DISTANCE,
        ),
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
    alert_within: Annotated[
        float | None,
        typer.Option(
            help="Say once when an object comes within this many metres; again only after it was "
            "beyond 1.15 times as many.",
            rich_help_panel=TRACKS,
        ),
    ] = None,
    lost_s: Annotated[
        float,
        typer.Option(
            help="How long an object that is not seen is waited for, in seconds.",
            rich_help_panel=TRACKS,
        ),
    ] = 2.0,
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
        list[str] | None,
        typer.Option(
            "--format",
            help="What to write, separated by commas: annotated (the video), jsonl (a record a "
            "frame), csv (a row a track).",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="One JSON record a frame on stdout, alerts in it.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    schema: Annotated[
        bool,
        typer.Option(
            "--schema", help="Print the JSON Schema of a record and exit.", rich_help_panel=OUTPUT
        ),
    ] = False,
) -> None:
    """Follow objects through a video: who is who, how far, how fast, and who comes near.

    Examples:

      howfar track street.mp4

      howfar track 0 --classes person --alert-within 2.0 --json

      howfar track drive.mp4 --depth pydnet-kitti --camera my.toml --format annotated,csv
    """
    if schema:
        from howfar.track.records import track_schema

        typer.echo(json.dumps(track_schema(), indent=1))
        return
    if not source:
        raise UsageError("no video is named; give a file, an address or the number of a camera")
    from howfar.cli.predict import parse_range
    from howfar.cli.tracking import TrackRun
    from howfar.io.clip import make_clip
    from howfar.io.frames import Reel, check_max_frames, sort_out
    from howfar.io.sources import expand
    from howfar.options import make_options
    from howfar.track import Alerts, Tracker
    from howfar.track.files import check_track_formats
    from howfar.track.tracker import LEAST_CONF

    asked = make_options(
        {
            "conf": min(conf, LEAST_CONF),
            "iou": iou,
            "max_det": max_det,
            "classes": tuple(split_commas(classes)) if classes is not None else None,
            "max_distance": max_distance,
            "min_distance": min_distance,
            "by": by,
            "stat": stat,
            "scale": scale,
            "focal_px": focal_px,
            "fov_deg": fov_deg,
            "camera": camera,
        }
    )
    Tracker(conf, lost_s)
    if alert_within is not None:
        Alerts(alert_within)
        if depth == "none":
            raise UsageError("--alert-within needs a depth network; leave out --depth none")
    check_max_frames(max_frames)
    wanted = split_commas(formats or ([] if as_json and not save_dir else DEFAULT_FORMATS))
    check_track_formats(wanted)
    clip, colours = make_clip(vid_stride, start, end), parse_range(colour_range)
    reels = []
    for thing in sort_out(expand(source), fps):
        if not isinstance(thing, Reel):
            raise UsageError(f"{thing.source}: a picture has no time; give --fps for pictures")
        reels.append(thing)
    from howfar.loading import load, parse_imgsz

    ranger = load(
        *detector_and_depth(model, detector, depth),
        runtime=runtime,
        precision=precision,
        threads=threads,
        imgsz=parse_imgsz(imgsz),
        confirm=confirm_download(trust=False),
        progress=DownloadBar(),
    )
    card = getattr(ranger.depth, "card", None)
    if alert_within is not None and card is not None and scale is None and camera is None:
        _check_metric(card)
    run = TrackRun(
        ranger=ranger,
        options=asked,
        conf=conf,
        lost_s=lost_s,
        alert_within=alert_within,
        clip=clip,
        max_frames=max_frames,
        drop_old=drop_old,
        folder=save_dir or Path("out"),
        formats=wanted,
        range_m=colours,
        as_json=as_json,
    )
    if run.all(reels):
        raise typer.Exit(1)


def _check_metric(card: ModelCard) -> None:
    """Refuse alerts on relative depth before the first frame."""
    from howfar.core.depth import DepthKind

    if card.depth_kind is not DepthKind.METRIC:
        raise UsageError(
            f"--alert-within needs metres, but {card.name} gives relative depth; give --scale, a "
            "--camera profile with its scale, or a metric depth network"
        )
