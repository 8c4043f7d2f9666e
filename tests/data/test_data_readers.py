"""What single readers do beyond the contract: options, conventions, constants."""

import csv
import sys

import cv2
import layouts
import numpy as np
import pytest

from howfar.core.depth import DepthKind
from howfar.core.semantics import IGNORE
from howfar.data import vkitti
from howfar.data.address import open_dataset
from howfar.data.check import check
from howfar.data.kitti import read_raw_calibration
from howfar.data.kitti_depth import read_frames
from howfar.data.kitti_object import difficulties, projected_boxes
from howfar.data.matfile import read_mat
from howfar.data.nyu import read_split
from howfar.data.yolo_txt import read_names
from howfar.errors import DatasetError, UsageError


def test_mat5_reader_agrees_with_scipy(tmp_path):
    io = pytest.importorskip("scipy.io")
    arrays = {"trainNdxs": np.arange(1, 796)[:, None], "testNdxs": np.arange(3, 9.0)[:, None]}
    for compress in (True, False):
        io.savemat(tmp_path / "s.mat", {**arrays, "word": "x"}, do_compression=compress)
        found = read_mat(tmp_path / "s.mat")
        for name, values in arrays.items():
            np.testing.assert_array_equal(found[name], values)
    (tmp_path / "own.mat").write_bytes(layouts.mat5(arrays, compress=True))
    np.testing.assert_array_equal(io.loadmat(tmp_path / "own.mat")["testNdxs"], arrays["testNdxs"])


def test_splits_in_hdf5_are_read_too(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "splits.mat", "w") as file:
        file["trainNdxs"] = np.array([[1.0, 5, 1449]])
    assert read_split(tmp_path / "splits.mat", "train") == (0, 4, 1448)


def test_nyu_mat_all_and_train(tmp_path):
    pytest.importorskip("h5py")
    layouts.write_nyu_mat(tmp_path)
    assert [s.id for s in open_dataset(f"nyu-mat:{tmp_path}")] == [
        "00000",
        "00001",
        "00002",
        "00003",
    ]
    sample = open_dataset(f"nyu-mat:{tmp_path}/nyu_depth_v2_labeled.mat?split=train")[1]
    assert sample.id == "00002"
    for box, number in zip(sample.boxes.astype(int), sample.instance_ids, strict=True):
        x1, y1, x2, y2 = box
        assert (sample.instances[y1:y2, x1:x2] == number).all()


def test_without_h5py_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(UsageError, match=r"pip install 'howfar\[eval\]'"):
        open_dataset(f"nyu-mat:{tmp_path}")


def test_nyu_csv_of_16_bit_training_pairs(tmp_path):
    layouts.write_nyu_train(tmp_path)
    depth = tmp_path / "data" / "nyu2_train" / "office_0001_out" / "1.png"
    layouts.save(depth, layouts.deep(layouts.metres(), 1000))
    sample = open_dataset(f"nyu-csv:{tmp_path}/data/nyu2_train.csv")[0]
    np.testing.assert_allclose(sample.depth.values, layouts.metres(), atol=6e-4)


def test_kitti_object_fields(tmp_path):
    layouts.write_kitti_object(tmp_path)
    first, second = open_dataset(f"kitti-object:{tmp_path}")
    assert first.ignored.tolist() == [False, True]
    assert first.occlusion.tolist() == [1, 3]
    np.testing.assert_allclose(first.truncation, [0.1, np.nan])
    assert first.boxes3d[1] is None
    assert difficulties(first).tolist() == [1, 3]
    assert second.boxes.shape == (0, 4)
    assert first.baseline_m == pytest.approx(26.6 / 50)
    np.testing.assert_array_equal(first.right.pixels, layouts.picture(1))
    points, _ = layouts.lidar_scene()
    np.testing.assert_allclose(first.lidar_m, points, atol=1e-4)


def test_kitti_boxes_are_moved_to_the_pictures_camera(tmp_path):
    layouts.write_kitti_object(tmp_path)
    sample = open_dataset(f"kitti-object:{tmp_path}")[0]
    box = sample.boxes3d[0]
    place = np.array([box.x_m, box.y_m, box.z_m])
    np.testing.assert_allclose(place, np.array([1.0, 1.2, 10.0]) + layouts.OFFSET)
    homogeneous = layouts.P2 @ [1.0, 1.2, 10.0, 1.0]
    pixel = homogeneous[:2] / homogeneous[2] + 0.5
    np.testing.assert_allclose(sample.camera.project(place[None])[0], pixel, rtol=1e-6)
    left, right = projected_boxes(sample), projected_boxes(sample, right=True)
    middle = (left - right)[0, [0, 2]].mean()
    assert middle == pytest.approx(50 * sample.baseline_m / 10, rel=0.15)
    assert np.isnan(left[1]).all()


