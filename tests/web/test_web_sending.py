"""Files on their way are bounded in bytes and time."""

import asyncio

import pytest

from howfar.web.limits import Refusal
from howfar.web.sending import Sending


async def never(_message):
    await asyncio.Event().wait()


async def at_once(_message):
    return None


def call(answer, send):
    return answer({"type": "http"}, None, send)


def test_more_than_the_cap_is_sent_away():
    sending = Sending(100, 60)
    first = sending.answer(bytes(80), "image/png", {})
    with pytest.raises(Refusal, match="being sent") as refused:
        sending.answer(bytes(30), "image/png", {})
    assert refused.value.status == 503
    sending.answer(bytes(20), "image/png", {})
    asyncio.run(call(first, at_once))
    assert sending.bytes == 20


def test_one_larger_than_the_cap_goes_out_alone():
    sending = Sending(100, 60)
    alone = sending.answer(bytes(500), "image/png", {"X": "y"})
    assert alone.headers["x"] == "y"
    asyncio.run(call(alone, at_once))
    assert sending.bytes == 0


def test_a_reader_that_never_reads_is_cut_off():
    sending = Sending(100, 0.05)
    answer = sending.answer(bytes(80), "image/png", {})
    asyncio.run(asyncio.wait_for(call(answer, never), 5))
    assert sending.bytes == 0


def test_a_client_that_leaves_frees_its_share():
    sending = Sending(100, 60)
    answer = sending.answer(bytes(80), "image/png", {})

    async def leave():
        task = asyncio.ensure_future(call(answer, never))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(leave())
    assert sending.bytes == 0
