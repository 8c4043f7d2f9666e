"""KITTI object: training/{image_2,image_3,label_2,calib,velodyne}/%06d.* (facts, section 2)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from howfar.core.boxes import FloatArray
from howfar.data.synthetic.files import save_rgb
from howfar.data.synthetic.records import SyntheticObject, SyntheticScene
from howfar.data.synthetic.shapes import Array

TYPES = {"car": "Car", "truck": "Truck", "bus": "Misc", "person": "Pedestrian"}
"""Our labels as KITTI types; other detected objects are Misc, undetected ones are left out."""
CAMERA_2_M = 0.06
"""Camera 2 stands this far left of camera 0: KITTI's P2[0, 3] is about 45 = 721.5 * 0.06."""
BEAMS = 64
"""Rings of a Velodyne HDL-64E."""
BEAM_RANGE_DEG = (-24.8, 2.0)
"""Lowest and highest beam of a Velodyne HDL-64E."""
AZIMUTH_STEP_DEG = 0.17
"""Step around at 10 turns a second."""
REACH_M = 120.0
VELO_TO_CAM = np.array([[0.0, -1, 0, 0], [0, 0, -1, -0.08], [1, 0, 0, -0.27]])
"""From the lidar (X ahead, Y left, Z up) to camera 0, 27 cm ahead of it and 8 cm below."""


def write(folder: Path, scenes: Iterable[SyntheticScene]) -> None:
    """Write level stereo street scenes."""
    root = folder / "training"
    for name in ("label_2", "calib", "velodyne"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for number, scene in enumerate(scenes):
        save_rgb(root / "image_2" / f"{number:06d}.png", scene.image)
        if scene.right is not None:
            save_rgb(root / "image_3" / f"{number:06d}.png", scene.right.image)
        rows = [_label(thing) for thing in scene.objects if thing.detected]
        (root / "label_2" / f"{number:06d}.txt").write_text("".join(f"{row}\n" for row in rows))
        (root / "calib" / f"{number:06d}.txt").write_text(_calibration(scene))
        lidar_points(scene).tofile(root / "velodyne" / f"{number:06d}.bin")


def _label(thing: SyntheticObject) -> str:
    """One line; x, y, z are in the frame of camera 0, which stands 6 cm right of camera 2."""
    box = thing.box3d
    x = box.x_m - CAMERA_2_M
    alpha = _wrapped(box.yaw - math.atan2(x, box.z_m))
    x1, y1, x2, y2 = thing.full_box
    numbers = (x1, y1, x2 - 1, y2 - 1, box.height_m, box.width_m, box.length_m, x, box.y_m)
    kind = TYPES.get(thing.label, "Misc")
    head = f"{kind} {thing.truncation:.2f} {thing.occlusion} {alpha:.2f}"
    tail = " ".join(f"{value:.2f}" for value in (*numbers, box.z_m, _wrapped(box.yaw)))
    return f"{head} {tail}"


def _wrapped(angle: float) -> float:
    return (angle + math.pi) % (2 * math.pi) - math.pi


def _calibration(scene: SyntheticScene) -> str:
    """P0..P3 with pixel centres at whole numbers, R0_rect, Tr_velo_to_cam, Tr_imu_to_velo."""
    camera = scene.camera
    lines = []
    for k, right_m in enumerate(
        (0.0, scene.baseline_m, -CAMERA_2_M, scene.baseline_m - CAMERA_2_M)
    ):
        matrix = np.array(
            [
                [camera.fx, 0, camera.cx - 0.5, -camera.fx * right_m],
                [0, camera.fy, camera.cy - 0.5, 0],
                [0, 0, 1, 0],
            ]
        )
        lines.append(f"P{k}: {_numbers(matrix)}")
    lines.append(f"R0_rect: {_numbers(np.eye(3))}")
    lines.append(f"Tr_velo_to_cam: {_numbers(VELO_TO_CAM)}")
    lines.append(f"Tr_imu_to_velo: {_numbers(np.eye(3, 4))}")
    return "\n".join(lines) + "\n"


def _numbers(matrix: Array) -> str:
    return " ".join(f"{value:.12e}" for value in np.ravel(matrix))


def lidar_points(scene: SyntheticScene) -> FloatArray:
    """(N, 4) float32 X, Y, Z in the lidar's frame and reflectance.

    Beams are cast from camera 2, so that no point is hidden from the picture; each takes the depth
    of the pixel that it meets.
    """
    camera = scene.camera
    rise = np.radians(np.linspace(*BEAM_RANGE_DEG, BEAMS))[:, None]
    half = math.radians(camera.fov_deg / 2)
    turn = np.arange(-half, half, math.radians(AZIMUTH_STEP_DEG))
    column = np.tan(turn) * camera.fx + camera.cx + np.zeros_like(rise)
    row = camera.cy - np.tan(rise) / np.cos(turn) * camera.fy
    seen = (column >= 0) & (column < camera.width) & (row >= 0) & (row < camera.height)
    u, v = column[seen].astype(np.int64), row[seen].astype(np.int64)
    depth = scene.depth.values[v, u]
    near = depth < REACH_M
    u, v, depth = u[near], v[near], depth[near]
    points = camera.unproject(u + np.float32(0.5), v + np.float32(0.5), depth)
    points = points - np.array([CAMERA_2_M, 0, 0], np.float32)  # camera 2 -> camera 0
    lidar = (points - VELO_TO_CAM[:, 3].astype(np.float32)) @ VELO_TO_CAM[:, :3].astype(np.float32)
    light = scene.image[v, u].mean(axis=1, keepdims=True) / 255
    return np.concatenate([lidar, light], axis=1).astype(np.float32)
