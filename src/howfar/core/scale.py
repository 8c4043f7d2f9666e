"""Metric scale: what turns relative depth into metres, or corrects a network's metres.

A scale is one factor with its relative uncertainty and the name of where it comes from. A `METRIC`
map is multiplied by it; a `RELATIVE` map, whose values are inverse depths, becomes factor / value.
A `RELATIVE_AFFINE` map has an unknown shift as well and cannot be made metric by one factor.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from howfar.core.boxes import Box, FloatArray
from howfar.core.camera import Camera
from howfar.core.depth import BoolArray, DepthKind, DepthMap
from howfar.core.detections import Detections
from howfar.core.distance import Statistic, measure
from howfar.core.ground import find_ground
from howfar.core.nms import nms
from howfar.core.sizes import TypicalSize, partly_hidden, size_distances
from howfar.errors import ScaleError, UsageError

Float64Array = npt.NDArray[np.float64]

KNOWN_SPREAD = 0.02
"""Relative uncertainty of a known distance unless told: a tape measure and a guess where to."""
P10_TO_P90 = 2.56
"""Standard deviations between the 10th and the 90th percentile of a normal distribution."""
SURE_SCORE, DUPLICATE_IOU = 0.3, 0.5
"""Detections below this score, or overlapping a better one more than this, set no scale, unless
there are no others."""
BOX_SPREAD, HIDDEN_SPREAD, MAP_SPREAD = 0.25, 0.5, 0.2
"""Standard deviations of log distance from size beyond the class's own: of one object (loose box,
pose), of a partly hidden one, and of a whole picture (its depth network's distortion, which more
objects do not average out). Set on driving pictures with lidar that are not used for evaluation:
there the true factor lies within one stated deviation in about two thirds of the pictures."""
GROUND_SPREAD = 0.2
"""Standard deviation of the factor from the camera's height, beyond that of the plane: a depth
network errs differently on the ground than on what stands on it, the same way in all pictures. Set
on driving pictures with lidar that are not used for evaluation (there the difference is .17)."""
NEEDS_FOCAL = (
    "with a focal length, which this picture does not tell; give --focal-px, --fov-deg or --camera"
)
LEAST_FACTOR, MOST_FACTOR = 1e-6, 1e6
LEAST_M, MOST_M = 1e-3, 1e6
"""Factors and lengths in metres between these are taken: beyond them float32 maps
overflow, and no camera sees so far."""
PIXEL_PATCH = 5
"""A known distance at a pixel is compared with the median of this many pixels squared."""


class ScaleSource(StrEnum):
    """Where the metres come from."""

    NETWORK = "network"
    GIVEN = "given"
    KNOWN_DISTANCE = "known-distance"
    OBJECT_SIZE = "object-size"
    CAMERA_HEIGHT = "camera-height"


PICTURE_SPREADS = {ScaleSource.OBJECT_SIZE: MAP_SPREAD, ScaleSource.CAMERA_HEIGHT: GROUND_SPREAD}


@dataclass(frozen=True)
class Scale:
    """A factor that was found.

    Attributes:
        factor: see the module's text.
        source: where it comes from.
        uncertainty: relative standard deviation, 0.1 is 10 %; 0 where none is known.
        objects: number of objects that it was fitted to; 0 where it was not fitted.
    """

    factor: float
    source: ScaleSource
    uncertainty: float = 0.0
    objects: int = 0


@dataclass(frozen=True)
class GivenScale:
    """Ask for a known factor.

    Attributes:
        factor: metres per unit of the network, 1e-6..1e6.
        uncertainty: its relative standard deviation.
    """

    factor: float
    uncertainty: float = 0.0

    def __post_init__(self) -> None:
        if not LEAST_FACTOR <= self.factor <= MOST_FACTOR:
            raise UsageError(
                f"scale factor is {self.factor:g}; give a number from 0.000001 to 1000000, such as "
                "1.3, which makes everything 1.3 times as far"
            )
        _check_uncertainty(self.uncertainty)


@dataclass(frozen=True)
class KnownDistance:
    """Ask for the scale that puts one thing at a known depth z.

    Attributes:
        distance_m: its depth z in metres.
        at: where it is: a pixel (x, y), a box (x1, y1, x2, y2), or a class name, which means the
            detection of that class with the best score.
        uncertainty: relative standard deviation of `distance_m`.
    """

    distance_m: float
    at: tuple[float, float] | tuple[float, float, float, float] | str
    uncertainty: float = KNOWN_SPREAD

    def __post_init__(self) -> None:
        if not LEAST_M <= self.distance_m <= MOST_M:
            raise UsageError(
                f"a known distance is {self.distance_m:g} m; give metres from 0.001 to 1000000"
            )
        if not isinstance(self.at, str) and len(self.at) not in (2, 4):
            raise UsageError(
                f"known distance at {self.at}: give x,y or x1,y1,x2,y2 or a class name"
            )
        _check_uncertainty(self.uncertainty)


@dataclass(frozen=True)
class ObjectSizes:
    """Ask for the scale that gives the objects of the picture their typical sizes.

    Attributes:
        sizes: typical sizes by class name; None is `TYPICAL_SIZES`.
    """

    sizes: Mapping[str, TypicalSize] | None = field(default=None, hash=False)


@dataclass(frozen=True)
class CameraHeight:
    """Ask for the scale that puts the camera at its height above the ground that it sees.

    Attributes:
        height_m: of the camera above floor or road, in metres.
        uncertainty: relative standard deviation of `height_m`.
    """

    height_m: float
    uncertainty: float = KNOWN_SPREAD

    def __post_init__(self) -> None:
        if not LEAST_M <= self.height_m <= MOST_M:
            raise UsageError(
                f"the camera's height is {self.height_m:g} m; give metres from 0.001 to 1000000"
            )
        _check_uncertainty(self.uncertainty)


ScaleRequest = GivenScale | KnownDistance | ObjectSizes | CameraHeight

_NUMBER = r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_UNCERTAINTY = rf"(?:\+-|±)(?P<spread>{_NUMBER})(?P<percent>%?)"
_FACTOR = re.compile(rf"(?P<value>{_NUMBER})(?:{_UNCERTAINTY})?")
_KNOWN = re.compile(rf"(?P<value>{_NUMBER})(?:{_UNCERTAINTY})?m@(?P<place>.+)")
_HEIGHT = re.compile(rf"camera-height=(?P<value>{_NUMBER})(?:{_UNCERTAINTY})?m?")


def parse_scale(text: str) -> ScaleRequest:
    """Read a scale as written on the command line.

    `1.3`, `1.3+-10%`: a factor. `2.5m@chair`, `2.5m@320,240`, `2.5+-0.1m@10,20,90,200`: a known
    distance at a class, a pixel or a box. `camera-height=1.65m`: from the ground. `object-size`:
    from typical sizes. A spread without % is in the unit of the number before it.

    Raises `UsageError` for anything else.
    """
    text = text.strip()
    if text == "object-size":
        return ObjectSizes()
    if match := _FACTOR.fullmatch(text):
        value = float(match["value"])
        return GivenScale(value, _relative(match, value) or 0.0)
    if match := _KNOWN.fullmatch(text):
        value = float(match["value"])
        spread = _relative(match, value)
        return KnownDistance(
            value, _place(match["place"]), KNOWN_SPREAD if spread is None else spread
        )
    if match := _HEIGHT.fullmatch(text):
        value = float(match["value"])
        spread = _relative(match, value)
        return CameraHeight(value, KNOWN_SPREAD if spread is None else spread)
    raise UsageError(
        f"scale {text!r} is not understood; write a factor (1.3), a known distance "
        "(2.5m@chair or 2.5m@320,240), camera-height=1.65m or object-size"
    )


def _relative(match: re.Match[str], value: float) -> float | None:
    if match["spread"] is None:
        return None
    spread = float(match["spread"])
    if match["percent"]:
        return spread / 100
    return spread / value if value else math.inf


def _place(text: str) -> tuple[float, float] | tuple[float, float, float, float] | str:
    parts = text.split(",")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        return text.strip("\"' ")
    if not np.isfinite(numbers).all():
        raise UsageError(f"a known distance at {text!r}: a coordinate is not finite")
    if len(numbers) == 2:
        return numbers[0], numbers[1]
    if len(numbers) == 4:
        return numbers[0], numbers[1], numbers[2], numbers[3]
    raise UsageError(f"a known distance at {text!r}: give x,y or x1,y1,x2,y2 or a class name")


def _check_uncertainty(value: float) -> None:
    if not 0 <= value < 1:
        raise UsageError(f"uncertainty {value:.0%} of a scale; give less than 100 %")


def find_scale(
    request: ScaleRequest,
    depth: DepthMap,
    detections: Detections,
    statistic: Statistic | str,
    camera: Camera | None,
) -> Scale:
    """Work out the factor that `request` asks for on one picture, for use on that picture.

    Args:
        request: what is known.
        depth: depth map of the picture, at its size.
        detections: the objects of the picture, all that the detector found.
        statistic: how the distance of a box is read.
        camera: intrinsics; only `ObjectSizes` and `CameraHeight` need them.

    Raises `ScaleError` where the picture does not hold what the request needs, `UsageError` where
    no factor can make this kind of depth metric.
    """
    scale = read_scale(request, depth, detections, statistic, camera)
    spread = PICTURE_SPREADS.get(scale.source, 0.0)
    return replace(scale, uncertainty=math.hypot(scale.uncertainty, spread))


def read_scale(
    request: ScaleRequest,
    depth: DepthMap,
    detections: Detections,
    statistic: Statistic | str,
    camera: Camera | None,
) -> Scale:
    """As `find_scale`, its uncertainty without what the depth network errs in a whole picture.

    That is what `howfar.calibrate` pools over many pictures, whose disagreement shows the rest.
    """
    if depth.kind is DepthKind.RELATIVE_AFFINE:
        raise UsageError(
            "this depth network leaves a shift unknown as well as the scale, so no single factor "
            "gives metres; use a metric network, or one whose card says relative"
        )
    if isinstance(request, GivenScale):
        return Scale(request.factor, ScaleSource.GIVEN, request.uncertainty)
    if isinstance(request, KnownDistance):
        return _from_distance(request, depth, detections, statistic)
    if isinstance(request, CameraHeight):
        return _from_height(request, depth, detections, camera)
    return _from_sizes(request, depth, detections, statistic, camera)


def apply_scale(depth: DepthMap, scale: Scale) -> DepthMap:
    """The map in metres."""
    values = depth.ordered().values * np.float32(scale.factor)
    return DepthMap(values, DepthKind.METRIC, depth.valid)


def _from_distance(
    request: KnownDistance, depth: DepthMap, detections: Detections, statistic: Statistic | str
) -> Scale:
    """The factor that puts one thing at its distance.

    Its uncertainty is that of the known distance and half the logarithmic spread of the depths
    used, since nobody says to which point of the thing the distance was taken.
    """
    box, chosen = _known_box(request.at, detections)
    if chosen is None:
        found = measure(depth, box, statistic)[0]
    else:
        found = measure(depth, detections.boxes, statistic)[chosen]
    if found.value is None or found.interval is None:
        raise ScaleError(f"the known distance at {request.at} cannot be used: {found.reason}")
    low, high = found.interval
    uncertainty = math.hypot(request.uncertainty, math.log(high / low) / P10_TO_P90)
    return Scale(request.distance_m / found.value, ScaleSource.KNOWN_DISTANCE, uncertainty, 1)


def _known_box(
    at: tuple[float, ...] | str, detections: Detections
) -> tuple[FloatArray, int | None]:
    """The box that a known distance names, and its number where it is a detection."""
    if isinstance(at, str):
        same = [i for i, label in enumerate(detections.labels) if label == at]
        if not same:
            seen = ", ".join(sorted(set(detections.labels))) or "nothing"
            raise ScaleError(
                f"no {at!r} was detected to take its known distance from (seen: {seen})"
            )
        best = max(same, key=lambda i: float(detections.scores[i]))
        return detections.boxes[best : best + 1], best
    if len(at) == 4:
        return np.array([at], np.float32), None
    half = PIXEL_PATCH / 2
    x, y = math.floor(at[0]) + 0.5, math.floor(at[1]) + 0.5
    return np.array([Box(x - half, y - half, x + half, y + half)], np.float32), None


def _from_height(
    request: CameraHeight, depth: DepthMap, detections: Detections, camera: Camera | None
) -> Scale:
    """The factor that puts the camera at its height over the ground plane."""
    if camera is None:
        raise ScaleError(f"the camera's height gives a scale only {NEEDS_FOCAL}")
    ground = find_ground(depth, camera, detections.boxes)
    uncertainty = math.hypot(request.uncertainty, ground.uncertainty)
    return Scale(request.height_m / ground.height, ScaleSource.CAMERA_HEIGHT, uncertainty)


def _from_sizes(
    request: ObjectSizes,
    depth: DepthMap,
    detections: Detections,
    statistic: Statistic | str,
    camera: Camera | None,
) -> Scale:
    """Weighted median of the factors of all whole objects whose class has a typical size."""
    if camera is None:
        raise ScaleError(f"object sizes give a distance only {NEEDS_FOCAL}")
    expected = size_distances(detections.boxes, detections.labels, camera, request.sizes)
    found = measure(depth, detections.boxes, statistic)
    usable = np.isfinite(expected.depth) & np.isfinite(found.values)
    if not usable.any():
        raise ScaleError(
            "no object in the picture is whole and of a class with a typical size; "
            "give a known distance instead (2.5m@chair)"
        )
    sure = usable & _sure(detections)
    usable = sure if sure.any() else usable
    hidden = HIDDEN_SPREAD * partly_hidden(detections.boxes)[usable]
    spread = np.sqrt(expected.spread[usable] ** 2 + BOX_SPREAD**2 + hidden**2)
    logs = np.log(expected.depth[usable] / found.values[usable]).astype(np.float64)
    weights = detections.scores[usable] / spread**2
    factor, uncertainty = robust_mean(logs, spread, weights)
    return Scale(math.exp(factor), ScaleSource.OBJECT_SIZE, uncertainty, int(usable.sum()))


def _sure(detections: Detections) -> BoolArray:
    """(N,) which detections are confident and no duplicates of better ones."""
    sure = np.zeros(len(detections), bool)
    sure[nms(detections.boxes, detections.scores, None, DUPLICATE_IOU)] = True
    sure &= detections.scores >= SURE_SCORE
    return sure


def robust_mean(
    values: Float64Array, spread: Float64Array, weights: Float64Array
) -> tuple[float, float]:
    """Weighted median of values (N,) with standard deviations (N,), and its uncertainty.

    The uncertainty is the larger of what the standard deviations promise,
    1.25 * sqrt(sum (w * spread)²) / sum w (the spread itself for one value), and what the
    disagreement of the values shows, 1.48 * weighted median absolute deviation / sqrt(n), where n
    is the effective number of values (sum w)² / sum w².
    """
    middle = _weighted_median(values, weights)
    total = float(weights.sum())
    promised = math.sqrt(float(np.sum((weights * spread) ** 2))) / total
    promised *= 1.25 if len(values) > 1 else 1.0
    effective = total**2 / float(np.sum(weights**2))
    shown = 1.48 * _weighted_median(np.abs(values - middle), weights) / math.sqrt(effective)
    return middle, max(promised, shown)


def _weighted_median(values: Float64Array, weights: Float64Array) -> float:
    order = np.argsort(values)
    position = np.cumsum(weights[order]) - weights[order] / 2
    return float(np.interp(weights.sum() / 2, position, values[order]))
