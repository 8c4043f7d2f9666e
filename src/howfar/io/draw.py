"""The annotated picture: boxes coloured by distance, each with its label and its metres.

Distances are said in metres only where they are metres: with relative depth the colours order the
objects and every label says "no scale".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from howfar.core.boxes import Box, FloatArray, box_areas, intersections
from howfar.core.depth import DepthKind
from howfar.core.image import RgbArray
from howfar.core.lattice import pixel_boxes
from howfar.core.result import Object, Result
from howfar.io.palette import (
    OUTLINE,
    UNKNOWN,
    Ramp,
    Rgb,
    depth_ramp,
    given_ramp,
    ink_on,
    rounded_ramp,
    text_block,
    text_size_px,
)

NOTE_GROUND: Rgb = (40, 40, 40)
NOTE_INK: Rgb = (235, 235, 235)
NOTE_COVERS = 0.3
"""The note on the filter is left out where it would cover more than this share of a box."""


class Mark(NamedTuple):
    """One box to draw: pixels of the picture, its text, and its colour; None is unknown."""

    box: Box
    text: str
    colour: Rgb | None


def annotated(result: Result, *, range_m: tuple[float, float] | None = None) -> RgbArray:
    """The picture with its objects drawn on it, (H, W, 3) uint8 RGB, a copy of the same size.

    Nearest objects lie on top. Objects without a distance have a grey, dashed box; boxes outside
    the picture are not drawn. Where a filter was asked for, a small note counts what it hid.

    Args:
        result: what was found.
        range_m: nearest and farthest distance of the colours in metres, else chosen for this
            picture; without effect where depth is relative.
    """
    return paint(result.image.pixels, object_marks(result, range_m), filter_note(result))


def object_marks(
    result: Result,
    range_m: tuple[float, float] | None = None,
    text: Callable[[Object], str] | None = None,
) -> list[Mark]:
    """The objects of a result as marks, farthest first, so that near ones are drawn on top.

    `text` says what is written at an object; `object_label` unless given.
    """
    kind = result.depth.kind if result.depth else None
    ramp = object_ramp(result, range_m)
    found = [(_order(obj, kind), obj) for obj in result.objects]
    found.sort(key=lambda pair: math.inf if pair[0] is None else pair[0], reverse=True)
    return [
        Mark(
            obj.box,
            text(obj) if text else object_label(obj, kind),
            ramp.colour(order) if ramp and order is not None else None,
        )
        for order, obj in found
    ]


def object_ramp(result: Result, range_m: tuple[float, float] | None = None) -> Ramp | None:
    """The colours of a result: `range_m`, else from its depth map, else from its objects."""
    kind = result.depth.kind if result.depth else None
    orders = [order for obj in result.objects if (order := _order(obj, kind)) is not None]
    no_scale = any(_has_no_scale(obj, kind) for obj in result.objects)
    if range_m is not None and not no_scale:
        return given_ramp(range_m)
    if result.depth is not None and (ramp := depth_ramp(result.depth.ordered())):
        return ramp
    if not orders or min(orders) <= 0:
        return None
    return rounded_ramp(min(orders), max(*orders, 2 * min(orders)))


def _order(obj: Object, kind: DepthKind | None) -> float | None:
    """What the colour and the drawing order of an object depend on; None is unknown."""
    if _has_no_scale(obj, kind):
        return obj.relative_depth
    return obj.distance_m


def _has_no_scale(obj: Object, kind: DepthKind | None) -> bool:
    if kind is None:
        return obj.distance_m is None and obj.relative_depth is not None
    return kind is not DepthKind.METRIC


def object_label(obj: Object, kind: DepthKind | None) -> str:
    """What is written at an object: `chair 2.3 m`, `chair ? m` or `chair (no scale)`.

    Args:
        obj: the object.
        kind: of the depth map; None where there is none, and the object alone decides.
    """
    if _has_no_scale(obj, kind):
        return f"{obj.label} (no scale)"
    if obj.distance_m is None:
        return f"{obj.label} ? m"
    return f"{obj.label} {distance_text(obj.distance_m)}"


def distance_text(distance_m: float) -> str:
    """Metres as people say them: `0.85 m`, `2.3 m`, `14 m`."""
    if round(distance_m, 2) < 1:
        return f"{distance_m:.2f} m"
    if round(distance_m, 1) < 10:
        return f"{distance_m:.1f} m"
    return f"{distance_m:.0f} m"


def filter_note(result: Result) -> str:
    """`within 4.0 m: 3 shown, 2 hidden`, or nothing where no filter was asked for."""
    least, most = result.filter.get("min_distance"), result.filter.get("max_distance")
    bounds = []
    if least is not None:
        bounds.append(f"from {distance_text(float(least))}")
    if most is not None:
        bounds.append(f"within {distance_text(float(most))}")
    if not bounds:
        return ""
    by = " (range)" if result.filter.get("by") == "range" else ""
    counts = f"{len(result.objects)} shown, {len(result.left_out)} hidden"
    return f"{', '.join(bounds)}{by}: {counts}"


def paint(pixels: RgbArray, marks: Sequence[Mark], note: str = "") -> RgbArray:
    """A copy of (H, W, 3) uint8 `pixels` with marks drawn in the order given, and a small note.

    Text and lines grow with the picture. Plates lie inside the picture, and beside each other
    where there is room.
    """
    canvas = np.array(pixels, dtype=np.uint8, order="C")
    height, width = canvas.shape[:2]
    boxes = np.array([tuple(mark.box) for mark in marks], np.float32).reshape(-1, 4)
    whole = pixel_boxes(boxes, width, height)
    corners = np.stack([whole.x1, whole.y1, whole.x2, whole.y2], axis=1)
    rects = corners[whole.inside].astype(np.float32)
    marks = [mark for mark, seen in zip(marks, whole.inside, strict=True) if seen]
    line_px = _line_px(width, height)
    for mark, rect in zip(marks, rects, strict=True):
        _draw_box(canvas, rect, mark.colour, line_px)
    plates = [_plate(mark, width, height) for mark in marks]
    fixed = _draw_note(canvas, note, rects)
    size = np.array([width, height], np.float32)
    spots = _place(plates, rects, fixed, size, _edge_px(line_px))
    for mark, rect, plate, (x, y) in zip(marks, rects, plates, spots, strict=True):
        place = np.array([x, y, x + plate.shape[1], y + plate.shape[0]], np.float32)
        _draw_leader(canvas, place, rect, mark.colour or UNKNOWN, line_px)
    for plate, (x, y) in zip(plates, spots, strict=True):
        canvas[y : y + plate.shape[0], x : x + plate.shape[1]] = plate
    return canvas


def _line_px(width: int, height: int) -> int:
    """Width of the lines of boxes: 3 on 1280 x 720."""
    return max(1, round(math.sqrt(width * height) / 330 + 0.4))


def _edge_px(line_px: int) -> int:
    """Width of the dark border on both sides of a line."""
    return max(1, line_px // 3)


def _draw_box(canvas: RgbArray, rect: FloatArray, colour: Rgb | None, line_px: int) -> None:
    """Draw one frame along the inner edge of `rect`, dark on both sides."""
    height, width = canvas.shape[:2]
    edge = _edge_px(line_px)
    x1, y1, x2, y2 = rect.astype(int).tolist()
    outer = (max(x1 - edge, 0), max(y1 - edge, 0), min(x2 + edge, width), min(y2 + edge, height))
    for side in _sides(canvas, outer, line_px + 2 * edge):
        side[:] = OUTLINE
    for side in _sides(canvas, (x1, y1, x2, y2), line_px):
        if colour is not None:
            side[:] = colour
            continue
        along = side if side.shape[0] > side.shape[1] else side.swapaxes(0, 1)
        along[np.arange(len(along)) // (4 * line_px) % 2 == 0] = UNKNOWN


def _sides(canvas: RgbArray, rect: tuple[int, int, int, int], thick_px: int) -> list[RgbArray]:
    """Views on the top, bottom, left and right bars of a frame."""
    x1, y1, x2, y2 = rect
    return [
        canvas[y1 : min(y1 + thick_px, y2), x1:x2],
        canvas[max(y2 - thick_px, y1) : y2, x1:x2],
        canvas[y1:y2, x1 : min(x1 + thick_px, x2)],
        canvas[y1:y2, max(x2 - thick_px, x1) : x2],
    ]


def _draw_leader(
    canvas: RgbArray, place: FloatArray, rect: FloatArray, colour: Rgb, line_px: int
) -> None:
    """Draw a line from a plate at `place` to its box where the plate had to stand apart from it."""
    gap = np.maximum(place[:2] - rect[2:], rect[:2] - place[2:]).max()
    if gap <= 2 * line_px + 2:
        return
    low, high = np.maximum(place[:2], rect[:2]), np.minimum(place[2:], rect[2:])
    shared = low <= high  # x, y: where both have a stretch in common the line is straight
    middle = (low + high) / 2
    start = np.where(shared, middle, np.where(place[:2] > rect[2:], place[:2], place[2:]))
    stop = np.where(shared, middle, np.where(place[:2] > rect[2:], rect[2:], rect[:2]))
    first, last = ([int(v) for v in point] for point in (start, stop))
    edge = _edge_px(line_px)
    cv2.line(canvas, first, last, OUTLINE, line_px + 2 * edge, cv2.LINE_AA)
    cv2.line(canvas, first, last, [int(v) for v in colour], line_px, cv2.LINE_AA)


def _plate(mark: Mark, width: int, height: int) -> RgbArray:
    """The filled text plate of a mark, cut to at most the size of the picture."""
    size_px = text_size_px(width, height)
    ground = mark.colour or UNKNOWN
    block = text_block(mark.text, size_px, ink_on(ground), ground, pad_px=max(2, size_px // 4))
    return block[:height, :width]


def _draw_note(canvas: RgbArray, note: str, rects: FloatArray) -> FloatArray:
    """Write the note bottom left, else bottom right, and return its place, (0 or 1, 4)."""
    nowhere = np.zeros((0, 4), np.float32)
    height, width = canvas.shape[:2]
    size_px = max(10, round(0.75 * text_size_px(width, height)))
    plate = text_block(note, size_px, NOTE_INK, NOTE_GROUND, pad_px=size_px // 3)
    h, w = plate.shape[:2]
    if not note or w > width or 3 * h > height:
        return nowhere
    for x in (0, width - w):
        place = np.array([[x, height - h, x + w, height]], np.float32)
        if (intersections(place, rects) <= NOTE_COVERS * box_areas(rects)).all():
            canvas[height - h :, x : x + w] = plate
            return place
    return nowhere


def _place(
    plates: Sequence[RgbArray], rects: FloatArray, fixed: FloatArray, size: FloatArray, edge_px: int
) -> list[tuple[int, int]]:
    """Top-left corners (x, y) of the plates; the last plate, which is nearest, chooses first.

    A plate takes the spot that hides least: of the `fixed` places and the plates already placed
    (which count most), and of the boxes `rects`. `size` is (width, height) of the picture.
    """
    sides = np.array([plate.shape[1::-1] for plate in plates], np.float32).reshape(-1, 2)
    taken = np.concatenate([rects, fixed, np.zeros_like(rects)])
    areas = np.concatenate([box_areas(rects), box_areas(fixed) / 4, sides.prod(axis=1) / 4])
    corners: list[tuple[int, int]] = []
    for i in reversed(range(len(plates))):
        spots = np.clip(_spots(rects[i], sides[i], edge_px), 0, size - sides[i])
        places = np.concatenate([spots, spots + sides[i]], axis=1)
        reached = (taken[:, :2] < places[:, 2:].max(axis=0)) & (taken[:, 2:] > spots.min(axis=0))
        near = reached.all(axis=1)
        hidden = intersections(places, taken[near]) @ (1 / np.maximum(areas[near], 1))
        best = int(np.argmin(hidden + 0.02 * np.arange(len(spots))))
        taken[len(rects) + len(fixed) + i] = places[best]
        corners.append((int(spots[best, 0]), int(spots[best, 1])))
    return corners[::-1]


def _spots(rect: FloatArray, sides: FloatArray, edge_px: int) -> FloatArray:
    """Corners (K, 2) where a plate of `sides` (width, height) may stand at a box, best first."""
    x1, y1, x2, y2 = rect.tolist()
    w, h = sides.tolist()
    left, right, middle = x1 - edge_px, x2 + edge_px - w, (x1 + x2 - w) // 2
    above, below = y1 - edge_px - h, y2 + edge_px
    top, bottom = y1 - edge_px, y2 + edge_px - h
    rows = (above, top, below, bottom)
    spots = [(x, y) for y in rows for x in (left, right, middle)]
    spots += [(x, above - k * h) for k in (1, 2, 3) for x in (left, right)]
    spots += [(x, below + k * h) for k in (1, 2) for x in (left, right)]
    spots += [(x, top + k * h) for k in (1, 2, 3) for x in (left, right)]
    spots += [(x, y) for y in (above, top, below) for x in (left - w, x2 + edge_px)]
    return np.array(spots, np.float32)
