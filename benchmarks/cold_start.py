"""How long from typing `howfar predict` to the prompt, and where does it go?

A process for each run, one 640x480 JPEG, one thread, ONNX Runtime, interleaved with an empty Python
process and one that only imports what is needed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import PIL.Image
from timing import SHARED, interleaved, row

PREDICT = "import sys; from howfar.cli import main; sys.argv[0] = 'howfar'; main()"


def python(code: str, *arguments: str) -> None:
    """Run code in a fresh interpreter; fail loudly."""
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True)


def main() -> None:
    path = sorted((SHARED / "eval" / "indoor-mix" / "rgb").glob("nyu*.jpg"))[0]
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "picture.jpg"
        PIL.Image.open(path).convert("RGB").resize((640, 480)).save(picture)
        common = ["predict", str(picture), "--runtime", "onnx", "--threads", "1"]
        load = "import howfar; howfar.load(runtime='onnx', threads=1)"
        jobs = {
            "empty Python": lambda: python("pass"),
            "import howfar": lambda: python("import howfar"),
            "import numpy": lambda: python("import numpy"),
            "import numpy, cv2": lambda: python("import numpy, cv2"),
            "import numpy, cv2, onnxruntime": lambda: python("import numpy, cv2, onnxruntime"),
            "howfar.load()": lambda: python(load),
            "howfar --help": lambda: python(PREDICT, "--help"),
            "howfar predict --json": lambda: python(PREDICT, *common, "--json"),
            "howfar predict, files": lambda: python(PREDICT, *common, "--save-dir", folder),
        }
        print(f"{os.cpu_count()} cores\n\n| process | median ms | 10 - 90 % |\n|---|---|---|")
        for name, ms in interleaved(jobs, rounds=11, warm_up=1).items():
            print(row(name, ms))


if __name__ == "__main__":
    main()
