"""Names that data sets and detectors have for the same things.

Everything is compared under COCO's names. Where a data set draws its lines elsewhere, the table
says what counts and what is merely tolerated.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Meaning:
    """What a label of a data set means for a detector that speaks COCO.

    Attributes:
        name: COCO's name; "" for a region where nothing counts.
        also: other names that a detector may give to the same thing: a detection of them there
            counts neither for nor against it.
    """

    name: str
    also: tuple[str, ...] = ()


MEANINGS: dict[str, Meaning] = {
    # KITTI and Virtual KITTI. COCO has no vans; its people on bicycles are two boxes, KITTI's one.
    "Car": Meaning("car"),
    "Van": Meaning("car", ("truck", "bus")),
    "Truck": Meaning("truck"),
    "Pedestrian": Meaning("person"),
    "Person_sitting": Meaning("person"),
    "Cyclist": Meaning("person"),
    "Tram": Meaning("train", ("bus",)),
    "Misc": Meaning(""),
    "DontCare": Meaning(""),
    # PASCAL VOC
    "aeroplane": Meaning("airplane"),
    "diningtable": Meaning("dining table"),
    "motorbike": Meaning("motorcycle"),
    "pottedplant": Meaning("potted plant"),
    "sofa": Meaning("couch"),
    "tvmonitor": Meaning("tv"),
    # NYU Depth v2
    "television": Meaning("tv"),
    "plant": Meaning("potted plant"),
    "table": Meaning("dining table"),
}


def meaning(label: str) -> Meaning:
    """What a label stands for; itself in lower case where the table does not know it."""
    return MEANINGS.get(label) or Meaning(label.strip().lower().replace("_", " "))


def known_names(labels: tuple[str, ...]) -> tuple[str, ...]:
    """The names under which labels are counted, each once, without the regions that do not."""
    return tuple(dict.fromkeys(name for label in labels if (name := meaning(label).name)))
