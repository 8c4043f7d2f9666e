import pytest
import torch

from howfar.nets.aligned import MULTIPLE, aligned
from howfar.nets.joint import joint
from howfar.nets.shufflenet import ShuffleNet


def seen(net, views):
    """A network whose norms do something."""
    for part in net.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(part.weight, 0.5, 2)
            torch.nn.init.uniform_(part.bias, -0.5, 0.5)
    net.train()(views)
    return net.eval()


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("widths", [(116, 232, 464), (58, 116, 232), (12, 26, 50), (16, 32, 64)])
def test_the_answers_are_the_same(widths, norm):
    torch.manual_seed(0)
    views = torch.randn(2, 3, 64, 96)
    net = seen(ShuffleNet(widths, norm), views)
    with torch.no_grad():
        for wanted, found in zip(net(views), aligned(net)(views), strict=True):
            torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def test_channels_of_the_units_are_multiples_and_weights_keep_their_names():
    net = joint("s", norm=False)
    wide = aligned(net)
    assert set(wide.state_dict()) == set(net.state_dict())
    for unit in wide.encoder.stages[0]:
        for layer in unit.modules():
            if isinstance(layer, torch.nn.Conv2d):
                assert layer.out_channels % MULTIPLE == 0
    name = "encoder.stages.0.1.main.0.0.weight"
    plain, padded = net.state_dict()[name], wide.state_dict()[name]
    assert plain.shape == (58, 58, 1, 1)
    assert padded.shape == (60, 60, 1, 1)
    assert torch.equal(padded[:58, :58], plain)
    assert torch.count_nonzero(padded) == torch.count_nonzero(plain)


def test_the_network_itself_stays_as_it_was():
    net = ShuffleNet((12, 24, 48)).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    aligned(net)
    assert net.training
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
