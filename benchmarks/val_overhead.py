"""How much of `howfar val detection` is spent outside the network and decoding?

    python benchmarks/val_overhead.py --rounds 5

Evaluates NanoDet-Plus on the COCO pictures in `$HOWFAR_DATA/eval/coco-val127`, one thread, all in
one process: reading pictures, preprocessing, the network, decoding, suppression, matching, COCO's
numbers and the report. The calls of ONNX Runtime and of the decoder are timed from inside; the rest
is what evaluation costs.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from timing import SHARED

from howfar.data.address import open_dataset
from howfar.evaluate.run import Request, evaluate
from howfar.evaluate.systems import Loader
from howfar.evaluate.variants import Variant
from howfar.models import network
from howfar.models.card import Decoder
from howfar.runtimes.onnx import OnnxRuntime


class Clock:
    """Seconds spent inside the functions that it wraps."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **options: Any) -> Any:
            begin = time.perf_counter()
            result = function(*args, **options)
            self.seconds += time.perf_counter() - begin
            return result

        return timed


def measure() -> tuple[float, float, float]:
    """Seconds of one evaluation: all, inside the network, inside the decoder."""
    run, decode = OnnxRuntime.run, network.DECODERS[Decoder.NANODET_PLUS]
    net, decoder = Clock(), Clock()
    OnnxRuntime.run = net.wrap(run)  # type: ignore[method-assign]
    network.DECODERS[Decoder.NANODET_PLUS] = decoder.wrap(decode)  # type: ignore[index]
    try:
        address = f"coco:{SHARED / 'eval' / 'coco-val127'}"
        begin = time.perf_counter()
        variant = Variant(detector="nanodet-plus-m", threads=1, runtime="onnx")
        evaluate(
            Request("detection", address, (variant,)), open_dataset(address), Loader("detection")
        ).reports()
        return time.perf_counter() - begin, net.seconds, decoder.seconds
    finally:
        OnnxRuntime.run = run  # type: ignore[method-assign]
        network.DECODERS[Decoder.NANODET_PLUS] = decode  # type: ignore[index]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rows = np.array([measure() for _ in range(parser.parse_args().rounds)])
    whole, net, decoder = rows.T
    outside = 100 * (whole - net - decoder) / whole
    print("| part | seconds, median | 10th - 90th percentile |\n|---|---|---|")
    for name, seconds in {"all": whole, "network": net, "decoding": decoder}.items():
        low, middle, high = np.percentile(seconds, [10, 50, 90])
        print(f"| {name} | {middle:.2f} | {low:.2f} - {high:.2f} |")
    low, middle, high = np.percentile(outside, [10, 50, 90])
    print(f"\noutside network and decoding: {middle:.1f} % ({low:.1f} - {high:.1f})")


if __name__ == "__main__":
    main()
