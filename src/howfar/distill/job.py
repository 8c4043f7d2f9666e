"""What `howfar distill` is asked for, and what of it cannot be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from howfar.data.dataset import Dataset
from howfar.distill.lesson import Weights
from howfar.distill.restart import exported_card, restart
from howfar.distill.survey import Kind
from howfar.errors import ModelError, UsageError
from howfar.models.card import ModelCard
from howfar.nets.checkpoint import load_checkpoint
from howfar.nets.joint import SIZES, joint
from howfar.train.loop import LAST
from howfar.train.recipe import Recipe

DETECTOR = ("encoder.", "pyramid.", "head.")
"""Of the names of a student's parameters."""


@dataclass(frozen=True)
class Pictures:
    """One source of pictures: its address and share, as `ADDRESS@SHARE` on the command line.

    Attributes:
        address: as of `open_dataset`. Samples with depth teach by it; the others by the teachers.
        share: of the views.
        kind: only those of a kind, as the survey finds it; None for all.
        keep: part of the samples to use, (first, last); None for all.
    """

    address: str
    share: float
    kind: Kind | None = None
    keep: tuple[int, int] | None = None


@dataclass(frozen=True)
class DistillJob:
    """What to run.

    Attributes:
        pictures: where views come from.
        folder: of the run; the survey is kept in it too.
        detectors: teachers of boxes, at least one; the first also tells what a picture shows.
            Catalog names or files.
        depths: teachers of metric depth indoors.
        relatives: teachers of roads, up to scale (and shift, where their cards say so).
        start: NanoDet-Plus file, or a student (checkpoint, or as it was exported), to start from;
            None: random weights.
        start_depth: FastDepth file or name from which the depth branch of a fresh student starts,
            see `howfar.distill.graft`; None: random weights.
        freeze: the student's detector keeps its weights, and no teacher is asked about boxes.
        freeze_grafted: what the depth branch has of FastDepth keeps its weights, too.
        freeze_wide: 5x5 convolutions of single channels keep theirs, too: their gradients take a
            fifth (float32) to two fifths (bfloat16) of a step's time on a CPU.
        remember: every epoch repeats the same views, see `howfar.distill.remember`; what does not
            learn is asked about each once.
        settings: changes of `RECIPE`, as `--set`.
        views: of an epoch.
        judges: data by which the best weights are chosen, by name.
        weights: of the parts of the loss.
        focal_exponent: power of the focal length by which the student's depth is scaled, 0..1, see
            `ModelCard.focal_exponent`; it learns by the same law. None: that of the student from
            which it goes on or starts, else 1.
        labels: the student gets a semantic head and learns the pixel labels of the first source
            that holds any.
        held: pictures with depth and cameras, held back from training, by which the intervals are
            calibrated, by name; none: the student gives no intervals.
        surveys: folder in which surveys are kept; None: `folder`.
        resume, max_minutes, save_every, workers, cpu: as of `howfar.train.loop.Job`.
    """

    pictures: Sequence[Pictures]
    folder: Path
    detectors: Sequence[str] = ("nanodet-plus-m",)
    depths: Sequence[str] = ("fastdepth",)
    relatives: Sequence[str] = ("pydnet-kitti",)
    start: Path | None = None
    start_depth: str | None = None
    freeze: bool = False
    freeze_grafted: bool = False
    freeze_wide: bool = False
    remember: bool = False
    settings: Sequence[str] = ()
    views: int = 6000
    judges: Mapping[str, Dataset] = field(default_factory=dict)
    weights: Weights = field(default_factory=Weights)
    focal_exponent: float | None = None
    labels: bool = False
    held: Mapping[str, Dataset] = field(default_factory=dict)
    surveys: Path | None = None
    resume: bool = False
    max_minutes: float | None = None
    save_every: int = 100
    workers: int = 1
    cpu: bool = False


def parse_pictures(text: str) -> Pictures:
    """`ADDRESS@SHARE` or `ADDRESS@SHARE@KIND`; raises `UsageError` for anything else."""
    address, *rest = text.split("@")
    try:
        share = float(rest[0]) if rest else 1.0
        kind = Kind(rest[1]) if len(rest) > 1 else None
    except ValueError as error:
        kinds = ", ".join(Kind)
        raise UsageError(
            f"data {text!r}: write ADDRESS@SHARE or ADDRESS@SHARE@KIND with a kind of {kinds}"
        ) from error
    if share <= 0 or len(rest) > 2:
        raise UsageError(f"data {text!r}: the share is a number above 0")
    return replace(Pictures(address, share), kind=kind)


