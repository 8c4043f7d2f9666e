"""Does micro-batching pay? Milliseconds a picture by batch size, of the default networks.

Usage: python benchmarks/serve_batching.py MODEL.onnx [MODEL.onnx ...]

The batch dimension of each file is freed, then ONNX Runtime runs batches of random pictures.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

RUNS = 8


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description="batches on a CPU")
    parser.add_argument("models", nargs="+", type=Path)
    print("| network | threads | batch 1 | 2 | 4 | 8 | (best, ms a picture)")
    print("|---|---|---|---|---|---|")
    for path in parser.parse_args().models:
        with tempfile.TemporaryDirectory() as folder:
            free = with_free_batch(path, Path(folder) / path.name)
            for threads in (1, 2):
                cells = [f"{milliseconds(free, threads, batch):.1f}" for batch in (1, 2, 4, 8)]
                print(f"| {path.stem} | {threads} | {' | '.join(cells)} |")


def with_free_batch(path: Path, target: Path) -> Path:
    """The same network for any number of pictures."""
    model = onnx.load(path)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    del model.graph.value_info[:]
    onnx.save(model, target)
    return target


def milliseconds(path: Path, threads: int, batch: int) -> float:
    """Best time a picture."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    spec = session.get_inputs()[0]
    pictures = np.random.default_rng(0).random((batch, *spec.shape[1:]), np.float32)
    session.run(None, {spec.name: pictures})
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        session.run(None, {spec.name: pictures})
        times.append((time.perf_counter() - start) / batch * 1e3)
    assert statistics.median(times) > 0
    return min(times)


if __name__ == "__main__":
    main()
