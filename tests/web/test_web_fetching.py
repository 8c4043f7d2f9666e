"""Addresses that clients name: public ones only, whatever their names resolve to."""

import http.server
import ipaddress
import socket
import threading
import time

import pytest

from howfar import PictureError, UsageError
from howfar.web import fetching
from howfar.web.fetching import fetch_public, is_public


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("127.0.0.1", False),
        ("10.0.0.1", False),
        ("172.16.3.4", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),  # noqa: S104 - an address to refuse
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("2002:7f00:1::", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::808:808", True),
        ("64:ff9b:1::7f00:1", False),
        ("::7f00:1", False),
        ("::ffff:0:7f00:1", False),
        ("fec0::1", False),
        ("2001:0:7f00:1::", False),
    ],
)
def test_which_addresses_are_public(address, public):
    assert is_public(ipaddress.ip_address(address), 443) is public


def test_only_the_ports_of_the_web():
    assert not is_public(ipaddress.ip_address("93.184.216.34"), 22)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/a.png",
        "file:///etc/passwd",
        "gopher://example.com/",
        "http:///nohost",
        "http://user:secret@example.com/",
        "http://example.com:99999/",
        "http://[::1/",
        "http://127.0.0.1/",
        "http://localhost/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://[::ffff:127.0.0.1]/",
        "http://8.8.8.8:22/",
        "javascript:alert(1)",
    ],
)
def test_what_is_no_public_address_is_refused_without_a_connection(url, monkeypatch):
    monkeypatch.setattr(socket, "create_connection", lambda *_: pytest.fail("it connected"))
    with pytest.raises((UsageError, PictureError)):
        fetch_public(url, 1000, 2)


def test_one_private_address_among_several_is_enough(monkeypatch):
    entries = [(2, 1, 6, "", ("93.184.216.34", 80)), (2, 1, 6, "", ("10.0.0.1", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: entries)
    with pytest.raises(UsageError, match="no public address"):
        fetch_public("http://example.com/", 1000, 2)


def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch):
    """A name that resolves differently a second time (DNS rebinding) is not asked again."""
    asked, connected = [], []

    def resolve(host, port, **_options):
        asked.append(host)
        address = "93.184.216.34" if len(asked) == 1 else "127.0.0.1"
        return [(2, 1, 6, "", (address, port))]

    def connect(address, _timeout):
        connected.append(address)
        raise OSError("no network in tests")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", connect)
    for url in ("http://rebind.example/", "https://rebind.example/"):
        asked.clear()
        with pytest.raises(PictureError, match="no network in tests"):
            fetch_public(url, 1000, 2)
    assert connected == [("93.184.216.34", 80), ("93.184.216.34", 443)]


class _Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path[4:])
            self.end_headers()
            return
        body = b"x" * int(self.path.strip("/") or 0)
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def site():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Pages)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def anywhere(_address, _port):
    return True


def test_bodies_redirects_and_limits(site):
    assert fetch_public(f"{site}/500", 1000, 5, anywhere) == b"x" * 500
    assert fetch_public(f"{site}/to//7", 1000, 5, anywhere) == b"x" * 7
    with pytest.raises(PictureError, match="larger than"):
        fetch_public(f"{site}/2000", 1000, 5, anywhere)
    with pytest.raises(PictureError, match="status 404"):
        fetch_public(f"{site}/0", 1000, 5, anywhere)
    with pytest.raises(PictureError, match="redirects"):
        fetch_public(f"{site}/to/" * 1 + "/to/" * 8 + "/5", 1000, 5, anywhere)


@pytest.mark.parametrize("target", ["http://10.0.0.1/", "file:///etc/passwd", "ftp://x/"])
def test_redirects_follow_the_same_rules(site, target):
    def not_ten(address, _port):
        return not str(address).startswith("10.")

    with pytest.raises(UsageError):
        fetch_public(f"{site}/to/{target}", 1000, 5, not_ten)


def test_silence_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(fetching, "STALL_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/"
        with pytest.raises(PictureError, match="in time"):
            fetch_public(url, 1000, 1, anywhere)


@pytest.mark.parametrize(
    "start",
    [
        b"HTTP/1.1 200 OK\r\nX: ",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_a_byte_now_and_then_does_not_hold_it_longer(start):
    """Each byte comes before the line counts as stalled; the head, the body and a chunk's size."""
    gone = threading.Event()

    def drip(listening):
        line, _ = listening.accept()
        with line:
            line.sendall(start)
            while not gone.wait(0.05):
                try:
                    line.sendall(b"1")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=drip, args=[listening])
        thread.start()
        begin = time.monotonic()
        with pytest.raises(PictureError, match="in time"):
            fetch_public(f"http://127.0.0.1:{listening.getsockname()[1]}/", 10_000, 0.5, anywhere)
        assert time.monotonic() - begin < 3
        gone.set()
        thread.join()
