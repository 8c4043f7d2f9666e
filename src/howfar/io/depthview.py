"""Pictures of depth: a colour bar in metres, panels side by side, and the sources' triptychs.

Near and far have the colours that boxes have in `draw`; grey is "no depth". Isolated depths
(lidar) are drawn as dots that can be seen, the nearest on top. Pictures of several panels are
scaled down so that no panel is taller than 2,000 or wider than 4,000 pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from howfar.core.boxes import Box
from howfar.core.depth import DepthKind, DepthMap
from howfar.core.distance import Statistic, measure
from howfar.core.image import Image, RgbArray
from howfar.core.resize import resize
from howfar.core.result import Object, Result
from howfar.errors import OutputError
from howfar.io.draw import Mark, filter_note, object_marks, paint
from howfar.io.palette import (
    BLACK,
    NEAR_TO_FAR,
    NONE,
    WHITE,
    Ramp,
    Rgb,
    depth_ramp,
    given_ramp,
    text_block,
    text_extent,
    text_size_px,
    tick_depths_m,
)

PANEL_HEIGHT_PX = 2000
PANEL_WIDTH_PX = 4000
DETECTION: Rgb = (86, 180, 233)
"""Boxes that have no distance yet."""
SPARSE = 0.5
"""A map is drawn as dots where fewer of the 3 x 3 pixels around a valid pixel are valid."""
INFINITELY_FAR = np.float32(3e38)


def depth_picture(
    depth: DepthMap, *, range_m: tuple[float, float] | None = None, height: int | None = None
) -> RgbArray:
    """The depth map in colour with its scale bar at the right, (h, w, 3) uint8 RGB.

    Colours run evenly from near to far, logarithmically where far is more than 10 times near.
    A relative map has "near" and "far" at its bar, and no number. Pixels without a depth are
    grey, "none" at the bar. A map that is too low for its bar is padded with white.

    Args:
        depth: the map.
        range_m: nearest and farthest depth of the colours in metres, else the 2nd to the 98th
            percentile, rounded outwards; without effect on a relative map.
        height: height of the drawn map in pixels, its own unless given; the width follows.
    """
    ramp = _ramp(depth, range_m)
    h = height or depth.height
    w = max(1, round(depth.width * h / depth.height))
    return _with_bar([coloured(depth, ramp, w, h)], ramp, depth.kind)


def panel(result: Result, *, range_m: tuple[float, float] | None = None) -> RgbArray:
    """The annotated picture beside its depth picture, (h, w, 3) uint8 RGB, with one bar.

    Without a depth map it is the annotated picture alone.
    """
    w, h = _panel_size(result.image)
    left = _scaled_paint(result.image, object_marks(result, range_m), filter_note(result))
    if result.depth is None:
        return left
    ramp = _ramp(result.depth, range_m)
    return _with_bar([left, coloured(result.depth, ramp, w, h)], ramp, result.depth.kind)


def statistics_triptych(result: Result) -> RgbArray:
    """Source 000's picture: detections | distances by mean | by median, (h, w, 3) uint8 RGB.

    `detections` shows label and score; `mean` is the mean of the central 40 % of each box,
    `median` that of the whole box, both read anew from the depth map.

    Raises `OutputError` where the result has no depth map.
    """
    if result.depth is None:
        raise OutputError(
            f"{result.source}: no depth map to compare mean and median on; use join parallel,"
            " mask or joint"
        )
    detections = [Mark(o.box, f"{o.label} {o.score:.2f}", DETECTION) for o in result.objects]
    mean = object_marks(_remeasured(result, result.depth, Statistic.CENTRAL_MEAN))
    median = object_marks(_remeasured(result, result.depth, Statistic.MEDIAN))
    return _row(
        [
            _titled(_scaled_paint(result.image, marks), title)
            for marks, title in (
                (detections[::-1], "detections"),
                (mean, "mean"),
                (median, "median"),
            )
        ]
    )


def truth_triptych(image: Image, truth: DepthMap, prediction: DepthMap) -> RgbArray:
    """Source 002's picture: picture | truth | prediction, (h, w, 3) uint8 RGB.

    Both maps have the colours of one range, which holds those of both, and one bar. They may be of
    any size and are stretched to the picture's.

    Raises `OutputError` unless both are in metres.
    """
    for name, depth in (("truth", truth), ("prediction", prediction)):
        if not depth.is_metric:
            raise OutputError(f"{image.source}: {name} is {depth.kind} depth; it needs metres")
    w, h = _panel_size(image)
    ramps = [ramp for ramp in (depth_ramp(truth), depth_ramp(prediction)) if ramp]
    ramp = None
    if ramps:
        ramp = Ramp(min(one.near for one in ramps), max(one.far for one in ramps))
    picture = resize(image.pixels, w, h, "area")
    views = [picture, coloured(truth, ramp, w, h), coloured(prediction, ramp, w, h)]
    titles = ("picture", "truth", "prediction")
    titled = [_titled(view, title) for view, title in zip(views, titles, strict=True)]
    return _with_bar(titled, ramp, DepthKind.METRIC, bar_px=h)


def _remeasured(result: Result, depth: DepthMap, statistic: Statistic) -> Result:
    """The result with the distances of its objects read by another statistic."""
    found = measure(depth, [tuple(obj.box) for obj in result.objects], statistic)
    objects: list[Object] = []
    for i, obj in enumerate(result.objects):
        value = found[i].value
        metres, relative = (value, None) if depth.is_metric else (None, value)
        objects.append(replace(obj, distance_m=metres, relative_depth=relative))
    return replace(result, objects=tuple(objects))


def _ramp(depth: DepthMap, range_m: tuple[float, float] | None) -> Ramp | None:
    if range_m is not None and depth.is_metric:
        return given_ramp(range_m)
    return depth_ramp(depth.ordered())


def coloured(depth: DepthMap, ramp: Ramp | None, width: int, height: int) -> RgbArray:
    """A depth map in the colours of `ramp`, stretched to (height, width, 3) uint8 RGB.

    Invalid pixels are `palette.NONE`; without a ramp all are.
    """
    shown = _stretched(depth.ordered(), width, height)
    if ramp is None:
        return np.full((height, width, 3), NONE, np.uint8)
    index = ramp.rows(np.where(shown.valid, shown.values, np.float32(ramp.near)))
    picture = cv2.applyColorMap(index, NEAR_TO_FAR[:, None])
    picture[~shown.valid] = NONE
    return picture.astype(np.uint8, copy=False)


def _stretched(depth: DepthMap, width: int, height: int) -> DepthMap:
    """The map at another size; a sparse one as dots, so that no point is lost to the eye."""
    if not _is_sparse(depth):
        return depth.resized(width, height)
    rows, columns = np.nonzero(depth.valid)
    values = depth.values[rows, columns]
    far_first = np.argsort(-values, kind="stable")
    rows = (rows[far_first] * 2 + 1) * height // (2 * depth.height)
    columns = (columns[far_first] * 2 + 1) * width // (2 * depth.width)
    points = np.full((height, width), INFINITELY_FAR, np.float32)
    points[rows, columns] = values[far_first]
    dot_px = _dot_px(depth, width, height)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (dot_px, dot_px))
    spread = np.asarray(cv2.erode(points, kernel), np.float32)
    return DepthMap(spread, DepthKind.METRIC, spread < INFINITELY_FAR)


def _is_sparse(depth: DepthMap) -> bool:
    """Whether valid pixels stand alone, as lidar points do, instead of side by side."""
    valid = depth.valid
    if not valid.any() or np.count_nonzero(valid) > valid.size / 2:
        return False
    around = cv2.blur(valid.astype(np.float32), (3, 3), borderType=cv2.BORDER_REPLICATE)
    return float(around[valid].mean()) < SPARSE


def _dot_px(depth: DepthMap, width: int, height: int) -> int:
    """Diameter of a lidar point that is seen at a glance: odd, 3 or more."""
    least = math.sqrt(width * height) / 200
    stretch = max(width / depth.width, height / depth.height)
    return 2 * math.ceil(max(least, 2 * stretch, 2) / 2) + 1


def _panel_size(image: Image) -> tuple[int, int]:
    """Width and height of an image's panel."""
    share = min(1.0, PANEL_HEIGHT_PX / image.height, PANEL_WIDTH_PX / image.width)
    return max(1, round(image.width * share)), max(1, round(image.height * share))


