"""WSVD: stereo frames of web videos. There is no depth: only the pair of pictures.

The lists name frames of YouTube videos that the user has to fetch. A video's frames hold both views
side by side, each at half its width.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from howfar.core.image import Image, RgbArray
from howfar.core.resize import resize
from howfar.data.dataset import Dataset, Problem, Records, choice
from howfar.data.files import folder, pictures
from howfar.data.frameids import read_clips
from howfar.data.sample import Sample
from howfar.errors import DatasetError, UsageError
from howfar.media import read_image

LIST = "wsvd_{}_clip_frame_ids.pkl"


class Frame(NamedTuple):
    """One frame of a clip; `number` counts from 1."""

    video: str
    clip: int
    number: int

    @property
    def id(self) -> str:
        """Unique name."""
        return f"{self.video}/{self.clip:03d}/{self.number:06d}"


def open_wsvd(path: Path, split: str = "test", frames: str = "", every: str = "1") -> Dataset:
    """Frames of the clips whose videos are there.

    Args:
        path: folder with `<video>.mp4`, or with folders `<video>/` of frames named by their number
            (`000001.jpg`), counted from 1; and the lists.
        split: `train` or `test`: `wsvd_<split>_clip_frame_ids.pkl` in `path`.
        frames: another file of the lists.
        every: take every n-th frame of a clip only.
    """
    choice("split", split, ("train", "test"))
    if not every.isdigit() or int(every) < 1:
        raise UsageError(f"option every={every!r} is no whole number above 0")
    folder(path, "videos <name>.mp4 or folders of frames <name>/")
    clips = read_clips(Path(frames) if frames else path / LIST.format(split))
    videos = {clip.video for clip in clips}
    found = {video for video in videos if _is_here(path, video)}
    here = [clip for clip in clips if clip.video in found]
    if not here:
        raise DatasetError(f"{path}: none of the {len(videos)} videos is in it")
    items = tuple(
        Frame(clip.video, clip.number, number)
        for clip in here
        for number in dict.fromkeys(clip.frames[:: int(every)])
    )
    absent = tuple(dict.fromkeys(clip.video for clip in clips if clip.video not in found))
    layout = partial(_layout, path, absent)
    read = partial(_read, path)
    return Records(f"wsvd:{path}", items, read, layout=layout, left_out=absent)


def _is_here(root: Path, video: str) -> bool:
    return (root / f"{video}.mp4").is_file() or (root / video).is_dir()


def _layout(root: Path, absent: tuple[str, ...]) -> list[Problem]:
    return [Problem(str(root / f"{video}.mp4"), "no such video; left out") for video in absent]


def _read(root: Path, frame: Frame) -> Sample:
    pixels, source = _frame(root, frame)
    left, right = split_views(pixels, source)
    return Sample(id=frame.id, picture=left, right=right)


def split_views(pixels: RgbArray, source: str) -> tuple[Image, Image]:
    """Left and right picture of a side-by-side frame (H, W, 3), each stretched to the width W."""
    height, width = pixels.shape[:2]
    if width < 2 or width % 2:
        raise DatasetError(
            f"{source}: {width} pixels wide; two views side by side need an even width"
        )
    views = (pixels[:, : width // 2], pixels[:, width // 2 :])
    left, right = (resize(np.ascontiguousarray(view), width, height) for view in views)
    return Image(left, f"{source} left"), Image(right, f"{source} right")


def _frame(root: Path, frame: Frame) -> tuple[RgbArray, str]:
    if (root / frame.video).is_dir():
        names = {file.stem.lstrip("0"): file for file in pictures(root / frame.video)}
        file = names.get(str(frame.number), root / frame.video / f"{frame.number:06d}.jpg")
        return read_image(file).pixels, str(file)
    return _video_frame(root / f"{frame.video}.mp4", frame.number), f"{frame.video}.mp4"


def _video_frame(file: Path, number: int) -> RgbArray:
    """Frame `number`, counted from 1, of a video."""
    video = cv2.VideoCapture(str(file))
    try:
        count = int(video.get(cv2.CAP_PROP_FRAME_COUNT)) if video.isOpened() else 0
        video.set(cv2.CAP_PROP_POS_FRAMES, number - 1)
        good, pixels = video.read() if number <= count else (False, None)
    finally:
        video.release()
    if not good or pixels is None:
        told = f"it has {count}" if count else "OpenCV cannot open it"
        raise DatasetError(f"{file}: frame {number} cannot be read; {told}")
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)
