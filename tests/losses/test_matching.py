import math

import pytest
import torch

from howfar.losses.matching import (
    affine_depth,
    distribution_matching,
    laplace_nll,
    log_gradient,
    outside_range,
    relative_depth,
    score_matching,
)

ONE = torch.ones(1)


def maps(*values):
    return torch.tensor(values, dtype=torch.float32).reshape(1, 1, 1, -1)


def test_laplace_nll_by_hand():
    u, target = maps(0.0, 1.0, 9.0), maps(0.5, 1.0, 0.0)
    s = maps(math.log(0.25), 0.0, 0.0)
    valid = maps(1, 1, 0).bool()
    wanted = ((0.5 / 0.25 + math.log(0.25)) * math.sqrt(0.25) + 0.0) / 2
    assert laplace_nll(u, s, target, valid, ONE).item() == pytest.approx(wanted)
    assert laplace_nll(u, s, target, valid, 0.5 * ONE).item() == pytest.approx(wanted / 2)


def test_the_best_error_scale_is_the_mean_error():
    u, target, valid = maps(0, 0, 0, 0), maps(0.1, -0.3, 0.2, 0.2), maps(1, 1, 1, 1).bool()
    s = torch.zeros(1, 1, 1, 4, requires_grad=True)
    optimiser = torch.optim.Adam([s], 0.05)
    for _ in range(300):
        optimiser.zero_grad()
        laplace_nll(u, s.mean().expand(1, 1, 1, 4), target, valid, ONE).backward()
        optimiser.step()
    assert s.detach().mean().exp().item() == pytest.approx(0.2, rel=0.02)


def test_what_is_hard_to_know_still_counts():
    """The gradient of a pixel's depth falls with the root of its error scale only."""
    u = torch.zeros(1, 1, 1, 2, requires_grad=True)
    s = maps(math.log(0.04), math.log(0.36))
    laplace_nll(u, s, maps(1, 1), maps(1, 1).bool(), ONE).backward()
    assert u.grad is not None
    easy, hard = u.grad.flatten().tolist()
    assert easy / hard == pytest.approx(math.sqrt(0.36 / 0.04))


def test_nothing_valid_gives_zero_and_finite_gradients():
    u = torch.zeros(2, 1, 8, 8, requires_grad=True)
    s = torch.zeros(2, 1, 8, 8, requires_grad=True)
    target = torch.full((2, 1, 8, 8), math.nan)
    none = torch.zeros(2, 1, 8, 8, dtype=torch.bool)
    weight = torch.ones(2)
    loss = laplace_nll(u, s, target, none, weight) + log_gradient(u, target, none, weight)
    loss.backward()
    assert loss.item() == 0
    assert u.grad.isfinite().all()
    assert s.grad.isfinite().all()


def test_a_shift_has_no_gradient_error_but_a_missing_edge_has():
    target = torch.zeros(1, 1, 16, 16)
    target[..., 8:] = 1
    valid = torch.ones_like(target).bool()
    assert log_gradient(target + 3, target, valid, ONE).item() == pytest.approx(0, abs=1e-6)
    assert log_gradient(torch.zeros_like(target), target, valid, ONE).item() > 0.05


def test_affine_depth_knows_no_scale_and_shift():
    inverse = torch.rand(2, 1, 8, 8) + 0.1
    log_depth = -(3 * inverse + 0.2).log()
    weight = torch.ones(2)
    assert affine_depth(log_depth, inverse, weight).item() == pytest.approx(0, abs=1e-4)
    assert affine_depth(log_depth.flip(3), inverse, weight).item() > 0.2
    assert affine_depth(log_depth.flip(3), inverse, 0 * weight).item() == 0


def test_relative_depth_knows_no_scale():
    inverse = torch.rand(2, 1, 8, 8) + 0.1
    log_depth = -(3 * inverse).log()
    weight = torch.ones(2)
    assert relative_depth(log_depth, inverse, weight).item() == pytest.approx(0, abs=1e-4)
    assert relative_depth(log_depth.flip(3), inverse, weight).item() > 0.2
    assert relative_depth(log_depth.flip(3), inverse, 0 * weight).item() == 0


def test_relative_depth_sees_what_is_far():
    """Three of eight rows twice as far as the teacher says: no less wrong in the distance."""
    inverse = torch.linspace(0.1, 1, 64).reshape(1, 1, 8, 8)
    far, near = (-inverse.log() for _ in range(2))
    far[:, :, 1:4] += 0.7
    near[:, :, 4:7] += 0.7
    errors = [relative_depth(u, inverse, torch.ones(1)).item() for u in (far, near)]
    assert errors[0] == pytest.approx(errors[1], rel=0.2)
    assert errors[0] > 0.1


@pytest.mark.parametrize("loss", [relative_depth, affine_depth])
@pytest.mark.parametrize("gaps", [1, 3, 8])
def test_what_a_relative_teacher_does_not_say_teaches_nothing(loss, gaps):
    generator = torch.Generator().manual_seed(0)
    u = torch.rand(2, 1, 8, 8, generator=generator).requires_grad_()
    inverse = 3 * (-u.detach()).exp()
    inverse[..., :gaps] = torch.nan
    found = loss(u, inverse, torch.ones(2))
    assert found.item() == pytest.approx(0, abs=1e-5)
    wrong = inverse * torch.linspace(1, 2, 8)
    loss(u, wrong, torch.ones(2)).backward()
    assert u.grad.isfinite().all()
    assert (u.grad[..., :gaps] == 0).all()


def test_relative_depth_survives_a_sky_without_disparity():
    inverse = torch.zeros(1, 1, 8, 8)
    inverse[:, :, 4:] = 1
    log_depth = torch.zeros(1, 1, 8, 8, requires_grad=True)
    loss = relative_depth(log_depth, inverse, torch.ones(1))
    loss.backward()
    assert loss.isfinite()
    assert log_depth.grad is not None
    assert log_depth.grad.isfinite().all()


def test_matching_is_least_at_the_teacher():
    torch.manual_seed(0)
    taught = torch.rand(1, 5, 3) * 0.8 + 0.1
    exact = torch.logit(taught)
    assert score_matching(exact, taught).item() == pytest.approx(0, abs=1e-6)
    assert score_matching(exact + 1, taught).item() > 0.01
    boxes = torch.randn(1, 5, 32)
    best = taught.amax(2)
    assert distribution_matching(boxes, boxes, best, 8).item() == pytest.approx(0, abs=1e-6)
    assert distribution_matching(boxes.flip(2), boxes, best, 8).item() > 0.1
    assert distribution_matching(boxes.flip(2), boxes, 0.04 * best, 8).item() == 0


def test_outside_range():
    values = torch.tensor([0.0, 1.0, 3.0])
    gap = outside_range(values, torch.full((3,), 0.5), torch.full((3,), 2.0))
    assert gap.tolist() == [0.5, 0.0, 1.0]
