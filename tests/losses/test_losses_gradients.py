import numpy as np
import pytest
import torch
from lossmaps import everywhere, hashed, maps, row

from howfar.errors import UsageError
from howfar.losses.gradients import (
    gradient_loss,
    gradient_mare_loss,
    multiscale_gradient,
    weighted_smoothness_loss,
)
from howfar.metrics.depth import gradient_mare_error


def test_gradient_vector():
    a = hashed(768).reshape(1, 1, 24, 32)
    b = np.clip(a + 0.3 * (hashed(768, 1000).reshape(a.shape) - 0.5), 0, 1)
    target, prediction = torch.tensor(a), torch.tensor(b)
    loss = gradient_loss(prediction, target, everywhere(target)).item()
    assert loss == pytest.approx(0.1855398138)


def test_gradient_skips_pairs_with_a_hole():
    p, g = row(0, 5, 0, 1), row(0, 0, 0, 0)
    valid = torch.tensor([True, False, True, True]).view(1, 1, 1, 4)
    assert gradient_loss(p, g, valid).item() == pytest.approx(1 / 3)


def test_smoothness_equals_numpy():
    p, g = maps(2, 1, 6, 7), maps(2, 1, 6, 7, offset=99)
    expected = 0
    for axis in (-1, -2):
        dp, dg = np.diff(p.numpy(), axis=axis), np.diff(g.numpy(), axis=axis)
        expected += np.exp(np.abs(dg).sum() / g.numel()) * np.abs(dp).sum() / p.numel()
    assert weighted_smoothness_loss(p, g, everywhere(g)).item() == pytest.approx(expected)


def test_smoothness_of_a_flat_prediction_is_zero():
    g = maps(1, 1, 6, 7)
    assert weighted_smoothness_loss(torch.full_like(g, 3), g, everywhere(g)) == 0


def test_gradient_mare_equals_the_metric():
    p, g = maps(1, 1, 9, 11, high=3), maps(1, 1, 9, 11, offset=77, low=-0.3, high=3)
    valid = everywhere(g)
    valid[..., 2:4, 5] = False
    expected = gradient_mare_error(p[0, 0].numpy(), g[0, 0].numpy(), valid[0, 0].numpy())
    assert gradient_mare_loss(p, g, valid).item() == pytest.approx(expected.value)


def test_gradient_mare_divides_flat_parts_by_epsilon():
    p, g = row(1, 1.5), row(2, 2)
    assert gradient_mare_loss(p, g, everywhere(g), epsilon=0.25).item() == pytest.approx(2)
    with pytest.raises(UsageError, match="epsilon is 0"):
        gradient_mare_loss(p, g, everywhere(g), epsilon=0)


def test_multiscale_gradient_equals_numpy():
    residual = maps(2, 1, 9, 10)
    valid = maps(2, 1, 9, 10, offset=3) > 0.2
    found = multiscale_gradient(torch.where(valid, residual, 0), valid, scales=3)
    for image in range(2):
        expected = 0
        for k in range(3):
            r = residual[image, 0, :: 2**k, :: 2**k].numpy()
            m = valid[image, 0, :: 2**k, :: 2**k].numpy()
            r = np.where(m, r, np.nan)
            expected += sum(np.nansum(np.abs(np.diff(r, axis=i))) for i in (0, 1)) / m.sum()
        assert found[image].item() == pytest.approx(expected)
