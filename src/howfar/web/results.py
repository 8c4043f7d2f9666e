"""Results that can still be fetched: in memory, within a cap, the oldest forgotten first."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from howfar.core.result import Result
from howfar.errors import UsageError
from howfar.options import Options, filter_record, split_by_distance
from howfar.web.limits import Refusal

ID_PATTERN = "^[A-Za-z0-9_-]{22}$"
RECORD_BYTES = 2_000
"""About what a record and an object's share of it take."""


@dataclass(frozen=True)
class Kept:
    """A result and its record."""

    result: Result
    record: dict[str, Any]

    @property
    def size(self) -> int:
        """Bytes that it holds, arrays exactly."""
        result = self.result
        arrays: list[np.ndarray] = [result.image.pixels]
        if result.depth is not None:
            arrays += [result.depth.values, result.depth.valid]
        if result.semantics is not None:
            arrays.append(result.semantics.labels)
        things = len(result.objects) + len(result.left_out)
        return sum(array.nbytes for array in arrays) + RECORD_BYTES * (1 + things)


class Results:
    """Results by unguessable names.

    Args:
        most_bytes: memory for all of them. A result that alone is larger is not kept.
    """

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.bytes = 0
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, name: str, kept: Kept) -> None:
        """Keep a result, and forget the oldest until all fit."""
        if kept.size > self.most_bytes:
            return
        with self._lock:
            self._kept[name] = kept
            self.bytes += kept.size
            while self.bytes > self.most_bytes:
                _, gone = self._kept.popitem(last=False)
                self.bytes -= gone.size

    def get(self, name: str) -> Kept:
        """A kept result, which becomes the newest. Raises `Refusal` 404 where it is not there."""
        with self._lock:
            if name not in self._kept:
                text = (
                    "there is no such result, or no longer: results are kept in memory, up to "
                    f"{self.most_bytes / 1e6:g} MB; send the picture again"
                )
                raise Refusal(404, text, "NotFound")
            self._kept.move_to_end(name)
            return self._kept[name]

    def remove(self, name: str) -> None:
        """Forget a result. Raises `Refusal` 404 where it is not there."""
        kept = self.get(name)
        with self._lock:
            if self._kept.pop(name, None) is not None:
                self.bytes -= kept.size


def new_name() -> str:
    """A name of 128 random bits."""
    return secrets.token_urlsafe(16)


def nearer_than(result: Result, max_distance: float | None) -> Result:
    """The result with the objects up to `max_distance` metres, inclusive; as it is for None.

    Raises `UsageError` where its distances are no metres.
    """
    if max_distance is None:
        return result
    things = [*result.objects, *result.left_out]
    known = any(thing.distance_m is not None for thing in things)
    if not known and (result.depth is None or not result.depth.is_metric):
        raise UsageError("max_distance needs metres, but this depth is relative or missing")
    options = Options(max_distance=max_distance)
    kept, left_out = split_by_distance(things, options)
    return replace(
        result, objects=tuple(kept), left_out=tuple(left_out), filter=filter_record(options)
    )
