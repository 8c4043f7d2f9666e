"""Hosts, origins, pixels; numbers that cannot be."""

import pytest
from webserver import picture_bytes

from howfar import PictureError, UsageError
from howfar.web.limits import (
    Limits,
    Refusal,
    check_pixels,
    host_is_known,
    origin_is_own,
    refusal_of,
)


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("localhost", True),
        ("LOCALHOST:8000", True),
        ("127.0.0.1:8000", True),
        ("[::1]:8000", True),
        ("192.168.1.7", True),
        ("cam.example", True),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("", False),
        ("[", False),
        ("evil.example@localhost", True),  # its host is localhost; no browser sends such a header
    ],
)
def test_hosts(host, known):
    assert host_is_known(host, ("cam.example",)) is known


def test_origins():
    assert origin_is_own(None, "localhost:8000")
    assert origin_is_own("http://localhost:8000", "localhost:8000")
    assert not origin_is_own("http://localhost:9000", "localhost:8000")
    assert not origin_is_own("null", "localhost:8000")
    assert not origin_is_own("http://[", "localhost:8000")


def test_pixels_are_counted_before_decoding():
    check_pixels(picture_bytes(200, 120), 24_000)
    check_pixels(b"no picture", 1)
    with pytest.raises(Refusal, match="200 x 120"):
        check_pixels(picture_bytes(200, 120), 23_999)


def test_limits_must_be_positive():
    with pytest.raises(UsageError, match="pixels"):
        Limits(pixels=0)
    with pytest.raises(UsageError, match="waiting"):
        Limits(waiting=-1)
    assert Limits(waiting=0).waiting == 0


def test_errors_of_the_caller_are_422():
    assert refusal_of(PictureError("x")).status == 422
    assert refusal_of(MemoryError()).status == 422
