"""`howfar distill`: a joint student, its teachers and its pictures, in one call."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from howfar.core.preprocess import Preprocess
from howfar.data.address import open_dataset
from howfar.data.dataset import Dataset, Records
from howfar.data.scene import Scene
from howfar.distill.conformal import measure_blocks
from howfar.distill.finish import finish, student_of
from howfar.distill.graft import graft
from howfar.distill.lesson import MEAN, STD, Lesson, Weights
from howfar.distill.mixture import Mixture, Source
from howfar.distill.remember import Remembered
from howfar.distill.survey import Finding, Kind, survey
from howfar.distill.teachers import Teacher
from howfar.distill.views import make_view
from howfar.errors import UsageError
from howfar.loading import load_network
from howfar.models.card import Task
from howfar.models.classes import COCO80
from howfar.models.store import LocalModel, find_model
from howfar.nets.checkpoint import load_checkpoint, save_checkpoint
from howfar.nets.joint import SIZES, Joint
from howfar.train.loop import BEST, LAST, Job, State, Tick, train
from howfar.train.recipe import Recipe, overridden
from howfar.train.task import Task as TrainingTask

TRUSTED = 0.2
"""Least trust in the metric teacher for a picture to teach depth by it alone."""
GRAFTED = 400
"""Pictures by which a depth branch is set upon a detector."""
RECIPE = Recipe(
    name="howfar-s",
    net="joint",
    preprocess=Preprocess(320, 320, channels="BGR", divisor=1.0, mean=MEAN, std=STD),
    loss="distill",
    net_options={"size": "s", "norm": False},
    optimiser="adamw",
    lr=1e-3,
    weight_decay=1e-4,
    schedule="cosine",
    lr_end=0.02,
    warmup_batches=200,
    clip_norm=5.0,
    batch=16,
    epochs=5,
    ema=0.999,
    source="howfar: dense function matching of several teachers",
)
"""What `howfar distill` starts from; any field can be set."""


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
        detector: teacher of boxes: it also tells what a picture shows. Catalog name or file.
        depth: teacher of metric depth indoors, or None.
        relative: teacher of roads, up to scale (and shift, where its card says so), or None.
        start: NanoDet-Plus file, or a checkpoint of a student, to start from; None: random weights.
        start_depth: FastDepth file or name from which the depth branch of a fresh student starts,
            see `howfar.distill.graft`; None: random weights.
        freeze: the student's detector keeps its weights, and no teacher is asked about boxes.
        freeze_grafted: what the depth branch has of FastDepth keeps its weights, too.
        remember: every epoch repeats the same views, see `howfar.distill.remember`; what does not
            learn is asked about each once.
        settings: changes of `RECIPE`, as `--set`.
        views: of an epoch.
        judges: data by which the best weights are chosen, by name.
        weights: of the parts of the loss.
        focal_exponent: power of the focal length by which the student's depth is scaled, 0..1, see
            `ModelCard.focal_exponent`; it learns by the same law. None: that of the checkpoint from
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
    detector: str = "nanodet-plus-m"
    depth: str | None = "fastdepth"
    relative: str | None = "pydnet-kitti"
    start: Path | None = None
    start_depth: str | None = None
    freeze: bool = False
    freeze_grafted: bool = False
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


Told = Callable[[str, int, int], None]
"""Told what is surveyed, how many pictures are done and how many there are."""


def distill(job: DistillJob, tick: Tick | None = None, told: Told | None = None) -> State:
    """Teach a joint student; returns where training ended.

    Raises `UsageError` for requests that cannot be, and what training and reading pictures raise.
    """
    if not job.pictures:
        raise UsageError("there are no pictures to learn from; give --data ADDRESS@SHARE")
    for name, data in job.held.items():
        if data[0].depth is None or data[0].camera is None:
            raise UsageError(f"calibrate {name}: {data.name} has no depth, or no cameras")
    recipe = overridden(RECIPE, list(job.settings))
    if recipe.net != "joint":
        raise UsageError(f"net is {recipe.net!r}; distill teaches joint networks")
    check(job, recipe)
    exponent = _exponent(job)
    models = {name: find_model(name) for name in (job.detector, job.depth, job.relative) if name}
    mixture = Mixture(sources(job, models, told), job.views)
    labels = pixel_labels(mixture) if job.labels else ()
    if labels:
        options = {**recipe.net_options, "labels": len(labels)}
        recipe = replace(recipe, net_options=options)
    first = next(iter(job.judges.values()), None)

    def prepare(module: nn.Module) -> TrainingTask:
        lesson = _prepared(module, job, recipe, mixture, models, labels, exponent)
        if not job.remember:
            return lesson
        return Remembered(lesson, student_in(module), job.folder, _told("views", told))

    started = job.start if job.start is not None and job.start.suffix != ".onnx" else None
    fresh = not (job.folder / LAST).exists()
    state = train(
        Job(
            recipe,
            mixture,
            job.folder,
            first,
            weights=started if fresh else None,
            resume=job.resume,
            max_minutes=job.max_minutes,
            save_every=job.save_every,
            workers=job.workers,
            cache_mb=0,  # the mixture keeps its samples
            cpu=job.cpu,
            prepare=prepare,
        ),
        tick,
    )
    if job.held and state.epoch >= recipe.epochs and int(os.environ.get("RANK", "0")) == 0:
        calibrate(job, mixture, told)
    return state


def check(job: DistillJob, recipe: Recipe) -> None:
    """Raise `UsageError` for options that contradict each other, before anything is fetched."""
    size = str(recipe.net_options.get("size", "s"))
    has_rooms = size in SIZES and SIZES[size][3]
    goes_on = (job.folder / LAST).exists()
    if job.start is not None and not job.start.is_file():
        raise UsageError(f"start {job.start}: there is no such file")
    if job.freeze and job.start is None and not goes_on:
        raise UsageError(
            "freeze-detector: the detector has random weights; add --start with NanoDet-Plus-m's "
            "ONNX file (size s) or a checkpoint, or leave it out"
        )
    if job.freeze_grafted and not has_rooms:
        raise UsageError(
            f"freeze-grafted: students of size {size} have nothing of FastDepth's; leave it out, "
            "or use --size s or m"
        )
    started = job.start is not None and job.start.suffix != ".onnx"
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


def _exponent(job: DistillJob) -> float:
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
    if given is None and job.start is not None and job.start.suffix != ".onnx":
        return load_checkpoint(job.start).card.focal_exponent
    return 1.0 if given is None else given


def calibrate(job: DistillJob, mixture: Mixture, told: Told | None) -> None:
    """Put calibrated intervals into the best checkpoint of a run."""
    best = job.folder / BEST
    checkpoint = load_checkpoint(best)
    student, size = student_of(checkpoint), checkpoint.card.preprocess.width
    groups = []
    for number, (name, data) in enumerate(job.held.items()):
        if told is not None:
            told(f"intervals on {name}", number, len(job.held))
        exponent = checkpoint.card.focal_exponent
        groups.append(measure_blocks(student, data, size, exponent))
    save_checkpoint(best, finish(checkpoint, mixture, groups))


def _prepared(
    module: nn.Module,
    job: DistillJob,
    recipe: Recipe,
    mixture: Mixture,
    models: Mapping[str, LocalModel],
    labels: tuple[str, ...],
    exponent: float,
) -> Lesson:
    """The lesson, with the student at its start."""
    module = student_in(module)
    fresh = not (job.folder / LAST).exists()
    if fresh and job.start is not None and job.start.suffix == ".onnx":
        module.start_from_nanodet(job.start)
    if fresh and job.start_depth is not None:
        model = find_model(job.start_depth)
        size = recipe.preprocess.width
        indoors = whole_views(mixture, (Kind.INDOOR,), size)
        if indoors is None:
            raise UsageError(
                "start-depth: no picture shows a room, where FastDepth can be asked; add pictures "
                "of rooms, or leave it out"
            )
        others = whole_views(mixture, (Kind.ROAD, Kind.OTHER), size)
        graft(module, Teacher(model, Task.DEPTH), model.path, indoors, others)
    if job.freeze:
        for part in module.detector:
            part.requires_grad_(False)
    if not fresh:  # what is frozen is looked at before training restores it
        module.load_state_dict(load_checkpoint(job.folder / LAST).training["model"])
    if job.freeze_grafted and module.depth.rooms is not None:
        module.depth.rooms.requires_grad_(False)
    return Lesson(
        recipe,
        mixture,
        None if job.freeze else Teacher(models[job.detector], Task.DETECT, recipe.preprocess.width),
        Teacher(models[job.depth], Task.DEPTH) if job.depth else None,
        Teacher(models[job.relative], Task.DEPTH) if job.relative else None,
        job.weights,
        labels,
        job.judges,
        exponent,
    )


def student_in(module: nn.Module) -> Joint:
    """The module as what it has to be."""
    if not isinstance(module, Joint):
        raise UsageError("distill teaches joint networks")
    return module


def whole_views(mixture: Mixture, kinds: Sequence[Kind], size: int) -> Tensor | None:
    """(N, 3, size, size) RGB 0..1: up to `GRAFTED` whole pictures of some kinds; None without."""
    rng = np.random.default_rng(0)
    views: list[np.ndarray] = []
    for index in rng.permutation(len(mixture)).tolist():
        finding = mixture.finding(index)
        if finding is None or finding.kind not in kinds or len(views) == GRAFTED:
            continue
        bare = Scene(image=mixture[index].image.pixels)
        views.append(make_view(bare, finding, COCO80, size, rng, plain=True).image)
    if not views:
        return None
    return torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2).float() / 255


def sources(job: DistillJob, models: Mapping[str, LocalModel], told: Told | None) -> list[Source]:
    """The data sets of a job; those without depth are surveyed first, once."""
    detector = load_network(models[job.detector], Task.DETECT)
    metric = load_network(models[job.depth], Task.DEPTH) if job.depth else None
    found: list[Source] = []
    for wanted in job.pictures:
        data = open_dataset(wanted.address)
        if wanted.keep is not None:
            data = part(data, range(*wanted.keep))
        if data[0].depth is not None:
            found.append(Source(data, wanted.share))
            continue
        name = "".join(c if c.isalnum() else "-" for c in data.name).strip("-")
        file = (job.surveys or job.folder) / f"survey-{name}.json"
        findings = survey(data, detector, metric, file, _told(data.name, told))
        chosen = [i for i, row in enumerate(findings) if teaches(row, wanted.kind)]
        if not chosen:
            raise UsageError(f"{data.name}: no picture of kind {wanted.kind} that teaches anything")
        found.append(Source(part(data, chosen), wanted.share, [findings[i] for i in chosen]))
    return found


def teaches(finding: Finding, kind: Kind | None) -> bool:
    """Whether a picture is of the kind, and somebody knows something about its depth."""
    if kind is not None and finding.kind is not kind:
        return False
    return finding.kind is not Kind.INDOOR or finding.trust >= TRUSTED


def pixel_labels(mixture: Mixture) -> tuple[str, ...]:
    """Names of the pixel classes of the first source that has any; raises `UsageError`."""
    for source in mixture.sources:
        semantics = source.data[0].semantics
        if semantics is not None:
            return semantics.class_names
    raise UsageError(
        "labels: none of the data holds labels of pixels; add some, such as synthetic:mixed@0.2"
    )


def part(data: Dataset, numbers: Sequence[int] | range) -> Dataset:
    """Some samples of a data set."""
    return Records(data.name, tuple(numbers), data.__getitem__, data.class_names)


def _told(name: str, told: Told | None) -> Callable[[int, int], None] | None:
    return None if told is None else lambda done, count: told(name, done, count)


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
