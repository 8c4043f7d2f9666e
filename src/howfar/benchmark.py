"""How long networks take, and how much of it is not the network."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from howfar.core.image import Image
from howfar.errors import UsageError
from howfar.models.card import Task
from howfar.models.network import DetectOptions, Network
from howfar.runtimes.stopwatch import StopwatchRuntime

WARM_UP = 3
"""Rounds that do not count."""


@dataclass(frozen=True, eq=False)
class Timing:
    """Milliseconds of one network in every round.

    Attributes:
        name: what was measured.
        network: of its card and file.
        runtime, precision, threads: what ran it.
        width, height: of its input, in pixels.
        pre_ms: from the picture to the input tensor, (R,).
        network_ms: the bare network, (R,).
        post_ms: from its outputs to objects or maps of the picture's size, (R,).
    """

    name: str
    network: str
    runtime: str
    precision: str
    threads: int
    width: int
    height: int
    pre_ms: npt.NDArray[np.float64]
    network_ms: npt.NDArray[np.float64]
    post_ms: npt.NDArray[np.float64]

    @property
    def total_ms(self) -> npt.NDArray[np.float64]:
        """(R,) all of it."""
        return self.pre_ms + self.network_ms + self.post_ms

    @property
    def outside(self) -> float:
        """Median of the time outside the network as a share of the network's."""
        return float(np.median((self.pre_ms + self.post_ms) / self.network_ms))


def measure(
    networks: Mapping[str, Network],
    image: Image,
    rounds: int = 30,
    options: DetectOptions | None = None,
) -> list[Timing]:
    """Time every network once a round, so that a slow moment of the machine hits all of them.

    Args:
        networks: by the names that the answer uses.
        image: what they look at.
        rounds: that count.
        options: of detectors.

    Raises `UsageError` for less than one round.
    """
    if rounds < 1:
        raise UsageError(f"rounds is {rounds}; give at least 1")
    asked = options or DetectOptions()
    watches = {name: StopwatchRuntime(network.runtime) for name, network in networks.items()}
    watched = {name: replace(n, runtime=watches[name]) for name, n in networks.items()}
    times: dict[str, list[tuple[float, float, float]]] = {name: [] for name in networks}
    for number in range(WARM_UP + rounds):
        for name, network in watched.items():
            found = _once(network, watches[name], image, asked)
            if number >= WARM_UP:
                times[name].append(found)
    return [_timing(name, networks[name], image, rows) for name, rows in times.items()]


def _once(
    network: Network, watch: StopwatchRuntime, image: Image, options: DetectOptions
) -> tuple[float, float, float]:
    """Milliseconds before, in and after the network."""
    began = time.perf_counter()
    network.card.preprocess(image.pixels)
    before = (time.perf_counter() - began) * 1e3
    began = time.perf_counter()
    if network.card.task is Task.DETECT:
        network.detect(image, options)
    elif network.card.task is Task.DEPTH:
        network.estimate(image)
    elif network.card.task is Task.JOINT:
        network.detect_and_estimate(image, options)
    else:
        network.segment(image)
    whole = (time.perf_counter() - began) * 1e3
    return before, watch.ms, max(whole - before - watch.ms, 0.0)


def _timing(
    name: str, network: Network, image: Image, rows: Sequence[tuple[float, float, float]]
) -> Timing:
    place = network.card.preprocess.place(image.width, image.height)
    run = network.runtime
    columns = np.array(rows).T
    return Timing(
        name,
        network.card.name,
        run.name,
        run.precision,
        run.threads,
        place.input_width,
        place.input_height,
        columns[0],
        columns[1],
        columns[2],
    )
