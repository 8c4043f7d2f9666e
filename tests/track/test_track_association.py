"""Likeness of boxes and the assignment."""

import sys

import numpy as np
import pytest

from howfar.core.boxes import iou_matrix
from howfar.errors import UsageError
from howfar.track import Tracker
from howfar.track.association import Candidates, assign, likeness


def candidates(boxes, labels=None, metres=None):
    array = np.array(boxes, np.float32).reshape(-1, 4)
    metres = [np.nan] * len(array) if metres is None else metres
    return Candidates(array, labels or ["person"] * len(array), np.log(metres))


A, B = (0, 0, 10, 20), (5, 0, 15, 20)


def test_without_more_it_is_the_overlap():
    known, found = candidates([A, B]), candidates([B, (100, 0, 110, 20)])
    assert likeness(known, found) == pytest.approx(iou_matrix(known.boxes, found.boxes))


def test_another_label_counts_less():
    known = candidates([A])
    other = likeness(known, candidates([A], ["car"]))
    assert 0.5 < other[0, 0] < 1 == likeness(known, candidates([A]))[0, 0]


def test_distance_tells_overlapping_boxes_apart():
    known = candidates([A], metres=[3.0])
    found = candidates([A, A, A], metres=[3.1, 6.0, np.nan])
    near, far, unknown = likeness(known, found)[0]
    assert far < 0.7 < 0.9 < near <= unknown == 1


def test_a_buffer_lets_neighbours_meet():
    known, found = candidates([A]), candidates([(12, 0, 22, 20)])
    assert likeness(known, found)[0, 0] == 0
    assert likeness(known, found, 0.5)[0, 0] > 0.2


def test_the_sum_counts_not_the_best_pair():
    alike = np.array([[0.9, 0.8], [0.8, 0.1]], np.float32)
    assert sorted(assign(alike, 0.2)) == [(0, 1), (1, 0)]


def test_pairs_below_the_least_are_left_alone():
    alike = np.array([[0.1, 0.0], [0.0, 0.7]], np.float32)
    assert assign(alike, 0.2) == [(1, 1)]
    assert assign(np.zeros((0, 3), np.float32), 0.2) == []
    assert assign(np.zeros((2, 0), np.float32), 0.2) == []


def test_without_scipy_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(UsageError, match=r"howfar\[video\]"):
        Tracker()  # before anything is tracked or written
