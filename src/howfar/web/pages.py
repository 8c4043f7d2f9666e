"""The page and its parts: the files that were in the package when the server started, no others."""

from __future__ import annotations

import hashlib
from importlib.resources import files

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from howfar.web.limits import Refusal

STATIC_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".jpg": "image/jpeg",
}


def add_pages(app: FastAPI) -> None:
    """Add `/`, `/docs` and `/static/...`."""
    pages = _pages()

    def answer(request: Request, name: str) -> Response:
        if name not in pages:
            raise Refusal(404, f"there is no {request.url.path}", "NotFound")
        media_type, tag, data = pages[name]
        headers = {"ETag": tag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(data, media_type=media_type, headers=headers)

    @app.get("/", include_in_schema=False)
    async def page(request: Request) -> Response:
        return answer(request, "index.html")

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> Response:
        return answer(request, "api.html")

    @app.get("/favicon.ico", include_in_schema=False)
    async def icon(request: Request) -> Response:
        return answer(request, "icon.svg")

    @app.get("/static/{name:path}", include_in_schema=False)
    async def static(request: Request, name: str) -> Response:
        return answer(request, name)


def _pages() -> dict[str, tuple[str, str, bytes]]:
    """Name -> (media type, ETag, bytes) of everything in `static`."""
    found: dict[str, tuple[str, str, bytes]] = {}
    folders = [("", files("howfar.web") / "static")]
    while folders:
        prefix, folder = folders.pop()
        for entry in folder.iterdir():
            if entry.is_dir():
                folders.append((f"{prefix}{entry.name}/", entry))
                continue
            suffix = "." + entry.name.rpartition(".")[2]
            if suffix in STATIC_TYPES:
                data = entry.read_bytes()
                tag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
                found[prefix + entry.name] = (STATIC_TYPES[suffix], tag, data)
    return found
