"""Writers of tiny copies of every data set in its official layout, with known truth."""

import csv
import io
import json
import pickle
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

W, H = 64, 48
PNG_8BIT = cv2.imencode(".png", np.full((H, W), 90, np.uint8))[1].tobytes()
PNG_WIDENED = cv2.imencode(".png", np.full((H, W), 90, np.uint16))[1].tobytes()
PNG_SMALL = cv2.imencode(".png", np.full((H - 8, W), 3000, np.uint16))[1].tobytes()
RUBBISH = b"these are not the bytes that you expect, " * 9


@dataclass
class Case:
    """What a written copy holds.

    `depth` is that of sample 0 in metres with 0 for none, `step` its quantisation; `damages` are
    name -> (file, new bytes or None to delete it), each of which must give one clear error.
    """

    address: str
    count: int
    pixels: np.ndarray
    depth: np.ndarray | None = None
    step: float = 1e-6
    boxes: list | None = None
    labels: tuple = ()
    fx: float | None = None
    damages: dict = field(default_factory=dict)


def picture(seed=0, width=W, height=H):
    """Smooth RGB, so that JPEG keeps it to a few levels."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 3 % 256, y * 4 % 256, (x + y + 40 * seed) % 200], axis=-1).astype(np.uint8)


def metres(seed=0, near=2.0, far=9.0):
    """(H, W) depth with an unknown corner."""
    ramp = np.linspace(near, far, W * H).reshape(H, W) + seed * 0.1
    ramp[:4, :4] = 0
    return ramp


def save(path: Path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = array[..., ::-1] if array.ndim == 3 else array
    assert cv2.imwrite(str(path), colour)


def text(path: Path, content: str):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def deep(depth, per_metre):
    return np.rint(depth * per_metre).astype(np.uint16)


def depth_png_damages(file):
    good = cv2.imencode(".png", deep(metres(), 256))[1].tobytes()
    return {
        "missing": (file, None),
        "empty": (file, b""),
        "rubbish": (file, RUBBISH),
        "truncated": (file, good[: len(good) // 2]),
        "8-bit": (file, PNG_8BIT),
        "widened": (file, PNG_WIDENED),
        "shape": (file, PNG_SMALL),
    }


def mat5(arrays, compress):
    """Bytes of a MATLAB 5 file of double arrays."""
    body = b""
    for name, values in arrays.items():
        data = np.asarray(values, "<f8").tobytes("F")
        parts = [
            struct.pack("<IIII", 6, 8, 6, 0),
            struct.pack("<IIii", 5, 8, *np.shape(values)),
            struct.pack("<II", 1, len(name)) + name.encode().ljust(-(-len(name) // 8) * 8, b"\0"),
            struct.pack("<II", 9, len(data)) + data,
        ]
        matrix = struct.pack("<II", 14, sum(map(len, parts))) + b"".join(parts)
        packed = zlib.compress(matrix)
        body += struct.pack("<II", 15, len(packed)) + packed if compress else matrix
    return b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + body


def write_nyu_mat(root):
    import h5py

    file = root / "nyu_depth_v2_labeled.mat"
    depths = np.stack([metres(k) + 2 * (metres(k) == 0) for k in range(4)])
    labels, instances = np.zeros((4, H, W), np.uint16), np.zeros((4, H, W), np.uint8)
    for left, label, instance in ((5, 2, 1), (25, 2, 2), (45, 1, 1)):
        labels[:, 10:30, left : left + 12] = label
        instances[:, 10:30, left : left + 12] = instance
    with h5py.File(file, "w") as mat:
        images = np.stack([picture(k) for k in range(4)])
        mat["images"] = images.transpose(0, 3, 2, 1)
        mat["depths"] = depths.transpose(0, 2, 1).astype(np.float32)
        mat["labels"], mat["instances"] = labels.transpose(0, 2, 1), instances.transpose(0, 2, 1)
        cells = []
        for number, name in enumerate(("chair", "table")):
            mat[f"#refs#/{number}"] = np.array([[ord(c)] for c in name], np.uint16)
            cells.append(mat[f"#refs#/{number}"].ref)
        mat.create_dataset("names", data=np.array([cells], dtype=h5py.ref_dtype))
    splits = mat5({"trainNdxs": [[1], [3]], "testNdxs": [[2], [4]]}, compress=True)
    (root / "splits.mat").write_bytes(splits)
    data = file.read_bytes()
    return Case(
        f"nyu-mat:{root}?split=test",
        2,
        picture(1),
        depths[1],
        boxes=[[45, 10, 57, 30], [5, 10, 17, 30], [25, 10, 37, 30]],
        labels=("chair", "table", "table"),
        fx=518.8579 / 10,
        damages={
            "missing": (file.name, None),
            "truncated": (file.name, data[: len(data) // 2]),
            "rubbish": (file.name, RUBBISH),
            "no splits": ("splits.mat", None),
            "bad splits": ("splits.mat", splits[:150]),
            "rubbish splits": ("splits.mat", RUBBISH),
            "wrong splits": ("splits.mat", mat5({"testNdxs": [[0], [1]]}, False)),
            "other splits": ("splits.mat", mat5({"x": [[1]]}, False)),
        },
    )


def write_nyu_test(root):
    folder, rows = root / "data" / "nyu2_test", []
    for k in (0, 1, 8):
        save(folder / f"{k:05d}_colors.png", picture(k))
        save(folder / f"{k:05d}_depth.png", deep(metres(k), 1000))
        rows.append([f"data/nyu2_test/{k:05d}_{kind}.png" for kind in ("colors", "depth")])
    with (root / "data" / "nyu2_test.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    damages = depth_png_damages("data/nyu2_test/00001_depth.png")
    damages["kitti scale"] = ("data/nyu2_test/00001_depth.png", png(np.full((H, W), 60000)))
    damages["no picture"] = ("data/nyu2_test/00001_colors.png", None)
    damages["columns"] = ("data/nyu2_test.csv", b"a.png,b.png,c.png\n")
    return Case(
        f"nyu-csv:{root}?split=test", 3, picture(), metres(), 5.1e-4, fx=51.88579, damages=damages
    )


def png(values, dtype=np.uint16):
    return cv2.imencode(".png", np.asarray(values, dtype))[1].tobytes()


def write_nyu_train(root):
    folder, rows = root / "data" / "nyu2_train" / "office_0001_out", []
    for k in (1, 2):
        save(folder / f"{k}.jpg", picture(k))
        save(folder / f"{k}.png", np.rint(metres(k) / 10 * 255).astype(np.uint8))
        place = f"data/nyu2_train/office_0001_out/{k}"
        rows.append([f"{place}.jpg", f"{place}.png"])
    with (root / "data" / "nyu2_train.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    depth = "data/nyu2_train/office_0001_out/2.png"
    damages = {
        "missing": (depth, None),
        "colour": (depth, png(picture(), np.uint8)),
        "shape": (depth, png(np.full((H, W // 2), 99), np.uint8)),
        "widened": (depth, PNG_WIDENED),
        "truncated picture": (depth.replace(".png", ".jpg"), RUBBISH),
    }
    return Case(
        f"nyu-csv:{root}?split=train", 2, picture(1), metres(1), 0.02, fx=51.88579, damages=damages
    )


P2 = np.array([[50.0, 0, 31.5, 3.0], [0, 50.0, 23.5, 0.0], [0, 0, 1, 0.002]])
P3 = np.array([[50.0, 0, 31.5, -23.6], [0, 50.0, 23.5, 0.0], [0, 0, 1, 0.002]])
OFFSET = np.array([(3.0 - 31.5 * 0.002) / 50, -23.5 * 0.002 / 50, 0.002])
"""K^-1 times the last column of P2."""
AXES = np.array([[0, -1.0, 0, 0.0], [0, 0, -1, -0.08], [1, 0, 0, -0.27]])
"""Lidar (x forward, y left, z up) to camera 0."""


def row(matrix):
    return " ".join(f"{value:.12e}" for value in np.ravel(matrix))


def object_calibration():
    lines = {"P0": P2, "P1": P2, "P2": P2, "P3": P3, "R0_rect": np.eye(3)}
    lines |= {"Tr_velo_to_cam": AXES, "Tr_imu_to_velo": AXES}
    return "".join(f"{name}: {row(matrix)}\n" for name, matrix in lines.items()) + "\n"


def to_velo(camera_points):
    """Points in camera 2's frame as lidar points with reflectance."""
    points = np.asarray(camera_points) - OFFSET
    back = (points - AXES[:, 3]) @ AXES[:, :3]
    return np.hstack([back, np.zeros((len(back), 1))]).astype("<f4")


