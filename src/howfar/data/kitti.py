"""KITTI: calibration, lidar and the constants that its data sets share.

KITTI's pixel centres lie at whole numbers, ours at halves, so half a pixel is added to every
position (cx, cy, boxes). Points and 3-D boxes are given in the frame of the picture's own camera:
KITTI's own reference is camera 0, 6 cm to its left.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from howfar.core.boxes import FloatArray
from howfar.core.camera import Camera
from howfar.core.depth import DepthMap
from howfar.data.files import numbers, read_bytes, read_lines
from howfar.errors import DatasetError, UsageError

DEPTH_PER_M = 256.0
"""16-bit depth pictures: 1/256 m, 0 none (depth devkit readme). Disparity: 1/256 pixel."""
DEPTH_RANGE_M = (1e-3, 80.0)
"""Caps of the Eigen protocol (monodepth, evaluate_kitti.py)."""
FOCAL_PX = 721.5377
"""Focal length of the drives of 2011_09_26, the most frequent one (P_rect_02)."""
BASELINE_M = 0.5327
"""Distance of the colour cameras, b3 - b2; monodepth uses 0.54."""
MONODEPTH_BASELINE_M = 0.54
HALF_PIXEL = 0.5
EIGEN_SHIFT = -1
"""monodepth takes pixel round(u) - 1, round(v) - 1 for a lidar point at (u, v), as the MATLAB
devkit does, which counts pixels from one. Depth maps of the Eigen protocol need it to be those
that others published; elsewhere a point goes to the pixel that it falls in (shift 0)."""

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Calibration:
    """Calibration of one picture pair.

    Attributes:
        left, right: (3, 4) projections P2 and P3, from rectified camera 0 to pixels.
        velo_to_rect: (4, 4) from lidar to rectified camera 0; None where there is no lidar.
        source: file that errors name.
    """

    left: Matrix
    right: Matrix
    velo_to_rect: Matrix | None
    source: str

    def offset_m(self, projection: Matrix | None = None) -> Matrix:
        """(3,) what added to a point of camera 0 gives it in the frame of the left camera (or of
        `projection`): K^-1 times its last column."""
        matrix = self.left if projection is None else projection
        return np.asarray(np.linalg.solve(matrix[:, :3], matrix[:, 3]), np.float64)

    @property
    def baseline_m(self) -> float:
        """Distance of the right camera from the left, along X."""
        return float(self.offset_m()[0] - self.offset_m(self.right)[0])

    def camera(self, width: int, height: int, right: bool = False) -> Camera:
        """Intrinsics of the left (or right) picture."""
        matrix = self.right if right else self.left
        cx, cy = matrix[0, 2] + HALF_PIXEL, matrix[1, 2] + HALF_PIXEL
        try:
            return Camera(
                width, height, float(matrix[0, 0]), float(matrix[1, 1]), float(cx), float(cy)
            )
        except UsageError as error:
            raise DatasetError(f"{self.source}: {error}") from error

    def to_camera(self, velo: FloatArray) -> FloatArray:
        """Lidar points (M, 3 or more) as (M, 3) in the frame of the left camera."""
        if self.velo_to_rect is None:
            raise DatasetError(f"{self.source}: no transformation from lidar to camera in it")
        points = velo[:, :3].astype(np.float64)
        moved = points @ self.velo_to_rect[:3, :3].T + self.velo_to_rect[:3, 3] + self.offset_m()
        return moved.astype(np.float32)


def read_object_calibration(path: Path) -> Calibration:
    """`calib/%06d.txt` of the object benchmark: P0..P3, R0_rect, Tr_velo_to_cam."""
    table = _table(path)
    velo = _rigid(_matrix(table, "Tr_velo_to_cam", 3, 4, path))
    rect = _rigid(_matrix(table, "R0_rect", 3, 3, path))
    left, right = _matrix(table, "P2", 3, 4, path), _matrix(table, "P3", 3, 4, path)
    return Calibration(left, right, rect @ velo, str(path))


def read_raw_calibration(cameras: Path, velo: Path | None = None) -> Calibration:
    """`calib_cam_to_cam.txt` and, where lidar is needed, `calib_velo_to_cam.txt` of raw drives."""
    table = _table(cameras)
    left = _matrix(table, "P_rect_02", 3, 4, cameras)
    right = _matrix(table, "P_rect_03", 3, 4, cameras)
    if velo is None:
        return Calibration(left, right, None, str(cameras))
    lidar = _table(velo)
    turn, shift = _matrix(lidar, "R", 3, 3, velo), _matrix(lidar, "T", 3, 1, velo)
    rect = _rigid(_matrix(table, "R_rect_00", 3, 3, cameras))
    return Calibration(left, right, rect @ _rigid(np.hstack([turn, shift])), str(cameras))


def _table(path: Path) -> dict[str, tuple[int, list[str]]]:
    """Lines `name: words` as name -> (line number, words)."""
    table = {}
    for number, line in enumerate(read_lines(path), 1):
        name, colon, rest = line.partition(":")
        if colon:
            table[name.strip()] = (number, rest.split())
    return table


def _matrix(
    table: dict[str, tuple[int, list[str]]], name: str, rows: int, columns: int, path: Path
) -> Matrix:
    if name not in table:
        raise DatasetError(f"{path}: no line {name!r} in this calibration")
    line, words = table[name]
    values = numbers(words, path, line)
    if len(values) != rows * columns:
        raise DatasetError(f"{path}: {name} has {len(values)} numbers; expected {rows}x{columns}")
    return np.array(values).reshape(rows, columns)


def _rigid(matrix: Matrix) -> Matrix:
    """(3, 3) or (3, 4) as (4, 4)."""
    full = np.eye(4)
    full[:3, : matrix.shape[1]] = matrix
    return full


def read_velodyne(path: Path) -> FloatArray:
    """Lidar points (M, 4) of a `.bin` file: x forward, y left, z up in metres, reflectance."""
    data = read_bytes(path)
    if len(data) % 16:
        raise DatasetError(f"{path}: {len(data)} bytes are no whole number of points (4 float32)")
    points = np.frombuffer(data, "<f4").reshape(-1, 4)
    if not np.isfinite(points).all() or np.abs(points[:, :3]).max() > 1000:
        raise DatasetError(f"{path}: lidar points that are no metres; the file is damaged")
    return points.astype(np.float32)


def lidar_depth(
    points_m: FloatArray, camera: Camera, shift: int = 0, values_m: FloatArray | None = None
) -> DepthMap:
    """Sparse depth (H, W) of points (M, 3) in the camera frame; the nearest wins a pixel.

    Args:
        points_m: points; those behind the camera are left out.
        camera: intrinsics and size.
        shift: added to the pixel's column and row: 0, or `EIGEN_SHIFT`.
        values_m: (M,) what to store instead of z: the Eigen files of monodepth hold the lidar's
            forward distance.
    """
    values = points_m[:, 2] if values_m is None else values_m
    front = (points_m[:, 2] > 0) & (values > 0)
    points, values = points_m[front], values[front]
    columns, rows = np.round(camera.project(points) - HALF_PIXEL).astype(np.int64).T + shift
    inside = (columns >= 0) & (rows >= 0) & (columns < camera.width) & (rows < camera.height)
    depth = np.full((camera.height, camera.width), np.inf, np.float32)
    np.minimum.at(depth, (rows[inside], columns[inside]), values[inside])
    return DepthMap(np.where(np.isfinite(depth), depth, 0))
