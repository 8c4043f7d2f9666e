"""A runtime that says how long its last run took."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from howfar.models.network import Runtime


class StopwatchRuntime:
    """Runs a network and notes the time.

    Attributes:
        ms: milliseconds of the last run.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.name, self.precision, self.threads = runtime.name, runtime.precision, runtime.threads
        self.inputs, self.outputs = runtime.inputs, runtime.outputs
        self.metadata = runtime.metadata
        self.ms = 0.0

    def run(
        self, feeds: Mapping[str, npt.NDArray[np.generic]]
    ) -> dict[str, npt.NDArray[np.generic]]:
        """Run once."""
        began = time.perf_counter()
        found = self._runtime.run(feeds)
        self.ms = (time.perf_counter() - began) * 1e3
        return found
