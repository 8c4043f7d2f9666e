"""Numbers that others published, to be printed beside ours "as published".

Copied from the publications by way of the facts sheet (its section is named in each source); we
ran none of them. Names as in our own results: fractions 0..1 unless the name says `_pct`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """One published row.

    Attributes:
        table: what it belongs to; rows of one table can be compared with each other.
        protocol: our protocol whose numbers it may stand beside, or "" if none.
        method: as the publication calls it.
        scores: short name -> value.
        source: publication, and section of the facts sheet.
        note: what makes the row doubtful or particular.
    """

    table: str
    protocol: str
    method: str
    scores: Mapping[str, float]
    source: str
    note: str = ""


def published_rows(table: str | None = None, protocol: str | None = None) -> tuple[Published, ...]:
    """The rows of a table, of a protocol, or all."""
    return tuple(
        row for row in PUBLISHED if table in (None, row.table) and protocol in (None, row.protocol)
    )


def _nyu(
    method: str, rmse: float, abs_rel: float, log10: float | None, *deltas: float
) -> Published:
    scores = {"rmse": rmse, "abs_rel": abs_rel}
    if log10 is not None:
        scores["log10"] = log10
    scores |= {f"delta{i}": value for i, value in enumerate(deltas, 1)}
    return Published("nyu-depth", "nyu-hybrid", method, scores, "source 000 Table I (facts 1b)")


Triple = tuple[float, float, float]


def _occluded(method: str, seconds: float, *levels: Triple) -> tuple[Published, ...]:
    names = ("epe", "over3_pct", "over5_pct")
    return tuple(
        Published(
            f"kitti-occlusion-{level}",
            "kitti-objects",
            method,
            dict(zip(names, values, strict=True)) | {"time_s": seconds},
            "source 000 Table II, from Zhou et al. (facts 1i)",
            "stereo methods but Monodepth; the exact KITTI split was not found",
        )
        for level, values in enumerate(levels)
    )


def _yolo(method: str, ap: float, ap50: float) -> Published:
    return Published(
        "coco-val2017", "", method, {"AP": ap, "AP50": ap50}, "YOLOv5 v6.0 README (facts 1c)"
    )


COCO_FIGURE_16 = (
    0.507,
    0.689,
    0.552,
    0.345,
    0.559,
    0.652,
    0.381,
    0.630,
    0.682,
    0.526,
    0.732,
    0.829,
)
_COCO = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
_LOSSES = "val_loss_first", "val_loss_last"

PUBLISHED: tuple[Published, ...] = (
    _nyu("Hybrid CNN", 0.592839, 0.130346, 0.056754, 0.832582, 0.960195, 0.989193),
    _nyu("Eigen et al.", 0.907, 0.215, None, 0.611, 0.887, 0.971),
    _nyu("Wang et al.", 0.745, 0.220, None, 0.605, 0.890, 0.970),
    _nyu("Eigen and Fergus", 0.641, 0.158, None, 0.769, 0.950, 0.988),
    _nyu("Laina et al.", 0.597, 0.137, 0.059, 0.818, 0.955, 0.988),
    *_occluded(
        *("Disparity Detector", 0.027), (1.11, 6.58, 2.16), (1.26, 8.00, 2.67), (1.38, 9.54, 3.28)
    ),
    *_occluded(
        *("SSD + MC-CNN, median", 0.704),
        *((2.11, 22.11, 11.72), (3.44, 34.83, 19.42), (7.62, 77.54, 55.46)),
    ),
    *_occluded(
        *("SSD + MC-CNN, mean", 0.704),
        *((1.62, 14.75, 7.91), (3.55, 33.88, 20.67), (7.78, 80.44, 57.08)),
    ),
    *_occluded(
        *("SSD + Monodepth, median", 0.072),
        *((1.69, 16.44, 5.45), (2.87, 32.71, 14.80), (6.21, 69.46, 44.91)),
    ),
    *_occluded(
        *("SSD + Monodepth, mean", 0.072),
        *((1.70, 17.34, 5.61), (3.33, 36.67, 18.55), (6.80, 74.11, 49.94)),
    ),
    *_occluded(
        *("SSD + PSMNet, median", 0.612),
        *((0.98, 7.53, 3.27), (1.72, 15.12, 7.79), (5.98, 62.74, 43.74)),
    ),
    *_occluded(
        *("SSD + PSMNet, mean", 0.612),
        *((0.93, 7.10, 3.39), (2.34, 23.03, 12.61), (6.61, 73.19, 47.07)),
    ),
    _yolo("YOLOv5n", 0.280, 0.457),
    _yolo("YOLOv5s", 0.374, 0.568),
    _yolo("YOLOv5m", 0.454, 0.641),
    _yolo("YOLOv5l", 0.490, 0.673),
    _yolo("YOLOv5x", 0.507, 0.689),
    Published(
        "coco-val2017-12",
        "",
        "YOLOv5x",
        dict(zip(_COCO, COCO_FIGURE_16, strict=True)),
        "source 000 figure 16 (facts 1c)",
        "v6.0, 640 px, IoU .65, half precision, val2017; the source calls it a test set",
    ),
    Published(
        "coco-val2017-yolov5-code",
        "",
        "YOLOv5x",
        {"precision": 0.732, "recall": 0.628, "mAP50": 0.683, "mAP": 0.496},
        "source 000 section IV-B (facts 1c)",
        "YOLOv5's own AP, about 1 % below COCO's; the same run as figure 16",
    ),
    Published("coco-test-dev", "", "YOLOv4 608", {"AP": 0.435, "AP50": 0.657}, "README (facts 1d)"),
    Published("coco-test-dev", "", "YOLOv4 512", {"AP": 0.430, "AP50": 0.649}, "README (facts 1d)"),
    Published(
        "nyu-soft-accuracy",
        "",
        "U-Net, plain",
        {"soft_accuracy": 0.768, "loss": 0.188},
        "source 003's notebook, 654 test pictures (facts 1e)",
        "depth scaled to 0..1 in each picture: agreement about the level 0.5",
    ),
    Published(
        "nyu-soft-accuracy",
        "",
        "ResNet-34 U-Net",
        {"soft_accuracy": 0.83},
        "source 003 (facts 1e)",
        "its notebook is not stored: unverified",
    ),
    Published(
        "vkitti",
        "vkitti-scene0002",
        "depth-mancini",
        {"rmse_log1p": 0.27115, "rmse": 7.46425},
        "source 004 (facts 1h)",
    ),
    Published(
        "vkitti",
        "vkitti-scene0002",
        "DS-Net",
        {"rmse_log1p": 0.23945, "rmse": 6.50301},
        "source 004 (facts 1h)",
    ),
    Published(
        "kitti-selection",
        "kitti-selection",
        "depth-mancini",
        {"rmse_log1p": 0.80617, "rmse": 11.97442},
        "source 004 (facts 1h)",
        "may stem from depth divided by 100 instead of 256",
    ),
    Published(
        "kitti-selection",
        "kitti-selection",
        "DS-Net",
        {"rmse_log1p": 0.76492, "rmse": 11.64267},
        "source 004 (facts 1h)",
        "may stem from depth divided by 100 instead of 256",
    ),
    Published(
        "unet-nyu-loss",
        "",
        "U-Net",
        dict(zip(_LOSSES, (0.7832, 0.1045), strict=True)),
        "source 000 section II, 6 epochs (facts 1a)",
        "loss on relative depth, no metres",
    ),
    Published(
        "unet-diode-loss",
        "",
        "U-Net, own loss",
        {"loss_first": 0.7228, "loss_last": 0.2385},
        "source 002, 10 epochs (facts 1g)",
    ),
    Published(
        "unet-diode-loss",
        "",
        "U-Net, TF loss",
        {"loss_first": 0.8211, "loss_last": 0.2753},
        "source 002, 10 epochs (facts 1g)",
    ),
)
