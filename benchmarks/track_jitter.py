"""Does tracking calm distances without lag? Synthetic films with known truth, and real networks.

Synthetic: truth of the world plus the flicker of a depth network (whole map and patches of it, half
of both lasting about .1 s), blurred edges, detections that shake, miss and waver. The reference is
the distance of the same boxes on the depth without flicker.

- Jitter: standard deviation of log distance over a still scene, per object, tracked over per frame.
- Change: mean difference between neighbouring frames, likewise.
- Lag: the time by which the reference has to be delayed to fit the smoothed distance best.

`--real` runs detector and depth network on still pictures with the noise of a camera, uncompressed
and through an H.264 file.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from timing import SHARED

import howfar
from howfar.core.detections import Detections
from howfar.core.image import Image
from howfar.data.synthetic import people
from howfar.data.synthetic.film import Mover, film, stand, walk
from howfar.data.synthetic.film import Path as Way
from howfar.data.synthetic.records import SyntheticScene
from howfar.track import TrackedFrame, Tracker
from howfar.track.distance_filter import interval_sigma

SETTLE_S = 1.0
LASTING_S = 0.1
CONTACT = np.pi / 2


@dataclass
class Flicker:
    """Errors of a depth network: a factor of the whole map and of its patches, frame by frame."""

    rng: np.random.Generator
    spread: float
    lasting: list[np.ndarray] = field(default_factory=lambda: [np.zeros(1), np.zeros((6, 8))])

    def depth(self, clean: np.ndarray, dt: float) -> np.ndarray:
        keep = np.exp(-dt / LASTING_S)
        fields = []
        for i, old in enumerate(self.lasting):
            fresh = self.rng.normal(size=old.shape)
            self.lasting[i] = keep * old + np.sqrt(1 - keep**2) * fresh
            fields.append((self.lasting[i] + self.rng.normal(size=old.shape)) / np.sqrt(2))
        patches = cv2.resize(fields[1], clean.shape[::-1], interpolation=cv2.INTER_CUBIC)
        logs = np.log(np.where(np.isfinite(clean), clean, 200.0))
        logs = cv2.GaussianBlur(logs, (0, 0), 2.0)
        return np.exp(logs + self.spread * (0.5 * fields[0][0] + patches)).astype(np.float32)


@dataclass
class Record:
    """One object over time."""

    times: list[float] = field(default_factory=list)
    frame: list[float] = field(default_factory=list)
    track: list[float] = field(default_factory=list)
    clean: list[float] = field(default_factory=list)
    speed: list[tuple[float, float, float]] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)

    def part(self, name: str, after_s: float) -> np.ndarray:
        return np.array(getattr(self, name))[np.array(self.times) > after_s]


def detect(scene: SyntheticScene, rng: np.random.Generator) -> tuple[Detections, list[int]]:
    """Boxes of the objects as a small detector gives them, and their instances."""
    boxes, scores, numbers, labels = [], [], [], []
    for thing in scene.objects:
        if not thing.detected or thing.visible_share < 0.3 or rng.random() < 0.03:
            continue
        box = np.array(thing.box)
        side = np.array([thing.box.width, thing.box.height] * 2)
        shaken = box + 0.015 * side * rng.normal(size=4)
        if (shaken[2:] - shaken[:2] < 4).any():
            continue
        boxes.append(shaken)
        scores.append(float(np.clip(rng.normal(0.2 + 0.5 * thing.visible_share, 0.08), 0.11, 1)))
        numbers.append(thing.instance)
        labels.append(thing.label if rng.random() > 0.05 else "motorcycle")
    names = tuple(sorted({*labels, "motorcycle"}))
    ids = np.array([names.index(label) for label in labels], np.int64)
    array = np.array(boxes, np.float32).reshape(-1, 4)
    return Detections(array, np.array(scores, np.float32), ids, names), numbers


def run(
    scenes: Iterator[SyntheticScene], times: np.ndarray, spread: float, seed: int
) -> dict[int, Record]:
    """Track a film whose depth flickers; one record an instance."""
    rng = np.random.default_rng([seed, 9])
    flicker, tracker, ranger = Flicker(rng, spread), Tracker(), howfar.Ranger()
    quiet = Flicker(rng, 0.0)
    records: dict[int, Record] = defaultdict(Record)
    for scene, time_s in zip(scenes, times.tolist(), strict=True):
        found, numbers = detect(scene, rng)
        image = Image(scene.image, time_s=time_s)
        dt = float(times[1] - times[0])
        result = ranger(image, depth=flicker.depth(scene.depth.values, dt), boxes=found)
        clean = ranger(image, depth=quiet.depth(scene.depth.values, dt), boxes=found)
        instance = {tuple(t.box): n for t, n in zip(clean.objects, numbers, strict=True)}
        reference = {tuple(t.box): t.distance_m for t in clean.objects}
        for thing in tracker.update(result).tracks:
            where = tuple(thing.object.box)
            if thing.measured_m is None or reference[where] is None:
                continue
            record = records[instance[where]]
            record.times.append(time_s)
            record.frame.append(thing.measured_m)
            record.track.append(thing.object.distance_m)
            record.clean.append(reference[where])
            record.speed.append((thing.speed_m_s, *thing.speed_interval_m_s))
            record.ids.append(thing.id)
    return {n: record for n, record in records.items() if len(record.times) > len(times) / 2}


def jitter(values: np.ndarray) -> tuple[float, float]:
    """Standard deviation, and mean step, of log distances."""
    logs = np.log(values)
    return float(logs.std()), float(np.abs(np.diff(logs)).mean())


def lag_s(times: np.ndarray, reference: np.ndarray, smooth: np.ndarray) -> float:
    """Delay of the reference at which it fits best."""
    delays = np.arange(-0.3, 1.0, 0.01)
    errors = [np.square(np.interp(times - d, times, reference) - smooth).mean() for d in delays]
    return float(delays[int(np.argmin(errors))])


def still_scenes(spread: float, fps: int, seeds: range) -> list[tuple[float, ...]]:
    """Per object: jitter per frame and tracked, step per frame and tracked."""
    rows = []
    for seed in seeds:
        times = np.arange(0, 6, 1 / fps)
        scene = next(iter(film(seed, [0.0])))
        for record in run(iter([scene] * len(times)), times, spread, seed).values():
            (a, b), (c, d) = (jitter(record.part(n, SETTLE_S)) for n in ("frame", "track"))
            rows.append((a, c, b, d))
    return rows


def approach(spread: float, fps: int, speed: float, seeds: range, by_camera: bool) -> list[tuple]:
    """Per object in motion: lag, median speed error, share of speeds inside their interval."""
    rows = []
    for seed in seeds:
        seconds = min(5.0, 5.5 / speed)
        times = np.arange(0, seconds + 3, 1 / fps)
        people_rng = np.random.default_rng([seed, 5])
        camera: Way = walk((0, 0), (0, speed), 1.5, 1.5 + seconds) if by_camera else stand
        go = (0.0, 0.0 if by_camera else -speed)
        movers = [
            Mover(people.person(people_rng), walk((x, 8.0), go, 1.5, 1.5 + seconds), CONTACT)
            for x in (-1.3, 0.2, 1.4)
        ]
        scenes = film(seed, times, "street", movers=movers, emptied=True, camera=camera)
        for record in run(scenes, times, spread, seed).values():
            t, smooth, clean = (np.array(v) for v in (record.times, record.track, record.clean))
            moving = (t > 2.0) & (t < 1.5 + seconds)
            speeds = np.array(record.speed)[moving]
            inside = (speeds[:, 1] <= speed) & (speed <= speeds[:, 2])
            rows.append((lag_s(t, clean, smooth), np.median(speeds[:, 0]) - speed, inside.mean()))
    return rows


def crossings(seeds: range) -> tuple[int, int, int]:
    """People who pass before each other: objects, identities given, and swapped identities."""
    objects = identities = swaps = 0
    for seed in seeds:
        rng = np.random.default_rng([seed, 6])
        times = np.arange(0, 6, 0.1)
        movers = [
            Mover(people.person(rng), walk((-1.5, 4.0), (0.6, 0), 0, 9), 0.0),
            Mover(people.person(rng), walk((2.5, 6.0), (-0.8, 0), 0, 9), np.pi),
            Mover(people.person(rng), walk((0.0, 5.0), (0, 0), 0, 9), CONTACT),
        ]
        scenes = film(seed, times, "street", movers=movers, emptied=True)
        records = run(scenes, times, 0.05, seed)
        owners = defaultdict(set)
        for number, record in records.items():
            objects += 1
            identities += len(set(record.ids))
            for one in record.ids:
                owners[one].add(number)
        swaps += sum(len(numbers) - 1 for numbers in owners.values())
    return objects, identities, swaps


def camera_frames(picture: np.ndarray, count: int, seed: int) -> Iterator[np.ndarray]:
    """A still scene as a camera sees it: noise, and exposure that wavers by half a per cent."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        gain = 1 + 0.005 * rng.normal()
        noisy = picture * gain + rng.normal(0, 4.0, picture.shape)
        yield np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def real_jitter(
    ranger: howfar.Ranger, frames: Iterator[Image], sigmas: list[float]
) -> list[tuple[float, ...]]:
    """As `still_scenes`, of real networks; appends what the intervals say to `sigmas`."""
    tracker, records = Tracker(), defaultdict(Record)
    for image in frames:
        result = ranger(image, conf=0.1)
        sigmas += [interval_sigma(t.interval_m) for t in result.objects if t.interval_m]
        frame: TrackedFrame = tracker.update(result)
        for thing in frame.tracks:
            if thing.measured_m is not None:
                record = records[thing.id]
                record.times.append(frame.time_s)
                record.frame.append(thing.measured_m)
                record.track.append(thing.object.distance_m)
    rows = []
    for record in records.values():
        if len(record.part("times", SETTLE_S)) >= 20:
            (a, b), (c, d) = (jitter(record.part(n, SETTLE_S)) for n in ("frame", "track"))
            rows.append((a, c, b, d))
    return rows


