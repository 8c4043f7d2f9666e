"""COCO's twelve numbers, through faster-coco-eval (extra `eval`); equal to pycocotools."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from howfar.core.detections import Detections
from howfar.errors import UsageError
from howfar.metrics.sums import Float64Array

COCO_NAMES = (
    *("AP", "AP50", "AP75", "APs", "APm", "APl"),
    *("AR1", "AR10", "AR100", "ARs", "ARm", "ARl"),
)
"""Names in the order in which COCO prints them."""

MAX_DETECTIONS = 100
"""Detections per image and class that COCO looks at, best scores first."""


@dataclass(frozen=True)
class CocoScores:
    """COCO's numbers, all 0..1; NaN where COCO prints -1 (no true object of that kind).

    Attributes:
        overall: the twelve `COCO_NAMES`.
        by_category: `AP` and `AP50` of each category name with a true object.
        images: pictures evaluated.
        objects: true objects, crowds not counted.
        detections: of known categories.
        left_out: detections of categories that the truth does not know; COCO ignores them.
    """

    overall: dict[str, float]
    by_category: dict[str, dict[str, float]]
    images: int
    objects: int
    detections: int
    left_out: int


def coco_results(
    image_id: int, detections: Detections, category_ids: Sequence[int]
) -> list[dict[str, Any]]:
    """The detections of one picture as COCO results (bbox = x, y, width, height in pixels).

    `category_ids[i]` is COCO's number of class i (80 classes have the numbers 1..90).
    """
    boxes = detections.boxes.astype(np.float64)
    boxes[:, 2:] -= boxes[:, :2]
    return [
        {"image_id": image_id, "category_id": category_ids[c], "bbox": box, "score": score}
        for c, box, score in zip(
            detections.class_ids.tolist(), boxes.tolist(), detections.scores.tolist(), strict=True
        )
    ]


def coco_scores(truth: Mapping[str, Any], results: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """The twelve COCO numbers by name: `evaluate_coco(truth, results).overall`."""
    return evaluate_coco(truth, results).overall


def evaluate_coco(truth: Mapping[str, Any], results: Iterable[Mapping[str, Any]]) -> CocoScores:
    """Evaluate boxes as COCO does: IoU .50:.05:.95, 101 recall points, areas 32² and 96².

    Args:
        truth: the content of a COCO instances file: images, annotations, categories. Annotations
            are numbered anew from 1, because an annotation with id 0 counts as unmatched in COCO's
            code. An annotation without `area` gets the area of its box.
        results: dicts with image_id, category_id, bbox (x, y, width, height) and score. Parts of
            one evaluation are joined by concatenating their results, in the order of the images.

    Neither argument is changed. Raises `UsageError` where the extra `eval` is not installed or a
    result names an unknown image.
    """
    package = _faster_coco_eval()
    categories = {int(c["id"]): str(c.get("name", c["id"])) for c in truth["categories"]}
    rows = list(results)
    known = [r for r in rows if r["category_id"] in categories]
    _check_images(truth, known)
    true = [_annotation(i, a) for i, a in enumerate(truth["annotations"], 1)]
    found = [_detection(i, r) for i, r in enumerate(known, 1)]
    judge = package.COCOeval_faster(
        package.COCO(_dataset(truth, true)), package.COCO(_dataset(truth, found)), "bbox"
    )
    judge.params.maxDets = [1, 10, MAX_DETECTIONS]
    areas = np.asarray(judge.params.areaRng, float)
    objects = _object_counts(true, list(categories), areas)
    recalls = np.asarray(judge.params.recThrs)
    second = np.divide(2.0, objects, out=np.ones(objects.shape), where=objects > 1)
    judge.params.recThrs = np.unique(np.concatenate([recalls, second.ravel()]))
    judge.evaluate()
    judge.accumulate()
    asked = np.asarray(judge.params.recThrs)
    precision = np.asarray(judge.eval["precision"])[..., -1]
    _spread_first(precision, objects, np.searchsorted(asked, second))
    precision = precision[:, np.searchsorted(asked, recalls)]
    stats = _twelve(precision, np.asarray(judge.eval["recall"]))
    return CocoScores(
        overall=dict(zip(COCO_NAMES, stats, strict=True)),
        by_category=_by_category(precision[..., 0], [categories[k] for k in judge.params.catIds]),
        images=len(truth["images"]),
        objects=sum(not annotation["iscrowd"] for annotation in true),
        detections=len(known),
        left_out=len(rows) - len(known),
    )


def _object_counts(
    annotations: Sequence[Mapping[str, Any]], categories: Sequence[int], areas: Float64Array
) -> npt.NDArray[np.int64]:
    """True objects of each category (ascending ids) and area range, crowds not counted."""
    rows = {category: k for k, category in enumerate(sorted(categories))}
    counts = np.zeros((len(rows), len(areas)), np.int64)
    for annotation in annotations:
        if annotation["category_id"] in rows and not annotation["iscrowd"]:
            inside = (areas[:, 0] <= annotation["area"]) & (annotation["area"] <= areas[:, 1])
            counts[rows[annotation["category_id"]]] += inside
    return counts


def _spread_first(
    precision: Float64Array,
    objects: npt.NDArray[np.int64],
    second: npt.NDArray[np.int64],
) -> None:
    """Lower a precision of 1 to 1 / (1 + 2e-16) where only the best detection reaches it.

    pycocotools adds `np.spacing(1)` to the number of detections; that changes no number but 1.
    Where the two best detections are right, precision is 1 at two objects found, and stays 1.

    Args:
        precision: (IoU thresholds, recalls, categories, areas), changed in place.
        objects: true objects of each category and area.
        second: index of the recall at which two of them are found.
    """
    at_second = np.take_along_axis(precision, second[None, None], axis=1)
    alone = (precision == 1) & ((objects < 2) | (at_second < 1))
    precision[alone] = 1 / (1 + np.spacing(1))


def _twelve(precision: Float64Array, recall: Float64Array) -> list[float]:
    """COCO's numbers in the order of `COCO_NAMES`: means over what has a true object.

    Args:
        precision: (IoU thresholds, recalls, categories, areas) at `MAX_DETECTIONS`, -1 = none.
        recall: (IoU thresholds, categories, areas, detections looked at), likewise.
    """
    parts = [precision[..., 0], precision[:1, ..., 0], precision[5:6, ..., 0]]
    parts += [precision[..., area] for area in (1, 2, 3)]
    parts += [recall[..., 0, looked] for looked in (0, 1, 2)]
    parts += [recall[..., area, -1] for area in (1, 2, 3)]
    return [float(np.mean(p[p > -1])) if (p > -1).any() else float("nan") for p in parts]


def _by_category(precision: Float64Array, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """AP and AP50 from precision (IoU thresholds, recalls, categories), -1 = no true object."""
    return {
        name: {"AP": float(precision[:, :, k].mean()), "AP50": float(precision[0, :, k].mean())}
        for k, name in enumerate(names)
        if (precision[:, :, k] > -1).all()
    }


def _dataset(truth: Mapping[str, Any], annotations: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "images": [dict(image) for image in truth["images"]],
        "categories": [dict(category) for category in truth["categories"]],
        "annotations": annotations,
    }


def _annotation(number: int, given: Mapping[str, Any]) -> dict[str, Any]:
    x, y, width, height = map(float, given["bbox"])
    return {
        "id": number,
        "image_id": given["image_id"],
        "category_id": given["category_id"],
        "bbox": [x, y, width, height],
        "area": float(given.get("area", width * height)),
        "iscrowd": int(given.get("iscrowd", 0)),
    }


def _detection(number: int, given: Mapping[str, Any]) -> dict[str, Any]:
    """As an annotation; the area of a detection is that of its box, whatever it says."""
    width, height = map(float, given["bbox"][2:])
    own = {"area": width * height, "iscrowd": 0, "score": float(given["score"])}
    return _annotation(number, given) | own


def _check_images(truth: Mapping[str, Any], results: Iterable[Mapping[str, Any]]) -> None:
    ids = {image["id"] for image in truth["images"]}
    unknown = {r["image_id"] for r in results} - ids
    if unknown:
        raise UsageError(
            f"results name image {min(unknown, key=str)!r}, which the truth does not hold "
            f"({len(unknown)} such images); give the results of the same pictures"
        )


def _faster_coco_eval() -> Any:
    try:
        return importlib.import_module("faster_coco_eval")
    except ImportError as error:
        raise UsageError(
            "COCO scores need faster-coco-eval; run: pip install 'howfar[eval]'"
        ) from error
