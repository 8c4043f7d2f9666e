from __future__ import annotations

import struct
from pathlib import Path

import pytest
import torch

from howfar.errors import ModelError, OutputError
from howfar.nets.darknet import Darknet
from howfar.nets.darknet_weights import load_darknet_weights, save_darknet_weights
from howfar.nets.yolov4 import yolov4


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
        (whole[:16], "16 bytes"),
        (b"", "0 bytes"),
        (b"GIF89a", "no darknet weights"),
        (b"PK\x03\x04" + whole[4:], "no darknet weights"),
    ):
        path.write_bytes(content)
        with pytest.raises(ModelError, match=told):
            load_darknet_weights(net, path)
    with pytest.raises(ModelError, match="cannot be read"):
        load_darknet_weights(net, tmp_path / "none.weights")
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        save_darknet_weights(small(), tmp_path / "none" / "own.weights")
