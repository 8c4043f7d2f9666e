from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from fill import picture, uniform

from howfar.errors import ModelError, UsageError
from howfar.nets.darknet import Darknet, _pooled, decode, geometry
from howfar.nets.darknet_cfg import (
    Cfg,
    Convolution,
    MaxPool,
    Net,
    Route,
    Shortcut,
    Yolo,
    cfg_text,
    parse_cfg,
)
from howfar.nets.darknet_weights import load_darknet_weights, save_darknet_weights
from howfar.nets.yolov4 import yolov4, yolov4_cfg

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

TINY = """
[net]
width=64
height=64   # comments end a line
[convolutional]
batch_normalize=1
filters=8
size=3
stride=2
pad=1
activation=leaky
[convolutional]
filters=8
size=1
activation=mish
[shortcut]
from=-2
[maxpool]
size=2
stride=1
[route]
layers=-1, 0
[convolutional]
filters=14
size=1
activation=linear
[yolo]
mask=0,1
anchors=4,8, 16,8
classes=2
"""


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


def test_yolov4_layers() -> None:
    cfg = yolov4_cfg()
    channels, strides = geometry(cfg)
    assert len(cfg.layers) == 162
    assert sum(isinstance(layer, Convolution) for layer in cfg.layers) == 110
    for number, channel, size in ((10, 64, 304), (23, 128, 152), (104, 1024, 19), (113, 2048, 19)):
        assert (channels[number], 608 // strides[number]) == (channel, size)
    assert [channels[i] for i in (139, 150, 161)] == [255] * 3
    assert [strides[i] for i in (139, 150, 161)] == [8, 16, 32]
    with torch.device("meta"):
        net = Darknet(cfg)
    assert sum(p.numel() for p in net.parameters()) == 64_363_101
    assert net.scale_xy == (1.2, 1.1, 1.05)
    assert net.anchors_px.shape == (3, 3, 2)


def test_a_cfg_comes_back() -> None:
    cfg = yolov4_cfg(3, 0.25)
    assert parse_cfg(cfg_text(cfg)) == cfg


def test_a_small_cfg() -> None:
    cfg = parse_cfg(TINY)
    assert cfg.net == Net(64, 64)
    assert cfg.layers[:3] == (
        Convolution(8, 3, 2, True, "leaky"),
        Convolution(8, 1, 1, False, "mish"),
        Shortcut(-2),
    )
    assert cfg.layers[3:5] == (MaxPool(2, 1), Route((-1, 0)))
    assert cfg.layers[6] == Yolo((0, 1), ((4, 8), (16, 8)), 2)
    net = Darknet(cfg)
    raw = net(torch.rand(2, 3, 64, 96))
    assert {name: tuple(x.shape) for name, x in raw.items()} == {"p2": (2, 2, 32, 48, 7)}
    assert net.eval()(torch.rand(2, 3, 64, 96))["output"].shape == (2, 2 * 32 * 48, 7)


def test_even_pools_look_ahead() -> None:
    net = Darknet(parse_cfg(TINY))
    x = torch.arange(16.0).view(1, 1, 4, 4)
    found = _pooled(x, MaxPool(2, 1))[0, 0]
    assert found.tolist() == [[5, 6, 7, 7], [9, 10, 11, 11], [13, 14, 15, 15], [13, 14, 15, 15]]
    assert net.classes == 2


def test_decoded_by_hand() -> None:
    raw = torch.zeros(1, 1, 2, 3, 6)
    raw[0, 0, 1, 2] = torch.tensor([1.0, -1, 0.5, -0.5, 2, -2])
    found = decode([raw], torch.tensor([[[10.0, 20.0]]]), (8,), (1.2,))[0, 5].tolist()

    def s(v: float) -> float:
        return float(1 / (1 + np.exp(-v)))

    expected = [
        (2 + 1.2 * s(1) - 0.1) * 8,
        (1 + 1.2 * s(-1) - 0.1) * 8,
        np.exp(0.5) * 10,
        np.exp(-0.5) * 20,
        s(2),
        s(-2),
    ]
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[net]", "[convolutional]", r"begins with \[net\]"),
        ("[shortcut]", "[gru]", r"line \d+: \[gru\] is unknown"),
        ("[shortcut]", "[shortcut", "is no"),
        ("from=-2", "from=-9", "refers to layer -9"),
        ("from=-2", "nothing", "neither"),
        ("filters=14", "filters=many", "filters=many is not understood"),
        ("filters=14", "", r"lacks filters="),
        ("filters=14", "filters=0", "at least 1"),
        ("activation=mish", "activation=gelu", "activation=gelu is unknown"),
        ("mask=0,1", "mask=0,2", "does not fit 2 anchors"),
        ("pad=1", "pad=0", "without pad=1"),
        ("[yolo]\nmask=0,1\nanchors=4,8, 16,8\nclasses=2\n", "", "finds no objects"),
    ],
)
def test_wrong_cfgs_are_named(old: str, new: str, told: str) -> None:
    with pytest.raises(ModelError, match=told):
        parse_cfg(TINY.replace(old, new), "my.cfg")


