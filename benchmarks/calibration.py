"""How good is a camera profile? The tables of docs/calibrate.md.

1. Lens: rendered checkerboards of known lenses, by number of views.
2. Scale in the synthetic world, by number of objects: with perfect depth of unknown factor, which
   leaves the error of the method; and with a real network, which adds its own.
3. Scale on real pictures with truth: KITTI with PyDNet (relative depth), an office with FastDepth
   (metric depth, off by a factor). Calibrated on some pictures, judged on the others.

The factor of a picture is what its objects (2, KITTI) or pixels (office) would need: the median of
truth over the network's number. "error" is the median of |found / needed - 1| over pictures that
were not used; "within 1 (2) sd" the share of them within one (two) stated standard deviations: .68
(.95) would be exact, more is cautious. Known distances and heights are given as a person with a
tape would, with an error of 2 %.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from timing import SHARED

import howfar
from howfar.calibrate.board import Board, Views, fit_lens
from howfar.calibrate.pool import Reading, pool, without_own
from howfar.core.detections import Detections
from howfar.core.distance import measure
from howfar.core.ground import find_ground
from howfar.core.image import Image
from howfar.core.profile import CameraProfile, Lens
from howfar.core.scale import CameraHeight, KnownDistance, ObjectSizes, ScaleSource, read_scale
from howfar.data.address import open_dataset
from howfar.data.sample import Sample
from howfar.data.synthetic import scenes
from howfar.data.synthetic.lenses import board_view, lens_slopes, random_pose
from howfar.errors import ScaleError

SEED = 2_000_000
TAPE = 0.02
TRIALS = 400
COUNTS = (1, 2, 4, 8, 16, 32)
KNOWN, SIZES, HEIGHT = (
    ScaleSource.KNOWN_DISTANCE,
    ScaleSource.OBJECT_SIZE,
    ScaleSource.CAMERA_HEIGHT,
)
LENSES = {
    "barrel": (-0.28, 0.09, 0.001, -0.0008),
    "pincushion": (0.12, -0.04, 0.0, 0.0),
    "wide, k3": (-0.38, 0.22, 0.0, 0.0, -0.07),
}
CORNERS = (9, 6)


@dataclass
class Picture:
    """What a picture offers to each method, and what it needs.

    Attributes:
        log_needed: log of the factor that its objects or pixels need; NaN where unknown.
        readings: by method; known distances have one for each object.
        log_objects: log of truth over the network's number, of each object.
    """

    log_needed: float
    readings: dict[ScaleSource, list[Reading]] = field(default_factory=dict)
    log_objects: np.ndarray = field(default_factory=lambda: np.zeros(0))


# -- 1 lens ---------------------------------------------------------------------------------------


def lens_rows(counts: Sequence[int], trials: int) -> list[list[str]]:
    """Errors of lenses found from rendered boards."""
    rows = []
    for name, distortion in LENSES.items():
        true = CameraProfile(640, 480, Lens(520, 515, 331, 236, distortion))
        slopes = lens_slopes(true)
        for count in counts:
            focal, stated, rays, far = [], [], [], []
            for trial in range(trials):
                lens = fit_lens(board_views(true, count, trial))
                offset = (lens_slopes(CameraProfile(640, 480, lens)) - slopes) * 520
                offset -= np.median(offset, axis=(0, 1))
                error = np.linalg.norm(offset, axis=2)
                focal.append(abs(lens.fx / 520 - 1))
                stated.append(lens.uncertainty)
                rays.append(np.quantile(error, 0.5))
                far.append(np.quantile(error, 0.95))
            numbers = [np.median(focal) * 100, np.median(stated) * 100]
            rows.append(
                [
                    name,
                    str(count),
                    *(f"{v:.2f}%" for v in numbers),
                    f"{np.median(rays):.2f}",
                    f"{np.median(far):.2f}",
                ]
            )
    return rows


def board_views(true: CameraProfile, count: int, trial: int) -> Views:
    rng = np.random.default_rng([trial, count])
    views = Views(Board(*CORNERS))
    while len(views.corners) < count:
        turn, place = random_pose(true, *CORNERS, rng)
        views.add(Image(board_view(true, *CORNERS, turn, place, rng)))
    return views


# -- readings -------------------------------------------------------------------------------------


def read_all(
    depth: howfar.DepthMap,
    boxes: np.ndarray,
    labels: Sequence[str],
    scores: np.ndarray,
    camera: howfar.Camera,
    truths: np.ndarray,
    height_m: float,
    rng: np.random.Generator,
) -> Picture:
    """What one picture gives to each method.

    Known distances are those of `truths` (NaN: unknown) at `boxes`; the height has its tape error
    added later, since all pictures share it.
    """
    names = tuple(dict.fromkeys(labels))
    found = Detections(boxes, scores, [names.index(label) for label in labels], names)
    values = measure(depth, boxes, "foreground").values
    usable = np.isfinite(values) & np.isfinite(truths)
    logs = np.log(truths[usable] / values[usable])
    picture = Picture(float(np.median(logs)) if usable.any() else math.nan, log_objects=logs)

    def read(request: KnownDistance | ObjectSizes | CameraHeight) -> list[Reading]:
        try:
            scale = read_scale(request, depth, found, "foreground", camera)
        except ScaleError:
            return []
        return [Reading("", "", scale)]

    picture.readings[KNOWN] = [
        reading
        for i in np.flatnonzero(usable)
        for reading in read(
            KnownDistance(
                float(truths[i] * np.exp(rng.normal(0, TAPE))), tuple(boxes[i].tolist()), TAPE
            )
        )
    ]
    picture.readings[SIZES] = read(ObjectSizes())
    picture.readings[HEIGHT] = read(without_own(CameraHeight(height_m, TAPE))[0])
    return picture


def synthetic_pictures(kind: str, count: int, network: str | None) -> list[Picture]:
    """Scenes with perfect depth of unknown factor, or with a network's."""
    rng = np.random.default_rng(0)
    ranger = network and howfar.load(None, network, threads=1, runtime="onnx")
    pictures = []
    for found in scenes(count, SEED, kind=kind, width=480, height=360):
        depth = found.depth
        if ranger:
            image = Image(found.image, camera=found.camera)
            depth = ranger(image, boxes=np.zeros((0, 4))).depth
        things = [t for t in found.objects if t.detected and t.pixels >= 100]
        boxes = np.array([t.box for t in things], np.float32).reshape(-1, 4)
        size = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
        boxes = np.clip(boxes + rng.normal(0, 0.025, boxes.shape) * size, 0, [480, 360] * 2)
        boxes = boxes.astype(np.float32)
        boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 2)
        truths = np.array([t.distance_m for t in things], np.float64)
        labels = [t.label for t in things]
        scores = np.full(len(things), 0.8, np.float32)
        pictures.append(
            read_all(depth, boxes, labels, scores, found.camera, truths, found.camera_height_m, rng)
        )
        if not ranger:
            pictures[-1].log_needed = 0.0
    return pictures


