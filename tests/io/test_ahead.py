"""The two pipes of threads."""

import threading
import time

import pytest

from howfar.io.ahead import Ahead, Behind, abreast


class Numbers:
    """Counts up; knows how far it was read, and whether it was closed."""

    def __init__(self, stop=1000, pause_s=0.0):
        self.stop, self.pause_s = stop, pause_s
        self.given, self.closed = 0, threading.Event()

    def __iter__(self):
        return self

    def __next__(self):
        if self.given == self.stop:
            raise StopIteration
        time.sleep(self.pause_s)
        self.given += 1
        return self.given - 1

    def close(self):
        self.closed.set()


def wait_until(true, seconds=5.0):
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.002)
    assert true()


def test_everything_comes_in_order():
    numbers = Numbers(50)
    assert list(Ahead(numbers)) == list(range(50))
    assert numbers.closed.is_set()


def test_no_more_than_its_size_is_read_ahead():
    numbers = Numbers()
    ahead = Ahead(numbers, 3)
    wait_until(lambda: numbers.given == 4)  # three wait, and one is in the hand of the thread
    time.sleep(0.05)
    assert numbers.given == 4
    assert next(ahead) == 0
    wait_until(lambda: numbers.given == 5)
    ahead.close()


def test_close_stops_the_thread_and_closes_what_it_reads():
    numbers = Numbers()
    ahead = Ahead(numbers, 2)
    ahead.close()
    assert numbers.closed.wait(5)
    assert not ahead._thread.is_alive()
    assert numbers.given < 10


def test_the_newest_is_given_and_the_rest_is_counted():
    numbers = Numbers(101, 0.001)
    ahead = Ahead(numbers, 1, drop_old=True)
    seen = []
    for number in ahead:
        assert numbers.given - number <= 2  # no staler than what came while it was handed over
        seen.append(number)
        time.sleep(0.02)
    assert seen == sorted(set(seen))
    assert seen[-1] == 100
    assert ahead.dropped == 101 - len(seen) > 50


def test_an_error_comes_after_what_came_before_it():
    def items():
        yield 1
        raise ValueError("broken")

    ahead = Ahead(items())
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="broken"):
        next(ahead)
    assert list(ahead) == []


def test_work_is_done_in_order_and_close_waits_for_it():
    done = []
    behind = Behind(lambda item: (time.sleep(0.001), done.append(item)))
    for number in range(20):
        behind.put(number)
    behind.close()
    assert done == list(range(20))


def test_no_more_than_its_size_waits():
    gate = threading.Event()
    behind = Behind(lambda _: gate.wait(5), 2)
    putting = threading.Thread(target=lambda: [behind.put(number) for number in range(5)])
    putting.start()
    putting.join(0.1)
    assert putting.is_alive()
    gate.set()
    putting.join(5)
    behind.close()
    assert not putting.is_alive()


def test_an_error_of_the_work_reaches_the_user_and_ends_the_work():
    done = []

    def work(item):
        if item == 2:
            raise ValueError("no room")
        done.append(item)

    def put_all():
        for number in range(100):
            behind.put(number)
            time.sleep(0.001)

    behind = Behind(work)
    with pytest.raises(ValueError, match="no room"):
        put_all()
    behind.close()
    assert done == [0, 1]


def test_close_tells_the_last_error():
    behind = Behind(lambda item: 1 / item)
    behind.put(0)
    with pytest.raises(ZeroDivisionError):
        behind.close()
    behind.close()


def test_work_abreast_comes_in_order_and_overlaps():
    both = threading.Barrier(2)
    started = []

    def work(item):
        if item < 2:
            both.wait(5)  # passes only if two run at the same time
        time.sleep(0.01 * (item % 3))
        return item * item

    jobs = abreast(work, iter(range(10)), 2, lambda: started.append(threading.get_ident()))
    assert [job() for job in jobs] == [i * i for i in range(10)]
    assert len(set(started)) == len(started) == 2


def test_no_more_than_the_count_is_taken():
    numbers = Numbers()
    jobs = abreast(lambda item: item, numbers, 2, lambda: None)
    assert next(jobs)() == 0
    assert numbers.given == 2
    jobs.close()


def test_errors_abreast_come_in_their_place():
    def items():
        yield from (2, 0, 4)
        raise KeyError("broke off")

    jobs = abreast(lambda item: 8 // item, items(), 2, lambda: None)
    assert next(jobs)() == 4
    with pytest.raises(ZeroDivisionError):
        next(jobs)()
    assert next(jobs)() == 2
    with pytest.raises(KeyError, match="broke off"):
        next(jobs)
