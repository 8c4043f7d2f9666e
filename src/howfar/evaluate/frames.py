"""Walking a data set: what was measured, what failed, what has no truth. Nothing is skipped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, Protocol, TypeVar

from howfar.data.dataset import Dataset
from howfar.data.sample import Sample
from howfar.errors import HowfarError, UsageError
from howfar.evaluate.systems import System

PartT = TypeVar("PartT")
Tick = Callable[[int, int], None]
"""Told (pictures done, pictures in all)."""


class Left(NamedTuple):
    """A picture that is not in the numbers, and why."""

    frame: str
    reason: str


class Judge(Protocol, Generic[PartT]):
    """Measures one system on one sample after the other."""

    @property
    def system(self) -> System:
        """What is measured."""

    def measure(self, sample: Sample) -> PartT | str:
        """What one sample gives, or the reason why it has no truth to compare with. Keeps nothing.

        Raises `HowfarError` where the system fails on it.
        """

    def keep(self, part: PartT, index: int) -> None:
        """Add what `measure` gave for sample `index` of the data set."""


@dataclass
class Tally:
    """What became of the pictures of a data set.

    Attributes:
        data: name of the data set.
        frames: in the numbers.
        failed: could not be read, or the system failed on them.
        without_truth: hold nothing to compare with.
        absent: named by the lists of the data set, but not in this copy.
        beyond_limit: pictures that `limit` left out.
        read_s, total_s: seconds that the networks waited for pictures to be read, and in all.
        system_s: seconds that the systems ran, all of them together.
    """

    data: str
    frames: int = 0
    failed: list[Left] = field(default_factory=list)
    without_truth: list[Left] = field(default_factory=list)
    absent: tuple[str, ...] = ()
    beyond_limit: int = 0
    read_s: float = 0.0
    total_s: float = 0.0
    system_s: float = 0.0

    def counts(self) -> dict[str, int]:
        """The numbers of frames, for reports."""
        return {
            "frames": self.frames,
            "failed": len(self.failed),
            "without_truth": len(self.without_truth),
            "absent": len(self.absent),
            "beyond_limit": self.beyond_limit,
        }


def walk(
    dataset: Dataset,
    judges: Sequence[Judge[PartT]],
    limit: int | None = None,
    tick: Tick | None = None,
) -> Tally:
    """Show every sample to every judge; each picture is decoded once, while the one before it is
    measured.

    A sample on which one judge fails, or that has no truth, is kept by none, so that all have
    judged the same pictures.

    Raises `UsageError`, which is the same for every picture, and where nothing could be measured.
    """
    start = time.perf_counter()
    count = len(dataset) if limit is None else min(limit, len(dataset))
    if count < 1:
        raise UsageError(
            f"{dataset.name}: {count} pictures to evaluate; give a limit of at least 1"
        )
    tally = Tally(dataset.name, absent=dataset.left_out, beyond_limit=len(dataset) - count)
    for index, reading in enumerate(_read_ahead(dataset, count)):
        frame = f"#{index}"
        try:
            began = time.perf_counter()
            sample = reading.result()
            tally.read_s += time.perf_counter() - began
            frame = sample.id
            parts = [judge.measure(sample) for judge in judges]
        except UsageError:
            raise
        except HowfarError as error:
            tally.failed.append(Left(frame, str(error)))
        else:
            _keep(tally, judges, parts, index, frame)
        if tick:
            tick(index + 1, count)
    tally.total_s = time.perf_counter() - start
    tally.system_s = sum(judge.system.seconds for judge in judges)
    return tally


def _read_ahead(dataset: Dataset, count: int) -> Iterator[Future[Sample]]:
    """The first `count` samples in order, one being read behind the one in use."""
    with ThreadPoolExecutor(1, "howfar-read") as reader:
        ahead = reader.submit(_read, dataset, 0)
        for index in range(1, count + 1):
            now = ahead
            if index < count:
                ahead = reader.submit(_read, dataset, index)
            yield now


def _read(dataset: Dataset, index: int) -> Sample:
    sample = dataset[index]
    _ = sample.image
    return sample


def _keep(
    tally: Tally,
    judges: Sequence[Judge[PartT]],
    parts: Sequence[PartT | str],
    index: int,
    frame: str,
) -> None:
    reasons = [part for part in parts if isinstance(part, str)]
    if reasons:
        tally.without_truth.append(Left(frame, reasons[0]))
        return
    tally.frames += 1
    for judge, part in zip(judges, parts, strict=True):
        judge.keep(part, index)  # type: ignore[arg-type]  # texts were sorted out above