def test_layers_that_do_not_fit() -> None:
    with pytest.raises(ModelError, match="needs 14 channels, the layer before gives 15"):
        Darknet(parse_cfg(TINY.replace("filters=14", "filters=15")))
    with pytest.raises(ModelError, match="layer 2: adds maps of different shapes"):
        Darknet(parse_cfg(TINY.replace("filters=8\nsize=1", "filters=4\nsize=1")))
    with pytest.raises(UsageError, match="9 pairs"):
        yolov4(anchors=[(1, 2)])


def small() -> Darknet:
    return yolov4(2, 0.125)


def randomised(net: Darknet) -> Darknet:
    generator = torch.Generator().manual_seed(1)
    for value in net.state_dict().values():
        if value.is_floating_point():
            value.copy_(torch.rand(value.shape, generator=generator))
    return net


def test_weights_come_back(tmp_path: Path) -> None:
    net, path = randomised(small()), tmp_path / "own.weights"
    save_darknet_weights(net, path, seen=64)
    other = small()
    assert load_darknet_weights(other, path) == 110
    for (name, a), b in zip(net.state_dict().items(), other.state_dict().values(), strict=True):
        if a.is_floating_point():
            assert torch.equal(a, b), name
    assert struct.unpack("<3iQ", path.read_bytes()[:20]) == (0, 2, 5, 64)


def test_backbone_weights_fill_the_first_layers(tmp_path: Path) -> None:
    net, path = randomised(small()), tmp_path / "backbone.conv.5"
    save_darknet_weights(net, path)
    first = list(net.layers.values())[:5]
    count = sum(v.numel() for la in first for v in la.state_dict().values() if v.ndim)
    path.write_bytes(path.read_bytes()[: 20 + 4 * count])
    other = small()
    before = other.layers["8"].conv.weight.clone()
    assert load_darknet_weights(other, path) == 5
    assert torch.equal(other.layers["0"].conv.weight, net.layers["0"].conv.weight)
    assert torch.equal(other.layers["8"].conv.weight, before)


def test_old_headers_are_shorter(tmp_path: Path) -> None:
    net, path = randomised(small()), tmp_path / "old.weights"
    save_darknet_weights(net, path)
    path.write_bytes(struct.pack("<3iI", 0, 1, 0, 7) + path.read_bytes()[20:])
    assert load_darknet_weights(small(), path) == 110


def test_damaged_weights_are_named_and_change_nothing(tmp_path: Path) -> None:
    net, path = small(), tmp_path / "own.weights"
    save_darknet_weights(net, path)
    whole = path.read_bytes()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    for content, told in (
        (whole[:-400], "ends within convolution 110"),
        (whole + b"\0" * 8, "another network's file"),
        (whole[:-2], "no whole float32"),
        (whole[:20], "holds no weights"),
        (b"GIF89a", "no darknet weights"),
        (b"PK\x03\x04" + whole[4:], "no darknet weights"),
    ):
        path.write_bytes(content)
        with pytest.raises(ModelError, match=told):
            load_darknet_weights(net, path)
    with pytest.raises(ModelError, match="cannot be read"):
        load_darknet_weights(net, tmp_path / "none.weights")
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())


def test_heads_must_agree() -> None:
    cfg = parse_cfg(TINY)
    yolo = Yolo((0,), ((4.0, 8.0),), 9)
    with pytest.raises(ModelError, match="different numbers"):
        Darknet(Cfg(cfg.net, (*cfg.layers, Route((5,)), yolo)))
