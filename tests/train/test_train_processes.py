"""Runs in processes of their own: killed and resumed, and two at once."""

from __future__ import annotations

import csv
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from howfar.errors import ModelError
from howfar.nets.checkpoint import load_checkpoint

HERE = Path(__file__).parent
DRIVER = str(HERE / "driver.py")
STEPS = 40


def environment() -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(HERE),
        "OMP_NUM_THREADS": "1",
        "GLOO_SOCKET_IFNAME": "lo",
    }


def finish(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], env=environment(), check=True, timeout=300)


def step_of(folder: Path) -> int:
    try:
        return int(load_checkpoint(folder / "last.pt").training["state"]["step"])
    except ModelError:
        return 0


def losses(folder: Path) -> np.ndarray:
    with (folder / "steps.csv").open() as file:
        return np.array([float(row["loss"]) for row in csv.DictReader(file)])


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run that nobody stopped."""
    folder = tmp_path_factory.mktemp("run") / "whole"
    finish(DRIVER, str(folder), "4", "hybrid-cnn")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_run_ends_with_the_same_weights(
    tmp_path: Path, whole_run: Path, sent: signal.Signals
) -> None:
    stopped_at = tmp_path / "stopped"
    wait_for = random.Random(time.time_ns()).randrange(2, STEPS - 6)
    run = subprocess.Popen(
        [sys.executable, DRIVER, str(stopped_at), "4", "hybrid-cnn"],
        env=environment(),
        stderr=subprocess.DEVNULL,
    )
    while run.poll() is None and step_of(stopped_at) < wait_for:
        time.sleep(0.02)
    run.send_signal(sent)
    run.wait()
    assert run.returncode != 0
    stopped = step_of(stopped_at)
    assert 0 < stopped < STEPS, f"waited for step {wait_for}"
    finish(DRIVER, str(stopped_at), "4", "hybrid-cnn", "--resume")
    whole, resumed = (load_checkpoint(f / "last.pt") for f in (whole_run, stopped_at))
    assert step_of(stopped_at) == STEPS
    for name, value in whole.training["model"].items():
        assert torch.equal(value, resumed.training["model"][name]), f"{name}, stopped at {stopped}"
    for name, value in whole.weights.items():
        assert torch.equal(value, resumed.weights[name]), f"{name} of the average"


@pytest.mark.slow
def test_two_processes_learn_as_one_with_the_doubled_batch(tmp_path: Path) -> None:
    finish(DRIVER, str(tmp_path / "one"), "8", "depth-mancini")
    launch = ["-m", "torch.distributed.run", "--nproc_per_node=2", "--master_addr=127.0.0.1"]
    finish(*launch, "--master_port=29517", DRIVER, str(tmp_path / "two"), "4", "depth-mancini")
    one, two = losses(tmp_path / "one"), losses(tmp_path / "two")
    assert len(one) == len(two) > 0
    np.testing.assert_allclose(one, two, rtol=1e-4)