# -- 2 pooled -------------------------------------------------------------------------------------


@dataclass
class Score:
    """How pooled factors fit other pictures."""

    errors: list[float] = field(default_factory=list)
    inside: list[float] = field(default_factory=list)
    inside2: list[float] = field(default_factory=list)
    stated: list[float] = field(default_factory=list)
    object_errors: list[float] = field(default_factory=list)
    refused: int = 0

    def add(self, log_factor: float, uncertainty: float, others: Sequence[Picture]) -> None:
        """One calibration, and other pictures."""
        log_needed = np.array([picture.log_needed for picture in others])
        log_needed = log_needed[np.isfinite(log_needed)]
        off = np.abs(log_factor - log_needed)
        self.errors += np.abs(np.expm1(log_factor - log_needed)).tolist()
        self.inside.append(float(np.mean(off <= uncertainty)))
        self.inside2.append(float(np.mean(off <= 2 * uncertainty)))
        self.stated.append(uncertainty)
        self.object_errors.append(object_error(others, log_factor))

    def cells(self) -> list[str]:
        """error, stated, within 1 and 2 sd."""
        if not self.errors:
            return ["-"] * 4
        return [
            f"{np.median(self.errors):.1%}",
            f"{np.median(self.stated):.0%}",
            f"{np.mean(self.inside):.2f}",
            f"{np.mean(self.inside2):.2f}",
        ]


