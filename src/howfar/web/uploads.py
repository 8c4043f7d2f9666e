"""The body of a request for a prediction: a picture in a form, or an address in JSON."""

from __future__ import annotations

import json
from typing import NamedTuple

from starlette.datastructures import UploadFile
from starlette.requests import Request

from howfar.errors import PictureError, UsageError
from howfar.web.limits import Refusal

FIELD = "image"
LONGEST_URL = 2000


class Upload(NamedTuple):
    """A picture's bytes and name, or the address to fetch it from."""

    data: bytes
    name: str
    url: str | None = None


async def read_upload(request: Request) -> Upload:
    """What a body holds.

    Raises `Refusal` 415 for another type of body, 422 for one that is not what its type says,
    `PictureError` for a form without a picture.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await _from_form(request)
    if kind == "application/json":
        return Upload(b"", "", _url(await request.body()))
    text = f"a body of type {kind or 'none'!r}; send a form with the field {FIELD!r}, or JSON"
    raise Refusal(415, text, "UsageError")


async def _from_form(request: Request) -> Upload:
    async with request.form(max_files=1, max_fields=4) as form:
        file = form.get(FIELD)
        if not isinstance(file, UploadFile):
            raise PictureError(f"the form has no file in a field named {FIELD!r}")
        name = (file.filename or FIELD).replace("\\", "/").rpartition("/")[2][:200]
        return Upload(await file.read(), name or FIELD)


def _url(body: bytes) -> str:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UsageError("the body is no JSON") from error
    url = value.get("url") if isinstance(value, dict) else None
    if not isinstance(url, str) or not 0 < len(url) <= LONGEST_URL or set(value) != {"url"}:
        raise UsageError('the body is not {"url": "https://..."}')
    return url