def real(count: int, seconds: float, fps: int) -> None:
    """Tables of real networks on still pictures."""
    ranger = howfar.load("nanodet-plus-m", "fastdepth", threads=1)
    found = sorted((SHARED / "eval").glob("indoor-mix/rgb/*.jpg"))
    found += sorted((SHARED / "eval").glob("hololens-office/rgb/*.jpg"))
    paths = [found[int(i)] for i in np.linspace(0, len(found) - 1, min(count, len(found)))]
    sigmas: list[float] = []
    rows: dict[str, list[tuple[float, ...]]] = {"uncompressed": [], "H.264": []}
    for seed, path in enumerate(paths):
        picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        arrays = list(camera_frames(picture, int(seconds * fps), seed))
        images = (Image(one, time_s=i / fps) for i, one in enumerate(arrays))
        rows["uncompressed"] += real_jitter(ranger, images, sigmas)
        rows["H.264"] += real_jitter(ranger, iter(through_h264(arrays, fps)), sigmas)
    print(f"\n{len(paths)} pictures, {seconds:g} s at {fps} frames/s, NanoDet-Plus + FastDepth\n")
    print(JITTER_HEAD)
    for name, found in rows.items():
        print(jitter_row(name, found))
    print(f"\nMedian of the intervals: {np.median(sigmas):.1%} of the distance (one sigma)")


