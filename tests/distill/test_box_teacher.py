"""What teachers of any layout find comes out again where a student's rows are decoded."""

import numpy as np
import pytest
import torch
from networks import constant_network

from howfar.core.boxes import iou_matrix
from howfar.core.detections import Detections
from howfar.core.nms import nms
from howfar.core.preprocess import Fit, Placement, Preprocess
from howfar.distill.box_teacher import BoxTeacher, box_teacher, rows_of
from howfar.distill.lesson import Lesson
from howfar.distill.mixture import Mixture
from howfar.distill.run import RECIPE
from howfar.distill.teachers import Teacher
from howfar.errors import ModelError, UsageError
from howfar.models.card import Decoder, ModelCard
from howfar.models.classes import COCO80
from howfar.models.decoders import grid, nanodet_plus
from howfar.models.store import LocalModel, find_model

STUDENT = ModelCard("student", Decoder.NANODET_PLUS, Preprocess(288, 288), COCO80)
PERSON, CAR = COCO80.index("person"), COCO80.index("car")


def detections(*rows):
    """Of `x1, y1, x2, y2, score, class`."""
    table = np.array(rows, np.float32).reshape(-1, 6)
    return Detections(table[:, :4], table[:, 4], table[:, 5].astype(np.int64), COCO80)


def decoded(rows, size, conf=0.04):
    """What a student that gave such rows would find, best first."""
    place = Placement(1, 1, 0, 0, size, size, size, size, size, size)
    found = nanodet_plus({"output": rows[None]}, place, STUDENT, conf, True)
    order = nms(found.boxes, found.scores, found.class_ids, 0.6)
    return Detections(found.boxes[order], found.scores[order], found.class_ids[order], COCO80)


SEVERAL = {
    "small": [(101, 53, 111, 66, 0.7, PERSON)],
    "middle": [(40, 60, 100, 180, 0.9, CAR)],
    "as large as the view": [(0, 0, 288, 288, 0.6, CAR)],
    "long": [(0, 130, 288, 150, 0.5, CAR)],
    "at the border": [(240, 250, 288, 288, 0.8, CAR), (0, 0, 30, 12, 0.4, PERSON)],
    "weak": [(40, 60, 100, 180, 0.06, CAR)],
    "of one class, side by side": [
        (40, 60, 100, 180, 0.9, PERSON),
        (95, 70, 150, 190, 0.8, PERSON),
        (200, 60, 215, 95, 0.3, PERSON),
    ],
    "one in another": [(20, 20, 260, 260, 0.7, CAR), (130, 130, 150, 160, 0.6, PERSON)],
}


@pytest.mark.parametrize("size", [288, 320])
@pytest.mark.parametrize("rows", SEVERAL.values(), ids=SEVERAL)
def test_boxes_come_out_of_the_rows_as_they_went_in(rows, size):
    wanted = detections(*rows)
    found = decoded(rows_of(wanted, size), size)
    assert len(found) == len(wanted)
    overlaps = iou_matrix(wanted.boxes, found.boxes)
    same = overlaps.argmax(1)
    assert overlaps.max(1).min() > 0.9  # a bar of 20 pixels: no cell is inside
    assert np.array_equal(found.class_ids[same], wanted.class_ids)
    np.testing.assert_allclose(found.scores[same], wanted.scores, rtol=1e-5)


def test_a_thing_before_another_keeps_its_score():
    """The other is found, too, with what is left."""
    wanted = detections((40, 60, 100, 180, 0.9, PERSON), (55, 60, 120, 180, 0.5, CAR))
    found = decoded(rows_of(wanted, 288), 288)
    assert found.labels == ["person", "car"]
    assert np.diag(iou_matrix(wanted.boxes, found.boxes)).min() > 0.95
    assert found.scores[0] == pytest.approx(0.9)
    assert 0.3 < found.scores[1] <= 0.5


def test_weak_boxes_do_not_speak_for_strong_ones():
    """A part of something that is found as a whole takes no cells from it."""
    whole, part = (40, 60, 140, 200, 0.9, CAR), (50, 70, 130, 190, 0.06, PERSON)
    alone, both = (rows_of(detections(*rows), 288) for rows in ([whole], [whole, part]))
    assert (both[:, CAR] == alone[:, CAR]).mean() > 0.99
    assert both[:, CAR].sum() > 0.95 * alone[:, CAR].sum()


def test_a_box_between_the_cells_is_told_by_the_nearest():
    tiny = detections((98, 98, 102, 103, 0.5, PERSON))
    (score,) = decoded(rows_of(tiny, 288), 288).scores
    assert score == pytest.approx(0.5)
    flat = detections((50, 50, 50, 50, 0.5, PERSON))
    assert np.isfinite(rows_of(flat, 288)).all()


