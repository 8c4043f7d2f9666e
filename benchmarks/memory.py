"""How much memory does a run take, and does it grow with the number of pictures?

Peak resident memory of one process for each number of 640x480 JPEGs, and for one large picture.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import PIL.Image
import timing  # noqa: F401 - sets HOWFAR_MODELS

CODE = """
import contextlib, io, resource, sys
from howfar.cli import main
sys.argv = ["howfar", *sys.argv[1:]]
with contextlib.redirect_stdout(io.StringIO()):
    try:
        main()
    except SystemExit as stop:
        assert not stop.code, stop.code
sys.stderr.write(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}\\n")
"""


def peak_mb(*arguments: str) -> float:
    """Peak memory in MB of `howfar ...`."""
    command = [sys.executable, "-c", CODE, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(done.stderr.split("peak ")[-1]) / 1024


def main() -> None:
    rng = np.random.default_rng(0)
    print("| run | peak MB |\n|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        out = ["--save-dir", f"{folder}/out", "--threads", "1", "--runtime", "onnx"]
        for count in (1, 20, 200):
            pictures = Path(folder) / str(count)
            pictures.mkdir()
            for i in range(count):
                pixels = rng.integers(0, 256, (480, 640, 3), np.uint8)
                PIL.Image.fromarray(pixels).save(pictures / f"{i}.jpg")
            print(
                f"| {count} pictures of 640x480 | {peak_mb('predict', str(pictures), *out):.0f} |"
            )
        for width, height in ((4000, 3000), (8000, 6000)):
            path = Path(folder) / f"{width}.jpg"
            PIL.Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(path)
            print(f"| one of {width}x{height} | {peak_mb('predict', str(path), *out):.0f} |")


if __name__ == "__main__":
    main()
