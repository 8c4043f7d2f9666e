"""How much of the time from a picture to its result is ours, how much the networks'?

The networks on ONNX Runtime, one thread, a 640x480 picture. The share outside the
networks is one minus the time of the bare sessions over the time of the whole call, both
measured in the same rounds. Then the same with decoding, drawing and writing, stage by stage.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
from timing import NETWORKS, SHARED, interleaved, row

import howfar
from howfar.io import depthview, draw, sinks
from howfar.media import read_image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", choices=NETWORKS, default="pair")
    cv2.setNumThreads(1)
    ranger = howfar.load(*NETWORKS[parser.parse_args().networks], runtime="onnx", threads=1)
    path = sorted((SHARED / "eval" / "indoor-mix" / "rgb").glob("nyu*.jpg"))[0]
    pixels = np.asarray(PIL.Image.open(path).convert("RGB").resize((640, 480)))
    image = howfar.Image(pixels)
    feeds = []
    for network in dict.fromkeys((ranger.detector, ranger.depth)):
        tensor, _ = network.card.preprocess(pixels)
        feeds.append((network.runtime, {network.runtime.inputs[0].name: tensor}))
    jobs = {
        "whole call": lambda: ranger(image),
        "networks alone": lambda: [runtime.run(feed) for runtime, feed in feeds],
    }
    times = interleaved(jobs, rounds=60)
    outside = 1 - times["networks alone"] / times["whole call"]
    print(f"{len(ranger(image).objects)} objects\n\n| | median ms | 10 - 90 % |\n|---|---|---|")
    for name, ms in times.items():
        print(row(name, ms))
    low, middle, high = np.percentile(outside, [10, 50, 90]) * 100
    print(f"\nshare outside the networks: {middle:.1f} % (10 - 90 %: {low:.1f} - {high:.1f})\n")
    with tempfile.TemporaryDirectory() as folder:
        stages(ranger, pixels, Path(folder))


def stages(ranger: howfar.Ranger, pixels: np.ndarray, folder: Path) -> None:
    """Decode, predict, draw, write: one table."""
    path = folder / "picture.jpg"
    PIL.Image.fromarray(pixels).save(path, quality=92)
    result = ranger(path)
    jobs = {
        "decode JPEG": lambda: read_image(path),
        "predict": lambda: ranger(result.image),
        "draw boxes": lambda: draw.annotated(result),
        "draw depth": lambda: depthview.depth_picture(result.depth),
        "write annotated JPEG": lambda: sinks.write_picture_files(
            result, folder / "a", ["annotated"]
        ),
        "write depth PNG": lambda: sinks.write_picture_files(result, folder / "a", ["depth"]),
        "write JSON": lambda: sinks.write_picture_files(result, folder / "a", ["json"]),
    }
    print("| stage (write = draw + encode + write) | median ms | 10 - 90 % |\n|---|---|---|")
    for name, ms in interleaved(jobs, rounds=30).items():
        print(row(name, ms))


if __name__ == "__main__":
    main()
