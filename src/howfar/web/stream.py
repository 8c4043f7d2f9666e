"""`WS /v1/stream`: frames in, results out; old frames are dropped so that latency stays flat."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from howfar.core.result import Result
from howfar.errors import HowfarError, UsageError
from howfar.io.records import result_record
from howfar.media import decode_image
from howfar.options import Options
from howfar.pipeline import Ranger
from howfar.web.asking import options_of
from howfar.web.files import small_depth
from howfar.web.jobs import Jobs
from howfar.web.limits import Limits, Refusal, check_pixels, refusal_of, too_long
from howfar.web.metrics import Metrics

DEPTH_SIDE = 320
"""Pixels of the longer side of the depth that goes with a frame."""
POLICY_VIOLATION, TRY_AGAIN_LATER = 1008, 1013

Sent = tuple[dict[str, Any], bytes | None]


class Stream:
    """One client's frames.

    Each binary message is a picture. Each is answered by a text message `{frame, dropped, result,
    depth}` or `{frame, dropped, error, kind}`, unless a newer one came before its turn; where
    depth is asked for, and there, a binary message with a 16-bit PNG follows. A text message from
    the client is a JSON object of new options.
    """

    def __init__(
        self, socket: WebSocket, jobs: Jobs, limits: Limits, metrics: Metrics, base: Options
    ) -> None:
        self._socket, self._jobs, self._limits = socket, jobs, limits
        self._metrics, self._base = metrics, base
        self._options = base
        self._depth = False
        self._newest: tuple[int, float, bytes] | None = None
        self._arrived = asyncio.Event()
        self._frames = self._dropped = 0
        self._start = time.monotonic()

    async def run(self) -> None:
        """Answer frames until the client goes."""
        await self._socket.accept()
        try:
            self._ask(dict(self._socket.query_params))
        except UsageError as error:
            await self._send({"error": str(error), "kind": "UsageError"}, None)
            await self._socket.close(POLICY_VIOLATION)
            return
        answering = asyncio.create_task(self._answer())
        try:
            await self._read(answering)
        except WebSocketDisconnect:
            pass
        finally:
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)

    def _ask(self, values: dict[str, Any]) -> None:
        """Take new options; `depth` says whether depth is wanted with each frame."""
        depth = values.pop("depth", False)
        self._options = over(self._base, options_of(values))
        self._depth = str(depth).lower() in ("1", "true")

    async def _read(self, answering: asyncio.Task[None]) -> None:
        while not answering.done():
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            if (data := message.get("bytes")) is not None:
                self._take(data)
            else:
                await self._change(message.get("text") or "")

    def _take(self, data: bytes) -> None:
        if self._newest is not None:
            self._dropped += 1
            self._metrics.frames.add(outcome="dropped")
        self._newest = (self._frames, time.monotonic() - self._start, data)
        self._frames += 1
        self._arrived.set()

    async def _change(self, text: str) -> None:
        try:
            values = json.loads(text)
            if not isinstance(values, dict):
                raise UsageError("a text message is a JSON object of options")
            self._ask(values)
        except (ValueError, RecursionError) as error:  # JSON's errors and UsageError
            told = str(error) if isinstance(error, UsageError) else "no JSON object of options"
            await self._send({"error": told, "kind": "UsageError"}, None)

    async def _answer(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            frame, self._newest = self._newest, None
            if frame is None:
                continue
            number, time_s, data = frame
            text, depth = await self._result(number, time_s, data)
            outcome = "refused" if "error" in text else "answered"
            self._metrics.frames.add(outcome=outcome)
            await self._send({"frame": number, "dropped": self._dropped, **text}, depth)

    async def _result(self, number: int, time_s: float, data: bytes) -> Sent:
        options, wanted, limits = self._options, self._depth, self._limits

        def work(ranger: Ranger) -> Sent:
            check_pixels(data, limits.pixels)
            image = replace(decode_image(data, "stream"), frame_index=number, time_s=time_s)
            return _answer_of(ranger.run(image, options), wanted)

        try:
            if len(data) > limits.body_bytes:
                raise too_long(limits.body_bytes)
            return await self._jobs.run(work, limits.request_seconds)
        except Refusal as refusal:
            return refusal.record(), None
        except (HowfarError, MemoryError) as error:
            return refusal_of(error).record(), None

    async def _send(self, record: dict[str, Any], depth: bytes | None) -> None:
        if self._socket.client_state is not WebSocketState.CONNECTED:
            return
        await self._socket.send_text(json.dumps(record, allow_nan=False))
        if depth is not None:
            await self._socket.send_bytes(depth)


def _answer_of(result: Result, wanted: bool) -> Sent:
    record: dict[str, Any] = {"result": result_record(result), "depth": None}
    if not wanted or result.depth is None:
        return record, None
    data, per_metre, per_unit = small_depth(result, DEPTH_SIDE)
    record["depth"] = {
        "values_per_metre": per_metre,
        "values_per_unit": per_unit,
        "bytes": len(data),
    }
    return record, data


def over(base: Options, asked: Options) -> Options:
    """What a client asks for, over what the server was started with."""
    if base.camera is None:
        return asked
    return replace(asked, camera=base.camera)
