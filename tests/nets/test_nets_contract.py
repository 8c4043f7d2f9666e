"""What holds for every network."""

import numpy as np
import pytest
import torch
from fill import filled, picture

from howfar.errors import UsageError
from howfar.nets.blocks import InputSize
from howfar.nets.builders import INPUTS, NETS, build
from howfar.nets.darknet_cfg import cfg_text
from howfar.nets.yolov4 import yolov4_cfg

WIDTH = 0.125
DETECTORS = {
    "yolov5": {"size": "n", "classes": 2},
    "yolov4": {"width": WIDTH, "classes": 2},
    "darknet": {"cfg": cfg_text(yolov4_cfg(2, WIDTH))},
}
JOINT = {"joint": {"size": "n", "classes": 2}}
DENSE = sorted(NETS.keys() - DETECTORS.keys() - JOINT.keys())
OUTPUTS = {name: {"depth": 1} for name in DENSE} | {"ds-net": {"depth": 1, "semantics": 30}}
OUTPUTS |= {name: {"output": 7} for name in DETECTORS}
OUTPUTS |= {"joint": {"detections": 34, "log_depth": 1, "log_error": 1}}
NEEDS = INPUTS | {"darknet": InputSize(32)}


def small(name):
    """The network with few weights."""
    return build(name, **(DETECTORS | JOINT).get(name, {"width": WIDTH}))


def size(name):
    """A small (height, width) that the network takes."""
    need = NEEDS[name]
    return need.fixed or (2 * need.multiple, 3 * need.multiple)


def loss(found):
    """Falls on every output, against targets that no output has."""
    target = torch.Generator().manual_seed(1)
    return sum(
        (v.float() - torch.rand(v.shape, generator=target)).abs().mean() for v in found.values()
    )


def test_every_network_has_its_input():
    assert INPUTS.keys() == NETS.keys()


@pytest.mark.parametrize("name", DENSE)
def test_forward(name):
    height, width = size(name)
    with torch.no_grad():
        found = filled(small(name))(picture(height, width, batch=3))
    assert {k: v.shape[1] for k, v in found.items()} == OUTPUTS[name]
    smaller = 2 if name == "hybrid-cnn" else 1
    for value in found.values():
        assert value.shape[::2] == (3, height // smaller)
        assert value.shape[3] == width // smaller
        assert value.dtype == torch.float32
        assert value.isfinite().all()
        assert value.std() > 0


@pytest.mark.parametrize("name", DETECTORS)
def test_forward_of_detectors(name):
    height, width = size(name)
    net = filled(small(name))
    with torch.no_grad():
        value = net(picture(height, width, batch=3))["output"]
        raw = net.train()(picture(height, width, batch=3))
    rows = sum(3 * (height // s) * (width // s) for s in (8, 16, 32))
    assert value.shape == (3, rows, 7)
    assert value.dtype == torch.float32
    assert value.isfinite().all()
    assert value.std() > 0
    assert {k: tuple(v.shape) for k, v in raw.items()} == {
        f"p{s}": (3, 3, height // s, width // s, 7) for s in (8, 16, 32)
    }


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", NETS)
def test_backward(name, precision):
    torch.manual_seed(0)
    net = small(name).to(memory_format=torch.channels_last)
    images = picture(*size(name), batch=2).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        found = net(images)
    loss(found).backward()
    grads = {k: p.grad for k, p in net.named_parameters()}
    assert [k for k, g in grads.items() if g is None or not g.isfinite().all()] == []
    assert [k for k, g in grads.items() if not g.any()] == []


def memory_breaks(net, images):
    """Names of the layers whose output has left channels_last."""
    found = []

    def look(name):
        def hook(_module, _given, out):
            if out.ndim == 4 and not out.is_contiguous(memory_format=torch.channels_last):
                found.append(name)

        return hook

    for name, module in net.named_modules():
        if not list(module.children()):
            module.register_forward_hook(look(name))
    net(images)
    return found


@pytest.mark.parametrize("name", sorted(set(NETS) - {"depthnet"}))
def test_channels_stay_last(name):
    """Not so in depthnet, whose instance normalisation reorders, at no measurable cost."""
    net = small(name).to(memory_format=torch.channels_last)
    images = picture(*size(name), batch=2).contiguous(memory_format=torch.channels_last)
    assert memory_breaks(net, images) == []


@pytest.mark.parametrize("name", NETS)
def test_odd_sizes_are_refused(name):
    net, need = small(name), NEEDS[name]
    told = "only 128x128" if need.fixed else f"multiples of {need.multiple}"
    with pytest.raises(UsageError, match=rf"101x67 pixels.*{told}"):
        net(picture(67, 101))


@pytest.mark.parametrize("name", NETS)
def test_save_and_load(name, tmp_path):
    images = picture(*size(name))
    net, other = small(name).eval(), small(name).eval()
    torch.save(net.state_dict(), tmp_path / "weights.pt")
    other.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    with torch.no_grad():
        wanted, found = net(images), other(images)
    assert all(torch.equal(found[k], wanted[k]) for k in wanted)


@pytest.mark.parametrize("name", NETS)
def test_weights_come_from_the_global_generator(name):
    states = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        states.append(small(name).state_dict())
    first, same, other = states
    assert all(torch.equal(first[k], same[k]) for k in first)
    assert not all(torch.equal(first[k], other[k]) for k in first)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning")  # PyTorch's exporter uses its own old names
@pytest.mark.parametrize("name", sorted(set(NETS) - {"darknet"}))
def test_onnx_gives_the_same(name, tmp_path):
    """`darknet` is left out: its graph here is `yolov4`'s."""
    import onnxruntime

    net, path = filled(small(name)), tmp_path / "net.onnx"
    height, width = size(name)
    torch.onnx.export(
        net,
        (picture(height, width, batch=2),),
        str(path),
        dynamo=True,
        external_data=False,
        input_names=["images"],
        output_names=list(OUTPUTS[name]),
        dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
        verbose=False,
    )
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for batch in (1, 3):
        images = picture(height, width, batch)
        found = session.run(list(OUTPUTS[name]), {"images": images.numpy()})
        with torch.no_grad():
            wanted = net(images)
        for key, value in zip(OUTPUTS[name], found, strict=True):
            reference = wanted[key].numpy()
            atol = 1e-4 * np.abs(reference).max()
            np.testing.assert_allclose(value, reference, rtol=1e-3, atol=atol)


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    net, images = build("unet-diode", width=0.5, dropout=0.3), picture(32, 32)
    assert not torch.equal(net(images)["depth"], net(images)["depth"])
    net.eval()
    assert torch.equal(net(images)["depth"], net(images)["depth"])


def test_classes_of_ds_net():
    net = build("ds-net", width=WIDTH, classes=14).eval()
    assert net(picture(32, 32))["semantics"].shape == (1, 14, 32, 32)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("unet", {}, "network 'unet' is unknown; use one of unet-nyu, "),
        ("unet-nyu", {"dropout": 0.5}, "unet-nyu: option 'dropout' is unknown; use one of width"),
        ("unet-nyu", {"width": 0}, "width 0"),
        ("unet-nyu", {"width": "wide"}, "unet-nyu: an option of .*'wide'"),
        ("unet-diode", {"dropout": 2.0}, "unet-diode: an option of .*2.0"),
        ("ds-net", {"classes": 0}, "ds-net: classes is 0"),
        ("depthnet", {"out_channels": 0}, "depthnet: out_channels is 0"),
    ],
)
def test_build_refuses(name, options, message):
    with pytest.raises(UsageError, match=message):
        build(name, **options)
