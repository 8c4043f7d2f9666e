from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from fill import picture, uniform

from howfar.errors import ModelError, UsageError
from howfar.nets.darknet import geometry
from howfar.nets.darknet_cfg import (
    Cfg,
    Convolution,
    MaxPool,
    Route,
    Shortcut,
    Upsample,
    Yolo,
    absolute,
    cfg_text,
    parse_cfg,
)
from howfar.nets.darknet_weights import load_darknet_weights
from howfar.nets.yolov4 import yolov4, yolov4_cfg

LAYERS = Path(__file__).with_name("yolov4_layers.txt")
"""Darknet's list of its yolov4.cfg: number, layer, (channels, side at 608)."""
HEADS = {
    138: (0.000129, 0.067834, -0.248053, 0.224504, [0.00268, 0.02082, 0.04199]),
    149: (0.001534, 0.070313, -0.206657, 0.27494, [-0.04031, -0.06947, -0.07108]),
    160: (-0.003832, 0.062859, -0.235003, 0.215934, [0.06017, 0.01592, -0.00467]),
}
DECODED = {  # rows, mean, std, first three: cx, cy, w as shares, obj, obj * class
    8: (432, 0.260171, 0.067078, [0.04173, 0.04214, 0.11502]),
    16: (108, 0.281267, 0.11541, [0.08149, 0.07949, 0.36809]),
    32: (27, 0.309769, 0.419454, [0.17193, 0.16738, 1.44889]),
}


def vector_weights(path: Path) -> None:
    """The weights of facts section 6, written in the file's order."""
    with path.open("wb") as file:
        file.write(struct.pack("<3iQ", 0, 2, 5, 0))
        place, cfg = 0, yolov4_cfg()
        channels, _ = geometry(cfg)
        for i, layer in enumerate(cfg.layers):
            if not isinstance(layer, Convolution):
                continue
            ins = channels[i - 1] if i else 3

            def take(count: int) -> np.ndarray:
                nonlocal place
                place += count
                return uniform(count, place - count)

            parts = [0.1 * (take(layer.filters) - 0.5)]
            if layer.batch_norm:
                parts.append(1 + 0.2 * (take(layer.filters) - 0.5))
                parts.append(0.1 * (take(layer.filters) - 0.5))
                parts.append(1 + 0.2 * take(layer.filters))
            fan = ins * layer.size**2
            parts.append(2 * 0.9 * (take(layer.filters * fan) - 0.5) * np.sqrt(6 / fan))
            for part in parts:
                file.write(part.astype("<f4").tobytes())


@pytest.mark.slow
def test_yolov4_vectors(tmp_path: Path) -> None:
    path = tmp_path / "yolov4.weights"
    vector_weights(path)
    assert path.stat().st_size == 257_717_640
    net = yolov4().eval()
    assert load_darknet_weights(net, path) == 110
    images = picture(96, 96)
    with torch.no_grad():
        raw = net.raw(images)
        output = net(images)["output"][0].numpy()
    for head, (mean, std, low, high, first) in HEADS.items():
        found = raw[head + 1]
        measured = [found.mean(), found.std(correction=0), found.min(), found.max()]
        np.testing.assert_allclose(measured, [mean, std, low, high], atol=1e-5)
        np.testing.assert_allclose(found.flatten()[:3], first, atol=1e-5)
    output[:, :4] /= 96
    output[:, 5:] *= output[:, 4:5]
    start = 0
    for stride, (count, mean, std, first) in DECODED.items():
        # OpenCV's rows go by y, x, anchor; the statistics do not mind
        rows = output[start : start + count]
        start += count
        assert rows[0, :3] == pytest.approx(first, abs=1e-5), stride
        assert rows.mean() == pytest.approx(mean, abs=2e-6)
        assert rows.std() == pytest.approx(std, abs=1e-5)
    assert start == len(output)


def line(cfg: Cfg, number: int, channels: list[int], strides: list[int]) -> str:
    """A layer as `yolov4_layers.txt` has it."""
    layer = cfg.layers[number]
    match layer:
        case Convolution():
            ins = channels[number - 1] if number else 3
            kernel = f"k{layer.size} s{layer.stride}"
            told = (
                f"conv {ins}->{layer.filters} {kernel} {layer.activation} bn{int(layer.batch_norm)}"
            )
        case Route():
            told = f"route {[absolute(source, number) for source in layer.layers]}"
        case Shortcut():
            told = f"shortcut from {absolute(layer.source, number)} act={layer.activation}"
        case MaxPool():
            told = f"maxpool k{layer.size} s{layer.stride}"
        case Upsample():
            told = f"upsample x{layer.stride}"
        case Yolo():
            mask = ",".join(map(str, layer.mask))
            told = f"yolo mask={mask} scale_x_y={layer.scale_xy:g}"
    return f"{number} {told} -> ({channels[number]}, {608 // strides[number]})"


def test_every_layer() -> None:
    cfg = yolov4_cfg()
    channels, strides = geometry(cfg)
    expected = LAYERS.read_text(encoding="utf-8").splitlines()
    assert len(expected) == 162
    assert [line(cfg, i, channels, strides) for i in range(len(cfg.layers))] == expected


def test_sizes() -> None:
    with torch.device("meta"):
        net = yolov4()
        raw = net(torch.empty(1, 3, 608, 608))
    assert sum(p.numel() for p in net.parameters()) == 64_363_101
    assert len(net.layers) == 110
    assert net.scale_xy == (1.2, 1.1, 1.05)
    assert net.strides == (8, 16, 32)
    assert net.anchors_px.shape == (3, 3, 2)
    assert {name: tuple(x.shape) for name, x in raw.items()} == {
        "p8": (1, 3, 76, 76, 85),
        "p16": (1, 3, 38, 38, 85),
        "p32": (1, 3, 19, 19, 85),
    }


def test_a_cfg_comes_back() -> None:
    cfg = yolov4_cfg(3, 0.25, imgsz=416)
    assert parse_cfg(cfg_text(cfg)) == cfg


def test_wrong_options_are_named() -> None:
    with pytest.raises(UsageError, match="9 pairs"):
        yolov4(anchors=[(1, 2)])
    with pytest.raises(UsageError, match="0 classes"):
        yolov4(0)
    with pytest.raises(UsageError, match="imgsz 0"):
        yolov4(imgsz=0)
    with pytest.raises(
        ModelError, match="width=100 height=100; this network takes multiples of 32"
    ):
        yolov4(2, 0.125, imgsz=100)