def lidar_scene(shift=0):
    """(points in camera 2's frame, sparse depth): a wall at 10 m, a near point over it."""
    columns, rows = (grid.ravel() for grid in np.meshgrid(np.arange(2, 60, 3), np.arange(2, 44, 3)))
    z = np.full(len(columns), 10.0)
    columns, rows, z = np.append(columns, 5), np.append(rows, 5), np.append(z, 4.0)
    points = np.stack([(columns - 31.5) / 50 * z, (rows - 23.5) / 50 * z, z], axis=1)
    depth = np.zeros((H, W))
    depth[rows + shift, columns + shift] = z
    return points, depth


CAR = "Car 0.10 1 -1.50 10.00 12.00 30.00 40.00 1.50 1.60 3.90 1.00 1.20 10.00 1.57\n"
IGNORED = "DontCare -1 -1 -10 40.00 5.00 63.00 20.00 -1 -1 -1 -1000 -1000 -1000 -10\n"


def write_kitti_object(root):
    base = root / "training"
    points, depth = lidar_scene()
    for k in range(2):
        save(base / "image_2" / f"{k:06d}.png", picture(k))
        save(base / "image_3" / f"{k:06d}.png", picture(k + 1))
        text(base / "label_2" / f"{k:06d}.txt", CAR + IGNORED if k == 0 else "")
        text(base / "calib" / f"{k:06d}.txt", object_calibration())
        (base / "velodyne").mkdir(exist_ok=True)
        (base / "velodyne" / f"{k:06d}.bin").write_bytes(to_velo(points).tobytes())
    label, velo = "training/label_2/000000.txt", "training/velodyne/000001.bin"
    return Case(
        f"kitti-object:{root}",
        2,
        picture(),
        depth,
        1e-4,
        boxes=[[10.5, 12.5, 30.5, 40.5], [40.5, 5.5, 63.5, 20.5]],
        labels=("Car", "DontCare"),
        fx=50.0,
        damages={
            "no label": (label, None),
            "columns": (label, b"Car 0 0 1 2 3\n"),
            "words": (label, CAR.replace("1.57", "east").encode()),
            "nan": (label, CAR.replace("1.57", "nan").encode()),
            "outside": (label, CAR.replace("30.00", "300.0").encode()),
            "swapped": (label, CAR.replace("30.00", "3.000").encode()),
            "occlusion": (label, CAR.replace("0.10 1", "0.10 7").encode()),
            "size": (label, CAR.replace("3.90", "-3.9").encode()),
            "binary": (label, b"\xff\xfe\x00\x9d"),
            "no velodyne": (velo, None),
            "cut velodyne": (velo, to_velo(points).tobytes()[:-3]),
            "rubbish velodyne": (velo, b"\xff" * 160),
            "scale velodyne": (velo, (to_velo(points) * 30).tobytes()),
            "no calib": ("training/calib/000001.txt", None),
            "short calib": ("training/calib/000001.txt", b"P2: 1 2 3\n"),
            "no picture": ("training/image_3/000001.png", None),
            "small right": ("training/image_3/000001.png", png(picture()[:20], np.uint8)),
        },
    )


