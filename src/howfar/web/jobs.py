"""The queue before the networks: bounded, first come first served, one `Ranger` a worker.

There is no micro-batching: on a CPU a batch costs as much as its pictures one by one (measured in
decision 013), so it would add waiting and nothing else.
"""

from __future__ import annotations

import asyncio
import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from howfar.pipeline import Ranger
from howfar.web.limits import Refusal
from howfar.web.metrics import Metrics

T = TypeVar("T")

FORGETTING = 0.1
"""Weight of the newest job in the mean duration."""


class Jobs:
    """Runs jobs on worker threads; at most `waiting` of them wait.

    Args:
        rangers: one for each worker.
        waiting: how many jobs may wait for a worker.
        metrics: told how long jobs wait and run.
    """

    def __init__(self, rangers: Sequence[Ranger], waiting: int, metrics: Metrics) -> None:
        self.workers, self.waiting = len(rangers), waiting
        self._metrics = metrics
        self._idle: queue.SimpleQueue[Ranger] = queue.SimpleQueue()
        for ranger in rangers:
            self._idle.put(ranger)
        self._pool = ThreadPoolExecutor(self.workers, thread_name_prefix="howfar-job")
        self._lock = threading.Lock()
        self._pending = 0
        self._mean_seconds = 0.1

    @property
    def pending(self) -> int:
        """Jobs that run or wait."""
        return self._pending

    async def run(self, work: Callable[[Ranger], T], seconds: float, stage: str = "predict") -> T:
        """The value of `work(ranger)`; `stage` names it in the metrics.

        Raises `Refusal` 503 where the queue is full and 504 where it takes longer than `seconds`.
        A job whose caller is gone is dropped if it still waits; one that runs is finished.
        """
        with self._lock:
            if self._pending >= self.workers + self.waiting:
                text = f"{self._pending} requests are running or waiting; try again soon"
                raise Refusal(503, text, "Busy", self._retry_after())
            self._pending += 1
        job = self._pool.submit(self._work, work, stage, time.perf_counter())
        job.add_done_callback(self._done)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(job), seconds)
        except TimeoutError:
            text = f"no answer within {seconds:g} s; try again, or send a smaller picture"
            raise Refusal(504, text, "TimedOut", self._retry_after()) from None

    def close(self) -> None:
        """Drop what waits and let what runs finish."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _work(self, work: Callable[[Ranger], T], stage: str, submitted: float) -> T:
        start = time.perf_counter()
        self._metrics.stages.observe(start - submitted, stage="queue")
        ranger = self._idle.get()
        try:
            return work(ranger)
        finally:
            self._idle.put(ranger)
            took = time.perf_counter() - start
            self._metrics.stages.observe(took, stage=stage)
            with self._lock:
                self._mean_seconds += FORGETTING * (took - self._mean_seconds)

    def _done(self, _job: Any) -> None:
        with self._lock:
            self._pending -= 1

    def _retry_after(self) -> int:
        return max(1, math.ceil(self._pending * self._mean_seconds / self.workers))
