"""Cameras and streams: frames as they come, found again when they are lost."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import cv2
import numpy as np

from howfar.core.image import Image, RgbArray
from howfar.errors import PictureError
from howfar.io.avcodec import FramePixels, import_av, reason_of
from howfar.io.clip import Clip
from howfar.io.videoframes import sound_codec, video_stream

if TYPE_CHECKING:
    from av.container import InputContainer

OPEN_S, SILENCE_S = 10.0, 10.0
"""Longest wait for a stream to open, and for its next frame: then it counts as lost."""
FIRST_DELAY_S, LONGEST_DELAY_S = 0.5, 8.0
"""Wait before the first try to find a lost stream again; it doubles from try to try."""
GIVE_UP_S = 300.0
"""A stream that is lost for so long is given up."""
CLOCK_SLIP_S = 1.0
"""A stream's clock is believed as long as it is not farther than this from ours."""
QUICK = {"flags": "low_delay", "analyzeduration": "200000"}
"""No frame is held back, and what a stream holds is found out in .2 s, not 5."""
NO_CLOCK = ("mpjpeg", "mjpeg")
"""Formats without times of frames, for which FFmpeg makes some up."""
PROTOCOLS = "http,https,tls,tcp,udp,rtp,rtsp,crypto,data,httpproxy"
TRANSPORTS = ("tcp", "udp")
"""How RTSP streams are asked for, in this order."""

Timed = tuple[float | None, Callable[[], RgbArray]]
"""Seconds on the stream's own clock, or None, and what makes the pixels of the frame."""


class Link(Protocol):
    """A way to one camera or stream.

    Attributes:
        fps: frames per second that it announced, or None.
        sound: name of the sound's codec, or None.
    """

    fps: float | None
    sound: str | None

    def frames(self, damage: Callable[[], None]) -> Generator[Timed, None, None]:
        """Open it and yield its frames; `damage` is called for each that cannot be decoded.

        Returns where the source is over; raises `PictureError` where it cannot be opened or is
        lost.
        """
        ...


