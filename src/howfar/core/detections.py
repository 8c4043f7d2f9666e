"""What a detector found in one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from howfar.core.boxes import FloatArray, as_boxes
from howfar.errors import UsageError

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Detections:
    """N detections of one image, best score first by convention of the decoders.

    Attributes:
        boxes: (N, 4) float32 `xyxy` pixels of the oriented image.
        scores: (N,) float32, 0..1.
        class_ids: (N,) int64, each an index into `class_names`.
        class_names: the network's classes; shared by all its results.

    Raises `UsageError` at birth where lengths, ranges or class numbers do not fit together.
    Indexing with a mask, a slice or indices returns `Detections`.
    """

    boxes: FloatArray
    scores: FloatArray
    class_ids: IntArray
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        boxes = as_boxes(self.boxes)
        scores = np.asarray(self.scores, dtype=np.float32).reshape(-1)
        class_ids = np.asarray(self.class_ids, dtype=np.int64).reshape(-1)
        if not len(boxes) == len(scores) == len(class_ids):
            raise UsageError(
                f"{len(boxes)} boxes, {len(scores)} scores and {len(class_ids)} class ids "
                "do not fit together"
            )
        if len(scores) and not (np.all(scores >= 0) and np.all(scores <= 1)):
            raise UsageError("a detection score is outside 0..1")
        if len(class_ids) and not (
            class_ids.min() >= 0 and class_ids.max() < len(self.class_names)
        ):
            raise UsageError(f"a class id is outside 0..{len(self.class_names) - 1}")
        for name, array in (("boxes", boxes), ("scores", scores), ("class_ids", class_ids)):
            array = array.view()
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, index: slice | npt.NDArray[np.generic] | Sequence[int]) -> Detections:
        return Detections(
            self.boxes[index], self.scores[index], self.class_ids[index], self.class_names
        )

    @property
    def labels(self) -> list[str]:
        """Class name of each detection."""
        return [self.class_names[i] for i in self.class_ids]

    @classmethod
    def empty(cls, class_names: tuple[str, ...] = ()) -> Detections:
        """No detections."""
        return cls(
            np.zeros((0, 4), np.float32),
            np.zeros(0, np.float32),
            np.zeros(0, np.int64),
            class_names,
        )
