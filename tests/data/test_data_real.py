"""Readers on the real pictures of the optional shared folder."""

import numpy as np
import pytest

from howfar.core.boxes import iou_matrix
from howfar.data.address import open_dataset
from howfar.data.check import check
from howfar.data.kitti_object import projected_boxes

pytestmark = pytest.mark.shared


def test_coco_val127(shared_data):
    dataset = open_dataset(f"coco:{shared_data}/eval/coco-val127")
    assert len(dataset) == 127
    assert sum(len(sample.boxes) for sample in dataset) == 897
    assert len(dataset.class_names) == 80
    assert check(dataset) == []


@pytest.mark.parametrize(
    ("address", "count", "size", "median_m"),
    [
        ("eval/hololens-office", 32, (270, 180), (1, 6)),
        ("eval/indoor-mix", 5, None, (1, 6)),
        ("train/kitti-drive?unit=kitti", 78, (1242, 375), (5, 15)),
        ("train/road-mix?unit=kitti", 27, (968, 608), (5, 40)),
    ],
)
def test_rgbd(shared_data, address, count, size, median_m):
    dataset = open_dataset(f"rgbd:{shared_data}/{address}")
    assert len(dataset) == count
    assert check(dataset) == []
    for sample in dataset:
        assert size in (None, (sample.depth.width, sample.depth.height))
        assert median_m[0] < np.median(sample.depth.values[sample.depth.valid]) < median_m[1]
        assert sample.camera.fx > sample.width / 3


def test_rgbd_with_the_wrong_unit_is_noticed(shared_data):
    problems = open_dataset(f"rgbd:{shared_data}/train/road-mix").check()
    assert any("unit=kitti" in str(problem) for problem in problems)


def test_kitti_object(shared_data):
    dataset = open_dataset(f"kitti-object:{shared_data}/eval/kitti-object")
    assert len(dataset) == 12
    assert check(dataset) == []
    objects = measured = 0
    overlaps = []
    for sample in dataset:
        projected = projected_boxes(sample)
        for number, box in enumerate(sample.boxes3d):
            if box is None:
                continue
            objects += 1
            measured += box.contains(sample.lidar_m).sum() >= 5
            if sample.truncation[number] == 0:
                pair = projected[[number]], sample.boxes[[number]]
                overlaps.append(iou_matrix(*pair)[0, 0])
    assert (objects, measured) == (44, 42)
    assert np.median(overlaps) > 0.9


def test_kitti_lidar_depth_agrees_with_the_points(shared_data):
    sample = open_dataset(f"kitti-object:{shared_data}/eval/kitti-object")[0]
    assert 0.03 < sample.depth.valid.mean() < 0.06
    assert sample.depth.values[sample.depth.valid].min() >= sample.lidar_m[:, 2].min()
    person = sample.boxes3d[0]
    inside = sample.lidar_m[person.contains(sample.lidar_m), 2]
    assert np.median(inside) == pytest.approx(person.z_m, abs=0.6)
