"""Answers on their way: bounded in bytes and time, so that slow readers do not fill the memory."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from howfar.web.limits import Refusal


class Sending:
    """Counts the bytes of answers that are not yet read by their clients.

    Args:
        most_bytes: of all of them; a larger one goes out only alone.
        most_seconds: after which an answer that is still being read is cut off.
    """

    def __init__(self, most_bytes: int, most_seconds: float) -> None:
        self.most_bytes, self.most_seconds = most_bytes, most_seconds
        self.bytes = 0

    def answer(self, data: bytes, media_type: str, headers: Mapping[str, str]) -> Response:
        """The answer with `data`; raises `Refusal` (503) where too much is on its way already."""
        if self.bytes and self.bytes + len(data) > self.most_bytes:
            text = "too many files are being sent; try again soon"
            raise Refusal(503, text, "Busy", 2)
        self.bytes += len(data)
        return _Counted(self, data, media_type, headers)


class _Counted(Response):
    """A response that is given back when it was sent, or cut off."""

    def __init__(
        self, sending: Sending, data: bytes, media_type: str, headers: Mapping[str, str]
    ) -> None:
        super().__init__(data, media_type=media_type, headers=headers)
        self._sending, self._length = sending, len(data)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(self._sending.most_seconds):
                await super().__call__(scope, receive, send)
        except TimeoutError:
            pass  # an answer that is not whole closes the connection
        finally:
            self._sending.bytes -= self._length
