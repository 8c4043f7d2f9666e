"""Video files that are written: H.264 in MP4, as every browser plays it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from howfar.core.image import RgbArray
from howfar.errors import HowfarError, OutputError
from howfar.io.avcodec import BT709, import_av, reason_of
from howfar.io.videoframes import open_video, start_s, video_stream

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream

TICKS = 90_000
"""Time steps of a second."""
KEY_FRAME_S = 2.0
"""Longest time between two key frames, so that players can jump."""
QUALITY = {"preset": "veryfast", "crf": "23"}
MP4_SOUND = frozenset({"aac", "mp3", "mp3float", "ac3", "eac3", "opus", "flac", "alac"})
"""Sound that MP4 holds as it is."""


class VideoWriter:
    """Writes frames to an MP4 file: H.264, yuv420p, BT.709, its index at the front.

    The file has its name only when it is complete, which `close` makes it, also after a stop; one
    that could not be written is removed.
    Frames keep their times: the first is at 0 and each is shown until the next comes.

    Args:
        path: of the file; its folder is made.
        fps: what the rate is about; it steers only the share of bits that a frame gets.
        size: (width, height); that of the first frame unless given. Frames of another size are
            fitted in, with black beside them. An odd side is made even by repeating its last line.
        sound: a video whose sound is carried over from the time of the first frame on, as it is.

    Attributes:
        frames: written so far.
        sound_note: a sentence on sound that could not be carried over, else "".

    Raises `OutputError`, and `UsageError` without PyAV.
    """

    def __init__(
        self,
        path: str | Path,
        fps: float | None = None,
        size: tuple[int, int] | None = None,
        sound: str | Path | None = None,
    ) -> None:
        self.path, self.frames, self.sound_note = Path(path), 0, ""
        self._av = import_av()
        self._fps, self._size = fps or 25.0, size
        self._sound = None if sound is None else str(sound)
        self._container: OutputContainer | None = None
        self._packets: Generator[tuple[float, Any], None, None] | None = None
        self._temporary: Path | None = None
        self._last_tick = -1
        self._start_s = 0.0

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def write(self, pixels: RgbArray, time_s: float | None = None) -> None:
        """Append one frame, (H, W, 3) uint8 RGB.

        `time_s` is its time, on any clock; one that is not after the last frame's counts as the
        next moment. Without it frames follow each other at `fps`.
        """
        if time_s is None:
            time_s = self._start_s + self.frames / self._fps
        try:
            if self._container is None:
                self._open(pixels, time_s)
            tick = max(round((time_s - self._start_s) * TICKS), self._last_tick + 1)
            self._last_tick = tick
            frame = self._av.VideoFrame.from_ndarray(self._fitted(pixels), format="rgb24")
            frame = self._reformatter.reformat(
                frame, format="yuv420p", dst_colorspace=BT709, threads=1
            )
            frame.pts, frame.time_base = tick, Fraction(1, TICKS)
            self._mux(frame)
        except (self._av.FFmpegError, OSError) as error:
            raise self._failure(error) from error
        self.frames += 1

    def close(self) -> None:
        """Finish the file; without a frame there is none."""
        container = self._container
        if container is None:
            return
        try:
            self._mux(None, container)
            container.close()
            mask = os.umask(0)
            os.umask(mask)
            assert self._temporary is not None  # noqa: S101 - made with the container
            self._temporary.chmod(0o666 & ~mask)
            self._temporary.replace(self.path)
        except (self._av.FFmpegError, OSError) as error:
            raise self._failure(error) from error
        finally:
            self._forget()

    def _failure(self, error: Exception) -> OutputError:
        self._forget()
        return OutputError(f"{self.path}: cannot be written ({reason_of(error)})")

    def _forget(self) -> None:
        """Close everything, and remove a file that was not completed."""
        container, self._container = self._container, None
        if container is not None:
            with suppress(self._av.FFmpegError, OSError):
                container.close()
        packets, self._packets = self._packets, None
        if packets is not None:
            packets.close()
        temporary, self._temporary = self._temporary, None
        if temporary is not None:
            temporary.unlink(missing_ok=True)

    def _open(self, pixels: RgbArray, time_s: float) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=".howfar-", suffix=".mp4")
        os.close(handle)
        self._temporary, self._start_s = Path(name), time_s
        try:
            self._begin(name, self._size or (pixels.shape[1], pixels.shape[0]))
        except BaseException:
            self._forget()
            raise

    def _begin(self, name: str, size: tuple[int, int]) -> None:
        """Open the temporary file `name` as a video of `size`, with the sound that goes into it."""
        container = self._av.open(name, "w", format="mp4", options={"movflags": "+faststart"})
        self._container, self._size = container, size
        self._packets = packets = self._sound_packets(container)
        rate = Fraction(self._fps).limit_denominator(1001)
        stream: VideoStream = container.add_stream("libx264", rate=rate, options=QUALITY)
        stream.width, stream.height = (side + side % 2 for side in size)
        stream.pix_fmt = "yuv420p"
        coder = stream.codec_context
        coder.time_base = Fraction(1, TICKS)
        coder.gop_size = max(1, round(KEY_FRAME_S * self._fps))
        coder.thread_count = 1
        coder.color_primaries = coder.color_trc = coder.colorspace = BT709
        coder.color_range = 1
        self._stream, self._reformatter = stream, self._av.video.reformatter.VideoReformatter()
        self._pending: Any = next(packets, None)

    def _fitted(self, pixels: RgbArray) -> RgbArray:
        """Pixels at the even size of the video."""
        assert self._size is not None  # noqa: S101 - set with the container
        width, height = self._size
        if pixels.shape[:2] != (height, width):
            share = min(width / pixels.shape[1], height / pixels.shape[0])
            w, h = (max(1, round(side * share)) for side in pixels.shape[1::-1])
            small = cv2.resize(pixels, (w, h), interpolation=cv2.INTER_AREA)
            canvas = np.zeros((height, width, 3), np.uint8)
            y, x = (height - h) // 2, (width - w) // 2
            canvas[y : y + h, x : x + w] = small
            pixels = canvas
        if width % 2 or height % 2:
            pixels = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
        return np.ascontiguousarray(pixels)

    def _mux(self, frame: Any, container: OutputContainer | None = None) -> None:
        """Encode a frame, or the end, and write what is ready, with the sound up to there."""
        container = container or self._container
        assert container is not None  # noqa: S101 - `write` opens it
        for packet in self._stream.encode(frame):
            moment = float((packet.dts or 0) * (packet.time_base or 0))
            self._mux_sound(container, moment)
            container.mux(packet)
        if frame is None:
            self._mux_sound(container, self._last_tick / TICKS + 1 / self._fps)

    def _mux_sound(self, container: OutputContainer, until_s: float) -> None:
        packets = self._packets or iter(())
        while self._pending is not None and self._pending[0] < until_s:
            container.mux(self._pending[1])
            self._pending = next(packets, None)

    def _sound_packets(
        self, container: OutputContainer
    ) -> Generator[tuple[float, Any], None, None]:
        """The sound of the other video in pieces, each with its time in this one."""
        if self._sound is None:
            return
        try:
            source = open_video(self._sound, self._sound)
        except HowfarError as error:
            self.sound_note = f"The sound is not carried over: {error}."
            return
        with source:
            tracks = source.streams.audio
            if not tracks:
                return
            name = tracks[0].codec_context.name if tracks[0].codec_context else "an unknown codec"
            if name not in MP4_SOUND:
                self.sound_note = (
                    f"The sound ({name}) is not carried over: MP4 holds it only re-encoded."
                )
                return
            if len(tracks) > 1:
                self.sound_note = (
                    f"Of its {len(tracks)} sound tracks only the first is carried over."
                )
            target = container.add_stream_from_template(tracks[0])
            shift_s = start_s(video_stream(source, self._sound)) + self._start_s
            yield from self._shifted(source, tracks[0], target, shift_s)

    def _shifted(
        self, source: Any, track: Any, target: Any, shift_s: float
    ) -> Generator[tuple[float, Any], None, None]:
        shift = round(shift_s / float(track.time_base))
        try:
            for packet in source.demux(track):
                if packet.pts is None or packet.dts is None or packet.pts < shift:
                    continue
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = target
                yield float(packet.pts * track.time_base), packet
        except self._av.FFmpegError as error:
            told = f"The sound breaks off: {reason_of(error)}."
            self.sound_note = f"{self.sound_note} {told}".lstrip()
