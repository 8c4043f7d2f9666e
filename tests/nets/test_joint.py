import numpy as np
import pytest
import torch
from fill import picture

from howfar.errors import ModelError, UsageError
from howfar.nets.depth_branch import LOG_DEPTH
from howfar.nets.joint import LOG_ERROR, SIZES, joint


def test_sizes_fall_out_of_one_builder():
    counts = {size: sum(p.numel() for p in joint(size).parameters()) for size in SIZES}
    assert counts == {"n": 690500, "s": 3933859, "m": 6071583}
    with pytest.raises(UsageError, match="xxl"):
        joint("xxl")


def test_the_semantic_head_is_optional():
    net = joint("n", classes=3, labels=5).eval()
    with torch.no_grad():
        assert net(picture(64, 96))["semantics"].shape == (1, 5, 8, 12)
        assert "semantics" not in joint("n", classes=3).eval()(picture(64, 96))


def test_outputs():
    net = joint("n", classes=3).eval()
    with torch.no_grad():
        found = net(picture(96, 128, batch=2))
    cells = sum(-(-96 // s) * -(-128 // s) for s in (8, 16, 32, 64))
    assert found["detections"].shape == (2, cells, 3 + 32)
    assert found["log_depth"].shape == found["log_error"].shape == (2, 1, 24, 32)
    assert found["novelty"].shape == (2, 1)
    scores = found["detections"][..., :3]
    assert 0 <= scores.min() <= scores.max() <= 1
    assert LOG_ERROR[0] <= found["log_error"].min() <= found["log_error"].max() <= LOG_ERROR[1]


@pytest.mark.shared
def test_it_starts_as_nanodet_plus(shared_models):
    import onnxruntime

    path = shared_models / "nanodet_plus_m_416.onnx"
    net = joint("s", norm=False).eval()
    net.start_from_nanodet(path)
    images = np.random.default_rng(0).normal(size=(1, 3, 416, 416)).astype(np.float32)
    (wanted,) = onnxruntime.InferenceSession(str(path)).run(None, {"data": images})
    with torch.no_grad():
        found = net(torch.from_numpy(images))["detections"].numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-4)


@pytest.mark.shared
def test_other_files_are_refused(shared_models):
    with pytest.raises(ModelError, match="convolutions"):
        joint("s", norm=False).start_from_nanodet(shared_models / "fastdepth_nyu.onnx")
    with pytest.raises(ModelError, match="with a bias"):
        joint("s", norm=True).start_from_nanodet(shared_models / "nanodet_plus_m_416.onnx")


def test_the_share_is_told_in_training_only():
    """And it is what decides: a share of nearly 0 or 1 leaves one of the two branches."""
    net = joint("s", classes=3, norm=False)
    assert net.depth.gate is not None
    assert net.depth.rooms is not None
    torch.nn.init.zeros_(net.depth.gate.weight)
    images = picture(96, 128)
    found = {}
    for bias in (-40.0, 0.0, 40.0):
        torch.nn.init.constant_(net.depth.gate.bias, bias)
        with torch.no_grad():
            found[bias] = net.train()(images)
            assert "share" not in net.eval()(images)
    assert found[0.0]["share"].shape == (1, 1)
    low, middle, high = (found[bias]["log_depth"] for bias in (-40.0, 0.0, 40.0))
    share = found[0.0]["share"].sigmoid()
    torch.testing.assert_close(middle, low + share * (high - low))
    with torch.no_grad():
        rooms = net.depth.rooms(net.features(images))
    assert low.mean().item() == pytest.approx(rooms.mean().item() + LOG_DEPTH, abs=0.01)