def check(job: DistillJob, recipe: Recipe) -> None:
    """Raise `UsageError` for options that contradict each other, before anything is fetched."""
    if not job.detectors:
        raise UsageError(
            "detector: somebody has to find what tells rooms from roads; name one, and add "
            "--freeze-detector where it is not to teach boxes"
        )
    size = size_of(recipe)
    has_rooms = size in SIZES and SIZES[size][3]
    goes_on = (job.folder / LAST).exists()
    if job.start is not None and not goes_on and not job.start.is_file():
        raise UsageError(f"start {job.start}: there is no such file")
    if job.freeze and job.start is None and not goes_on:
        raise UsageError(
            "freeze-detector: the detector has random weights; add --start nanodet-plus-m (size s) "
            "or --start with a student, or leave it out"
        )
    if job.freeze_grafted and not has_rooms:
        raise UsageError(
            f"freeze-grafted: students of size {size} have nothing of FastDepth's; leave it out, "
            "or use --size s or m"
        )
    if not goes_on:
        _check_start(job, recipe)
    started = not goes_on and job.start is not None and card_of(job.start) is not None
    if started and job.start_depth is not None:
        raise UsageError(
            f"start-depth: the student of {job.start} has its depth branch; leave it out"
        )
    fresh_rooms = has_rooms and not started and job.start_depth is None
    if job.freeze_wide and not goes_on and (job.start is None or fresh_rooms):
        raise UsageError(
            "freeze-wide: layers with random weights would stay so; add --start with a student, or "
            "nanodet-plus-m with --start-depth fastdepth, or leave it out"
        )
    if job.freeze_grafted and job.start_depth is None and not started and not goes_on:
        raise UsageError(
            "freeze-grafted: nothing was grafted; add --start-depth fastdepth, or --start with a "
            "checkpoint that has it"
        )
    learns = [
        *(["add --freeze-detector"] if not job.freeze else []),
        *(["add --freeze-grafted"] if has_rooms and not job.freeze_grafted else []),
        *(["leave out --labels"] if job.labels else []),
        *(["leave out --set multi_scale"] if recipe.multi_scale else []),
    ]
    if job.remember and learns:
        raise UsageError(
            f"remember: what is said of a view once must not change: {', '.join(learns)}"
        )


def _check_start(job: DistillJob, recipe: Recipe) -> None:
    """Raise `UsageError` or `ModelError` where a student cannot start from the given file."""
    start = job.start
    if start is None:
        return
    size = size_of(recipe)
    if start.suffix.lower() != ".onnx":
        checkpoint = load_checkpoint(start)
        if checkpoint.net != "joint":
            raise UsageError(f"start {start}: is a {checkpoint.net}, no student of howfar distill")
        other = checkpoint.options.get("size", "s")
        if other != size:
            raise UsageError(f"start {start}: is of size {other}, not {size}; give --size {other}")
        return
    student = joint(**recipe.net_options)
    if exported_card(start) is not None:
        restart(student, start, None)
        return
    try:
        student.start_from_nanodet(start)
    except ModelError as error:
        raise ModelError(
            f"{error}; a student of size s starts from NanoDet-Plus-m's file, any from a student "
            "of its size"
        ) from error


def size_of(recipe: Recipe) -> str:
    """Key of `howfar.nets.joint.SIZES`."""
    return str(recipe.net_options.get("size", "s"))


def with_rates(job: DistillJob, recipe: Recipe) -> Recipe:
    """What has weights to start from learns at a tenth of the rate, unless `slow` is set or the
    detector is frozen; a run that goes on keeps its rates."""
    given = any(text.partition("=")[0].strip() == "slow" for text in job.settings)
    if given:
        return recipe
    last = job.folder / LAST
    if last.exists():
        kept = load_checkpoint(last).recipe.get("slow", ())
        return replace(recipe, slow=tuple(kept))
    if job.start is None or job.freeze:
        return recipe
    rooms = () if job.start_depth is None else ("depth.rooms.",)
    branch = rooms if card_of(job.start) is None else ("depth.",)
    return replace(recipe, slow=(*DETECTOR, *branch))


def exponent_of(job: DistillJob) -> float:
    """The focal exponent that is given, or that of where the student comes from; raises
    `UsageError` where a run would go on with another one than it was taught with."""
    given, last = job.focal_exponent, job.folder / LAST
    if last.exists():
        taught = load_checkpoint(last).card.focal_exponent
        if given is not None and given != taught:
            raise UsageError(
                f"focal-exponent is {given}; {last} was taught with {taught}; give that, or "
                "another --out"
            )
        return taught
    card = None if job.start is None else card_of(job.start)
    if given is None and card is not None:
        return card.focal_exponent
    return 1.0 if given is None else given


def card_of(start: Path) -> ModelCard | None:
    """The card of a student to start from; None for a detector's file."""
    return exported_card(start) if start.suffix.lower() == ".onnx" else load_checkpoint(start).card
