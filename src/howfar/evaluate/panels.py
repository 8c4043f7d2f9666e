"""Pictures and depth maps put together into one picture."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from howfar.core.boxes import Box
from howfar.core.depth import DepthKind, DepthMap
from howfar.core.image import Image, RgbArray
from howfar.core.resize import resize
from howfar.io.depthview import coloured, scale_bar
from howfar.io.draw import Mark
from howfar.io.palette import BLACK, WHITE, Ramp, text_block, text_size_px

LONGEST_PX = 1600
"""Pictures are scaled down to this."""
LOWEST_PX = 480
"""Small pictures are scaled up to this height, so that texts are legible."""
WIDE = 1.6
"""Pictures wider than this times their height are stacked, not put side by side."""
GAP_PX = 8


def at_size(image: Image, marks: Sequence[Mark] = ()) -> tuple[Image, list[Mark]]:
    """The picture at a size for looking at, and its marks there."""
    scale = min(max(1.0, LOWEST_PX / image.height), LONGEST_PX / max(image.width, image.height))
    width, height = round(image.width * scale), round(image.height * scale)
    pixels = resize(image.pixels, width, height, "area" if scale < 1 else "cubic")
    sx, sy = width / image.width, height / image.height
    moved = [m._replace(box=Box(*np.multiply(m.box, (sx, sy, sx, sy)).tolist())) for m in marks]
    return Image(pixels, image.source), moved


def with_maps(
    picture: RgbArray,
    maps: Sequence[tuple[str, DepthMap]],
    ramp: Ramp | None,
    marks: Sequence[Mark] = (),
    title: str = "picture",
) -> RgbArray:
    """A picture and depth maps of the same view in the colours of one ramp, with their scale.

    Args:
        picture: (H, W, 3) uint8 RGB.
        maps: title and map, stretched to the picture.
        ramp: the colours; None where nothing is known.
        marks: boxes to draw on the maps, in pixels of the picture, without texts.
        title: over the picture.
    """
    height, width = picture.shape[:2]
    views = [titled(picture, title)]
    kind = maps[0][1].kind if maps else DepthKind.METRIC
    for name, depth in maps:
        colours = coloured(depth, ramp, width, height)
        views.append(titled(outlined(colours, marks), name))
    bar = scale_bar(ramp, kind, height, text_size_px(width, height))
    bar = np.concatenate([blank(views[0].shape[0] - height, bar.shape[1]), bar])
    if is_wide(picture):
        empty = blank(*bar.shape[:2])
        rows = [beside([view, bar if i else empty]) for i, view in enumerate(views)]
        return below(rows)
    return beside([*views, bar])


def outlined(pixels: RgbArray, marks: Sequence[Mark]) -> RgbArray:
    """A copy with the boxes of the marks in their colours, white inside black, without texts."""
    canvas = np.ascontiguousarray(pixels).copy()
    line_px = max(1, round(0.0025 * max(canvas.shape[:2])))
    for thick_px, own in ((3 * line_px, False), (line_px, True)):
        for mark in marks:
            x1, y1, x2, y2 = (round(v) for v in mark.box)
            colour = (mark.colour or WHITE) if own else BLACK
            cv2.rectangle(canvas, (x1, y1), (x2, y2), colour, thick_px)
    return canvas


def is_wide(picture: RgbArray) -> bool:
    """Whether pictures of this shape are stacked."""
    return bool(picture.shape[1] > WIDE * picture.shape[0])


def titled(view: RgbArray, title: str) -> RgbArray:
    """A view below its title, left-aligned."""
    size_px = text_size_px(view.shape[1], view.shape[0])
    text = text_block(title, size_px, BLACK, WHITE)[:, : view.shape[1]]
    strip = blank(text.shape[0] + size_px // 2, view.shape[1])
    strip[size_px // 4 : size_px // 4 + text.shape[0], : text.shape[1]] = text
    return np.concatenate([strip, view])


def beside(views: Sequence[RgbArray]) -> RgbArray:
    """Side by side, at the top."""
    height = max(view.shape[0] for view in views)
    parts: list[RgbArray] = []
    for view in views:
        if parts:
            parts.append(blank(height, GAP_PX))
        parts.append(np.concatenate([view, blank(height - view.shape[0], view.shape[1])]))
    return np.concatenate(parts, axis=1)


def below(views: Sequence[RgbArray]) -> RgbArray:
    """One below the other, at the left."""
    width = max(view.shape[1] for view in views)
    parts: list[RgbArray] = []
    for view in views:
        if parts:
            parts.append(blank(GAP_PX, width))
        parts.append(np.concatenate([view, blank(view.shape[0], width - view.shape[1])], axis=1))
    return np.concatenate(parts)


def blank(height: int, width: int) -> RgbArray:
    """White."""
    return np.full((height, width, 3), 255, np.uint8)
