"""The one contract that every reader keeps, on tiny copies in the official layouts."""

import pickle
import tempfile
from pathlib import Path

import layouts
import numpy as np
import pytest

from howfar.core.depth import DepthKind
from howfar.data.address import FORMATS, open_dataset, parse_address
from howfar.data.check import check
from howfar.errors import HowfarError, UsageError

NEEDS_H5 = {"nyu-mat", "megadepth"}


def write(name, root):
    if name in NEEDS_H5:
        pytest.importorskip("h5py")
    return layouts.WRITERS[name](root)


def read_all(address):
    return [sample.image for sample in open_dataset(address)]


@pytest.fixture(params=sorted(layouts.WRITERS))
def case(request, tmp_path):
    return write(request.param, tmp_path)


def test_every_format_is_covered():
    for name in FORMATS.keys() - {"pictures"}:  # no truth: test_data_pictures.py
        assert any(written.startswith(name) for written in layouts.WRITERS), name


def test_length_ids_and_order(case):
    dataset = open_dataset(case.address)
    assert len(dataset) == case.count
    ids = [sample.id for sample in dataset]
    assert len(set(ids)) == case.count
    assert dataset[-1].id == ids[-1]
    for index in (case.count, -case.count - 1):
        with pytest.raises(IndexError):
            dataset[index]


def test_image(case):
    image = open_dataset(case.address)[0].image
    assert image.pixels.dtype == np.uint8
    assert image.pixels.shape == case.pixels.shape
    difference = np.abs(image.pixels.astype(int) - case.pixels.astype(int))
    assert difference.mean() < 6  # JPEG, resized halves; swapped colours are far above


def test_depth_is_metres(case):
    sample = open_dataset(case.address)[0]
    if case.depth is None:
        assert sample.depth is None or sample.depth.kind is DepthKind.RELATIVE
        return
    assert sample.depth.kind is DepthKind.METRIC
    assert sample.depth.values.dtype == np.float32
    np.testing.assert_array_equal(sample.depth.valid, case.depth > 0)
    good = case.depth > 0
    np.testing.assert_allclose(
        sample.depth.values[good], case.depth[good], atol=case.step, rtol=1e-5
    )


def test_boxes_and_labels(case):
    dataset = open_dataset(case.address)
    sample = dataset[0]
    if case.boxes is None:
        assert sample.boxes is None
        assert sample.labels == ()
        return
    np.testing.assert_allclose(sample.boxes, case.boxes, atol=1e-4)
    assert sample.labels == case.labels
    assert set(sample.labels) <= set(dataset.class_names)
    for other in dataset:
        assert (other.boxes >= 0).all()
        assert (other.boxes <= [other.width, other.height] * 2).all()
        assert len(other.labels) == len(other.ignored) == len(other.boxes)


def test_camera(case):
    camera = open_dataset(case.address)[0].camera
    if case.fx is None:
        assert camera is None
    else:
        assert camera.fx == pytest.approx(case.fx)
        assert abs(camera.cx / camera.width - 0.5) < 0.05


def test_reading_twice_is_equal(case):
    dataset = open_dataset(case.address)
    again = pickle.loads(pickle.dumps(dataset))  # noqa: S301  # as worker processes get it
    for first, second in zip(dataset, again, strict=True):
        assert (first.id, first.labels) == (second.id, second.labels)
        np.testing.assert_array_equal(first.image.pixels, second.image.pixels)
        for name in ("boxes", "occlusion", "truncation", "lidar_m", "instances", "ordinal"):
            np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
        if first.depth:
            np.testing.assert_array_equal(first.depth.values, second.depth.values)


def test_a_sound_copy_has_no_problems(case):
    counts = []
    problems = check(open_dataset(case.address), lambda done, total: counts.append((done, total)))
    expected = ("officially", "official file", "no such video")  # tiny copies are not complete
    assert [str(p) for p in problems if not any(word in p.message for word in expected)] == []
    assert counts[-1] == (case.count, case.count)


def _damages():
    """(reader, damage) pairs; written once to a throw-away folder to learn their names."""
    found = []
    for name, writer in sorted(layouts.WRITERS.items()):
        with tempfile.TemporaryDirectory() as folder:
            try:
                found += [(name, damage) for damage in writer(Path(folder)).damages]
            except ImportError:
                continue
    return found


