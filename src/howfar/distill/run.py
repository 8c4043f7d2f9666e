"""`howfar distill`: a joint student, its teachers and its pictures, in one call."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from howfar.core.preprocess import Preprocess
from howfar.data.address import open_dataset
from howfar.data.dataset import Dataset, Records
from howfar.data.scene import Scene
from howfar.distill.box_teacher import box_teacher
from howfar.distill.conformal import measure_blocks
from howfar.distill.credits import licence_notes
from howfar.distill.depth_teacher import depth_teacher
from howfar.distill.finish import finish, student_of, usual_views
from howfar.distill.graft import graft
from howfar.distill.job import DistillJob, card_of, check, exponent_of, with_rates
from howfar.distill.lesson import MEAN, STD, Lesson
from howfar.distill.mixture import Mixture, Source
from howfar.distill.named import found_models, starts_of, teachers_of
from howfar.distill.remember import Remembered
from howfar.distill.restart import exported_card, restart
from howfar.distill.survey import Finding, Kind, identity, survey
from howfar.distill.teachers import Teacher, opened
from howfar.distill.views import make_view
from howfar.errors import UsageError
from howfar.models.card import ModelCard, Task
from howfar.models.classes import COCO80
from howfar.models.store import LocalModel, find_model
from howfar.nets.blocks import DepthwiseConv2d
from howfar.nets.checkpoint import load_checkpoint, save_checkpoint
from howfar.nets.joint import Joint
from howfar.train.loop import BEST, LAST, Job, State, Tick, train
from howfar.train.recipe import Recipe, overridden
from howfar.train.task import Task as TrainingTask

TRUSTED = 0.2
"""Least trust in a metric teacher for a picture to teach depth by it alone."""
WIDE_KERNEL = 5
"""Side of the kernels that `DistillJob.freeze_wide` means."""
NORMS = 100
"""Pictures by which the norms of an exported student are measured, each whole and as a view."""
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


Told = Callable[[str, int, int], None]
"""Told what is surveyed, how many pictures are done and how many there are."""
Note = Callable[[str], None]
"""Told what a user should know before it starts, in whole sentences."""


def distill(
    job: DistillJob, tick: Tick | None = None, told: Told | None = None, note: Note | None = None
) -> State:
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
    recipe = with_rates(job, recipe)
    exponent = exponent_of(job)
    if (job.folder / LAST).exists() and not job.resume:
        raise UsageError(
            f"{job.folder} holds a run already; go on with --resume, or use another folder"
        )
    models = found_models(job)
    starts = starts_of(job)
    _note(licence_notes([*teachers_of(job, models), *starts]), note)
    mixture = Mixture(sources(job, models, told), job.views)
    labels = pixel_labels(mixture) if job.labels else ()
    if labels:
        options = {**recipe.net_options, "labels": len(labels)}
        recipe = replace(recipe, net_options=options)
    first = next(iter(job.judges.values()), None)

    def prepare(module: nn.Module) -> TrainingTask:
        lesson = _prepared(module, job, recipe, mixture, models, labels, exponent, starts)
        if not job.remember:
            return lesson
        return Remembered(lesson, student_in(module), job.folder, _told("views", told))

    started = job.start if job.start is not None and job.start.suffix.lower() != ".onnx" else None
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
    if job.held and state.epoch >= recipe.epochs and _first():
        calibrate(job, mixture, told)
    return state


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
    starts: Sequence[ModelCard],
) -> Lesson:
    """The lesson, with the student at its start."""
    module = student_in(module)
    fresh = not (job.folder / LAST).exists()
    if fresh:
        _start(module, job, recipe, mixture)
    if job.freeze:
        for part in module.detector:
            part.requires_grad_(False)
    if not fresh:  # what is frozen is looked at before training restores it
        module.load_state_dict(load_checkpoint(job.folder / LAST).training["model"])
    if job.freeze_grafted and module.depth.rooms is not None:
        module.depth.rooms.requires_grad_(False)
    if job.freeze_wide:
        for layer in module.modules():
            if isinstance(layer, DepthwiseConv2d) and layer.kernel_size[0] == WIDE_KERNEL:
                layer.requires_grad_(False)
    detectors = () if job.freeze else job.detectors
    before = job.start if fresh else job.folder / LAST
    return Lesson(
        recipe,
        mixture,
        [box_teacher(models[name], recipe.preprocess.width) for name in detectors],
        [depth_teacher(models[name]) for name in job.depths],
        [depth_teacher(models[name]) for name in job.relatives],
        job.weights,
        labels,
        job.judges,
        exponent,
        everywhere=not job.freeze_grafted and module.depth.rooms is not None,
        before=None if before is None else card_of(before),
        starts=starts,
    )


def _start(module: Joint, job: DistillJob, recipe: Recipe, mixture: Mixture) -> None:
    """Give a fresh student the weights of the files to start from; checkpoints are read later."""
    size = recipe.preprocess.width
    if job.start is not None and job.start.suffix.lower() == ".onnx":
        if exported_card(job.start) is None:
            module.start_from_nanodet(job.start)
        else:
            restart(module, job.start, usual_views(mixture, size, NORMS))
    if job.start_depth is None:
        return
    model = find_model(job.start_depth)
    indoors = whole_views(mixture, (Kind.INDOOR,), size)
    if indoors is None:
        raise UsageError(
            "start-depth: no picture shows a room, where FastDepth can be asked; add pictures "
            "of rooms, or leave it out"
        )
    others = whole_views(mixture, (Kind.ROAD, Kind.OTHER), size)
    graft(module, Teacher(model, Task.DEPTH), model.path, indoors, others)


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
    detector = opened(models[job.detectors[0]], Task.DETECT)
    depths = [opened(models[name], Task.DEPTH) for name in job.depths]
    found: list[Source] = []
    opened_data = [open_dataset(wanted.address) for wanted in job.pictures]
    silent = job.freeze and not job.depths and not job.relatives
    if silent and all(data[0].depth is None for data in opened_data):
        raise UsageError(
            "freeze-detector: nobody teaches depth; add --depth or --relative, or data with depth"
        )
    asked = "-".join(identity(one.sha256, one.card) for one in (detector, *depths))
    digest = hashlib.sha256(asked.encode()).hexdigest()[:8]
    for wanted, data in zip(job.pictures, opened_data, strict=True):
        if wanted.keep is not None:
            data = part(data, range(*wanted.keep))
        if data[0].depth is not None:
            found.append(Source(data, wanted.share))
            continue
        name = "".join(c if c.isalnum() else "-" for c in data.name).strip("-")
        file = (job.surveys or job.folder) / f"survey-{name}-{digest}.json"
        findings = survey(data, detector, depths, file, _told(data.name, told))
        chosen = [i for i, row in enumerate(findings) if teaches(row, wanted.kind, not job.freeze)]
        if not chosen:
            raise UsageError(f"{data.name}: no picture of kind {wanted.kind} that teaches anything")
        found.append(Source(part(data, chosen), wanted.share, [findings[i] for i in chosen]))
    return found


def teaches(finding: Finding, kind: Kind | None, boxes: bool = True) -> bool:
    """Whether a picture is of the kind; and of rooms, whether a metric teacher is trusted, or where
    none was asked, whether `boxes` are taught."""
    if kind is not None and finding.kind is not kind:
        return False
    if finding.kind is not Kind.INDOOR:
        return True
    return finding.best_trust >= TRUSTED if finding.trust else boxes


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


def _note(texts: Sequence[str], note: Note | None) -> None:
    """Told once, however many processes there are."""
    if note is not None and _first():
        for text in texts:
            note(text)


def _first() -> bool:
    """Whether this is the only process of a run, or the first."""
    return int(os.environ.get("RANK", "0")) == 0


def _told(name: str, told: Told | None) -> Callable[[int, int], None] | None:
    return None if told is None else lambda done, count: told(name, done, count)
