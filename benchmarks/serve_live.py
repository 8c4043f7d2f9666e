"""Latency of live frames through `howfar serve`: from sending a picture to having boxes and depth.

Usage: python benchmarks/serve_live.py [--seconds 20] [--workers N] [--threads N]

One client sends 640 x 480 JPEGs over the WebSocket, the next when the answer is there, as the page
does with a camera. Beside it stands the time that the networks alone took, as the records tell.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import signal
import time

import numpy as np
import PIL.Image
import websockets
from serve_load import start

from howfar.data.synthetic import scene


def main() -> None:
    """Measure and print one line for each quantity."""
    parser = argparse.ArgumentParser(description="live frames")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--queue", type=int, default=16)
    parser.add_argument("--runtime", default="onnx")
    asked = parser.parse_args()
    server, port = start(asked)
    try:
        whole, networks = asyncio.run(talk(port, asked.seconds))
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(20)
    print(f"{len(whole) / asked.seconds:.1f} frames/s")
    for name, times in (("whole way", whole), ("networks and distances", networks)):
        p50, p95 = np.percentile(times, (50, 95))
        print(f"{name}: p50 {p50:.0f} ms, p95 {p95:.0f} ms")


async def talk(port: int, seconds: float) -> tuple[list[float], list[float]]:
    """Milliseconds of each frame: the whole way, and in the pipeline."""
    frames = [jpeg(seed) for seed in range(8)]
    whole: list[float] = []
    networks: list[float] = []
    address = f"ws://127.0.0.1:{port}/v1/stream?depth=1"
    async with websockets.connect(address) as socket:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            begin = time.perf_counter()
            await socket.send(frames[len(whole) % len(frames)])
            message = json.loads(await socket.recv())
            assert len(await socket.recv()) == message["depth"]["bytes"]
            whole.append((time.perf_counter() - begin) * 1e3)
            networks.append(message["result"]["timing_ms"]["total"])
    return whole[5:], networks[5:]


def jpeg(seed: int) -> bytes:
    """A rendered room."""
    buffer = io.BytesIO()
    PIL.Image.fromarray(scene(seed, "indoor", 640, 480).image).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
