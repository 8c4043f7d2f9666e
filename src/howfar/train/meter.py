"""What a run tells of its steps: rows of the log, and the progress."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from howfar.train.loop import Trainer

LOG_EVERY = 10
"""Optimiser steps that one row of the log is about."""


@dataclass(frozen=True)
class Progress:
    """How far training is, for a progress bar.

    Attributes:
        step, steps: optimiser steps done, and in all.
        epoch: from 1.
        loss: mean of the last steps.
        images_per_s: of all processes.
        errors: of the last validation; {} before it.
    """

    step: int
    steps: int
    epoch: int
    loss: float
    images_per_s: float
    errors: dict[str, float]


class Meter:
    """Loss, speed and waiting of the steps since the last row of the log, and of the epoch."""

    def __init__(self) -> None:
        self.rows: list[tuple[float, int, float, float]] = []
        self.rate = 0.0
        self.total, self.count = 0.0, 0

    def add(
        self, run: Trainer, loss: float, rate: float, images: int, waited: float, took: float
    ) -> None:
        """Note one step; every `LOG_EVERY` steps become a row."""
        self.rows.append((loss, images, waited, took))
        self.rate = rate
        self.total, self.count = self.total + loss, self.count + 1
        if run.state.step % LOG_EVERY == 0:
            self.flush(run)

    def flush(self, run: Trainer) -> None:
        """Write what is noted."""
        if not self.rows:
            return
        self.tell(run)
        loss, images, waited, took = self._means()
        if run.main:
            run.log.step(
                {
                    "step": run.state.step,
                    "epoch": run.state.epoch + 1,
                    "loss": f"{loss:.6g}",
                    "lr": f"{self.rate:.6g}",
                    "images_per_s": f"{images / took:.2f}",
                    "wait_share": f"{waited / took:.4f}",
                }
            )
        self.rows = []

    def tell(self, run: Trainer) -> None:
        """Tell the caller how far the run is."""
        if run.tick and run.main:
            loss, images, _, took = self._means()
            steps = min(run.schedule.steps(), run.job.max_steps or math.inf)
            speed = images / took if took else 0.0
            run.tick(
                Progress(run.state.step, int(steps), run.state.epoch + 1, loss, speed, run.errors)
            )

    def epoch_mean(self) -> str:
        """Mean loss of the epoch's steps that this process has run."""
        return f"{self.total / self.count:.6g}" if self.count else ""

    def _means(self) -> tuple[float, float, float, float]:
        if not self.rows:
            return (self.total / self.count if self.count else math.nan), 0.0, 0.0, 0.0
        loss = sum(row[0] for row in self.rows) / len(self.rows)
        images, waited, took = (float(sum(row[i] for row in self.rows)) for i in (1, 2, 3))
        return loss, images, waited, took
