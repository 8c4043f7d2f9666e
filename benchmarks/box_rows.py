"""How well a student's cells hold what a detector of another layout finds.

    python benchmarks/box_rows.py DATA [DETECTOR ...]

For views of 288 pixels: COCO's AP and AP50 of what each detector finds in them (scores of .05 and
more), and of what a student would find that gave the rows which are made of it
(`howfar.distill.box_teacher`). DATA: such as coco:~/coco/val2017. Then how the scores of
NanoDet-Plus fall off around its boxes, and the loss of howfar-s against rows of what it finds
itself, which is least where rows are made as it would make them.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from howfar.core.boxes import FloatArray
from howfar.core.detections import Detections
from howfar.core.image import Image
from howfar.core.nms import nms
from howfar.core.preprocess import Placement, Preprocess
from howfar.core.resize import resize
from howfar.data.address import open_dataset
from howfar.data.dataset import Dataset
from howfar.distill.box_teacher import OPTIONS, BoxTeacher
from howfar.distill.teachers import Teacher, opened
from howfar.evaluate.detection import DetectionJudge
from howfar.evaluate.frames import walk
from howfar.evaluate.systems import System
from howfar.evaluate.variants import Variant
from howfar.losses.matching import distribution_matching, score_matching
from howfar.models.card import Decoder, ModelCard, Task
from howfar.models.classes import COCO80
from howfar.models.decoders import grid, nanodet_plus
from howfar.models.network import DetectOptions
from howfar.models.store import find_model
from howfar.nets.nanodet import BINS, STRIDES
from howfar.options import Options
from howfar.pipeline import Ranger

SIDE = 288
SURE = 0.35
"""Least score of boxes around which the fall-off is measured."""
STUDENT = ModelCard("rows", Decoder.NANODET_PLUS, Preprocess(SIDE, SIDE), COCO80)
WHOLE = Placement(1, 1, 0, 0, SIDE, SIDE, SIDE, SIDE, SIDE, SIDE)


def view(image: Image) -> Image:
    """The picture as a square view."""
    return Image(resize(np.ascontiguousarray(image.pixels), SIDE, SIDE, "area"))


def tensor(image: Image) -> Tensor:
    """(1, 3, S, S) RGB 0..1."""
    return torch.from_numpy(view(image).pixels).permute(2, 0, 1)[None].float() / 255


class Squared:
    """A detector that is asked about the view; `rows`: what is left of it in rows."""

    def __init__(self, name: str, rows: bool) -> None:
        self.network = opened(find_model(name), Task.DETECT)
        self.teacher = BoxTeacher(find_model(name)) if rows else None
        self.card = self.network.card

    def detect(self, image: Image, options: DetectOptions) -> Detections:
        """In the picture's own pixels."""
        if self.teacher is None:
            found = self.network.detect(view(image), OPTIONS)
        else:
            rows = self.teacher(tensor(image)).numpy()
            boxes = nanodet_plus({"output": rows}, WHOLE, STUDENT, options.conf, False)
            order = nms(boxes.boxes, boxes.scores, boxes.class_ids, options.iou, 300)
            found = Detections(
                boxes.boxes[order], boxes.scores[order], boxes.class_ids[order], COCO80
            )
        scale = np.array([image.width / SIDE, image.height / SIDE] * 2, np.float32)
        return replace(found, boxes=found.boxes * scale)

    def __getattr__(self, name: str) -> object:
        return getattr(self.network, name)


def score(detector: Squared, data: Dataset) -> str:
    """AP and AP50."""
    options = Options(conf=OPTIONS.conf, iou=0.6, max_det=300)
    ranger = Ranger(detector=detector)  # type: ignore[arg-type]  # as a network
    judge = DetectionJudge(System(Variant(detector.card.name), ranger, options), data)
    walk(data, [judge], None)
    found = judge.coco().overall
    return f"{found['AP']:.3f} | {found['AP50']:.3f}"


def fall_off(data: Dataset) -> None:
    """Print scores around NanoDet-Plus's boxes as shares of the best, by strides from the middle
    and by level, and what is usual where."""
    teacher = Teacher(find_model("nanodet-plus-m"), Task.DETECT, SIDE)
    cells, strides = grid(SIDE, SIDE, STRIDES, ceil=True)
    points = cells * strides[:, None]
    away: list[FloatArray] = []
    sides: dict[int, list[float]] = {stride: [] for stride in STRIDES}
    other: dict[int, list[float]] = {step: [] for step in (-2, -1, 1, 2)}
    for sample in data:
        rows = teacher(tensor(sample.image)).numpy()
        every = nanodet_plus({"output": rows}, WHOLE, STUDENT, -1.0, False)
        scores = rows[0, :, : len(COCO80)]
        sure = np.flatnonzero(every.scores > SURE)
        kept = sure[nms(every.boxes[sure], every.scores[sure], every.class_ids[sure], 0.5)]
        for i in kept.tolist():
            box, label = every.boxes[i], every.class_ids[i]
            share = scores[:, label] / every.scores[i]
            inside = ((points >= box[:2]) & (points <= box[2:])).all(1)
            steps = np.abs(points - (box[:2] + box[2:]) / 2).max(1) / strides[i]
            same = inside & (strides == strides[i])
            away.append(np.stack([steps[same], share[same]], 1))
            sides[int(strides[i])].append(float((box[2:] - box[:2]).max() / strides[i]))
            for step, found in other.items():
                there = inside & (strides == strides[i] * 2.0**step)
                found += [float(share[there].max())] if there.any() else []
    table = np.concatenate(away)
    print("\n| strides from the middle | share of the best score |\n|---|---|")
    for low in np.arange(0, 4, 0.5):
        rows_in = (table[:, 0] >= low) & (table[:, 0] < low + 0.5)
        print(f"| {low:.1f} to {low + 0.5:.1f} | {table[rows_in, 1].mean():.2f} |")
    print("\n| level | longer side in strides, median |\n|---|---|")
    for stride, found in sides.items():
        print(f"| {stride} | {np.median(found):.1f} |")
    print("\n| levels coarser | best score there |\n|---|---|")
    for step, found in other.items():
        print(f"| {step} | {np.mean(found):.2f} |")


def own_loss(data: Dataset) -> None:
    """Print how far howfar-s is from the rows of its own detections."""
    model = find_model("howfar-s")
    dense, boxes = Teacher(model, Task.DETECT, SIDE), BoxTeacher(model)
    count, scores, sides = len(COCO80), [], []
    for sample in data:
        own, rows = dense(tensor(sample.image)), boxes(tensor(sample.image))
        wanted = rows[..., :count]
        logits = own[..., :count].clamp(1e-6, 1 - 1e-6).logit()
        scores.append(float(score_matching(logits, wanted)))
        parts = own[..., count:], rows[..., count:], wanted.amax(2)
        sides.append(float(distribution_matching(*parts, BINS)))
    print(f"\nloss of howfar-s: scores {np.mean(scores):.3f}, distributions {np.mean(sides):.3f}")


def main() -> None:
    data = open_dataset(sys.argv[1])
    print("| detector | AP | AP50 | AP of its rows | AP50 |\n|---|---|---|---|---|")
    for name in sys.argv[2:] or ["yolox-nano", "nanodet-plus-m"]:
        own, rows = (score(Squared(name, made), data) for made in (False, True))
        print(f"| {name} | {own} | {rows} |", flush=True)
    fall_off(data)
    own_loss(data)


if __name__ == "__main__":
    main()
