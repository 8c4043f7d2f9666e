"""`make demo`: objects and distances in three photographs, or in your own.

Usage: python examples/demo.py --photos FOLDER [PICTURE ...]

Without pictures it takes three photographs of scikit-image's package, whose folder `skimage/data`
is FOLDER: a room with a motorcycle (Middlebury 2014, with the true distance of every pixel), a cup
on a table, and a portrait. The network is the one that comes with the package, so that nothing is
fetched.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

import howfar
from howfar.core.distance import measure
from howfar.io.sinks import write_picture_files

OUT = Path("out")
CONF = 0.35  # what the authors of NanoDet-Plus, whose boxes these are, show
MOTORCYCLE_FOCAL_PX = 994.978  # calibration of the picture as scikit-image documents it
MOTORCYCLE_BASELINE_M = 0.193001
MOTORCYCLE_OFFSET_PX = 31.086


def main() -> None:
    """Run the networks on all pictures and say where the results lie."""
    parser = argparse.ArgumentParser(description="objects and distances in photographs")
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("own", nargs="*")
    photos, own = vars(parser.parse_args()).values()
    ranger = howfar.load()
    print(f"network: {ranger.depth.card.name}\n")
    if own:
        for result in ranger.stream(own, conf=CONF):
            show(result)
            print("".join(f"note: {note}\n" for note in result.notes))
    else:
        room = ranger(photos / "motorcycle_left.png", conf=CONF, focal_px=MOTORCYCLE_FOCAL_PX)
        show(room, motorcycle_depth(photos))
        for name in ("coffee.png", "astronaut.png"):
            show(ranger(photos / name, conf=CONF))
        print("Close-ups are what it measures worst; its card, MODEL_CARD.md, says what else.")
    print(f"pictures: {OUT.resolve()}")


def show(result: howfar.Result, truth: howfar.DepthMap | None = None) -> None:
    """Print the objects of a picture, with their 80 % intervals, and write its files."""
    formats = ["panel", "json"] + (["truth"] if truth else [])
    base = OUT / Path(result.source).stem
    written, _ = write_picture_files(result, base, formats, truth)
    print(f"{result.source}")
    boxes = [thing.box for thing in result.objects]
    real = measure(truth, boxes).values if truth else np.full(len(boxes), np.nan)
    for thing, true_m in zip(result.objects, real, strict=True):
        words = "?" if thing.distance_m is None else f"{thing.distance_m:.1f} m"
        if thing.interval_m is not None:
            words += " ({:.1f} to {:.1f})".format(*thing.interval_m)
        check = f"   truth {true_m:.1f} m" if np.isfinite(true_m) else ""
        print(f"  {thing.label:14} {thing.score:.2f}  {words}{check}")
    if result.domain == "unfamiliar":
        print("  unlike the pictures that the network learned from: wide intervals")
    print(f"  -> {', '.join(entry['path'] for entry in written.values())}\n")


def motorcycle_depth(photos: Path) -> howfar.DepthMap:
    """True depth of the motorcycle picture: z = f * B / (disparity + offset)."""
    disparity = np.load(photos / "motorcycle_disp.npz")["arr_0"]
    scale = MOTORCYCLE_FOCAL_PX * MOTORCYCLE_BASELINE_M
    return howfar.DepthMap(scale / (disparity + MOTORCYCLE_OFFSET_PX))


if __name__ == "__main__":
    try:
        main()
    except howfar.HowfarError as error:
        sys.exit(f"demo: {error}")
