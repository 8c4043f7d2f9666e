from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from fill import fill, picture

from howfar.errors import UsageError
from howfar.export import write_onnx
from howfar.losses.detection import yolov5_loss
from howfar.nets.yolov5 import ANCHORS_PX, YoloV5, decode, yolov5
from howfar.runtimes.onnx import OnnxRuntime

PARAMETERS = {"n": 1872157, "s": 7235389, "m": 21190557, "l": 46563709, "x": 86749405}
TENSORS = {"n": 349, "s": 349, "m": 481, "l": 613, "x": 745}
RAW = {
    "n": [
        (
            -0.008037,
            0.09764,
            -0.48946,
            0.544158,
            [-0.03443, 0.06221, 0.03162],
            [0.02332, -0.00249, 0.01924],
        ),
        (
            0.00099,
            0.042065,
            -0.159833,
            0.174682,
            [0.01417, 0.04096, 0.08638],
            [0.01647, 0.05359, 0.04388],
        ),
        (
            0.000679,
            0.040008,
            -0.127924,
            0.119848,
            [-0.00604, 0.02699, 0.02395],
            [-0.0052, -0.0043, 0.0316],
        ),
    ],
    "s": [
        (
            0.005855,
            0.321122,
            -2.141701,
            2.028652,
            [-0.05122, 0.30808, -0.01303],
            [-0.01064, 0.34902, 0.05385],
        ),
        (
            0.007312,
            0.238688,
            -1.522764,
            1.475716,
            [-0.02989, 0.08601, -0.0615],
            [-0.01607, 0.07047, -0.08497],
        ),
        (
            -0.01212,
            0.246198,
            -0.940182,
            0.900376,
            [0.01288, -0.00687, -0.17868],
            [0.01415, -0.00688, -0.22579],
        ),
    ],
}
DECODED = {
    "n": (
        3.079376,
        15.867136,
        0.380021,
        390.936859,
        [3.86229, 4.24874, 10.31872],
        [4.09327, 3.99005, 10.19327],
    ),
    "s": (
        3.071997,
        16.444618,
        0.166508,
        523.039612,
        [3.79518, 5.22266, 9.87009],
        [3.95746, 5.38209, 10.54563],
    ),
}


def filled(size: str) -> YoloV5:
    net = yolov5(size)
    anchors = net.state_dict()["model.24.anchors"].clone()
    fill(net.state_dict(), 1.15)
    net.state_dict()["model.24.anchors"].copy_(anchors)
    return net.eval()


def assert_like(
    found: torch.Tensor,
    expected: tuple[float, float, float, float, list[float], list[float]],
    tolerance: float,
) -> None:
    mean, std, low, high, first, middle = expected
    measured = [found.mean(), found.std(correction=0), found.min(), found.max()]
    np.testing.assert_allclose(measured, [mean, std, low, high], atol=tolerance, rtol=1e-4)
    np.testing.assert_allclose(found.flatten()[:3], first, atol=2e-5)
    half = found.numel() // 2
    np.testing.assert_allclose(found.flatten()[half : half + 3], middle, atol=2e-5)


@pytest.mark.parametrize("size", ["n", "s", "m", "l", "x"])
def test_sizes(size: str) -> None:
    net = yolov5(size)
    assert sum(p.numel() for p in net.parameters()) == PARAMETERS[size]
    assert len(net.state_dict()) == TENSORS[size]


def test_names_of_official_checkpoints() -> None:
    names = set(yolov5().state_dict())
    assert {
        "model.0.conv.weight",
        "model.0.bn.num_batches_tracked",
        "model.2.m.0.cv1.conv.weight",
        "model.9.cv1.conv.weight",
        "model.24.anchors",
        "model.24.m.2.bias",
    } <= names


