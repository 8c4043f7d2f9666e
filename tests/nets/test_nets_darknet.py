from __future__ import annotations

import numpy as np
import pytest
import torch

from howfar.errors import ModelError
from howfar.nets.darknet import Darknet, _pooled, decode
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


def test_a_route_takes_its_group_of_every_source() -> None:
    cfg = parse_cfg(TINY.replace("layers=-1, 0", "layers=-1, 0\ngroups=2\ngroup_id=1"))
    assert cfg.layers[4] == Route((-1, 0), 2, 1)
    assert parse_cfg(cfg_text(cfg)) == cfg
    net = Darknet(cfg).eval()
    seen: list[torch.Tensor] = []
    for number in ("0", "5"):
        net.layers[number].register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    net.layers["0"].register_forward_hook(lambda _, __, y: seen.append(y))
    with torch.no_grad():
        net(torch.rand(1, 3, 64, 64))
    _, first, routed = seen
    assert routed.shape[1] == 8
    assert torch.equal(routed[:, 4:], first[:, 4:])


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
        ("pad=1", "pad=1\ngroups=0", r"line 5: groups=0; give at least 1"),
        ("size=3", "size=2", "only odd sizes"),
        ("width=64", "width=0", r"line 2: width=0 height=64; give at least 1"),
        ("width=64", "channels=1", "channels=1; only 3"),
        ("layers=-1, 0", "layers=-1\ngroups=0", "groups=0; give at least 1"),
        ("layers=-1, 0", "layers=-1\ngroups=2\ngroup_id=2", "group_id=2; give 0 to 1"),
        ("layers=-1, 0", "layers=-1\ngroup_id=-1", "group_id=-1; give 0 to 0"),
        ("layers=-1, 0", "layers=", "route without layers"),
        ("anchors=4,8, 16,8", "anchors=4,8, 0,8", "anchors=4,8,0,8; give positive"),
        ("anchors=4,8, 16,8", "anchors=4,8, nan,8", "anchors=4,8,nan,8; give positive"),
        ("classes=2", "classes=2\nscale_x_y=nan", "scale_x_y=nan; give a positive"),
        ("classes=2", "classes=0", "classes=0; give at least 1"),
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
    with pytest.raises(ModelError, match="layer 4: channels do not divide into 3 groups"):
        Darknet(parse_cfg(TINY.replace("layers=-1, 0", "layers=-1, 0\ngroups=3")))
    with pytest.raises(ModelError, match="layer 4: routes maps of different sizes"):
        Darknet(parse_cfg(TINY.replace("size=2\nstride=1", "size=2\nstride=2")))
    with pytest.raises(ModelError, match="width=63 height=64; this network takes multiples of 2"):
        Darknet(parse_cfg(TINY.replace("width=64", "width=63")))


def test_heads_must_agree() -> None:
    cfg = parse_cfg(TINY)
    yolo = Yolo((0,), ((4.0, 8.0),), 9)
    with pytest.raises(ModelError, match="different numbers"):
        Darknet(Cfg(cfg.net, (*cfg.layers, Route((5,)), yolo)))
