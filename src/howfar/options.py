"""What a call may ask for, checked; and the distance filter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from howfar.core.distance import Statistic
from howfar.core.profile import CameraProfile
from howfar.core.result import Object
from howfar.core.scale import GivenScale, ScaleRequest, parse_scale
from howfar.errors import UsageError
from howfar.io.profiles import load_profile
from howfar.models.network import DetectOptions

NUMBERS = ("conf", "iou", "max_det", "diou", "min_distance", "max_distance", "focal_px", "fov_deg")


@dataclass(frozen=True)
class Options:
    """Everything that a call may ask for; see `Ranger.__call__`."""

    conf: float = 0.25
    iou: float = 0.6
    max_det: int = 300
    classes: tuple[str, ...] | None = None
    multi_label: bool = False
    agnostic: bool = False
    diou: float = 0.0
    min_distance: float | None = None
    max_distance: float | None = None
    by: str = "z"
    stat: Statistic = Statistic.FOREGROUND
    focal_px: float | None = None
    fov_deg: float | None = None
    scale: ScaleRequest | None = None
    camera: CameraProfile | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", _names(self.classes))
        if self.stat not in tuple(Statistic):
            raise UsageError(f"stat {self.stat!r} is unknown; use one of {', '.join(Statistic)}")
        object.__setattr__(self, "stat", Statistic(self.stat))
        scale: Any = self.scale
        if isinstance(scale, str):
            object.__setattr__(self, "scale", parse_scale(scale))
        elif isinstance(scale, Real):
            object.__setattr__(self, "scale", GivenScale(float(scale)))
        elif scale is not None and not isinstance(scale, ScaleRequest):
            raise UsageError(
                f"scale is {scale!r}; give a number, text as for --scale, or a request"
            )
        for name in NUMBERS:
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, Real)):
                raise UsageError(f"{name} is {value!r}; give a number")
        self._check_filter()
        self.detect  # noqa: B018 - checks conf, iou, max_det and diou
        if self.focal_px is not None and self.fov_deg is not None:
            raise UsageError("give either focal_px or fov_deg, not both")
        self._check_camera()

    def _check_camera(self) -> None:
        camera: Any = self.camera
        if isinstance(camera, str | Path):
            object.__setattr__(self, "camera", load_profile(camera))
        elif camera is not None and not isinstance(camera, CameraProfile):
            raise UsageError(f"camera is {camera!r}; give a camera profile or its file")
        given = self.focal_px is not None or self.fov_deg is not None
        if self.camera is not None and self.camera.lens is not None and given:
            raise UsageError(
                f"{self.camera.name} tells the focal length; leave focal_px and fov_deg out"
            )

    def _check_filter(self) -> None:
        for name in ("min_distance", "max_distance"):
            value = getattr(self, name)
            if value is not None and not (np.isfinite(value) and value >= 0):
                raise UsageError(f"{name} is {value}; give metres >= 0")
        low, high = self.min_distance, self.max_distance
        if low is not None and high is not None and low > high:
            raise UsageError(f"min_distance {low} m is greater than max_distance {high} m")
        if self.by not in ("z", "range"):
            raise UsageError(f"by is {self.by!r}; use 'z' (along the optical axis) or 'range'")

    @property
    def detect(self) -> DetectOptions:
        """The detector's part. Not the classes: all objects are found, since they explain each
        other's depths and set the scale; `classes` picks among them afterwards."""
        return DetectOptions(
            conf=self.conf,
            iou=self.iou,
            max_det=self.max_det,
            multi_label=self.multi_label,
            agnostic=self.agnostic,
            diou=self.diou,
        )

    @property
    def filters(self) -> bool:
        """Whether objects are left out by distance."""
        return self.min_distance is not None or self.max_distance is not None


def make_options(options: Mapping[str, Any]) -> Options:
    """Checked options of a call; an unknown keyword is a `UsageError` that names the known ones."""
    known = [item.name for item in fields(Options)]
    for name in options:
        if name not in known:
            raise UsageError(f"unknown option {name!r}; known: {', '.join(known)}")
    return Options(**options)


def _names(classes: Any) -> tuple[str, ...] | None:
    """Class names of one text, or of several."""
    if classes is None:
        return None
    names = (classes,) if isinstance(classes, str) else classes
    if not isinstance(names, Iterable) or not all(isinstance(name, str) for name in names):
        raise UsageError(f"classes is {classes!r}; give names such as ['person', 'chair']")
    names = tuple(names)
    if not any(name.strip() for name in names):
        raise UsageError("classes names no class; leave it out for all")
    return names


def split_by_distance(
    objects: Sequence[Object], options: Options
) -> tuple[list[Object], list[Object]]:
    """Objects that the filter keeps, and those that it leaves out, each with its reason.

    Kept: min_distance <= distance <= max_distance, both inclusive. Without a filter all stay.
    """
    if not options.filters:
        return list(objects), []
    kept, left_out = [], []
    for thing in objects:
        value = thing.range_m if options.by == "range" else thing.distance_m
        if value is None:
            left_out.append(replace(thing, reason=f"no distance: {thing.reason}"))
        elif options.max_distance is not None and value > options.max_distance:
            left_out.append(replace(thing, reason=f"beyond {options.max_distance:g} m"))
        elif options.min_distance is not None and value < options.min_distance:
            left_out.append(replace(thing, reason=f"nearer than {options.min_distance:g} m"))
        else:
            kept.append(thing)
    return kept, left_out


def filter_record(options: Options) -> dict[str, float | str | None]:
    """The filter as results state it; empty without one."""
    if not options.filters:
        return {}
    return {
        "min_distance": options.min_distance,
        "max_distance": options.max_distance,
        "by": options.by,
    }
