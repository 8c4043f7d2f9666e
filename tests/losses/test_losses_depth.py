import numpy as np
import pytest
import torch
from lossmaps import everywhere, maps, row

from howfar.errors import UsageError
from howfar.losses.depth import berhu_loss, l1_loss, log_rmse_loss, silog_loss


def test_berhu_vector():
    p, g = row(1, 2, 3, 4, 5), row(1.5, 2, 5, 3.9, 10)
    terms = [0.5, 0.0, 2.5, 0.1, 13.0]  # c = 1
    assert berhu_loss(p, g, g > 0).item() == pytest.approx(3.22)
    for i, term in enumerate(terms[:4]):
        pair = torch.zeros_like(g, dtype=torch.bool)
        pair[..., [i, 4]] = True  # the largest error keeps c = 1
        assert berhu_loss(p, g, pair).item() == pytest.approx((term + 13) / 2)


def test_berhu_threshold_sees_only_valid_pixels_and_is_a_constant():
    p, g = row(0, 0, 0, 0).requires_grad_(), row(0.2, 1.0, 5.0, 1000.0)
    valid = g < 1000
    berhu_loss(p, g, valid).backward()
    # c = 1: two linear terms, one squared with derivative d / c, a third each
    assert torch.allclose(p.grad, row(-1, -1, -5, 0) / 3)


def test_l1_is_the_mean_over_the_pixels_of_the_batch():
    p, g = torch.zeros(2, 1, 1, 2), torch.tensor([1.0, 2.0, 3.0, 9.0]).view(2, 1, 1, 2)
    assert l1_loss(p, g, g < 9) == 2


def test_silog_vector():
    g, p = row(1, 2, 4, 8), row(1.1, 1.5, 4.4, 11)
    whole = silog_loss(p, g, g > 0, variance_focus=1).item()
    assert 100 * whole == pytest.approx(21.7995532055)
    assert silog_loss(p, g, g > 0, variance_focus=0).item() == pytest.approx(0.2249121020)
    error = np.log([1.1, 0.75, 1.1, 1.375])
    eigen = (error**2).mean() - 0.5 * error.mean() ** 2
    loss = silog_loss(p, g, g > 0, variance_focus=0.5, rooted=False)
    assert loss.item() == pytest.approx(eigen)


def test_silog_with_full_focus_forgives_a_factor():
    g = maps(2, 1, 5, 6, low=1, high=9)
    assert silog_loss(3 * g, g, everywhere(g), variance_focus=1) < 1e-9
    assert silog_loss(3 * g, g, everywhere(g)) > 0.1


def test_silog_focus_outside_0_to_1_is_told():
    g = row(1, 2)
    with pytest.raises(UsageError, match=r"variance_focus is 1\.5"):
        silog_loss(g, g, g > 0, variance_focus=1.5)


def test_log_rmse_equals_numpy():
    g, p = np.array([1.0, 2, 4, 0]), np.array([1.1, -1.5, 4.4, 3])
    expected = np.sqrt((np.log1p(np.maximum(p, 1e-7)) - np.log1p(g)) ** 2 + 1e-5).mean()
    loss = log_rmse_loss(row(*p), row(*g), everywhere(row(*g)))
    assert loss.item() == pytest.approx(expected)


def test_log_rmse_weights_multiply_pixels():
    g, p = row(1, 2, 4), row(1.5, 2.5, 9)
    valid, weights = g < 4, row(11, 1, torch.nan)
    parts = [log_rmse_loss(p, g, g == x).item() for x in (1, 2)]
    loss = log_rmse_loss(p, g, valid, weights=weights)
    assert loss.item() == pytest.approx((11 * parts[0] + parts[1]) / 2)
    with pytest.raises(UsageError, match="weights"):
        log_rmse_loss(p, g, valid, weights=weights[0])
