"""Results without networks: what a detector and a depth network would have given."""

import numpy as np

from howfar.core.boxes import Box
from howfar.core.depth import DepthKind, DepthMap
from howfar.core.image import Image
from howfar.core.result import Object, Result

PIXELS = np.zeros((48, 64, 3), np.uint8)
SPREAD = 0.1
"""Standard deviation of log distance that the intervals of `thing` mean."""


def interval(distance_m, spread=SPREAD):
    """The 80 % interval of a spread in log distance."""
    half = np.exp(1.2816 * spread)
    return distance_m / half, distance_m * half


def thing(x, distance_m=4.0, *, label="person", score=0.8, y=50.0, size=(40, 80), **more):
    """An object whose box is centred on (x, y)."""
    w, h = size[0] / 2, size[1] / 2
    fields = {"class_id": {"person": 0, "car": 2, "truck": 7}.get(label, 0), "reason": None}
    if distance_m is None:
        fields["reason"] = "no pixel of the box has a valid depth"
    else:
        fields |= {"interval_m": interval(distance_m), "interval_kind": "pixel-spread"}
    return Object(
        label=label,
        score=score,
        box=Box(x - w, y - h, x + w, y + h),
        distance_m=distance_m,
        **fields | more,
    )


def frame(time_s, *things, left_out=(), kind=DepthKind.METRIC, **more):
    """One frame's result."""
    depth = DepthMap(np.full(PIXELS.shape[:2], 4.0, np.float32), kind)
    image = Image(PIXELS, "walk.mp4", time_s=time_s, frame_index=round((time_s or 0) * 10))
    return Result(image, things, tuple(left_out), depth=depth, **more)


def follow(tracker, frames):
    """What the tracker says about each frame."""
    return [tracker.update(one) for one in frames]