RAW_CAMERAS = "calib_time: 09-Jan-2012 13:57:47\nR_rect_00: {}\nP_rect_02: {}\nP_rect_03: {}\n"


def raw_calibration():
    return RAW_CAMERAS.format(row(np.eye(3)), row(P2), row(P3))


def write_kitti_raw(root, depth="lidar"):
    day, drive = root / "2011_09_26", "2011_09_26_drive_0002_sync"
    text(day / "calib_cam_to_cam.txt", raw_calibration())
    velo = f"R: {row(AXES[:, :3])}\nT: {row(AXES[:, 3])}\n"
    text(day / "calib_velo_to_cam.txt", velo)
    points, sparse = lidar_scene(shift=-1)
    lines = []
    for k in range(2):
        save(day / drive / "image_02" / "data" / f"{k:010d}.png", picture(k))
        (day / drive / "velodyne_points" / "data").mkdir(parents=True, exist_ok=True)
        behind = np.array([[-5.0, 0, 0, 0]], "<f4")
        data = np.vstack([to_velo(points), behind]).tobytes()
        (day / drive / "velodyne_points" / "data" / f"{k:010d}.bin").write_bytes(data)
        name = f"2011_09_26/{drive}/image_02/data/{k:010d}"
        lines.append(f"{name}.jpg {name.replace('_02/', '_03/')}.jpg")
    text(root / "eigen_test_files.txt", "\n".join(lines) + "\n")
    base = f"2011_09_26/{drive}"
    velodyne = f"{base}/velodyne_points/data/0000000001.bin"
    return Case(
        f"kitti-raw:{root}?frames={root}/eigen_test_files.txt&depth={depth}",
        2,
        picture(),
        sparse,
        1e-4,
        fx=50.0,
        damages={
            "no velodyne": (velodyne, None),
            "cut velodyne": (velodyne, b"12345"),
            "no picture": (f"{base}/image_02/data/0000000001.png", None),
            "no calibration": ("2011_09_26/calib_velo_to_cam.txt", None),
            "list": ("eigen_test_files.txt", b"these are no frames\n"),
            "empty list": ("eigen_test_files.txt", b""),
        },
    )


