"""Semantic label maps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from howfar.core.resize import resize
from howfar.errors import UsageError

IGNORE = 255
"""Label of pixels without a class."""


@dataclass(frozen=True, eq=False)
class LabelMap:
    """Class of every pixel.

    Attributes:
        labels: (H, W) uint8 indices into `class_names`, or `IGNORE`.
        class_names: at most 255 names.
    """

    labels: npt.NDArray[np.uint8]
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        labels = np.asarray(self.labels)
        if labels.ndim != 2 or not np.issubdtype(labels.dtype, np.integer):
            raise UsageError(
                f"a label map is {labels.dtype} {labels.shape}; expected integer (H, W)"
            )
        if len(self.class_names) > IGNORE:
            raise UsageError(f"{len(self.class_names)} classes; a label map holds at most {IGNORE}")
        known = (labels >= 0) & (labels < len(self.class_names))
        if not (known | (labels == IGNORE)).all():
            raise UsageError(f"a label is outside 0..{len(self.class_names) - 1} and not {IGNORE}")
        labels = labels.astype(np.uint8)
        labels.flags.writeable = False
        object.__setattr__(self, "labels", labels)

    @classmethod
    def from_logits(cls, logits: npt.NDArray[np.float32], class_names: tuple[str, ...]) -> LabelMap:
        """The most probable class of (C, H, W) logits."""
        if logits.ndim != 3 or logits.shape[0] != len(class_names):
            raise UsageError(f"logits {logits.shape} do not fit {len(class_names)} classes")
        return cls(logits.argmax(axis=0).astype(np.uint8), class_names)

    def resized(self, width: int, height: int) -> LabelMap:
        """This map at another size, by nearest neighbour."""
        return LabelMap(resize(self.labels, width, height, "nearest"), self.class_names)

    def fractions(self) -> dict[str, float]:
        """Share of labelled pixels of each class that occurs, largest first; sums to 1."""
        counts = np.bincount(self.labels[self.labels != IGNORE], minlength=len(self.class_names))
        total = int(counts.sum())
        order = np.argsort(-counts, kind="stable")
        return {self.class_names[i]: float(counts[i] / total) for i in order if counts[i]}
