import pickle

import pytest
import torch

from howfar.errors import ModelError, UsageError
from howfar.nets.builders import build
from howfar.nets.encoders import load_encoder, read_state, resnet34, resnet50

WIDTH = 0.125


def torchvision(encoder):
    """A state_dict as torchvision writes it: the encoder's tensors and a classifier's."""
    torch.manual_seed(7)
    state = {k: torch.rand_like(v.float()).to(v.dtype) for k, v in encoder.state_dict().items()}
    return state | {"fc.weight": torch.rand(10, 8), "fc.bias": torch.rand(10)}


def vgg_file(net):
    torch.manual_seed(7)
    names = {k: v for k, v in net.state_dict().items() if k.startswith("features.")}
    state = {k: torch.rand_like(v) for k, v in names.items()}
    return state | {f"classifier.{i}.weight": torch.rand(4, 4) for i in (0, 3, 6)}


def saved(tmp_path, content):
    torch.save(content, tmp_path / "weights.pth")
    return tmp_path / "weights.pth"


def test_names_are_torchvisions():
    deep, shallow = resnet50(WIDTH).state_dict(), resnet34(WIDTH).state_dict()
    assert {"conv1.weight", "bn1.running_var", "layer4.2.bn3.weight"} <= deep.keys()
    assert {"layer1.0.downsample.0.weight", "layer3.5.conv3.weight"} <= deep.keys()
    assert "layer1.0.downsample.0.weight" not in shallow
    assert {"layer2.0.downsample.1.bias", "layer4.2.conv2.weight"} <= shallow.keys()
    features = {k for k in build("depth-mancini", width=WIDTH).state_dict() if k[0] == "f"}
    convs = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)
    assert features == {f"features.{i}.{kind}" for i in convs for kind in ("weight", "bias")}


def test_hybrid_takes_resnet50(tmp_path):
    state, net = torchvision(resnet50(WIDTH)), build("hybrid-cnn", width=WIDTH)
    decoder = net.up_proj1.main_branch[3].weight.clone()
    load_encoder(net, saved(tmp_path, state))
    filled = net.state_dict()
    assert all(torch.equal(filled[k], v) for k, v in state.items() if not k.startswith("fc."))
    assert torch.equal(net.up_proj1.main_branch[3].weight, decoder)


@pytest.mark.parametrize("name", ["depth-mancini", "ds-net"])
def test_vgg_networks_take_vgg19(tmp_path, name):
    net = build(name, width=WIDTH)
    state = vgg_file(net)
    load_encoder(net, saved(tmp_path, state))
    filled = net.state_dict()
    assert all(torch.equal(filled[k], v) for k, v in state.items() if k.startswith("features."))


def test_a_bare_encoder_takes_its_file(tmp_path):
    net, state = resnet34(WIDTH), torchvision(resnet34(WIDTH))
    load_encoder(net, saved(tmp_path, state))
    assert torch.equal(net.layer4[2].conv2.weight, state["layer4.2.conv2.weight"])


def test_old_files_lack_counters(tmp_path):
    state = torchvision(resnet50(WIDTH))
    state = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    net = build("hybrid-cnn", width=WIDTH)
    load_encoder(net, saved(tmp_path, state))
    assert torch.equal(net.conv1.weight, state["conv1.weight"])


def _renamed(state):
    state["stem.weight"] = state.pop("conv1.weight")


def _cut(state):
    state["bn1.bias"] = state["bn1.bias"][:4]


def _without_stage(state):
    for name in [k for k in state if k.startswith("layer4.0.")]:
        del state[name]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_renamed, r"missing: conv1\.weight; unexpected: stem\.weight\)"),
        (_cut, r"of another shape: bn1\.bias \(4,\) instead of \(8,\)"),
        (_without_stage, r"missing: layer4\.0\.conv1\.weight, .* and \d+ more"),
    ],
)
def test_tensors_that_do_not_fit(tmp_path, change, message):
    state, net = torchvision(resnet50(WIDTH)), build("hybrid-cnn", width=WIDTH)
    before = net.bn1.bias.clone()
    change(state)
    with pytest.raises(ModelError, match=rf"weights\.pth: .*another network \(.*{message}"):
        load_encoder(net, saved(tmp_path, state))
    assert torch.equal(net.bn1.bias, before)


class Surprise:
    """What runs code when it is unpickled."""

    def __reduce__(self):
        return (print, ("surprise",))


def test_files_that_hold_no_weights(tmp_path, capsys):
    path = tmp_path / "weights.pth"
    with pytest.raises(ModelError, match=r"weights\.pth: there is no such file"):
        read_state(path)
    path.write_bytes(b"\x89PNG nothing of the sort")
    with pytest.raises(ModelError, match="no weights that can be read"):
        read_state(path)
    torch.save({"epoch": 3, "state_dict": {}}, path)
    with pytest.raises(ModelError, match="no plain state_dict"):
        read_state(path)
    path.write_bytes(pickle.dumps(Surprise()))
    with pytest.raises(ModelError, match="safely"):
        read_state(path)
    torch.save(Surprise(), path)
    with pytest.raises(ModelError, match=r"refused: it wants to use builtins\.print"):
        read_state(path)
    torch.save({"weight": torch.zeros(4)}, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[:80])
    with pytest.raises(ModelError, match="no weights that can be read"):
        read_state(path)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("unet-nyu", "no encoder of its own"),
        ("plain-unet", "no encoder of its own"),
        ("depthnet", "no encoder of its own"),
        ("resnet34-unet", "pre-activation.*no torchvision file"),
    ],
)
def test_networks_without_such_an_encoder(tmp_path, name, reason):
    with pytest.raises(UsageError, match=reason):
        load_encoder(build(name, width=WIDTH), tmp_path / "weights.pth")
