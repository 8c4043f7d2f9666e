import numpy as np
import pytest
import torch
from lossmaps import everywhere, hashed, maps

from howfar.errors import UsageError
from howfar.losses.combined import report_loss, report_loss_as_coded
from howfar.losses.ssim import blur, ssim, ssim_loss, whole_windows


def vector():
    """A as target, B as prediction, everywhere valid (facts 6)."""
    a = hashed(768).reshape(1, 1, 24, 32)
    b = np.clip(a + 0.3 * (hashed(768, 1000).reshape(a.shape) - 0.5), 0, 1)
    target = torch.tensor(a)
    return torch.tensor(b), target, everywhere(target)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 0.9577606501),
        ({"window": 7}, 0.9590315930),
        ({"window": 7, "k1": 1e-4, "k2": 9e-4, "data_range": 640.0}, 0.9858398346),
    ],
)
def test_ssim_vectors(options, expected):
    similarity, whole = ssim(*vector(), **options)
    assert similarity.mean().item() == pytest.approx(expected)
    assert whole.all()
    assert ssim_loss(*vector(), **options).item() == pytest.approx((1 - expected) / 2)


def test_report_vectors():
    assert report_loss(*vector()).item() == pytest.approx(0.2116985810)
    assert report_loss_as_coded(*vector()).item() == pytest.approx(0.9814025675)


def test_float32_is_close_enough_at_80_metres():
    p, g = maps(1, 1, 20, 20, low=70, high=80), maps(1, 1, 20, 20, offset=9, low=70, high=80)
    exact = ssim_loss(p, g, everywhere(g))
    single = ssim_loss(p.float(), g.float(), everywhere(g))
    assert single.item() == pytest.approx(exact.item(), rel=1e-5)


def windows(values, size):
    return np.lib.stride_tricks.sliding_window_view(values, (size, size))


def test_ssim_with_holes_equals_numpy():
    p, g = maps(2, 1, 15, 17, low=1, high=4), maps(2, 1, 15, 17, offset=40, low=1, high=4)
    valid = everywhere(g)
    valid[0, 0, 2, 3] = valid[1, 0, 14, 9:] = False
    steps = np.arange(5) - 2
    line = np.exp(-(steps**2) / (2 * 1.1**2))
    weights = np.outer(line, line) / line.sum() ** 2
    losses = []
    for image in range(2):
        x, y = (windows(m[image, 0].numpy(), 5) for m in (p, g))
        whole = windows(valid[image, 0].numpy(), 5).all(axis=(2, 3))
        mx, my = (x * weights).sum((2, 3)), (y * weights).sum((2, 3))
        vx = (((x - mx[..., None, None]) ** 2) * weights).sum((2, 3))
        vy = (((y - my[..., None, None]) ** 2) * weights).sum((2, 3))
        cov = ((x - mx[..., None, None]) * (y - my[..., None, None]) * weights).sum((2, 3))
        c1, c2 = (0.01 * 10) ** 2, (0.03 * 10) ** 2
        value = (2 * mx * my + c1) * (2 * cov + c2)
        value /= (mx**2 + my**2 + c1) * (vx + vy + c2)
        losses.append(((1 - value) / 2)[whole])
    loss = ssim_loss(p, g, valid, data_range=10, window=5, sigma=1.1)
    assert loss.item() == pytest.approx(np.concatenate(losses).mean())


def test_blur_keeps_a_constant_and_is_not_touched_by_autocast():
    flat = torch.full((2, 1, 13, 14), 3.1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        smooth = blur(flat, 11, 1.5)
    assert smooth.shape == (2, 1, 3, 4)
    assert torch.allclose(smooth, torch.tensor(3.1), atol=1e-6)


def test_whole_windows_have_no_hole():
    valid = torch.ones(1, 1, 6, 7, dtype=torch.bool)
    valid[0, 0, 2, 3] = False
    expected = torch.from_numpy(windows(valid[0, 0].numpy(), 3).all(axis=(2, 3)).copy())
    assert torch.equal(whole_windows(valid, 3)[0, 0], expected)


def test_same_maps_lose_nothing():
    g = maps(1, 1, 12, 12)
    assert ssim_loss(g, g, everywhere(g)).abs() < 1e-12


def test_small_maps_are_told():
    g = maps(1, 1, 8, 30)
    with pytest.raises(UsageError, match="30x8 is smaller than SSIM's window of 11"):
        ssim_loss(g, g, everywhere(g))


def test_windows_without_a_whole_one_give_zero():
    g = maps(1, 1, 12, 12)
    valid = everywhere(g)
    valid[..., ::5, ::5] = False
    assert ssim_loss(torch.zeros_like(g), g, valid) == 0
