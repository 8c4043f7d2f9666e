"""The settings of one row of an evaluation."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

from howfar.errors import UsageError
from howfar.models.catalog import DEFAULT_DEPTH, DEFAULT_DETECTOR

TRUTH = "truth"
"""In the place of a network: the data's own boxes or depth."""


@dataclass(frozen=True)
class Variant:
    """One row of an evaluation: everything that may differ between two of them.

    Attributes:
        name: how reports call it.
        detector, depth, semantic: name, file or address of the networks. `detector="truth"` takes
            the labelled boxes, `depth="truth"` the true depth map.
        join, stat, scale, max_distance: as in `howfar predict`.
        camera: file of a camera profile; of one without distortion, since the truth is of the
            pictures as they are.
        conf: least score; None is `EVERYTHING` for detection and `USUAL` for objects.
        iou, max_det, nms_diou: of the non-maximum suppression.
        imgsz: input size of the detector: `640`, or `384x640` (height x width).
        runtime, precision, threads: as in `howfar predict`.
    """

    name: str = ""
    detector: str | None = None
    depth: str | None = None
    semantic: str | None = None
    join: str = "parallel"
    stat: str = "foreground"
    scale: str | None = None
    camera: str | None = None
    max_distance: float | None = None
    conf: float | None = None
    iou: float = 0.6
    max_det: int = 100
    nms_diou: float = 0.0
    imgsz: str | None = None
    runtime: str = "auto"
    precision: str = "auto"
    threads: int | None = None


_NUMBERS: dict[str, Callable[[str], Any]] = {
    "max_distance": float,
    "conf": float,
    "iou": float,
    "max_det": int,
    "nms_diou": float,
    "threads": int,
}


def parse_variant(text: str, base: Variant) -> Variant:
    """`depth=fastdepth,stat=median` -> a variant named so; what it does not say is as in `base`.

    Raises `UsageError` for a key that is unknown or a value that is none.
    """
    known = [item.name for item in fields(Variant) if item.name != "name"]
    settings: dict[str, Any] = {"name": text}
    for part in re.split(r",(?=[a-z_-]+=)", text):
        key, equals, value = part.partition("=")
        key = key.strip().replace("-", "_")
        if (key, value) == ("boxes", TRUTH):
            key = "detector"
        if not equals or key not in known or not value:
            raise UsageError(
                f"compare {text!r}: {part!r} is no setting; write KEY=VALUE,... with the keys "
                f"{', '.join(known)}; or boxes=truth"
            )
        try:
            settings[key] = _NUMBERS.get(key, str)(value)
        except ValueError:
            raise UsageError(f"compare {text!r}: {key} is {value!r}; give a number") from None
    return replace(base, **settings)


def completed(variant: Variant, task: str) -> Variant:
    """With the usual networks where none is named, and a name."""
    if task in ("detection", "objects", "depth") and variant.detector is None:
        variant = replace(variant, detector=DEFAULT_DETECTOR)
    if task in ("objects", "depth") and variant.depth is None:
        variant = replace(variant, depth=DEFAULT_DEPTH)
    if task == "segmentation" and variant.semantic is None:
        raise UsageError("segmentation needs a network: give --semantic FILE")
    if task == "detection" and variant.detector == TRUTH:
        raise UsageError("detector 'truth' would be compared with itself; name a detector")
    return variant if variant.name else replace(variant, name=_name(variant, task))


def _name(variant: Variant, task: str) -> str:
    if task == "detection":
        return _short(variant.detector)
    if task == "segmentation":
        return _short(variant.semantic)
    scale = f" x {variant.scale}" if variant.scale else ""
    scale += f", {_short(variant.camera)}" if variant.camera else ""
    if task == "depth":
        return _short(variant.depth) + scale
    join = "" if variant.join == "parallel" else f", {variant.join}"
    names = f"{_short(variant.detector)} + {_short(variant.depth)}"
    return f"{names}{scale}{join}, {variant.stat}"


def _short(name: str | None) -> str:
    """The name of a file without its folders."""
    return (name or "none").rsplit("/", 1)[-1]
