"""Pictures from addresses that clients name: public ones only, whatever their names resolve to.

A name is resolved once, every address that it has must be public, and the connection goes to the
address that was checked, so a name that changes its mind in between (DNS rebinding) gains nothing.
Redirects are followed by the same rules. Proxies of the environment are not used: they would
resolve the name anew.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from howfar.errors import PictureError, UsageError

MAX_REDIRECTS = 5
STALL_SECONDS = 10.0
CHUNK = 1 << 16
PORTS = {"http": 80, "https": 443}
USER_AGENT = "howfar"
MOVED = (301, 302, 303, 307, 308)
NAT64 = ipaddress.ip_network("64:ff9b::/96")
GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
"""All of IPv6 that is the internet; besides it there is only NAT64."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_public(address: Address, port: int) -> bool:
    """Whether an address is on the internet and the port is the web's.

    IPv4 addresses inside IPv6 ones (6to4, Teredo, NAT64) must be public as well; mapped ones are
    none of IPv6's own.
    """
    if port not in PORTS.values():
        return False
    inner: list[Address] = [address]
    if isinstance(address, ipaddress.IPv6Address):
        if address not in GLOBAL_UNICAST and address not in NAT64:
            return False
        inner += [address.sixtofour] if address.sixtofour is not None else []
        inner += list(address.teredo or ())
        if address in NAT64:
            inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return all(one.is_global and not one.is_multicast for one in inner)


def fetch_public(
    url: str,
    max_bytes: int,
    max_seconds: float,
    permitted: Callable[[Address, int], bool] = is_public,
) -> bytes:
    """The body of a public http(s) address.

    Args:
        url: the address.
        max_bytes: longest body.
        max_seconds: longest time, redirects included.
        permitted: whether an IP address and port may be connected to.

    Raises `UsageError` for what is no public http(s) address, `PictureError` where it cannot be
    fetched.
    """
    deadline = time.monotonic() + max_seconds
    for _ in range(MAX_REDIRECTS + 1):
        parts = _parts(url)
        status, location, body = _get(parts, url, max_bytes, deadline, permitted)
        if status in MOVED and location:
            url = urljoin(url, location)
            continue
        if status != 200:
            raise PictureError(f"{url}: cannot be fetched (status {status})")
        return body
    raise PictureError(f"{url}: more than {MAX_REDIRECTS} redirects")


def _parts(url: str) -> SplitResult:
    """The parts of an address, checked."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"{url}: no address ({error})") from error
    if parts.scheme not in PORTS or not parts.hostname:
        raise UsageError(f"{url}: only http:// and https:// addresses are read")
    if parts.username is not None or parts.password is not None:
        raise UsageError("an address with a user name or password is not fetched")
    if port == 0:
        raise UsageError(f"{url}: port 0 is none")
    return parts


def _get(
    parts: SplitResult,
    url: str,
    max_bytes: int,
    deadline: float,
    permitted: Callable[[Address, int], bool],
) -> tuple[int, str | None, bytes]:
    """One request: status, Location, body of a 200."""
    host = parts.hostname or ""
    port = parts.port or PORTS[parts.scheme]
    address = _checked_address(url, host, port, permitted)
    target = quote(parts.path or "/", safe="%/:=&?~#+!$,;'@()*[]")
    if parts.query:
        target += "?" + quote(parts.query, safe="%/:=&?~#+!$,;'@()*[]")
    try:
        connection = _connection(parts.scheme, host, address, port, deadline)
        with closing(connection), _cut_off(connection, deadline):
            connection.request(
                "GET", target, headers={"User-Agent": USER_AGENT, "Accept": "image/*"}
            )
            answer = connection.getresponse()
            if answer.status != 200:
                return answer.status, answer.getheader("Location"), b""
            return answer.status, None, _read(answer, url, max_bytes, deadline)
    except TimeoutError:
        raise PictureError(f"{url}: no answer in time") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        if time.monotonic() >= deadline:
            raise PictureError(f"{url}: no answer in time") from None
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise PictureError(f"{url}: cannot be fetched ({reason})") from error


def _checked_address(
    url: str, host: str, port: int, permitted: Callable[[Address, int], bool]
) -> str:
    """One IP address of a host, all of whose addresses are permitted."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise PictureError(f"{url}: the name {host!r} cannot be resolved") from None
    names = [str(entry[4][0]) for entry in found]
    for name in names:
        if not permitted(ipaddress.ip_address(name.split("%")[0]), port):
            raise UsageError(
                f"{url}: not fetched, since it is no public address on port 80 or 443; send the "
                "picture itself"
            )
    return names[0]


class _Pinned(http.client.HTTPConnection):
    """A connection to a checked address, by TLS with the certificate of the name if `tls` is given.

    It goes to the address that was checked, not to what the name resolves to now.
    """

    def __init__(
        self, host: str, address: str, port: int, timeout: float, tls: ssl.SSLContext | None
    ) -> None:
        super().__init__(host, port, timeout=timeout)
        self.default_port = PORTS["https" if tls else "http"]  # the Host header is without it
        self._address, self._tls = address, tls
        self.line: socket.socket | None = None

    def connect(self) -> None:
        """Connect; `line` stays known when http.client lets go of its socket."""
        plain = socket.create_connection((self._address, self.port), self.timeout)
        self.sock = self.line = plain
        if self._tls is not None:
            secured = self._tls.wrap_socket(
                plain, server_hostname=self.host, do_handshake_on_connect=False
            )
            self.sock = self.line = secured
            secured.do_handshake()


def _connection(scheme: str, host: str, address: str, port: int, deadline: float) -> _Pinned:
    seconds = min(STALL_SECONDS, max(0.1, deadline - time.monotonic()))
    tls = ssl.create_default_context() if scheme == "https" else None
    return _Pinned(host, address, port, seconds, tls)


@contextmanager
def _cut_off(connection: _Pinned, deadline: float) -> Iterator[None]:
    """Ends a connection at its deadline: a byte now and then never stalls, and never ends."""

    def cut() -> None:
        if connection.line is not None:
            with suppress(OSError):
                socket.socket.shutdown(connection.line, socket.SHUT_RDWR)

    timer = threading.Timer(max(0.0, deadline - time.monotonic()), cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _read(answer: http.client.HTTPResponse, url: str, max_bytes: int, deadline: float) -> bytes:
    body = bytearray()
    while chunk := answer.read1(CHUNK):
        body += chunk
        if len(body) > max_bytes:
            raise PictureError(f"{url}: larger than {max_bytes / 1e6:g} MB")
        if time.monotonic() > deadline:
            raise PictureError(f"{url}: not complete in time")
    if time.monotonic() > deadline:  # it was cut off, which looks like an end
        raise PictureError(f"{url}: not complete in time")
    if answer.length:
        raise PictureError(f"{url}: broke off {answer.length} bytes before its end; try again")
    return bytes(body)
