"""HTTP/1.1 and WebSocket as uvicorn speaks them, except for two things.

A connection which sends nothing is closed, and a WebSocket message which is too long is cut off
instead of ending the connection.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

HEAD_SECONDS = 15.0
"""Time from the connection, and from each answer on, to the end of the next request's head."""


class Http(H11Protocol):
    """One connection."""

    def connection_made(self, transport: Any) -> None:
        """Start the clock."""
        super().connection_made(transport)
        self._clock = self._wound()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop it."""
        self._clock.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Start it anew: half a head keeps uvicorn's own clock of idle connections from ending."""
        self._clock.cancel()
        self._clock = self._wound()
        super().on_response_complete()

    def _wound(self) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(HEAD_SECONDS, self._late)

    def _late(self) -> None:
        waiting = self.cycle is None or self.cycle.response_complete
        http = self.transport.get_protocol() is self  # no WebSocket yet
        if waiting and http and not self.transport.is_closing():
            self.transport.close()


class WebSocket(WebSocketsSansIOProtocol):
    """One connection whose messages are cut off after `ws_max_size` bytes.

    uvicorn would end the connection at the head of a longer one. Needs
    `ws_per_message_deflate=False`: a compressed message that is cut off cannot be unpacked, nor can
    those after it.
    """

    _cut: Cut | None = None

    def data_received(self, data: bytes) -> None:
        """The head of the request comes first and whole, from the protocol that read it."""
        if self._cut is None:
            self._cut = Cut(self.config.ws_max_size)
        else:
            data = self._cut(data)
        if data:
            super().data_received(data)


class Cut:
    """Takes the bytes of WebSocket frames (RFC 6455) and gives them back, messages cut off.

    Frames keep their heads, with their lengths made right, so that messages end where they did.

    Args:
        most: longest message in bytes; of longer ones so many are left.
    """

    def __init__(self, most: int) -> None:
        self._most = self._room = most
        self._head = b""
        self._keep = self._skip = 0

    def __call__(self, data: bytes) -> bytes:
        """What is left of the next bytes, however they were divided on their way."""
        left = bytearray()
        while data:
            if self._keep:
                left += data[: self._keep]
                data, self._keep = data[self._keep :], max(0, self._keep - len(data))
            elif self._skip:
                data, self._skip = data[self._skip :], max(0, self._skip - len(data))
            else:
                missing = head_length(self._head) - len(self._head)
                self._head, data = self._head + data[:missing], data[missing:]
                if len(self._head) == head_length(self._head):
                    left += self._shortened()
        return bytes(left)

    def _shortened(self) -> bytes:
        """The head of the frame that begins, with the length that is left of it."""
        head, self._head = self._head, b""
        length, mask = payload_length(head), head[-4:] if head[1] & MASKED else b""
        kept = length
        if not head[0] & CONTROL:
            if head[0] & OPCODE:
                self._room = self._most
            kept = min(length, self._room)
            self._room -= kept
        self._keep, self._skip = kept, length - kept
        if kept == length:
            return head
        first = head[0]
        if first & OPCODE == TEXT:  # may end in half a character; as bytes it is refused as well
            first = first & ~OPCODE | BINARY
        return bytes([first, head[1] & MASKED | LONG]) + kept.to_bytes(8, "big") + mask


TEXT, BINARY = 1, 2
OPCODE, CONTROL, MASKED, LENGTH, MIDDLE, LONG = 0x0F, 0x08, 0x80, 0x7F, 126, 127
"""Bits of a frame's first two bytes; and the lengths that say that 2 or 8 bytes tell the length."""


def head_length(head: bytes) -> int:
    """Bytes of a frame's head, as far as its first ones tell: 2 or more."""
    if len(head) < 2:
        return 2
    longer = {MIDDLE: 2, LONG: 8}.get(head[1] & LENGTH, 0)
    return 2 + longer + (4 if head[1] & MASKED else 0)


def payload_length(head: bytes) -> int:
    """Bytes that follow a whole head."""
    length = head[1] & LENGTH
    if length < MIDDLE:
        return length
    return int.from_bytes(head[2:4] if length == MIDDLE else head[2:10], "big")
