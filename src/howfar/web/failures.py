"""Every error as one line of JSON: {"error": ..., "kind": ...}."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from howfar.errors import HowfarError
from howfar.web.asking import validation_text
from howfar.web.limits import Refusal, refusal_of

GONE = 499
"""Of a client that left; it is counted and never arrives."""


def add_failures(app: FastAPI) -> None:
    """Add a handler for each kind."""

    @app.exception_handler(Refusal)
    async def refused(_request: Request, error: Refusal) -> JSONResponse:
        return JSONResponse(error.record(), error.status, error.headers())

    @app.exception_handler(HowfarError)
    async def failed(_request: Request, error: HowfarError) -> JSONResponse:
        refusal = refusal_of(error)
        return JSONResponse(refusal.record(), refusal.status)

    @app.exception_handler(MemoryError)
    async def too_big(_request: Request, error: MemoryError) -> JSONResponse:
        refusal = refusal_of(error)
        return JSONResponse(refusal.record(), refusal.status)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        return JSONResponse({"error": validation_text(error.errors()), "kind": "UsageError"}, 422)

    @app.exception_handler(HTTPException)
    async def refused_by_framework(_request: Request, error: HTTPException) -> JSONResponse:
        kind = {404: "NotFound", 405: "MethodNotAllowed"}.get(error.status_code, "UsageError")
        record = {"error": str(error.detail), "kind": kind}
        return JSONResponse(record, error.status_code, error.headers)

    @app.exception_handler(ClientDisconnect)
    async def gone(_request: Request, _error: ClientDisconnect) -> Response:
        return Response(status_code=GONE)
