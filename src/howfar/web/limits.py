"""What the server accepts: sizes, times, hosts. Every refusal is one clear line with a status."""

from __future__ import annotations

import io
import ipaddress
import math
import socket
import warnings
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

import PIL.Image

from howfar.errors import (
    HowfarError,
    OutputError,
    PictureError,
    ProfileError,
    ScaleError,
    UsageError,
)
from howfar.media import DAMAGE, FORMATS

UNPROCESSABLE = 422
BELOW_SERVER_ERRORS = (UsageError, PictureError, ProfileError, ScaleError, OutputError)
"""What the caller can mend; the rest is the server's own failure."""


@dataclass(frozen=True)
class Limits:
    """How much one client may ask for, and how much all of them may.

    Attributes:
        body_bytes: longest body, and longest frame of a stream.
        pixels: largest picture.
        body_seconds: longest time that a body may take to arrive.
        request_seconds: longest time from the whole body to the answer, the queue included.
        waiting: requests that may wait for a network; one more is sent away with 503.
        streams: live streams at a time.
        connections: connections at a time.
        results_bytes: memory for results that can still be fetched; the oldest go first. As much
            again for files on their way to clients; one more is sent away with 503.
        answer_seconds: longest time in which a client may read a file.
    """

    body_bytes: int = 20_000_000
    pixels: int = 25_000_000
    body_seconds: float = 20.0
    request_seconds: float = 30.0
    waiting: int = 16
    streams: int = 8
    connections: int = 128
    results_bytes: int = 256_000_000
    answer_seconds: float = 600.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not (0 < value < math.inf) and name != "waiting":
                raise UsageError(f"{name} is {value}; give a number above 0")
        if self.waiting < 0:
            raise UsageError(f"waiting is {self.waiting}; give 0 or more")


class Refusal(Exception):  # noqa: N818 - an answer, not a fault of the program
    """A request that is answered with an error.

    Args:
        status: of HTTP.
        message: one line that names the thing, the value and the way out.
        kind: name of the kind of error.
        retry_after: seconds after which trying again makes sense.
    """

    def __init__(self, status: int, message: str, kind: str, retry_after: int | None = None):
        super().__init__(message)
        self.status, self.message, self.kind, self.retry_after = status, message, kind, retry_after

    def record(self) -> dict[str, str]:
        """The body of the answer."""
        return {"error": self.message, "kind": self.kind}

    def headers(self) -> dict[str, str]:
        """Retry-After, where it makes sense."""
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}


def refusal_of(error: HowfarError | MemoryError) -> Refusal:
    """The refusal that an error of the pipeline becomes."""
    if isinstance(error, MemoryError):
        return Refusal(UNPROCESSABLE, "not enough memory; make the picture smaller", "PictureError")
    status = UNPROCESSABLE if isinstance(error, BELOW_SERVER_ERRORS) else 500
    return Refusal(status, str(error), type(error).__name__)


def too_long(limit: int) -> Refusal:
    """The refusal of a body or frame of more than `limit` bytes."""
    text = f"more than {limit / 1e6:g} MB were sent; make the picture smaller or save it as JPEG"
    return Refusal(413, text, "TooLarge")


def check_pixels(data: bytes, most: int) -> None:
    """Refuse a picture of more than `most` pixels by its header, before anything is decoded.

    What is no picture passes: the decoder says what is wrong with it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with PIL.Image.open(io.BytesIO(data), formats=FORMATS) as picture:
                width, height = picture.size
    except PIL.Image.DecompressionBombError as error:
        raise Refusal(UNPROCESSABLE, f"too many pixels ({error})", "TooLarge") from error
    except DAMAGE:
        return
    if width * height > most:
        text = (
            f"the picture has {width} x {height} = {width * height / 1e6:.1f} million pixels; this "
            f"server takes up to {most / 1e6:g} million"
        )
        raise Refusal(UNPROCESSABLE, text, "TooLarge")


def host_is_known(host: str, allowed: Collection[str]) -> bool:
    """Whether a Host header names this server in a way that no foreign web page can.

    A page of `evil.example` whose name is made to resolve to this machine (DNS rebinding) sends its
    own name. Numbers, `localhost`, this machine's own name and those allowed pass.
    """
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    if name in {"localhost", socket.gethostname().lower(), *(one.lower() for one in allowed)}:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def origin_is_own(origin: str | None, host: str) -> bool:
    """Whether a request comes from this server's own page, or from no page at all."""
    if origin is None:
        return True
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False
