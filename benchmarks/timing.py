"""Interleaved timing: every job once a round, so that a slow moment hits all of them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

SHARED = Path(os.environ.get("HOWFAR_DATA", Path(__file__).parents[2] / "shared" / "data"))
os.environ.setdefault("HOWFAR_MODELS", str(Path(__file__).parents[2] / "shared" / "models"))

NETWORKS = {"howfar-s": ("howfar-s", "howfar-s"), "pair": ("nanodet-plus-m", "fastdepth")}
"""Detector and depth network of what is measured."""


def interleaved(
    jobs: Mapping[str, Callable[[], object]], rounds: int = 30, warm_up: int = 3
) -> dict[str, np.ndarray]:
    """Milliseconds (rounds,) of each job."""
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for number in range(warm_up + rounds):
        for name, job in jobs.items():
            start = time.perf_counter()
            job()
            if number >= warm_up:
                times[name].append((time.perf_counter() - start) * 1e3)
    return {name: np.array(values) for name, values in times.items()}


def row(name: str, ms: np.ndarray, *more: str) -> str:
    """One line of a Markdown table: median, 10th and 90th percentile."""
    low, middle, high = np.percentile(ms, [10, 50, 90])
    return " | ".join([f"| {name}", f"{middle:.1f}", f"{low:.1f} - {high:.1f}", *more]) + " |"
