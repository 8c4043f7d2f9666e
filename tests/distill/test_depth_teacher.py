"""What depth teachers of any kind say, in the student's terms."""

import numpy as np
import onnx
import pytest
import torch
from networks import constant_network
from onnx import TensorProto, helper

from howfar.core.depth import DepthKind
from howfar.core.image import Image
from howfar.core.preprocess import Fit, Preprocess
from howfar.distill.depth_teacher import DepthTeacher, depth_teacher
from howfar.distill.mixture import assumed_camera
from howfar.distill.teachers import Teacher, pixels_of
from howfar.errors import UsageError
from howfar.loading import load_network
from howfar.models.card import Decoder, ModelCard, Task
from howfar.models.store import LocalModel, find_model
from howfar.nets.joint import CANONICAL_FOCAL

SIZE = 16
RAMP = (1 + np.arange(SIZE, dtype=np.float32) / 8) * np.ones((SIZE, 1), np.float32)
"""1 m to 3 m from left to right."""


@pytest.fixture(autouse=True)
def _whole_precision(monkeypatch):
    """In ONNX Runtime, whatever the CPU."""
    monkeypatch.setattr("howfar.distill.teachers.uses_bf16", lambda *_: False)


def model_of(tmp_path, values, pre, **fields):
    """A network that says the same of every picture, in its 16 pixels."""
    path = constant_network(tmp_path / "net.onnx", {"out": values[None, None]}, (1, 3, None, None))
    fields = {"depth_kind": DepthKind.METRIC} | fields
    return LocalModel(path, "sha", ModelCard("tiny", Decoder.DEPTH, pre, **fields), "tiny")


STRETCHED = Preprocess(SIZE, SIZE)
LETTERBOXED = Preprocess(SIZE, SIZE, Fit.LETTERBOX)
FOCAL = 2 * CANONICAL_FOCAL * SIZE
"""That of a lens of twice the canonical focal length."""
CASES = {
    "plain": (RAMP, STRETCHED, {}, Teacher, 1.0),
    "padding": (RAMP, LETTERBOXED, {}, DepthTeacher, 1.0),
    "keeping the aspect": (
        *(RAMP, Preprocess(SIZE, SIZE, Fit.KEEP_ASPECT, multiple=SIZE), {}, DepthTeacher, 1.0),
    ),
    "in bytes": (RAMP, Preprocess(SIZE, SIZE, dtype="float16"), {}, DepthTeacher, 1.0),
    "logarithms": (np.log(RAMP), STRETCHED, {"depth_log": True}, DepthTeacher, 1.0),
    "feet": (RAMP / 0.3, STRETCHED, {"depth_unit_m": 0.3}, Teacher, 1.0),
    "inverse": (1 / RAMP, STRETCHED, {"depth_inverse": True}, Teacher, 1.0),
    "inverse, padding": (1 / RAMP, LETTERBOXED, {"depth_inverse": True}, DepthTeacher, 1.0),
    "another lens": (RAMP, STRETCHED, {"focal_px": FOCAL}, DepthTeacher, 0.5),
    "another lens by half": (
        *(RAMP, STRETCHED, {"focal_px": FOCAL, "focal_exponent": 0.5}, DepthTeacher, 0.5**0.5),
    ),
}


@pytest.mark.parametrize(("values", "pre", "fields", "kind", "scale"), CASES.values(), ids=CASES)
def test_metres_of_the_canonical_camera(values, pre, fields, kind, scale, tmp_path):
    teacher = depth_teacher(model_of(tmp_path, values, pre, **fields))
    assert isinstance(teacher, kind)
    views = torch.rand(2, 3, 4 * SIZE, 4 * SIZE)
    found, known = teacher.log_depth(views, SIZE)
    assert found.shape == (2, 1, SIZE, SIZE)
    assert known.all()
    wanted = np.broadcast_to(scale * RAMP, (2, 1, SIZE, SIZE))
    np.testing.assert_allclose(found.exp().numpy(), wanted, rtol=0.02)
    same = teacher.inverse_depth(views, SIZE).numpy() * wanted  # up to a factor
    np.testing.assert_allclose(same, np.full_like(wanted, same.mean()), rtol=0.02)


