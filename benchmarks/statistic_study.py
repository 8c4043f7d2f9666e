"""Which statistic reads the distance of an object best? The study of docs/statistics.md.

1. Synthetic world, perfect depth: objects by kind (solid, hollow, curved), occlusion level and
   whether what hides them is itself detected. Truth: median z of the visible pixels. Boxes: tight
   around the visible pixels, each side moved by 2.5 % of the box (standard deviation), as a
   detector's are.
2. The same with the depth of a real network on the synthetic pictures, its scale aligned by the
   median of each picture: what is left is the network's blur and the statistic.
3. KITTI, labelled boxes, truth: median z of the lidar inside the 3-D box (at least 5 points); with
   the lidar itself, and with a real network aligned by the median of the lidar.

Seeds of the synthetic scenes are others than those that the thresholds were set on.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from timing import SHARED

import howfar
from howfar.core.distance import Statistic, measure
from howfar.data.address import open_dataset
from howfar.data.synthetic import SyntheticScene, scenes
from howfar.metrics.bootstrap import paired_bootstrap
from howfar.metrics.disparity import disparity_px, disparity_sums

SEED = 1_000_000
JITTER = 0.025
FOREGROUND = Statistic.FOREGROUND
OTHERS = tuple(stat for stat in Statistic if stat is not FOREGROUND)
LIMIT = 1.0  # a missing or absurd distance counts as 100 % wrong


@dataclass(frozen=True)
class Row:
    """One object: its groups, its frame, and the relative error of each statistic."""

    kind: str
    occlusion: int
    hidden_by: str
    frame: int
    errors: dict[str, float]


def errors_of(
    depth: howfar.DepthMap, boxes: np.ndarray, truth: np.ndarray
) -> list[dict[str, float]]:
    """|distance / truth - 1| of each object by statistic, at most LIMIT."""
    found = {str(stat): measure(depth, boxes, stat).values for stat in Statistic}
    return [
        {
            stat: float(np.nan_to_num(min(abs(values[i] / truth[i] - 1), LIMIT), nan=LIMIT))
            for stat, values in found.items()
        }
        for i in range(len(truth))
    ]


def loose(boxes: np.ndarray, rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Boxes as a detector draws them: each side moved, clipped to the picture."""
    size = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    moved = np.clip(boxes + rng.normal(0, JITTER, boxes.shape) * size, 0, [width, height] * 2)
    moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 1)
    return moved


def synthetic_rows(
    count: int,
    depth_of: Callable[[SyntheticScene], howfar.DepthMap],
    seed: int,
    kind: str | None = None,
) -> list[Row]:
    """Errors of all detected objects of `count` scenes."""
    rng = np.random.default_rng(0)
    rows = []
    for scene in scenes(count, seed, kind=kind):
        by_instance = {thing.instance: thing for thing in scene.objects}
        things = [thing for thing in scene.objects if thing.detected]
        if not things:
            continue
        height, width = scene.image.shape[:2]
        boxes = loose(np.array([thing.box for thing in things], float), rng, width, height)
        truth = np.array([thing.distance_m for thing in things])
        for thing, errors in zip(things, errors_of(depth_of(scene), boxes, truth), strict=True):
            hider = by_instance.get(thing.hidden_by)
            known = "-" if thing.occlusion == 0 else "yes" if hider and hider.detected else "no"
            rows.append(Row(thing.kind, thing.occlusion, known, scene.seed, errors))
    return rows


def table(title: str, rows: list[Row], kinds: tuple[str, ...]) -> None:
    """Median | mean error of each statistic by group, and foreground against the best other."""
    print(f"\n### {title}\n")
    names = " | ".join(f"`{stat}`" for stat in Statistic)
    print(f"| objects | occlusion | occluder detected | n | {names} | by median | by mean |")
    print("|---|---|---|---|" + "---|" * (len(Statistic) + 2))
    for kind in kinds:
        for occlusion in (0, 1, 2, 3):
            for known in ("-", "yes", "no"):
                group = [
                    row
                    for row in rows
                    if kind in (row.kind, "all")
                    and (row.occlusion, row.hidden_by) == (occlusion, known)
                ]
                if len(group) >= 5:
                    print(group_row(kind, occlusion, known, group))


def group_row(kind: str, occlusion: int, known: str, group: list[Row]) -> str:
    """One line of the table."""
    columns = {str(s): np.array([row.errors[s] for row in group]) for s in Statistic}
    cells = [f"{np.median(v):.1%} \\| {v.mean():.1%}" for v in columns.values()]
    frames = np.array([row.frame for row in group])
    verdicts = [verdict(columns, frames, statistic) for statistic in ("median", "mean")]
    cells += verdicts
    return f"| {kind} | {occlusion} | {known} | {len(group)} | {' | '.join(cells)} |"


