import cv2
import numpy as np
import pytest
import torch

from howfar.distill.graft import SURE, _part, graft
from howfar.distill.lesson import normalised
from howfar.distill.teachers import Teacher
from howfar.errors import ModelError
from howfar.models.card import Task
from howfar.models.store import find_model
from howfar.nets.joint import joint


@pytest.fixture
def teacher(shared_models, monkeypatch):
    monkeypatch.setenv("HOWFAR_MODELS", str(shared_models))
    return Teacher(find_model("fastdepth"), Task.DEPTH)


def photographs(folder, size=224):
    paths = sorted((folder / "train" / "coco-train128" / "images").iterdir())
    pixels = [cv2.resize(cv2.imread(str(path))[..., ::-1], (size, size)) for path in paths[:100]]
    return torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float() / 255


@pytest.mark.shared
def test_a_grafted_student_says_what_fastdepth_says(teacher, shared_models, shared_data):
    """Before any training, of whatever pictures: much better than the best constant."""
    net = joint("s", norm=False)
    net.start_from_nanodet(shared_models / "nanodet_plus_m_416.onnx")
    views = photographs(shared_data)
    graft(net, teacher, shared_models / "fastdepth_nyu.onnx", views[:85])
    test = views[85:]
    wanted, valid = teacher.log_depth(test, 56)
    with torch.no_grad():
        found = net.eval()(normalised((test * 255).byte().permute(0, 2, 3, 1).numpy()))
    gap = (found["log_depth"] - wanted).abs()[valid]
    alone = (wanted - wanted[valid].median()).abs()[valid]
    assert gap.mean() < 0.65 * alone.mean()


@pytest.mark.shared
def test_other_files_are_refused(teacher, shared_models):
    views = torch.zeros(1, 3, 64, 64)
    with pytest.raises(ModelError, match="convolutions; expected"):
        graft(joint("s", norm=False), teacher, shared_models / "nanodet_plus_m_416.onnx", views)
    with pytest.raises(ModelError, match="of this size"):
        graft(joint("n"), teacher, shared_models / "fastdepth_nyu.onnx", views)


def test_what_is_a_room_is_told_from_what_is_none():
    """The gate's logistic regression has the share that is wanted of either on the average, which
    holds where its slope with the bias is 0."""
    rng = torch.Generator().manual_seed(0)
    rooms = torch.randn(60, 6, generator=rng)
    others = torch.randn(80, 6, generator=rng) + torch.tensor([1.5, -1, 0, 0, 0, 0.5])
    gate = torch.nn.Linear(6, 1)
    with torch.no_grad():
        _part(gate, rooms, others)
        shares = torch.sigmoid(gate(torch.cat([rooms, others])))[:, 0]
    wanted = (60 * SURE + 80 * (1 - SURE)) / 140
    assert shares.mean().item() == pytest.approx(wanted, abs=1e-5)
    assert shares[:60].mean() < 0.3 < 0.7 < shares[60:].mean()