class Live:
    """The frames of a camera or stream, with `time_s` since its first frame.

    When it is lost, by an error, its end or silence, it is sought again after 0.5, 1, 2, 4 and then
    every 8 seconds; `news` says so. Time goes on meanwhile; frame numbers count what came.

    Attributes:
        count: None: nobody knows how many frames will come.
        live: True: it does not wait for its user.
        damaged: frames that could not be decoded so far.
        lost: how often it was lost.
        news: sentences on what happened since they were last taken.

    Iterating raises `PictureError` where it cannot be opened at first, or is lost for 5 minutes.
    """

    live = True
    count = None

    def __init__(
        self,
        source: str,
        link: Link,
        clip: Clip = Clip(),  # noqa: B008 - frozen
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.source, self.link, self.clip = source, link, clip
        self.damaged = self.lost = 0
        self.news: deque[str] = deque()
        self._now, self._sleep = now, sleep

    @property
    def fps(self) -> float | None:
        """Frames per second that it announced, or None."""
        return self.link.fps

    @property
    def sound(self) -> str | None:
        """Name of the sound's codec, or None."""
        return self.link.sound

    def __iter__(self) -> Iterator[Image]:
        for index, time_s, pixels in self.clip.pick(self._frames()):
            yield Image(pixels(), self.source, time_s=time_s, frame_index=index)

    def _frames(self) -> Iterator[tuple[int, float, Callable[[], RgbArray]]]:
        """All frames of all connections: index, time_s, pixels."""
        index = 0
        begin = last = self._now()
        delay_s = 0.0
        while True:
            clock = StreamClock()
            frames = self.link.frames(self._damage)
            try:
                for stream_s, pixels in frames:
                    last = self._now()
                    begin = begin if index else last
                    if delay_s:
                        self.news.append(f"Back at {last - begin:.1f} s.")
                        delay_s = 0.0
                    yield index, clock.time_s(stream_s, last - begin), pixels
                    index += 1
                if not index:
                    raise PictureError(f"{self.source}: no frame came")
                return
            except PictureError as error:
                if not index:
                    raise
                reason = str(error).removeprefix(f"{self.source}: ")
            finally:
                frames.close()
            if not delay_s:
                self.lost += 1
                at_s = self._now() - begin
                self.news.append(f"Lost at {at_s:.1f} s ({reason}); looking for it again.")
            elif self._now() - last > GIVE_UP_S:
                raise PictureError(
                    f"{self.source}: lost, and not back within {GIVE_UP_S:g} s ({reason})"
                )
            delay_s = min(2 * delay_s, LONGEST_DELAY_S) or FIRST_DELAY_S
            self._sleep(delay_s)

    def _damage(self) -> None:
        self.damaged += 1
        self.news.append(f"A frame is damaged ({self.damaged} so far): passed over.")


class StreamClock:
    """Times of the frames of one connection, as even as the stream's own clock has them.

    That clock is laid on ours at the first frame, and again whenever they drift apart or it stops.
    """

    def __init__(self) -> None:
        self._shift_s: float | None = None
        self._last_s = 0.0

    def time_s(self, stream_s: float | None, arrival_s: float) -> float:
        """The time of a frame that arrived at `arrival_s`; never before that of the last."""
        moment_s = arrival_s
        if stream_s is not None:
            if self._shift_s is None or abs(stream_s + self._shift_s - arrival_s) > CLOCK_SLIP_S:
                self._shift_s = arrival_s - stream_s
            moment_s = stream_s + self._shift_s
        self._last_s = max(moment_s, self._last_s)
        return self._last_s


class StreamLink:
    """A stream at an rtsp(s) or http(s) address. A live stream that ends is lost, not over.

    Args:
        address: with user and password, where it needs them.
        name: the address as messages may show it.
    """

    def __init__(self, address: str, name: str) -> None:
        self.address, self.name = address, name
        self.fps: float | None = None
        self.sound: str | None = None
        rtsp = address.lower().startswith("rtsp")
        self._transports = list(TRANSPORTS) if rtsp else [""]

    def frames(self, damage: Callable[[], None]) -> Generator[Timed, None, None]:
        """As `Link`."""
        av = import_av()
        container = self._open()
        seen_s = 0.0
        with container:
            stream = video_stream(container, self.name)
            stream.codec_context.thread_type = "SLICE"
            self.fps = float(stream.average_rate) if stream.average_rate else None
            self.sound = sound_codec(container)
            develop = FramePixels(float(stream.sample_aspect_ratio or 1))
            packets = container.demux(stream)
            while True:
                try:
                    packet = next(packets, None)
                except av.FFmpegError as error:
                    raise self._lost(error, f"nothing came for {SILENCE_S:g} s") from None
                if packet is None or not packet.size:
                    break
                try:
                    frames = packet.decode()
                except av.FFmpegError:
                    damage()
                    continue
                for frame in frames:
                    if frame.is_corrupt:
                        damage()
                        continue
                    seen_s = frame.time or 0.0
                    moment = None if container.format.name in NO_CLOCK else frame.time
                    yield moment, partial(develop, frame)
            length_s = container.duration / 1e6 if container.duration else None
        if length_s is None or seen_s < length_s - CLOCK_SLIP_S:
            raise PictureError(f"{self.name}: the stream ended")

    def _open(self) -> InputContainer:
        """Open it in the first way that works, which is kept for the next time."""
        av = import_av()
        failure: PictureError | None = None
        for transport in list(self._transports):
            options = {"rtsp_transport": transport} if transport else {}
            try:
                container: InputContainer = av.open(
                    self.address,
                    options={"protocol_whitelist": PROTOCOLS, **QUICK, **options},
                    timeout=(OPEN_S, SILENCE_S),
                )
            except av.FFmpegError as error:
                failure = self._lost(error, f"no answer within {OPEN_S:g} s")
                continue
            self._transports = [transport]
            return container
        assert failure is not None  # noqa: S101 - at least one transport was tried
        raise failure

    def _lost(self, error: Exception, silence: str) -> PictureError:
        silent = isinstance(error, import_av().error.ExitError | TimeoutError)
        return PictureError(f"{self.name}: {silence if silent else reason_of(error)}")


class CameraLink:
    """A camera of this computer by its number, 0 is the first."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.sound: str | None = None
        self.fps: float | None = None

    def frames(self, damage: Callable[[], None]) -> Generator[Timed, None, None]:
        """As `Link`."""
        del damage
        name = f"camera {self.number}"
        log = cv2.utils.logging
        level = log.getLogLevel()
        log.setLogLevel(log.LOG_LEVEL_SILENT)  # our message says what is wrong
        try:
            capture = cv2.VideoCapture(self.number)
        finally:
            log.setLogLevel(level)
        try:
            if not capture.isOpened():
                raise PictureError(f"{name}: there is no such camera, or it is in use")
            self.fps = capture.get(cv2.CAP_PROP_FPS) or None
            while True:
                good, frame = capture.read()
                if not good:
                    raise PictureError(f"{name}: it gives no pictures")
                yield None, partial(_rgb, frame)
        finally:
            capture.release()


def _rgb(bgr: Any) -> RgbArray:
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
