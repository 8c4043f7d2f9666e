"""Joins `parallel`, `crop` and `mask` on the same real pictures: docs/joins.md.

NanoDet-Plus with FastDepth on rooms and an office, with PyDNet (one factor for all frames, fitted
on driving pictures that are not used here) on KITTI. Truth of an object: the statistic on the true
depth map; on KITTI the median z of the lidar inside its 3-D box. All joins with `foreground`, and
`crop` with the whole-picture `median` and the `central-mean` of source 000 as well.
"""

from __future__ import annotations

import numpy as np
from timing import SHARED, interleaved

import howfar
from howfar.core.boxes import as_boxes, box_areas, iou_matrix
from howfar.core.distance import measure
from howfar.data.address import open_dataset

PYDNET_FACTOR = 1.4  # metres per unit: the middle of 1.2 to 1.6 that KITTI training frames show
NEAR_M = {"rooms": 3.0, "office": 3.0, "streets": 20.0}
VARIANTS = (
    ("parallel", "foreground"),
    ("mask", "foreground"),
    ("crop", "foreground"),
    ("crop", "median"),
    ("crop", "central-mean"),
)
SETS = {
    "rooms": (f"rgbd:{SHARED / 'eval' / 'indoor-mix'}", "fastdepth", None),
    "office": (f"rgbd:{SHARED / 'eval' / 'hololens-office'}", "fastdepth", None),
    "streets": (f"kitti-object:{SHARED / 'eval' / 'kitti-object'}", "pydnet-kitti", PYDNET_FACTOR),
}


def truths(sample: object, result: howfar.Result) -> np.ndarray:
    """True distance of each object of a result, NaN where it has none."""
    boxes = as_boxes([thing.box for thing in result.objects])
    if not len(boxes):
        return np.zeros(0)
    if sample.lidar_m is None:
        seen = sample.depth.resized(sample.image.width, sample.image.height)
        known = measure(seen, boxes)
        return np.where(known.valid_pixels >= 0.5 * box_areas(boxes), known.values, np.nan)
    medians = []
    for box in sample.boxes3d:
        inside = box.contains(sample.lidar_m) if box is not None else np.zeros(0, bool)
        medians.append(np.median(sample.lidar_m[inside, 2]) if inside.sum() >= 5 else np.nan)
    overlap = iou_matrix(boxes, as_boxes(sample.boxes))
    best = np.array(medians)[overlap.argmax(axis=1)]
    return np.where(overlap.max(axis=1) >= 0.5, best, np.nan)


def main() -> None:
    columns = ("pictures", "join", "statistic", "objects", "AbsRel", "median error", "near found")
    print("| " + " | ".join((*columns, "ms (objects)")) + " |")
    print("|---|---|---|---|---|---|---|---|")
    for name, (address, network, factor) in SETS.items():
        samples = list(open_dataset(address))
        detector = howfar.load("nanodet-plus-m", network, runtime="onnx", threads=1)
        for join, stat in VARIANTS:
            ranger = howfar.Ranger(detector.detector, detector.depth, join=howfar.Join(join))
            report(name, samples, ranger, stat, factor)


def report(
    name: str, samples: list[object], ranger: howfar.Ranger, stat: str, factor: float | None
) -> None:
    """One line: errors over all objects with a truth, and the time of a picture."""
    near_m = NEAR_M[name]
    options = {"stat": stat, "scale": factor, "conf": 0.35}
    if ranger.join == "mask":
        options["max_distance"] = near_m
    errors, near, most, crowded = [], 0, -1, samples[0].image
    for sample in samples:
        image = sample.image
        result = ranger(image, **options)
        if len(result.objects) > most:
            most, crowded = len(result.objects), image
        truth = truths(sample, result)
        found = np.array([thing.distance_m or np.nan for thing in result.objects])
        good = np.isfinite(truth) & np.isfinite(found)
        errors += (found[good] / truth[good] - 1).tolist()
        near += int((truth[good] <= near_m).sum())
    jobs = {"one": lambda: ranger(crowded, **options)}
    ms = np.median(interleaved(jobs, rounds=10, warm_up=1)["one"])
    print(
        f"| {name} | `{ranger.join}` | `{stat}` | {len(errors)} | {np.mean(np.abs(errors)):.3f} | "
        f"{np.median(errors):+.0%} | {near} | {ms:.0f} ({most}) |"
    )


if __name__ == "__main__":
    main()
