"""`howfar predict`: objects and their distances in pictures."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from howfar.cli.progress import DownloadBar, confirm_download, make_progress, split_commas
from howfar.errors import HowfarError, PictureError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from howfar.core.depth import DepthMap
    from howfar.core.result import Object, Result
    from howfar.io.sources import Item
    from howfar.options import Options
    from howfar.pipeline import Ranger

FORMAT_HELP = (
    "What to write, separated by commas. For each picture: annotated, depth, panel, triptych, "
    "truth, npy, png16, kitti, ply, json. For the run: jsonl, csv, coco."
)
DEFAULT_FORMATS = ["annotated,depth,json"]

NETWORKS, DISTANCE, OUTPUT = "Networks", "Distance", "Output"


def predict(
    source: Annotated[
        list[str] | None,
        typer.Argument(help="Pictures: file, folder, glob pattern, http(s) address, or - (stdin)."),
    ] = None,
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
    imgsz: Annotated[
        str | None,
        typer.Option(help="Input size of the detector: 640 or 384x640.", rich_help_panel=NETWORKS),
    ] = None,
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
    threads: Annotated[
        int | None, typer.Option(help="CPU threads; all unless given.", rich_help_panel=NETWORKS)
    ] = None,
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
            help="Metres from a factor (1.3), a known distance (2.5m@chair, 2.5m@320,240) or "
            "object-size.",
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
    """Find the objects in pictures and say how far away they are.

    Examples:

      howfar predict kitchen.jpg --max-distance 4

      howfar predict photos/ --format annotated,csv --save-dir results

      howfar predict street.jpg --depth pydnet-kitti --scale 12m@car

      howfar predict room.jpg --scale object-size --fov-deg 65 --json
    """
    if schema:
        from howfar.io.schema import RESULT_SCHEMA

        typer.echo(json.dumps(RESULT_SCHEMA, indent=1))
        return
    if not source:
        raise UsageError("no picture is named; give a file, a folder, a pattern, an address or -")
    if device != "cpu":
        raise UsageError(f"device {device!r} is not there; networks run on the cpu")
    from howfar.io.depthfiles import check_unit
    from howfar.io.formats import check_formats
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
        }
    )
    wanted = split_commas(formats or ([] if as_json and not save_dir else DEFAULT_FORMATS))
    check_formats(wanted)
    check_unit(depth_unit)
    if "truth" in wanted and truth is None:
        raise UsageError("format truth needs --truth: the true depth to compare with")
    items = expand(source)
    from howfar.loading import load, parse_imgsz

    size = parse_imgsz(imgsz)

    ranger = load(
        **_networks(detector, depth, boxes is not None, depth_map is not None),
        semantic=semantic,
        join=join,
        runtime=runtime,
        precision=precision,
        threads=threads,
        imgsz=size,
        confirm=confirm_download(trust=False),
        progress=DownloadBar(),
    )
    extras = _Extras(boxes, depth_map, truth, depth_unit)
    run = _Run(ranger, asked, extras, save_dir or Path("out"), wanted, as_json)
    failed = run.all(items)
    if failed:
        raise typer.Exit(1)


class _Extras:
    """What the user brings beside the pictures: boxes, depth maps, true depth."""

    def __init__(
        self, boxes: Path | None, depth_map: Path | None, truth: Path | None, unit: str
    ) -> None:
        self._boxes, self._depth_map, self._truth, self._unit = boxes, depth_map, truth, unit

    def boxes(self, item: Item) -> Any:
        """Boxes of a picture, or None."""
        from howfar.io.boxfiles import read_boxes

        path = _beside(self._boxes, item, (".json",))
        return None if path is None else read_boxes(path)

    def depth_map(self, item: Item) -> DepthMap | None:
        """Depth of a picture, or None."""
        return self._read(self._depth_map, item)

    def truth(self, item: Item) -> DepthMap | None:
        """True depth of a picture, or None."""
        return self._read(self._truth, item)

    def _read(self, where: Path | None, item: Item) -> DepthMap | None:
        from howfar.io.depthfiles import read_depth

        path = _beside(where, item, (".npy", ".png"))
        return None if path is None else read_depth(path, self._unit)


class _Run:
    """All pictures, one after the other; goes on past those that fail."""

    def __init__(
        self,
        ranger: Ranger,
        options: Options,
        extras: _Extras,
        folder: Path,
        formats: list[str],
        as_json: bool,
    ) -> None:
        self.ranger, self.options, self.extras = ranger, options, extras
        self.folder, self.formats, self.as_json = folder, formats, as_json
        self.notes: set[str] = set()

    def all(self, items: list[Item]) -> int:
        """Run everything; returns how many pictures failed."""
        from howfar.io.sinks import RunFiles
        from howfar.io.sources import output_names

        failed = 0
        names = output_names(items)
        files = RunFiles(self.folder, self.formats, self._category_ids())
        try:
            for item, name, image_id in _with_progress(
                list(zip(items, names, _image_ids(names), strict=True))
            ):
                try:
                    self._one(item, name, image_id, files)
                except UsageError:
                    raise
                except (HowfarError, MemoryError) as error:
                    failed += 1
                    told = f"{item.source}: not enough memory; make it smaller"
                    text = error if isinstance(error, HowfarError) else told
                    typer.echo(f"howfar: error: {text}", err=True)
        finally:
            files.close()
        self._summary(len(items), failed)
        return failed

    def _one(self, item: Item, name: Path, image_id: int, files: Any) -> None:
        from howfar.io.records import result_record
        from howfar.io.sinks import write_picture_files

        truth = self.extras.truth(item)
        boxes, depth = self.extras.boxes(item), self.extras.depth_map(item)
        result = self.ranger.run(item.load(), self.options, depth, boxes)
        written, problems = write_picture_files(result, self.folder / name, self.formats, truth)
        for text in (*result.notes, *problems):
            self._note(result, text)
        record = result_record(result, written)
        files.add(result, record, image_id)
        if self.as_json:
            print(json.dumps(record), flush=True)  # noqa: T201 - the product of --json
        else:
            typer.echo(_line(result))

    def _note(self, result: Result, text: str) -> None:
        """Say a note, once for a text that is the same for all pictures."""
        if text not in self.notes:
            self.notes.add(text)
            where = "" if result.source in text or text.startswith("The metres") else result.source
            typer.echo(f"howfar: note: {where + ': ' if where else ''}{text}", err=True)

    def _category_ids(self) -> dict[str, int]:
        """COCO's category ids for its classes, else the class number plus one."""
        from howfar.models.classes import COCO80, COCO_IDS

        card = getattr(self.ranger.detector, "card", None)
        names = card.classes if card else COCO80
        if set(names) <= {*COCO80, "N/A"}:
            return dict(zip(COCO80, COCO_IDS, strict=True))
        return {name: i + 1 for i, name in enumerate(names)}

    def _summary(self, count: int, failed: int) -> None:
        words = f"{count} picture{'s' * (count != 1)}"
        if failed:
            words += f", {failed} failed"
        if self.formats:
            words += f"; files in {self.folder}{'' if str(self.folder).endswith('/') else '/'}"
        if self.formats or failed:
            typer.echo(f"howfar: {words}", err=True)


