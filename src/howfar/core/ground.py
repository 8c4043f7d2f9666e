"""The ground plane in a depth map: how high above it the camera stands, in the map's own unit.

A plane n . p = h in the camera frame (n of length 1, pointing down; h the camera's height) is
linear in inverse depth: on the ray r = ((x - cx) / fx, (y - cy) / fy, 1), 1 / z = n . r / h.
So the plane is three numbers, m = n / h; any three pixels give a guess, and residuals relative to
1 / z are what a depth network's errors are like. The best of many guesses (RANSAC) wins, where
pixels *below* a guessed ground count against it: nothing lies under the ground, but much lies under
a table's top.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from howfar.core.boxes import FloatArray
from howfar.core.camera import Camera
from howfar.core.depth import BoolArray, DepthMap
from howfar.errors import ScaleError

Float64Array = npt.NDArray[np.float64]

POINTS, GUESSES = 2500, 400
"""Pixels that are looked at, and planes that are tried."""
TOLERANCE, LEAST_TOLERANCE, NEAR_SPREADS = 0.08, 0.005, 2.5
"""A pixel whose depth differs by less, relatively, lies on the plane: at first, at least, and by
the standard deviation of those on it."""
ROUNDS = 6
GRAZING = 0.05
"""Sine of the angle between ray and ground below which a pixel says nothing: 3 degrees."""
MAX_TILT, MAX_ROLL = math.sin(math.radians(45)), math.sin(math.radians(20))
"""Limits of how far the camera looks up or down, and leans to a side."""
LEAST_SHARE, LEAST_POINTS = 0.12, 40
"""Share and number of the pixels under the horizon that have to lie on the ground."""
MOST_UNCERTAIN = 0.5
BLOCKS = (3, 2)
"""Columns and rows of blocks, each of which is left out once to see how much the height moves."""
NOT_FOUND = (
    "no ground plane is seen in the depth map ({why}); the camera's height needs open floor or "
    "road in the lower half of the picture: take another one, or give a known distance"
)


@dataclass(frozen=True)
class Ground:
    """A ground plane.

    Attributes:
        normal: (x, y, z) of length 1 in the camera frame, pointing down.
        height: of the camera above it, in the unit of the depth map.
        uncertainty: relative standard deviation of `height` (jackknife over blocks of the picture).
        share: of the pixels under its horizon that lie on it, 0..1.
    """

    normal: tuple[float, float, float]
    height: float
    uncertainty: float
    share: float

    @property
    def pitch_deg(self) -> float:
        """How far the camera looks down, in degrees."""
        return math.degrees(math.asin(self.normal[2]))


def find_ground(depth: DepthMap, camera: Camera, boxes: FloatArray | None = None) -> Ground:
    """The ground plane of one picture.

    Args:
        depth: the map; a relative one is read in its own order (`DepthMap.ordered`), so the height
            is in the unit of that.
        camera: intrinsics of the picture, of the map's size.
        boxes: (N, 4) objects, whose pixels are left out.

    Raises `ScaleError` where too few pixels lie on one plane under the camera.
    """
    rays, inverse, places = _points(depth, camera, boxes)
    if len(inverse) < LEAST_POINTS:
        raise ScaleError(NOT_FOUND.format(why="too few pixels have a depth"))
    plane = _best_guess(rays, inverse)
    if plane is None:
        raise ScaleError(NOT_FOUND.format(why="no surface under the camera is level"))
    plane, on_it = _refined(plane, rays, inverse)
    count, under_horizon = int(on_it.sum()), int(_visible(plane, rays).sum())
    share = count / max(under_horizon, 1)
    if count < LEAST_POINTS or share < LEAST_SHARE:
        raise ScaleError(NOT_FOUND.format(why=f"{share:.0%} of the lower pixels lie on a plane"))
    uncertainty = _jackknife(rays[on_it], inverse[on_it], places[on_it], plane)
    if not (_plausible(plane[None])[0] and uncertainty < MOST_UNCERTAIN):
        raise ScaleError(NOT_FOUND.format(why=f"its height is uncertain by {uncertainty:.0%}"))
    length = float(np.linalg.norm(plane))
    x, y, z = (plane / length).tolist()
    return Ground((x, y, z), 1 / length, uncertainty, share)


def _points(
    depth: DepthMap, camera: Camera, boxes: FloatArray | None
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Rays (M, 3), inverse depths (M,) and positions (M, 2) of pixels outside the boxes."""
    ordered = depth.ordered()
    usable = ordered.valid.copy()
    for x1, y1, x2, y2 in boxes if boxes is not None else ():
        rows = slice(max(int(y1), 0), max(math.ceil(y2), 0))
        usable[rows, max(int(x1), 0) : max(math.ceil(x2), 0)] = False
    usable[: depth.height // 4] = False
    if usable.sum() < ordered.valid.sum() / 8:
        usable = ordered.valid.copy()  # boxes cover all of the ground
    flat = np.flatnonzero(usable)
    count = min(POINTS, len(flat))
    flat = flat[np.linspace(0, len(flat) - 1, count).astype(np.int64)] if count else flat
    y, x = np.divmod(flat, depth.width)
    places = np.stack([x + 0.5, y + 0.5], axis=1)
    slopes = (places - [camera.cx, camera.cy]) / [camera.fx, camera.fy]
    rays = np.concatenate([slopes, np.ones((count, 1))], axis=1)
    return rays, 1 / ordered.values.ravel()[flat].astype(np.float64), places


def _best_guess(rays: Float64Array, inverse: Float64Array) -> Float64Array | None:
    """The plane m (3,) of three pixels that most pixels lie on and fewest lie under."""
    rng = np.random.default_rng(0)
    low = np.flatnonzero(rays[:, 1] >= np.quantile(rays[:, 1], 0.4))
    triples = low[rng.integers(len(low), size=(GUESSES, 3))]
    matrices = rays[triples]
    solvable = np.abs(np.linalg.det(matrices)) > 1e-4
    if not solvable.any():
        return None
    values = inverse[triples][solvable][..., None]
    planes: Float64Array = np.linalg.solve(matrices[solvable], values)[..., 0]
    planes = planes[_plausible(planes)]
    if not len(planes):
        return None
    expected = planes @ rays.T
    seen = expected > GRAZING * np.linalg.norm(planes, axis=1)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.where(seen, inverse / expected - 1, np.inf)
    hits = np.maximum(1 - (error / TOLERANCE) ** 2, 0).sum(axis=1)
    under = (error < -2 * TOLERANCE).sum(axis=1)
    return np.asarray(planes[np.argmax(hits - under)], np.float64)


def _plausible(planes: Float64Array) -> BoolArray:
    """(K,) which planes (K, 3) can be the ground under an upright camera."""
    length = np.linalg.norm(planes, axis=1)
    normal = planes / np.maximum(length, 1e-12)[:, None]
    upright = (normal[:, 1] > 0) & (np.abs(normal[:, 2]) < MAX_TILT)
    return np.asarray(upright & (np.abs(normal[:, 0]) < MAX_ROLL) & (length > 0))


def _refined(
    plane: Float64Array, rays: Float64Array, inverse: Float64Array
) -> tuple[Float64Array, BoolArray]:
    """The plane through the pixels on it, and which they are.

    How near the plane counts as on it follows the spread of those that are: on a clean map the foot
    of a wall is left out, which would lift the ground.
    """
    on_it = _on_plane(plane, rays, inverse, TOLERANCE)
    for _ in range(ROUNDS):
        if on_it.sum() < LEAST_POINTS:
            break
        plane = _fit(rays[on_it], inverse[on_it], plane)
        off = np.median(np.abs(inverse[on_it] / (rays[on_it] @ plane) - 1))
        tolerance = float(np.clip(NEAR_SPREADS * 1.48 * off, LEAST_TOLERANCE, TOLERANCE))
        on_it = _on_plane(plane, rays, inverse, tolerance)
    return plane, on_it


def _visible(plane: Float64Array, rays: Float64Array) -> BoolArray:
    return np.asarray(rays @ plane > GRAZING * np.linalg.norm(plane))


def _on_plane(
    plane: Float64Array, rays: Float64Array, inverse: Float64Array, tolerance: float
) -> BoolArray:
    """(M,) which pixels lie on a plane, relatively to their depth."""
    expected = rays @ plane
    seen = _visible(plane, rays)
    return np.asarray(seen & (np.abs(inverse - expected) < tolerance * expected))


def _fit(rays: Float64Array, inverse: Float64Array, guess: Float64Array) -> Float64Array:
    """Least squares of relative residuals."""
    weight = 1 / np.maximum(rays @ guess, 1e-12)
    found = np.linalg.lstsq(rays * weight[:, None], inverse * weight, rcond=None)[0]
    return np.asarray(found, np.float64)


def _jackknife(
    rays: Float64Array, inverse: Float64Array, places: Float64Array, plane: Float64Array
) -> float:
    """Standard deviation of log height from leaving out one block of the picture at a time.

    Errors of a depth map go together within a region, so pixels are no independent measurements;
    blocks nearly are.
    """
    columns, rows = BLOCKS
    block = np.zeros(len(places), np.int64)
    for axis, parts in ((0, columns), (1, rows)):
        edges = np.quantile(places[:, axis], np.linspace(0, 1, parts + 1)[1:-1])
        block = block * parts + np.searchsorted(edges, places[:, axis])
    logs = []
    for number in range(columns * rows):
        kept = block != number
        if 3 <= kept.sum() < len(block):
            length = np.linalg.norm(_fit(rays[kept], inverse[kept], plane))
            logs.append(-math.log(max(float(length), 1e-12)))
    count = len(logs)
    if count < 2:
        return MOST_UNCERTAIN
    return math.sqrt((count - 1) / count * float(np.sum((np.array(logs) - np.mean(logs)) ** 2)))
