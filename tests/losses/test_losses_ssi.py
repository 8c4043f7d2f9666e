import numpy as np
import pytest
import torch
from lossmaps import everywhere, maps, row

from howfar.errors import UsageError
from howfar.losses.ssi import (
    seed001_simplified_loss,
    ssi_gradient_loss,
    ssi_loss,
    ssi_mae_loss,
    ssi_mse_loss,
    ssi_residuals,
)
from howfar.metrics.relative import ssi_mae_error, ssi_mse_error

D = row(1, 2, 3, 4, 6, 9)
TRUTH = row(2, 4.1, 5.9, 8, 12.3, 30)
VALID = everywhere(D)


def test_least_squares_vector():
    residual, _ = ssi_residuals(D, TRUTH, VALID)
    fit = residual + TRUTH  # s d + t
    scale = (fit[..., 1] - fit[..., 0]).item()
    assert scale == pytest.approx(3.3645914396)
    assert fit[..., 0].item() - scale == pytest.approx(-3.6357976654)
    assert ssi_mse_loss(D, TRUTH, VALID).item() == pytest.approx(3.2612191958)


@pytest.mark.parametrize(
    ("trim", "lower", "expected"),
    [
        (0.0, False, 0.1787507532),
        (0.2, False, 0.0578429403),
        (0.0, True, 0.1677043584),
        (0.2, True, 0.0520184776),
    ],
)
def test_robust_vectors(trim, lower, expected):
    loss = ssi_mae_loss(D, TRUTH, VALID, trim=trim, lower_median=lower)
    assert loss.item() == pytest.approx(expected)


@pytest.fixture
def batch():
    """Disparities (3, 1, 9, 8) with holes, one image without any valid pixel."""
    d, target = maps(3, 1, 9, 8), maps(3, 1, 9, 8, offset=300)
    valid = maps(3, 1, 9, 8, offset=900) > 0.3
    valid[1] = False
    return d, target, valid


@pytest.mark.parametrize("trim", [0.0, 0.2])
@pytest.mark.parametrize("lower", [False, True])
def test_losses_are_the_mean_of_the_metrics_of_images(batch, trim, lower):
    d, target, valid = batch
    images = [tuple(x[i, 0].numpy() for x in batch) for i in (0, 2)]
    squared = np.mean([ssi_mse_error(*image).value for image in images])
    assert ssi_mse_loss(d, target, valid).item() == pytest.approx(squared)
    robust = [ssi_mae_error(*image, trim=trim, lower_median=lower).value for image in images]
    loss = ssi_mae_loss(d, target, valid, trim=trim, lower_median=lower)
    assert loss.item() == pytest.approx(np.mean(robust))


@pytest.mark.parametrize("data", ["mse", "mae", "trimmed"])
def test_scale_and_shift_of_the_prediction_change_nothing(batch, data):
    d, target, valid = batch
    moved = d * torch.tensor([7.0, 1.0, 0.01]).view(3, 1, 1, 1) - 5
    before, after = (ssi_loss(x, target, valid, data=data) for x in (d, moved))
    assert before.item() > 0.05
    assert after.item() == pytest.approx(before.item())


def test_scale_and_shift_hold_in_float32(batch):
    d, target, valid = (x.float() if x.is_floating_point() else x for x in batch)
    for data in ("mse", "trimmed"):
        before, after = (ssi_loss(x, target, valid, data=data) for x in (d, 100 * d + 50))
        assert after.item() == pytest.approx(before.item(), rel=1e-4)


@pytest.mark.parametrize("data", ["mse", "mae", "trimmed"])
def test_a_moved_truth_is_a_perfect_prediction(batch, data):
    _, target, valid = batch
    assert ssi_loss(0.3 * target + 2, target, valid, data=data) < 1e-9


def test_total_is_data_and_half_the_gradient(batch):
    d, target, valid = batch
    for data, align, first in (
        ("mse", "least-squares", ssi_mse_loss(d, target, valid)),
        ("mae", "robust", ssi_mae_loss(d, target, valid)),
        ("trimmed", "robust", ssi_mae_loss(d, target, valid, trim=0.2)),
    ):
        gradient = ssi_gradient_loss(d, target, valid, align=align)
        assert gradient > 0
        total = ssi_loss(d, target, valid, data=data)
        assert total.item() == pytest.approx((first + 0.5 * gradient).item())
        assert ssi_loss(d, target, valid, data=data, gradient_weight=0) == first


def test_trimming_drops_the_largest_residuals_without_their_gradient():
    d = row(1, 2, 3, 4, 6, 90).requires_grad_()
    target = row(1, 2, 3, 4, 6, 9)
    assert ssi_mae_loss(d, target, VALID, trim=0.2) < ssi_mae_loss(d, target, VALID)


def test_constant_prediction_has_scale_zero():
    flat = torch.full_like(D, 0.1, dtype=torch.float32)
    residual, _ = ssi_residuals(flat, TRUTH.float(), VALID)
    assert torch.allclose(residual, TRUTH.float().mean() - TRUTH.float(), atol=1e-4)
    loss = ssi_mae_loss(flat, TRUTH, VALID)
    assert loss.item() == pytest.approx(0.5)


def test_seed001_divides_by_the_brightness():
    images = torch.tensor([0.1, 0.3]).view(1, 2, 1, 1)
    loss = seed001_simplified_loss(D, TRUTH, VALID, images=images)
    expected = (D - TRUTH).abs().mean().item() / (2 * 0.2)
    assert loss.item() == pytest.approx(expected)


def test_unknown_options_are_told():
    with pytest.raises(UsageError, match="trim is 1"):
        ssi_mae_loss(D, TRUTH, VALID, trim=1)
    with pytest.raises(ValueError, match="huber"):
        ssi_loss(D, TRUTH, VALID, data="huber")
    with pytest.raises(ValueError, match="mean"):
        ssi_gradient_loss(D, TRUTH, VALID, align="mean")
