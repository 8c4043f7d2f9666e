from __future__ import annotations

import collections
import json
import os
import struct
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from howfar.errors import ModelError
from howfar.nets.darknet_cfg import cfg_text
from howfar.nets.darknet_weights import save_darknet_weights
from howfar.nets.files import open_weights
from howfar.nets.safetensors import read_safetensors
from howfar.nets.yolov4 import yolov4
from howfar.nets.yolov5 import YoloV5, yolov5


@pytest.fixture
def foreign() -> Iterator[dict[str, type]]:
    """Modules `models.yolo` and `models.common` with the classes that official files name."""
    yolo, common = types.ModuleType("models.yolo"), types.ModuleType("models.common")
    classes = {}
    for module, names in (
        (yolo, ("Model", "DetectionModel", "Detect")),
        (common, ("Conv", "C3", "Bottleneck", "SPPF", "Concat", "AutoShape")),
    ):
        for name in names:
            made = type(name, (nn.Module,), {"__module__": module.__name__})
            setattr(module, name, made)
            classes[name] = made
    names = {"models": types.ModuleType("models"), "models.yolo": yolo, "models.common": common}
    sys.modules.update(names)
    yield classes
    for name in names:
        del sys.modules[name]


def disguised(net: YoloV5, classes: dict[str, type], names: Any) -> nn.Module:
    """Our network as a module of the foreign classes, in half precision as official files are."""

    def convert(module: nn.Module) -> nn.Module:
        kind = classes.get(type(module).__name__)
        if kind is None and type(module).__module__.startswith("howfar"):
            kind = classes["Model"]
        made = module if kind is None else kind()
        for name, child in module.named_children():
            made.add_module(name, convert(child))
        if kind is not None:
            made._parameters.update(module._parameters)
            made._buffers.update(module._buffers)
        return made

    whole = convert(net)
    whole.names = names
    return whole.half()


def noisy(size: str = "n", classes: int = 2, seed: int = 0) -> YoloV5:
    torch.manual_seed(seed)
    return yolov5(size, classes).eval()


def assert_same(found: nn.Module, expected: nn.Module) -> None:
    theirs = expected.state_dict()
    assert set(found.state_dict()) == set(theirs)
    for name, value in found.state_dict().items():
        assert value.dtype in (torch.float32, torch.int64)
        torch.testing.assert_close(value, theirs[name].to(value.dtype), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("names", [["cat", "dog"], {1: "dog", 0: "cat"}])
def test_an_official_checkpoint(tmp_path: Path, foreign: dict[str, type], names: Any) -> None:
    model, average = noisy(seed=1), noisy(seed=2)
    path = tmp_path / "official.pt"
    content = {
        "epoch": 3,
        "best_fitness": np.array([0.3]),
        "model": disguised(model, foreign, names),
        "ema": None,
        "optimizer": None,
        "date": "2022-11-22",
    }
    torch.save(content, path)
    found = open_weights(path)
    assert found.card.classes == ("cat", "dog")
    assert "model of" in found.card.origin
    assert_same(found.module(), noisy(seed=1))
    torch.save({**content, "ema": disguised(average, foreign, names)}, path)
    found = open_weights(path)
    assert "ema of" in found.card.origin
    assert_same(found.module(), noisy(seed=2))


def test_a_bare_module(tmp_path: Path, foreign: dict[str, type]) -> None:
    path = tmp_path / "module.pt"
    torch.save(disguised(noisy(), foreign, ["a", "b"]), path)
    assert open_weights(path).card.classes == ("a", "b")


@pytest.mark.parametrize("prefix", ["", "model.", "model.model."])
def test_a_state_dict(tmp_path: Path, prefix: str) -> None:
    net, path = noisy("s", 80), tmp_path / "weights.pth"
    torch.save({prefix + name: value for name, value in net.state_dict().items()}, path)
    found = open_weights(path)
    assert found.options["size"] == "s"
    assert found.card.classes[:2] == ("person", "bicycle")
    assert_same(found.module(), net)


def write_safetensors(path: Path, tensors: dict[str, torch.Tensor], **changes: Any) -> None:
    header: dict[str, Any] = {"__metadata__": {"made": "by hand"}}
    data = b""
    kinds = {torch.float16: "F16", torch.float32: "F32", torch.int64: "I64"}
    for name, value in tensors.items():
        raw = value.contiguous().numpy().tobytes()
        header[name] = {
            "dtype": kinds[value.dtype],
            "shape": list(value.shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    header.update(changes)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def test_safetensors(tmp_path: Path) -> None:
    net, path = noisy(), tmp_path / "weights.safetensors"
    half = {n: v.half() if v.is_floating_point() else v for n, v in net.state_dict().items()}
    write_safetensors(path, half)
    found = open_weights(path)
    assert found.card.classes == ("class 0", "class 1")
    assert_same(found.module(), net)
    assert read_safetensors(path)[1] == {"made": "by hand"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"abc", "3 bytes"),
        (struct.pack("<Q", 10**12) + b"{}", "cut off"),
        (struct.pack("<Q", 4) + b"nope", "no JSON"),
        (struct.pack("<Q", 2) + b"[]", "no object"),
    ],
)
def test_damaged_safetensors(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=told):
        read_safetensors(path)


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [2], "data_offsets": [0, 400]},
        {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]},
        {"dtype": "C64", "shape": [1], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [1]},
    ],
)
def test_wrong_tensors_of_safetensors(tmp_path: Path, entry: dict[str, Any]) -> None:
    path = tmp_path / "weights.safetensors"
    write_safetensors(path, {"a": torch.zeros(2)}, b=entry)
    with pytest.raises(ModelError, match="tensor 'b'"):
        read_safetensors(path)


