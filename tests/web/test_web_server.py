"""A real server: clients that die, bodies that stop half-way, and a fuzzer."""

import asyncio
import gc
import json
import os
import re
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest
import websockets
from webserver import fake_ranger, picture_bytes, raw_connection, running, wait_for

from howfar.web import protocol
from howfar.web.limits import Limits
from howfar.web.server import Settings

HEAD = (
    b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: %d\r\n\r\n"
    b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
)


def whole_request(data):
    tail = b"\r\n--b--\r\n"
    part = HEAD.partition(b"\r\n\r\n")[2]
    return HEAD % (len(part) + len(data) + len(tail)) + data + tail


def get(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return answer.read()


def test_killed_clients_leave_nothing_behind():
    ranger = fake_ranger(seconds=0.3)
    with running([ranger], Settings(Limits(waiting=8))) as (port, app):
        server = app.state.server
        request = whole_request(picture_bytes())
        clients = [raw_connection(port) for _ in range(6)]
        for client in clients:
            client.sendall(request)
        assert wait_for(lambda: server.jobs.pending == 6)
        for client in clients:
            client.close()
        assert wait_for(lambda: server.jobs.pending == 0)
        assert ranger.detector.runs < 6  # those that only waited never ran
        assert len(server.results) == 0
        assert b"howfar_clients_gone_total 6" in get(port, "/metrics")


def test_half_sent_bodies_leave_nothing_behind():
    with running([fake_ranger()], Settings(Limits(body_seconds=0.5))) as (port, app):
        server = app.state.server
        before = threading.active_count()
        dead = [raw_connection(port) for _ in range(20)]
        for client in dead:
            client.sendall(HEAD % 5_000_000 + b"x" * 100_000)
            client.close()
        slow = raw_connection(port)
        slow.sendall(HEAD % 5_000_000 + b"x" * 100)
        assert slow.recv(1000).startswith(b"HTTP/1.1 408")
        slow.close()
        assert server.jobs.pending == 0
        assert len(server.results) == 0
        assert threading.active_count() <= before + 1
        assert b'"status":"ok"' in get(port, "/health")
        assert wait_for(lambda: len(open_bodies()) == 0)


def open_bodies():
    """Bodies that are still being read."""
    gc.collect()
    return [one for one in gc.get_objects() if type(one).__name__ == "MultiPartParser"]


def test_connections_that_say_nothing_are_closed(monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)
    with running([fake_ranger()]) as (port, _):
        mute = raw_connection(port)
        slow = raw_connection(port)
        slow.sendall(b"GET /health HTT")
        for client in (mute, slow):
            assert client.recv(100) == b""
            client.close()


def test_half_a_second_head_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.5)
    with running([fake_ranger()]) as (port, _):
        client = raw_connection(port)
        for _ in range(2):
            client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = b""
            while not answer.endswith(b"}"):
                answer += client.recv(4000)
        client.sendall(b"GET /hea")
        client.settimeout(5)
        assert client.recv(100) == b""
        client.close()


def test_a_request_may_take_longer_than_the_clock_of_heads(monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)
    with running([fake_ranger(seconds=0.6)]) as (port, _):
        client = raw_connection(port)
        client.sendall(whole_request(picture_bytes()))
        assert client.recv(100).startswith(b"HTTP/1.1 200")
        client.close()


def test_a_full_queue_is_503_with_retry_after():
    with running([fake_ranger(seconds=0.5)], Settings(Limits(waiting=0))) as (port, app):
        first, second = raw_connection(port), raw_connection(port)
        first.sendall(whole_request(picture_bytes()))
        assert wait_for(lambda: app.state.server.jobs.pending == 1)
        second.sendall(whole_request(picture_bytes()))
        answer = second.recv(4000)
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"retry-after: 1" in answer.lower()
        assert first.recv(100).startswith(b"HTTP/1.1 200")
        first.close()
        second.close()


def test_streams_outlive_the_clock_of_silent_connections_and_die_with_their_client(monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)
    with running([fake_ranger()]) as (port, app):

        async def talk():
            async with websockets.connect(f"ws://127.0.0.1:{port}/v1/stream") as socket:
                await asyncio.sleep(0.5)
                await socket.send(picture_bytes())
                assert '"result"' in await socket.recv()
                assert app.state.server.streams == 1
                socket.transport.abort()

        asyncio.run(talk())
        assert wait_for(lambda: app.state.server.streams == 0)