@pytest.mark.parametrize("pre", [STRETCHED, LETTERBOXED])
@pytest.mark.parametrize("kind", [DepthKind.RELATIVE, DepthKind.RELATIVE_AFFINE])
def test_inverse_depth_stays_what_it_is(kind, pre, tmp_path):
    teacher = depth_teacher(model_of(tmp_path, 1 / RAMP, pre, depth_kind=kind))
    found = teacher.inverse_depth(torch.rand(1, 3, 4 * SIZE, 4 * SIZE), SIZE)
    np.testing.assert_allclose(found[0, 0].numpy(), 1 / RAMP, rtol=0.02)
    with pytest.raises(UsageError, match="tiny: gives no metres; give it as --relative"):
        teacher.log_depth(torch.rand(1, 3, 64, 64), SIZE)


def test_what_a_metric_teacher_does_not_say_is_not_far(tmp_path):
    gaps = RAMP.copy()
    gaps[:, :8] = 0
    teacher = depth_teacher(model_of(tmp_path, gaps, LETTERBOXED))
    found = teacher.inverse_depth(torch.rand(1, 3, 4 * SIZE, 4 * SIZE), SIZE)
    assert found[..., :7].isnan().all()
    np.testing.assert_allclose(found[0, 0, :, 9:].numpy(), 1 / RAMP[:, 9:], rtol=0.02)


def test_where_a_teacher_says_nothing_nothing_is_known(tmp_path):
    gaps = RAMP.copy()
    gaps[:, :8] = 0
    found, known = depth_teacher(model_of(tmp_path, gaps, LETTERBOXED)).log_depth(
        torch.rand(1, 3, 4 * SIZE, 4 * SIZE), SIZE
    )
    assert not known[..., :7].any()
    assert known[..., 9:].all()
    np.testing.assert_allclose(found[0, 0, :, 9:].exp().numpy(), RAMP[:, 9:], rtol=0.02)


def test_the_depth_of_the_network_of_the_package():
    """Not its first output, which are boxes; of views of any size."""
    teacher = depth_teacher(find_model("howfar-s"))
    assert isinstance(teacher, DepthTeacher)
    views = torch.rand(1, 3, 96, 96)
    found, known = teacher.log_depth(views, 24)
    network = load_network(find_model("howfar-s"), Task.DEPTH)
    said = network.estimate(Image(pixels_of(views)[0]), assumed_camera(96, 96)).values
    raw, _ = network.forward(Image(pixels_of(views)[0]))
    assert known.all()
    np.testing.assert_allclose(said, network.estimate(Image(pixels_of(views)[0])).values, rtol=1e-5)
    wanted = said.reshape(24, 4, 24, 4).mean((1, 3))
    np.testing.assert_allclose(found[0, 0].exp().numpy(), wanted, rtol=1e-4)
    assert np.median(found) == pytest.approx(np.median(raw["log_depth"]), abs=0.05)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["fastdepth", "pydnet-kitti"])
def test_both_ways_to_ask_a_plain_network_agree(name, shared_models):
    """In batches, and view by view."""
    model = find_model(name)
    views = torch.rand(1, 3, 24, 24).repeat_interleave(8, 2).repeat_interleave(8, 3)
    plain, asked = depth_teacher(model), DepthTeacher(model)
    assert isinstance(plain, Teacher)
    if plain.card.depth_kind is DepthKind.METRIC:
        first, second = (one.log_depth(views, 48)[0] for one in (plain, asked))
    else:
        first, second = (one.inverse_depth(views, 48).log() for one in (plain, asked))
    assert (first - second).abs().mean() < 0.04


def test_networks_that_pytorch_does_not_know_teach_too(tmp_path, monkeypatch):
    """On a CPU with bfloat16, too, ONNX Runtime asks them."""
    made = helper.make_graph(
        [helper.make_node("Erf", ["x"], ["y"])],
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, SIZE, SIZE))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, tmp_path / "net.onnx")
    monkeypatch.setattr("howfar.distill.teachers.uses_bf16", lambda *_: True)
    card = ModelCard("tiny", Decoder.DEPTH, STRETCHED, depth_kind=DepthKind.METRIC)
    teacher = Teacher(LocalModel(tmp_path / "net.onnx", "sha", card, "tiny"), Task.DEPTH)
    views = torch.rand(2, 3, SIZE, SIZE)
    torch.testing.assert_close(teacher(views), torch.erf(views), atol=1e-5, rtol=1e-4)
