"""The typed sample and the 3-D box."""

import dataclasses
import math

import numpy as np
import pytest

from howfar.core.camera import Camera
from howfar.core.depth import DepthMap
from howfar.core.image import Image
from howfar.core.semantics import LabelMap
from howfar.data.sample import Box3D, Sample
from howfar.errors import DatasetError, UsageError

IMAGE = Image(np.zeros((30, 40, 3), np.uint8), "p.png")
BOX = np.array([[1, 2, 11, 12]])


def sample(**fields):
    return Sample(id="a", picture=IMAGE, **fields)


def test_a_bare_picture():
    bare = sample()
    assert (bare.width, bare.height, bare.source) == (40, 30, "p.png")
    unset = {f.name for f in dataclasses.fields(Sample)} - {"id", "picture", "size", "source"}
    assert all(getattr(bare, name) in (None, ()) for name in unset)
    assert bare.ignored.shape == (0,)
    assert bare.image is IMAGE


def test_arrays_get_their_types_and_cannot_be_written():
    full = sample(boxes=BOX, labels=["cat"], occlusion=[2], truncation=[0.5], crowd=[1], areas=[9])
    assert full.boxes.dtype == np.float32
    assert full.occlusion.dtype == np.int8
    assert full.labels == ("cat",)
    assert full.ignored.tolist() == [True]
    for name in ("boxes", "occlusion", "truncation", "crowd", "areas"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(full, name)[...] = 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        full.id = "b"


def test_boxes_are_clipped_by_rounding_only():
    assert sample(boxes=[[-1, 0, 41, 30]], labels=["x"]).boxes.tolist() == [[0, 0, 40, 30]]
    with pytest.raises(DatasetError, match=r"p\.png: box .* leaves the 40x30"):
        sample(boxes=[[0, 0, 45, 30]], labels=["x"])


@pytest.mark.parametrize(
    "fields",
    [
        {"boxes": BOX},
        {"labels": ("x",)},
        {"boxes": [[5, 5, 1, 1]], "labels": ("x",)},
        {"boxes": [[1, 2, 3]], "labels": ("x",)},
        {"boxes": BOX, "labels": ("x",), "occlusion": [4]},
        {"boxes": BOX, "labels": ("x",), "occlusion": [0, 1]},
        {"boxes": BOX, "labels": ("x",), "truncation": [1.5]},
        {"boxes": BOX, "labels": ("x",), "scores": [-1]},
        {"boxes": BOX, "labels": ("x",), "boxes3d": ()},
        {"boxes": BOX, "labels": ("x",), "instance_ids": [[1]]},
        {"depth": DepthMap(np.ones((40, 30)))},
        {"disparity": DepthMap(np.ones((30, 50)))},
        {"instances": np.ones((15, 20), int)},
        {"semantics": LabelMap(np.zeros((15, 20), int), ("a",))},
        {"camera": Camera.from_focal(50, 80, 60)},
        {"right": Image(np.zeros((30, 41, 3), np.uint8))},
        {"lidar_m": np.ones((5, 4))},
        {"ordinal_pairs": np.ones((5, 4))},
    ],
)
def test_what_does_not_fit_is_refused(fields):
    with pytest.raises(DatasetError, match=r"^p\.png: "):
        sample(**fields)


def test_pictures_that_are_read_later():
    calls = []

    def read():
        calls.append(1)
        return IMAGE

    late = Sample(id="a", picture=read, size=(40, 30))
    assert (late.width, late.source, calls) == (40, "a", [])
    assert late.image is late.image is IMAGE
    assert calls == [1]
    with pytest.raises(DatasetError, match="needs its size"):
        Sample(id="a", picture=read)
    wrong = Sample(id="a", picture=read, size=(30, 40))
    with pytest.raises(DatasetError, match=r"p\.png: the picture has 40x30 pixels"):
        _ = wrong.image


def test_depth_of_another_size_but_the_same_view():
    assert sample(depth=DepthMap(np.ones((15, 20)))).depth.width == 20


def test_box3d_corners_and_contents():
    box = Box3D(2.0, 1.0, 4.0, 10.0, 1.0, 20.0, 0.0)
    assert box.corners().min(axis=0).tolist() == [8.0, -1.0, 19.5]
    assert box.corners().max(axis=0).tolist() == [12.0, 1.0, 20.5]
    assert box.center_m == (10.0, 0.0, 20.0)
    turned = dataclasses.replace(box, yaw_rad=math.pi / 2)
    np.testing.assert_allclose(turned.corners().max(axis=0), [10.5, 1, 22], atol=1e-5)
    inside = np.array([[10, 0, 20], [11.9, 0.9, 20.4], [12.1, 0, 20], [10, 1.1, 20]], np.float32)
    assert box.contains(inside).tolist() == [True, True, False, False]
    assert turned.contains(inside).tolist() == [True, False, False, False]


def test_yaw_turns_x_towards_minus_z():
    box = Box3D(1, 1, 2, 0, 0, 10, 0.3)
    ahead = np.array([[math.cos(0.3) * 0.99, -0.5, 10 - math.sin(0.3) * 0.99]], np.float32)
    assert box.contains(ahead).all()
    assert dataclasses.replace(box, width_m=0.1).contains(ahead).all()
    for point in box.corners() * 0.999 + np.array([0, -0.5, 10]) * 0.001:
        assert box.contains(point[None].astype(np.float32)).all()


@pytest.mark.parametrize("values", [(0, 1, 1, 0, 0, 5, 0), (1, 1, 1, 0, math.nan, 5, 0)])
def test_impossible_3d_boxes(values):
    with pytest.raises(UsageError):
        Box3D(*values)
