"""COCO: images/*.jpg and instances.json with boxes of the visible parts (facts, section 2)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from howfar.data.synthetic.classes import OTHER_LABELS
from howfar.data.synthetic.files import save_rgb
from howfar.data.synthetic.records import SyntheticObject, SyntheticScene
from howfar.models.classes import COCO80, COCO_IDS

FIRST_OTHER_ID = 101
"""Category ids of what COCO does not know begin here."""
CATEGORY_IDS = dict(zip(COCO80, COCO_IDS, strict=True)) | {
    name: FIRST_OTHER_ID + i for i, name in enumerate(OTHER_LABELS)
}


def write(folder: Path, scenes: Iterable[SyntheticScene]) -> None:
    """Write pictures of both kinds. `distance_m` and `occlusion` are added to each annotation."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, scene in enumerate(scenes, start=1):
        name = f"{number:012d}.jpg"
        save_rgb(folder / "images" / name, scene.image)
        height, width = scene.image.shape[:2]
        images.append({"id": number, "file_name": name, "width": width, "height": height})
        for thing in scene.objects:
            if thing.detected:
                annotations.append(_annotation(thing, len(annotations) + 1, number))
    categories = [{"id": i, "name": name} for name, i in CATEGORY_IDS.items()]
    table = {"images": images, "annotations": annotations, "categories": categories}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "instances.json").write_text(json.dumps(table))


def _annotation(thing: SyntheticObject, number: int, image: int) -> dict[str, Any]:
    """Ids count from 1: pycocotools takes 0 for "not matched"."""
    box = thing.box
    return {
        "id": number,
        "image_id": image,
        "category_id": CATEGORY_IDS[thing.label],
        "bbox": [box.x1, box.y1, box.width, box.height],
        "area": thing.pixels,
        "iscrowd": 0,
        "distance_m": round(thing.distance_m, 4),
        "occlusion": thing.occlusion,
    }