def write_kitti_improved(root):
    case = write_kitti_raw(root)
    drive = "2011_09_26_drive_0002_sync"
    for k in range(2):
        below = f"proj_depth/groundtruth/image_02/{k:010d}.png"
        save(root / "depth" / "val" / drive / below, deep(metres(k, 5, 60), 256))
    lines = [
        f"2011_09_26/{drive}/image_02/data/{k:010d}.png "
        f"{drive}/proj_depth/groundtruth/image_02/{k:010d}.png 50.0"
        for k in range(2)
    ]
    text(root / "eigen_test_files.txt", "\n".join(lines) + "\n")
    case.address = case.address.replace("&depth=lidar", f"&improved={root}/depth")
    case.depth, case.step = metres(0, 5, 60), 0.002
    truth = f"depth/val/{drive}/proj_depth/groundtruth/image_02/0000000001.png"
    case.damages = depth_png_damages(truth)
    del case.damages["missing"]  # such frames are left out and told
    return case


def write_kitti_selection(root):
    base = root / "depth_selection" / "val_selection_cropped"
    name = "2011_09_26_drive_0023_sync_{}_000000021{}_image_03"
    for k in range(2):
        image = name.format("image", k)
        save(base / "image" / f"{image}.png", picture(k))
        truth = deep(metres(k, 5, 60), 256)
        save(base / "groundtruth_depth" / f"{name.format('groundtruth_depth', k)}.png", truth)
        text(base / "intrinsics" / f"{image}.txt", "50.0 0 31.5 0 51.0 23.5 0 0 1\n")
    inside = "depth_selection/val_selection_cropped/"
    damages = depth_png_damages(
        f"{inside}groundtruth_depth/{name.format('groundtruth_depth', 1)}.png"
    )
    intrinsics = f"{inside}intrinsics/{name.format('image', 1)}.txt"
    damages |= {"camera": (intrinsics, b"1 2 3\n"), "no camera": (intrinsics, None)}
    damages["negative"] = (intrinsics, b"-50 0 31.5 0 51.0 23.5 0 0 1\n")
    return Case(
        f"kitti-selection:{root}", 2, picture(), metres(0, 5, 60), 0.002, fx=50.0, damages=damages
    )


def write_kitti_stereo(root):
    base = root / "training"
    baseline = 26.6 / 50
    disparity = np.where(metres() > 0, 50 * baseline / np.maximum(metres(0, 4, 30), 1e-9), 0)
    disparity[:4, :4] = 0
    stored = deep(disparity, 256)
    for k in range(2):
        for side in (2, 3):
            save(base / f"image_{side}" / f"{k:06d}_10.png", picture(k + side - 2))
        save(base / "disp_occ_0" / f"{k:06d}_10.png", stored)
        save(base / "disp_noc_0" / f"{k:06d}_10.png", stored)
        text(base / "calib_cam_to_cam" / f"{k:06d}.txt", raw_calibration())
    depth = np.where(stored > 0, 50 * baseline * 256 / np.maximum(stored, 1), 0)
    damages = depth_png_damages("training/disp_occ_0/000001_10.png")
    del damages["missing"]  # then there is one pair less, which `check` tells
    damages["no right"] = ("training/image_3/000001_10.png", None)
    damages["calibration"] = ("training/calib_cam_to_cam/000001.txt", b"P_rect_02: 1\n")
    return Case(f"kitti-stereo:{root}", 2, picture(), depth, 1e-3, fx=50.0, damages=damages)


