"""`howfar benchmark`: how long networks take on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from howfar.errors import UsageError

if TYPE_CHECKING:
    from howfar.benchmark import Timing
    from howfar.models.network import Network

PERCENTILES = (10, 50, 90)
WIDTH = 140
"""Columns of the terminal that the table needs."""


def benchmark(
    networks: Annotated[
        list[str], typer.Argument(help="Networks by name, file or address: two or more to compare.")
    ],
    image: Annotated[
        Path | None, typer.Option(help="Picture to look at. [default: noise of 640x480 pixels]")
    ] = None,
    runtime: Annotated[
        str, typer.Option(help="onnx, openvino, or both separated by a comma.")
    ] = "onnx",
    threads: Annotated[str, typer.Option(help="CPU threads; several separated by commas.")] = "1",
    imgsz: Annotated[
        str | None, typer.Option(help="Input size where the file allows it: 640 or 384x640.")
    ] = None,
    precision: Annotated[
        str, typer.Option(help="float32, or auto: the runtime's choice.")
    ] = "float32",
    conf: Annotated[float, typer.Option(help="Least score of detectors.")] = 0.25,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds that count.")] = 30,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """How long networks take on this machine, and how much of it is not the network.

    All of them run in turn, once a round. Medians, with the 10th and 90th percentile, and the ratio
    of each to the first.
    """
    from howfar.benchmark import measure
    from howfar.core.image import Image
    from howfar.media import read_image
    from howfar.models.network import DetectOptions

    chosen = _networks(networks, runtime, threads, imgsz, precision)
    picture = Image(_noise()) if image is None else read_image(image)
    found = measure(chosen, picture, rounds, DetectOptions(conf=conf))
    records = [_record(timing, found[0]) for timing in found]
    if as_json:
        typer.echo(json.dumps(records, indent=1))
        return
    _print(records, "noise" if image is None else str(image), picture.width, picture.height)


def _networks(
    names: list[str], runtimes: str, threads: str, imgsz: str | None, precision: str
) -> dict[str, Network]:
    """Every network on every runtime with every number of threads."""
    from howfar.loading import RUNTIMES, load_network, parse_imgsz
    from howfar.models.store import find_model

    counts = [part.strip() for part in threads.split(",")]
    if not all(part.isdecimal() and int(part) for part in counts):
        raise UsageError(f"threads is {threads!r}; write 1, or 1,2")
    kinds = [part.strip() for part in runtimes.split(",")]
    for kind in kinds:
        if kind not in RUNTIMES:
            raise UsageError(f"runtime {kind!r} is unknown; use one of {', '.join(RUNTIMES)}")
    found = {}
    for name in names:
        local = find_model(name)
        for kind in kinds:
            for count in counts:
                network = load_network(local, None, kind, precision, int(count), parse_imgsz(imgsz))
                found[f"{name} {kind} {count}"] = network
    return found


def _noise() -> Any:
    import numpy as np

    return np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)


def _record(timing: Timing, first: Timing) -> dict[str, Any]:
    import numpy as np

    def spread(ms: Any) -> dict[str, float]:
        return {f"p{p}": round(float(np.percentile(ms, p)), 3) for p in PERCENTILES}

    return {
        "network": timing.network,
        "runtime": timing.runtime,
        "precision": timing.precision,
        "threads": timing.threads,
        "input": [timing.width, timing.height],
        "pre_ms": spread(timing.pre_ms),
        "network_ms": spread(timing.network_ms),
        "post_ms": spread(timing.post_ms),
        "total_ms": spread(timing.total_ms),
        "outside_share": round(timing.outside, 4),
        "ratio": round(float(np.median(timing.total_ms / first.total_ms)), 3),
    }


def _print(records: list[dict[str, Any]], picture: str, width: int, height: int) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    columns = ("network", "runtime", "precision", "threads", "input", "before", "network ms")
    for name in (*columns, "10-90 %", "after", "total ms", "outside", "ratio"):
        table.add_column(name, justify="left" if name in columns[:3] else "right", no_wrap=True)
    for r in records:
        low, high = r["network_ms"]["p10"], r["network_ms"]["p90"]
        table.add_row(
            r["network"],
            r["runtime"],
            r["precision"],
            str(r["threads"]),
            "x".join(map(str, r["input"])),
            f"{r['pre_ms']['p50']:.1f}",
            f"{r['network_ms']['p50']:.1f}",
            f"{low:.1f}-{high:.1f}",
            f"{r['post_ms']['p50']:.1f}",
            f"{r['total_ms']['p50']:.1f}",
            f"{r['outside_share']:.1%}",
            f"{r['ratio']:.2f}",
        )
    console = Console(highlight=False, markup=False)
    console.width = max(console.width, WIDTH)  # a table that wraps cannot be read
    console.print(
        f"{picture}, {width}x{height} pixels; milliseconds, medians of interleaved rounds"
    )
    console.print(table)
    console.print(
        "before: picture to tensor; after: decoding and suppression, or back to the picture's "
        "size; outside: both, as a share of the network's time; ratio: total to the first row's"
    )
