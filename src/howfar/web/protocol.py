"""HTTP/1.1 as uvicorn speaks it, except that a connection which sends nothing is closed."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

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