COLORS = "Terrain 210 0 200\nSky 90 200 255\nRoad 100 60 100\n"


def vkitti_maps(k, car):
    """(classes as RGB, depth in cm, instances): sky above, road below, a car."""
    classes = np.zeros((H, W, 3), np.uint8)
    classes[:16], classes[16:] = (90, 200, 255), (100, 60, 100)
    depth = deep(metres(k, 3, 40), 100)
    depth[:16] = 65535
    instances = np.zeros((H, W), np.uint8)
    classes[20:30, 10:25], depth[20:30, 10:25], instances[20:30, 10:25] = car, 1250, 4
    return classes, depth, instances


def vkitti_depth(k):
    depth = vkitti_maps(k, 0)[1] / 100
    depth[:16] = 0
    return depth


MOT_HEADER = (
    "frame tid label truncated occluded alpha l t r b w3d h3d l3d x3d y3d z3d ry rx rz "
    "truncr occupr orig_label moving model color\n"
)


def write_vkitti1(root):
    for k in range(2):
        classes, depth, _ = vkitti_maps(k, (200, 200, 200))
        where = Path("0001") / "clone" / f"{k:05d}.png"
        save(root / "vkitti_1.3.1_rgb" / where, picture(k))
        save(root / "vkitti_1.3.1_depthgt" / where, depth)
        save(root / "vkitti_1.3.1_scenegt" / where, classes)
    colors = "vkitti_1.3.1_scenegt/0001_clone_scenegt_rgb_encoding.txt"
    text(root / colors, "Category(:id) r g b\n" + COLORS + "Car:3 200 200 200\n")
    mot = "vkitti_1.3.1_motgt/0001_clone.txt"
    line = "0 3 Car 0 1 0.1 10 20 24 29 1.6 1.5 3.9 -1.0 1.2 12.5 0.3 0 0 0.0 0.7 Car True m c\n"
    text(root / mot, MOT_HEADER + line)
    damages = depth_png_damages("vkitti_1.3.1_depthgt/0001/clone/00001.png")
    del damages["truncated"]
    damages |= {
        "millimetres": ("vkitti_1.3.1_depthgt/0001/clone/00001.png", png(np.full((H, W), 30000))),
        "no colours": (colors, None),
        "bad colours": (colors, b"Category r g b\nCar red\n"),
        "unknown colour": (
            "vkitti_1.3.1_scenegt/0001/clone/00001.png",
            png(np.full((H, W, 3), 7), np.uint8),
        ),
        "grey classes": ("vkitti_1.3.1_scenegt/0001/clone/00001.png", PNG_8BIT),
        "short row": (mot, (MOT_HEADER + "0 3 Car\n").encode()),
        "header": (mot, b"one two\n0 3\n"),
    }
    return Case(
        f"vkitti1:{root}",
        2,
        picture(),
        vkitti_depth(0),
        1e-5,
        boxes=[[10, 20, 25, 30]],
        labels=("Car",),
        fx=725 * W / 1242,
        damages=damages,
    )


BBOX = (
    "frame cameraID trackID left right top bottom number_pixels truncation_ratio "
    "occupancy_ratio isMoving\n"
)
POSE = (
    "frame cameraID trackID alpha width height length world_space_X world_space_Y world_space_Z "
    "rotation_world_space_y rotation_world_space_x rotation_world_space_z camera_space_X "
    "camera_space_Y camera_space_Z rotation_camera_space_y rotation_camera_space_x "
    "rotation_camera_space_z\n"
)