class Evil:
    """Pickles as a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


def evil_calls(marker: Path) -> dict[str, Evil]:
    run = f"open({str(marker)!r}, 'w').close()"
    return {
        "builtins.eval": Evil(eval, run),
        "builtins.exec": Evil(exec, run),
        "builtins.getattr": Evil(getattr, "text", "upper"),
        "builtins.open": Evil(open, str(marker), "w"),
        f"{os.system.__module__}.system": Evil(os.system, f"touch {marker}"),
        "subprocess.Popen": Evil(__import__("subprocess").Popen, ["touch", str(marker)]),
        "torch.hub.load": Evil(torch.hub.load, str(marker.parent), "model", "local"),
        "numpy.fromfile": Evil(np.fromfile, str(marker)),
        "numpy.load": Evil(np.load, str(marker)),
        "numpy.save": Evil(np.save, str(marker), 1),
        "torch.load": Evil(torch.load, str(marker)),
        "torch.save": Evil(torch.save, 1, str(marker)),
        "importlib.import_module": Evil(__import__("importlib").import_module, "antigravity"),
    }


@pytest.mark.parametrize("name", list(evil_calls(Path("x"))))
def test_files_that_want_to_run_something_are_refused(tmp_path: Path, name: str) -> None:
    marker, path = tmp_path / "marker", tmp_path / "evil.pt"
    torch.save({"epoch": 0, "model": evil_calls(marker)[name]}, path)
    before = set(tmp_path.iterdir())
    told = name.split(".")[-1]
    with pytest.raises(ModelError, match=rf"refused: it wants to use [\w.]*{told}, which no"):
        open_weights(path)
    assert set(tmp_path.iterdir()) == before


def test_other_networks_are_named(tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    old = {"model.0.conv.conv.weight": torch.zeros(1), "model.24.anchor_grid": torch.zeros(1)}
    fused = {"model.0.conv.weight": torch.zeros(16, 3, 6, 6), "model.0.conv.bias": torch.zeros(16)}
    wide = dict(noisy().state_dict())
    wide["model.0.conv.weight"] = torch.zeros(24, 3, 6, 6)
    for content, told in (
        (old, "v5.0 or earlier"),
        (fused, "fused away"),
        ({"backbone.conv1.weight": torch.zeros(1)}, "holds backbone.conv1.weight; what can be"),
        ({"a": 1}, "holds no tensors"),
        ([1, 2], "holds a list"),
        (wide, "unknown width, 24"),
        ({**noisy().state_dict(), "extra": torch.zeros(1)}, "extra .1 differ"),
    ):
        torch.save(content, path)
        with pytest.raises(ModelError, match=told):
            open_weights(path)
    path.write_bytes(b"not at all")
    with pytest.raises(ModelError, match="read safely"):
        open_weights(path)
    with pytest.raises(ModelError, match="no such file"):
        open_weights(tmp_path / "none.pt")


def test_names_must_fit(tmp_path: Path, foreign: dict[str, type]) -> None:
    path = tmp_path / "official.pt"
    torch.save({"model": disguised(noisy(), foreign, ["cat"])}, path)
    with pytest.raises(ModelError, match="2 classes and 1 names"):
        open_weights(path)


def test_ordered_dicts_and_training_state_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    state = collections.OrderedDict(noisy().state_dict())
    torch.save({"state_dict": state, "epoch": 3}, path)
    assert open_weights(path).options["size"] == "n"


def test_darknet_files(tmp_path: Path) -> None:
    net, path = yolov4(2, 0.125), tmp_path / "own.weights"
    save_darknet_weights(net, path)
    (tmp_path / "own.cfg").write_text(cfg_text(net.cfg))
    found = open_weights(path)
    assert found.card.classes == ("class 0", "class 1")
    assert found.card.preprocess.interpolation == "corner-bilinear"
    assert_same(found.module(), net)
    (tmp_path / "own.names").write_text("cat\ndog\n")
    assert open_weights(path).card.classes == ("cat", "dog")
    (tmp_path / "own.names").write_text("cat\n")
    with pytest.raises(ModelError, match=r"own\.names: has 1 names"):
        open_weights(path)
    (tmp_path / "own.cfg").unlink()
    with pytest.raises(ModelError, match="ends within"):
        open_weights(path)


@pytest.mark.shared
def test_the_official_file(shared_models: Path) -> None:
    found = open_weights(shared_models / "yolov5n.pt")
    assert found.options["size"] == "n"
    assert found.card.classes[:3] == ("person", "bicycle", "car")
    with torch.no_grad():
        output = found.module()(torch.zeros(1, 3, 64, 64))["output"]
    assert output.shape == (1, 252, 85)
