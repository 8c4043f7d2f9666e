"""Depth maps and point clouds as files."""

import io

import cv2
import numpy as np
import pytest

from howfar.core.camera import Camera
from howfar.core.depth import DepthKind, DepthMap
from howfar.errors import OutputError, PictureError, UsageError
from howfar.io.depthfiles import encode_depth_png, encode_ply, raw_values, read_depth


def save_npy(path, array, **options):
    with path.open("wb") as file:
        np.save(file, array, **options)
    return path


def save_png(path, array):
    path.write_bytes(cv2.imencode(".png", array)[1].tobytes())
    return path


# -- reading --------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
def test_floats_are_metres_in_any_unit(tmp_path, dtype):
    path = save_npy(tmp_path / "a.npy", np.array([[0.5, 2.0, 3.25]], dtype))
    for unit in ("mm", "kitti"):
        depth = read_depth(path, unit)
        assert depth.kind is DepthKind.METRIC
        assert depth.values.tolist() == [[0.5, 2.0, 3.25]]


@pytest.mark.parametrize(("unit", "per_metre"), [("mm", 1000), ("kitti", 256)])
def test_integers_are_in_the_unit(tmp_path, unit, per_metre):
    array = np.array([[0, 1, per_metre], [2 * per_metre, 5 * per_metre // 2, 65535]], np.uint16)
    for path in (
        save_png(tmp_path / "a.png", array),
        save_png(tmp_path / "b.PNG", array),
        save_npy(tmp_path / "c.npy", array),
        save_npy(tmp_path / "d.NPY", array.astype(np.int64)),
    ):
        depth = read_depth(path, unit)
        np.testing.assert_allclose(depth.values, array / per_metre, rtol=1e-6)
        assert depth.valid.tolist() == [[False, True, True], [True, True, True]]


def test_the_usual_unit_is_millimetres(tmp_path):
    assert read_depth(save_png(tmp_path / "a.png", np.full((2, 3), 2500, np.uint16))).values[
        0, 0
    ] == pytest.approx(2.5)


def test_what_is_no_depth_is_not_valid(tmp_path):
    path = save_npy(tmp_path / "a.npy", np.array([[np.nan, np.inf, 0, -1, 1e300, 2]]))
    assert read_depth(path).valid.tolist() == [[False, False, False, False, False, True]]


@pytest.mark.parametrize("shape", [(1, 2, 3), (2, 3, 1), (1, 2, 3, 1), (1, 1, 3), (3, 1), (1, 1)])
def test_axes_of_length_one_are_dropped_and_rows_and_columns_kept(tmp_path, shape):
    path = save_npy(tmp_path / "a.npy", np.ones(shape, np.float32))
    kept = {(1, 2, 3): (2, 3), (2, 3, 1): (2, 3), (1, 2, 3, 1): (2, 3), (1, 1, 3): (1, 3)}
    assert read_depth(path).values.shape == kept.get(shape, shape)


@pytest.mark.parametrize("shape", [(), (4,), (2, 3, 3), (0, 3), (2, 2, 2, 2)])
def test_arrays_of_another_shape_are_refused(tmp_path, shape):
    path = save_npy(tmp_path / "a.npy", np.ones(shape, np.float32))
    with pytest.raises(PictureError, match="is no depth map"):
        read_depth(path)


@pytest.mark.parametrize("dtype", [bool, complex, "U3", "datetime64[s]"])
def test_arrays_of_another_kind_are_refused(tmp_path, dtype):
    path = save_npy(tmp_path / "a.npy", np.zeros((2, 3), dtype))
    with pytest.raises(PictureError, match="is no depth map"):
        read_depth(path)


def test_pickles_are_refused(tmp_path):
    path = save_npy(tmp_path / "a.npy", np.array([[{"a": 1}]], object), allow_pickle=True)
    with pytest.raises(PictureError, match=r"a\.npy: no NumPy array can be read"):
        read_depth(path)


def npy_bytes():
    buffer = io.BytesIO()
    np.save(buffer, np.ones((20, 20), np.float32))
    return buffer.getvalue()


def zip_bytes():
    buffer = io.BytesIO()
    np.savez(buffer, a=np.ones((2, 2)))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        npy_bytes()[:40],
        npy_bytes()[:300],
        npy_bytes().replace(b"(20, 20), }", b"(20, 20,  }"),
        npy_bytes().replace(b"'fortran_order'", b"'other_things_'"),
        npy_bytes().replace(b"(20, 20)", b"(-2, 20)"),
        npy_bytes().replace(b"{", b"("),
        npy_bytes().replace(b"<f4", b"<z9"),
        zip_bytes(),
        zip_bytes()[:100],
        b"PK\x03\x04" + b"x" * 50,
    ],
)
def test_files_that_are_no_arrays_are_one_clear_error(tmp_path, data):
    path = tmp_path / "a.npy"
    path.write_bytes(data)
    with pytest.raises(PictureError) as caught:
        read_depth(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_header_that_claims_terabytes(tmp_path):
    path = tmp_path / "a.npy"
    path.write_bytes(npy_bytes().replace(b"(20, 20), }" + b" " * 9, b"(9999999, 999999), }"))
    with pytest.raises(PictureError, match="not enough memory"):
        read_depth(path)


def test_pictures_that_are_no_depth_are_refused(tmp_path):
    grey = np.zeros((4, 5), np.uint8)
    with pytest.raises(PictureError, match="uint8 with 1 channels; a depth picture is 16-bit grey"):
        read_depth(save_png(tmp_path / "a.png", grey))
    with pytest.raises(PictureError, match="uint16 with 3 channels"):
        read_depth(save_png(tmp_path / "b.png", np.zeros((4, 5, 3), np.uint16)))
    with pytest.raises(PictureError, match="uint8 with 4 channels"):
        read_depth(save_png(tmp_path / "c.png", np.zeros((4, 5, 4), np.uint8)))


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.95])
def test_a_truncated_depth_picture_is_refused(tmp_path, share):
    values = np.random.default_rng(0).integers(1, 60_000, (40, 50), dtype=np.uint16)
    path = save_png(tmp_path / "a.png", values)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(PictureError, match=r"a\.png: no picture can be read from it"):
        read_depth(path)


