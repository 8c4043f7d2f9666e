import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from howfar.errors import UsageError
from howfar.nets.blocks import (
    DepthwiseConv2d,
    InputSize,
    glorot_uniform,
    he_normal,
    he_uniform,
    normal,
    scaled,
)
from howfar.nets.hybrid import Unpool, interleave
from howfar.nets.resnet_unet import Center
from howfar.nets.unet import BilinearUp, ResidualDown


@pytest.mark.parametrize(
    ("channels", "width", "wanted"),
    [(16, 1.0, 16), (16, 0.5, 8), (16, 0.01, 8), (64, 0.25, 16), (48, 0.3, 16), (16, 2.0, 32)],
)
def test_scaled(channels, width, wanted):
    assert scaled(channels, width) == wanted


@pytest.mark.parametrize("width", [0, -1.0, float("nan"), float("inf")])
def test_scaled_refuses(width):
    with pytest.raises(UsageError, match=r"width .*above 0"):
        scaled(16, width)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 3, 60, 80), "80x60 pixels.*multiples of 16, such as 80x64"),
        ((1, 3, 64, 5), "5x64 pixels.*multiples of 16, such as 16x64"),
        ((1, 4, 64, 64), r"\(1, 4, 64, 64\).*\(batch, 3, height, width\)"),
        ((3, 64, 64), r"\(3, 64, 64\)"),
    ],
)
def test_input_size_refuses(shape, message):
    with pytest.raises(UsageError, match=message):
        InputSize(16).check(torch.zeros(shape))


def test_fixed_input_size():
    size = InputSize(128, fixed=(128, 256))
    size.check(torch.zeros(1, 3, 128, 256))
    with pytest.raises(UsageError, match=r"128x256 pixels.*takes only 256x128"):
        size.check(torch.zeros(1, 3, 256, 128))


def test_interleave_places_each_map():
    maps = [torch.full((2, 5, 2, 3), float(i)) for i in range(4)]
    woven = interleave(*maps)
    assert woven.shape == (2, 5, 4, 6)
    assert woven[1, 3].tolist() == [[0, 1] * 3, [2, 3] * 3] * 2


def test_interleave_keeps_channels_last():
    maps = [torch.rand(2, 8, 4, 6).contiguous(memory_format=torch.channels_last) for _ in range(4)]
    assert interleave(*maps).is_contiguous(memory_format=torch.channels_last)


def test_unpool_is_zero_insertion_and_a_5x5_convolution():
    torch.manual_seed(0)
    unpool, x = Unpool(4, 8), torch.rand(2, 4, 5, 7)
    kernel, inserted = torch.zeros(8, 4, 5, 5), torch.zeros(2, 4, 10, 14)
    inserted[:, :, ::2, ::2] = x
    bias = torch.zeros(8, 10, 14)
    for name, row, column in (("A", 0, 0), ("B", 1, 0), ("C", 0, 1), ("D", 1, 1)):
        conv = unpool.get_submodule(f"conv_{name}")
        kernel[:, :, row::2, column::2] = conv.weight.detach()
        bias[:, row::2, column::2] = conv.bias.detach()[:, None, None]
    wanted = F.conv2d(inserted, kernel, padding=2) + bias
    torch.testing.assert_close(unpool(x), wanted)


def test_residual_down_adds_the_raw_first_convolution():
    torch.manual_seed(0)
    down, x = ResidualDown(3, 8, dropout=0.0).eval(), torch.randn(1, 3, 8, 6)
    down.norm1.running_mean.uniform_()
    first = down.conv1(x)
    inner = F.leaky_relu(down.norm1(first), 0.2)
    wanted = F.leaky_relu(down.norm2(down.conv2(inner)), 0.2) + down.conv1(x)
    skip, pooled = down(x)
    torch.testing.assert_close(skip, wanted)
    torch.testing.assert_close(pooled, F.max_pool2d(wanted, 2))


def test_bilinear_up_puts_the_skip_behind():
    torch.manual_seed(0)
    up, x, skip = BilinearUp(16, 8, 8).eval(), torch.randn(1, 16, 2, 3), torch.randn(1, 8, 4, 6)
    larger = F.leaky_relu(up.conv(F.interpolate(x, size=(4, 6), mode="bilinear")), 0.2)
    pair = torch.cat([larger, skip], 1)
    pair = up.pair.norm1(F.leaky_relu(up.pair.conv1(pair), 0.2))
    wanted = up.pair.norm2(F.leaky_relu(up.pair.conv2(pair), 0.2))
    torch.testing.assert_close(up(x, skip), wanted)


def test_center_moves_but_does_not_scale():
    center, x = Center(3), 5 + 2 * torch.randn(4, 3, 8, 8)
    center.bias.data = torch.tensor([0.0, 1.0, -1.0])
    y = center(x)
    torch.testing.assert_close(y.mean((0, 2, 3)), center.bias.data, atol=1e-5, rtol=0)
    assert [name for name, _ in center.named_parameters()] == ["bias"]


@pytest.mark.parametrize(
    ("init", "std"),
    [
        (glorot_uniform, (2 / (9 * 32 + 9 * 64)) ** 0.5),
        (he_uniform, (2 / (9 * 32)) ** 0.5),
        (he_normal, (2 / (9 * 64)) ** 0.5),
        (lambda module: normal(module, 0.001), 0.001),
    ],
)
def test_initial_weights(init, std):
    torch.manual_seed(0)
    conv = nn.Conv2d(32, 64, 3)
    init(nn.Sequential(conv))
    assert conv.weight.std().item() == pytest.approx(std, rel=0.02)
    assert conv.weight.mean().item() == pytest.approx(0, abs=0.02 * std)
    assert not conv.bias.any()


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5])
def test_it_is_a_convolution_of_each_channel(kernel, stride):
    torch.manual_seed(0)
    layer = DepthwiseConv2d(6, kernel, stride)
    plain = nn.Conv2d(6, 6, kernel, stride, kernel // 2, groups=6)
    plain.load_state_dict(layer.state_dict())
    x = torch.randn(2, 6, 8, 8)
    torch.testing.assert_close(layer(x), plain(x))


@pytest.mark.parametrize("stride", [1, 2])
def test_in_bfloat16_it_gives_bfloat16_and_learns(stride):
    torch.manual_seed(0)
    layer = DepthwiseConv2d(6, 3, stride)
    x = torch.randn(2, 6, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(x.bfloat16())
    assert found.dtype is torch.bfloat16
    torch.testing.assert_close(found.float(), layer(x), atol=0.05, rtol=0.05)
    found.float().sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.dtype is torch.float32