def pooled(pictures: Sequence[Picture], method: ScaleSource, count: int, trials: int) -> Score:
    """Calibrate on random pictures with together `count` objects, judge on all others."""
    rng = np.random.default_rng([count, len(method)])
    score = Score()
    usable = [i for i, picture in enumerate(pictures) if picture.readings.get(method)]
    for _ in range(trials if usable else 0):
        chosen: list[Reading] = []
        used = set()
        for i in rng.permutation(usable):
            offers = pictures[i].readings[method]
            chosen.append(offers[rng.integers(len(offers))])
            used.add(int(i))
            have = sum(r.scale.objects for r in chosen) if method is SIZES else len(chosen)
            if have >= count:
                break
        else:
            continue
        factor, uncertainty = calibrated(chosen, method, rng)
        if factor is None:
            score.refused += 1
            continue
        score.add(factor, uncertainty, [p for i, p in enumerate(pictures) if i not in used])
    return score


def calibrated(
    chosen: Sequence[Reading], method: ScaleSource, rng: np.random.Generator
) -> tuple[float | None, float]:
    """Log of the pooled factor (None: refused) and its uncertainty."""
    requests = {SIZES: ObjectSizes(), HEIGHT: CameraHeight(1.0, TAPE)}
    shared = without_own(requests[method])[1] if method in requests else 0.0
    try:
        scale = pool(chosen, shared)
    except ScaleError:
        return None, 0.0
    tape = rng.normal(0, TAPE) if method is HEIGHT else 0.0
    return math.log(scale.factor) + tape, scale.uncertainty


# -- 3 real pictures ------------------------------------------------------------------------------


def kitti_pictures() -> list[Picture]:
    """KITTI frames and PyDNet: labelled boxes with lidar for distances, detected ones for sizes."""
    ranger = howfar.load("nanodet-plus-m", "pydnet-kitti", threads=1, runtime="onnx")
    rng = np.random.default_rng(0)
    pictures = []
    for sample in samples("kitti-object", "kitti-object"):
        image = replace(sample.image, camera=sample.camera)
        result = ranger(image)
        labelled = read_all(
            result.depth,
            sample.boxes,
            sample.labels,
            np.ones(len(sample.boxes), np.float32),
            sample.camera,
            lidar_distances(sample),
            1.65,
            rng,
        )
        boxes = np.array([list(t.box) for t in result.objects], np.float32).reshape(-1, 4)
        detected = read_all(
            result.depth,
            boxes,
            [t.label for t in result.objects],
            np.array([t.score for t in result.objects], np.float32),
            sample.camera,
            np.full(len(boxes), np.nan),
            1.65,
            rng,
        )
        labelled.readings[SIZES] = detected.readings[SIZES]
        labelled.readings[HEIGHT] = detected.readings[HEIGHT]
        pictures.append(labelled)
    return pictures


def lidar_distances(sample: Sample) -> np.ndarray:
    """(N,) median z of the lidar in each 3-D box, NaN with fewer than 5 points."""
    values = np.full(len(sample.boxes3d), np.nan)
    for i, box in enumerate(sample.boxes3d):
        points = sample.lidar_m[box.contains(sample.lidar_m)] if box else np.zeros((0, 3))
        if len(points) >= 5:
            values[i] = np.median(points[:, 2])
    return values


def office_pictures() -> tuple[list[Picture], float]:
    """Office frames: FastDepth; distances at pixels; height from the true depth's own floor."""
    ranger = howfar.load("nanodet-plus-m", "fastdepth", threads=1, runtime="onnx")
    rng = np.random.default_rng(0)
    found = samples("rgbd", "hololens-office")
    heights = []
    for sample in found:
        try:
            truth = sample.depth.resized(sample.width, sample.height)
            heights.append(find_ground(truth, sample.camera).height)
        except ScaleError:
            continue
    height_m = float(np.median(heights)) if heights else 1.6
    pictures = []
    for sample in found:
        result = ranger(replace(sample.image, camera=sample.camera))
        truth = sample.depth.resized(sample.width, sample.height)
        both = truth.valid & result.depth.valid
        spots = rng.uniform([0.2, 0.2], [0.8, 0.8], (8, 2)) * [sample.width, sample.height]
        boxes = np.concatenate([spots - 2.5, spots + 2.5], axis=1).astype(np.float32)
        truths = measure(truth, boxes, "median").values.astype(np.float64)
        picture = read_all(
            result.depth,
            boxes,
            ["spot"] * len(boxes),
            np.ones(len(boxes), np.float32),
            sample.camera,
            truths,
            height_m,
            rng,
        )
        picture.log_objects = np.log(truth.values[both] / result.depth.values[both])[::50]
        picture.log_needed = float(np.median(picture.log_objects))
        seen = np.array([list(t.box) for t in result.objects], np.float32).reshape(-1, 4)
        names = [t.label for t in result.objects]
        picture.readings[SIZES] = read_all(
            result.depth,
            seen,
            names,
            np.array([t.score for t in result.objects], np.float32),
            sample.camera,
            np.full(len(seen), np.nan),
            height_m,
            rng,
        ).readings[SIZES]
        pictures.append(picture)
    return pictures, height_m