@pytest.mark.parametrize(("name", "damage"), _damages())
def test_a_damaged_file_gives_one_clear_error(name, damage, tmp_path):
    case = write(name, tmp_path)
    file, content = case.damages[damage]
    assert (tmp_path / file).exists()
    if content is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(HowfarError) as caught:
        read_all(case.address)
    message = str(caught.value)
    assert Path(file).name in message or Path(file).stem in message, message
    assert "\n" not in message
    assert len(message.removeprefix(str(tmp_path))) < 400


@pytest.mark.parametrize(
    ("name", "damage"), [p for p in _damages() if p[1] in ("missing", "shape")]
)
def test_check_names_the_damaged_file(name, damage, tmp_path):
    case = write(name, tmp_path)
    file, content = case.damages[damage]
    (tmp_path / file).unlink()
    if content is not None:
        (tmp_path / file).write_bytes(content)
    try:
        problems = check(open_dataset(case.address))
    except HowfarError as error:  # a list without which there is nothing to walk
        problems = [error]
    assert any(Path(file).name in str(problem) for problem in problems)


def test_an_empty_folder_is_refused(tmp_path):
    for name in (name for name, found in FORMATS.items() if found.on_disk):
        options = f"?frames={tmp_path}/none.txt" if name == "kitti-raw" else ""
        with pytest.raises(HowfarError, match=str(tmp_path.name)):
            open_dataset(f"{name}:{tmp_path}{options}")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("coco", "FORMAT:PATH"),
        ("/some/path", "kitti-object"),
        ("imagenet:/x", "vkitti2"),
        ("coco:", "no path"),
        ("coco:/x?splt=val", "split"),
        ("kitti-selection:/x?split=val", "none"),
        ("synthetic:indoor?fog=yes", "stereo"),
        ("rgbd:/x?unit", "unit=..."),
        ("rgbd:/x?unit=", "unit=..."),
    ],
)
def test_wrong_addresses(text, hint):
    with pytest.raises(UsageError) as caught:
        parse_address(text)
    assert hint in str(caught.value)


def test_addresses_and_options(tmp_path):
    address = parse_address("rgbd:/a/b?c/d?unit=kitti")
    assert (address.format, str(address.path)) == ("rgbd", "/a/b?c/d")
    assert str(address) == "rgbd:/a/b?c/d?unit=kitti"
    assert parse_address("rgbd:~/x").path == Path.home() / "x"
    layouts.write_rgbd(tmp_path)
    with pytest.raises(UsageError, match="mm, kitti"):
        open_dataset(f"rgbd:{tmp_path}?unit=cm")
    with pytest.raises(HowfarError, match="no such file or folder"):
        open_dataset(f"rgbd:{tmp_path}/none")


@pytest.mark.parametrize(
    ("address", "hint"),
    [
        ("synthetic:moon", "indoor, street, mixed"),
        ("synthetic:indoor?count=0", "count='0'"),
        ("synthetic:indoor?seed=-1", "seed='-1'"),
        ("synthetic:indoor?size=320", "320x240"),
        ("synthetic:indoor?size=8x8", "at least 32"),
        ("synthetic:indoor?stereo=maybe", "yes, no"),
    ],
)
def test_worlds_that_cannot_be(address, hint):
    with pytest.raises(UsageError, match=hint):
        open_dataset(address)


def test_rendered_samples_know_everything():
    sample = open_dataset("synthetic:mixed?count=2&seed=7&size=160x120&stereo=yes&level=yes")[1]
    assert sample.right is not None
    assert sample.baseline_m > 0
    assert len(sample.boxes3d) == len(sample.boxes) > 0
    assert sample.semantics is not None
    for i, number in enumerate(sample.instance_ids):
        y, x = np.nonzero(sample.instances == number)
        np.testing.assert_allclose(
            sample.boxes[i], [x.min(), y.min(), x.max() + 1, y.max() + 1], atol=0.01
        )
    tilted = open_dataset("synthetic:indoor?count=1&size=64x48")[0]
    assert tilted.boxes3d is None
