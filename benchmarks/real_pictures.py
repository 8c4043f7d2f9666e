"""Distances of detected objects against ground truth on a few real pictures: docs/real-pictures.md.

Truth of an object: on KITTI the median z of the lidar points inside the 3-D box that its 2-D box
matches (IoU at least .5, at least 5 points); elsewhere the same statistic on the true depth map.
`--pictures FOLDER` also writes what there is to look at.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import cv2
import numpy as np
from timing import SHARED

import howfar
from howfar.core.boxes import as_boxes, box_areas, iou_matrix
from howfar.core.distance import Statistic, measure
from howfar.io.depthfiles import read_depth
from howfar.io.sinks import write_picture_files

KITTI = SHARED / "eval" / "kitti-object" / "training"
STREETS = ("000008", "000010", "000021")
LEAST_VALID = 0.5  # of a box, for a depth camera's map to be its truth
ROOMS = ("indoor-mix/nyu_00050", "indoor-mix/sun_a", "indoor-mix/sun_b", "hololens-office/*")


def kitti_frame(name: str) -> tuple[howfar.DepthMap, np.ndarray, np.ndarray, float]:
    """Sparse lidar map, boxes (N, 4), median z (N,) inside the 3-D boxes, focal length."""
    text = (KITTI / "calib" / f"{name}.txt").read_text()
    calib = {k: np.array(v.split(), float) for k, v in key_values(text)}
    project = calib["P2"].reshape(3, 4)
    rotate, move = np.eye(4), np.eye(4)
    rotate[:3, :3], move[:3] = calib["R0_rect"].reshape(3, 3), calib["Tr_velo_to_cam"].reshape(3, 4)
    points = np.fromfile(KITTI / "velodyne" / f"{name}.bin", np.float32).reshape(-1, 4)
    points[:, 3] = 1
    camera = (rotate @ move @ points[points[:, 0] > 0].T).T
    image = (project @ camera.T).T
    height, width = cv2.imread(str(KITTI / "image_2" / f"{name}.png")).shape[:2]
    column, row = np.rint(image[:, :2] / image[:, 2:]).astype(int).T
    seen = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    depth = np.full((height, width), np.inf, np.float32)
    np.minimum.at(depth, (row[seen], column[seen]), camera[seen, 2].astype(np.float32))
    boxes, truth = [], []
    for line in (KITTI / "label_2" / f"{name}.txt").read_text().splitlines():
        kind, *fields = line.split()
        numbers = [float(value) for value in fields]
        if kind != "DontCare":
            boxes.append(numbers[3:7])
            truth.append(median_inside(camera[:, :3], *numbers[7:14]))
    return howfar.DepthMap(depth), as_boxes(boxes), np.array(truth), float(project[0, 0])


def key_values(text: str) -> list[tuple[str, str]]:
    """`key: values` lines."""
    return [tuple(line.split(":", 1)) for line in text.splitlines() if ":" in line]


def median_inside(
    points: np.ndarray, h: float, w: float, length: float, x: float, y: float, z: float, yaw: float
) -> float:
    """Median z of the points inside a KITTI 3-D box, NaN with fewer than 5."""
    off = points - [x, y, z]
    along = math.cos(yaw) * off[:, 0] - math.sin(yaw) * off[:, 2]
    across = math.sin(yaw) * off[:, 0] + math.cos(yaw) * off[:, 2]
    inside = (np.abs(along) < length / 2) & (np.abs(across) < w / 2)
    inside &= (off[:, 1] < 0) & (off[:, 1] > -h)
    return float(np.median(points[inside, 2])) if inside.sum() >= 5 else math.nan


def oracle() -> None:
    """Every statistic on the lidar itself: what the statistic alone gets wrong."""
    names = sorted(path.stem for path in (KITTI / "image_2").glob("*.png"))
    errors: dict[str, list[float]] = {stat: [] for stat in Statistic}
    for name in names:
        depth, boxes, truth, _ = kitti_frame(name)
        for stat, rows in errors.items():
            rows += (np.abs(measure(depth, boxes, stat).values / truth - 1))[truth > 0].tolist()
    print(
        f"\n| statistic on lidar, {len(errors['median'])} objects | none | median | mean | > 10 % |"
    )
    print("|---|---|---|---|---|")
    for stat, rows in errors.items():
        known = np.array(rows)[np.isfinite(rows)]
        shares = f"{np.median(known):.1%} | {known.mean():.1%} | {(known > 0.1).mean():.0%}"
        print(f"| `{stat}` | {len(rows) - len(known)} | {shares} |")


def streets(out: Path | None) -> None:
    """KITTI with the road network, its factor from object sizes; and with the room network."""
    pydnet = howfar.load("nanodet-plus-m", "pydnet-kitti", runtime="onnx", threads=1)
    rooms = howfar.load("nanodet-plus-m", "fastdepth", runtime="onnx", threads=1)
    names = sorted(path.stem for path in (KITTI / "image_2").glob("*.png"))
    summary = []
    for name in names:
        depth, boxes, truth, focal = kitti_frame(name)
        path = KITTI / "image_2" / f"{name}.png"
        for label, ranger, more in (
            ("PyDNet, object sizes", pydnet, {"scale": "object-size"}),
            ("FastDepth (made for rooms)", rooms, {}),
        ):
            try:
                result = ranger(path, focal_px=focal, **more)
            except howfar.ScaleError as error:
                summary.append(f"| {name} | {label} | {error} | | |")
                continue
            known = matched(result, boxes, truth)
            if name in STREETS and ranger is pydnet:
                report(result, f"{name}, {label}", known)
            summary.append(row(name, label, result, known))
            save(result, out, label.split(",")[0].split()[0], depth)
    print("\n| KITTI frame | depth | objects | median error | stated uncertainty of the scale |")
    print("|---|---|---|---|---|")
    print("\n".join(summary))


def row(name: str, label: str, result: howfar.Result, truth: np.ndarray) -> str:
    """One line of the summary: median signed error over the objects with a truth."""
    found = np.array([thing.distance_m or np.nan for thing in result.objects])
    error = (found / truth - 1)[np.isfinite(truth) & np.isfinite(found)]
    words = f"{np.median(error):+.0%}" if len(error) else "no match"
    scale = f"{result.scale.uncertainty:.0%}" if result.scale else "none stated"
    return f"| {name} | {label} | {len(error)} | {words} | {scale} |"


def matched(result: howfar.Result, boxes: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """True distance of each detected object, NaN where no labelled box fits."""
    found = as_boxes([thing.box for thing in result.objects])
    overlap = iou_matrix(found, boxes) if len(found) else np.zeros((0, 1))
    best = overlap.argmax(axis=1)
    return np.where(overlap.max(axis=1) >= 0.5, truth[best], np.nan) if len(found) else np.zeros(0)


def rooms(out: Path | None) -> None:
    """NYU, SUN and HoloLens pictures with FastDepth."""
    ranger = howfar.load("nanodet-plus-m", "fastdepth", runtime="onnx", threads=1)
    for pattern in ROOMS:
        folder, name = pattern.split("/")
        base = SHARED / "eval" / folder
        paths = sorted((base / "rgb").glob(f"{name}.jpg"))
        for path in paths[:: max(len(paths) // 3, 1)][:3]:
            truth = read_depth(base / "depth" / f"{path.stem}.png")
            result = ranger(path)
            found = as_boxes([thing.box for thing in result.objects])
            seen = truth.resized(result.image.width, result.image.height)
            known = measure(seen, found)
            enough = known.valid_pixels >= LEAST_VALID * box_areas(found)
            values = np.where(enough, known.values, np.nan)
            report(result, f"{folder}/{path.stem}, FastDepth", values)
            save(result, out, folder, truth)


def report(result: howfar.Result, title: str, truth: np.ndarray) -> None:
    """One row for each object with a truth."""
    for thing, true_m in zip(result.objects, truth, strict=True):
        if np.isfinite(true_m) and thing.distance_m is not None:
            error = thing.distance_m / true_m - 1
            cells = (title, thing.label, f"{thing.score:.2f}", f"{true_m:.1f}")
            print(f"| {' | '.join(cells)} | {thing.distance_m:.1f} | {error:+.0%} |")


def save(result: howfar.Result, out: Path | None, tag: str, truth: howfar.DepthMap) -> None:
    """Pictures to look at."""
    if out is not None:
        base = out / f"{Path(result.source).stem}-{tag}"
        write_picture_files(result, base, ["annotated", "truth"], truth)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path)
    out = parser.parse_args().pictures
    print("| picture, depth | object | score | truth m | howfar m | error |")
    print("|---|---|---|---|---|---|")
    rooms(out)
    streets(out)
    oracle()


if __name__ == "__main__":
    main()
