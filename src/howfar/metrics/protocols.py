"""Evaluation protocols by name: crop, resize, caps, alignment, aggregation, each with its source.

A number without its protocol says nothing. `howfar.metrics.apply` brings one image's maps to the
pixels that a protocol compares and sums their errors; `Protocol.aggregation` says how images are
then joined. Frames that a caller leaves out are the caller's to count and list.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from howfar.errors import UsageError
from howfar.metrics.alignment import Alignment
from howfar.metrics.crops import (
    Window,
    garg_crop,
    nyu_eigen_crop,
    nyu_hybrid_crop,
    whole_picture,
)
from howfar.metrics.depth import Aggregation
from howfar.metrics.objects import RANGE_BINS_M
from howfar.metrics.truth import CENTER, LIDAR, MIN_POINTS


class Task(StrEnum):
    """What a protocol measures."""

    DEPTH = "depth"
    """Depth in metres, pixel by pixel: `measure_depth`."""
    ORDER = "order"
    """Inverse depth without unit: `apply`, then `howfar.metrics.relative`."""
    OBJECTS = "objects"
    """Distances of objects, by `ObjectRules`; `apply` compares the depth at the true points."""


@dataclass(frozen=True)
class ObjectRules:
    """How objects are matched and where their true distance comes from.

    Attributes:
        iou: least IoU of a predicted and a true box.
        same_class: whether their classes must be equal.
        min_points: lidar points that a true distance needs.
        truths: kinds of true distance (`howfar.metrics.truth`), one table each.
        bins_m: edges of the range bins.
    """

    iou: float = 0.5
    same_class: bool = True
    min_points: int = MIN_POINTS
    truths: tuple[str, ...] = (LIDAR, CENTER)
    bins_m: tuple[float, ...] = RANGE_BINS_M


@dataclass(frozen=True)
class Protocol:
    """One way of evaluating.

    Attributes:
        name: as on the command line.
        task: what it measures.
        aggregation: how images are joined.
        headline: the errors that its publications print.
        source: where it comes from and what is particular.
        crop: window of the true map that counts, from its height and width.
        size: (height, width) to which both maps are brought, prediction bilinear, truth nearest;
            None: the prediction is brought to the truth, bilinear with half-pixel centres.
        min_m, max_m: true depths strictly between count; predictions are clamped into the range.
        cap_truth: true depths above `max_m` count as `max_m` instead of being left out.
        alignment: fitted to the truth of each image before clamping.
        objects: rules for objects, where `task` is `OBJECTS`.
    """

    name: str
    task: Task
    aggregation: Aggregation
    headline: tuple[str, ...]
    source: str
    crop: Callable[[int, int], Window] = whole_picture
    size: tuple[int, int] | None = None
    min_m: float = 0.0
    max_m: float = math.inf
    cap_truth: bool = False
    alignment: Alignment = Alignment.NONE
    objects: ObjectRules | None = None

    def describe(self) -> dict[str, str]:
        """The protocol in words, for reports."""
        cap = "none" if self.max_m == math.inf else f"{self.max_m:g} m"
        above = "cut to the cap" if self.cap_truth else "left out"
        if self.size is None:
            where = "prediction to the truth's size, bilinear"
        else:
            where = f"both to {self.size[0]}x{self.size[1]}: prediction bilinear, truth nearest"
        return {
            "protocol": self.name,
            "task": self.task,
            "crop": self.crop.__name__.replace("_", " "),
            "resize": where,
            "min": "none" if self.min_m == 0 else f"{self.min_m:g} m",
            "max": cap if self.max_m == math.inf else f"{cap}, truth beyond {above}",
            "alignment": self.alignment,
            "aggregation": self.aggregation,
            "source": self.source,
        }


LOGS = ("abs_rel", "rmse", "log10", "delta1", "delta2", "delta3")
EIGEN = ("abs_rel", "sq_rel", "rmse", "rmse_log", "delta1", "delta2", "delta3")

PROTOCOLS: dict[str, Protocol] = {
    "nyu-hybrid": Protocol(
        "nyu-hybrid",
        Task.DEPTH,
        Aggregation.POOLED,
        LOGS,
        crop=nyu_hybrid_crop,
        source="source 000 section III, code karoly-hars/DE_resnet_unet_hyb (facts 1b): filled "
        "depth of the 654 test pictures, no mask, no cap; one mean over all pixels; a prediction "
        "of zero is raised to 1 mm",
    ),
    "nyu-eigen": Protocol(
        "nyu-eigen",
        Task.DEPTH,
        Aggregation.PER_IMAGE,
        (*LOGS, "silog"),
        crop=nyu_eigen_crop,
        min_m=1e-3,
        max_m=10.0,
        source="BTS evaluation on the 654 test pictures (facts 2 and 3): crop 45:471, 41:601, "
        "depth 1 mm to 10 m, mean over pictures",
    ),
    "kitti-eigen-garg": Protocol(
        "kitti-eigen-garg",
        Task.DEPTH,
        Aggregation.PER_IMAGE,
        EIGEN,
        crop=garg_crop,
        min_m=1e-3,
        max_m=80.0,
        source="monodepth and BTS on the Eigen split, 697 pictures or the 652 with improved "
        "truth (facts 2 and 3): Garg's crop, 1 mm to 80 m, mean over pictures",
    ),
    "kitti-selection": Protocol(
        "kitti-selection",
        Task.DEPTH,
        Aggregation.PER_IMAGE,
        ("rmse_log1p", "rmse", "silog", "abs_rel", "irmse"),
        source="KITTI depth val_selection_cropped, 1000 pictures 352x1216 (facts 2); mask truth "
        "> 0, mean over pictures (source 004). Source 004's own numbers may stem from depth "
        "divided by 100 instead of 256 (facts 1h)",
    ),
    "diode": Protocol(
        "diode",
        Task.DEPTH,
        Aggregation.PER_IMAGE,
        ("mae", "rmse", "abs_rel", "log_mae", "log_rmse", "delta1", "delta2", "delta3"),
        source="DIODE's own metrics.py (facts 2 and 3): pixels of its validity mask, base-10 "
        "logarithms, no cap, mean over pictures",
    ),
    "rgbd": Protocol(
        "rgbd",
        Task.DEPTH,
        Aggregation.PER_IMAGE,
        LOGS,
        min_m=0.1,
        max_m=80.0,
        source="ours, for data without a protocol of their own: the whole picture at the truth's "
        "size, 0.1 to 80 m, mean over pictures",
    ),
    "vkitti-scene0002": Protocol(
        "vkitti-scene0002",
        Task.DEPTH,
        Aggregation.PER_IMAGE,
        ("rmse_log1p", "rmse"),
        size=(160, 256),
        max_m=40.0,
        cap_truth=True,
        source="source 004 (facts 1h): Virtual KITTI 1.3.1 scene 0002, 10 variations, 2330 "
        "pictures at 160x256, depth resized by nearest neighbour and cut to 40 m, sky included; "
        "ln(1 + x), mean over pictures",
    ),
    "wsvd-ordinal": Protocol(
        "wsvd-ordinal",
        Task.ORDER,
        Aggregation.PER_IMAGE,
        ("order_error", "ssi_mae"),
        source="WSVD has no dense truth (facts 2): disparity from optical flow, so only order and "
        "scale-and-shift-invariant errors mean anything; pairs as in `order_sums`, ours",
    ),
    "kitti-objects": Protocol(
        "kitti-objects",
        Task.OBJECTS,
        Aggregation.POOLED,
        ("abs_rel", "median_rel", "rmse", "bias", "epe", "over3_pct", "over5_pct"),
        min_m=1e-3,
        max_m=80.0,
        source="KITTI object in the manner of source 000 Table II (facts 1i), by occlusion level; "
        "truth: median z of at least 5 lidar points in the 3-D box, and as a second table the "
        "labelled z of the box",
        objects=ObjectRules(),
    ),
}


def find_protocol(name: str) -> Protocol:
    """A protocol by name; raises `UsageError` that lists the names."""
    if name not in PROTOCOLS:
        raise UsageError(f"protocol {name!r} is unknown; use one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]
