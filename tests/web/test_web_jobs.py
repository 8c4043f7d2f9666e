"""The queue: bounded, timed, and empty when clients are gone."""

import asyncio
import threading
import time

import pytest

from howfar.web.jobs import Jobs
from howfar.web.limits import Refusal
from howfar.web.metrics import Metrics


@pytest.fixture
def make_jobs():
    made = []

    def make(workers=1, waiting=2):
        made.append(Jobs([f"ranger {i}" for i in range(workers)], waiting, Metrics()))
        return made[-1]

    yield make
    for jobs in made:
        jobs.close()


def test_values_and_errors_come_back(make_jobs):
    jobs = make_jobs()

    async def run():
        assert await jobs.run(lambda ranger: ranger, 5) == "ranger 0"
        with pytest.raises(KeyError):
            await jobs.run(lambda _: {}["x"], 5)
        assert jobs.pending == 0

    asyncio.run(run())


def test_one_too_many_is_503_with_retry_after(make_jobs):
    jobs = make_jobs(waiting=2)
    gate = threading.Event()

    async def run():
        tasks = [asyncio.create_task(jobs.run(lambda _: gate.wait(10), 10)) for _ in range(3)]
        await asyncio.sleep(0.05)
        with pytest.raises(Refusal) as refused:
            await jobs.run(lambda _: None, 5)
        gate.set()
        await asyncio.gather(*tasks)
        assert refused.value.status == 503
        assert int(refused.value.headers()["Retry-After"]) >= 1
        assert await jobs.run(lambda _: "free again", 5) == "free again"

    asyncio.run(run())


def test_late_jobs_are_504_and_hold_their_place_until_they_end(make_jobs):
    jobs = make_jobs(waiting=0)
    gate = threading.Event()

    async def run():
        with pytest.raises(Refusal) as late:
            await jobs.run(lambda _: gate.wait(10), 0.05)
        assert late.value.status == 504
        assert jobs.pending == 1  # the network cannot be interrupted
        gate.set()
        for _ in range(100):
            await asyncio.sleep(0.01)
            if not jobs.pending:
                break
        assert jobs.pending == 0

    asyncio.run(run())


def test_a_waiting_job_whose_client_left_never_runs(make_jobs):
    jobs = make_jobs()
    gate = threading.Event()
    ran = []

    async def run():
        first = asyncio.create_task(jobs.run(lambda _: gate.wait(10), 10))
        second = asyncio.create_task(jobs.run(ran.append, 10))
        await asyncio.sleep(0.05)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        assert jobs.pending == 1
        gate.set()
        await first

    asyncio.run(run())
    assert ran == []


def test_workers_have_a_ranger_each(make_jobs):
    jobs = make_jobs(workers=2)
    together = threading.Barrier(2, timeout=10)

    def work(ranger):
        together.wait()
        time.sleep(0.01)
        return ranger

    async def run():
        return await asyncio.gather(jobs.run(work, 10), jobs.run(work, 10))

    assert sorted(asyncio.run(run())) == ["ranger 0", "ranger 1"]
