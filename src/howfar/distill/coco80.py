"""The names of teachers' classes as the student's: COCO's 80."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from howfar.core.detections import Detections, IntArray
from howfar.errors import UsageError
from howfar.models.card import ModelCard
from howfar.models.classes import COCO80

ALIASES = {
    "aeroplane": "airplane",
    "diningtable": "dining table",
    "motorbike": "motorcycle",
    "pottedplant": "potted plant",
    "sofa": "couch",
    "tvmonitor": "tv",
}
"""Pascal VOC's and darknet's spellings."""
SHOWN = 5
"""Classes of a teacher that an error names."""


def coco80_numbers(names: Sequence[str]) -> IntArray:
    """(C,) the number of each class among `COCO80`; -1 for others."""
    same = [ALIASES.get(name.lower(), name.lower()) for name in names]
    return np.array([COCO80.index(n) if n in COCO80 else -1 for n in same], np.int64)


def as_coco80(found: Detections) -> Detections:
    """The detections whose classes are COCO's, under its numbers."""
    numbers = coco80_numbers(found.class_names)[found.class_ids]
    known = numbers >= 0
    return Detections(found.boxes[known], found.scores[known], numbers[known], COCO80)


def taught_classes(card: ModelCard) -> list[int]:
    """Numbers among `COCO80` of the classes that a detector knows, ascending; raises `UsageError`
    where it knows none."""
    numbers = sorted({n for n in coco80_numbers(card.classes).tolist() if n >= 0})
    if not numbers:
        more = ", ..." if len(card.classes) > SHOWN else ""
        raise UsageError(
            f"{card.name}: finds {', '.join(card.classes[:SHOWN])}{more}, none of the 80 COCO "
            "classes that students learn; name another --detector, or give its classes COCO's "
            "names in its card"
        )
    return numbers