def through_h264(arrays: list[np.ndarray], fps: int) -> list[Image]:
    """Frames written to a video and read again."""
    from howfar.io.clip import make_clip
    from howfar.io.frames import Frames, sort_out
    from howfar.io.sources import expand
    from howfar.io.videofile import VideoWriter

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "still.mp4"
        with VideoWriter(path, fps) as writer:
            for i, pixels in enumerate(arrays):
                writer.write(pixels, i / fps)
        reel = sort_out(expand([str(path)]), None)[0]
        with Frames(reel.open(make_clip(1, None, None)), None, None) as frames:
            return list(frames)


JITTER_HEAD = (
    "| scene | objects | jitter per frame | tracked | ratio | change per frame | tracked | ratio "
    "| jitter halved |\n" + "|---" * 9 + "|"
)


def jitter_row(name: str, rows: list[tuple[float, ...]]) -> str:
    """One line: medians over objects of percent, median of the ratios."""
    table = np.array(rows)
    a, c, b, d = (f"{100 * v:.2f} %" for v in np.median(table, axis=0))
    ratio, step = table[:, 1] / table[:, 0], table[:, 3] / table[:, 2]
    halved = f"{np.mean(ratio <= 0.5):.0%}"
    numbers = [a, c, f"{np.median(ratio):.2f}", b, d, f"{np.median(step):.2f}", halved]
    return f"| {name} | {len(rows)} | " + " | ".join(numbers) + " |"