def samples(form: str, name: str) -> list[Sample]:
    data = open_dataset(f"{form}:{SHARED / 'eval' / name}")
    return [data[i] for i in range(len(data))]


def real_rows(
    pictures: Sequence[Picture], counts: Sequence[int], unscaled: bool
) -> list[list[str]]:
    """Rows of all methods, with the errors of objects or pixels."""
    rows = []
    best = float(np.median(np.concatenate([picture.log_objects for picture in pictures])))
    if unscaled:
        error = object_error(pictures, 0.0)
        rows.append(["none: the network's metres", "0", *["-"] * 4, f"{error:.1%}"])
    for method in (KNOWN, SIZES, HEIGHT):
        for count in counts:
            score = pooled(pictures, method, count, TRIALS)
            if score.errors:
                error = np.median(score.object_errors)
                rows.append([str(method), str(count), *score.cells(), f"{error:.1%}"])
    error = object_error(pictures, best)
    rows.append(["best single factor", "all", *["-"] * 4, f"{error:.1%}"])
    return rows


def object_error(pictures: Sequence[Picture], log_factor: float) -> float:
    """Median relative error of all objects or pixels with a factor; NaN without any."""
    off = np.concatenate([picture.log_objects for picture in pictures])
    return float(np.median(np.abs(np.expm1(log_factor - off)))) if len(off) else math.nan


# -- tables ---------------------------------------------------------------------------------------


def table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table for a document."""
    print(f"\n{title}\n")
    print("| " + " | ".join(heads) + " |")
    print("|" + "---|" * len(heads))
    for row in rows:
        print("| " + " | ".join(row) + " |")


SCORES = ("error", "stated", "within 1 sd", "within 2 sd")


def lens_part(options: argparse.Namespace) -> None:
    """1."""
    heads = ("lens", "views", "focal error", "stated", "rays, median px", "rays, 95th px")
    table("Lens, 640x480", heads, lens_rows((5, 10, 20), options.boards))


def synthetic_part(options: argparse.Namespace) -> None:
    """2."""
    worlds = {
        "indoor, perfect depth": synthetic_pictures("indoor", options.scenes, None),
        "street, perfect depth": synthetic_pictures("street", options.scenes, None),
        "indoor, fastdepth": synthetic_pictures("indoor", options.scenes, "fastdepth"),
        "street, pydnet-kitti": synthetic_pictures("street", options.scenes, "pydnet-kitti"),
    }
    rows = []
    for method in (KNOWN, SIZES, HEIGHT):
        for count in COUNTS:
            scores = [pooled(pictures, method, count, TRIALS) for pictures in worlds.values()]
            cells = [" / ".join(score.cells()[:3]) for score in scores]
            refused = [f"{score.refused / TRIALS:.0%}" for score in scores]
            told = ", ".join(refused) if method is KNOWN else ""
            rows.append([str(method), str(count), *cells, told])
    title = "Synthetic world: error / stated / within 1 sd"
    table(title, ("method", "objects or pictures", *worlds, "refused"), rows)


def real_part(options: argparse.Namespace) -> None:
    """3."""
    del options
    table(
        "KITTI, pydnet-kitti",
        ("method", "objects or pictures", *SCORES, "error of objects"),
        real_rows(kitti_pictures(), (1, 2, 4, 8), unscaled=False),
    )
    pictures, height_m = office_pictures()
    table(
        f"Office, fastdepth (camera {height_m:.2f} m above the floor by its depth camera)",
        ("method", "objects or pictures", *SCORES, "error of pixels"),
        real_rows(pictures, (1, 2, 4, 8, 16), unscaled=True),
    )


PARTS = {"lens": lens_part, "synthetic": synthetic_part, "real": real_part}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=120, help="synthetic scenes of each kind")
    parser.add_argument("--boards", type=int, default=5, help="calibrations of each lens")
    parser.add_argument("--only", choices=tuple(PARTS), help="one part")
    options = parser.parse_args()
    for name, part in PARTS.items():
        if options.only in (None, name):
            start = time.perf_counter()
            part(options)
            print(f"\n({name}: {time.perf_counter() - start:.0f} s)")


if __name__ == "__main__":
    main()
