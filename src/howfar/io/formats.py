"""Names of what can be written, and the endings of the files."""

from __future__ import annotations

from collections.abc import Sequence

from howfar.errors import UsageError

PICTURE_FORMATS: dict[str, tuple[str, str]] = {
    "annotated": (".annotated.jpg", "the picture with boxes and distances"),
    "depth": (".depth.png", "depth in colours with a scale bar"),
    "panel": (".panel.jpg", "annotated picture beside depth"),
    "triptych": (".triptych.jpg", "detections | distances by mean | by median (source 000)"),
    "truth": (".truth.jpg", "picture | truth | prediction (source 002); needs --truth"),
    "npy": (".depth.npy", "raw depth, float32 metres, NaN = none"),
    "png16": (".depth16.png", "raw depth, 16-bit PNG in millimetres"),
    "kitti": (".depth256.png", "raw depth, 16-bit PNG in 1/256 m"),
    "ply": (".ply", "coloured point cloud in metres"),
    "json": (".json", "the record of the picture"),
}
"""Formats of one picture: file ending and what it is."""

RUN_FORMATS: dict[str, tuple[str, str]] = {
    "jsonl": ("results.jsonl", "all records of a run, one a line"),
    "csv": ("objects.csv", "all objects of a run, one a row"),
    "coco": ("coco_results.json", "all objects of a run as COCO results"),
}
"""Formats of a whole run: file name and what it is."""

VIDEO_FORMATS: dict[str, tuple[str, str]] = {
    "frames": (".annotated.jpg", "the frames of a video with boxes and distances, in a folder"),
}
"""Formats of the frames of a video alone: ending of each file and what it is."""
VIDEO_ENDINGS = {"annotated": ".annotated.mp4", "depth": ".depth.mp4", "panel": ".panel.mp4"}
"""Formats of which a video gives one video, not a file a frame."""


def check_formats(formats: Sequence[str]) -> None:
    """Raise `UsageError` for a format that does not exist."""
    for name in formats:
        if name not in PICTURE_FORMATS | RUN_FORMATS | VIDEO_FORMATS:
            known = ", ".join([*PICTURE_FORMATS, *VIDEO_FORMATS, *RUN_FORMATS])
            raise UsageError(f"format {name!r} is unknown; use some of {known}")


def is_own_file(name: str) -> bool:
    """Whether a file name ends like a picture that this program writes."""
    return name.endswith(
        tuple(ending for ending, _ in PICTURE_FORMATS.values() if "." in ending[1:])
    )
