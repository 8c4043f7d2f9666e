"""Virtual KITTI 2: SceneXX/<variation>/frames/... with tables beside them.

Folders, PNG scales and colours: facts sheet, section 2. Columns of the tables: as users of the
release read them (`bbox.txt` and `pose.txt` of vkitti_2.0.3_textgt); right and bottom are the last
pixels inside the box. Unlike the release every frame is a scene of its own, so that frames have
their own intrinsics, tracks do not go on from frame to frame, and the camera is the world.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from howfar.data.synthetic.files import quantised, save_gray, save_rgb
from howfar.data.synthetic.records import SyntheticObject, SyntheticScene

SCENE, VARIATION = "Scene01", "clone"
CENTIMETRES = 100.0
SKY = 65535
COLORS = {
    "Terrain": (210, 0, 200),
    "Sky": (90, 200, 255),
    "Tree": (0, 199, 0),
    "Vegetation": (90, 240, 0),
    "Building": (140, 140, 140),
    "Road": (100, 60, 100),
    "GuardRail": (250, 100, 255),
    "TrafficSign": (255, 255, 0),
    "TrafficLight": (200, 200, 0),
    "Pole": (255, 130, 0),
    "Misc": (80, 80, 80),
    "Truck": (160, 60, 60),
    "Car": (255, 127, 80),
    "Van": (0, 139, 139),
    "Undefined": (0, 0, 0),
}
"""Category colours of Virtual KITTI 2 (facts sheet, section 2)."""
CATEGORIES = {
    "sky": "Sky",
    "terrain": "Terrain",
    "road": "Road",
    "sidewalk": "Terrain",
    "building": "Building",
    "vegetation": "Vegetation",
    "potted plant": "Vegetation",
    "tree": "Tree",
    "pole": "Pole",
    "fence": "GuardRail",
    "stop sign": "TrafficSign",
    "traffic light": "TrafficLight",
    "car": "Car",
    "truck": "Truck",
    "bus": "Truck",
}
"""Our semantic classes as theirs; everything else is Misc."""
LABELS = {"car": "Car", "truck": "Truck", "bus": "Truck"}
"""Objects that Virtual KITTI annotates; the others are written under their own names."""
HEADERS = {
    "bbox": "frame cameraID trackID left right top bottom number_pixels truncation_ratio "
    "occupancy_ratio isMoving",
    "pose": "frame cameraID trackID alpha width height length world_space_X world_space_Y "
    "world_space_Z rotation_world_space_y rotation_world_space_x rotation_world_space_z "
    "camera_space_X camera_space_Y camera_space_Z rotation_camera_space_y "
    "rotation_camera_space_x rotation_camera_space_z",
    "intrinsic": "frame cameraID K[0,0] K[1,1] K[0,2] K[1,2]",
    "extrinsic": "frame cameraID r1,1 r1,2 r1,3 t1 r2,1 r2,2 r2,3 t2 r3,1 r3,2 r3,3 t3 0 0 0 1",
    "info": "trackID label model color",
    "colors": "Category r g b",
}


def write(folder: Path, scenes: Iterable[SyntheticScene]) -> None:
    """Write stereo street scenes as one variation of one scene."""
    root = folder / SCENE / VARIATION
    tables: dict[str, list[str]] = {name: [] for name in HEADERS}
    tables["colors"] = [f"{name} {r} {g} {b}" for name, (r, g, b) in COLORS.items()]
    first_track = 0
    for frame, left in enumerate(scenes):
        for number, view in enumerate([left] if left.right is None else [left, left.right]):
            _write_view(root, frame, number, view)
            _add_rows(tables, frame, number, view, first_track)
        known = {o.instance: o.label for o in left.objects}
        known |= {o.instance: o.label for o in (left.right or left).objects}
        for instance, label in sorted(known.items()):
            track = first_track + instance - 1
            tables["info"].append(f"{track} {LABELS.get(label, label.replace(' ', ''))} none none")
        first_track += max(known, default=0)
    for name, header in HEADERS.items():
        (root / f"{name}.txt").write_text("\n".join([header, *tables[name]]) + "\n")


def _write_view(root: Path, frame: int, number: int, view: SyntheticScene) -> None:
    camera = f"Camera_{number}"
    frames = root / "frames"
    save_rgb(frames / "rgb" / camera / f"rgb_{frame:05d}.jpg", view.image)
    depth = quantised(view.depth, CENTIMETRES, 16, SKY)
    save_gray(frames / "depth" / camera / f"depth_{frame:05d}.png", depth)
    names = [CATEGORIES.get(name, "Misc") for name in view.semantics.class_names]
    colors = np.array([COLORS[name] for name in names], np.uint8)[view.semantics.labels]
    save_rgb(frames / "classSegmentation" / camera / f"classgt_{frame:05d}.png", colors)
    instances = np.minimum(view.instances, 255).astype(np.uint8)
    save_gray(frames / "instanceSegmentation" / camera / f"instancegt_{frame:05d}.png", instances)


def _add_rows(
    tables: dict[str, list[str]], frame: int, number: int, view: SyntheticScene, first_track: int
) -> None:
    here, camera = f"{frame} {number}", view.camera
    # their principal point counts from the centre of the first pixel
    intrinsic = (camera.fx, camera.fy, camera.cx - 0.5, camera.cy - 0.5)
    tables["intrinsic"].append(f"{here} {_numbers(intrinsic)}")
    shift = -view.baseline_m * number
    tables["extrinsic"].append(f"{here} 1 0 0 {shift:.6f} 0 1 0 0 0 0 1 0 0 0 0 1")
    for thing in view.objects:
        track = f"{here} {first_track + thing.instance - 1}"
        tables["bbox"].append(f"{track} {_bbox(thing)}")
        tables["pose"].append(f"{track} {_pose(thing, -shift)}")


def _bbox(thing: SyntheticObject) -> str:
    x1, y1, x2, y2 = (int(v) for v in thing.full_box)
    ratios = f"{thing.truncation:.7f} {thing.visible_share:.7f}"
    return f"{x1} {x2 - 1} {y1} {y2 - 1} {thing.pixels} {ratios} False"


def _pose(thing: SyntheticObject, offset_m: float) -> str:
    box = thing.box3d
    alpha = box.yaw - math.atan2(box.x_m, box.z_m)
    turn = (box.yaw, box.pitch, 0.0)
    size = (box.width_m, box.height_m, box.length_m)
    world = (box.x_m + offset_m, box.y_m, box.z_m)
    return _numbers((alpha, *size, *world, *turn, box.x_m, box.y_m, box.z_m, *turn))


def _numbers(values: Iterable[float]) -> str:
    return " ".join(f"{value:.6f}" for value in values)
