from __future__ import annotations

import numpy as np

from howfar.core.image import Image
from howfar.data.dataset import Records
from howfar.data.relabel import Relabelled, relabelled
from howfar.data.sample import Sample

NAMES = ("car", "van", "tree")


def data(labels: tuple[str, ...] = NAMES) -> Records[int]:
    def read(_: int) -> Sample:
        count = len(labels)
        return Sample(
            id="a",
            picture=Image(np.zeros((20, 20, 3), np.uint8)),
            boxes=np.array([[i, i, i + 5, i + 5] for i in range(count)], np.float32),
            labels=labels,
            occlusion=np.arange(count, dtype=np.int8),
            boxes3d=(None,) * count,
        )

    return Records("test", (0,), read, NAMES)


def test_names_change_and_objects_go() -> None:
    found = relabelled(data(), {"van": "car", "tree": ""}, ("car",))
    assert (found.name, len(found), found.class_names) == ("test", 1, ("car",))
    sample = next(iter(found))
    assert sample.labels == ("car", "car")
    assert sample.boxes is not None
    assert sample.boxes[:, 0].tolist() == [0, 1]
    assert sample.occlusion is not None
    assert sample.occlusion.tolist() == [0, 1]
    assert sample.boxes3d == (None, None)
    assert sample.truncation is None


def test_classes_alone_leave_others_out() -> None:
    sample = relabelled(data(), {}, ("tree", "car"))[0]
    assert sample.labels == ("car", "tree")


def test_what_changes_nothing_is_the_data_itself() -> None:
    same = data()
    assert relabelled(same, {}, NAMES) is same
    assert isinstance(relabelled(same, {}, ("car",)), Relabelled)


def test_samples_without_boxes_pass() -> None:
    bare = Sample(id="a", picture=Image(np.zeros((4, 4, 3), np.uint8)))
    plain = Records("test", (0,), lambda _: bare, NAMES)
    assert relabelled(plain, {}, ("car",))[0].boxes is None
