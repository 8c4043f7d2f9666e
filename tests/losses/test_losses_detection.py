from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from howfar.losses.assignment import assign_yolov4, assign_yolov5
from howfar.losses.boxes import ciou, iou_of, shape_iou
from howfar.losses.detection import yolov4_loss, yolov5_loss

ANCHORS = torch.tensor(
    [
        [[10.0, 13], [16, 30], [33, 23]],
        [[30, 61], [62, 45], [59, 119]],
        [[116, 90], [156, 198], [373, 326]],
    ]
)
STRIDES = (8, 16, 32)
TARGETS = torch.tensor(
    [
        [0, 1, 0.5, 0.5, 0.2, 0.3],
        [0, 7, 0.12, 0.88, 0.05, 0.07],
        [1, 2, 0.25, 0.75, 0.4, 0.1],
        [1, 79, 0.99, 0.02, 0.6, 0.5],
    ]
)
SCALE_XY = (1.2, 1.1, 1.05)


def levels(batch: int = 2, classes: int = 4, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    sizes = [(16, 20), (8, 10), (4, 5)]
    return [torch.randn(batch, 3, h, w, 5 + classes, generator=generator) for h, w in sizes]


def test_ciou_by_hand() -> None:
    a, b = torch.tensor([2.0, 2, 2, 4]), torch.tensor([3.0, 2, 2, 2])
    v = 4 / np.pi**2 * (np.arctan(1) - np.arctan(0.5)) ** 2
    iou = 2 / (8 + 4 - 2)
    expected = iou - (1 / (9 + 16) + v * v / (1 - iou + v))
    assert float(ciou(a, b)) == pytest.approx(expected, abs=1e-5)
    assert float(iou_of(a, b)) == pytest.approx(iou, abs=1e-5)
    assert float(ciou(a, a)) == pytest.approx(1, abs=1e-5)


def test_shape_iou() -> None:
    found = shape_iou(torch.tensor([[2.0, 3]]), torch.tensor([[2.0, 3], [1, 3], [4, 1]]))
    np.testing.assert_allclose(found, [[1, 0.5, 2 / 8]], rtol=1e-6)


def test_yolov5_assigns_as_published() -> None:
    counts = [
        len(assign_yolov5(TARGETS, ANCHORS[i] / STRIDES[i], h, w))
        for i, (h, w) in enumerate([(16, 20), (8, 10), (4, 5)])
    ]
    assert counts == [27, 21, 5]


def test_yolov5_assigns_the_nearest_cells() -> None:
    target = torch.tensor([[0, 3, 0.26, 0.74, 0.1, 0.1]])
    rows = assign_yolov5(target, torch.tensor([[1.0, 1.0]]), 10, 10)
    places = list(zip(rows.x.tolist(), rows.y.tolist(), strict=True))
    assert places == [(2, 7), (2, 6), (3, 7)]  # own, above, right: the centre is (2.6, 7.4)
    np.testing.assert_allclose(rows.boxes[:, :2], [[0.6, 0.4], [0.6, 1.4], [-0.4, 0.4]], atol=1e-5)
    assert rows.classes.tolist() == [3, 3, 3]
    edge = torch.tensor([[0, 0, 0.02, 0.98, 0.1, 0.1]])
    rows = assign_yolov5(edge, torch.tensor([[1.0, 1.0]]), 10, 10)
    assert list(zip(rows.x.tolist(), rows.y.tolist(), strict=True)) == [(0, 9)]


def test_yolov5_leaves_boxes_that_fit_no_anchor() -> None:
    target = torch.tensor([[0, 0, 0.52, 0.52, 0.8, 0.1]])
    assert len(assign_yolov5(target, torch.tensor([[2.0, 2.0]]), 10, 10)) == 0
    assert len(assign_yolov5(target, torch.tensor([[2.01, 2.0]]), 10, 10)) == 3


def test_yolov5_without_objects_teaches_silence() -> None:
    raw = [level.requires_grad_() for level in levels()]
    found = yolov5_loss(raw, torch.zeros(0, 6), ANCHORS, STRIDES)
    assert float(found.box) == float(found.cls) == 0
    found.total.backward()
    for level in raw:
        assert level.grad is not None
        assert (level.grad[..., 4] > 0).all()
        assert not level.grad[..., 5:].any()


def test_yolov5_objectness_of_a_cell_is_that_of_its_last_row() -> None:
    raw = levels(1)
    both = torch.tensor([[0, 0, 0.51, 0.51, 0.1, 0.2], [0, 1, 0.51, 0.51, 0.2, 0.2]])
    first = yolov5_loss(raw, both, ANCHORS, STRIDES)
    again = yolov5_loss(raw, both.flip(0), ANCHORS, STRIDES)
    assert float(first.box) == pytest.approx(float(again.box))
    assert float(first.obj) != pytest.approx(float(again.obj), abs=1e-6)


def test_yolov5_label_smoothing_and_one_class() -> None:
    raw = levels(2, 1)
    one = TARGETS * torch.tensor([1, 0, 1, 1, 1, 1])
    assert float(yolov5_loss(raw, one, ANCHORS, STRIDES).cls) == 0
    few = TARGETS.clone()
    few[:, 1] = few[:, 1] % 4
    plain = yolov5_loss(levels(), few, ANCHORS, STRIDES)
    smooth = yolov5_loss(levels(), few, ANCHORS, STRIDES, label_smoothing=0.1)
    assert float(plain.cls) != float(smooth.cls)
    assert float(plain.box) == float(smooth.box)


def test_yolov4_assigns_the_best_anchor_and_all_that_overlap() -> None:
    target = torch.tensor([[0, 2, 0.30, 0.62, 16 / 160, 30 / 128]])
    found = [
        assign_yolov4(target, ANCHORS, i, h, w, STRIDES[i])
        for i, (h, w) in enumerate([(16, 20), (8, 10), (4, 5)])
    ]
    assert [rows.anchor.tolist() for rows in found] == [[0, 1, 2], [0], []]
    assert (found[0].x[0], found[0].y[0]) == (6, 9)
    np.testing.assert_allclose(found[0].boxes[0], [0, 0.92, 2, 3.75], atol=1e-5)
    tiny = torch.tensor([[0, 2, 0.3, 0.6, 2 / 160, 1 / 128]])
    assert assign_yolov4(tiny, ANCHORS, 0, 16, 20, 8).anchor.tolist() == [0]  # best, however bad


def test_yolov4_by_plain_loops() -> None:
    raw, classes = levels(2, 4, 3), 4
    raw[0][0, 1, 2, 3, 5:] = 3.0
    targets = TARGETS.clone()
    targets[:, 1] %= classes
    found = yolov4_loss(raw, targets, ANCHORS, STRIDES, SCALE_XY)
    assert float(found.total) == pytest.approx(plain_yolov4(raw, targets), rel=1e-4)


def plain_yolov4(raw: list[Tensor], targets: Tensor) -> float:
    def sigmoid(x: float) -> float:
        return float(1 / (1 + np.exp(-x)))

    def iou(a: np.ndarray, b: np.ndarray) -> float:
        low = np.maximum(a[:2] - a[2:] / 2, b[:2] - b[2:] / 2)
        high = np.minimum(a[:2] + a[2:] / 2, b[:2] + b[2:] / 2)
        inter = float(np.prod(np.maximum(high - low, 0)))
        return inter / (np.prod(a[2:]) + np.prod(b[2:]) - inter)

    total = 0.0
    for i, level in enumerate(raw):
        rows = assign_yolov4(targets, ANCHORS, i, *level.shape[2:4], STRIDES[i])
        answer: dict[tuple[int, ...], list[int]] = {}
        for row, place in enumerate(zip(*(p.tolist() for p in rows.place), strict=True)):
            answer.setdefault(place, []).append(row)
        batch, anchors, height, width = level.shape[:4]
        for place in np.ndindex(batch, anchors, height, width):
            b, a, y, x = place
            p = level[place].double().numpy()
            side = ANCHORS[i, a].numpy() / STRIDES[i]
            s = SCALE_XY[i]
            box = np.array(
                [
                    sigmoid(p[0]) * s - (s - 1) / 2,
                    sigmoid(p[1]) * s - (s - 1) / 2,
                    np.exp(p[2]) * side[0],
                    np.exp(p[3]) * side[1],
                ]
            )
            if place in answer:
                total -= np.log(sigmoid(p[4]))
                taught = {int(rows.classes[row]) for row in answer[place]}
                for c, value in enumerate(p[5:]):
                    total -= np.log(sigmoid(value if c in taught else -value))
                for row in answer[place]:
                    overlap = ciou(torch.tensor(box), rows.boxes[row].double(), alpha_eps=1e-6)
                    total += 0.07 * (1 - float(overlap))
                continue
            moved = box + np.array([x, y, 0, 0])
            size = np.array([width, height] * 2)
            hits = [iou(moved, t[2:6].numpy() * size) for t in targets if int(t[0]) == b]
            sure = max(sigmoid(v) for v in p[5:]) > 0.25
            if not (sure and max(hits, default=0) > 0.7):
                total -= np.log(sigmoid(-p[4]))
    return total / len(raw[0])


def test_yolov4_limits_the_gradient_of_boxes() -> None:
    raw = [level.requires_grad_() for level in levels(1)]
    with torch.no_grad():
        raw[0][..., 2:4] = 6.0
    target = torch.tensor([[0, 0, 0.5, 0.5, 1e-3, 1e-3]])
    yolov4_loss(raw, target, ANCHORS, STRIDES, SCALE_XY).total.backward()
    gradient = raw[0].grad
    assert gradient is not None
    assert gradient[..., :4].abs().max() <= 5
    again = [level.detach().requires_grad_() for level in raw]
    (yolov4_loss(again, target, ANCHORS, STRIDES, SCALE_XY).total / 8).backward()
    assert again[0].grad is not None
    torch.testing.assert_close(again[0].grad * 8, gradient)  # the limit follows the scale
