"""The frames of video files, upright, with their true times."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from howfar.core.image import Image
from howfar.errors import PictureError
from howfar.io.avcodec import FramePixels, import_av, reason_of
from howfar.io.clip import Clip

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

SEEKABLE = ("mov", "matroska", "avi")
"""Containers whose index can be trusted; others are decoded from their start."""
OPEN_S, READ_S = 10.0, 20.0
"""Longest silence of a server, while a video is opened and while it is read."""
USUAL_FPS = 25.0
"""Frames per second of a video that does not tell."""
FRAME_A_PACKET = ("h264", "hevc")
"""Codecs of which each packet is a frame, unless it is interlaced."""
PROGRESSIVE = 1
PROTOCOLS = {"file": "file,crypto,data", "http": "http,https,tls,tcp,crypto,data,httpproxy"}
"""What a video may open in its turn; a file reads no address."""


class VideoFile:
    """The frames of a video file, or of a video of known length at an http(s) address.

    Frames are turned upright, have square pixels, and carry `time_s` and `frame_index`; variable
    frame rates keep their true times. A frame that is damaged is counted, told in `news` and passed
    over; those after it are as good as the decoder can make them until the next key frame.

    Args:
        source: path or address.
        clip: which frames.
        name: what messages and results call it, `source` unless given.

    Attributes:
        fps: mean frames per second, or None.
        count: frames that will come, an estimate, or None where the file does not tell.
        live: False: this source waits for its user.
        sound: name of the sound's codec, or None.
        damaged: frames that could not be decoded so far.
        news: sentences on what happened since they were last taken.

    Raises `PictureError` where it is missing, no video, truncated before its first frame, or of a
    codec that FFmpeg does not know.
    """

    live = False

    def __init__(
        self,
        source: str,
        clip: Clip = Clip(),  # noqa: B008 - frozen
        name: str | None = None,
    ) -> None:
        self.address, self.clip, self.source = source, clip, name or source
        self.damaged = 0
        self.news: deque[str] = deque()
        with open_video(source, self.source) as container:
            stream = video_stream(container, self.source)
            self.fps = float(stream.average_rate) if stream.average_rate else None
            self.sound = sound_codec(container)
            self.duration_s = container.duration / 1e6 if container.duration else None
            self.count = self._expected(stream)

    def _expected(self, stream: VideoStream) -> int | None:
        frames = stream.frames or (
            round(self.duration_s * self.fps) if self.duration_s and self.fps else None
        )
        if not frames or not self.fps:
            return None
        whole_s = frames / self.fps
        end_s = min(whole_s, whole_s if self.clip.end_s is None else self.clip.end_s)
        return max(0, round((end_s - self.clip.start_s) * self.fps / self.clip.stride))

    def counted(self) -> int:
        """Frames of the whole file, counted by reading it without decoding: for those that do not
        tell, as browsers' recordings and raw streams."""
        with open_video(self.address, self.source) as container:
            packets, count = container.demux(video_stream(container, self.source)), 0
            with suppress(import_av().FFmpegError):  # told when it is decoded up to there
                for packet in packets:
                    count += packet.size > 0
            return count

    def __iter__(self) -> Iterator[Image]:
        some = False
        with open_video(self.address, self.source) as container:
            stream = video_stream(container, self.source)
            develop = FramePixels(float(stream.sample_aspect_ratio or 1))
            for index, time_s, frame in self.clip.pick(self._decode(container, stream)):
                some = True
                yield Image(develop(frame), self.source, time_s=time_s, frame_index=index)
        if not some:
            raise PictureError(f"{self.source}: {self._why_nothing()}")

    def _why_nothing(self) -> str:
        if self.damaged:
            return f"none of its frames could be decoded ({self.damaged} are damaged)"
        if self.clip.start_s:
            length = f"; it is {self.duration_s:.2f} s long" if self.duration_s else ""
            return f"no frame at {self.clip.start_s:g} s or later{length}"
        return "a video without frames"

    def _decode(
        self, container: InputContainer, stream: VideoStream
    ) -> Iterator[tuple[int, float, VideoFrame]]:
        """All good frames from about the start of the clip to its end: index, time_s, frame."""
        index, sought = self._seek(container, stream)
        time_s, step_s = -1.0, 1 / (self.fps or USUAL_FPS)
        bad: list[tuple[int, float]] = []
        try:
            for pts, frame in _decoded(container, stream, self.news):
                next_s = max(time_s + step_s, 0.0)
                time_s = next_s if pts is None else moment_s(stream, pts)
                if time_s < self.clip.start_s:
                    index += not sought
                    continue
                if self.clip.end_s is not None and time_s >= self.clip.end_s:
                    return
                if frame is None or frame.is_corrupt:
                    self.damaged += 1
                    bad.append((index, time_s))
                else:
                    self._tell(bad)
                    yield index, time_s, frame
                index += 1
        finally:
            self._tell(bad)

    def _tell(self, bad: list[tuple[int, float]]) -> None:
        """Say which frames in a row were bad, and forget them."""
        if not bad:
            return
        (first, first_s), (last, _) = bad[0], bad[-1]
        if first == last:
            self.news.append(f"Frame {first}, at {first_s:.2f} s, is damaged: passed over.")
        else:
            words = f"Frames {first} to {last}, from {first_s:.2f} s on, cannot be decoded"
            self.news.append(f"{words}: passed over.")
        bad.clear()

    def _seek(self, container: InputContainer, stream: VideoStream) -> tuple[int, bool]:
        """Go to the last key frame before the start of the clip.

        Returns the index of the clip's first frame, for which the frames before it are counted
        without being decoded, and True. Where that cannot be, 0 and False: decoding starts at the
        first frame.
        """
        if not self.clip.start_s or not container.format.name.startswith(SEEKABLE):
            return 0, False
        begin = round((self.clip.start_s + start_s(stream)) / float(stream.time_base or 1))
        before = 0
        with open_video(self.address, self.source) as other:
            for packet in other.demux(video_stream(other, self.source)):
                if not packet.size:
                    break
                if packet.pts is None or packet.dts is None:
                    return 0, False
                if moment_s(stream, packet.dts) >= self.clip.start_s:
                    break
                before += moment_s(stream, packet.pts) < self.clip.start_s
        container.seek(begin, stream=stream)
        return before, True