def write_vkitti2(root):
    base = root / "Scene01" / "clone"
    for k in range(2):
        classes, depth, instances = vkitti_maps(k, (255, 127, 80))
        for camera in (0, 1):

            def place(kind, name, camera=camera, k=k):
                return base / "frames" / kind / f"Camera_{camera}" / name.format(k)

            save(place("rgb", "rgb_{:05d}.jpg"), picture(k + camera))
            save(place("depth", "depth_{:05d}.png"), depth)
            save(place("classSegmentation", "classgt_{:05d}.png"), classes)
            save(place("instanceSegmentation", "instancegt_{:05d}.png"), instances)
    text(base / "colors.txt", "Category r g b\n" + COLORS + "Car 255 127 80\nUndefined 0 0 0\n")
    text(base / "bbox.txt", BBOX + "0 0 3 10 24 20 29 150 0.1 0.7 False\n")
    text(base / "pose.txt", POSE + "0 0 3 0.1 1.6 1.5 3.9 0 0 0 0 0 0 -1.0 1.2 12.5 0.3 0 0\n")
    text(base / "info.txt", "trackID label model color\n3 Car Opel Red\n")
    frames = "Scene01/clone/frames"
    damages = depth_png_damages(f"{frames}/depth/Camera_0/depth_00001.png")
    instances = f"{frames}/instanceSegmentation/Camera_0/instancegt_00001.png"
    damages |= {
        "instances": (instances, png(picture(), np.uint8)),
        "no classes": (f"{frames}/classSegmentation/Camera_0/classgt_00001.png", None),
        "picture": (f"{frames}/rgb/Camera_0/rgb_00001.jpg", RUBBISH),
        "box": ("Scene01/clone/bbox.txt", (BBOX + "0 0 3 a 24 20 29 1 0 1 False\n").encode()),
        "no colours": ("Scene01/clone/colors.txt", None),
    }
    return Case(
        f"vkitti2:{root}",
        2,
        picture(),
        vkitti_depth(0),
        1e-5,
        boxes=[[10, 20, 25, 30]],
        labels=("Car",),
        fx=725 * W / 1242,
        damages=damages,
    )


