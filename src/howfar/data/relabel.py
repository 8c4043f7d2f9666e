"""A data set under other class names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from howfar.data.dataset import Dataset, Problem
from howfar.data.sample import Sample

OF_OBJECTS = (
    "boxes",
    "scores",
    "occlusion",
    "truncation",
    "ignore",
    "crowd",
    "difficult",
    "areas",
    "instance_ids",
)
"""Arrays of a sample that have an entry for each object."""


@dataclass(frozen=True)
class Relabelled:
    """A data set whose objects have other names, or are gone.

    Attributes:
        data: the data set.
        class_map: old name -> new name; names that it lacks stay.
        class_names: the new names, in their order; objects of others are left out.
    """

    data: Dataset
    class_map: Mapping[str, str]
    class_names: tuple[str, ...]

    @property
    def name(self) -> str:
        """Format and path."""
        return self.data.name

    @property
    def left_out(self) -> tuple[str, ...]:
        """What its lists name but the copy does not have."""
        return self.data.left_out

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Sample:
        """Sample `index` under the new names."""
        sample = self.data[index]
        if sample.boxes is None:
            return sample
        names = [self.class_map.get(name, name) for name in sample.labels]
        kept = [i for i, name in enumerate(names) if name in self.class_names]
        changed: dict[str, Any] = {"labels": tuple(names[i] for i in kept)}
        for field in OF_OBJECTS:
            value = getattr(sample, field)
            changed[field] = None if value is None else value[kept]
        if sample.boxes3d is not None:
            changed["boxes3d"] = tuple(sample.boxes3d[i] for i in kept)
        return replace(sample, **changed)

    def __iter__(self) -> Iterator[Sample]:
        return (self[i] for i in range(len(self)))

    def check(self) -> list[Problem]:
        """Problems of the data set's layout."""
        return self.data.check()


def relabelled(data: Dataset, class_map: Mapping[str, str], classes: Sequence[str]) -> Dataset:
    """`data` under the names of `classes`; itself where nothing changes."""
    if not class_map and tuple(classes) == data.class_names:
        return data
    return Relabelled(data, class_map, tuple(classes))
