import pytest
import torch
from torch import nn

from howfar.nets.blocks import DepthwiseConv2d


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
