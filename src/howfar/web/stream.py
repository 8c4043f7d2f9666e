"""`WS /v1/stream`: frames in, results out; old frames are dropped so that latency stays flat."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from dataclasses import replace
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from howfar.core.result import Result
from howfar.errors import HowfarError, UsageError
from howfar.io.records import result_record
from howfar.io.sinks import encode_picture
from howfar.media import decode_image
from howfar.options import Options
from howfar.pipeline import Ranger
from howfar.web.asking import options_of
from howfar.web.files import as_json, is_straightened, small_depth
from howfar.web.jobs import Jobs
from howfar.web.limits import Limits, Refusal, check_pixels, refusal_of, too_long
from howfar.web.metrics import Metrics

logger = logging.getLogger("uvicorn.error")

DEPTH_SIDE = 320
"""Pixels of the longer side of the depth that goes with a frame."""
POLICY_VIOLATION, INTERNAL_ERROR, TRY_AGAIN_LATER = 1008, 1011, 1013
YES = ("1", "true")

Sent = tuple[dict[str, Any], list[bytes]]
"""What a frame is answered: a record, and the binary messages after it."""


class Stream:
    """One client's frames.

    Each binary message is a picture. Each is answered by a text message `{frame, dropped, result,
    depth, picture}` or `{frame, dropped, error, kind}`, unless a newer one came before its turn;
    where depth is asked for, and there, a binary message with a 16-bit PNG follows; where the
    picture is asked for, and the camera's lens distortion was taken out of it, one with a JPEG. A
    text message from the client is a JSON object of new options.
    """

    def __init__(
        self, socket: WebSocket, jobs: Jobs, limits: Limits, metrics: Metrics, base: Options
    ) -> None:
        self._socket, self._jobs, self._limits = socket, jobs, limits
        self._metrics, self._base = metrics, base
        self._options = base
        self._depth = self._picture = self._over = False
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
            await self._send({"error": str(error), "kind": "UsageError"})
            await self._socket.close(POLICY_VIOLATION)
            return
        answering = asyncio.create_task(self._answer_or_close())
        try:
            await self._read()
        except WebSocketDisconnect:
            pass
        finally:
            self._over = True
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)

    def _ask(self, values: dict[str, Any]) -> None:
        """Take new options; `depth` and `picture` say whether they are wanted with each frame."""
        wanted = [str(values.pop(name, "")).lower() in YES for name in ("depth", "picture")]
        self._options = over(self._base, options_of(values))
        self._depth, self._picture = wanted

    async def _read(self) -> None:
        while True:
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
            await self._send({"error": told, "kind": "UsageError"})

    async def _answer_or_close(self) -> None:
        try:
            await self._answer()
        except WebSocketDisconnect:
            pass
        except Exception:  # else the client would wait for an answer that never comes
            logger.exception("a live stream failed")
            self._metrics.frames.add(outcome="failed")
            await self._socket.close(INTERNAL_ERROR)

    async def _answer(self) -> None:
        while not self._over:  # before Python 3.12, wait_for may swallow that it is cancelled
            await self._arrived.wait()
            self._arrived.clear()
            frame, self._newest = self._newest, None
            if frame is None:
                continue
            number, time_s, data = frame
            text, binary = await self._result(number, time_s, data)
            outcome = "refused" if "error" in text else "answered"
            self._metrics.frames.add(outcome=outcome)
            await self._send({"frame": number, "dropped": self._dropped, **text}, binary)

    async def _result(self, number: int, time_s: float, data: bytes) -> Sent:
        options, limits = self._options, self._limits
        depth, picture = self._depth, self._picture

        def work(ranger: Ranger) -> Sent:
            check_pixels(data, limits.pixels)
            image = replace(decode_image(data, "stream"), frame_index=number, time_s=time_s)
            result = ranger.run(image, options)
            return _answer_of(result, depth, picture and is_straightened(result, image))

        try:
            if len(data) > limits.body_bytes:
                raise too_long(limits.body_bytes)
            return await self._jobs.run(work, limits.request_seconds)
        except Refusal as refusal:
            return refusal.record(), []
        except (HowfarError, MemoryError) as error:
            return refusal_of(error).record(), []

    async def _send(self, record: dict[str, Any], binary: list[bytes] | None = None) -> None:
        if self._socket.client_state is not WebSocketState.CONNECTED:
            return
        await self._socket.send_text(json.dumps(record, allow_nan=False))
        for data in binary or []:
            await self._socket.send_bytes(data)


def _answer_of(result: Result, depth: bool, picture: bool) -> Sent:
    record: dict[str, Any] = {"result": result_record(result), "depth": None, "picture": None}
    as_json(record)  # or refuse what it cannot hold
    binary = []
    if depth and result.depth is not None:
        data, per_metre, per_unit = small_depth(result, DEPTH_SIDE)
        record["depth"] = {
            "values_per_metre": per_metre,
            "values_per_unit": per_unit,
            "bytes": len(data),
        }
        binary.append(data)
    if picture:
        data = encode_picture(result.image.pixels, ".jpg")
        record["picture"] = {"bytes": len(data)}
        binary.append(data)
    return record, binary


def over(base: Options, asked: Options) -> Options:
    """What a client asks for, over what the server was started with."""
    if base.camera is None:
        return asked
    return replace(asked, camera=base.camera)
