import pytest
from lossmaps import everywhere, maps

from howfar.losses.combined import report_loss, resnet_unet_loss, ssim_mare_loss
from howfar.losses.depth import l1_loss
from howfar.losses.gradients import gradient_loss, gradient_mare_loss
from howfar.losses.ssim import ssim_loss


@pytest.fixture
def maps_of_metres():
    g = maps(2, 1, 14, 15, low=0.5, high=8)
    valid = everywhere(g)
    valid[0, 0, :2] = False
    return maps(2, 1, 14, 15, offset=60, low=0.5, high=8), g, valid


def test_parts_are_weighted(maps_of_metres):
    l1, edges = l1_loss(*maps_of_metres).item(), gradient_loss(*maps_of_metres).item()
    mare = gradient_mare_loss(*maps_of_metres, epsilon=0.1).item()
    similarity = ssim_loss(*maps_of_metres, data_range=8).item()
    report = report_loss(
        *maps_of_metres, l1_weight=2, gradient_weight=3, ssim_weight=4, data_range=8
    )
    assert report.item() == pytest.approx(2 * l1 + 3 * edges + 4 * similarity)
    unet = resnet_unet_loss(*maps_of_metres, data_range=8)
    assert unet.item() == pytest.approx(similarity + edges + 0.1 * l1)
    custom = ssim_mare_loss(
        *maps_of_metres, ssim_weight=2, mare_weight=5, epsilon=0.1, data_range=8
    )
    assert custom.item() == pytest.approx(2 * similarity + 5 * mare)
