"""Pictures of a distorting lens, made those of a pinhole: straight lines become straight.

Everything behind this point (networks, boxes, sizes, planes, 3-D positions) may then assume a
pinhole camera: `docs/decisions/012-camera-profiles.md`. The straight picture has the size of the
camera's and shows the largest part of it that leaves no empty pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from howfar.core.boxes import FloatArray
from howfar.core.camera import Camera
from howfar.core.depth import DepthMap
from howfar.core.image import RgbArray
from howfar.core.profile import CameraProfile
from howfar.errors import ProfileError

OPENCV_ORIGIN = 0.5
"""OpenCV puts the centre of the first pixel at (0, 0), howfar at (0.5, 0.5)."""
LEAST_SEEN = 0.95
"""Share of the straight picture that has to lie inside the raw one."""
EDGE_POINTS = 5
"""Points along each side of a box that are moved to find its straight box."""
STEPS = (3, 50, 1e-9)
"""Stop of the iteration that inverts the distortion: after 50 rounds, or at this step."""
Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Straightener:
    """Moves pixels, boxes and depth of a camera's pictures to where a pinhole would show them.

    Attributes:
        camera: the pinhole, of the straight picture.
        raw: OpenCV's camera matrix (3, 3) of the picture as it comes.
        straight: OpenCV's camera matrix (3, 3) of the straight picture.
        distortion: coefficients.
        map_x, map_y: (H, W) float32 position in the raw picture of each straight pixel.
    """

    camera: Camera
    raw: Matrix
    straight: Matrix
    distortion: Matrix
    map_x: FloatArray
    map_y: FloatArray

    def pixels(self, pixels: RgbArray) -> RgbArray:
        """(H, W, 3) uint8 of the straight picture."""
        edge = cv2.BORDER_REPLICATE
        moved = cv2.remap(pixels, self.map_x, self.map_y, cv2.INTER_LINEAR, borderMode=edge)
        return np.asarray(moved, np.uint8)

    def depth(self, depth: DepthMap) -> DepthMap:
        """A depth map of the raw picture, of its size; nearest neighbour, no mixed depths."""
        moved = cv2.remap(depth.values, self.map_x, self.map_y, cv2.INTER_NEAREST)
        valid = cv2.remap(
            depth.valid.astype(np.uint8), self.map_x, self.map_y, cv2.INTER_NEAREST, borderValue=0
        )
        return DepthMap(moved, depth.kind, valid > 0)

    def boxes(self, boxes: FloatArray) -> FloatArray:
        """(N, 4) boxes that enclose the moved sides of boxes (N, 4) of the raw picture."""
        if not len(boxes):
            return boxes
        share = np.linspace(0, 1, EDGE_POINTS)
        ends = np.zeros_like(share)
        u = np.concatenate([share, share, ends, ends + 1])
        v = np.concatenate([ends, ends + 1, share, share])
        x = boxes[:, 0:1] + (boxes[:, 2:3] - boxes[:, 0:1]) * u
        y = boxes[:, 1:2] + (boxes[:, 3:4] - boxes[:, 1:2]) * v
        points = self.points(np.stack([x, y], axis=-1).reshape(-1, 2)).reshape(len(boxes), -1, 2)
        moved = np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)
        return moved.astype(np.float32)

    def points(self, points: npt.NDArray[np.generic]) -> FloatArray:
        """Positions (N, 2) of the raw picture in the straight one, in pixels."""
        rays = slopes(np.asarray(points, np.float64), self.raw, self.distortion)
        moved = rays * np.diag(self.straight)[:2] + self.straight[:2, 2]
        return (moved + OPENCV_ORIGIN).astype(np.float32)


@lru_cache(maxsize=4)
def straightener(profile: CameraProfile, width: int, height: int) -> Straightener | None:
    """What straightens pictures of a size, or None where the lens does not distort.

    Raises `ProfileError` where the coefficients leave nothing of the picture.
    """
    raw_camera = profile.raw_camera(width, height)
    if raw_camera is None or profile.lens is None or not profile.lens.distorts:
        return None
    raw, size = opencv_matrix(raw_camera), (width, height)
    distortion = np.array(profile.lens.distortion, np.float64)
    straight = _straight_matrix(raw, distortion, size)
    maps = cv2.initUndistortRectifyMap(raw, distortion, np.eye(3), straight, size, cv2.CV_32FC1)
    map_x, map_y = (np.asarray(places, np.float32) for places in maps)
    inside = (map_x > -1) & (map_x < width) & (map_y > -1) & (map_y < height)
    if not (np.isfinite(straight).all() and straight[0, 0] > 0 and inside.mean() > LEAST_SEEN):
        raise ProfileError(
            f"{profile.name}: its distortion coefficients {profile.lens.distortion} leave nothing "
            "of the picture; calibrate again with views that reach the corners"
        )
    (fx, _, cx), (_, fy, cy), _ = straight.tolist()
    camera = Camera(
        width, height, fx, fy, cx + OPENCV_ORIGIN, cy + OPENCV_ORIGIN, raw_camera.source
    )
    return Straightener(camera, raw, straight, distortion, map_x, map_y)


def _straight_matrix(raw: Matrix, distortion: Matrix, size: tuple[int, int]) -> Matrix:
    """(3, 3) matrix of the largest view without empty pixels whose pixels keep their shape.

    OpenCV's own stretches each axis to the edge of what is seen; here the tighter one decides.
    """
    found, _ = cv2.getOptimalNewCameraMatrix(raw, distortion, size, 0, size)
    stretched = np.asarray(found, np.float64)
    last = np.array(size) - 1.0
    focal, centre, own = np.diag(stretched)[:2], stretched[:2, 2], np.diag(raw)[:2]
    middle = (last / 2 - centre) / focal  # slopes of the ray in the middle of the view
    focal = own * np.max(focal / own)
    cx, cy = last / 2 - middle * focal
    return np.array([[focal[0], 0, cx], [0, focal[1], cy], [0, 0, 1]])


def slopes(points: Matrix, raw: Matrix, distortion: Matrix) -> Matrix:
    """Slopes (N, 2) of the rays that a distorting lens sees at positions (N, 2) in pixels."""
    given = (points - OPENCV_ORIGIN).reshape(-1, 1, 2)
    found = cv2.undistortImagePoints(given, raw, distortion, None, STEPS)
    pixels = np.asarray(found, np.float64).reshape(-1, 2)
    return np.asarray((pixels - raw[:2, 2]) / np.diag(raw)[:2])


def opencv_matrix(camera: Camera) -> Matrix:
    """(3, 3) camera matrix with OpenCV's origin."""
    x, y = camera.cx - OPENCV_ORIGIN, camera.cy - OPENCV_ORIGIN
    return np.array([[camera.fx, 0, x], [0, camera.fy, y], [0, 0, 1]], np.float64)
