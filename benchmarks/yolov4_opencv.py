"""Does our YOLOv4 give the numbers that OpenCV's darknet reader gives?

    python3 -m venv other && other/bin/pip install "opencv-python-headless<5" numpy
    python benchmarks/yolov4_opencv.py other/bin/python

Fills YOLOv4 with random numbers, writes it as `.cfg` and `.weights` as `howfar` does, reads both
with ours and with OpenCV (4.x has a darknet reader, 5.x does not), and compares the raw outputs of
the three heads on random pictures of 96x96 and 160x128 pixels.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import torch

from howfar.nets.darknet_cfg import cfg_text
from howfar.nets.darknet_weights import save_darknet_weights
from howfar.nets.files import open_weights
from howfar.nets.yolov4 import yolov4

HEADS = {139: "conv_138", 150: "conv_149", 161: "conv_160"}
OTHER = """
import sys, cv2, numpy as np
folder = sys.argv[1]
net = cv2.dnn.readNetFromDarknet(folder + "/net.cfg", folder + "/net.weights")
net.setInput(np.load(folder + "/images.npy"))
for name, found in zip(sys.argv[2:], net.forward(sys.argv[2:])):
    np.save(folder + "/" + name + ".npy", found)
print(cv2.__version__)
"""


def fill(net: torch.nn.Module) -> None:
    """Random weights that keep the scale of the activations."""
    generator = torch.Generator().manual_seed(0)
    for name, value in net.state_dict().items():
        if not value.is_floating_point():
            continue
        noise = torch.rand(value.shape, generator=generator) - 0.5
        if value.ndim == 4:
            value.copy_(1.8 * noise * (6 / value[0].numel()) ** 0.5)
        elif name.endswith("running_var"):
            value.copy_(1.1 + 0.2 * noise)
        elif name.endswith("norm.weight"):
            value.copy_(1 + 0.2 * noise)
        else:
            value.copy_(0.1 * noise)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("python", help="interpreter that has OpenCV 4.x")
    python = parser.parse_args().python
    net = yolov4()
    fill(net)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for width, height in ((96, 96), (160, 128)):
            cfg = cfg_text(net.cfg).replace("=608", f"={width}", 1).replace("=608", f"={height}", 1)
            (folder / "net.cfg").write_text(cfg)
            save_darknet_weights(net, folder / "net.weights")
            ours = open_weights(folder / "net.weights").module()
            images = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(1))
            np.save(folder / "images.npy", images.numpy())
            done = subprocess.run(
                [python, "-c", OTHER, str(folder), *HEADS.values()],
                check=True,
                capture_output=True,
                text=True,
            )
            with torch.no_grad():
                raw = ours.raw(images)
            print(f"{width}x{height}, OpenCV {done.stdout.strip()}")
            for head, layer in HEADS.items():
                other = np.load(folder / f"{layer}.npy").reshape(raw[head].shape)
                worst, largest = np.abs(raw[head].numpy() - other).max(), np.abs(other).max()
                print(f"  {layer} {other.shape}: largest difference {worst:.1e} of {largest:.3f}")


if __name__ == "__main__":
    main()