def verdict(columns: dict[str, np.ndarray], frames: np.ndarray, statistic: str) -> str:
    """`foreground` against the best other, by the median or the mean of the errors."""
    summary = {"median": np.median, "mean": np.mean}[statistic]
    best = min(OTHERS, key=lambda stat: summary(columns[stat]))
    gain = paired_bootstrap(columns[FOREGROUND], columns[best], frames, statistic, resamples=500)
    words = {"lower": "better", "higher": "**worse**", "unclear": "equal"}[gain.verdict]
    return f"{words}: {gain.difference:+.1%} ({gain.low:+.1%} to {gain.high:+.1%}) to `{best}`"


def aligned(depth: howfar.DepthMap, truth: howfar.DepthMap) -> howfar.DepthMap:
    """A network's map with the median of the truth's valid pixels, in metres."""
    ordered = depth.ordered()
    both = ordered.valid & truth.valid
    factor = np.median(truth.values[both]) / np.median(ordered.values[both])
    return howfar.DepthMap(ordered.values * factor, "metric", ordered.valid)


def kitti(ranger: howfar.Ranger) -> None:
    """Both studies on the labelled KITTI frames, with Table II's disparity errors."""
    dataset = open_dataset(f"kitti-object:{SHARED / 'eval' / 'kitti-object'}")
    lidar_rows: list[Row] = []
    network_rows: list[Row] = []
    pairs: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for frame, sample in enumerate(dataset):
        truth = np.array([lidar_median(sample, box) for box in sample.boxes3d])
        known = np.isfinite(truth)
        boxes = np.asarray(sample.boxes)
        network = aligned(ranger.depth.estimate(sample.image), sample.depth)
        for depth, rows, name in (
            (sample.depth, lidar_rows, "lidar"),
            (network, network_rows, "network"),
        ):
            all_errors = errors_of(depth, boxes, truth)
            values = measure(depth, boxes).values
            for i in np.flatnonzero(known):
                level = int(sample.occlusion[i])
                rows.append(Row("all", level, "-", frame, all_errors[i]))
                if np.isfinite(values[i]):
                    disparities = disparity_px([values[i], truth[i]], sample.camera.fx, BASELINE_M)
                    pairs.setdefault((name, level), []).append(tuple(disparities))
    table("KITTI, lidar as depth", lidar_rows, ("all",))
    table("KITTI, PyDNet as depth, aligned by the median of the lidar", network_rows, ("all",))
    print("\n### KITTI as in Table II of source 000: disparity errors of `foreground`\n")
    print("| depth | occlusion | n | EPE px | > 3 px % | > 5 px % |\n|---|---|---|---|---|---|")
    for (name, level), values in sorted(pairs.items()):
        scores = disparity_sums(*np.array(values).T).errors()
        cells = " | ".join(f"{scores[key]:.2f}" for key in ("epe", "over3_pct", "over5_pct"))
        print(f"| {name} | {level} | {len(values)} | {cells} |")


BASELINE_M = 0.5327  # of KITTI's colour cameras (facts on the object benchmark)


def lidar_median(sample: object, box: object) -> float:
    """Median z of the lidar points inside a 3-D box, NaN with fewer than 5."""
    inside = box.contains(sample.lidar_m) if box is not None else np.zeros(0, bool)
    return float(np.median(sample.lidar_m[inside, 2])) if inside.sum() >= 5 else np.nan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=SEED, help="of the first synthetic scene")
    options = parser.parse_args()
    count, seed = options.scenes, options.seed
    kinds = ("solid", "hollow", "curved", "all")
    rows = synthetic_rows(count, lambda scene: scene.depth, seed)
    table("Synthetic world, perfect depth", rows, kinds)
    rooms = howfar.load(detector=None, depth="fastdepth", runtime="onnx", threads=1)

    def estimated(scene: SyntheticScene) -> howfar.DepthMap:
        return aligned(rooms.depth.estimate(howfar.Image(scene.image)), scene.depth)

    rows = synthetic_rows(count // 4, estimated, seed, "indoor")
    table("Synthetic rooms, FastDepth as depth, aligned by the median of each picture", rows, kinds)
    kitti(howfar.load(detector=None, depth="pydnet-kitti", runtime="onnx", threads=1))


if __name__ == "__main__":
    main()
