"""How long do the distance statistics take, and what does sampling cost in accuracy?

300 seeded boxes of 2 % of a 1280x720 map each, one thread. The error of sampling is the difference
to the exact statistic over all pixels, relative to the spread (standard deviation) in the box, on
pure noise: the worst case, since neighbours tell nothing about each other.
"""

from __future__ import annotations

import cv2
import numpy as np
from timing import interleaved, row

from howfar.core.depth import DepthMap
from howfar.core.distance import Statistic, measure

WIDTH, HEIGHT, COUNT = 1280, 720, 300


def boxes() -> np.ndarray:
    """(300, 4) boxes of 2 % of the image, of several shapes."""
    rng = np.random.default_rng(0)
    ratio = rng.uniform(0.5, 2.0, COUNT)
    wide = np.sqrt(0.02 * WIDTH * HEIGHT * ratio)
    high = 0.02 * WIDTH * HEIGHT / wide
    x, y = rng.uniform(0, WIDTH - wide), rng.uniform(0, HEIGHT - high)
    return np.stack([x, y, x + wide, y + high], axis=1)


def main() -> None:
    cv2.setNumThreads(1)
    rng = np.random.default_rng(1)
    smooth = cv2.resize(rng.uniform(1, 20, (18, 32)).astype(np.float32), (WIDTH, HEIGHT))
    noise = rng.uniform(1, 20, (HEIGHT, WIDTH)).astype(np.float32)
    all_boxes = boxes()
    jobs = {}
    for kind, values in (("smooth", smooth), ("noise", noise)):
        depth = DepthMap(values)
        for stat in Statistic:
            jobs[f"{stat}, {kind}"] = lambda d=depth, s=stat: measure(d, all_boxes, s)
    print("| statistic, map | median ms | 10 - 90 % |\n|---|---|---|")
    for name, ms in interleaved(jobs, rounds=40).items():
        print(row(name, ms))
    few = {
        f"{stat}, 8 boxes": lambda s=stat: measure(DepthMap(smooth), all_boxes[:8], s)
        for stat in Statistic
    }
    for name, ms in interleaved(few, rounds=40).items():
        print(row(name, ms))
    print("\n| sampled statistic | rms error / spread | largest |\n|---|---|---|")
    for stat, share, exact in (("median", 1.0, np.median), ("central-mean", 0.4, np.mean)):
        found = measure(DepthMap(noise), all_boxes, stat).values
        true = np.array([exact(_pixels(noise, box, share)) for box in all_boxes])
        error = (found - true) / noise.std()
        print(f"| {stat} | {np.sqrt(np.mean(error**2)):.3f} | {np.abs(error).max():.3f} |")


def _pixels(values: np.ndarray, box: np.ndarray, share: float) -> np.ndarray:
    centre, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) * share / 2
    (x1, y1), (x2, y2) = np.floor(centre - half).astype(int), np.ceil(centre + half).astype(int)
    return values[max(y1, 0) : y2, max(x1, 0) : x2]


if __name__ == "__main__":
    main()