def write_diode(root):
    scene = root / "val" / "indoors" / "scene_00019" / "scan_00183"
    for k in range(2):
        name = f"00019_00183_indoors_000_0{k}0"
        save(scene / f"{name}.png", picture(k))
        np.save(scene / f"{name}_depth.npy", metres(k)[..., None].astype(np.float32))
        mask = np.ones((H, W), np.float32)
        mask[-6:] = 0
        np.save(scene / f"{name}_depth_mask.npy", mask)
    truth = metres()
    truth[-6:] = 0
    file = f"val/indoors/scene_00019/scan_00183/{name}_depth.npy"

    def npy(array):
        out = io.BytesIO()
        np.save(out, array)
        return out.getvalue()

    objects = io.BytesIO()
    np.save(objects, np.array([{}], object), allow_pickle=True)
    return Case(
        f"diode:{root}?split=val&place=indoors",
        2,
        picture(),
        truth,
        fx=886.81 * W / 1024,
        damages={
            "missing": (file, None),
            "rubbish": (file, RUBBISH),
            "truncated": (file, npy(metres())[:500]),
            "shape": (file, npy(np.ones((H, W // 2, 1), np.float32))),
            "integer": (file, npy(np.ones((H, W, 1), np.uint16))),
            "millimetres": (file, npy(metres().astype(np.float32)[..., None] * 1000)),
            "pickle": (file, objects.getvalue()),
            "no mask": (file.replace("depth", "depth_mask"), None),
            "mask": (file.replace("depth", "depth_mask"), npy(np.ones((9, 9)))),
        },
    )


def write_megadepth(root):
    import h5py

    dense = root / "0000" / "dense0"
    maps = {"a": metres(0, 1, 4), "b": np.repeat([[0.0, -1, -2, 0]], H, 0).repeat(W // 4, 1)}
    (dense / "depths").mkdir(parents=True)
    for k, (name, stored) in enumerate(maps.items()):
        save(dense / "imgs" / f"{name}.jpg", picture(k))
        with h5py.File(dense / "depths" / f"{name}.h5", "w") as file:
            file["depth"] = stored.astype(np.float32)
    data = (dense / "depths" / "a.h5").read_bytes()
    file = "0000/dense0/depths/a.h5"
    with h5py.File(root / "other.h5", "w") as other:
        other["disparity"] = maps["a"]
    with h5py.File(root / "shape.h5", "w") as other:
        other["depth"] = maps["a"][:20]
    return Case(
        f"megadepth:{root}",
        2,
        picture(),
        damages={
            "rubbish": (file, RUBBISH),
            "truncated": (file, data[: len(data) // 2]),
            "key": (file, (root / "other.h5").read_bytes()),
            "shape": (file, (root / "shape.h5").read_bytes()),
            "no picture": ("0000/dense0/imgs/a.jpg", None),
        },
    )


def write_wsvd(root):
    for k in (3, 4):
        halves = [cv2.resize(picture(k + side), (W // 2, H)) for side in (0, 1)]
        save(root / "video1" / f"{k:06d}.png", np.hstack(halves))
    clips = [{"label": "0", "frames": np.array([3, 4])}]
    content = [{"name": "video1", "clips": clips}, {"name": "gone", "clips": clips}]
    listing = pickle.dumps(content, protocol=2)
    (root / "wsvd_test_clip_frame_ids.pkl").write_bytes(listing)
    list_name = "wsvd_test_clip_frame_ids.pkl"
    return Case(
        f"wsvd:{root}",
        2,
        cv2.resize(cv2.resize(picture(3), (W // 2, H)), (W, H)),
        damages={
            "missing frame": ("video1/000004.png", None),
            "odd": ("video1/000004.png", png(picture()[:, :33], np.uint8)),
            "no list": (list_name, None),
            "rubbish": (list_name, RUBBISH),
            "truncated": (list_name, listing[: len(listing) // 2]),
        },
    )


def coco_content():
    images = [
        {"id": 7 + k, "file_name": f"{7 + k:012d}.jpg", "width": W, "height": H} for k in range(2)
    ]
    boxes = [
        {"id": 1, "image_id": 7, "category_id": 3, "bbox": [10.5, 5, 20, 30.25], "area": 99.5},
        {"id": 2, "image_id": 7, "category_id": 1, "bbox": [0, 0, 64, 48], "iscrowd": 1},
    ]
    names = [{"id": 1, "name": "person"}, {"id": 3, "name": "car"}]
    return {"images": images, "annotations": boxes, "categories": names}


def write_coco(root):
    content = coco_content()
    for k, row_ in enumerate(content["images"]):
        save(root / "val2017" / row_["file_name"], picture(k))
    file = "annotations/instances_val2017.json"
    text(root / file, json.dumps(content))

    def changed(part, number, **values):
        other = json.loads(json.dumps(content))
        other[part][number] |= values
        return file, json.dumps(other).encode()

    return Case(
        f"coco:{root}?split=val2017",
        2,
        picture(),
        boxes=[[10.5, 5, 30.5, 35.25], [0, 0, 64, 48]],
        labels=("car", "person"),
        damages={
            "missing": (file, None),
            "no json": (file, b'{"images": ['),
            "no list": (file, b'{"images": []}'),
            "bbox": changed("annotations", 0, bbox=[1, 2, 3]),
            "negative": changed("annotations", 0, bbox=[1, 2, -3, 4]),
            "image": changed("annotations", 0, image_id=99),
            "twice": changed("annotations", 0, id=2),
            "outside": changed("annotations", 0, bbox=[10, 10, 100, 10]),
            "size": ("val2017/000000000007.jpg", cv2.imencode(".jpg", picture()[:20])[1].tobytes()),
            "no picture": ("val2017/000000000007.jpg", None),
        },
    )


VOC = """<annotation><size><width>{w}</width><height>48</height><depth>3</depth></size>
<object><name>dog</name><truncated>1</truncated><difficult>0</difficult>
<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>64</xmax><ymax>48</ymax></bndbox></object>
<object><name>person</name><difficult>1</difficult>
<bndbox><xmin>11</xmin><ymin>6</ymin><xmax>{x2}</xmax><ymax>35</ymax></bndbox></object>
</annotation>"""


def write_voc(root):
    for k, stem in enumerate(("000005", "2008_000002")):
        save(root / "JPEGImages" / f"{stem}.jpg", picture(k))
        text(root / "Annotations" / f"{stem}.xml", VOC.format(w=W, x2=30))
    text(root / "ImageSets" / "Main" / "val.txt", "000005\n2008_000002\n")
    classes = np.zeros((H, W), np.uint8)
    classes[5:9] = 255
    save(root / "SegmentationClass" / "000005.png", classes)
    file = "Annotations/000005.xml"
    good = VOC.format(w=W, x2=30)
    return Case(
        f"voc:{root}?split=val",
        2,
        picture(),
        boxes=[[0, 0, 64, 48], [10, 5, 30, 35]],
        labels=("dog", "person"),
        damages={
            "missing": (file, None),
            "truncated": (file, good.encode()[:200]),
            "size": (file, VOC.format(w=W + 1, x2=30).encode()),
            "swapped": (file, VOC.format(w=W, x2=3).encode()),
            "no box": (file, good.replace("bndbox", "box").encode()),
            "no name": (file, good.replace("name>", "nom>").encode()),
            "word": (file, VOC.format(w=W, x2="wide").encode()),
            "entity": (file, b"<!DOCTYPE a [<!ENTITY b 'c'>]>" + good.encode()),
            "classes": ("SegmentationClass/000005.png", PNG_8BIT),
            "picture": ("JPEGImages/000005.jpg", RUBBISH),
            "list": ("ImageSets/Main/val.txt", None),
        },
    )


def write_yolo(root):
    for k in range(2):
        save(root / "images" / "val" / f"p{k}.jpg", picture(k))
    lines = "1 0.25 0.5 0.25 0.5\n1 0.25 0.5 0.25 0.5\n0 0.5 0.25 1 0.25 1 0.75 0.5 0.75\n"
    text(root / "labels" / "val" / "p0.txt", lines)
    text(root / "labels" / "val" / "p1.txt", "")
    text(root / "data.yaml", "path: x\nnc: 2\nnames:\n  0: cat\n  1: 'dog'\ntrain: y\n")
    file = "labels/val/p0.txt"
    return Case(
        f"yolo:{root}",
        2,
        picture(),
        boxes=[[8, 12, 24, 36], [32, 12, 64, 36]],
        labels=("dog", "cat"),
        damages={
            "pixels": (file, b"1 20 30 10 10\n"),
            "negative": (file, b"1 -0.1 0.5 0.1 0.1\n"),
            "columns": (file, b"1 0.1 0.5\n"),
            "word": (file, b"dog 0.1 0.5 0.1 0.1\n"),
            "class": (file, b"2 0.1 0.5 0.1 0.1\n"),
            "picture": ("images/val/p0.jpg", RUBBISH),
        },
    )


def write_rgbd(root, unit="mm"):
    per_metre = {"mm": 1000, "kitti": 256}[unit]
    for k in range(2):
        save(root / "rgb" / f"{k:04d}.jpg", picture(k, 2 * W, 2 * H))
        save(root / "depth" / f"{k:04d}.png", deep(metres(k), per_metre))
    camera = {"fx": 100.0, "fy": 101.0, "cx": 64.5, "cy": 48.5, "width": 2 * W, "height": 2 * H}
    cameras = {f"{k:04d}": camera for k in range(2)}
    text(root / "cameras.json", json.dumps(cameras))
    damages = depth_png_damages("depth/0001.png")
    cameras["0001"] = camera | {"width": W}
    damages |= {
        "camera size": ("cameras.json", json.dumps(cameras).encode()),
        "no camera": ("cameras.json", json.dumps({"0000": camera}).encode()),
        "no json": ("cameras.json", b"{"),
        "picture": ("rgb/0001.jpg", b""),
    }
    return Case(
        f"rgbd:{root}?unit={unit}",
        2,
        picture(0, 2 * W, 2 * H),
        metres(),
        0.51 / per_metre,
        fx=100.0,
        damages=damages,
    )


def write_rgbd_kitti(root):
    return write_rgbd(root, "kitti")


def write_synthetic(_root):
    """Nothing to write: the world is rendered; what a reader gives must be what a scene holds."""
    from howfar.data.synthetic import scene

    found = scene(3, "street", 160, 96, stereo=True)
    things = [thing for thing in found.objects if thing.detected]
    return Case(
        address="synthetic:street?count=3&seed=3&size=160x96&stereo=yes",
        count=3,
        pixels=found.image,
        depth=np.where(found.depth.valid, found.depth.values, 0),
        boxes=[list(thing.box) for thing in things],
        labels=tuple(thing.label for thing in things),
        fx=found.camera.fx,
    )


WRITERS = {
    "nyu-mat": write_nyu_mat,
    "nyu-csv-test": write_nyu_test,
    "nyu-csv-train": write_nyu_train,
    "kitti-object": write_kitti_object,
    "kitti-raw": write_kitti_raw,
    "kitti-raw-improved": write_kitti_improved,
    "kitti-selection": write_kitti_selection,
    "kitti-stereo": write_kitti_stereo,
    "vkitti1": write_vkitti1,
    "vkitti2": write_vkitti2,
    "diode": write_diode,
    "megadepth": write_megadepth,
    "wsvd": write_wsvd,
    "coco": write_coco,
    "voc": write_voc,
    "yolo": write_yolo,
    "rgbd-mm": write_rgbd,
    "rgbd-kitti": write_rgbd_kitti,
    "synthetic": write_synthetic,
}
