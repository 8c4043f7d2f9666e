"""Boxes, occlusion, truncation and distance of the objects of a traced picture."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from howfar.core.boxes import Box
from howfar.core.depth import BoolArray
from howfar.data.synthetic.records import Box3D, InstanceArray, SyntheticObject
from howfar.data.synthetic.render import Eye, Placed, Silhouette, Traced, World
from howfar.data.synthetic.shapes import yaw_matrix

MIN_PIXELS = 24
"""Objects with fewer visible pixels are scenery: not listed, 0 in the instance map."""
VISIBLE = (0.9, 0.5)
"""Occlusion is 0 above the first share of visible pixels, 1 above the second, else 2."""


def find_objects(
    world: World, traced: Traced, eye: Eye
) -> tuple[tuple[SyntheticObject, ...], InstanceArray]:
    """The listed objects and the instance map (H, W)."""
    part = traced.buffers.part
    numbers = np.maximum(world.owner - world.backdrops + 1, 0)
    instances = np.take(numbers, part, mode="clip")  # the sky reads the first, a backdrop
    counts = np.bincount(instances.ravel(), minlength=len(traced.silhouettes) + 1)
    listed = counts >= MIN_PIXELS
    listed[0] = False
    objects = tuple(
        _describe(int(i), world.placed[world.backdrops + i - 1], traced, eye, instances, listed)
        for i in np.flatnonzero(listed)
    )
    shown = np.where(listed, np.arange(len(listed)), 0).astype(np.int32)
    return objects, np.take(shown, instances)


def _describe(
    number: int,
    placed: Placed,
    traced: Traced,
    eye: Eye,
    instances: npt.NDArray[np.intp],
    listed: BoolArray,
) -> SyntheticObject:
    outline = traced.silhouettes[number - 1]
    height, width = outline.mask.shape
    rows, columns = slice(outline.y1, outline.y1 + height), slice(outline.x1, outline.x1 + width)
    here = instances[rows, columns]
    seen = here == number
    depth = traced.buffers.depth[rows, columns][seen]
    share = len(depth) / int(outline.mask.sum())
    full = _box(outline.mask, outline.x1, outline.y1)
    hiders = listed * 0
    if share < 1:
        hiders = np.bincount(here[outline.mask & ~seen], minlength=len(listed)) * listed
    return SyntheticObject(
        instance=number,
        label=placed.model.label,
        kind=placed.model.kind,
        detected=placed.model.detected,
        box=_box(seen, outline.x1, outline.y1),
        full_box=full,
        visible_share=share,
        occlusion=int(share <= VISIBLE[0]) + int(share <= VISIBLE[1]),
        truncation=_truncation(outline, full, eye),
        hidden_by=int(hiders.argmax()) if hiders.any() else 0,
        distance_m=float(np.median(depth)),
        pixels=len(depth),
        box3d=_box3d(placed, eye),
    )


def _box(mask: BoolArray, x: int, y: int) -> Box:
    """Tight around a mask whose corner is at (x, y)."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    return Box(
        float(x + columns[0]),
        float(y + rows[0]),
        float(x + columns[-1] + 1),
        float(y + rows[-1] + 1),
    )


def _truncation(outline: Silhouette, full: Box, eye: Eye) -> float:
    """Share of the box around the whole object that lies outside the picture."""
    inside = full.x1 > 0 and full.y1 > 0
    inside = inside and full.x2 < eye.camera.width and full.y2 < eye.camera.height
    if inside:
        return 0.0
    x1, y1, x2, y2 = outline.bounds.tolist()
    limit_x, limit_y = eye.camera.width, eye.camera.height
    # parts are bounded a little too widely, so compare like with like
    left = (min(x2, limit_x) - max(x1, 0.0)) * (min(y2, limit_y) - max(y1, 0.0))
    return float(np.clip(1 - left / ((x2 - x1) * (y2 - y1)), 0, 1))


def _box3d(placed: Placed, eye: Eye) -> Box3D:
    low, high = (np.array(corner) for corner in placed.model.extents)
    middle = (low + high) / 2
    middle[1] = low[1]
    world = yaw_matrix(placed.yaw) @ middle + np.array(placed.position)
    x, y, z = ((world - eye.position) @ eye.turn).tolist()
    length, height, width = (high - low).tolist()
    pitch = float(np.arcsin(-eye.turn[1, 2]))
    return Box3D(x, y, z, height, width, length, placed.yaw, pitch)
