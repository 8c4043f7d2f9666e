"""How `howfar serve` stands 8 clients for a minute: latency, errors, memory.

Usage: python benchmarks/serve_load.py [--seconds 60] [--clients 8] [--workers N] [--threads N]

Clients send 640 x 480 JPEGs one after the other, each from a thread with its own connection, and
fetch the 16-bit depth of every fourth result; after a 503 they wait as long as it says. Meanwhile
one more client sends half a body and dies, ten times a second. The networks are the catalog's
default ones. Latency is from the first byte sent to the last one read. Memory is that of the
server's process; results are kept up to 64 MB, so that the cap is reached within the run.
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import PIL.Image

from howfar.data.synthetic import scene

BOUNDARY = "howfar-load"
WARM_UP_SECONDS = 10


def main() -> None:
    """Run the load and print one table."""
    parser = argparse.ArgumentParser(description="load on howfar serve")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--queue", type=int, default=16)
    parser.add_argument("--runtime", default="onnx")
    asked = parser.parse_args()
    server, port = start(asked)
    try:
        load = Load(port, [body(seed) for seed in range(8)])
        load.run(asked.clients, asked.seconds, server.pid)
        time.sleep(1)
        rest = metrics(port)
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(20)
    report(load, asked, rest)


def start(asked: argparse.Namespace) -> tuple[subprocess.Popen[str], int]:
    """A server on a free port."""
    call = [str(Path(sys.executable).parent / "howfar"), "serve", "--port", "0"]
    call += ["--results-mb", "64", "--queue", str(asked.queue)]
    call += ["--runtime", asked.runtime]
    call += ["--workers", str(asked.workers)] if asked.workers else []
    call += ["--threads", str(asked.threads)] if asked.threads else []
    server = subprocess.Popen(call, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    line = server.stderr.readline()
    if "http://" not in line:
        sys.exit(f"the server did not start: {line}{server.stderr.read()}")
    print(line.strip())
    threading.Thread(target=server.stderr.read, daemon=True).start()
    return server, int(line.split("://")[1].split("/")[0].rpartition(":")[2])


def body(seed: int) -> bytes:
    """A form with a rendered room."""
    buffer = io.BytesIO()
    PIL.Image.fromarray(scene(seed, "indoor", 640, 480).image).save(buffer, "JPEG", quality=90)
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    return head.encode() + buffer.getvalue() + f"\r\n--{BOUNDARY}--\r\n".encode()


class Load:
    """Clients and what they saw."""

    def __init__(self, port: int, bodies: list[bytes]) -> None:
        self.port, self.bodies = port, bodies
        self.answers: Counter[str] = Counter()
        self.seconds: list[float] = []
        self.memory: list[tuple[float, float]] = []
        self.half_sent = 0
        self._lock = threading.Lock()
        self._end = 0.0

    def run(self, clients: int, seconds: float, pid: int) -> None:
        """Everything, for as long as asked."""
        start = time.monotonic()
        self._end = start + seconds
        threads = [threading.Thread(target=self._client, args=(i,)) for i in range(clients)]
        threads.append(threading.Thread(target=self._dying_client))
        for thread in threads:
            thread.start()
        while time.monotonic() < self._end:
            self.memory.append((time.monotonic() - start, resident_mb(pid)))
            time.sleep(1)
        for thread in threads:
            thread.join()

    def _client(self, number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        turn = number
        while time.monotonic() < self._end:
            turn += 1
            status, wait, place = self._post(connection, self.bodies[turn % len(self.bodies)])
            if status == 503:
                time.sleep(wait)
            if status == 200 and turn % 4 == 0:
                connection.request("GET", f"{place}/depth.png")
                answer = connection.getresponse()
                answer.read()
                self._count(f"depth.png {answer.status}")
        connection.close()

    def _post(
        self, connection: http.client.HTTPConnection, data: bytes
    ) -> tuple[int, float, str | None]:
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        begin = time.perf_counter()
        connection.request("POST", "/v1/predict", data, headers)
        answer = connection.getresponse()
        content = answer.read()
        took = time.perf_counter() - begin
        self._count(f"predict {answer.status}")
        if answer.status == 200:
            assert json.loads(content)["width"] == 640
            with self._lock:
                self.seconds.append(took)
        wait = float(answer.getheader("Retry-After") or 0)
        return answer.status, wait, answer.getheader("Content-Location")

    def _dying_client(self) -> None:
        data = self.bodies[0]
        while time.monotonic() < self._end:
            with socket.create_connection(("127.0.0.1", self.port)) as plain:
                head = (
                    "POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
                    f"{len(data)}\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n"
                )
                plain.sendall(head.encode() + data[: len(data) // 2])
            self.half_sent += 1
            time.sleep(0.1)

    def _count(self, name: str) -> None:
        with self._lock:
            self.answers[name] += 1


def resident_mb(pid: int) -> float:
    """Memory of a process."""
    fields = Path(f"/proc/{pid}/status").read_text().split()
    return float(fields[fields.index("VmRSS:") + 1]) / 1024


def metrics(port: int) -> dict[str, str]:
    """What the server says of itself afterwards."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))


def report(load: Load, asked: argparse.Namespace, rest: dict[str, str]) -> None:
    """Print what happened."""
    took = np.array(load.seconds) * 1e3
    warm = [mb for second, mb in load.memory if second >= min(WARM_UP_SECONDS, asked.seconds / 2)]
    print(f"cores {os.cpu_count()}, load average {os.getloadavg()[0]:.1f}")
    print(f"answers: {dict(load.answers)}; {load.half_sent} half-sent bodies")
    print(f"{len(took) / asked.seconds:.1f} pictures/s with {asked.clients} clients")
    for share in (50, 95, 99):
        print(f"p{share} {np.percentile(took, share):.0f} ms")
    print(f"memory after warm-up: {warm[0]:.0f} -> {warm[-1]:.0f} MB, at most {max(warm):.0f} MB")
    print(f"left behind: {rest['howfar_jobs_pending']} jobs; {rest['howfar_results']} results of")
    print(f"  {float(rest['howfar_results_bytes']) / 1e6:.0f} MB are kept, as they may be")
    bad = [name for name in load.answers if name.split()[1] not in ("200", "404", "503")]
    if bad or rest["howfar_jobs_pending"] != "0":
        sys.exit(f"errors: {bad}")


if __name__ == "__main__":
    main()
