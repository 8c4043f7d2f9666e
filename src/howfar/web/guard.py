"""Around every request: hosts, origins, sizes and times of bodies, headers of answers, counting."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from howfar.web.limits import Limits, Refusal, host_is_known, origin_is_own, too_long
from howfar.web.metrics import Metrics

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""The page needs nothing from anywhere else, and nothing else may use it."""
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
COUNTED_METHODS = (*SAFE_METHODS, "POST", "PUT", "PATCH", "DELETE")
"""Others are counted as one: a client may invent as many as it likes."""
POLICY_VIOLATION = 1008


class Guard:
    """ASGI middleware.

    Args:
        app: what is guarded.
        limits: of bodies.
        hosts: names beside numbers and localhost under which the server is reached.
        metrics: told about every answer.
    """

    def __init__(
        self, app: ASGIApp, limits: Limits, hosts: Collection[str], metrics: Metrics
    ) -> None:
        self.app, self.limits, self.hosts, self.metrics = app, limits, hosts, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection's scope."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket" and self._foreign(scope) is not None:
            await receive()
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        else:
            await self.app(scope, receive, send)

    def _foreign(self, scope: Scope) -> Refusal | None:
        """Why a request is not for this server, or not from its page."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not host_is_known(host, self.hosts):
            text = f"host {host!r} is not this server; start it with --allow-host to use that name"
            return Refusal(403, text, "ForeignHost")
        changes = scope["type"] == "websocket" or scope["method"] not in SAFE_METHODS
        if changes and not origin_is_own(headers.get("origin"), host):
            text = f"pages of {headers['origin']} may not use this server"
            return Refusal(403, text, "ForeignOrigin")
        return None

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = time.perf_counter()
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            refusal = self._foreign(scope) or self._announced(scope)
            if refusal is not None:
                await _refuse(refusal, answer)
            else:
                await self.app(scope, _Body(receive, self.limits).receive, answer)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            method = scope["method"] if scope["method"] in COUNTED_METHODS else "other"
            self.metrics.requests.add(route=route, method=method, status=str(status))
            self.metrics.seconds.observe(time.perf_counter() - start, route=route)

    def _announced(self, scope: Scope) -> Refusal | None:
        """The refusal of a body whose length, told in advance, is too long."""
        length = Headers(scope=scope).get("content-length", "")
        if length.isdecimal() and int(length) > self.limits.body_bytes:
            return too_long(self.limits.body_bytes)
        return None


class _Body:
    """The messages of a request, within limits."""

    def __init__(self, receive: Receive, limits: Limits) -> None:
        self._receive, self._limits = receive, limits
        self._deadline = time.monotonic() + limits.body_seconds
        self._bytes = 0
        self._complete = False

    async def receive(self) -> Message:
        """The next message. Raises `Refusal` 413 and 408 while the body comes in."""
        if self._complete:
            return await self._receive()
        left = self._deadline - time.monotonic()
        try:
            message = await asyncio.wait_for(self._receive(), max(left, 0))
        except TimeoutError:
            text = f"the body did not arrive within {self._limits.body_seconds:g} s"
            raise Refusal(408, text, "TimedOut") from None
        self._bytes += len(message.get("body", b""))
        if self._bytes > self._limits.body_bytes:
            raise too_long(self._limits.body_bytes)
        self._complete = not message.get("more_body", False)
        return message


async def _refuse(refusal: Refusal, send: Send) -> None:
    body = json.dumps(refusal.record()).encode()
    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "connection": "close",
        **refusal.headers(),
    }
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
