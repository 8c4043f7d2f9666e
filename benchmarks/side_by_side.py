"""Two networks on two threads: one after the other, or side by side?

NanoDet-Plus + FastDepth, and YOLOX-nano + PyDNet, on ONNX Runtime with two threads each, forced
both ways in the same rounds, beside what `howfar.load(threads=2)` chose by itself.
"""

from __future__ import annotations

from timing import SHARED, interleaved, row

import howfar
from howfar.loading import Alternating
from howfar.media import read_image

PAIRS = (("nanodet-plus-m", "fastdepth"), ("yolox-nano", "pydnet-kitti"))


def main() -> None:
    path = sorted((SHARED / "eval" / "indoor-mix" / "rgb").glob("nyu*.jpg"))[0]
    image = read_image(path)
    print("| networks, 2 threads | median ms | 10 - 90 % |\n|---|---|---|")
    for detector, depth in PAIRS:
        ranger = howfar.load(detector, depth, runtime="onnx", threads=2)
        own = ranger.both
        for _ in Alternating.TRIALS:
            ranger(image)
        beside = Alternating()
        beside.TRIALS = (True,) * 10**6  # type: ignore[misc]
        ways = {
            "one after the other": lambda first, second: (first(), second()),
            "side by side": beside,
        }
        jobs = {}
        for name, way in ways.items():
            jobs[f"{detector} + {depth}, {name}"] = lambda w=way, r=ranger: _run(r, w, image)
        for name, ms in interleaved(jobs, rounds=40).items():
            print(row(name, ms))
        print(f"| chosen: {'side by side' if own.side_by_side else 'one after the other'} | | |")


def _run(ranger: howfar.Ranger, way: object, image: howfar.Image) -> None:
    ranger.both = way  # type: ignore[assignment]
    ranger(image)


if __name__ == "__main__":
    main()