def test_kitti_object_frames_and_testing(tmp_path):
    layouts.write_kitti_object(tmp_path)
    layouts.text(tmp_path / "val.txt", "000001\n")
    assert [s.id for s in open_dataset(f"kitti-object:{tmp_path}?frames={tmp_path}/val.txt")] == [
        "000001"
    ]
    layouts.save(tmp_path / "testing" / "image_2" / "000000.png", layouts.picture())
    sample = open_dataset(f"kitti-object:{tmp_path}?split=testing")[0]
    assert sample.boxes is None
    assert sample.camera is None


def test_check_finds_files_without_picture(tmp_path):
    layouts.write_kitti_object(tmp_path)
    (tmp_path / "training" / "image_2" / "000001.png").unlink()
    found = {
        problem.path.rpartition("/")[2]
        for problem in check(open_dataset(f"kitti-object:{tmp_path}"))
    }
    assert found == {"000001.txt", "000001.bin", "000001.png"}


def test_kitti_forward_distance_differs_from_z(tmp_path):
    layouts.write_kitti_raw(tmp_path)
    frames = f"?frames={tmp_path}/eigen_test_files.txt"
    z = open_dataset(f"kitti-raw:{tmp_path}{frames}")[0].depth
    forward = open_dataset(f"kitti-raw:{tmp_path}{frames}&depth=forward")[0].depth
    np.testing.assert_array_equal(z.valid, forward.valid)
    shift = (forward.values - z.values)[z.valid]
    np.testing.assert_allclose(shift, 0.27 - layouts.OFFSET[2], atol=1e-4)


def test_kitti_frame_lists_of_three_kinds(tmp_path):
    drive = "2011_09_26/2011_09_26_drive_0002_sync"
    lists = {
        "monodepth2": f"{drive} 69 r",
        "bts": f"/{drive}/image_03/data/0000000069.png None 721.5377",
        "monodepth": f"{drive}/image_03/data/0000000069.jpg {drive}/image_02/data/0000000069.jpg",
    }
    for name, line in lists.items():
        layouts.text(tmp_path / name, line + "\n\n")
        (frame,) = read_frames(tmp_path / name)
        assert frame.id == f"{drive}/image_03/0000000069"
        assert frame.focal_px == (721.5377 if name == "bts" else 0)


def test_kitti_right_picture_of_a_list(tmp_path):
    layouts.write_kitti_raw(tmp_path)
    drive = tmp_path / "2011_09_26" / "2011_09_26_drive_0002_sync"
    layouts.save(drive / "image_03" / "data" / "0000000000.png", layouts.picture())
    layouts.text(tmp_path / "right.txt", "2011_09_26/2011_09_26_drive_0002_sync 0 r\n")
    base = f"kitti-raw:{tmp_path}?frames={tmp_path}"
    right = open_dataset(f"{base}/right.txt")[0].lidar_m
    left = open_dataset(f"{base}/eigen_test_files.txt")[0].lidar_m
    np.testing.assert_allclose(left - right, np.tile([26.6 / 50, 0, 0], (len(left), 1)), atol=1e-5)


def test_kitti_frames_without_improved_depth_are_left_out_and_told(tmp_path):
    case = layouts.write_kitti_improved(tmp_path)
    next((tmp_path / "depth").rglob("0000000001.png")).unlink()
    dataset = open_dataset(case.address)
    assert len(dataset) == 1
    assert dataset.left_out == ("2011_09_26/2011_09_26_drive_0002_sync/image_02/0000000001",)
    assert [problem.path for problem in dataset.check()] == list(dataset.left_out)
    next((tmp_path / "depth").rglob("0000000000.png")).unlink()
    with pytest.raises(DatasetError, match="none of the 2 frames"):
        open_dataset(case.address)


def test_kitti_options_that_need_each_other(tmp_path):
    layouts.write_kitti_raw(tmp_path)
    with pytest.raises(UsageError, match="frames=FILE"):
        open_dataset(f"kitti-raw:{tmp_path}")
    with pytest.raises(UsageError, match="improved=FOLDER"):
        open_dataset(f"kitti-raw:{tmp_path}?frames=x&depth=improved")


