"""By what the weights of howfar-s are chosen: pictures that neither train nor evaluate it.

    python benchmarks/howfar_s_judges.py A.pt B.pt

Of each checkpoint, on `coco-train128`: the mean relative difference from FastDepth in rooms and,
aligned by the median, from PyDNet on roads; the median change of depth where the middle of a
picture is enlarged 1.5 times; the median ratio to what the heights of whole people and of whole
vehicles tell; AP50. AbsRel on the judges of `howfar_s.py`: held-back frames of the office, and of a
drive.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from howfar_s import JUDGES, RUNS
from timing import SHARED
from torch import Tensor

from howfar.core.resize import resize
from howfar.core.sizes import size_distances
from howfar.data.address import open_dataset
from howfar.data.sample import Sample
from howfar.distill.finish import student_of
from howfar.distill.lesson import normalised, part_of, views_of
from howfar.distill.mixture import assumed_camera
from howfar.distill.run import RECIPE
from howfar.distill.survey import Finding, Kind, survey
from howfar.distill.teachers import Teacher
from howfar.loading import load_network
from howfar.models.card import Task
from howfar.models.store import find_model
from howfar.nets.checkpoint import load_checkpoint
from howfar.nets.joint import Joint
from howfar.train.detection import validate_detector
from howfar.train.validate import validate

COCO = SHARED / "train" / "coco-train128"
TRUST = 0.3
"""Least trust in FastDepth for a room."""
ENLARGED = 1.5
PEOPLE, VEHICLES = ("person",), ("car", "bus", "truck", "motorcycle", "bicycle")
LARGE = 0.15
"""Least share of the picture's height of an object whose size is asked."""
FARTHEST = 100.0
"""What PyDNet puts beyond so many times its nearest depth does not count."""

Pixels = npt.NDArray[np.uint8]


def view(pixels: Pixels, side: int) -> Tensor:
    """A picture as the student's input."""
    return normalised(resize(np.ascontiguousarray(pixels), side, side, "area")[None])


def rooms(student: Joint, pictures: Sequence[Sample], found: Sequence[Finding], side: int) -> float:
    """Mean relative difference from FastDepth."""
    teacher = Teacher(find_model("fastdepth"), Task.DEPTH)
    gaps = []
    for picture, finding in zip(pictures, found, strict=True):
        if finding.kind is Kind.INDOOR and finding.best_trust >= TRUST:
            inputs = view(picture.image.pixels, side)
            wanted, known = teacher.log_depth(views_of(inputs), side // 4)
            gap = (student(inputs)["log_depth"] - wanted).exp() - 1
            gaps.append(float(gap.abs()[known].mean()))
    return float(np.mean(gaps))


def roads(student: Joint, pictures: Sequence[Sample], found: Sequence[Finding], side: int) -> float:
    """Mean relative difference from PyDNet, aligned by the median, of views twice as wide as
    high."""
    teacher = Teacher(find_model("pydnet-kitti"), Task.DEPTH)
    gaps = []
    for picture, finding in zip(pictures, found, strict=True):
        if finding.kind is Kind.ROAD:
            pixels = picture.image.pixels
            high = min(len(pixels), pixels.shape[1] // 2)
            top = (len(pixels) - high) // 2
            inputs = view(pixels[top : top + high], side)
            wanted = -teacher.inverse_depth(views_of(inputs), side // 4).clamp(min=1e-6).log()
            known = wanted < wanted.min() + np.log(FARTHEST)
            gap = (student(inputs)["log_depth"] - wanted)[known]
            gaps.append(float(((gap - gap.median()).exp() - 1).abs().mean()))
    return float(np.mean(gaps))


def enlarging(student: Joint, pictures: Sequence[Sample], exponent: float, side: int) -> float:
    """Median over pictures of the change of depth where their middle is enlarged."""
    changes = []
    for picture in pictures:
        pixels = picture.image.pixels
        height, width = pixels.shape[:2]
        x, y = (int(side * (1 - 1 / ENLARGED) / 2) for side in (width, height))
        part = torch.tensor([[x / width, y / height, 1 - x / width, 1 - y / height]])
        whole = student(view(pixels, side))["log_depth"]
        wanted, _ = part_of(whole, torch.ones_like(whole) > 0, part, exponent)
        near = student(view(pixels[y : height - y, x : width - x], side))["log_depth"]
        changes.append(abs(float((near - wanted).median())))
    return float(np.expm1(np.median(changes)))


def sizes(student: Joint, pictures: Sequence[Sample], side: int) -> dict[str, float]:
    """Median ratio of depth to what the heights of whole objects tell, with the assumed camera."""
    ratios: dict[str, list[float]] = {"people": [], "vehicles": []}
    for picture in pictures:
        boxes = np.asarray(picture.boxes, np.float32).reshape(-1, 4)
        height, width = picture.image.pixels.shape[:2]
        labels = list(picture.labels)
        told = size_distances(boxes, labels, assumed_camera(width, height)).depth
        inside = (boxes[:, :2] > 2).all(1) & (boxes[:, 2] < width - 2) & (boxes[:, 3] < height - 2)
        inside &= (boxes[:, 3] - boxes[:, 1] > LARGE * height) & np.isfinite(told)
        inside &= np.array([label in PEOPLE + VEHICLES for label in labels], bool)
        if not inside.any():
            continue
        depth = student(view(picture.image.pixels, side))["log_depth"][0, 0].exp().numpy()
        cells = side // 4 / np.array([width, height] * 2)
        for i in np.flatnonzero(inside):
            x1, y1, x2, y2 = boxes[i] * cells
            dx, dy = (x2 - x1) / 4, (y2 - y1) / 4
            left, top = int(x1 + dx), int(y1 + dy)
            middle = depth[top : max(int(y2 - dy), top + 1), left : max(int(x2 - dx), left + 1)]
            kind = "people" if labels[i] in PEOPLE else "vehicles"
            ratios[kind].append(float(np.median(middle) / told[i]))
    return {f"{kind} ({len(of)})": float(np.median(of)) for kind, of in ratios.items()}


@torch.inference_mode()
def judge(files: Sequence[Path]) -> None:
    """Print what all judges say of checkpoints."""
    pictures = list(open_dataset(f"coco:{COCO}"))
    detector = load_network(find_model("nanodet-plus-m"), Task.DETECT)
    depths = [load_network(find_model("fastdepth"), Task.DEPTH)]
    photos = open_dataset(f"pictures:{COCO}/images")
    found = survey(photos, detector, depths, RUNS / "survey-t128.json")
    for path in files:
        checkpoint = load_checkpoint(path)
        student, card = student_of(checkpoint).eval(), checkpoint.card
        side = card.preprocess.width
        scores = {
            "rooms": rooms(student, pictures, found, side),
            "roads": roads(student, pictures, found, side),
            "enlarging": enlarging(student, pictures, card.focal_exponent, side),
            **sizes(student, pictures, side),
        }
        recipe = replace(RECIPE, preprocess=card.preprocess)
        for name, address in JUDGES.items():
            scores[name] = validate(student, card, recipe, open_dataset(address), None)["abs_rel"]
        coco = open_dataset(f"coco:{COCO}")
        scores["AP50"] = validate_detector(student, card, path.stem, coco, None)["AP50"]
        told = " ".join(f"{name} {score:.3f}" for name, score in scores.items())
        print(f"{path}: {told}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path, help="checkpoints")
    judge(parser.parse_args().files)