def _scaled_paint(image: Image, marks: Sequence[Mark], note: str = "") -> RgbArray:
    """Marks painted on the picture at panel size."""
    w, h = _panel_size(image)
    sx, sy = w / image.width, h / image.height
    fitted = [
        mark._replace(box=Box(*np.multiply(mark.box, (sx, sy, sx, sy)).tolist())) for mark in marks
    ]
    return paint(resize(image.pixels, w, h, "area"), fitted, note)


def _titled(view: RgbArray, title: str) -> RgbArray:
    """A view under a white strip with its title."""
    size_px = round(1.2 * text_size_px(view.shape[1], view.shape[0]))
    text = text_block(title, size_px, BLACK, WHITE)
    pad = size_px // 4
    strip = _padded(text, max(text.shape[1], view.shape[1]), text.shape[0] + 2 * pad, 0, pad)
    return np.concatenate([strip, _padded(view, strip.shape[1], view.shape[0])])


def _row(views: Sequence[RgbArray]) -> RgbArray:
    """Views side by side with white gaps; lower ones stand at the bottom."""
    height = max(view.shape[0] for view in views)
    gap = max(4, round(math.sqrt(views[0].shape[0] * views[0].shape[1]) / 80))
    parts: list[RgbArray] = []
    for view in views:
        wide = view.shape[1] + (gap if parts else 0)
        parts.append(_padded(view, wide, height, wide - view.shape[1], height - view.shape[0]))
    return np.concatenate(parts, axis=1)