@pytest.mark.parametrize("parts", [1, 3])
def test_a_frame_that_is_too_long_is_an_error_and_the_stream_goes_on(parts):
    """Much too long, just so, and in fragments; other messages come through whole."""
    good, most = picture_bytes(), 100_000
    assert len(good) <= most

    def frame(size):
        step = size // parts + 1
        pieces = [bytes(min(step, size - at)) for at in range(0, size, step)]
        return pieces[0] if parts == 1 else iter(pieces)

    with running([fake_ranger()], Settings(Limits(body_bytes=most))) as (port, app):

        async def talk():
            address = f"ws://127.0.0.1:{port}/v1/stream"
            async with websockets.connect(address) as socket:
                for number, size in enumerate((most + 1, 5_000_000, most, 30_000_000)):
                    await socket.send(frame(size))
                    answer = json.loads(await socket.recv())
                    assert answer["frame"] == number
                    assert ("more than 0.1 MB were sent" in answer["error"]) == (size != most)
                    assert answer["kind"] == ("TooLarge" if size != most else "PictureError")
                await socket.ping()
                await socket.send("é" * most)  # cut off in the middle of a character
                assert json.loads(await socket.recv())["kind"] == "TooLarge"
                await socket.send(good)
                assert "result" in json.loads(await socket.recv())

        asyncio.run(talk())
        assert wait_for(lambda: app.state.server.streams == 0)


def test_messages_are_cut_off_however_their_bytes_are_divided():
    def frame(head, size, masked=True):
        mask, bit = (b"abcd", 128) if masked else (b"", 0)
        body = bytes(i % 251 for i in range(size))
        if size < 126:
            return bytes([head, size | bit]) + mask + body
        if size < 65_536:
            return bytes([head, 126 | bit]) + size.to_bytes(2, "big") + mask + body
        return bytes([head, 127 | bit]) + size.to_bytes(8, "big") + mask + body

    def short(head, size, left, masked=True):
        mask, bit = (b"abcd", 128) if masked else (b"", 0)
        body = bytes(i % 251 for i in range(left))
        return bytes([head, 127 | bit]) + left.to_bytes(8, "big") + mask + body

    binary, begun, more, last, ping = 0x82, 0x02, 0x00, 0x80, 0x89
    pairs = [
        (frame(binary, 200), frame(binary, 200)),
        (frame(binary, 201), short(binary, 201, 200)),
        (frame(binary, 70_000), short(binary, 70_000, 200)),
        (frame(begun, 150), frame(begun, 150)),
        (frame(ping, 125), frame(ping, 125)),
        (frame(more, 100), short(more, 100, 50)),
        (frame(more, 7), short(more, 7, 0)),
        (frame(last, 0), frame(last, 0)),
        (frame(binary, 3, masked=False), frame(binary, 3, masked=False)),
        (frame(binary, 300, masked=False), short(binary, 300, 200, masked=False)),
        (frame(0x81, 125), frame(0x81, 125)),
        (frame(0x81, 300), short(binary, 300, 200)),  # text
    ]
    sent, expected = (b"".join(side) for side in zip(*pairs, strict=True))
    for step in (1, 2, 3, 7, 100, 1000, len(sent)):
        cut = protocol.Cut(200)
        pieces = (sent[at : at + step] for at in range(0, len(sent), step))
        assert b"".join(map(cut, pieces)) == expected


def fuzz(port, folder):
    """schemathesis sends what the OpenAPI document allows and what it forbids."""
    picture = folder / "picture.png"
    picture.write_bytes(picture_bytes())
    client = raw_connection(port)
    client.sendall(whole_request(picture.read_bytes()))
    place = re.search(rb"/v1/results/([\w-]{22})", client.recv(9000)).group(1).decode()
    client.close()
    checks = (
        "not_a_server_error,status_code_conformance,content_type_conformance,"
        "response_headers_conformance,response_schema_conformance,unsupported_method"
    )
    call = [
        str(Path(sys.executable).parent / "schemathesis"),
        "run",
        f"http://127.0.0.1:{port}/openapi.json",
        f"--checks={checks}",
        "--max-examples=40",
        "--seed=7",
        "--workers=1",
        "--generation-database=none",
        "--phases=examples,coverage,fuzzing",
        "--exclude-method=DELETE",
    ]
    environment = {
        **os.environ,
        "SCHEMATHESIS_HOOKS": "fuzz_hooks",
        "PYTHONPATH": str(Path(__file__).parent),
        "FUZZ_PICTURE": str(picture),
        "FUZZ_RESULT": place,
    }
    return subprocess.run(
        call, capture_output=True, text=True, cwd=folder, timeout=500, env=environment
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["metric", "relative"])
def test_a_fuzzer_finds_no_server_error(kind, tmp_path):
    settings = Settings(Limits(request_seconds=5, body_seconds=5), allow_urls=kind == "metric")
    with running([fake_ranger(kind)], settings) as (port, app):
        done = fuzz(port, tmp_path)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
        assert app.state.server.jobs.pending == 0
        counted = get(port, "/metrics").decode()
    assert not re.search(r'status="5\d\d"', counted)
    answers = dict(re.findall(r'route="/v1/predict",method="POST",status="(\d+)"} (\d+)', counted))
    assert int(answers["200"]) > 20  # it got past the picture
    assert int(answers["422"]) > 20


@pytest.mark.slow
def test_the_fuzzer_would_find_one(tmp_path):
    ranger = fake_ranger()
    with running([ranger]) as (port, _):
        detect = ranger.detector.detect

        def works_once(image, options):
            return detect(image, options) if ranger.detector.runs == 0 else 1 / 0

        ranger.detector.detect = works_once
        done = fuzz(port, tmp_path)
    assert done.returncode == 1
    assert "Server error" in done.stdout
