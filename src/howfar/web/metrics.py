"""Numbers for Prometheus, as text (exposition format 0.0.4)."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
Labels = tuple[tuple[str, str], ...]


class Counter:
    """A number that only grows, by labels."""

    def __init__(self, name: str, text: str) -> None:
        self.name, self.text = name, text
        self._values: dict[Labels, float] = defaultdict(float)
        self._lock = threading.Lock()

    def add(self, amount: float = 1, **labels: str) -> None:
        """Count."""
        with self._lock:
            self._values[tuple(labels.items())] += amount

    def lines(self) -> list[str]:
        """As text."""
        with self._lock:
            values = sorted(self._values.items())
        rows = [f"{self.name}{_labels(labels)} {value:g}" for labels, value in values]
        return [*_head(self.name, self.text, "counter"), *rows]


class Histogram:
    """Durations in buckets, by labels."""

    def __init__(self, name: str, text: str, bounds: Sequence[float] = SECONDS) -> None:
        self.name, self.text, self.bounds = name, text, tuple(bounds)
        self._counts: dict[Labels, list[int]] = defaultdict(lambda: [0] * (len(self.bounds) + 1))
        self._sums: dict[Labels, float] = defaultdict(float)
        self._lock = threading.Lock()

    def observe(self, seconds: float, **labels: str) -> None:
        """One more duration."""
        place = sum(seconds > bound for bound in self.bounds)
        key = tuple(labels.items())
        with self._lock:
            self._counts[key][place] += 1
            self._sums[key] += seconds

    def lines(self) -> list[str]:
        """As text; buckets are cumulative."""
        rows = _head(self.name, self.text, "histogram")
        with self._lock:
            for key, counts in sorted(self._counts.items()):
                total = 0
                for bound, count in zip((*self.bounds, "+Inf"), counts, strict=True):
                    total += count
                    rows.append(f"{self.name}_bucket{_labels((*key, ('le', f'{bound}')))} {total}")
                rows.append(f"{self.name}_sum{_labels(key)} {self._sums[key]:.6f}")
                rows.append(f"{self.name}_count{_labels(key)} {total}")
        return rows


class Metrics:
    """Everything that the server counts."""

    def __init__(self) -> None:
        self.requests = Counter("howfar_requests_total", "Answers by route and status.")
        self.gone = Counter("howfar_clients_gone_total", "Clients that left before their answer.")
        self.frames = Counter("howfar_frames_total", "Frames of live streams by outcome.")
        self.seconds = Histogram("howfar_request_seconds", "Time from request to answer.")
        self.stages = Histogram("howfar_stage_seconds", "Time in the queue and in the networks.")
        self.started = time.time()
        self._gauges: list[tuple[str, str, Callable[[], float]]] = []
        self.gauge("howfar_start_time_seconds", "When the server started.", lambda: self.started)
        self.gauge("howfar_resident_bytes", "Memory of the process.", resident_bytes)

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Add a number that is read when it is asked for."""
        self._gauges.append((name, text, read))

    def text(self) -> str:
        """All of it."""
        rows: list[str] = []
        for series in (self.requests, self.gone, self.frames, self.seconds, self.stages):
            rows += series.lines()
        for name, text, read in self._gauges:
            rows += [*_head(name, text, "gauge"), f"{name} {read():.15g}"]
        return "\n".join(rows) + "\n"


def resident_bytes() -> float:
    """Memory of this process, 0 where the system does not tell."""
    try:
        fields = Path("/proc/self/status").read_text().split()
    except OSError:
        return 0.0
    return float(fields[fields.index("VmRSS:") + 1]) * 1024


def _head(name: str, text: str, kind: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels) + "}"
