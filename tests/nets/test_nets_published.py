"""Against the sources: counts of parameters, sizes of maps, names, values."""

import hashlib

import pytest
import torch
from fill import fill, filled, picture

from howfar.errors import ModelError
from howfar.nets.builders import build
from howfar.nets.encoders import resnet34, resnet50, vgg19
from howfar.nets.hybrid import DUPLICATES, hybrid_cnn, load_hybrid, without_duplicates

PARAMETERS = {
    "unet-nyu": 1_964_545,
    "unet-diode": 1_964_545,
    "hybrid-cnn": 64_614_017,
    "resnet34-unet": 24_438_804,
    "plain-unet": 8_634_593,
    "depth-mancini": 20_024_384 + 1_220_848 + 401 + 4,
    "ds-net": 20_024_384 + 2 * (1_220_848 + 4) + 401 + 12_030,
}
SIZES = {
    "unet-nyu": ((480, 640), (480, 640)),
    "unet-diode": ((256, 256), (256, 256)),
    "hybrid-cnn": ((256, 320), (128, 160)),
    "resnet34-unet": ((320, 320), (320, 320)),
    "plain-unet": ((240, 320), (240, 320)),
    "depthnet": ((128, 128), (128, 128)),
    "depth-mancini": ((160, 256), (160, 256)),
    "ds-net": ((160, 256), (160, 256)),
}
OFFICIAL_KEYS = "f16ee4c3bf23a71cb18f14ad6b78af85d414f92d6930d62b70b581d2063204e2"
"""SHA-256 of the sorted lines `name shape` of the official file's 531 tensors."""


def parameters(net):
    return sum(p.numel() for p in net.parameters() if p.requires_grad)


def on_paper(name, **options):
    with torch.device("meta"):
        return build(name, **options)


def official(weights):
    """A state_dict as the official file has it: unpoolings under two names."""
    state = dict(weights)
    for name, value in weights.items():
        for part, single in DUPLICATES.items():
            if single in name:
                state[name.replace(single, part)] = value.clone()
    return state


@pytest.mark.parametrize(("name", "count"), PARAMETERS.items())
def test_parameters(name, count):
    assert parameters(on_paper(name)) == count


@pytest.mark.parametrize(
    ("encoder", "count", "tensors"),
    [(resnet34, 21_284_672, 216), (resnet50, 23_508_032, 318), (vgg19, 20_024_384, 32)],
)
def test_encoders(encoder, count, tensors):
    with torch.device("meta"):
        net = encoder()
    assert (parameters(net), len(net.state_dict())) == (count, tensors)


@pytest.mark.parametrize("name", SIZES)
def test_sizes(name):
    given, wanted = SIZES[name]
    found = on_paper(name)(torch.empty(2, 3, *given, device="meta"))
    assert found["depth"].shape == (2, 1, *wanted)
    if name == "ds-net":
        assert found["semantics"].shape == (2, 30, *wanted)


def test_hybrid_maps():
    net = on_paper("hybrid-cnn")
    maps = net.features(torch.empty(1, 3, 256, 320, device="meta"))
    wanted = [(64, 128, 160), (256, 64, 80), (512, 32, 40), (1024, 16, 20), (2048, 8, 10)]
    assert [tuple(m.shape[1:]) for m in maps] == wanted


def test_hybrid_names():
    state = official(on_paper("hybrid-cnn").state_dict())
    lines = sorted(f"{name} {tuple(value.shape)}" for name, value in state.items())
    assert len(lines) == 531
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == OFFICIAL_KEYS


def test_hybrid_without_laterals_joins_nothing():
    net = on_paper("hybrid-cnn", lateral=False)
    assert net.con_conv1.conv.weight.shape == (512, 512, 1, 1)
    assert net.con_conv4.conv.weight.shape == (64, 64, 1, 1)
    assert parameters(net) == 64_614_017 - (1024 * 512 + 512 * 256 + 256 * 128 + 64 * 64)


def test_hybrid_decoder_starts_small():
    torch.manual_seed(0)
    net = hybrid_cnn(width=0.25)
    for weight in (net.conv2.weight, net.up_proj1.main_branch[3].weight, net.con_conv1.conv.weight):
        assert weight.std().item() == pytest.approx(0.001, rel=0.05)
    assert net.layer1[0].conv1.weight.std().item() > 0.05


def test_duplicates_are_dropped():
    weights = filled(hybrid_cnn(width=0.125)).state_dict()
    found = without_duplicates(official(weights))
    assert found.keys() == weights.keys()
    assert all(torch.equal(found[name], weights[name]) for name in weights)


