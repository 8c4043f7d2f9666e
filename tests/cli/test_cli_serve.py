"""`howfar serve` as a user starts it."""

import importlib.util
import json
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from howfar.cli.serve import UsageError, address_of, listen

HOWFAR = Path(sys.executable).parent / "howfar"


def test_it_says_where_it_is_answers_and_stops(networks):
    options = [str(one) for one in networks["metric"]]
    call = [HOWFAR, "serve", "--port", "0", "--workers", "1", *options]
    server = subprocess.Popen(call, stderr=subprocess.PIPE, text=True)
    line = server.stderr.readline()
    assert line.startswith("howfar: http://127.0.0.1:")
    assert "tiny-detector + tiny-metric" in line
    address = line.split()[1]
    with urllib.request.urlopen(f"{address}v1/about", timeout=20) as answer:  # noqa: S310
        about = json.load(answer)
    assert [model["name"] for model in about["models"]] == ["tiny-detector", "tiny-metric"]
    assert about["limits"]["waiting"] == 16
    server.send_signal(signal.SIGINT)
    assert server.wait(20) in (0, 130)
    assert "Traceback" not in server.stderr.read()
    server.stderr.close()


def test_a_taken_port_is_one_clear_line(howfar):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = howfar("serve", "--port", port)
    assert answer.code == 2
    assert str(port) in answer.err
    assert "--port" in answer.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--port", "99999"], "99999"),
        (["--host", "no.such.host.invalid"], "no.such.host.invalid"),
        (["--workers", "0"], "workers is 0"),
        (["--max-body-mb", "0"], "--max-body-mb is 0"),
        (["--max-body-mb", "nan"], "--max-body-mb is nan"),
        (["--timeout", "inf"], "--timeout is inf"),
        (["--queue", "-1"], "waiting"),
        (["--camera", "missing.toml"], "missing.toml"),
    ],
)
def test_wrong_use(howfar, options, words):
    answer = howfar("serve", *options)
    assert answer.code in (1, 2)
    assert len(answer.err.splitlines()) == 1
    assert words in answer.err


def test_missing_packages_are_named_with_the_extra(howfar, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "fastapi" else real(name)
    )
    answer = howfar("serve")
    assert answer.code == 2
    assert "fastapi" in answer.err
    assert "howfar[web]" in answer.err


def test_nothing_of_the_web_is_imported_for_other_verbs():
    code = "import sys, howfar.cli; sys.exit('fastapi' in sys.modules or 'uvicorn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_ipv6_and_all_addresses_are_written_as_one_opens_them():
    with listen("0.0.0.0", 0) as everywhere:  # noqa: S104 - that is what is tested
        assert address_of(everywhere).startswith("http://localhost:")
    if socket.has_ipv6:
        try:
            own = listen("::1", 0)
        except UsageError:
            pytest.skip("this machine has no IPv6")
        with own:
            assert address_of(own).startswith("http://[::1]:")
