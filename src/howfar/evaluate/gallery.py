"""Pictures: samples with their truth, and the worst cases of an evaluation."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from howfar.core.boxes import Box
from howfar.core.image import Image, RgbArray
from howfar.core.resize import resize
from howfar.data.sample import Sample
from howfar.evaluate.depth import DepthJudge, aligned_map, true_depth
from howfar.evaluate.detection import USUAL, DetectionJudge, true_boxes
from howfar.evaluate.frames import Tick
from howfar.evaluate.labels import meaning
from howfar.evaluate.objects import ObjectJudge
from howfar.evaluate.panels import at_size, below, with_maps
from howfar.evaluate.segmentation import SegmentationJudge
from howfar.evaluate.truths import true_objects
from howfar.io.draw import Mark, distance_text, paint
from howfar.io.palette import Ramp, Rgb, depth_ramp, rounded_ramp
from howfar.io.sinks import encode_picture, write_whole
from howfar.metrics.alignment import Alignment
from howfar.metrics.detection import TrueBoxes
from howfar.metrics.matching import NO_MATCH, box_ious, match_boxes
from howfar.metrics.objects import ObjectRecord
from howfar.metrics.protocols import Task

if TYPE_CHECKING:
    from howfar.evaluate.run import Evaluation

RIGHT: Rgb = (0, 158, 115)
WRONG: Rgb = (213, 94, 0)
MISSED: Rgb = (240, 228, 66)
"""Okabe and Ito's green, red and yellow."""


def save_gallery(
    found: Evaluation, folder: Path, count: int, tick: Tick | None = None
) -> dict[str, str]:
    """Draw the worst `count` cases of the first system; returns {title: file name}."""
    judge = found.judges[0]
    chosen: list[tuple[int, int]]
    if isinstance(judge, ObjectJudge):
        chosen = judge.worst(count)
    else:
        chosen = [(index, 0) for index in judge.worst(count)]
    saved = {}
    for rank, (index, number) in enumerate(chosen, 1):
        sample = found.dataset[index]
        title, picture = _case(judge, sample, number)
        name = f"worst_{rank}.jpg"
        save_picture(picture, folder / name)
        saved[f"worst {rank}: {title}"] = name
        if tick:
            tick(rank, len(chosen))
    return saved


def _case(
    judge: DepthJudge | DetectionJudge | ObjectJudge | SegmentationJudge,
    sample: Sample,
    number: int,
) -> tuple[str, RgbArray]:
    if isinstance(judge, DepthJudge):
        return f"{sample.id}", depth_case(judge, sample)
    if isinstance(judge, DetectionJudge):
        return f"{sample.id} (green right, red false, yellow missed, grey ignored)", detection_case(
            judge, sample
        )
    if isinstance(judge, ObjectJudge):
        return object_case(judge, sample, number)
    return f"{sample.id} (wrong pixels red)", segmentation_case(judge, sample)


def save_picture(pixels: RgbArray, path: Path) -> Path:
    """Write (H, W, 3) uint8 RGB; the suffix decides the format."""
    write_whole(path, encode_picture(pixels, path.suffix))
    return path


# --- samples ------------------------------------------------------------------------------------


def draw_sample(sample: Sample) -> RgbArray:
    """The picture with its true boxes and distances, and its true depth beside or below it."""
    ramp = None if sample.depth is None else depth_ramp(sample.depth.ordered())
    view, marks = at_size(sample.image, _true_marks(sample, ramp))
    picture = paint(view.pixels, marks)
    if sample.depth is None or ramp is None:
        return picture
    return with_maps(picture, [("true depth", sample.depth)], ramp, title=sample.id)


def _true_marks(sample: Sample, ramp: Ramp | None) -> list[Mark]:
    """True boxes in the colours of the depth map; grey where the distance is unknown."""
    if sample.boxes is None:
        return []
    truths = true_objects(sample)
    distances: list[float | None] = [None] * len(sample.boxes)
    if not isinstance(truths, str):
        distances = [item.distance_m for item in truths.objects[truths.kinds[0]]]
    known = [d for d in distances if d is not None]
    if ramp is None and known:
        ramp = rounded_ramp(min(known), max(*known, 2 * min(known)))
    marks = []
    ignored = sample.ignored.tolist()
    for i in np.argsort([-(d or 0) for d in distances], kind="stable").tolist():
        distance = distances[i]
        words = [sample.labels[i]]
        words += [distance_text(distance)] if distance is not None else []
        words += ["(ignored)"] if ignored[i] or not meaning(sample.labels[i]).name else []
        colour = ramp.colour(distance) if ramp and distance is not None else None
        marks.append(Mark(Box(*sample.boxes[i].tolist()), " ".join(words), colour))
    return marks


