"""Pictures from the web, within limits."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import Any
from urllib.parse import quote, urlsplit

from howfar.errors import PictureError, UsageError

MAX_BYTES = 100_000_000
MAX_SECONDS = 60.0
MAX_REDIRECTS = 5
STALL_SECONDS = 20.0
"""Longest silence of a server."""
CHUNK = 1 << 16
URL_SIGNS = "%/:=&?~#+!$,;'@()*[]"
"""What has a meaning in an address; other signs outside ASCII's letters and digits are escaped."""
USER_AGENT = "howfar"


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows at most MAX_REDIRECTS, and only to http and https."""

    max_redirections = MAX_REDIRECTS

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: Any,
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """The next request; the standard library lets ftp pass as well."""
        if urlsplit(newurl).scheme not in ("http", "https"):
            text = f"{msg} - Redirection to url '{newurl}' is not allowed"
            raise urllib.error.HTTPError(req.full_url, code, text, headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def fetch_bytes(url: str, max_bytes: int = MAX_BYTES, max_seconds: float = MAX_SECONDS) -> bytes:
    """The body of an http(s) address.

    Raises `UsageError` for another scheme, `PictureError` where the address cannot be read, is
    larger than `max_bytes`, takes longer than `max_seconds` or redirects more than 5 times.
    """
    _check_scheme(url)
    stall_seconds = min(max_seconds, STALL_SECONDS)
    deadline = time.monotonic() + max_seconds
    opener = _opener()
    try:
        with opener.open(_request(url), timeout=stall_seconds) as response:
            return _read(response, url, max_bytes, deadline, max_seconds)
    except urllib.error.HTTPError as error:
        error.close()
        told = error.reason if error.code in range(300, 400) else f"status {error.code}"
        raise PictureError(f"{url}: cannot be fetched ({_line(told)})") from error
    except TimeoutError:
        raise PictureError(f"{url}: no answer within {stall_seconds:g} s") from None
    except (urllib.error.URLError, HTTPException, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise PictureError(f"{url}: cannot be fetched ({_line(reason)})") from error


def content_type(url: str) -> str:
    """What the server of an http(s) address says that it is, or "" where it does not say."""
    _check_scheme(url)
    try:
        with _opener().open(_request(url), timeout=STALL_SECONDS) as response:
            return str(response.headers.get_content_type())
    except (urllib.error.URLError, HTTPException, OSError, ValueError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        return ""


def _check_scheme(url: str) -> None:
    try:
        scheme = urlsplit(url).scheme
    except ValueError as error:
        raise UsageError(f"{url}: no address ({error})") from error
    if scheme not in ("http", "https"):
        raise UsageError(f"{url}: only http:// and https:// addresses are read")


def _request(url: str) -> urllib.request.Request:
    return urllib.request.Request(  # noqa: S310 - the scheme was checked
        quote(url, safe=URL_SIGNS), headers={"User-Agent": USER_AGENT}
    )


def _opener() -> urllib.request.OpenerDirector:
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(),
    ):
        opener.add_handler(handler)
    return opener


def _read(
    response: HTTPResponse, url: str, max_bytes: int, deadline: float, max_seconds: float
) -> bytes:
    body = bytearray()
    while chunk := response.read1(CHUNK):
        body += chunk
        if len(body) > max_bytes:
            raise PictureError(
                f"{url}: larger than {max_bytes / 1e6:g} MB; save it to a file first"
            )
        if time.monotonic() > deadline:
            raise PictureError(f"{url}: not complete after {max_seconds:g} s")
    if response.length:
        raise PictureError(f"{url}: broke off {response.length} bytes before its end; try again")
    return bytes(body)


def _line(reason: object) -> str:
    lines = str(reason).splitlines()
    return lines[0] if lines else type(reason).__name__
