"""Files of YOLOv5 that are odd, broken or hostile; test_nets_files.py has the usual ones."""

from __future__ import annotations

import hashlib
import pathlib
import sys
import types
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from howfar.errors import ModelError
from howfar.nets.files import open_weights
from howfar.nets.safe import read_safely
from howfar.nets.yolov5 import ANCHORS_PX, yolov5
from howfar.nets.yolov5_checkpoint import STAND_INS, LoadedYoloV5, yolov5_of

Make = Callable[..., Any]
OFFICIAL = "716280a34601a90b4ea4c99f3241c50a6f4930e9ae48165c0e4e20caee07217b"
"""SHA-256 of names and float32 values of the official yolov5n, read by another unpickler."""


def read(content: Any, path: Path) -> LoadedYoloV5:
    torch.save(content, path)
    return yolov5_of(read_safely(path, "checkpoint", STAND_INS), path)


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return yolov5("n", 2).state_dict()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "weights.pt"


@pytest.fixture
def module_of(monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes an object of a foreign class, `models.yolo.Model` or another, with any attributes."""

    def make(kind: str = "models.yolo.Model", **attributes: Any) -> Any:
        folder, name = kind.rsplit(".", 1)
        parts = folder.split(".")
        for i in range(len(parts)):
            package = ".".join(parts[: i + 1])
            if package not in sys.modules:
                monkeypatch.setitem(sys.modules, package, types.ModuleType(package))
        home = sys.modules[folder]
        if not hasattr(home, name):
            setattr(home, name, type(name, (), {"__module__": folder}))
        made = getattr(home, name)()
        made.__dict__.update(attributes)
        return made

    return make


def test_sources_and_precision(path: Path, state: dict[str, torch.Tensor], module_of: Make) -> None:
    half = {n: v.half() if v.is_floating_point() else v for n, v in state.items()}
    other = {n: v + 1 for n, v in half.items()}
    average, model = module_of(_parameters=half), module_of(_parameters=other)
    found = read({"model": model, "ema": average, "epoch": -1}, path)
    assert (found.source, found.size, found.names) == ("ema", "n", ("class 0", "class 1"))
    assert not found.module.training
    assert {p.dtype for p in found.module.parameters()} == {torch.float32}
    first = found.module.state_dict()["model.0.conv.weight"]
    assert torch.equal(first, half["model.0.conv.weight"].float())
    found = read({"model": model, "ema": None}, path)
    assert found.source == "model"
    first = found.module.state_dict()["model.0.conv.weight"]
    assert torch.equal(first, other["model.0.conv.weight"].float())
    assert read(state, path).source == "state_dict"


def test_anchors_are_the_files(path: Path, state: dict[str, torch.Tensor]) -> None:
    found = read({**state, "model.24.anchors": 2 * state["model.24.anchors"]}, path)
    torch.testing.assert_close(found.module.anchors_px, 2 * torch.tensor(ANCHORS_PX).float())


def test_paths_among_the_training_options(
    path: Path, state: dict[str, torch.Tensor], module_of: Make
) -> None:
    model = module_of(_parameters=state, names=["a", "b"])
    options = {"weights": pathlib.PosixPath("yolov5n.pt"), "data": "x.yaml"}
    assert read({"model": model, "opt": options}, path).names == ("a", "b")


def test_only_persistent_buffers(
    path: Path, state: dict[str, torch.Tensor], module_of: Make
) -> None:
    buffers = {"passing": torch.zeros(1)}
    model = module_of(_parameters=state, _buffers=buffers, _non_persistent_buffers_set={"passing"})
    assert read({"model": model}, path).size == "n"


@pytest.mark.parametrize(
    "kind",
    ["ultralytics.nn.tasks.DetectionModel", "models.yolo.SegmentationModel", "models.yolo.Modell"],
)
def test_other_classes_are_named(path: Path, module_of: Make, kind: str) -> None:
    torch.save({"model": module_of(kind)}, path)
    with pytest.raises(ModelError, match=f"{kind}, which no .* export it to ONNX"):
        open_weights(path)


def test_a_version_5_file(path: Path, module_of: Make) -> None:
    focus = module_of("models.common.Focus", _parameters={"conv.conv.weight": torch.zeros(1)})
    layers = module_of("models.common.Conv", _modules={"0": focus})
    with pytest.raises(ModelError, match=r"YOLOv5 of v5\.0 or earlier.*export"):
        read({"model": module_of(_modules={"model": layers})}, path)


def test_a_version_8_state_dict(path: Path) -> None:
    content = {
        "model.0.conv.weight": torch.zeros(16, 3, 3, 3),
        "model.22.dfl.conv.weight": torch.zeros(1, 16, 1, 1),
    }
    with pytest.raises(ModelError, match=r"a YOLOv8 or a successor, not YOLOv5; .* ONNX"):
        read(content, path)


class Browser:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return webbrowser.open, ("http://localhost:1",)


def test_calls_beside_the_network_are_refused_too(
    path: Path, state: dict[str, torch.Tensor], module_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save({"model": module_of(_parameters=state), "date": Browser()}, path)
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    with pytest.raises(ModelError, match=r"it wants to use webbrowser\.open"):
        open_weights(path)
    assert not opened


def test_stand_ins_are_full_names_of_no_whole_module() -> None:
    assert all("." in name and "*" not in name for name in STAND_INS)
    risky = {"eval", "exec", "getattr", "load", "fromfile", "system", "open", "Popen", "__import__"}
    assert not risky & {name.rsplit(".", 1)[1] for name in STAND_INS}


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("model.24.anchors", torch.tensor(1.0), "anchors "),
        ("model.24.anchors", torch.ones(3, 4, 2), r"anchors \(3, 4, 2\)"),
        ("model.24.anchors", torch.ones(4, 3, 2), r"anchors \(4, 3, 2\)"),
        ("model.24.anchors", -torch.ones(3, 3, 2), "positive numbers"),
        ("model.24.anchors", torch.full((3, 3, 2), torch.inf), "positive numbers"),
        ("model.24.m.0.bias", torch.tensor(1.0), r"bias \(\)"),
        ("model.24.m.0.bias", torch.zeros(22), r"bias \(22,\)"),
        ("model.24.m.0.bias", torch.zeros(24), r"bias \(24,\), weight \(21"),
        ("model.24.m.0.bias", torch.zeros(1).expand(10**10), "model.24.m.0.bias is no plain"),
        ("model.0.bn.weight", torch.zeros(16, device="meta"), "model.0.bn.weight is no plain"),
        ("model.0.bn.weight", torch.ones(16).to_sparse(), "model.0.bn.weight is no plain"),
        ("model.0.bn.weight", torch.ones(16, dtype=torch.cfloat), "model.0.bn.weight is no plain"),
        ("model.0.bn.weight", torch.ones(17), "model.0.bn.weight .1 differ"),
        (7, torch.ones(1), "7 .1 differ"),
    ],
)
def test_tensors_that_cannot_be(
    path: Path, state: dict[str, torch.Tensor], name: Any, value: torch.Tensor, told: str
) -> None:
    with pytest.raises(ModelError, match=told):
        read({**state, name: value}, path)


@pytest.mark.parametrize("classes", [0, -1])
def test_a_head_without_classes(path: Path, state: dict[str, torch.Tensor], classes: int) -> None:
    rows = 3 * (5 + classes)
    weight = torch.zeros(rows, 64, 1, 1)
    changed = {"model.24.m.0.bias": torch.zeros(rows), "model.24.m.0.weight": weight}
    with pytest.raises(ModelError, match=f"with {classes} classes"):
        read({**state, **changed}, path)


@pytest.mark.parametrize(
    "content",
    [{}, {1: torch.zeros(1)}, {"state_dict": None}, {"state_dict": [1]}, {"model": 3, "ema": "x"}],
)
def test_files_without_a_network(path: Path, content: Any) -> None:
    with pytest.raises(ModelError, match=r"holds .*; what can be read"):
        read(content, path)


@pytest.mark.parametrize(
    "attributes",
    [
        {"_modules": [1]},
        {"_modules": {"model": 1}},
        {"_parameters": [1]},
        {"_parameters": {2: torch.zeros(1)}, "_non_persistent_buffers_set": 3},
    ],
)
def test_modules_without_the_shape_of_one(
    path: Path, module_of: Make, attributes: dict[str, Any]
) -> None:
    with pytest.raises(ModelError, match=r"holds .*; what can be read"):
        read({"model": module_of(**attributes)}, path)


def test_modules_that_hold_themselves_or_grow_without_end(path: Path, module_of: Make) -> None:
    circle = module_of(_modules={})
    circle._modules["model"] = circle
    doubling = module_of()
    for _ in range(60):
        doubling = module_of(_modules={"a": doubling, "b": doubling})
    for model in (circle, doubling):
        with pytest.raises(ModelError, match="holds no tensors"):
            read({"model": model}, path)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["a"], "2 classes and 1 names"),
        ([1, 2], "no texts: .1, 2"),
        ({0: "a", "b": "c"}, "not numbered"),
    ],
)
def test_names_that_cannot_be(
    path: Path, state: dict[str, torch.Tensor], module_of: Make, names: Any, told: str
) -> None:
    with pytest.raises(ModelError, match=told):
        read({"model": module_of(_parameters=state, names=names)}, path)


def test_names_inside_two_wrappers(
    path: Path, state: dict[str, torch.Tensor], module_of: Make
) -> None:
    inner = module_of(_parameters=state, names=["a", "b"])
    for kind in ("models.common.AutoShape", "models.common.AutoShape"):
        inner = module_of(kind, _modules={"model": inner})
    assert read(inner, path).names == ("a", "b")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_cut_off_files(path: Path, state: dict[str, torch.Tensor], share: float) -> None:
    torch.save(state, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ModelError, match=r"weights\.pt: .*read safely"):
        open_weights(path)


@pytest.mark.shared
def test_the_official_file_has_its_weights(shared_models: Path) -> None:
    path = shared_models / "yolov5n.pt"
    found = yolov5_of(read_safely(path, "checkpoint", STAND_INS), path)
    assert (found.size, found.source, len(found.names)) == ("n", "model", 80)
    assert sum(p.numel() for p in found.module.parameters()) == 1872157
    assert all(v.isfinite().all() for v in found.module.state_dict().values())
    torch.testing.assert_close(found.module.anchors_px, torch.tensor(ANCHORS_PX).float())
    digest = hashlib.sha256()
    for name, value in sorted(found.module.state_dict().items()):
        digest.update(name.encode() + value.numpy().tobytes())
    assert digest.hexdigest() == OFFICIAL
