"""`howfar calibrate`: find out about a camera once, for all of its pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from howfar.cli.networks import NETWORKS, ModelOption, ThreadsOption, detector_and_depth
from howfar.cli.progress import DownloadBar, confirm_download, make_progress, split_commas
from howfar.errors import PictureError, UsageError

if TYPE_CHECKING:
    from howfar.calibrate.known import Known
    from howfar.calibrate.pictures import Shot
    from howfar.calibrate.scale import Calibrated
    from howfar.core.camera import Camera
    from howfar.core.image import Image
    from howfar.core.profile import CameraProfile, Lens
    from howfar.core.scale import CameraHeight, ObjectSizes

LENS, SCALE, OUTPUT = "Lens", "Scale: one of these", "Output"
BOARD_PICTURES = 300
"""Pictures or frames in which a board is looked for."""


def calibrate(
    source: Annotated[
        list[str] | None,
        typer.Argument(help="Pictures and videos of the camera, for the scale."),
    ] = None,
    checkerboard: Annotated[
        list[str] | None,
        typer.Option(
            help="Pictures or a video of a checkerboard, seen from all sides.", rich_help_panel=LENS
        ),
    ] = None,
    corners: Annotated[
        str,
        typer.Option(
            help="Inner corners of the board: one less than its squares.", rich_help_panel=LENS
        ),
    ] = "9x6",
    focal_px: Annotated[
        float | None, typer.Option(help="Focal length in pixels.", rich_help_panel=LENS)
    ] = None,
    fov_deg: Annotated[
        float | None,
        typer.Option(help="Horizontal field of view in degrees.", rich_help_panel=LENS),
    ] = None,
    camera: Annotated[
        Path | None,
        typer.Option(help="A profile to add to: its lens is used.", rich_help_panel=LENS),
    ] = None,
    known: Annotated[
        list[str] | None,
        typer.Option(
            help="A known distance: 1.8m@chair or 1.8m@320,240 (depth along the view); with "
            "PICTURE: before it where it holds in one of several. May be given several times.",
            rich_help_panel=SCALE,
        ),
    ] = None,
    object_sizes: Annotated[
        bool,
        typer.Option(
            "--object-sizes", help="Objects have their usual sizes.", rich_help_panel=SCALE
        ),
    ] = False,
    camera_height: Annotated[
        str | None,
        typer.Option(
            help="Height of the camera above the ground: 1.65m or 1.65+-0.05m.",
            rich_help_panel=SCALE,
        ),
    ] = None,
    sizes: Annotated[
        Path | None,
        typer.Option(help="TOML file of sizes for --object-sizes.", rich_help_panel=SCALE),
    ] = None,
    model: ModelOption = None,
    detector: Annotated[
        str | None,
        typer.Option(help="Name, file or address of the detector.", rich_help_panel=NETWORKS),
    ] = None,
    depth: Annotated[
        str | None,
        typer.Option(help="The depth network that the scale is for.", rich_help_panel=NETWORKS),
    ] = None,
    conf: Annotated[
        float, typer.Option(help="Least score, 0..1.", rich_help_panel=NETWORKS)
    ] = 0.25,
    runtime: Annotated[
        str, typer.Option(help="onnx, openvino, or auto.", rich_help_panel=NETWORKS)
    ] = "auto",
    threads: ThreadsOption = None,
    max_pictures: Annotated[
        int,
        typer.Option(
            min=1, help="Of more pictures or frames, use so many.", rich_help_panel=NETWORKS
        ),
    ] = 60,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The profile. [default: that of --camera, else camera.toml]",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what was found as JSON.", rich_help_panel=OUTPUT)
    ] = False,
) -> None:
    """Make a camera profile: lens, and the scale of a depth network on this camera's pictures.

    Every verb uses it with --camera. The scale is used with the depth network that it was found
    with, and no other.

    Examples:

      howfar calibrate --checkerboard board.mp4 --corners 9x6 -o my.toml

      howfar calibrate room.jpg --camera my.toml --known 1.8m@chair

      howfar calibrate a.jpg b.jpg --known a.jpg:2.5m@320,240 --known b.jpg:4m@person -o my.toml

      howfar calibrate drive.mp4 --depth pydnet-kitti --fov-deg 81 --camera-height 1.65m
    """
    from howfar.calibrate.pictures import list_shots
    from howfar.io.profiles import load_profile, save_profile

    if checkerboard and (focal_px is not None or fov_deg is not None):
        raise UsageError("the checkerboard tells the focal length; leave --focal-px, --fov-deg out")
    if focal_px is not None and fov_deg is not None:
        raise UsageError("give either --focal-px or --fov-deg, not both")
    old = None if camera is None else load_profile(camera)
    shots = list_shots(source or [], max_pictures)
    wanted = _wanted(known, object_sizes, sizes, camera_height, shots)
    given = focal_px is not None or fov_deg is not None
    if wanted is not None and not shots:
        raise UsageError("a scale needs pictures or a video of the camera; name them")
    if not (checkerboard or shots):
        raise UsageError(
            "nothing to calibrate with; give --checkerboard, or pictures of the camera with "
            "--known, --camera-height or --object-sizes"
        )
    target = output or camera or Path("camera.toml")

    lens = _board_lens(checkerboard, corners) if checkerboard else None
    profile = _with_lens(old, lens, shots, focal_px, fov_deg, str(target))
    found = None
    if wanted is not None:
        finder, ranging = detector_and_depth(model, detector, depth)
        names = {"detector": finder, "depth": ranging, "runtime": runtime, "threads": threads}
        found = _scale(profile, wanted, shots, names, conf, max_pictures)
        profile = _with_scale(profile, found)
    elif profile.lens is None:
        raise UsageError(
            "nothing is known about the camera: the pictures tell no focal length; give "
            "--focal-px, --fov-deg or --checkerboard, or something for the scale (--known ...)"
        )
    elif lens is None and not given and old is not None:
        raise UsageError(
            "nothing to add to the profile; give --known, --camera-height, --object-sizes or a lens"
        )
    save_profile(profile, target)
    _show(profile, found, target, as_json)


def _wanted(
    known: list[str] | None,
    object_sizes: bool,
    sizes: Path | None,
    camera_height: str | None,
    shots: Sequence[Shot],
) -> ObjectSizes | CameraHeight | dict[str, list[Known]] | None:
    """What is known, checked; None where only a lens is asked for."""
    from howfar.calibrate.known import assign, parse_known
    from howfar.core.scale import CameraHeight, ObjectSizes, parse_scale

    if sum((bool(known), object_sizes, camera_height is not None)) > 1:
        raise UsageError("give one of --known, --object-sizes and --camera-height")
    if sizes is not None and not object_sizes:
        raise UsageError("--sizes is used with --object-sizes only")
    if known:
        sources = [shot.source for shot in shots]
        knowns = [parse_known(text, sources) for text in known]
        return assign(knowns, sources) if sources else {}
    if camera_height is not None:
        try:
            request = parse_scale(f"camera-height={camera_height.strip()}")
        except UsageError:
            request = None
        if not isinstance(request, CameraHeight):
            raise UsageError(f"camera height {camera_height!r}: write 1.65m or 1.65+-0.05m")
        return request
    if object_sizes:
        from howfar.io.sizefiles import read_sizes

        return ObjectSizes(None if sizes is None else read_sizes(sizes))
    return None


def _board_lens(sources: list[str], corners: str) -> tuple[Lens, int, int]:
    """The lens that a checkerboard tells, and the size of its pictures."""
    from howfar.calibrate.board import WELL_COVERED, collect_views, fit_lens, parse_board
    from howfar.calibrate.pictures import list_shots

    board = parse_board(corners)
    shots = list_shots(split_commas(sources), BOARD_PICTURES)
    views = collect_views(_images(shots, BOARD_PICTURES, "board"), board)
    lens = fit_lens(views)
    _tell(
        f"the board is in {views.found} of {views.seen} pictures: {len(views.corners)} different "
        f"views over {views.coverage:.0%} of the picture"
    )
    if views.coverage < WELL_COVERED:
        _tell(
            "the board covers little of the picture; towards its edges the distortion is a guess. "
            "Show the board in the corners as well."
        )
    assert views.size is not None  # noqa: S101 - fit_lens has views
    return lens, *views.size


def _with_lens(
    old: CameraProfile | None,
    board: tuple[Lens, int, int] | None,
    shots: Sequence[Shot],
    focal_px: float | None,
    fov_deg: float | None,
    name: str,
) -> CameraProfile:
    """The profile with the best known lens: board, given, that of the old profile, EXIF."""
    from howfar.calibrate.lens import lens_from
    from howfar.core.camera import Camera
    from howfar.core.profile import CameraProfile

    given: Camera | None = None
    if board is not None:
        lens, width, height = board
    else:
        if focal_px is None and fov_deg is None and old is not None and old.lens is not None:
            return replace(old, name=name)
        first = _first_picture(shots)
        width, height = first.width, first.height
        if focal_px is not None:
            given = Camera.from_focal(focal_px, width, height)
        elif fov_deg is not None:
            given = Camera.from_fov(fov_deg, width, height)
        given = given or first.camera
        if given is None:
            return replace(old, name=name) if old else CameraProfile(width, height, name=name)
        lens = lens_from(given)
    if old is not None and old.scales:
        _tell("the lens is new, so the profile's old scales are left out")
    return CameraProfile(width, height, lens, name=name)


def _first_picture(shots: Sequence[Shot]) -> Image:
    """The first that can be read: its size and EXIF stand for all. Raises `PictureError`."""
    for shot in shots[:-1]:
        with suppress(PictureError):  # told when all are read
            return next(shot.images(1))
    return next(shots[-1].images(1))


def _scale(
    profile: CameraProfile,
    wanted: Any,
    shots: Sequence[Shot],
    names: dict[str, Any],
    conf: float,
    most: int,
) -> Calibrated:
    from howfar.calibrate.lens import check_zoom
    from howfar.calibrate.scale import calibrate_scale
    from howfar.loading import load
    from howfar.options import make_options

    options = make_options({"conf": conf})
    ranger = load(
        names["detector"],
        names["depth"],
        runtime=names["runtime"],
        threads=names["threads"],
        confirm=confirm_download(trust=False),
        progress=DownloadBar(),
    )

    def checked() -> Iterator[Image]:
        for image in _images(shots, most, "pictures"):
            if profile.lens is not None:
                check_zoom(profile.lens, profile.width, image)
            yield image

    return calibrate_scale(ranger, checked(), wanted, profile, options, _tell)


def _tell(text: str) -> None:
    typer.echo(f"howfar: note: {text}", err=True)


def _images(shots: Sequence[Shot], most: int, what: str) -> Iterator[Image]:
    """All pictures, with a bar. Among several, one that cannot be read is told and passed over."""
    with make_progress() as bar:
        task = bar.add_task(what, total=None)
        for shot in shots:
            try:
                for image in shot.images(most):
                    yield image
                    bar.advance(task)
            except PictureError as error:
                if len(shots) == 1:
                    raise
                _tell(f"{error}; passed over")


def _with_scale(profile: CameraProfile, found: Calibrated) -> CameraProfile:
    """The profile with a scale added; an older one of the same network is replaced."""
    others = [entry for entry in profile.scales if entry.network != found.scale.network]
    return replace(profile, scales=(*others, found.scale))


def _show(profile: CameraProfile, found: Calibrated | None, target: Path, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(_record(profile, found, target)))
    else:
        for line in _lines(profile, found):
            typer.echo(line)
    typer.echo(f"howfar: {target} is written; use it with --camera {target}", err=True)


def _lines(profile: CameraProfile, found: Calibrated | None) -> Iterator[str]:
    """What a person reads."""
    camera = profile.raw_camera(profile.width, profile.height)
    lens = profile.lens
    if camera is not None and lens is not None:
        spread = f" +-{lens.uncertainty:.2%}" if lens.uncertainty else ""
        yield (
            f"lens: focal length {lens.fx:.1f} x {lens.fy:.1f} pixels{spread} "
            f"({camera.fov_deg:.1f} degrees wide), from {lens.source}"
        )
        if lens.distorts:
            numbers = ", ".join(f"{v:.4g}" for v in lens.distortion)
            yield f"distortion: {numbers}; {lens.views} views, error {lens.error_px:.2f} pixels"
    if found is None:
        return
    if len(found.readings) <= MOST_LINES:
        for reading in found.readings:
            yield f"{reading.source}: factor {reading.scale.factor:.4g} from {reading.what}"
    entry, scale = found.scale, found.scale.scale
    yield (
        f"scale: {scale.factor:.4g} +-{scale.uncertainty:.0%} for {entry.network}, from "
        f"{scale.source} in {entry.pictures} picture{'s' * (entry.pictures != 1)}"
        + (f" ({scale.objects} objects)" if scale.source == "object-size" else "")
    )


MOST_LINES = 12
"""Readings that are printed one by one."""


def _record(profile: CameraProfile, found: Calibrated | None, target: Path) -> dict[str, Any]:
    """What was found, for machines."""
    from dataclasses import asdict

    readings = found.readings if found else ()
    return {
        "profile": str(target),
        "width": profile.width,
        "height": profile.height,
        "lens": profile.lens and asdict(profile.lens),
        "scales": [asdict(entry) for entry in profile.scales],
        "readings": [
            {
                "source": reading.source,
                "what": reading.what,
                "factor": reading.scale.factor,
                "uncertainty": reading.scale.uncertainty,
            }
            for reading in readings
        ],
    }
