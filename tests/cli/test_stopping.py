"""Signals while files are finished."""

import signal

import pytest

from howfar.cli.stopping import Stops


@pytest.fixture(autouse=True)
def usual():
    """Ctrl-C as a terminal has it, and as it was before."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def come(number):
    signal.raise_signal(number)  # to this thread: os.kill may wake another one, later


@pytest.mark.parametrize("number", Stops.SIGNALS)
def test_a_signal_stops_the_work_at_once(number):
    with pytest.raises(KeyboardInterrupt), Stops():
        come(number)


@pytest.mark.parametrize("number", Stops.SIGNALS)
def test_the_first_one_waits_for_files(number):
    done = []

    def work():
        with Stops() as stops:
            stops.finishing = True
            come(number)
            done.append("written")
            stops.finished()
            done.append("more")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["written"]


@pytest.mark.parametrize("number", Stops.SIGNALS)
def test_the_second_one_does_not(number):
    done = []

    def work():
        with Stops() as stops:
            stops.finishing = True
            come(number)
            done.append("first")
            come(number)
            done.append("second")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["first"]


def test_one_that_waits_comes_at_the_end_of_the_block():
    def work():
        with Stops() as stops:
            stops.finishing = True
            come(signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_what_was_ignored_stays_ignored():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Stops():
        come(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
