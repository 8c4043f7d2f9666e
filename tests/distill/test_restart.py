"""A student goes on from a file that was exported."""

from dataclasses import replace

import onnx
import pytest
import torch

from howfar.distill.job import DistillJob, exponent_of
from howfar.distill.lesson import joint_card
from howfar.distill.restart import _weights, _without_zeros, exported_card, restart
from howfar.distill.run import RECIPE
from howfar.errors import ModelError
from howfar.export import export_checkpoint
from howfar.models.store import find_model
from howfar.nets.checkpoint import Checkpoint, save_checkpoint
from howfar.nets.joint import joint

SIZE = 64
PADDED = "encoder.stages.0.1.main.0.0.weight"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A student whose norms do something, and the file that `howfar export` writes of it: with
    zeros behind the weights of stride 8."""
    torch.manual_seed(0)
    net = joint("s")
    views = torch.randn(8, 3, SIZE, SIZE)
    for part in net.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(part.weight, 0.5, 2)
            torch.nn.init.uniform_(part.bias, -0.5, 0.5)
    net.train()(views)
    folder = tmp_path_factory.mktemp("student")
    card = joint_card("s", replace(RECIPE.preprocess, width=SIZE, height=SIZE), 0.5)
    save_checkpoint(folder / "a.pt", Checkpoint("joint", {"size": "s"}, card, net.state_dict()))
    export_checkpoint(folder / "a.pt", folder / "a.onnx", "fp16-weights", [])
    assert _weights(folder / "a.onnx")[PADDED].shape == (60, 60, 1, 1)
    return net.eval(), views, folder / "a.onnx"


@pytest.mark.slow
def test_it_says_what_the_file_says(exported):
    net, views, path = exported
    again = joint("s")
    restart(again, path, views)
    with torch.no_grad():
        wanted, found = net(views), again(views)
    for name in ("log_depth", "log_error", "detections"):
        torch.testing.assert_close(found[name], wanted[name], atol=5e-3, rtol=1e-2)


@pytest.mark.slow
def test_its_norms_are_those_of_the_pictures(exported):
    """What a norm takes has the mean that it remembers, so that training goes on from there."""
    _, views, path = exported
    again = joint("s")
    restart(again, path, views)
    norm = again.depth.lateral[0][1]
    seen = []
    norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        again(views)
    torch.testing.assert_close(seen[0].mean((0, 2, 3)), norm.running_mean, atol=1e-4, rtol=1e-3)
    variance = seen[0].var((0, 2, 3), correction=0)
    torch.testing.assert_close(variance, norm.running_var, atol=1e-4, rtol=1e-3)


def test_only_zeros_are_taken_off():
    weight = torch.ones(2, 3)
    padded = torch.nn.functional.pad(weight, (0, 1, 0, 2))
    assert torch.equal(_without_zeros(padded, weight.shape), weight)
    assert torch.equal(_without_zeros(weight, weight.shape), weight)
    padded[3, 0] = 1
    assert _without_zeros(padded, weight.shape).shape == (4, 4)


@pytest.mark.slow
def test_the_file_keeps_the_layout_of_convolutions(exported):
    """Shuffles are look-ups, and what is doubled is said to be."""
    nodes = onnx.load(exported[2]).graph.node
    kinds = [node.op_type for node in nodes]
    assert kinds.count("Transpose") <= 1  # the rows of boxes
    stated = [len(node.input) == 3 for node in nodes if node.op_type == "Resize"]
    assert (sum(stated), len(stated)) == (7, 11)  # at 64 pixels


@pytest.mark.slow
def test_other_sizes_are_refused(exported):
    _, views, path = exported
    with pytest.raises(ModelError, match=r"a\.onnx: .* is missing or of another shape; give the"):
        restart(joint("n"), path, views)


@pytest.mark.slow
def test_a_new_semantic_head_stays_fresh(exported):
    net, views, path = exported
    again = joint("s", labels=5)
    fresh = again.semantics.weight.detach().clone()
    restart(again, path, None)
    assert torch.equal(again.semantics.weight, fresh)
    with torch.no_grad():
        wanted, found = net(views), again(views)
    torch.testing.assert_close(found["log_depth"], wanted["log_depth"], atol=5e-3, rtol=1e-2)


def test_a_file_that_is_no_network_is_told(tmp_path):
    (tmp_path / "a.onnx").write_text("words")
    with pytest.raises(ModelError, match=r"a\.onnx: is no ONNX file that can be read"):
        exported_card(tmp_path / "a.onnx")


@pytest.mark.slow
def test_the_law_is_that_of_the_file(exported, tmp_path):
    assert exponent_of(DistillJob([], tmp_path, start=exported[2])) == 0.5


@pytest.mark.shared
def test_the_network_of_the_package_is_a_student_and_a_detector_is_none(shared_models):
    card = exported_card(find_model("howfar-s").path)
    assert card is not None
    assert card.focal_exponent == 0.5
    assert exported_card(shared_models / "nanodet_plus_m_416.onnx") is None
