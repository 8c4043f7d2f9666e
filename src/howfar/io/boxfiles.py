"""A user's own boxes, as a JSON file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from howfar.core.boxes import as_boxes
from howfar.core.detections import Detections
from howfar.errors import PictureError


def read_boxes(path: Path) -> Detections:
    """Boxes from a JSON file: a list, or a howfar record with `objects`.

    Each entry is `[x1, y1, x2, y2]` or `{"box": [...], "label": ..., "score": ...}`.

    Raises `PictureError` where the file cannot be read or holds no boxes.
    """
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PictureError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise PictureError(f"{path}: no JSON ({error})") from error
    rows = content.get("objects") if isinstance(content, dict) else content
    if not isinstance(rows, list):
        raise PictureError(f"{path}: expected a list of boxes, or a record with 'objects'")
    try:
        rows = [row if isinstance(row, dict) else {"box": row} for row in rows]
        labels = [str(row.get("label", "object")) for row in rows]
        scores = [float(row.get("score", 1.0)) for row in rows]
        boxes = as_boxes([row["box"] for row in rows])
        names = tuple(dict.fromkeys(labels))
        ids = np.array([names.index(label) for label in labels], np.int64)
        return Detections(boxes, np.array(scores, np.float32), ids, names)
    except (KeyError, TypeError, ValueError) as error:
        raise PictureError(f"{path}: a row is no box ({error})") from error
