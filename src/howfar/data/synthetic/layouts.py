"""Writing synthetic scenes to disk as public data sets lay them out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from howfar.data.synthetic import write_coco, write_kitti, write_nyu, write_vkitti
from howfar.data.synthetic.records import SyntheticScene
from howfar.data.synthetic.world import scenes
from howfar.errors import UsageError


@dataclass(frozen=True)
class Layout:
    """How one data set is written.

    Attributes:
        save: writes scenes into a folder.
        kind: of the scenes, None for both.
        width, height: pictures of the original (facts sheet, section 2).
        stereo: whether there is a right camera.
        level: whether its camera is level.
    """

    save: Callable[[Path, Iterable[SyntheticScene]], None]
    kind: str | None
    width: int
    height: int
    stereo: bool
    level: bool


LAYOUTS = {
    "vkitti2": Layout(write_vkitti.write, "street", 1242, 375, stereo=True, level=False),
    "kitti-object": Layout(write_kitti.write, "street", 1242, 375, stereo=True, level=True),
    "nyu-csv": Layout(write_nyu.write, "indoor", 640, 480, stereo=False, level=False),
    "coco": Layout(write_coco.write, None, 640, 480, stereo=False, level=False),
}


def write(
    folder: str | Path,
    layout: str,
    count: int,
    seed: int = 0,
    width: int | None = None,
    height: int | None = None,
    workers: int = 1,
) -> Path:
    """Write scenes `seed` .. `seed + count - 1` and return the folder.

    Args:
        folder: where to; made if missing.
        layout: `vkitti2`, `kitti-object`, `nyu-csv` or `coco`.
        count: number of scenes.
        seed: number of the first.
        width, height: pixels; those of the original data set unless given.
        workers: processes that render.

    Raises `UsageError` for an unknown layout or a count below 1.
    """
    if layout not in LAYOUTS:
        raise UsageError(f"layout {layout!r} is unknown; use one of {', '.join(LAYOUTS)}")
    if count < 1:
        raise UsageError(f"count is {count}; give at least 1")
    plan, root = LAYOUTS[layout], Path(folder)
    made = scenes(
        count,
        seed,
        plan.kind,
        width or plan.width,
        height or plan.height,
        stereo=plan.stereo,
        level=plan.level,
        workers=workers,
    )
    plan.save(root, made)
    return root
