import numpy as np
import pytest
import torch
from lossmaps import maps

from howfar.errors import UsageError
from howfar.losses.segmentation import cross_entropy, semantic_weights


@pytest.fixture
def scene():
    """Logits (2, 3, 4, 5) and labels with some ignored pixels."""
    labels = (maps(2, 4, 5, offset=7) * 3).long()
    labels[0, 0, :2] = 255
    return maps(2, 3, 4, 5, low=-2, high=2), labels


def by_hand(logits, labels, weights):
    scores = np.exp(logits.numpy())
    shares = np.log(scores / scores.sum(axis=1, keepdims=True))
    total, count = 0.0, 0
    for b, y, x in np.argwhere(labels.numpy() != 255):
        total -= shares[b, labels[b, y, x], y, x] * float(weights[b, y, x])
        count += 1
    return total / count


def test_cross_entropy_equals_numpy(scene):
    logits, labels = scene
    ones, weights = torch.ones(2, 4, 5), maps(2, 4, 5, offset=50, high=11)
    assert cross_entropy(logits, labels).item() == pytest.approx(by_hand(logits, labels, ones))
    weighted = cross_entropy(logits, labels, weights)
    assert weighted.item() == pytest.approx(by_hand(logits, labels, weights))


def test_gradient_is_the_derivative(scene):
    logits, labels = scene
    assert torch.autograd.gradcheck(lambda x: cross_entropy(x, labels), (logits.requires_grad_(),))


def test_ignored_pixels_may_hold_anything(scene):
    logits, labels = scene
    clean, weights = cross_entropy(logits, labels), torch.ones(2, 4, 5)
    logits, weights[0, 0, :2] = logits.clone(), torch.nan
    logits[0, :, 0, 0], logits[0, :, 0, 1] = torch.nan, torch.inf
    logits.requires_grad_()
    value = cross_entropy(logits, labels, weights)
    value.backward()
    assert value.item() == pytest.approx(clean.item())
    assert logits.grad.isfinite().all()
    assert (logits.grad[0, :, 0, :2] == 0).all()


def test_nothing_but_ignored_gives_zero(scene):
    logits = scene[0].requires_grad_()
    value = cross_entropy(logits, torch.full((2, 4, 5), 255))
    value.backward()
    assert value == 0
    assert (logits.grad == 0).all()


def test_another_ignored_label(scene):
    logits, labels = scene
    moved = torch.where(labels == 255, -1, labels)
    assert cross_entropy(logits, moved, ignore=-1) == cross_entropy(logits, labels)


def test_half_precision_is_computed_in_full(scene):
    logits, labels = scene
    half = logits.bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = cross_entropy(half, labels)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(cross_entropy(half.double(), labels).item(), rel=1e-5)


def test_weights_stress_the_near_classes():
    labels = torch.tensor([[7, 19, 20], [21, 26, 27], [255, 22, 0]])
    expected = torch.tensor([[1.0, 11, 11], [11, 11, 11], [1, 1, 1]])
    assert torch.equal(semantic_weights(labels), expected)
    assert semantic_weights(labels, classes=[7], factor=2)[0].tolist() == [3, 1, 1]


def test_wrong_input_is_told(scene):
    logits, labels = scene
    with pytest.raises(UsageError, match=r"expected \(B, C, H, W\)"):
        cross_entropy(logits, labels[:, None])
    with pytest.raises(UsageError, match="give int64"):
        cross_entropy(logits, labels.int())
    with pytest.raises(UsageError, match="labels run from 0 to 2; 2 classes"):
        cross_entropy(logits[:, :2], labels)
    with pytest.raises(UsageError, match="weights"):
        cross_entropy(logits, labels, torch.ones(4, 5))
