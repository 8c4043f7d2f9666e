"""The web application: routes, errors, documents. `howfar serve` runs it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI, Path, Query, Request, WebSocket
from fastapi.responses import Response

from howfar import __version__
from howfar.pipeline import Ranger
from howfar.web.asking import Asked, Metres
from howfar.web.documents import ERRORS, REQUEST_BODY, RESULT, binary, openapi
from howfar.web.failures import add_failures
from howfar.web.files import FILES, as_json
from howfar.web.guard import Guard
from howfar.web.pages import add_pages
from howfar.web.results import ID_PATTERN, nearer_than
from howfar.web.server import Server, Settings
from howfar.web.stream import TRY_AGAIN_LATER, Stream
from howfar.web.uploads import read_upload

ResultId = Annotated[str, Path(pattern=ID_PATTERN, description="Name of a result.")]


def make_app(rangers: Sequence[Ranger], settings: Settings | None = None) -> FastAPI:
    """The application.

    Args:
        rangers: ready ones; each works on one request at a time.
        settings: limits and permissions.
    """
    server = Server(rangers, settings or Settings())

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(server.jobs.close)

    app = FastAPI(
        title="howfar",
        version=__version__,
        description="Finds the objects in a picture and says how far away each one is, in metres.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.server = server
    add_failures(app)
    add_pages(app)
    _add_predict(app, server)
    _add_results(app, server)
    _add_stream(app, server)
    _add_state(app, server)
    app.openapi = lambda: openapi(app, server.settings.allow_urls)  # type: ignore[method-assign]
    app.add_middleware(
        Guard, limits=server.limits, hosts=server.settings.hosts, metrics=server.metrics
    )
    return app


def _add_predict(app: FastAPI, server: Server) -> None:
    @app.post(
        "/v1/predict",
        summary="Objects of a picture with their distances",
        tags=["predict"],
        responses={200: RESULT, **ERRORS},
        openapi_extra={"requestBody": REQUEST_BODY},
    )
    async def predict(request: Request, asked: Annotated[Asked, Query()]) -> Response:
        """Send the picture as the field `image` of a form, or `{"url": ...}` where it is allowed.

        The answer is the record that `howfar predict --json` prints; its `files` can be fetched
        until newer results need the memory. Content-Location is the result's own address.
        """
        upload = await read_upload(request)
        if upload.url is None:
            return await server.predict(request, upload.data, upload.name, asked)
        start = time.monotonic()
        data = await server.fetch(request, upload.url)
        return await server.predict(request, data, upload.url, asked, time.monotonic() - start)


def _add_results(app: FastAPI, server: Server) -> None:
    errors: dict[int | str, dict[str, Any]] = {status: ERRORS[status] for status in (403, 404, 422)}

    @app.get(
        "/v1/results/{name}",
        summary="The record of a result",
        tags=["results"],
        responses={200: RESULT, **errors},
    )
    async def result(name: ResultId) -> Response:
        """The record of a result, as it was answered."""
        return Response(as_json(server.results.get(name).record), media_type="application/json")

    @app.delete(
        "/v1/results/{name}",
        summary="Forget a result",
        tags=["results"],
        status_code=204,
        responses=errors,
    )
    async def forget(name: ResultId) -> None:
        """Forget a result now."""
        server.results.remove(name)

    def add(file: str) -> None:
        answers = {
            200: binary(FILES[file].media_type),
            **errors,
            503: ERRORS[503],
            504: ERRORS[504],
        }
        filterable = file in ("annotated.png", "objects.csv")

        async def plain(request: Request, name: ResultId) -> Response:
            return await server.file(request, server.results.get(name).result, file)

        async def filtered(
            request: Request,
            name: ResultId,
            max_distance: Annotated[
                Metres | None, Query(description="Leave out what is farther, in metres.")
            ] = None,
        ) -> Response:
            nearer = nearer_than(server.results.get(name).result, max_distance)
            return await server.file(request, nearer, file)

        app.get(
            f"/v1/results/{{name}}/{file}",
            tags=["results"],
            summary=FILES[file].text[0].upper() + FILES[file].text[1:],
            name=file,
            response_class=Response,
            responses=answers,
        )(filtered if filterable else plain)

    for file in FILES:
        add(file)


def _add_stream(app: FastAPI, server: Server) -> None:
    @app.websocket("/v1/stream")
    async def stream(socket: WebSocket) -> None:
        if server.streams >= server.limits.streams:
            await socket.accept()
            text = f"{server.streams} live streams are running; try again later"
            await socket.send_json({"error": text, "kind": "Busy"})
            await socket.close(TRY_AGAIN_LATER)
            return
        server.streams += 1
        try:
            base = server.settings.options
            await Stream(socket, server.jobs, server.limits, server.metrics, base).run()
        finally:
            server.streams -= 1


def _add_state(app: FastAPI, server: Server) -> None:
    @app.get("/health", summary="Whether the server works", tags=["state"])
    async def health() -> dict[str, Any]:
        """Whether the server works, and how busy it is."""
        jobs = server.jobs
        return {
            "status": "ok",
            "version": __version__,
            "pending": jobs.pending,
            "workers": jobs.workers,
            "waiting_limit": jobs.waiting,
        }

    @app.get(
        "/metrics",
        summary="Numbers for Prometheus",
        tags=["state"],
        response_class=Response,
        responses={200: _METRICS},
    )
    async def metrics() -> Response:
        """Numbers for Prometheus."""
        return Response(server.metrics.text(), media_type="text/plain; version=0.0.4")

    @app.get("/v1/about", summary="Networks and limits", tags=["state"])
    async def about() -> dict[str, Any]:
        """The networks, their classes and the limits."""
        return {
            "version": __version__,
            "models": server.models,
            "classes": server.classes,
            "allow_urls": server.settings.allow_urls,
            "limits": dict(vars(server.limits)),
        }


_METRICS: dict[str, Any] = {"content": {"text/plain": {"schema": {"type": "string"}}}}