def _decoded(
    container: InputContainer, stream: VideoStream, news: deque[str]
) -> Iterator[tuple[int | None, VideoFrame | None]]:
    """Frames in order of time with their time stamps; None for one that cannot be decoded.

    Decoders pass over what follows a lost key frame in silence. Where each packet is a frame, the
    frames that never came are known by the time stamps of their packets.
    """
    coder, error_type = stream.codec_context, import_av().FFmpegError
    whole = coder.name in FRAME_A_PACKET and coder.field_order <= PROGRESSIVE
    packets, due, missed, last_dts = container.demux(stream), list[int](), set[int](), 0
    while True:
        try:
            packet = next(packets, None)
        except error_type as error:
            news.append(f"The video breaks off: {reason_of(error)}.")
            packet = None
        if packet is None:
            break
        if whole and packet.size and packet.pts is not None and not packet.is_discard:
            if packet.dts is not None and packet.dts < last_dts:  # the clock was set back
                due, missed = [], set()
            last_dts = packet.dts or last_dts
            heapq.heappush(due, packet.pts)
        try:
            frames = packet.decode()
        except error_type:
            if not whole:
                yield None, None
            continue
        for frame in frames:
            if frame.pts in missed:  # it came after all, out of order, and was told as lost
                continue
            missing = _overdue(due, frame.pts)
            missed.update(missing)
            yield from ((pts, None) for pts in missing)
            yield frame.pts, frame
    yield from ((pts, None) for pts in sorted(due))


def _overdue(due: list[int], pts: int | None) -> list[int]:
    """Take from the heap `due` what lies before `pts`, and `pts` itself; returns the former."""
    missing: list[int] = []
    while due and pts is not None and due[0] <= pts:
        stamp = heapq.heappop(due)
        if stamp < pts:
            missing.append(stamp)
    return missing


def open_video(address: str, name: str) -> InputContainer:
    """An open PyAV container. Raises `PictureError`, `UsageError` without PyAV."""
    av = import_av()
    remote = "://" in address
    if not remote:
        path = Path(address).expanduser()
        if not path.is_file():
            raise PictureError(f"{name}: no such file")
        if not path.stat().st_size:
            raise PictureError(f"{name}: the file is empty")
        address = str(path.absolute())
    try:
        container: InputContainer = av.open(
            address,
            options={"protocol_whitelist": PROTOCOLS["http" if remote else "file"]},
            timeout=(OPEN_S, READ_S),
        )
    except av.FFmpegError as error:
        raise PictureError(f"{name}: cannot be read as a video ({reason_of(error)})") from None
    return container


def video_stream(container: Any, source: str) -> VideoStream:
    """The pictures of a container. Raises `PictureError` where it has none that can be decoded."""
    cover = import_av().stream.Disposition.attached_pic
    streams = [one for one in container.streams.video if not one.disposition & cover]
    if not streams:
        sound = sound_codec(container)
        raise PictureError(f"{source}: no video in it" + (f", only sound ({sound})" * bool(sound)))
    stream: VideoStream = streams[0]
    if stream.codec_context is None:
        raise PictureError(f"{source}: its codec is not known to FFmpeg; convert it to H.264 first")
    stream.codec_context.thread_count = 1
    return stream


def sound_codec(container: Any) -> str | None:
    """Name of the codec of a container's first sound track, or None."""
    for stream in container.streams.audio:
        return str(stream.codec_context.name) if stream.codec_context else "an unknown codec"
    return None


def moment_s(stream: Any, stamp: int) -> float:
    """Seconds from the start of a stream to a time stamp; exact, so that 4.7 s is 4.7 s."""
    return float((stamp - (stream.start_time or 0)) * (stream.time_base or 1))


def start_s(stream: Any) -> float:
    """Seconds at which a stream starts on its own clock."""
    return float((stream.start_time or 0) * (stream.time_base or 0))
