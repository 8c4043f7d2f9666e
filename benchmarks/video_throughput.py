"""What does a video cost beside the networks, and how late is a live camera's result?

Throughput: 640x480 H.264 video of real pictures, from the file to the annotated H.264 file (decode,
networks, track, draw, encode, a record a frame), against the two bare networks on the same frames,
already decoded and prepared. One thread for the networks in both; rounds are interleaved.
The stages are timed one after the other, in CPU time of their thread.

Latency: a camera on this machine sends 640x480 JPEG pictures that hold their number at 30 frames a
second; a result is as late as it is behind the moment when its picture was sent.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from timing import NETWORKS, SHARED

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import serving
import videos

import howfar
from howfar.io.ahead import Behind
from howfar.io.frames import Frames
from howfar.io.videofile import VideoWriter
from howfar.io.videoframes import VideoFile
from howfar.media import read_image
from howfar.track import Tracker
from howfar.track.files import TrackFiles
from howfar.track.records import track_record


def write_film(path: Path, frames: int) -> None:
    """A slow look across real rooms, 640x480, 25 frames a second."""
    paths = sorted((SHARED / "eval" / "indoor-mix" / "rgb").glob("*.jpg"))
    each = 40
    with VideoWriter(path, fps=25) as writer:
        for number in range(frames):
            pixels = cv2.resize(read_image(paths[number // each % len(paths)]).pixels, (720, 540))
            x, y = 2 * (number % each), number % each
            writer.write(np.ascontiguousarray(pixels[y : y + 480, x : x + 640]), number / 25)


def bare_networks(ranger: howfar.Ranger, images: list[howfar.Image]) -> Callable[[], None]:
    """Runs the networks alone, on prepared inputs."""
    feeds = []
    for image in images:
        for network in dict.fromkeys((ranger.detector, ranger.depth)):
            tensor, _ = network.card.preprocess(image.pixels)
            feeds.append((network.runtime, {network.runtime.inputs[0].name: tensor}))

    def run() -> None:
        for runtime, feed in feeds:
            runtime.run(feed)

    return run


def whole_way(ranger: howfar.Ranger, source: Path, folder: Path) -> Callable[[], None]:
    """File to file, as `howfar track` does it."""

    def run() -> None:
        files, tracker = TrackFiles(folder / "film", ["annotated", "jsonl", "csv"], 25), Tracker()

        def follow(result: howfar.Result) -> None:
            frame = tracker.update(result)
            files.add(frame, track_record(frame, []))

        behind = Behind(follow)
        for result in ranger.stream(source, conf=0.1):
            behind.put(result)
        behind.close()
        files.end(tracker.close())
        files.close()

    return run


class Stages:
    """CPU milliseconds a frame of each stage, run one after the other in this thread."""

    def __init__(self) -> None:
        self.spent: dict[str, list[float]] = {}

    def timed(self, name: str, job: Callable[..., Any], *args: Any) -> Any:
        """What `job(*args)` returns."""
        start = time.thread_time()
        value = job(*args)
        self.spent.setdefault(name, []).append((time.thread_time() - start) * 1e3)
        return value

    def run(self, ranger: howfar.Ranger, source: Path, folder: Path) -> None:
        """All frames."""
        tracker, frames = Tracker(), iter(VideoFile(str(source)))
        files = TrackFiles(folder / "stages", ["annotated", "jsonl", "csv"], 25)
        while (image := self.timed("decode", next, frames, None)) is not None:
            self.timed("the two networks alone", bare_networks(ranger, [image]))
            result = self.timed("picture to Result, networks and all", run_frame, ranger, image)
            frame = self.timed("track", tracker.update, result)
            record = self.timed("make the record", track_record, frame, [])
            self.timed("draw, encode, write", files.add, frame, record)
        files.close()


def run_frame(ranger: howfar.Ranger, image: howfar.Image) -> howfar.Result:
    """As `howfar track` detects."""
    return ranger(image, conf=0.1)


def latency(ranger: howfar.Ranger, drop_old: bool, results: int, fps: int = 30) -> np.ndarray:
    """Milliseconds from the sending of a picture to its result."""
    picture = read_image(sorted((SHARED / "eval" / "indoor-mix" / "rgb").glob("*.jpg"))[0]).pixels
    picture = cv2.resize(picture, (640, 480))

    def numbered(number: int) -> np.ndarray:
        pixels = picture.copy()
        pixels[: videos.HEIGHT, : videos.WIDTH] = videos.numbered(number % 4096)
        return pixels

    camera = serving.Camera(numbered, fps, skips=True)
    late = []
    with serving.serve(camera=camera) as root:
        stream = ranger.stream(f"{root}/camera", drop_old=drop_old, max_frames=results)
        for result in stream:
            sent_s = videos.number_of(result.image.pixels) / fps
            late.append((time.monotonic() - camera.start - sent_s) * 1e3)
    return np.array(late)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--runtime", default="onnx")
    parser.add_argument("--results", type=int, default=150, help="of the live runs; 0 for none")
    parser.add_argument("--networks", choices=NETWORKS, default="pair")
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    ranger = howfar.load(*NETWORKS[asked.networks], runtime=asked.runtime, threads=1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        film = folder / "film.mp4"
        write_film(film, asked.frames)
        with Frames(VideoFile(str(film))) as frames:
            bare = bare_networks(ranger, list(frames))
        whole = whole_way(ranger, film, folder)
        rates: dict[str, list[float]] = {"bare": [], "whole": []}
        for number in range(asked.rounds + 1):
            for key, job in (("bare", bare), ("whole", whole)):
                start = time.perf_counter()
                job()
                if number:
                    rates[key].append(asked.frames / (time.perf_counter() - start))
        stages = Stages()
        stages.run(ranger, film, folder)
    shares = np.array(rates["whole"]) / np.array(rates["bare"])
    print("| | frames a second, median | 10 - 90 % |\n|---|---|---|")
    for key, words in (("bare", "two networks alone"), ("whole", "file to file")):
        low, middle, high = np.percentile(rates[key], [10, 50, 90])
        print(f"| {words} | {middle:.1f} | {low:.1f} - {high:.1f} |")
    low, middle, high = np.percentile(shares, [10, 50, 90]) * 100
    print(
        f"\n**File to file: {middle:.0f} % of the bare rate** (10 - 90 %: {low:.0f} - {high:.0f})"
    )
    print("\n| stage | CPU ms a frame |\n|---|---|")
    for words, ms in stages.spent.items():
        print(f"| {words} | {np.median(ms):.1f} |")
    if asked.results == 0:
        return
    print("\n| live, 30 a second | median ms late | 10 - 90 % | last tenth |\n|---|---|---|---|")
    for drop_old in (True, False):
        late = latency(ranger, drop_old, asked.results)
        low, middle, high = np.percentile(late, [10, 50, 90])
        last = np.median(late[-len(late) // 10 :])
        words = "--drop-old" if drop_old else "--keep-all"
        print(f"| {words} | {middle:.0f} | {low:.0f} - {high:.0f} | {last:.0f} |")


if __name__ == "__main__":
    main()