def _padded(view: RgbArray, width: int, height: int, left: int = 0, top: int = 0) -> RgbArray:
    """A view on white of `width` x `height`, its corner at (left, top)."""
    if view.shape[:2] == (height, width):
        return view
    canvas = np.full((height, width, 3), WHITE, np.uint8)
    canvas[top : top + view.shape[0], left : left + view.shape[1]] = view
    return canvas


def _with_bar(
    views: Sequence[RgbArray], ramp: Ramp | None, kind: DepthKind, bar_px: int | None = None
) -> RgbArray:
    """Views in a row and a scale bar of `bar_px` (their height) at the right."""
    h = bar_px or views[0].shape[0]
    size_px = text_size_px(views[-1].shape[1], h)
    return _row([*views, scale_bar(ramp, kind, max(h, 5 * text_extent("", size_px)[1]), size_px)])


def scale_bar(ramp: Ramp | None, kind: DepthKind, height: int, size_px: int) -> RgbArray:
    """The bar of a depth picture, (height, w, 3) uint8 RGB: far above, near below, then "none".

    Without a ramp there is "none" alone. `height` must hold five lines of text.
    """
    line_px = text_extent("", size_px)[1]
    top, bottom = line_px // 2, height - 2 * line_px
    labels = bar_labels(ramp, kind, max(2, 2 * (bottom - top) // (5 * line_px)))
    colours = np.full((bottom - top, 1, 3), NONE, np.uint8)
    if labels:
        shade = np.linspace(255, 0, bottom - top).round().astype(np.int64)
        colours = NEAR_TO_FAR[shade][:, None]
    bar_width, pad = round(1.2 * size_px), max(3, size_px // 3)
    widest = max(text_extent(text, size_px)[0] for text in ("none", "near", *labels.values()))
    canvas = np.full((height, bar_width + 2 * pad + widest, 3), WHITE, np.uint8)
    canvas[top:bottom, :bar_width] = colours
    canvas[height - line_px :, :bar_width] = NONE
    for position, text in labels.items():
        y = round(bottom - 1 - position * (bottom - 1 - top))
        canvas[y, bar_width : bar_width + pad // 2 + 1] = BLACK
        _write(canvas, text, bar_width + pad, y, size_px)
    _write(canvas, "none", bar_width + pad, height - line_px // 2 - 1, size_px)
    return canvas


def _write(canvas: RgbArray, text: str, x: int, y: int, size_px: int) -> None:
    """Write on white, left end at x, the middle of the line at y, moved into the canvas."""
    block = text_block(text, size_px, BLACK, WHITE)
    h, w = block.shape[:2]
    y = min(max(y - h // 2, 0), canvas.shape[0] - h)
    canvas[y : y + h, x : x + w] = block[:, : canvas.shape[1] - x]


def bar_labels(ramp: Ramp | None, kind: DepthKind, most: int) -> dict[float, str]:
    """Texts at positions 0 (near) .. 1 (far) of a bar with room for `most` gaps between them.

    Metres for `METRIC`, "near" and "far" for the other kinds, nothing without a ramp.
    """
    if ramp is None:
        return {}
    if kind is not DepthKind.METRIC:
        return {0.0: "near", 1.0: "far"}
    ticks = tick_depths_m(ramp, most)
    return {float(at): f"{m:g} m" for at, m in zip(ramp.position(ticks), ticks, strict=True)}