def test_kitti_stereo_without_calibration_has_disparity_only(tmp_path):
    layouts.write_kitti_stereo(tmp_path)
    sample = open_dataset(f"kitti-stereo:{tmp_path}?disparity=noc")[0]
    fb = sample.camera.fx * sample.baseline_m
    good = sample.depth.valid
    np.testing.assert_allclose(
        sample.depth.values[good] * sample.disparity.values[good], fb, rtol=1e-5
    )
    calibration = tmp_path / "training" / "calib_cam_to_cam"
    for file in calibration.iterdir():
        file.unlink()
    calibration.rmdir()
    dataset = open_dataset(f"kitti-stereo:{tmp_path}")
    assert dataset[0].depth is None
    assert dataset[0].camera is None
    assert dataset[0].disparity.valid.any()
    assert any("neither camera nor depth" in str(problem) for problem in dataset.check())


def test_calibration_offset_is_exact(tmp_path):
    layouts.text(tmp_path / "c.txt", layouts.raw_calibration())
    calibration = read_raw_calibration(tmp_path / "c.txt")
    np.testing.assert_allclose(calibration.offset_m(), layouts.OFFSET, atol=1e-12)
    with pytest.raises(DatasetError, match="no transformation"):
        calibration.to_camera(np.zeros((1, 4), np.float32))


@pytest.mark.parametrize("version", [1, 2])
def test_vkitti_semantics_instances_and_sky(version, tmp_path):
    getattr(layouts, f"write_vkitti{version}")(tmp_path)
    sample = open_dataset(f"vkitti{version}:{tmp_path}")[0]
    names = sample.semantics.class_names
    labels = sample.semantics.labels
    assert (labels[:16] == names.index("Sky")).all()
    assert (labels[20:30, 10:25] == names.index("Car")).all()
    assert (sample.instances[20:30, 10:25] == sample.instance_ids[0]).all()
    assert sample.occlusion.tolist() == [1]
    assert not sample.depth.valid[:16].any()
    assert sample.boxes3d[0].length_m == 3.9
    assert sample.boxes3d[0].width_m == 1.6
    far = open_dataset(f"vkitti{version}:{tmp_path}?sky=far")[0].depth
    np.testing.assert_allclose(far.values[:16], 655.35)
    assert far.valid[:16].all()


def test_vkitti_splits(tmp_path):
    layouts.write_vkitti1(tmp_path)
    assert len(open_dataset(f"vkitti1:{tmp_path}?split=train&variations=clone,fog")) == 2
    with pytest.raises(DatasetError, match="no pictures"):
        open_dataset(f"vkitti1:{tmp_path}?split=test")
    with pytest.raises(UsageError, match="0001, 0002"):
        open_dataset(f"vkitti1:{tmp_path}?worlds=0003")
    assert sum(vkitti.FRAMES.values()) * len(vkitti.VARIATIONS) == 21260


def test_vkitti2_right_camera_and_undefined(tmp_path):
    layouts.write_vkitti2(tmp_path)
    both = open_dataset(f"vkitti2:{tmp_path}?camera=both")
    assert len(both) == 4
    assert both[0].right is not None
    assert both[0].baseline_m == 0.532725
    assert both[2].right is None
    classes = tmp_path / "Scene01/clone/frames/classSegmentation/Camera_0/classgt_00000.png"
    layouts.save(classes, np.zeros((layouts.H, layouts.W, 3), np.uint8))
    assert (both[0].semantics.labels == IGNORE).all()


def test_megadepth_is_relative_and_tells_ordinal_maps(tmp_path):
    pytest.importorskip("h5py")
    layouts.write_megadepth(tmp_path)
    (depth,) = open_dataset(f"megadepth:{tmp_path}?kind=depth")
    (ordinal,) = open_dataset(f"megadepth:{tmp_path}?kind=ordinal")
    assert depth.depth.kind is DepthKind.RELATIVE
    truth = layouts.metres(0, 1, 4)
    np.testing.assert_array_equal(depth.depth.valid, truth > 0)
    good = truth > 0
    np.testing.assert_allclose(1 / depth.depth.values[good], truth[good], rtol=1e-5)
    assert ordinal.depth is None
    assert set(np.unique(ordinal.ordinal)) == {-2, -1, 0}


def test_coco_keeps_the_file_and_its_rules(tmp_path):
    layouts.write_coco(tmp_path)
    dataset = open_dataset(f"coco:{tmp_path}?split=val2017")
    assert dataset.content == layouts.coco_content()
    assert dataset.class_names == ("person", "car")
    assert dataset.category_ids == (1, 3)
    first, second = dataset
    assert first.id == "7"
    assert first.crowd.tolist() == [False, True]
    np.testing.assert_allclose(first.areas, [99.5, 64 * 48])
    assert second.boxes.shape == (0, 4)


