"""How far a true object is: the distances z, in metres, that predictions are held against.

Order of preference, always named: `LIDAR`, `PIXELS`, `CENTER`. The first two measure the visible
surface, as a depth map does. The third is the middle of the object's 3-D box, which lies behind
that surface (4.6 % in the median and up to 25 % on twelve KITTI frames), so it is a row of its own.

3-D boxes have KITTI's axes (camera frame: X right, Y down, Z forward): `location` is the middle of
the bottom face, `yaw` turns about Y, length lies along X and width along Z at yaw 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from howfar.core.depth import DepthMap
from howfar.errors import UsageError
from howfar.metrics.sums import BoolArray

LIDAR = "lidar-median"
"""Median z of the lidar points inside the 3-D box, at least `MIN_POINTS`."""
PIXELS = "pixel-median"
"""Median z of the visible pixels of the instance."""
CENTER = "box-center"
"""z of the centre of the labelled 3-D box."""
MIN_POINTS = 5


@dataclass(frozen=True)
class Box3D:
    """A labelled 3-D box.

    Attributes:
        height, width, length: metres.
        location: X, Y, Z of the middle of the bottom face, metres.
        yaw: rotation about the Y axis in radians (KITTI's ry).
    """

    height: float
    width: float
    length: float
    location: tuple[float, float, float]
    yaw: float

    def contains(self, points: npt.ArrayLike) -> BoolArray:
        """Which points (N, 3) of the camera frame, in metres, lie inside or on the box."""
        xyz = np.asarray(points, np.float64).reshape(-1, 3) - np.asarray(self.location)
        cos, sin = math.cos(self.yaw), math.sin(self.yaw)
        along = cos * xyz[:, 0] - sin * xyz[:, 2]
        across = sin * xyz[:, 0] + cos * xyz[:, 2]
        inside = (np.abs(along) <= self.length / 2) & (np.abs(across) <= self.width / 2)
        return np.asarray(inside & (xyz[:, 1] <= 0) & (xyz[:, 1] >= -self.height))

    def corners(self) -> npt.NDArray[np.float64]:
        """The eight corners (8, 3) in metres, the bottom face first."""
        x = np.array([1, 1, -1, -1] * 2) * self.length / 2
        z = np.array([1, -1, -1, 1] * 2) * self.width / 2
        y = np.repeat([0.0, -self.height], 4)
        cos, sin = math.cos(self.yaw), math.sin(self.yaw)
        turned = np.stack([cos * x + sin * z, y, -sin * x + cos * z], axis=1)
        return np.asarray(turned + np.asarray(self.location))


@dataclass(frozen=True)
class TrueDistance:
    """A true distance.

    Attributes:
        distance_m: z in metres, or None where there is too little to tell.
        kind: `LIDAR`, `PIXELS` or `CENTER`.
        samples: lidar points or pixels that it is the median of.
    """

    distance_m: float | None
    kind: str
    samples: int


def lidar_distance(points: npt.ArrayLike, box: Box3D, min_points: int = MIN_POINTS) -> TrueDistance:
    """Median z of the lidar points (N, 3), in the camera frame, inside the 3-D box."""
    xyz = np.asarray(points, np.float64).reshape(-1, 3)
    inside = xyz[box.contains(xyz), 2]
    found = float(np.median(inside)) if inside.size >= min_points else None
    return TrueDistance(found, LIDAR, int(inside.size))


def pixel_distance(depth: DepthMap, mask: npt.ArrayLike, min_pixels: int = 1) -> TrueDistance:
    """Median true z of the visible pixels (H, W bool) of an instance.

    Raises `UsageError` where the depth is not metric or the mask has another shape.
    """
    seen = np.asarray(mask, bool)
    if not depth.is_metric:
        raise UsageError("true distances need metric depth; this map is relative")
    if seen.shape != depth.values.shape:
        raise UsageError(f"instance mask {seen.shape} does not fit depth {depth.values.shape}")
    values = depth.values[seen & depth.valid].astype(np.float64)
    found = float(np.median(values)) if values.size >= max(min_pixels, 1) else None
    return TrueDistance(found, PIXELS, int(values.size))


def center_distance(box: Box3D) -> TrueDistance:
    """z of the centre of the labelled 3-D box; its yaw and height do not matter for z."""
    return TrueDistance(float(box.location[2]), CENTER, 0)
