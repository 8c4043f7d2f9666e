"""The true objects of a sample and their true distances, each kind under its name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from howfar.core.boxes import Box
from howfar.core.detections import Detections
from howfar.data import sample as data
from howfar.data.sample import UNKNOWN_OCCLUSION, Sample
from howfar.evaluate.labels import meaning
from howfar.metrics import truth as metrics
from howfar.metrics.objects import TrueObject
from howfar.metrics.truth import CENTER, LIDAR, MIN_POINTS, PIXELS, TrueDistance


@dataclass(frozen=True)
class Truths:
    """The true objects of one sample.

    Attributes:
        objects: kind of truth -> the objects with that distance; the preferred kind first. Every
            list holds the same objects in the same order.
    """

    objects: dict[str, tuple[TrueObject, ...]]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that the sample has, preferred first."""
        return tuple(self.objects)


def true_objects(sample: Sample, min_points: int = MIN_POINTS) -> Truths | str:
    """The objects of a sample, or why it has none to compare with.

    Preferred is the lidar in the 3-D boxes, else the visible pixels of the instances; the centres
    of the 3-D boxes are a kind of their own. An object without enough points stays without a
    distance: kinds are never mixed.
    """
    if sample.boxes is None:
        return "the sample has no labelled boxes"
    kinds = [kind for kind, has in _available(sample).items() if has]
    if not kinds:
        return "the sample has no lidar in 3-D boxes, no instances with depth and no 3-D boxes"
    if LIDAR in kinds and PIXELS in kinds:
        kinds.remove(PIXELS)
    return Truths(
        {
            kind: tuple(_object(sample, i, kind, min_points) for i in range(len(sample.boxes)))
            for kind in kinds
        }
    )


def _available(sample: Sample) -> dict[str, bool]:
    masks = sample.instances is not None and sample.instance_ids is not None
    metric = sample.depth is not None and sample.depth.is_metric
    boxes = sample.boxes3d is not None
    return {
        LIDAR: boxes and sample.lidar_m is not None,
        PIXELS: masks and metric,
        CENTER: boxes,
    }


def _object(sample: Sample, i: int, kind: str, min_points: int) -> TrueObject:
    known = meaning(sample.labels[i])
    name = known.name
    ignored = not name or bool(sample.ignored[i])
    found = None if ignored else _distance(sample, i, kind, min_points)
    boxes = sample.boxes if sample.boxes is not None else np.zeros((0, 4))
    level = UNKNOWN_OCCLUSION if sample.occlusion is None else int(sample.occlusion[i])
    distance = None if found is None else found.distance_m
    if distance is not None and distance <= 0:
        distance = None  # the centre of a box may lie behind the camera
    return TrueObject(name, Box(*boxes[i].tolist()), distance, level, ignored, known.also)


def _distance(sample: Sample, i: int, kind: str, min_points: int) -> TrueDistance | None:
    if kind == PIXELS:
        if sample.depth is None or sample.instances is None or sample.instance_ids is None:
            return None
        mask = sample.instances == sample.instance_ids[i]
        depth = sample.depth.resized(sample.width, sample.height)
        return metrics.pixel_distance(depth, mask)
    box = sample.boxes3d[i] if sample.boxes3d is not None else None
    if box is None:
        return None
    if kind == CENTER:
        return metrics.center_distance(box3d(box))
    return metrics.lidar_distance(
        np.zeros((0, 3)) if sample.lidar_m is None else sample.lidar_m, box3d(box), min_points
    )


def box3d(box: data.Box3D) -> metrics.Box3D:
    """A data set's 3-D box as the metrics take it; both have KITTI's axes."""
    place = (box.x_m, box.y_m, box.z_m)
    return metrics.Box3D(box.height_m, box.width_m, box.length_m, place, box.yaw_rad)


def true_detections(objects: tuple[TrueObject, ...]) -> Detections:
    """The labelled boxes as a perfect detector would give them, without the ignored regions."""
    counted = [item for item in objects if not item.ignore]
    names = tuple(dict.fromkeys(item.label for item in counted))
    return Detections(
        np.array([tuple(item.box) for item in counted], np.float32).reshape(-1, 4),
        np.ones(len(counted), np.float32),
        np.array([names.index(item.label) for item in counted], np.int64),
        names,
    )
