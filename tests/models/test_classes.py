"""Class lists, against facts that anybody can look up in COCO's annotations."""

from howfar.models.classes import COCO80, COCO91, COCO_IDS, NAMED_CLASSES, NO_CLASS


def test_coco80():
    assert len(COCO80) == len(set(COCO80)) == 80
    assert COCO80[0] == "person"
    assert COCO80[56] == "chair"
    assert COCO80[79] == "toothbrush"


def test_coco_ids():
    assert len(COCO_IDS) == 80
    assert list(COCO_IDS) == sorted(set(COCO_IDS))
    unused = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
    assert set(range(1, 91)) - set(COCO_IDS) == unused


def test_coco91_holds_each_class_at_its_id():
    by_id = {1: "person", 3: "car", 11: "fire hydrant", 13: "stop sign", 44: "bottle"}
    by_id |= {62: "chair", 67: "dining table", 70: "toilet", 72: "tv", 90: "toothbrush"}
    assert len(COCO91) == 91
    assert {i: COCO91[i] for i in by_id} == by_id
    assert COCO91.count(NO_CLASS) == 11
    assert tuple(name for name in COCO91 if name != NO_CLASS) == COCO80


def test_named_lists():
    assert NAMED_CLASSES == {"coco80": COCO80, "coco91": COCO91}