@pytest.mark.parametrize("size", ["n", "s"])
def test_vectors(size: str) -> None:
    net = filled(size)
    images = picture(128, 160, 2)
    with torch.no_grad():
        decoded = net(images)["output"]
        net.train()
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eval()
        raw = net(images)
    assert [tuple(level.shape) for level in raw.values()] == [
        (2, 3, 16, 20, 85),
        (2, 3, 8, 10, 85),
        (2, 3, 4, 5, 85),
    ]
    for level, expected in zip(raw.values(), RAW[size], strict=True):
        assert_like(level, expected, 2e-6)
    assert decoded.shape == (2, 1260, 85)
    assert_like(decoded, DECODED[size], 2e-3)
    again = decode(list(raw.values()), net.anchors_px, net.strides)
    torch.testing.assert_close(again, decoded)


def test_decoded_by_hand() -> None:
    raw = torch.zeros(1, 3, 4, 4, 6)
    raw[0, 1, 2, 3, :5] = torch.tensor([1.0, -1.0, 0.5, -0.5, 2.0])
    found = decode([raw], torch.tensor(ANCHORS_PX[:1]), (8,))[0, 16 + 2 * 4 + 3]

    def s(v: float) -> float:
        return float(1 / (1 + np.exp(-v)))

    expected = [
        (2 * s(1) - 0.5 + 3) * 8,
        (2 * s(-1) - 0.5 + 2) * 8,
        (2 * s(0.5)) ** 2 * 16,
        (2 * s(-0.5)) ** 2 * 30,
        s(2),
        0.5,
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_fresh_biases_expect_few_objects() -> None:
    head = yolov5().model[24].m[0]
    bias = head.bias.detach().view(3, 85)
    assert bias[:, 4].mean() == pytest.approx(np.log(8 / 80**2), abs=0.2)
    assert bias[:, 5:].mean() == pytest.approx(np.log(0.6 / 79.00001), abs=0.2)


def test_exported_it_takes_any_batch(tmp_path: Path) -> None:
    net = filled("n")
    path = tmp_path / "net.onnx"
    write_onnx(net, picture(128, 160).numpy(), path)
    runtime = OnnxRuntime(path, 1)
    for batch in (1, 3):
        images = picture(128, 160, batch)
        with torch.no_grad():
            expected = net(images)["output"].numpy()
        found = runtime.run({"images": images.numpy()})["output"]
        np.testing.assert_allclose(found, expected, atol=1e-3)


def test_what_cannot_be_built() -> None:
    with pytest.raises(UsageError, match="size 'xl' is unknown; use one of n, s"):
        yolov5("xl")
    with pytest.raises(UsageError, match="0 classes"):
        yolov5("n", 0)
    with pytest.raises(UsageError, match="anchors"):
        yolov5("n", 2, [[[1, 2]]])
    with pytest.raises(UsageError, match="multiples of 32"):
        yolov5()(torch.zeros(1, 3, 100, 128))


@pytest.mark.parametrize(
    ("size", "total", "parts"),
    [
        ("n", 9.674262, (0.111730, 3.687373, 1.038028)),
        ("s", 8.965265, (0.118359, 3.302819, 1.061454)),
    ],
)
def test_loss_vectors(size: str, total: float, parts: tuple[float, ...]) -> None:
    net = filled(size).train()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
    targets = torch.tensor(
        [
            [0, 1, 0.5, 0.5, 0.2, 0.3],
            [0, 7, 0.12, 0.88, 0.05, 0.07],
            [1, 2, 0.25, 0.75, 0.4, 0.1],
            [1, 79, 0.99, 0.02, 0.6, 0.5],
        ]
    )
    with torch.no_grad():
        raw = list(net(picture(128, 160, 2)).values())
        found = yolov5_loss(raw, targets, net.anchors_px, net.strides)
    weighted = [0.05 * found.box, found.obj, 0.5 * found.cls]
    np.testing.assert_allclose(weighted, parts, atol=2e-6)
    assert float(found.total) == pytest.approx(total, abs=2e-5)