def _networks(
    detector: str | None, depth: str | None, own_boxes: bool, own_depth: bool
) -> dict[str, str | None]:
    """The networks to load: none where the user brings the boxes or the depth."""
    from howfar.models.catalog import DEFAULT_DEPTH, DEFAULT_DETECTOR

    if own_boxes and detector:
        raise UsageError("give either --detector or --boxes, not both")
    if own_depth and depth:
        raise UsageError("give either --depth or --depth-map, not both")
    return {
        "detector": None if own_boxes else detector or DEFAULT_DETECTOR,
        "depth": None if own_depth or depth == "none" else depth or DEFAULT_DEPTH,
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


def _beside(where: Path | None, item: Item, suffixes: tuple[str, ...]) -> Path | None:
    """The file for a picture: the one named, or the one of the same name in a folder."""
    if where is None or where.is_file():
        return where
    if not where.is_dir():
        raise UsageError(f"{where}: no such file or folder")
    stem = Path(item.source).stem
    for suffix in suffixes:
        if (path := where / f"{stem}{suffix}").is_file():
            return path
    names = " or ".join(stem + suffix for suffix in suffixes)
    raise PictureError(f"{item.source}: there is no {names} in {where}")


def _image_ids(names: list[Path]) -> list[int]:
    """COCO's image ids: the names where all are numbers, as COCO's are, else 1, 2, 3 ..."""
    if all(name.name.isdecimal() for name in names):
        ids = [int(name.name) for name in names]
        if len(set(ids)) == len(ids):
            return ids
    return list(range(1, len(names) + 1))


def _with_progress(jobs: list[tuple[Item, Path, int]]) -> Iterator[tuple[Item, Path, int]]:
    if len(jobs) < 2 or not sys.stderr.isatty():
        yield from jobs
        return
    with make_progress() as progress:
        yield from progress.track(jobs, description="pictures")


def _line(result: Result) -> str:
    """What a person reads: the picture and its objects, nearest first."""
    things = sorted(
        result.objects, key=lambda thing: (thing.distance_m is None, thing.distance_m or 0)
    )
    words = ", ".join(_words(thing) for thing in things) or "nothing"
    hidden = f" ({len(result.left_out)} hidden)" if result.left_out else ""
    return f"{result.source}: {words}{hidden}"


def _words(thing: Object) -> str:
    if thing.distance_m is None:
        return f"{thing.label} ?"
    return f"{thing.label} {thing.distance_m:.3g} m"
