"""Signals while files are finished; in processes of their own, since a signal is for all of one."""

import signal
import subprocess
import sys
import textwrap

import pytest

from howfar.cli.stopping import Stops

NUMBERS = [int(number) for number in Stops.SIGNALS]


def said(number, body):
    """Words that a script prints, whose `come()` sends itself a signal."""
    script = textwrap.dedent(
        """
        import signal
        from howfar.cli.stopping import Stops
        signal.signal(signal.SIGINT, signal.default_int_handler)
        def come():
            signal.raise_signal(NUMBER)
        """
    ).replace("NUMBER", str(number)) + textwrap.dedent(body)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_stops_the_work_at_once(number):
    body = """
        try:
            with Stops():
                come()
                print("on")
        except KeyboardInterrupt:
            print("stopped")
    """
    assert said(number, body) == ["stopped"]


@pytest.mark.parametrize("number", NUMBERS)
def test_the_first_one_waits_for_files(number):
    body = """
        try:
            with Stops() as stops:
                stops.finishing = True
                come()
                print("written")
                stops.finished()
                print("more")
        except KeyboardInterrupt:
            print("stopped")
    """
    assert said(number, body) == ["written", "stopped"]


@pytest.mark.parametrize("number", NUMBERS)
def test_the_second_one_does_not(number):
    body = """
        try:
            with Stops() as stops:
                stops.finishing = True
                come()
                print("first")
                come()
                print("second")
        except KeyboardInterrupt:
            print("stopped")
    """
    assert said(number, body) == ["first", "stopped"]


@pytest.mark.parametrize("number", NUMBERS)
def test_one_that_waits_comes_at_the_end_of_the_block(number):
    body = """
        before = signal.getsignal(NUMBER)
        try:
            with Stops() as stops:
                stops.finishing = True
                come()
                print("written")
        except KeyboardInterrupt:
            print("stopped", signal.getsignal(NUMBER) is before)
    """.replace("NUMBER", str(number))
    assert said(number, body) == ["written", "stopped", "True"]


def test_what_was_ignored_stays_ignored():
    body = """
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with Stops():
            come()
        print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)
    """
    assert said(int(signal.SIGINT), body) == ["True"]