# --- worst cases --------------------------------------------------------------------------------


def depth_case(judge: DepthJudge, sample: Sample) -> RgbArray:
    """Picture, truth and prediction; in the same colours where both are metres."""
    truth, found = true_depth(sample, judge.protocol), judge.predict(sample)
    view, _ = at_size(sample.image)
    if isinstance(truth, str):
        return view.pixels
    if judge.protocol.task is Task.ORDER:
        picture = with_maps(view.pixels, [("truth", truth)], depth_ramp(truth.ordered()))
        other = with_maps(view.pixels, [("prediction", found)], depth_ramp(found.ordered()))
        return below([picture, other])
    shown = aligned_map(judge.protocol, found, truth)
    how = judge.protocol.alignment
    name = "prediction" if how is Alignment.NONE else f"prediction, aligned ({how})"
    return with_maps(view.pixels, [("truth", truth), (name, shown)], depth_ramp(truth))


def detection_case(judge: DetectionJudge, sample: Sample) -> RgbArray:
    """What a user would see: right detections green, false ones red, missed objects yellow, and
    grey what lies in a crowd or another ignored region."""
    shown = replace(judge.system.options, conf=USUAL, multi_label=False)
    system = replace(judge.system, options=shown)
    found = judge.renamed(system.detect(sample.image))
    boxes, names, ignore = true_boxes(sample, judge.names)
    truth = TrueBoxes(boxes, np.array([judge.names.index(n) for n in names], int), ignore)
    counted = np.flatnonzero(~np.asarray(truth.ignore, bool))
    labels = [names[i] for i in counted]
    match = match_boxes(
        found.boxes, found.scores, truth.boxes[counted], 0.5, found.labels, labels
    ).tolist()
    marks = [
        Mark(Box(*truth.boxes[i].tolist()), names[i], MISSED)
        for place, i in enumerate(counted.tolist())
        if place not in match
    ]
    ignored = np.asarray(truth.ignore, bool)
    cover = box_ious(found.boxes, truth.boxes[ignored], crowd=np.ones(int(ignored.sum()), bool))
    own = np.asarray(found.class_ids)[:, None] == np.asarray(truth.class_ids)[ignored][None]
    cover = np.where(own, cover, 0.0)
    hidden = np.asarray(np.any(cover >= 0.5, axis=1), bool).tolist()
    for i, (label, box) in enumerate(zip(found.labels, found.boxes.tolist(), strict=True)):
        colour = RIGHT if match[i] != NO_MATCH else None if hidden[i] else WRONG
        marks.append(Mark(Box(*box), label, colour))
    view, marks = at_size(sample.image, marks)
    return paint(view.pixels, marks)


def object_case(judge: ObjectJudge, sample: Sample, number: int) -> tuple[str, RgbArray]:
    """One object with its predicted and its true distance, on the picture and on the depth."""
    part, result = judge.measure(sample), judge.predict(sample)
    if isinstance(part, str) or isinstance(result, str):
        return sample.id, sample.image.pixels
    kind = next(iter(part.found))
    truths = true_objects(sample, judge.rules.min_points)
    record = part.found[kind].records[number]
    items = () if isinstance(truths, str) else truths.objects[kind]
    true_box = [item.box for item in items if not item.ignore][number]
    told = f"{record.label} {_told(record)}, true {distance_text(record.truth_m)}"
    found = next((o.box for o in result.objects if o.distance_m == record.distance_m), true_box)
    same = tuple(found) == tuple(true_box)
    marks = [] if same else [Mark(true_box, "true box", RIGHT)]
    view, marks = at_size(sample.image, [*marks, Mark(found, told, WRONG)])
    picture = paint(view.pixels, marks)
    title = f"{sample.id}: {told} ({kind})"
    if result.depth is None:
        return title, picture
    ramp = depth_ramp(result.depth.ordered())
    return title, with_maps(picture, [("depth used", result.depth)], ramp, marks, sample.id)


def _told(record: ObjectRecord) -> str:
    return distance_text(record.distance_m) if math.isfinite(record.distance_m) else "? m"


def segmentation_case(judge: SegmentationJudge, sample: Sample) -> RgbArray:
    """The picture with its wrong pixels in red."""
    if sample.semantics is None:
        return sample.image.pixels
    wrong = judge.wrong_pixels(sample)
    pixels = sample.image.pixels.copy()
    mask = resize(wrong.astype(np.uint8), sample.width, sample.height, "nearest") > 0
    pixels[mask] = (0.4 * pixels[mask] + 0.6 * np.array(WRONG)).astype(np.uint8)
    return at_size(Image(pixels, sample.image.source))[0].pixels