def test_voc_flags_and_classes(tmp_path):
    layouts.write_voc(tmp_path)
    sample = open_dataset(f"voc:{tmp_path}")[0]
    assert sample.difficult.tolist() == sample.ignored.tolist() == [False, True]
    np.testing.assert_array_equal(np.isnan(sample.truncation), [True, False])
    assert (sample.semantics.labels[5:9] == IGNORE).all()
    assert open_dataset(f"voc:{tmp_path}")[1].semantics is None


def test_yolo_pictures_without_labels_and_scores(tmp_path):
    layouts.write_yolo(tmp_path)
    (tmp_path / "labels" / "val" / "p1.txt").unlink()
    dataset = open_dataset(f"yolo:{tmp_path}?split=val")
    assert dataset[1].boxes.shape == (0, 4)
    assert any("counts as empty" in problem.message for problem in dataset.check())
    layouts.text(tmp_path / "labels" / "val" / "p1.txt", "0 .5 .5 .2 .2 .75\n")
    np.testing.assert_allclose(dataset[1].scores, [0.75])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.yaml", "nc: 2\nnames: [cat, 'big dog'] # two\n"),
        ("b.yaml", "names:\n- cat\n- big dog\nnc: 2\n"),
        ("c.yaml", 'names:\n  0: cat\n  1: "big dog"\n'),
        ("d.yml", "names: {0: cat, 1: big dog}\n"),
        ("classes.txt", "cat\nbig dog\n\n"),
    ],
)
def test_yolo_names(name, content, tmp_path):
    layouts.text(tmp_path / name, content)
    assert read_names(tmp_path / name) == ("cat", "big dog")


def test_rgbd_unit_is_questioned_where_depth_is_sparse(tmp_path):
    layouts.write_rgbd(tmp_path)
    for k in range(2):
        sparse = np.zeros((layouts.H, layouts.W), np.uint16)
        sparse[::7, ::7] = 2560
        layouts.save(tmp_path / "depth" / f"{k:04d}.png", sparse)
    assert any("unit=kitti" in str(problem) for problem in open_dataset(f"rgbd:{tmp_path}").check())
    kitti = open_dataset(f"rgbd:{tmp_path}?unit=kitti")
    assert kitti.check() == []
    assert kitti[0].depth.values.max() == 10.0


def test_rgbd_without_cameras(tmp_path):
    layouts.write_rgbd(tmp_path)
    (tmp_path / "cameras.json").unlink()
    dataset = open_dataset(f"rgbd:{tmp_path}")
    assert dataset[0].camera is None
    assert any("focal length" in str(problem) for problem in dataset.check())


def test_check_tells_maps_without_depth(tmp_path):
    layouts.write_rgbd(tmp_path)
    layouts.save(tmp_path / "depth" / "0001.png", np.zeros((layouts.H, layouts.W), np.uint16))
    problems = check(open_dataset(f"rgbd:{tmp_path}"))
    assert any("no valid pixel" in problem.message for problem in problems)


def test_wsvd_video_file(tmp_path):
    layouts.write_wsvd(tmp_path)
    for file in (tmp_path / "video1").iterdir():
        file.unlink()
    (tmp_path / "video1").rmdir()
    writer = cv2.VideoWriter(
        str(tmp_path / "video1.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 10, (128, 96)
    )
    for k in range(4):
        frame = np.full((96, 128, 3), 40 * k + 20, np.uint8)
        frame[:, 64:] += 30
        writer.write(frame)
    writer.release()
    dataset = open_dataset(f"wsvd:{tmp_path}")
    assert [sample.id for sample in dataset] == ["video1/000/000003", "video1/000/000004"]
    assert dataset[0].image.pixels.mean() == pytest.approx(100, abs=4)
    assert dataset[0].right.pixels.mean() == pytest.approx(130, abs=4)
    assert dataset[0].depth is None
    (tmp_path / "video1.mp4").write_bytes(b"no video" * 50)
    with pytest.raises(DatasetError, match=r"video1\.mp4"):
        dataset[0]


def test_csv_of_nyu_names_missing_files(tmp_path):
    layouts.write_nyu_test(tmp_path)
    with (tmp_path / "data" / "nyu2_test.csv").open("a", newline="") as file:
        csv.writer(file).writerow(["data/a.png", "data/b.png"])
    problems = open_dataset(f"nyu-csv:{tmp_path}").check()
    assert [problem.path.rpartition("/")[2] for problem in problems] == ["a.png", "b.png"]
