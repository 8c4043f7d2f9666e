"""Addresses, against a server on this machine."""

import contextlib
import http.server
import threading
import time

import pytest

from howfar.errors import PictureError, UsageError
from howfar.io import fetch
from howfar.io.fetch import fetch_bytes
from howfar.io.sources import Item

BODY = b"picture " * 5000


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by path."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.seen.append((self.path, self.headers["User-Agent"]))
        what, _, rest = self.path[1:].partition("/")
        with contextlib.suppress(OSError):  # the client goes away, as it should
            getattr(self, f"say_{what}", self.say_missing)(rest)

    def say_ok(self, _):
        self.start(200, {"Content-Length": str(len(BODY))})
        self.wfile.write(BODY)

    def say_unsized(self, _):
        self.start(200)
        self.wfile.write(BODY)

    def say_short(self, _):
        self.start(200, {"Content-Length": "100"})
        self.wfile.write(b"only this")

    def say_silent(self, _):
        self.server.stop.wait(5)

    def say_stuck(self, _):
        self.start(200)
        self.wfile.write(b"x")
        self.wfile.flush()
        self.server.stop.wait(5)

    def say_drip(self, _):
        self.start(200)
        while not self.server.stop.wait(0.02):
            self.wfile.write(b"x")
            self.wfile.flush()

    def say_loop(self, _):
        self.start(302, {"Location": "/loop"})

    def say_hop(self, rest):
        count = int(rest)
        self.start(302, {"Location": f"/hop/{count - 1}" if count > 1 else "/ok"})

    def say_to(self, rest):
        self.start(302, {"Location": rest})

    def say_status(self, rest):
        self.start(int(rest))

    def say_garbage(self, _):
        self.wfile.write(b"this is no HTTP\r\n\r\n")

    def say_missing(self, _):
        self.start(404)

    def start(self, status, headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()


@pytest.fixture
def server(monkeypatch):
    """A server on this machine: its address is `server.url`, what it was asked `server.seen`."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.seen, server.stop = [], threading.Event()
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.stop.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("path", ["ok", "unsized", "hop/1", "hop/5"])
def test_a_body_is_fetched(server, path):
    assert fetch_bytes(f"{server.url}/{path}") == BODY
    assert server.seen[-1][1] == "howfar"


def test_an_item_is_decoded_from_its_address(server):
    with pytest.raises(PictureError, match=f"{server.url}/ok: a text file, not a picture"):
        Item(f"{server.url}/ok").load()


@pytest.mark.parametrize("status", [401, 403, 404, 500, 503])
def test_a_status_is_told(server, status):
    with pytest.raises(PictureError) as caught:
        fetch_bytes(f"{server.url}/status/{status}")
    assert str(caught.value) == (
        f"{server.url}/status/{status}: cannot be fetched (status {status})"
    )


@pytest.mark.parametrize("path", ["ok", "unsized"])
def test_the_size_limit_is_inclusive(server, path):
    assert fetch_bytes(f"{server.url}/{path}", max_bytes=len(BODY)) == BODY
    with pytest.raises(PictureError, match=r"larger than 0\.039999 MB"):
        fetch_bytes(f"{server.url}/{path}", max_bytes=len(BODY) - 1)


def test_a_body_without_end_stops_at_the_size_limit(server):
    with pytest.raises(PictureError, match="larger than"):
        fetch_bytes(f"{server.url}/drip", max_bytes=5)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("silent", "no answer within 0.2 s"),
        ("stuck", "no answer within 0.2 s"),
        ("drip", "not complete after 0.2 s"),
    ],
)
def test_the_time_limit(server, path, told):
    start = time.monotonic()
    with pytest.raises(PictureError, match=told):
        fetch_bytes(f"{server.url}/{path}", max_seconds=0.2)
    assert time.monotonic() - start < 1.5


def test_a_silent_server_is_left_before_the_time_limit(server, monkeypatch):
    monkeypatch.setattr(fetch, "STALL_SECONDS", 0.2)
    with pytest.raises(PictureError, match=r"no answer within 0\.2 s"):
        fetch_bytes(f"{server.url}/silent", max_seconds=60)


def test_a_body_that_breaks_off_is_an_error(server):
    with pytest.raises(PictureError, match="broke off 91 bytes before its end"):
        fetch_bytes(f"{server.url}/short")


@pytest.mark.parametrize("path", ["loop", "hop/6", "hop/50"])
def test_too_many_redirects(server, path):
    with pytest.raises(PictureError, match="redirect"):
        fetch_bytes(f"{server.url}/{path}")
    assert len(server.seen) <= 6


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://127.0.0.1/a.jpg", "data:image/png,x", "gopher://x/"]
)
def test_a_redirect_to_another_scheme_is_refused(server, target):
    with pytest.raises(PictureError) as caught:
        fetch_bytes(f"{server.url}/to/{target}")
    assert f"Redirection to url '{target}' is not allowed" in str(caught.value)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x/a.jpg", "s3://x/a.jpg", "a.jpg"])
def test_other_schemes_are_refused(url):
    with pytest.raises(UsageError, match="only http:// and https:// addresses are read"):
        fetch_bytes(url)


def test_an_address_that_is_none():
    with pytest.raises(UsageError, match="no address"):
        fetch_bytes("http://[::1/a.jpg")


@pytest.mark.parametrize("path", ["garbage", "short/\n/x"])
def test_answers_that_make_no_sense(server, path):
    with pytest.raises(PictureError):
        fetch_bytes(f"{server.url}/{path}")


@pytest.mark.parametrize("url", ["http://", "http:///a.jpg", "http://127.0.0.1:99999/a.jpg"])
def test_addresses_that_lead_nowhere(url, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(PictureError, match="cannot be fetched"):
        fetch_bytes(url, max_seconds=1)


def test_no_server(server):
    server.shutdown()
    server.server_close()
    with pytest.raises(PictureError, match="refused"):
        fetch_bytes(f"{server.url}/ok")


def test_spaces_and_other_letters_are_escaped(server):
    assert fetch_bytes(f"{server.url}/ok/my kitchen ü.jpg") == BODY
    assert fetch_bytes(f"{server.url}/ok/my%20kitchen.jpg?a=b&c=d") == BODY
    assert [path for path, _ in server.seen] == [
        "/ok/my%20kitchen%20%C3%BC.jpg",
        "/ok/my%20kitchen.jpg?a=b&c=d",
    ]
