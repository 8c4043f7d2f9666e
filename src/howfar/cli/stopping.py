"""Ctrl-C, and a polite request to end, SIGTERM: what is being written is finished first."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType


class Stops:
    """Within it SIGTERM ends the work as Ctrl-C does, by `KeyboardInterrupt`.

    Attributes:
        finishing: set while files are finished: the first of either signal then waits for
            `finished` or for the end of the block, a second one ends at once. It is set by a plain
            assignment, between which and the statement before it no signal can come.

    A signal that the process ignores stays ignored.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.finishing = self._waits = False

    def __enter__(self) -> Stops:
        self._before = {
            number: signal.signal(number, self._come)
            for number in self.SIGNALS
            if signal.getsignal(number) is not signal.SIG_IGN
        }
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self.finished()

    def finished(self) -> None:
        """Files are finished; raises `KeyboardInterrupt` where a signal waits."""
        self.finishing, waits, self._waits = False, self._waits, False
        if waits:
            raise KeyboardInterrupt

    def _come(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self.finishing and not self._waits:
            self._waits = True
        else:
            raise KeyboardInterrupt
