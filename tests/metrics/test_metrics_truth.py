import math

import numpy as np
import pytest

from howfar.core.depth import DepthMap
from howfar.errors import UsageError
from howfar.metrics.truth import (
    CENTER,
    LIDAR,
    PIXELS,
    Box3D,
    center_distance,
    lidar_distance,
    pixel_distance,
)

CAR = Box3D(height=1.5, width=1.6, length=4.0, location=(2.0, 1.7, 20.0), yaw=0.0)


def test_corners_and_points_agree_with_kitti_axes():
    corners = CAR.corners()
    assert corners[:, 0].min() == 0
    assert corners[:, 0].max() == 4, "length lies along X at yaw 0"
    assert np.ptp(corners[:, 2]) == pytest.approx(1.6)
    assert corners[:, 1].max() == 1.7, "the location is the middle of the bottom"
    assert corners[:, 1].min() == pytest.approx(0.2)
    inside = [[2, 1.0, 20], [0, 1.7, 19.3], [4, 0.3, 20.7]]
    outside = [[2, 1.8, 20], [2, 0.1, 20], [4.1, 1, 20], [2, 1, 20.9]]
    assert CAR.contains(inside).all()
    assert not CAR.contains(outside).any()


@pytest.mark.parametrize("yaw", [0.3, -1.2, math.pi / 2, 2.9])
def test_turned_boxes_hold_their_own_corners(yaw):
    box = Box3D(1.5, 1.6, 4.0, (2.0, 1.7, 20.0), yaw)
    corners = box.corners()
    middle = corners.mean(axis=0)
    assert box.contains(middle + 0.999 * (corners - middle)).all()
    assert not box.contains(middle + 1.001 * (corners - middle)).any()


def test_yaw_turns_from_x_towards_minus_z():
    box = Box3D(1.5, 1.0, 6.0, (0.0, 0.0, 10.0), math.pi / 4)
    assert box.contains([[2, -1, 8]]).all(), "x cos + z sin: KITTI's rotation about Y"
    assert not box.contains([[2, -1, 12]]).any()


def test_lidar_distance_needs_five_points():
    points = np.array([[2, 1, z] for z in (19.3, 19.35, 19.4, 20.5, 20.6)] + [[50, 1, 3]])
    found = lidar_distance(points, CAR)
    assert (found.distance_m, found.kind, found.samples) == (19.4, LIDAR, 5)
    assert lidar_distance(points[1:], CAR).distance_m is None
    assert lidar_distance(points[1:], CAR, min_points=4).distance_m == pytest.approx(19.95)
    assert lidar_distance(np.zeros((0, 3)), CAR).samples == 0


def test_pixel_distance_is_the_median_of_visible_pixels():
    depth = DepthMap(np.arange(12, dtype=np.float32).reshape(3, 4))
    mask = np.zeros((3, 4), bool)
    mask[0] = True
    found = pixel_distance(depth, mask)
    assert (found.distance_m, found.kind, found.samples) == (2, PIXELS, 3)
    assert pixel_distance(depth, mask & False).distance_m is None
    assert pixel_distance(depth, mask, min_pixels=4).distance_m is None
    with pytest.raises(UsageError, match="does not fit"):
        pixel_distance(depth, mask.T)
    with pytest.raises(UsageError, match="relative"):
        pixel_distance(DepthMap(np.ones((3, 4)), "relative"), mask)


def test_the_centre_of_the_label_is_another_truth():
    found = center_distance(CAR)
    assert (found.distance_m, found.kind) == (20.0, CENTER)


@pytest.mark.shared
def test_kitti_lidar_lies_in_front_of_the_label_centre(shared_data):
    folder = shared_data / "eval" / "kitti-object" / "training"
    ratios, enough, objects = [], 0, 0
    for label in sorted((folder / "label_2").glob("*.txt")):
        points = camera_points(folder, label.stem)
        for row in map(str.split, label.read_text().splitlines()):
            if row[0] == "DontCare":
                continue
            h, w, length, x, y, z, yaw = map(float, row[8:15])
            box = Box3D(h, w, length, (x, y, z), yaw)
            objects += 1
            found = lidar_distance(points, box)
            if found.distance_m is not None:
                enough += 1
                ratios.append(found.distance_m / z)
    assert (objects, enough) == (44, 42), "as the README of the data says"
    assert 0.8 < np.median(ratios) < 1.0


def camera_points(folder, name):
    """The lidar points of a KITTI frame in the rectified camera frame."""
    rows = (folder / "calib" / f"{name}.txt").read_text().split("\n")
    calib = {r.split(":")[0]: np.array(r.split()[1:], float) for r in rows if ":" in r}
    points = np.fromfile(folder / "velodyne" / f"{name}.bin", np.float32).reshape(-1, 4)
    turned = calib["Tr_velo_to_cam"].reshape(3, 4)
    xyz = np.c_[points[:, :3], np.ones(len(points))] @ turned.T
    return xyz @ calib["R0_rect"].reshape(3, 3).T
