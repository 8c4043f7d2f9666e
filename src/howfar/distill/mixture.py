"""Pictures of several data sets in stated shares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from howfar.core.camera import Camera
from howfar.data.dataset import Dataset, Problem
from howfar.data.sample import Sample
from howfar.distill.survey import Finding
from howfar.errors import UsageError
from howfar.nets.joint import CANONICAL_FOCAL


@dataclass(frozen=True)
class Source:
    """One data set of a mixture.

    Attributes:
        data: the pictures, with depth where it is known.
        share: of the views, relative to the other sources'.
        findings: what the teachers say of each picture, see `howfar.distill.survey`; None where
            the truth alone teaches.
    """

    data: Dataset
    share: float
    findings: Sequence[Finding] | None = None

    def __post_init__(self) -> None:
        if not self.share > 0:
            raise UsageError(f"{self.data.name}: its share is {self.share}; give a number above 0")
        if self.findings is not None and len(self.findings) != len(self.data):
            raise UsageError(
                f"{self.data.name}: {len(self.data)} pictures, {len(self.findings)} surveyed"
            )


class Mixture:
    """A data set of `count` views, each source in its share; a view is one of its pictures.

    Decoded samples are kept in memory.
    """

    def __init__(self, sources: Sequence[Source], count: int) -> None:
        whole = sum(source.share for source in sources)
        self.sources = tuple(sources)
        self.name = " + ".join(source.data.name for source in sources)
        self.class_names: tuple[str, ...] = ()
        self.left_out: tuple[str, ...] = ()
        self._views: list[tuple[int, int]] = []
        for number, source in enumerate(sources):
            wanted = max(round(count * source.share / whole), 1)
            picks = np.resize(np.random.default_rng(number).permutation(len(source.data)), wanted)
            self._views += [(number, int(i)) for i in picks]
        self._samples: dict[tuple[int, int], Sample] = {}

    def __len__(self) -> int:
        return len(self._views)

    def __getitem__(self, index: int) -> Sample:
        key = self._views[index]
        if key not in self._samples:
            sample = self.sources[key[0]].data[key[1]]
            self._samples[key] = replace(sample, picture=sample.image)
        return self._samples[key]

    def __iter__(self) -> Iterator[Sample]:
        return map(self.__getitem__, range(len(self)))

    def check(self) -> list[Problem]:
        """Problems of the layouts of all sources."""
        return [problem for source in self.sources for problem in source.data.check()]

    def finding(self, index: int) -> Finding | None:
        """What the teachers say of the picture of a view."""
        number, item = self._views[index]
        findings = self.sources[number].findings
        return None if findings is None else findings[item]


def assumed_camera(width: int, height: int) -> Camera:
    """The canonical camera, for pictures of which nothing is known; it keeps track of stretching
    only, since canonical depth needs no focal length."""
    return Camera.from_focal(CANONICAL_FOCAL * width, width, height, "assumed")