def test_scores_fall_off_from_the_middle_and_from_level_to_level():
    rows = rows_of(detections((52, 52, 124, 124, 0.8, CAR)), 288)  # 9 strides of 8 pixels
    _, strides = grid(288, 288, (8, 16, 32, 64), ceil=True)
    fine = strides == 8
    scores = rows[fine, CAR].reshape(36, 36)
    line = scores[11, 8:15]  # of the points 64, 72, ..., 112; the middle is 88
    np.testing.assert_allclose(line[3], 0.8, rtol=1e-5)
    np.testing.assert_allclose(line[:3], line[:3:-1], rtol=1e-4)
    assert (np.diff(line[:4]) > 0).all()
    assert not scores[11, :6].any()
    assert not scores[11, 17:].any()
    best = [rows[strides == stride, CAR].max() for stride in (8, 16, 32, 64)]
    assert best[0] > best[1] > 0.1 > best[2] == best[3] == 0
    assert not rows[:, [c for c in range(80) if c != CAR]].any()


def test_nothing_found_is_no_score():
    assert not rows_of(detections(), 288).any()


def teacher_of(tmp_path, classes, boxes=((10.0, 20.0, 34.0, 60.0, 0.9, 0.0),)):
    """A letterboxing end-to-end detector that finds the same in every picture, in its 64 pixels."""
    path = constant_network(
        tmp_path / "net.onnx", {"out": np.array([boxes], np.float32)}, (1, 3, 64, 64)
    )
    pre = Preprocess(64, 64, Fit.LETTERBOX)
    card = ModelCard("finder", Decoder.END_TO_END, pre, classes)
    return LocalModel(path, "sha", card, "finder")


def test_a_teacher_is_asked_in_its_own_way(tmp_path):
    """Its 64 pixels are half of the view's 128."""
    model = teacher_of(tmp_path, ("sofa", "plate"))
    teacher = box_teacher(model, 128)
    assert isinstance(teacher, BoxTeacher)
    assert teacher.classes == [COCO80.index("couch")]
    rows = teacher(torch.rand(2, 3, 128, 128))
    assert rows.shape == (2, 16**2 + 8**2 + 4**2 + 2**2, 112)
    for one in rows.numpy():
        found = decoded(one, 128)
        assert found.labels == ["couch"]
        np.testing.assert_allclose(found.boxes, [[20, 40, 68, 120]], atol=0.1)


def test_classes_that_a_teacher_does_not_know_are_left_alone(tmp_path):
    teacher = BoxTeacher(teacher_of(tmp_path, ("sofa", "person")))
    lesson = Lesson(RECIPE, Mixture([], 0), [teacher])
    views = torch.rand(1, 3, 128, 128)
    rows = torch.zeros(1, 340, 112, requires_grad=True)
    lesson._boxes(rows, teacher(views), teacher.classes).backward()
    pushed = rows.grad.abs().sum((0, 1))
    known = [PERSON, COCO80.index("couch")]
    assert (pushed[known] > 0).all()
    assert pushed[:80].count_nonzero() == 2
    assert pushed[80:].any()


def test_teachers_of_other_things_are_refused(tmp_path):
    with pytest.raises(UsageError, match="finder: finds plate, none of the 80 COCO classes"):
        box_teacher(teacher_of(tmp_path, ("plate",)), 128)


@pytest.mark.parametrize(("size", "kind"), [(288, Teacher), (320, BoxTeacher)])
def test_the_network_of_the_package_teaches_cell_by_cell_at_its_size(size, kind):
    """Its scores and boxes, not the depth that comes with them; at other sizes what it finds."""
    teacher = box_teacher(find_model("howfar-s"), size)
    assert isinstance(teacher, kind)
    count = len(grid(size, size, (8, 16, 32, 64), ceil=True)[1])
    rows = teacher(torch.rand(1, 3, size, size))
    assert rows.shape == (1, count, 112)
    assert 0 <= rows[..., :80].min() <= rows[..., :80].max() <= 1


@pytest.mark.shared
def test_layout_and_classes_decide_who_teaches_cell_by_cell(shared_models):
    assert isinstance(box_teacher(find_model("nanodet-plus-m"), 96), Teacher)
    yolox = box_teacher(find_model("yolox-nano"), 96)
    assert isinstance(yolox, BoxTeacher)
    assert yolox.classes is None
    assert isinstance(box_teacher(find_model(shared_models / "yolov5n.pt"), 96), BoxTeacher)


@pytest.mark.shared
def test_what_pytorch_does_not_know_teaches_by_its_boxes(shared_models, monkeypatch):
    def unknown(path):
        raise ModelError(f"{path}: operator Erf is not known")

    monkeypatch.setenv("HOWFAR_MODELS", str(shared_models))
    monkeypatch.setattr("howfar.distill.box_teacher.module_of", unknown)
    assert isinstance(box_teacher(find_model("nanodet-plus-m"), 96), BoxTeacher)
    assert isinstance(box_teacher(find_model("nanodet-plus-m"), 416), Teacher)
