"""Timing of networks: what is counted where."""

import json
import time
from dataclasses import replace

import numpy as np
import pytest
from networks import constant_network, depth_card
from typer.testing import CliRunner

from howfar import benchmark
from howfar.benchmark import measure
from howfar.cli import app
from howfar.core.image import Image
from howfar.errors import UsageError
from howfar.loading import load_network
from howfar.models.card import sidecar_path
from howfar.models.store import local_model

PICTURE = Image(np.zeros((48, 64, 3), np.uint8))


@pytest.fixture
def network(tmp_path):
    path = tmp_path / "depth.onnx"
    card = depth_card()
    constant_network(path, {"depth": np.ones((1, 1, 32, 32), np.float32)})
    sidecar_path(path).write_text(json.dumps(card.to_dict()))
    return path


def test_time_in_the_network_is_told_apart(network, monkeypatch):
    found = load_network(local_model(network))
    plain = found.runtime.run
    monkeypatch.setattr(
        type(found.runtime), "run", lambda _, feeds: (time.sleep(0.02), plain(feeds))[1]
    )
    (timing,) = measure({"a": found}, PICTURE, rounds=3)
    assert timing.network_ms.shape == (3,)
    assert (timing.network_ms > 20).all()
    assert np.median(timing.pre_ms + timing.post_ms) < 10
    np.testing.assert_allclose(timing.total_ms, timing.pre_ms + timing.network_ms + timing.post_ms)
    assert timing.outside < 0.5


def test_networks_take_turns(network, monkeypatch):
    order = []
    plain = benchmark._once

    def noted(found, *more):
        order.append(found.sha256)
        return plain(found, *more)

    monkeypatch.setattr(benchmark, "_once", noted)
    found = load_network(local_model(network))
    measure({"a": replace(found, sha256="a"), "b": replace(found, sha256="b")}, PICTURE, rounds=2)
    assert "".join(order) == "ab" * (2 + benchmark.WARM_UP)


def test_no_rounds_are_refused():
    with pytest.raises(UsageError, match="rounds is 0"):
        measure({}, PICTURE, rounds=0)


def test_the_command(network):
    runner = CliRunner()
    asked = ["benchmark", str(network), "--rounds", "2", "--threads", "1,2"]
    records = json.loads(runner.invoke(app, [*asked, "--json"], catch_exceptions=False).stdout)
    assert [r["threads"] for r in records] == [1, 2]
    assert records[0]["ratio"] == 1
    assert records[0]["network_ms"]["p10"] <= records[0]["network_ms"]["p90"]
    told = runner.invoke(app, asked, catch_exceptions=False).stdout
    assert "noise, 640x480 pixels" in told
    for wrong, message in (
        (["--threads", "0"], "threads is '0'"),
        (["--runtime", "tensorrt"], "'tensorrt' is unknown"),
    ):
        found = runner.invoke(app, ["benchmark", str(network), *wrong])
        assert message in str(found.exception)
