"""HTTP/1.1 as uvicorn speaks it, except that a connection which sends nothing is closed."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 15.0
"""Time from the connection to the end of its first request's head."""


class Http(H11Protocol):
    """One connection."""

    def connection_made(self, transport: Any) -> None:
        """Start the clock."""
        super().connection_made(transport)
        self._clock = asyncio.get_running_loop().call_later(HEAD_SECONDS, self._late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop it."""
        self._clock.cancel()
        super().connection_lost(exc)

    def _late(self) -> None:
        waiting = self.cycle is None and self.transport.get_protocol() is self  # no WebSocket yet
        if waiting and not self.transport.is_closing():
            self.transport.close()
