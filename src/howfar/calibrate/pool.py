"""Factors read in many pictures, pooled into one scale for the pictures still to come.

Two things are uncertain. How well the factor is known on the pictures that were used: that falls
with their number. And how much a depth network's factor differs from picture to picture: that does
not fall, since the next picture brings its own difference. The scale of a profile is used on other
pictures, so its uncertainty holds both:

    uncertainty² = own² + between² + shared²

`own` is that of a weighted median, `between` the spread of the pictures beyond their own errors
(the method of moments of random-effects models), where a few imagined pictures with the usual
spread keep one or two lucky ones from claiming certainty, `shared` what all readings have in
common: one tape measure, one table of sizes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from howfar.core.detections import Detections
from howfar.core.result import Result
from howfar.core.scale import (
    GROUND_SPREAD,
    MAP_SPREAD,
    CameraHeight,
    KnownDistance,
    ObjectSizes,
    Scale,
    ScaleSource,
    read_scale,
    robust_mean,
)
from howfar.errors import ScaleError

Request = KnownDistance | ObjectSizes | CameraHeight

IMAGINED = 4
"""Pictures with the usual spread `MAP_SPREAD` that count beside those that were read."""
CLIP = 3.0
"""A picture farther from the median than this many expected deviations counts as that far."""
SIZE_BIAS = 0.05
"""Uncertainty of typical sizes that all objects share: people and cars of another country."""
CONTRADICTION = 2.0
"""A known distance whose factor differs from the others' by more than this contradicts them."""
FEW, ODD_SHARE = 4, 0.25
"""Among fewer distances than this one that contradicts leaves open which is right; among more, the
odd ones are left out unless their share is larger than this."""


@dataclass(frozen=True)
class Reading:
    """The factor of one picture.

    Attributes:
        source: the picture.
        what: what was known there, in words.
        scale: its factor, with the uncertainty of this picture's own reading.
    """

    source: str
    what: str
    scale: Scale


def read_result(result: Result, request: Request, what: str) -> Reading:
    """The factor that `request` asks for, on a result whose depth has had no scale applied.

    What all pictures share of its uncertainty comes later: see `without_own`. Raises `ScaleError`
    where the picture does not hold what is needed.
    """
    if result.depth is None or result.scale is not None:
        raise ScaleError(f"{result.source}: a scale is read from a network's own depth map")
    found = _detections(result)
    try:
        scale = read_scale(request, result.depth, found, result.statistic, result.camera)
    except ScaleError as error:
        raise ScaleError(f"{result.source}: {error}") from error
    return Reading(result.source, what, scale)


def _detections(result: Result) -> Detections:
    things = result.objects
    names = tuple(dict.fromkeys(thing.label for thing in things))
    boxes = np.array([list(thing.box) for thing in things], np.float32).reshape(-1, 4)
    scores = np.array([thing.score for thing in things], np.float32)
    ids = np.array([names.index(thing.label) for thing in things], np.int64)
    return Detections(boxes, scores, ids, names)


def without_own(request: Request) -> tuple[Request, float]:
    """A request without what all pictures share of its uncertainty, and that, for `pool`."""
    if isinstance(request, ObjectSizes):
        return request, SIZE_BIAS
    alone = replace(request, uncertainty=0.0)
    if isinstance(request, CameraHeight):
        return alone, math.hypot(request.uncertainty, GROUND_SPREAD)
    return alone, request.uncertainty


def pool(readings: Sequence[Reading], shared: float, focal_spread: float = 0.0) -> Scale:
    """One scale for all pictures of the camera.

    Args:
        readings: factors of pictures, of one source.
        shared: relative uncertainty that all of them have in common.
        focal_spread: relative uncertainty of the focal length; matters where sizes or the ground
            set the scale.

    Raises `ScaleError` without readings, or where known distances contradict each other.
    """
    if not readings:
        raise ScaleError("no picture gave a scale")
    source = readings[0].scale.source
    if source is ScaleSource.KNOWN_DISTANCE:
        odd = odd_readings(readings)
        readings = [reading for reading in readings if reading not in odd]
        focal_spread = 0.0
    logs = np.log([reading.scale.factor for reading in readings])
    own = np.array([reading.scale.uncertainty for reading in readings], np.float64)
    weights = 1 / (own**2 + MAP_SPREAD**2)
    middle, _ = robust_mean(logs, own, weights)
    between = _between(logs - middle, own)
    mean_spread = math.sqrt(float(np.sum((weights**2) * (own**2 + between**2)))) / weights.sum()
    mean_spread *= 1.25 if len(logs) > 1 else 1.0
    uncertainty = math.hypot(float(mean_spread), between, shared, focal_spread)
    objects = sum(reading.scale.objects for reading in readings)
    return Scale(math.exp(middle), source, min(uncertainty, 0.99), objects)


def _between(residuals: npt.NDArray[np.float64], own: npt.NDArray[np.float64]) -> float:
    """Spread of the pictures' factors beyond their own errors; see the module's text."""
    count = len(residuals)
    limit = CLIP * np.hypot(own, MAP_SPREAD)
    beyond = np.clip(residuals, -limit, limit) ** 2 - own**2
    seen = max(float(beyond.sum()), 0.0) * count / (count - 1) if count > 1 else 0.0
    return math.sqrt((IMAGINED * MAP_SPREAD**2 + seen) / (IMAGINED + count - 1))


def odd_readings(readings: Sequence[Reading]) -> list[Reading]:
    """Known distances that ask for another factor than the others do, to be left out.

    Raises `ScaleError` where they are too many, or all too few, to say which are right.
    """
    logs = np.log([reading.scale.factor for reading in readings])
    off = np.abs(logs - np.median(logs))
    limit = math.log(CONTRADICTION) * (0.5 if len(readings) == 2 else 1.0)  # of their middle
    odd = [reading for reading, far in zip(readings, off > limit, strict=True) if far]
    if not odd or (len(readings) >= FEW and len(odd) <= ODD_SHARE * len(readings)):
        return odd
    worst = int(np.argmax(off))
    rest = math.exp(float(np.median(np.delete(logs, worst))))
    others = "the other asks" if len(readings) == 2 else "the others ask"
    raise ScaleError(
        f"the known distances contradict each other: {readings[worst].what} in "
        f"{readings[worst].source} asks for a factor of {readings[worst].scale.factor:.3g}, "
        f"{others} for {rest:.3g}; check the distances, or leave out the picture in which the "
        "depth network is wrong"
    )