def test_contradicting_duplicates_are_refused():
    state = official(hybrid_cnn(width=0.125).state_dict())
    state["up_proj2.unpool_res.conv_B.bias"] += 1
    with pytest.raises(ModelError, match=r"up_proj2\.\w+.*conv_B\.bias.*different values"):
        without_duplicates(state)


@pytest.mark.slow
def test_hybrid_values():
    state = {k: v.clone() for k, v in hybrid_cnn().state_dict().items()}
    fill(state, gain=0.6)
    net = load_hybrid(official(state)).eval()
    seen = {}
    names = ("layer1", "layer4", "bn2", "up_proj1", "con_conv1", "up_proj4", "con_conv4", "conv3")
    for name in names:
        net.get_submodule(name).register_forward_hook(
            lambda _module, _given, out, name=name: seen.update({name: out})
        )
    with torch.no_grad():
        seen["out"] = net(picture(256, 320))["depth"]
    wanted = {
        "layer1": (0.280618, 0.404365, [0, 0, 0]),
        "layer4": (0.10807, 0.141569, [0.25825, 0.33914, 0.26151]),
        "bn2": (-0.005204, 0.147679, [0.07374, 0.15878, 0.16324]),
        "up_proj1": (0.057167, 0.084507, [0.05464, 0.01877, 0.03695]),
        "con_conv1": (-0.009413, 0.197326, [0.04516, 0.18135, 0.16484]),
        "up_proj4": (0.143144, 0.193795, [0, 0, 0]),
        "con_conv4": (0.007287, 0.254027, [-0.02201, 0.13482, -0.03617]),
        "conv3": (0.050182, 0.092855, [0.08198, 0.21211, 0.12784]),
        "out": (0.067359, 0.070686, [0.08198, 0.21211, 0.12784]),
    }
    for name, (mean, std, first) in wanted.items():
        value = seen[name]
        assert value.mean().item() == pytest.approx(mean, abs=2e-6), name
        assert value.std().item() == pytest.approx(std, abs=4e-6), name
        assert value.flatten()[:3].tolist() == pytest.approx(first, abs=2e-5), name


@pytest.mark.slow
def test_hybrid_weights_that_do_not_fit():
    with pytest.raises(ModelError, match=r"another network \(of another shape: conv1\.weight"):
        load_hybrid(hybrid_cnn(width=0.5).state_dict())


@pytest.mark.slow
def test_resnet34_unet_values():
    """The values were made by walking the Keras layer list of the published network."""
    with torch.no_grad():
        depth = filled(build("resnet34-unet"))(picture(128, 160, batch=2))["depth"]
    assert depth.mean().item() == pytest.approx(0.5059134, abs=1e-6)
    assert depth.std().item() == pytest.approx(0.0012090, abs=1e-6)
    first = [0.5030958, 0.5030771, 0.5049108]
    assert depth.flatten()[:3].tolist() == pytest.approx(first, abs=1e-6)


def test_depthnet_counts():
    kinds = [type(m).__name__ for m in build("depthnet").modules()]
    counted = {kind: kinds.count(kind) for kind in set(kinds)}
    assert (counted["Conv2d"], counted["ReLU"], counted["AvgPool2d"]) == (11, 11, 11)
    assert [counted[k] for k in ("ConvTranspose2d", "LeakyReLU", "Upsample")] == [7, 7, 7]
    assert counted["InstanceNorm2d"] == 6


def test_depthnet_goes_through_one_pixel():
    net = build("depthnet", out_channels=3)
    deep = net.encoder(picture(128, 128))
    assert deep.shape == (1, 64, 1, 1)
    assert net.decoder(deep).shape == (1, 3, 128, 128)


def test_depthnet_sees_the_picture_with_he_weights():
    pictures = torch.rand(4, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    between = {}
    for he in (False, True):
        torch.manual_seed(0)
        net = build("depthnet", he_init=he)
        with torch.no_grad():
            between[he] = net(pictures)["depth"].std(0).mean().item()
    assert between[False] < 1e-6
    assert between[True] > 1e-3


def test_depthnet_starts_as_in_the_slides():
    torch.manual_seed(0)
    net = build("depthnet")
    norm = next(m for m in net.modules() if isinstance(m, torch.nn.InstanceNorm2d))
    assert net.encoder[6].weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert norm.weight.std().item() == pytest.approx(0.02, rel=0.3)
    assert not norm.bias.any()
