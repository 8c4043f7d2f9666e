"""Detections + distances -> objects; and what sizes say about distances beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from howfar.core.boxes import Box, clip_boxes
from howfar.core.camera import Camera
from howfar.core.depth import DepthMap
from howfar.core.detections import Detections
from howfar.core.distance import (
    CALIBRATED,
    INTERVAL_KIND,
    Distance,
    Distances,
    Statistic,
    log_errors,
)
from howfar.core.foreground import SizePrior
from howfar.core.fusion import SOURCE, Fused, fuse
from howfar.core.image import Image
from howfar.core.result import Object
from howfar.core.scale import KnownDistance, ObjectSizes
from howfar.core.sizes import size_distances
from howfar.options import Options

ASSUMED_FOV_DEG = 60.0
"""Field of view for judging what sizes are plausible where no focal length is known. It only
weighs clusters against each other; no number in a result is computed from it."""
ASSUMED_SPREAD = 0.35
"""Standard deviation of the logarithm of the focal length under that assumption."""
NO_MAP = "there is no depth map"
NO_SCALE = "the depth is relative and no scale is known"


def size_prior(
    depth: DepthMap, found: Detections, options: Options, camera: Camera | None
) -> SizePrior | None:
    """Expected distances from object sizes, wide where the focal length is a guess.

    None with a known distance: that thing has to come out at that distance, so it is measured in
    the same way before and after. None as well for relative depth and for other statistics than
    `foreground`, which have no use for it.
    """
    request = options.scale
    if not depth.is_metric or options.stat is not Statistic.FOREGROUND:
        return None
    if isinstance(request, KnownDistance):
        return None
    sizes = request.sizes if isinstance(request, ObjectSizes) else None
    if camera is not None:
        return size_distances(found.boxes, found.labels, camera, sizes)
    guess = Camera.from_fov(ASSUMED_FOV_DEG, depth.width, depth.height, "assumed")
    prior = size_distances(found.boxes, found.labels, guess, sizes)
    return SizePrior(prior.depth, np.hypot(prior.spread, np.float32(ASSUMED_SPREAD)))


def make_objects(
    found: Detections,
    distances: Sequence[Distance] | Distances | None,
    image: Image,
    camera: Camera | None,
    source: str | None,
    uncertainty: float = 0.0,
    depth: DepthMap | None = None,
    prior: SizePrior | None = None,
) -> list[Object]:
    """The detections as objects with their distances, boxes clipped to the picture.

    Args:
        found: N detections.
        distances: N distances, or None without depth.
        image: the picture.
        camera: its intrinsics, for range and position, or None.
        source: where the metres come from; None where the distances are in no unit.
        uncertainty: relative, of the scale; widens the intervals.
        depth: the map where its own, unscaled metres were used: intervals are calibrated where it
            brings errors, and with `camera` and `prior` the sizes of people and vehicles count.
        prior: what sizes say of the distances.
    """
    boxes = clip_boxes(found.boxes, image.width, image.height)
    things = [
        Object(label, int(found.class_ids[i]), float(found.scores[i]), Box(*boxes[i].tolist()))
        for i, label in enumerate(found.labels)
    ]
    if distances is None:
        return [replace(thing, reason=NO_MAP) for thing in things]
    read = [distances[i] for i in range(len(distances))]
    pairs = list(zip(things, read, strict=True))
    if depth is None or depth.log_error is None:
        return [_ranged(thing, one, camera, source, uncertainty) for thing, one in pairs]
    known = _fused(found, [one.value for one in read], depth, None if camera is None else prior)
    objects = []
    for i, (thing, one) in enumerate(pairs):
        if one.value is not None:
            one = replace(one, value=float(known.depth[i]))
        origin = SOURCE if known.sized[i] else source
        ranged = _ranged(thing, one, camera, origin, uncertainty)
        objects.append(_calibrated(ranged, float(known.log_error[i]), depth))
    return objects


def _fused(
    found: Detections, values: Sequence[float | None], depth: DepthMap, prior: SizePrior | None
) -> Fused:
    """The network's distances with their calibrated errors; with sizes, where they tell."""
    known = np.array([np.nan if v is None else v for v in values], np.float32)
    errors = log_errors(depth, found.boxes, known)
    if prior is None or depth.level is None:
        return Fused(known, errors, np.zeros(len(known), bool))
    return fuse(known, errors, depth.level, prior, found.boxes, found.labels)


def _calibrated(thing: Object, log_error: float, depth: DepthMap) -> Object:
    """The object with the interval that its depth map was calibrated for."""
    if thing.distance_m is None or not np.isfinite(log_error):
        return thing
    factor = float(np.exp(log_error))
    interval = (thing.distance_m / factor, thing.distance_m * factor)
    return replace(thing, interval_m=interval, interval_kind=CALIBRATED, interval_level=depth.level)


def _ranged(
    thing: Object,
    distance: Distance,
    camera: Camera | None,
    source: str | None,
    uncertainty: float,
) -> Object:
    """The object with what is known about its distance."""
    stat, count = str(distance.statistic), distance.valid_pixels
    thing = replace(thing, statistic=stat, valid_pixels=count)
    value = distance.value
    if value is None or distance.interval is None:
        return replace(thing, reason=distance.reason)
    if source is None:
        return replace(thing, relative_depth=value, reason=NO_SCALE)
    low, high = distance.interval
    widen = 1 + uncertainty
    thing = replace(
        thing,
        distance_m=value,
        interval_m=(low / widen, high * widen),
        interval_kind=INTERVAL_KIND,
        scale_source=source,
    )
    if camera is None:
        return thing
    x, y = thing.box.center
    point = camera.unproject(*(np.array(v, np.float32) for v in (x, y, value)))
    xyz_m = (float(point[0]), float(point[1]), value)
    return replace(thing, range_m=camera.range_m(x, y, value), xyz_m=xyz_m)
