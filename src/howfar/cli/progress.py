"""Progress bars on stderr, off where it is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.progress import Progress


def make_progress() -> Progress:
    """A bar with count and time left that disappears when it is done."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )


class DownloadBar:
    """What pooch wants of a progress bar, drawn by rich; says in words what is fetched."""

    def __init__(self) -> None:
        self.total = 0
        self._progress: Progress | None = None

    def update(self, amount: int) -> None:
        """`amount` more bytes are here."""
        if self._progress is None:
            self._start()
        if self._progress is not None:
            self._progress.update(self._task, advance=amount)

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

        console = Console(stderr=True)
        columns = ("fetching", BarColumn(), DownloadColumn(), TransferSpeedColumn())
        self._progress = Progress(
            *columns, console=console, transient=True, disable=not sys.stderr.isatty()
        )
        self._progress.start()
        self._task = self._progress.add_task("fetching", total=self.total or None)

    def reset(self) -> None:
        """pooch is done counting."""

    def close(self) -> None:
        """The download is over."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def confirm_download(trust: bool) -> Callable[[str], bool] | None:
    """How to answer whether an unverified download is trusted: yes, by asking, or not at all."""
    if trust:
        return lambda _question: True
    if sys.stdin.isatty() and sys.stderr.isatty():
        return lambda question: typer.confirm(question, err=True)
    return None


def split_commas(values: Sequence[str]) -> list[str]:
    """`["a,b", "c"]` -> `["a", "b", "c"]`, without blanks."""
    return [part.strip() for value in values for part in value.split(",") if part.strip()]
