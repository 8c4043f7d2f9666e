"""What every loss of depth keeps: masks, empty masks, NaN, precision, errors."""

import pytest
import torch
from lossmaps import LOSSES, everywhere, maps

from howfar.errors import UsageError

EVERY = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
SMOOTH = {name: loss for name, loss in LOSSES.items() if name != "berhu"}
"""Losses whose gradient is their derivative; the threshold of BerHu counts as a constant."""


@pytest.fixture
def pair():
    """Prediction and target (2, 1, 20, 22), float64, away from 0."""
    return (
        maps(2, 1, 20, 22, low=0.2, high=2.0).requires_grad_(),
        maps(2, 1, 20, 22, offset=5000, low=0.2, high=2.0),
    )


@EVERY
def test_loss_is_a_positive_scalar_with_gradient(loss, pair):
    prediction, target = pair
    value = loss(prediction, target, everywhere(target))
    value.backward()
    assert value.shape == ()
    assert value > 0.001
    assert prediction.grad.isfinite().all()
    assert prediction.grad.abs().sum() > 0


@pytest.mark.parametrize("loss", SMOOTH.values(), ids=SMOOTH.keys())
def test_gradient_is_the_derivative(loss, pair):
    prediction, target = (x.detach()[..., :12, :12] for x in pair)
    valid = everywhere(target)
    valid[0, 0, 0, :] = False
    valid[1, 0, 11, 3:] = False
    prediction = prediction.requires_grad_()
    assert torch.autograd.gradcheck(lambda p: loss(p, target, valid), (prediction,), fast_mode=True)


@EVERY
def test_empty_mask_gives_zero_and_zero_gradient(loss, pair):
    prediction, target = pair
    value = loss(prediction, target, torch.zeros_like(target, dtype=torch.bool))
    value.backward()
    assert value == 0
    assert (prediction.grad == 0).all()


@EVERY
def test_nothing_invalid_reaches_value_or_gradient(loss, pair):
    prediction, target = pair
    valid = everywhere(target)
    valid[:, :, 3, 4:9] = False
    clean = loss(prediction, target, valid)
    clean.backward()
    expected, prediction.grad = prediction.grad, None
    poison = torch.tensor([torch.nan, torch.inf, -torch.inf, 1e30, 0.0]).double()
    dirty = target.clone()
    dirty[:, :, 3, 4:9] = poison
    spoilt = prediction.detach().clone()
    spoilt[:, :, 3, 4:9] = poison.flip(0)
    spoilt.requires_grad_()
    value = loss(spoilt, dirty, valid)
    value.backward()
    assert torch.equal(value, clean)
    assert torch.equal(spoilt.grad, expected)
    assert (spoilt.grad[~valid] == 0).all()


@EVERY
def test_a_masked_frame_equals_a_crop(loss, pair):
    prediction, target = (x.detach() for x in pair)
    inner = (..., slice(8, 20), slice(8, 21))  # starts on the grid of every scale
    valid = torch.zeros_like(target, dtype=torch.bool)
    valid[inner] = True
    framed = loss(prediction, target, valid)
    cropped = loss(prediction[inner], target[inner], valid[inner])
    assert framed == pytest.approx(float(cropped), rel=1e-10)


@EVERY
def test_an_empty_image_changes_nothing_of_the_mean(loss, pair):
    prediction, target = (x.detach() for x in pair)
    valid = everywhere(target)
    valid[1] = False
    both = loss(prediction, target, valid)
    assert both == pytest.approx(float(loss(prediction[:1], target[:1], valid[:1])), rel=1e-10)


@EVERY
def test_constant_maps_have_finite_gradients(loss):
    prediction = torch.full((1, 1, 12, 12), 0.5, requires_grad=True)
    value = loss(prediction, torch.full((1, 1, 12, 12), 0.5), everywhere(prediction))
    value.backward()
    assert value < 0.01
    assert prediction.grad.isfinite().all()


@EVERY
@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_full(loss, half, pair):
    prediction, target = (x.detach().to(half) for x in pair)
    valid = everywhere(target)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(prediction.requires_grad_(), target, valid)
    value.backward()
    assert value.dtype == torch.float32
    assert prediction.grad.isfinite().all()
    exact = loss(prediction.detach().double(), target.double(), valid)
    assert value.item() == pytest.approx(exact.item(), rel=1e-4)


@EVERY
def test_wrong_shapes_and_types_are_told(loss, pair):
    prediction, target = pair
    valid = everywhere(target)
    with pytest.raises(UsageError, match=r"expected \(B, 1, H, W\)"):
        loss(prediction[:, 0], target[:, 0], valid[:, 0])
    with pytest.raises(UsageError, match="target has shape"):
        loss(prediction, target[..., :9], valid)
    with pytest.raises(UsageError, match="valid has shape"):
        loss(prediction, target, valid[:1])
    with pytest.raises(UsageError, match="give a bool mask"):
        loss(prediction, target, valid.float())
