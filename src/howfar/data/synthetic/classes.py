"""Names of what occurs in the synthetic world."""

from __future__ import annotations

COCO_LABELS = (
    "person",
    "bicycle",
    "car",
    "motorcycle",
    "bus",
    "truck",
    "traffic light",
    "fire hydrant",
    "stop sign",
    "bench",
    "backpack",
    "suitcase",
    "sports ball",
    "bottle",
    "cup",
    "bowl",
    "chair",
    "couch",
    "potted plant",
    "bed",
    "dining table",
    "toilet",
    "tv",
    "laptop",
    "microwave",
    "oven",
    "refrigerator",
    "book",
    "vase",
    "teddy bear",
)
"""Labels of detected objects that are COCO classes."""
OTHER_LABELS = ("fence", "cupboard", "shelf")
"""Labels of detected objects that COCO does not know."""
LABELS = COCO_LABELS + OTHER_LABELS
SCENERY = (
    "sky",
    "wall",
    "floor",
    "ceiling",
    "window",
    "door",
    "terrain",
    "road",
    "sidewalk",
    "building",
    "vegetation",
    "tree",
    "pole",
    "column",
    "lamp",
    "screen",
    "bin",
)
SEMANTIC_CLASSES = SCENERY + LABELS
"""Names of the classes of `SyntheticScene.semantics`."""
