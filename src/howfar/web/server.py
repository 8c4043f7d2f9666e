"""What the routes share: networks behind a queue, results, counters."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from howfar.core.result import Result
from howfar.errors import PictureError
from howfar.io.records import result_record
from howfar.media import decode_image
from howfar.options import Options
from howfar.pipeline import Ranger
from howfar.web.asking import Asked
from howfar.web.fetching import fetch_public
from howfar.web.files import (
    FILES,
    as_json,
    encode_file,
    file_entries,
    is_straightened,
    values_per_unit,
)
from howfar.web.jobs import Jobs
from howfar.web.limits import Limits, Refusal, check_pixels
from howfar.web.metrics import Metrics
from howfar.web.results import Kept, Results, new_name
from howfar.web.sending import Sending
from howfar.web.stream import over

PER_UNIT = "Howfar-Values-Per-Unit"
"""Header of order.png: 16-bit values for one unit of an object's `relative_depth`."""
STRAIGHTENED = "Howfar-Straightened"
"""Header of a prediction whose boxes and depth lie on `picture.jpg`, not on what was sent."""
FETCHES = 4
"""Addresses that are fetched at a time."""


@dataclass(frozen=True)
class Settings:
    """How a server behaves.

    Attributes:
        limits: what clients may ask for.
        allow_urls: whether pictures are fetched from public addresses.
        hosts: names under which the server is reached, beside numbers and localhost.
        options: what holds for all requests: the camera.
    """

    limits: Limits = field(default_factory=Limits)
    allow_urls: bool = False
    hosts: Collection[str] = ()
    options: Options = field(default_factory=Options)


class Server:
    """What the routes share.

    Args:
        rangers: one for each worker.
        settings: of the server.
    """

    def __init__(self, rangers: Sequence[Ranger], settings: Settings) -> None:
        self.settings, self.limits = settings, settings.limits
        self.metrics = Metrics()
        self.jobs = Jobs(rangers, self.limits.waiting, self.metrics)
        self.results = Results(self.limits.results_bytes)
        self.sending = Sending(self.limits.results_bytes, self.limits.answer_seconds)
        self._fetches = asyncio.Semaphore(FETCHES)
        self._fetching = 0
        self.streams = 0
        self.models = _models(rangers[0])
        self.classes = _classes(rangers[0])
        gauge = self.metrics.gauge
        gauge("howfar_jobs_pending", "Running or waiting.", lambda: self.jobs.pending)
        gauge("howfar_results", "Results kept.", lambda: len(self.results))
        gauge("howfar_results_bytes", "Memory of results kept.", lambda: self.results.bytes)
        gauge("howfar_streams", "Live streams.", lambda: self.streams)

    async def predict(
        self, request: Request, data: bytes, source: str, asked: Asked, spent: float = 0.0
    ) -> Response:
        """Run the networks on a picture and keep the result; `spent` seconds are gone already."""
        options = over(self.settings.options, asked.options())
        name = new_name()

        def work(ranger: Ranger) -> tuple[Kept, bool]:
            check_pixels(data, self.limits.pixels)
            image = decode_image(data, source)
            result = ranger.run(image, options)
            kept = Kept(result, result_record(result, file_entries(result, name)))
            return kept, is_straightened(result, image)

        seconds = max(0.0, self.limits.request_seconds - spent)
        kept, straightened = await self.until_gone(request, self.jobs.run(work, seconds))
        body = as_json(kept.record)
        self.results.add(name, kept)
        headers = {"Content-Location": f"/v1/results/{name}"}
        if straightened:
            headers[STRAIGHTENED] = "1"
        return Response(body, media_type="application/json", headers=headers)

    async def until_gone(self, request: Request, job: Any) -> Any:
        """The value of a job, which is dropped when its client leaves."""
        task = asyncio.ensure_future(job)
        gone = asyncio.ensure_future(_gone(request))
        try:
            await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                self.metrics.gone.add()
                raise ClientDisconnect
            return task.result()
        finally:
            for one in (task, gone):
                one.cancel()
            await asyncio.gather(task, gone, return_exceptions=True)

    async def file(self, request: Request, result: Result, name: str) -> Response:
        """One file of a result."""
        seconds = self.limits.request_seconds
        job = self.jobs.run(lambda _: encode_file(result, name), seconds, "encode")
        data = await self.until_gone(request, job)
        headers = {}
        if name == "order.png" and result.depth is not None:
            headers[PER_UNIT] = f"{values_per_unit(result.depth):.9g}"
        return self.sending.answer(data, FILES[name].media_type, headers)

    async def fetch(self, request: Request, url: str) -> bytes:
        """The body of a public address. Raises `Refusal`, `UsageError` or `PictureError`."""
        limits = self.limits
        if not self.settings.allow_urls:
            text = "this server fetches no addresses (start it with --allow-urls); send the picture"
            raise Refusal(403, text, "Forbidden")
        if self._fetching >= FETCHES + limits.waiting:
            raise Refusal(503, "too many addresses are being fetched; try again soon", "Busy", 2)

        async def turn() -> bytes:
            async with asyncio.timeout(limits.request_seconds), self._fetches:
                return await asyncio.to_thread(
                    fetch_public, url, limits.body_bytes, limits.request_seconds
                )

        self._fetching += 1
        try:
            data: bytes = await self.until_gone(request, turn())
        except TimeoutError:
            raise PictureError(f"{url}: no answer in time") from None
        finally:
            self._fetching -= 1
        return data


async def _gone(request: Request) -> None:
    """Returns when the client has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _models(ranger: Ranger) -> list[dict[str, str]]:
    """Role, name and domain of each network."""
    pairs = [("detector", ranger.detector), ("depth", ranger.depth)]
    uses = [network.use(role) for role, network in pairs if network is not None]
    if ranger.joint is not None:  # it does the work of both
        uses = [ranger.joint.use("joint")]
    if ranger.semantic is not None:
        uses.append(ranger.semantic.use("semantic"))
    return [{"role": use.role, "name": use.name, "domain": use.domain} for use in uses]


def _classes(ranger: Ranger) -> list[str]:
    """Names that the detector can find, where its card tells."""
    card = getattr(ranger.joint or ranger.detector, "card", None)
    return list(card.classes) if card else []
