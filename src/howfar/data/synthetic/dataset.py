"""The synthetic world as a data set: samples are rendered when they are asked for."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from howfar.core.image import Image
from howfar.data.dataset import Records, choice
from howfar.data.sample import Box3D, Sample
from howfar.data.synthetic.classes import LABELS
from howfar.data.synthetic.records import SyntheticObject, SyntheticScene
from howfar.data.synthetic.world import SCENE_KINDS, scene
from howfar.errors import UsageError

MIXED = "mixed"
"""Rooms and streets, drawn for each scene."""
COUNT, SIZE = 500, "320x240"
LEAST_PX = 32


def open_synthetic(
    path: Path,
    *,
    count: str = str(COUNT),
    seed: str = "0",
    size: str = SIZE,
    stereo: str = "no",
    level: str = "no",
) -> Records[int]:
    """Scenes `seed`, `seed` + 1, ... of a kind of world, which stands in the place of a path.

    Args:
        path: `indoor`, `street` or `mixed`.
        count: number of scenes.
        seed: number of the first; sets whose numbers do not overlap share no scene.
        size: WIDTHxHEIGHT in pixels.
        stereo: `yes` renders the right picture as well.
        level: `yes` keeps the camera level; only then 3-D boxes, which know no tilt, are given.

    Objects that no detector knows (poles, hedges) are not labelled. Raises `UsageError` for values
    that cannot be.
    """
    kind = choice("world", str(path), (*SCENE_KINDS, MIXED))
    width, height = _size(size)
    first, number = _whole("seed", seed, 0), _whole("count", count, 1)
    render = partial(
        _sample,
        kind=None if kind == MIXED else kind,
        width=width,
        height=height,
        stereo=choice("stereo", stereo, ("yes", "no")) == "yes",
        level=choice("level", level, ("yes", "no")) == "yes",
    )
    numbers = tuple(range(first, first + number))
    return Records(f"synthetic:{kind}", numbers, render, LABELS)


def as_sample(found: SyntheticScene, name: str) -> Sample:
    """A rendered scene as a sample; 3-D boxes only where the camera is level."""
    things = [thing for thing in found.objects if thing.detected]
    boxes = np.array([thing.box for thing in things], np.float32).reshape(-1, 4)
    return Sample(
        id=name,
        picture=Image(found.image),
        source=f"synthetic scene {name}",
        depth=found.depth,
        boxes=boxes,
        labels=tuple(thing.label for thing in things),
        occlusion=np.array([thing.occlusion for thing in things], np.int8),
        truncation=np.array([thing.truncation for thing in things], np.float32),
        boxes3d=None if found.pitch else tuple(_box3d(thing) for thing in things),
        instances=found.instances,
        instance_ids=np.array([thing.instance for thing in things], np.int64),
        semantics=found.semantics,
        camera=found.camera,
        right=None if found.right is None else Image(found.right.image),
        baseline_m=None if found.right is None else found.baseline_m,
    )


def _sample(
    number: int, kind: str | None, width: int, height: int, stereo: bool, level: bool
) -> Sample:
    found = scene(number, kind, width, height, stereo=stereo, level=level)
    return as_sample(found, f"{found.kind}-{number:08d}")


def _box3d(thing: SyntheticObject) -> Box3D:
    box = thing.box3d
    sides = box.height_m, box.width_m, box.length_m
    return Box3D(*sides, box.x_m, box.y_m, box.z_m, box.yaw)


def _size(text: str) -> tuple[int, int]:
    sides = text.lower().split("x")
    if len(sides) != 2 or not all(side.isdecimal() for side in sides):
        raise UsageError(f"option size={text!r} is not understood; write {SIZE} (width x height)")
    width, height = map(int, sides)
    if min(width, height) < LEAST_PX:
        raise UsageError(f"option size={text!r}: give at least {LEAST_PX} pixels a side")
    return width, height


def _whole(name: str, text: str, least: int) -> int:
    if not text.isdecimal() or int(text) < least:
        raise UsageError(f"option {name}={text!r}: give a whole number, at least {least}")
    return int(text)