def plot(path: Path) -> None:
    """Distance over time of one still and one approaching person."""
    import matplotlib.pyplot as plt

    ways: dict[str, Way] = {
        "stands": stand_at(4.0),
        "comes at 2 m/s, from 2 s on": walk((0.2, 8.0), (0.0, -2.0), 2.0, 4.75),
    }
    times = np.arange(0, 6, 0.1)
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    for axis, (title, way) in zip(axes, ways.items(), strict=True):
        mover = Mover(people.person(np.random.default_rng(1)), way, CONTACT)
        scenes = film(200, times, "street", movers=[mover], emptied=True)
        (record,) = run(scenes, times, 0.05, 3).values()
        axis.plot(record.times, record.frame, ".", color="0.6", label="each frame by itself")
        axis.plot(record.times, record.clean, "--", color="black", lw=1, label="without flicker")
        axis.plot(record.times, record.track, color="tab:purple", lw=2, label="tracked")
        axis.set(title=f"A person {title}", xlabel="time (s)", ylabel="distance (m)")
        axis.set_ylim(0, 1.2 * max(record.frame))
        axis.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=110)


def stand_at(z: float) -> Way:
    """Somebody who stays."""
    return walk((0.2, z), (0.0, 0.0), 0, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", action="store_true", help="real networks on still pictures")
    parser.add_argument(
        "--seeds", type=int, default=4, help="films, or real pictures, of each kind"
    )
    parser.add_argument("--plot", type=Path, help="write a picture of two tracks instead")
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    if asked.plot:
        plot(asked.plot)
        return
    if asked.real:
        real(asked.seeds, 6.0, 10)
        return
    print(JITTER_HEAD)
    for fps in (10, 30):
        for spread in (0.02, 0.05, 0.1):
            rows = still_scenes(spread, fps, range(100, 100 + asked.seeds))
            print(jitter_row(f"still, flicker {spread:.0%}, {fps} frames/s", rows))
    print(
        "\n| moves | flicker | frames/s | objects | lag median | largest | speed error | inside |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for fps in (10, 30):
        for speed in (1.0, 2.0, 3.0):
            for by_camera in (False, True):
                seeds = range(200, 200 + asked.seeds)
                rows = np.array(approach(0.05, fps, speed, seeds, by_camera))
                who = "camera" if by_camera else "person"
                lag, worst = np.median(rows[:, 0]), rows[:, 0].max()
                print(
                    f"| {who} at {speed:g} m/s | 5% | {fps} | {len(rows)} | {lag:.2f} s | "
                    f"{worst:.2f} s | {np.median(rows[:, 1]):+.2f} m/s | {rows[:, 2].mean():.0%} |"
                )
    objects, identities, swaps = crossings(range(300, 300 + 2 * asked.seeds))
    print(f"\nCrossings: {objects} objects, {identities} identities, {swaps} swapped")


if __name__ == "__main__":
    main()
