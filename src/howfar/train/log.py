"""What a training run writes down: `steps.csv`, `epochs.csv` and `curves.png`."""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

STEPS, EPOCHS, CURVES = "steps.csv", "epochs.csv", "curves.png"
STEP_FIELDS = ("step", "epoch", "loss", "lr", "images_per_s", "wait_share")


class Log:
    """The files of one run.

    Args:
        folder: of the run.
        resumed_at: optimiser steps that are done; rows beyond are of a run that was lost.
    """

    def __init__(self, folder: Path, resumed_at: int) -> None:
        self._folder = folder
        for name in (STEPS, EPOCHS):
            rows = [row for row in read_rows(folder / name) if int(row["step"]) <= resumed_at]
            _write(folder / name, rows)

    def step(self, row: Mapping[str, Any]) -> None:
        """Add a row of `STEP_FIELDS`."""
        _append(self._folder / STEPS, row)

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Add a row about an epoch and draw the curves anew."""
        _append(self._folder / EPOCHS, row)
        draw_curves(self._folder)


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a log file; [] where there is none yet."""
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def draw_curves(folder: Path) -> None:
    """Draw loss and validation errors into `curves.png`; nothing without matplotlib."""
    if importlib.util.find_spec("matplotlib") is None:
        return
    from matplotlib.figure import Figure

    steps, epochs = read_rows(folder / STEPS), read_rows(folder / EPOCHS)
    names = [n for n in (epochs[0] if epochs else {}) if n not in ("step", "epoch", "loss")]
    names = [n for n in names if any(row[n] for row in epochs)][:2]
    figure = Figure(figsize=(4.5 * (1 + len(names)), 3.4), layout="constrained")
    axes = figure.subplots(1, 1 + len(names), squeeze=False)[0]
    axes[0].plot([int(r["step"]) for r in steps], [float(r["loss"]) for r in steps], lw=1)
    axes[0].set_title("training loss")
    for axis, name in zip(axes[1:], names, strict=True):
        rows = [row for row in epochs if row[name]]
        axis.plot([int(r["step"]) for r in rows], [float(r[name]) for r in rows], marker=".")
        axis.set_title(f"validation {name}")
    for axis in axes:
        axis.set_xlabel("step")
        axis.grid(alpha=0.3)
    part = folder / f".{CURVES}.part"
    figure.savefig(part, format="png", dpi=100)
    part.replace(folder / CURVES)


def _append(path: Path, row: Mapping[str, Any]) -> None:
    new = not path.is_file()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        if new:
            writer.writeheader()
        writer.writerow(dict(row))


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    path.unlink(missing_ok=True)
    for row in rows:
        _append(path, row)
