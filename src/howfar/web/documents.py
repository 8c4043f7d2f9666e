"""The OpenAPI document: FastAPI's, with the schema of results and every error that can come."""

from __future__ import annotations

import copy
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from howfar.io.schema import RESULT_SCHEMA
from howfar.web.uploads import FIELD, LONGEST_URL

_ERROR: dict[str, Any] = {
    "title": "Error",
    "type": "object",
    "required": ["error", "kind"],
    "additionalProperties": False,
    "properties": {
        "error": {"type": "string", "description": "one line: the thing, its value, the way out"},
        "kind": {"type": "string", "description": "PictureError, UsageError, TooLarge, Busy ..."},
    },
}


def _error(text: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Error"}
    return {"description": text, "content": {"application/json": {"schema": schema}}}


ERRORS: dict[int | str, dict[str, Any]] = {
    400: _error("The form is damaged."),
    403: _error("Not allowed: a foreign host or page, or an address without --allow-urls."),
    404: _error("No such result, or no longer."),
    408: _error("The body did not arrive in time."),
    413: _error("The body is too long."),
    415: _error("The body is neither a form nor JSON."),
    422: _error("The picture or an option cannot be used."),
    503: {
        **_error("Too many requests wait; try again after Retry-After seconds."),
        "headers": {"Retry-After": {"schema": {"type": "integer", "minimum": 1}}},
    },
    504: _error("No answer in time."),
}

RESULT: dict[str, Any] = {
    "description": "The record of the picture.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Result"}}},
}

_FORM = {
    "schema": {
        "type": "object",
        "required": [FIELD],
        "properties": {
            FIELD: {
                "type": "string",
                "format": "binary",
                "description": "JPEG, PNG, WebP, BMP, TIFF or GIF",
            }
        },
    },
    "encoding": {FIELD: {"contentType": "image/*"}},
}
_URL = {
    "schema": {
        "type": "object",
        "required": ["url"],
        "additionalProperties": False,
        "properties": {
            "url": {
                "type": "string",
                "format": "uri",
                "minLength": 1,
                "maxLength": LONGEST_URL,
                "description": "public http(s) address on port 80 or 443",
            }
        },
    }
}
REQUEST_BODY: dict[str, Any] = {
    "required": True,
    "content": {"multipart/form-data": _FORM, "application/json": _URL},
}


def binary(media_type: str) -> dict[str, Any]:
    """The answer of a file."""
    schema = (
        {"type": "string"}
        if media_type.startswith("text/")
        else {"type": "string", "format": "binary"}
    )
    return {"description": "The file.", "content": {media_type: {"schema": schema}}}


def openapi(app: FastAPI, allow_urls: bool) -> dict[str, Any]:
    """The document of an application, made once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        result = _with_refs(copy.deepcopy(RESULT_SCHEMA))
        schemas["Object"] = result.pop("$defs")["object"]
        result.pop("$schema", None)
        schemas["Result"] = result
        schemas["Error"] = _ERROR
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        if not allow_urls:
            body = document["paths"]["/v1/predict"]["post"]["requestBody"]
            body["content"] = {"multipart/form-data": _FORM}
        app.openapi_schema = document
    return app.openapi_schema


def _with_refs(schema: Any) -> Any:
    """A schema whose `#/$defs/object` is the document's `Object`."""
    if isinstance(schema, dict):
        renamed = {key: _with_refs(value) for key, value in schema.items()}
        if renamed.get("$ref") == "#/$defs/object":
            renamed["$ref"] = "#/components/schemas/Object"
        return renamed
    if isinstance(schema, list):
        return [_with_refs(value) for value in schema]
    return schema
