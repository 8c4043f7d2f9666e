"""The command line called in this process, with tiny networks."""

import io
import json
import sys
from dataclasses import dataclass

import pytest
from tiny import save_depth, save_detector, write_pictures

from howfar.cli import main


@dataclass(frozen=True)
class Answer:
    """What a call of the command line gave."""

    code: int
    out: str
    err: str

    @property
    def records(self):
        """The JSON records on stdout; anything else there is an error."""
        return [json.loads(line) for line in self.out.splitlines()]

    def lines(self, start):
        """Lines of stderr that start so."""
        return [line for line in self.err.splitlines() if line.startswith(start)]


@pytest.fixture
def howfar(monkeypatch, capsys):
    """Calls the command line as a shell would."""

    def call(*args, stdin=b""):
        monkeypatch.setattr(sys, "argv", ["howfar", *map(str, args)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
        out, err = capsys.readouterr()
        return Answer(code, out, err)

    return call


@pytest.fixture(scope="session")
def networks(tmp_path_factory):
    """Options that name a tiny detector, and a metric or a relative depth network."""
    folder = tmp_path_factory.mktemp("networks")
    detector = save_detector(folder / "tiny-detector.onnx")
    common = ["--runtime", "onnx", "--threads", "1", "--detector", detector]
    return {
        "folder": folder,
        "detector": detector,
        "metric": [*common, "--depth", save_depth(folder / "tiny-metric.onnx")],
        "relative": [*common, "--depth", save_depth(folder / "tiny-relative.onnx", "relative")],
        "boxes only": [*common, "--depth", "none"],
    }


@pytest.fixture
def predict(howfar, networks):
    """`howfar predict` with the tiny networks; `kind` names the depth network."""

    def call(*args, kind="metric", stdin=b""):
        return howfar("predict", *networks[kind], *args, stdin=stdin)

    return call


@pytest.fixture
def picture(tmp_path):
    """One good picture."""
    write_pictures(tmp_path, "room.png")
    return tmp_path / "room.png"
