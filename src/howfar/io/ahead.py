"""Small bounded pipes of threads: what runs ahead of its user, abreast of him, and behind him.

With one of each, decoding, networks and encoding of a video overlap; memory stays flat, since no
pipe holds more than its size.
"""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

SIZE = 4
"""Items that a pipe holds, unless told otherwise."""
PATIENCE_S = 2.0
"""Longest wait for a thread that is stopped while it waits for a camera."""


class Ahead(Generic[T]):
    """Iterates over `items` in a thread of its own, up to `size` of them ahead of the user.

    Args:
        items: what is iterated; a generator is closed in the thread.
        size: how many items may wait.
        drop_old: where the user is slow, the oldest waiting item gives way to the newest; else the
            thread waits.

    An error of `items` is raised once what came before it was taken.

    Attributes:
        dropped: items that gave way.
    """

    def __init__(self, items: Iterable[T], size: int = SIZE, drop_old: bool = False) -> None:
        self.dropped = 0
        self._items, self._size, self._drop_old = items, size, drop_old
        self._waiting: deque[T] = deque()
        self._changed = threading.Condition()
        self._done = self._stopped = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._fill, name="howfar-ahead", daemon=True)
        self._thread.start()

    def __iter__(self) -> Ahead[T]:
        return self

    def __next__(self) -> T:
        with self._changed:
            while not self._waiting and not self._done:
                self._changed.wait()
            if self._waiting:
                item = self._waiting.popleft()
                self._changed.notify_all()
                return item
        error, self._error = self._error, None
        if error is not None:
            raise error
        raise StopIteration

    def close(self) -> None:
        """Stop the thread and forget what waits."""
        with self._changed:
            self._stopped = True
            self._waiting.clear()
            self._changed.notify_all()
        self._thread.join(PATIENCE_S)

    def _fill(self) -> None:
        try:
            for item in self._items:
                if not self._put(item):
                    break
        except BaseException as error:  # raised in the user's thread
            self._error = error
        finally:
            close = getattr(self._items, "close", None)
            if close is not None:
                close()
            with self._changed:
                self._done = True
                self._changed.notify_all()

    def _put(self, item: T) -> bool:
        """Whether the user wants more."""
        with self._changed:
            while len(self._waiting) >= self._size and not self._stopped:
                if self._drop_old:
                    self._waiting.popleft()
                    self.dropped += 1
                else:
                    self._changed.wait()
            if not self._stopped:
                self._waiting.append(item)
                self._changed.notify_all()
            return not self._stopped


def abreast(
    work: Callable[[T], R], items: Iterator[T], count: int, start: Callable[[], object]
) -> Iterator[Callable[[], R]]:
    """`work(item)` of `count` items at a time, each in a thread that called `start` once.

    Yields, in the order of the items, functions that wait for what `work` returned or raise its
    error. An error of `items` itself comes after the results of those before it.
    """
    failure: Exception | None = None
    with ThreadPoolExecutor(count, "howfar-abreast", initializer=start) as pool:
        running: deque[Future[R]] = deque()
        while True:
            try:
                running.append(pool.submit(work, next(items)))
            except StopIteration:
                break
            except Exception as error:
                failure = error
                break
            if len(running) == count:
                yield running.popleft().result
        while running:
            yield running.popleft().result
    if failure is not None:
        raise failure


def available_cores() -> int:
    """CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Behind(Generic[T]):
    """Calls `work` with each item in a thread of its own, in order, up to `size` items behind.

    An error of `work` is raised by the next `put`, or by `close`; nothing is worked on after it.
    """

    def __init__(self, work: Callable[[T], None], size: int = SIZE) -> None:
        self._work = work
        self._waiting: queue.Queue[T | None] = queue.Queue(size)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="howfar-behind", daemon=True)
        self._thread.start()

    def put(self, item: T) -> None:
        """Leave one item to the thread; waits where too many are waiting."""
        self._raise()
        self._waiting.put(item)

    def close(self) -> None:
        """Wait until all is done."""
        if self._thread.is_alive():
            self._waiting.put(None)
            self._thread.join()
        self._raise()

    def _raise(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _run(self) -> None:
        failed = False
        while (item := self._waiting.get()) is not None:
            if failed:
                continue
            try:
                self._work(item)
            except BaseException as error:  # raised in the user's thread
                self._error, failed = error, True