def test_files_that_are_not_there(tmp_path):
    for path in (tmp_path / "a.png", tmp_path / "a.npy", tmp_path):
        with pytest.raises(PictureError, match="no such file"):
            read_depth(path)


def test_a_unit_that_does_not_exist(tmp_path):
    with pytest.raises(UsageError, match="depth unit 'inch' is unknown; use one of mm, kitti"):
        read_depth(tmp_path / "a.png", "inch")


# -- writing --------------------------------------------------------------------------------


@pytest.mark.parametrize(("unit", "step"), [("mm", 0.001), ("kitti", 1 / 256)])
def test_what_is_written_is_read_back(tmp_path, unit, step):
    values = np.random.default_rng(1).uniform(0.1, 60, (30, 40)).astype(np.float32)
    values[0, :4] = np.nan, np.inf, 0, -3
    path = tmp_path / "a.png"
    path.write_bytes(encode_depth_png(DepthMap(values), unit))
    back = read_depth(path, unit)
    assert np.array_equal(back.valid, np.isfinite(values) & (values > 0))
    np.testing.assert_allclose(back.values[back.valid], values[back.valid], atol=step / 2 * 1.01)


def test_what_sixteen_bits_cannot_hold_is_no_depth(tmp_path):
    values = np.array([[65.535, 65.536, 100, 1e37, 0.0004, 0.0006]], np.float32)
    path = tmp_path / "a.png"
    path.write_bytes(encode_depth_png(DepthMap(values), "mm"))
    raw = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert raw.dtype == np.uint16
    assert raw.tolist() == [[65535, 0, 0, 0, 0, 1]]


def test_a_mask_is_kept(tmp_path):
    depth = DepthMap(np.ones((2, 2)), valid=[[True, False], [True, True]])
    path = tmp_path / "a.png"
    path.write_bytes(encode_depth_png(depth, "mm"))
    assert np.array_equal(read_depth(path).valid, depth.valid)
    assert np.array_equal(np.isnan(raw_values(depth)), ~depth.valid)
    assert raw_values(depth).dtype == np.float32


@pytest.mark.parametrize("kind", [DepthKind.RELATIVE, DepthKind.RELATIVE_AFFINE])
def test_relative_depth_is_never_written_as_metres(kind):
    depth = DepthMap(np.ones((2, 3)), kind)
    with pytest.raises(OutputError, match="relative depth can be saved as npy"):
        encode_depth_png(depth, "mm")
    with pytest.raises(OutputError, match="a point cloud needs metres"):
        encode_ply(np.zeros((2, 3, 3), np.uint8), depth, Camera.from_focal(5, 3, 2))


VERTEX = np.dtype([("xyz", "<f4", 3), ("rgb", "u1", 3)])


def read_ply(data):
    """Header lines and vertices."""
    header, _, body = data.partition(b"end_header\n")
    return header.decode().splitlines(), np.frombuffer(body, VERTEX)


def test_a_point_cloud_holds_the_valid_pixels_where_the_camera_sees_them():
    rng = np.random.default_rng(2)
    pixels = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    values = rng.uniform(1, 9, (5, 7)).astype(np.float32)
    values[2, 3] = np.nan
    camera = Camera(7, 5, 6.0, 5.5, 3.2, 2.4, "exif")
    lines, vertices = read_ply(encode_ply(pixels, DepthMap(values), camera))
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    assert "element vertex 34" in lines
    assert "exif" in lines[2]
    assert [line.split()[1:] for line in lines if line.startswith("property")] == [
        ["float", "x"],
        ["float", "y"],
        ["float", "z"],
        ["uchar", "red"],
        ["uchar", "green"],
        ["uchar", "blue"],
    ]
    assert len(vertices) == 34
    y, x = np.mgrid[0:5, 0:7]
    expected = camera.unproject(x + 0.5, y + 0.5, values)
    seen = np.isfinite(values)
    np.testing.assert_allclose(vertices["xyz"], expected[seen], rtol=1e-6)
    assert np.array_equal(vertices["rgb"], pixels[seen])
    np.testing.assert_allclose(
        camera.project(vertices["xyz"]), np.stack([x, y], -1)[seen] + 0.5, atol=1e-4
    )


def test_a_point_cloud_without_a_point():
    depth = DepthMap(np.full((2, 3), np.nan))
    data = encode_ply(np.zeros((2, 3, 3), np.uint8), depth, Camera.from_focal(5, 3, 2))
    lines, vertices = read_ply(data)
    assert "element vertex 0" in lines
    assert len(vertices) == 0
