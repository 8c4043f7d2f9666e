"""What a data set is: a sequence of samples that are read one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from howfar.data.sample import Sample
from howfar.errors import HowfarError, UsageError

T = TypeVar("T")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a copy of a data set.

    Attributes:
        path: file, folder or sample.
        message: what is wrong with it.
    """

    path: str
    message: str

    @classmethod
    def of(cls, error: HowfarError, path: str) -> Problem:
        """The problem that reading `path` raised; errors name their file before a colon."""
        file, colon, message = str(error).partition(": ")
        return cls(file, message) if colon else cls(path, str(error))

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class Dataset(Protocol):
    """A sequence of samples; each is read from disk when it is asked for."""

    @property
    def name(self) -> str:
        """Format and path, for reports."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Labels that may occur, in the order of the data set; () where it has no objects."""

    @property
    def left_out(self) -> tuple[str, ...]:
        """What its lists name but the copy does not have, so that reports can count it."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...

    def __iter__(self) -> Iterator[Sample]: ...

    def check(self) -> list[Problem]:
        """What is wrong with its layout: files without partner, unusual counts. Reads no samples;
        `howfar.data.check.check` does that too."""


@dataclass(frozen=True)
class Records(Generic[T]):
    """A data set as a list of items and the function that reads one; what readers return.

    Attributes:
        name: format and path.
        items: what `read` needs to know about each sample.
        read: item -> sample; raises `HowfarError` naming the file.
        class_names: labels that may occur.
        layout: finds the problems of the layout.
        left_out: what lists name but the copy does not have.
    """

    name: str
    items: tuple[T, ...]
    read: Callable[[T], Sample]
    class_names: tuple[str, ...] = ()
    layout: Callable[[], list[Problem]] = list
    left_out: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Sample:
        """Sample `index`; a negative one counts from the end. Raises `IndexError` outside."""
        return self.read(self.items[index])

    def __iter__(self) -> Iterator[Sample]:
        return map(self.read, self.items)

    def check(self) -> list[Problem]:
        """Problems of the layout."""
        return self.layout()


def choice(name: str, value: str, allowed: tuple[str, ...]) -> str:
    """`value` if it is one of `allowed`, else `UsageError`."""
    if value not in allowed:
        raise UsageError(f"option {name}={value!r} is unknown; use one of {', '.join(allowed)}")
    return value


def choices(name: str, value: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """A comma-separated list of some of `allowed`; empty means all."""
    return tuple(choice(name, part, allowed) for part in value.split(",")) if value else allowed
