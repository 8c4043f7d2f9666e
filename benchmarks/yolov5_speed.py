"""How fast is our exported YOLOv5n, and how much of the time is not the network?

    python benchmarks/yolov5_speed.py [WEIGHTS]

Exports the weights (default: `$HOWFAR_MODELS/yolov5n.pt`) at 640 and 416 pixels, and runs every
file on ONNX Runtime and OpenVINO, float32, one and two threads, all in turn, on a photograph of
640x480 pixels with several objects, score >= .25. "outside" is letterbox, tensor, decoding and
suppression as a share of the network's time, `ratio` the whole time to the first row's.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import cv2
import numpy as np
from timing import SHARED, row

from howfar.benchmark import measure
from howfar.core.image import Image
from howfar.export import export_checkpoint
from howfar.loading import has_openvino, load_network
from howfar.media import read_image
from howfar.models.store import local_model

SIZES, THREADS = (640, 416), (1, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = Path(os.environ["HOWFAR_MODELS"]) / "yolov5n.pt"
    parser.add_argument("weights", type=Path, nargs="?", default=default)
    parser.add_argument("--rounds", type=int, default=40)
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    picture = read_image(sorted((SHARED / "eval" / "indoor-mix" / "rgb").glob("nyu*.jpg"))[0])
    picture = Image(cv2.resize(picture.pixels, (640, 480)))
    kinds = ("onnx", "openvino") if has_openvino() else ("onnx",)
    with tempfile.TemporaryDirectory() as folder:
        networks = {}
        for size in SIZES:
            path = Path(folder) / f"{size}.onnx"
            export_checkpoint(asked.weights, path, imgsz=size)
            for kind in kinds:
                for threads in THREADS:
                    name = f"{size}, {kind}, {threads} thread{'s' * (threads > 1)}"
                    networks[name] = load_network(local_model(path), None, kind, "float32", threads)
        found = measure(networks, picture, asked.rounds)
    print("| | whole ms | 10 - 90 % | network ms | before | after | outside | ratio |")
    print("|---|---|---|---|---|---|---|---|")
    for timing in found:
        ratio = np.median(timing.total_ms / found[0].total_ms)
        parts = (timing.network_ms, timing.pre_ms, timing.post_ms)
        told = [f"{np.median(part):.1f}" for part in parts]
        print(row(timing.name, timing.total_ms, *told, f"{timing.outside:.1%}", f"{ratio:.2f}"))


if __name__ == "__main__":
    main()
