"""The networks that a job names: found, and what their cards say of whether they can teach."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from howfar.distill.coco80 import taught_classes
from howfar.distill.job import DistillJob, card_of
from howfar.distill.survey import INDOOR, ROAD
from howfar.distill.teachers import need_metres, opened
from howfar.errors import ModelError, UsageError
from howfar.models.card import ModelCard, Task
from howfar.models.classes import COCO80
from howfar.models.store import LocalModel, find_model
from howfar.train.loop import LAST


def found_models(job: DistillJob) -> dict[str, LocalModel]:
    """The files of all teachers by name; raises `UsageError` and `ModelError` that say which option
    names what is not there, or names it twice."""
    models: dict[str, LocalModel] = {}
    options = (("detector", job.detectors), ("depth", job.depths), ("relative", job.relatives))
    for option, names in options:
        for number, name in enumerate(names):
            if name in names[:number]:
                raise UsageError(f"{option}: {name} is named twice; name each network once")
            with _told_of(option):
                models[name] = find_model(name)
    return models


def teachers_of(job: DistillJob, models: Mapping[str, LocalModel]) -> list[ModelCard]:
    """Cards of those who teach; raises `UsageError` and `ModelError` for networks that cannot teach
    what they are named for."""
    with _told_of("detector"):
        detectors = [opened(models[name], Task.DETECT).card for name in job.detectors]
        classes = [taught_classes(card) for card in detectors]
    with _told_of("depth"):
        depths = [opened(models[name], Task.DEPTH).card for name in job.depths]
        for card in depths:
            need_metres(card)
    with _told_of("relative"):
        relatives = [opened(models[name], Task.DEPTH).card for name in job.relatives]
    known = {COCO80[number] for number in classes[0]}
    for option, cards, kind, shown in (
        ("depth", depths, INDOOR, "rooms"),
        ("relative", relatives, ROAD, "roads"),
    ):
        if cards and not known & kind:
            raise UsageError(
                f"detector: {detectors[0].name} finds nothing by which {shown} are known, where "
                f"{cards[0].name} would teach; name one first that does, such as nanodet-plus-m, "
                f"or give --{option} none"
            )
    return [*([] if job.freeze else detectors), *depths, *relatives]


def starts_of(job: DistillJob) -> list[ModelCard]:
    """Cards of the networks, no students, with whose weights a fresh run starts."""
    if (job.folder / LAST).exists():
        return []
    found = []
    if job.start is not None and card_of(job.start) is None:
        found.append(opened(find_model(str(job.start)), Task.DETECT).card)
    if job.start_depth is not None:
        found.append(opened(find_model(job.start_depth), Task.DEPTH).card)
    return found


@contextmanager
def _told_of(option: str) -> Iterator[None]:
    """Errors begin with the option that they are about."""
    try:
        yield
    except (ModelError, UsageError) as error:
        raise type(error)(f"{option}: {error}") from error
