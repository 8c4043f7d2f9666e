"""Live frames: answers in order, old frames dropped, errors in words."""

import json

import cv2
import jsonschema
import numpy as np
import pytest
from starlette.websockets import WebSocketDisconnect
from webserver import fake_ranger, known_depth, picture_bytes, wait_for

from howfar.io.schema import RESULT_SCHEMA
from howfar.options import Options
from howfar.web.limits import Limits
from howfar.web.server import Settings

STREAM = "ws://localhost/v1/stream"


def test_frames_are_answered_with_records(client):
    with client.websocket_connect(STREAM + "?conf=0.6") as socket:
        for number in range(3):
            socket.send_bytes(picture_bytes(form="JPEG"))
            message = socket.receive_json()
            assert (message["frame"], message["dropped"], message["depth"]) == (number, 0, None)
            jsonschema.validate(message["result"], RESULT_SCHEMA)
            assert message["result"]["frame_index"] == number
            assert len(message["result"]["objects"]) == 2


def test_depth_comes_as_16_bits_of_a_small_size(client):
    with client.websocket_connect(STREAM + "?depth=1") as socket:
        socket.send_bytes(picture_bytes(800, 480, "JPEG"))
        message = socket.receive_json()
        data = socket.receive_bytes()
    assert len(data) == message["depth"]["bytes"]
    values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert values.shape == (192, 320)
    middle = values[96, 160] / message["depth"]["values_per_metre"]
    assert middle == pytest.approx(known_depth(800, 480)[240, 400], rel=0.02)


def test_straightened_frames_come_back_where_they_are_asked_for(open_client, bent_camera):
    settings = Settings(options=Options(camera=bent_camera))
    client = open_client(settings=settings)
    with client.websocket_connect(STREAM + "?depth=1&picture=1") as socket:
        socket.send_bytes(picture_bytes())
        message = socket.receive_json()
        assert len(socket.receive_bytes()) == message["depth"]["bytes"]
        data = socket.receive_bytes()
        assert len(data) == message["picture"]["bytes"]
        shown = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert shown.shape == (120, 200, 3)
        socket.send_json({"depth": "1"})
        socket.send_bytes(picture_bytes())
        assert socket.receive_json()["picture"] is None
        socket.receive_bytes()
    with open_client().websocket_connect(STREAM + "?picture=1") as socket:
        socket.send_bytes(picture_bytes())
        assert socket.receive_json()["picture"] is None  # it is what was sent


def test_a_failure_of_the_server_ends_the_stream_rather_than_leave_it_waiting(open_client):
    ranger = fake_ranger()
    ranger.detector.detect = lambda *_: 1 / 0
    client = open_client(ranger)
    with client.websocket_connect(STREAM) as socket:
        socket.send_bytes(picture_bytes())
        with pytest.raises(WebSocketDisconnect) as ended:
            socket.receive_json()
    assert ended.value.code == 1011


def test_relative_depth_is_said_to_be_without_metres(open_client):
    with open_client(fake_ranger("relative")).websocket_connect(STREAM + "?depth=1") as socket:
        socket.send_bytes(picture_bytes())
        depth = socket.receive_json()["depth"]
        socket.receive_bytes()
    assert depth["values_per_metre"] is None
    assert depth["values_per_unit"] > 0


def test_old_frames_are_dropped(open_client):
    client = open_client(fake_ranger(seconds=0.3))
    with client.websocket_connect(STREAM) as socket:
        for _ in range(6):
            socket.send_bytes(picture_bytes())
        first, last = socket.receive_json(), socket.receive_json()
    assert first["frame"] < 5
    assert (last["frame"], last["dropped"]) == (5, 4)


def test_options_change_while_it_runs(client):
    with client.websocket_connect(STREAM) as socket:
        socket.send_json({"classes": "cup"})
        socket.send_bytes(picture_bytes())
        things = socket.receive_json()["result"]["objects"]
        assert [thing["label"] for thing in things] == ["cup"]
        for text in ("[1]", "{", json.dumps({"conf": 7}), "[" * 100_000):
            socket.send_text(text)
            assert socket.receive_json()["kind"] == "UsageError"


def test_bad_frames_are_errors_and_the_stream_goes_on(open_client):
    client = open_client(settings=Settings(Limits(pixels=30_000, body_bytes=100_000)))
    with client.websocket_connect(STREAM) as socket:
        for data, words in (
            (b"no picture", "a text file"),
            (picture_bytes(300, 120, "JPEG"), "million pixels"),
            (b"x" * 100_001, "MB"),
        ):
            socket.send_bytes(data)
            assert words in socket.receive_json()["error"]
        socket.send_bytes(picture_bytes())
        assert "result" in socket.receive_json()


def test_wrong_options_end_it_with_words(client):
    with client.websocket_connect(STREAM + "?conf=3") as socket:
        assert "conf" in socket.receive_json()["error"]
        with pytest.raises(WebSocketDisconnect):
            socket.receive_json()


def test_foreign_pages_may_not_open_it(client):
    headers = {"origin": "http://evil.example"}
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect(STREAM, headers=headers),
    ):
        pass


def test_streams_are_counted_and_limited(open_client):
    client = open_client(settings=Settings(Limits(streams=1)))
    server = client.app.state.server
    with client.websocket_connect(STREAM):
        assert wait_for(lambda: server.streams == 1)
        with client.websocket_connect(STREAM) as second:
            assert second.receive_json()["kind"] == "Busy"
    assert wait_for(lambda: server.streams == 0)
