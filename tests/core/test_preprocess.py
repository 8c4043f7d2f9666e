import cv2
import numpy as np
import pytest

from howfar.core.boxes import as_boxes
from howfar.core.preprocess import Fit, Preprocess
from howfar.errors import CardError


def picture(width, height, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(
    ("height", "width", "expected", "pad_x", "pad_y"),
    [
        (480, 640, (480, 640), 0, 0),
        (375, 1242, (224, 640), 0, 15.5),
        (500, 333, (640, 448), 11, 0),
        (101, 999, (96, 640), 0, 15.5),
    ],
)
def test_minimal_letterbox_vectors(height, width, expected, pad_x, pad_y):
    """Facts sheet, section 6: letterbox to 640, padded to a multiple of 32."""
    place = Preprocess(640, 640, Fit.LETTERBOX, minimal=True).place(width, height)
    assert (place.input_height, place.input_width) == expected
    assert place.offset_x == round(pad_x - 0.1)
    assert place.offset_y == round(pad_y - 0.1)
    assert place.input_height - place.content_height == 2 * pad_y
    assert place.input_width - place.content_width == 2 * pad_x


PREPROCESSINGS = [
    Preprocess(416, 320, Fit.STRETCH),
    Preprocess(416, 416, Fit.LETTERBOX),
    Preprocess(416, 416, Fit.LETTERBOX_TOP_LEFT),
    Preprocess(320, 320, Fit.LETTERBOX, scale_up=False),
    Preprocess(256, 256, Fit.KEEP_ASPECT, multiple=14),
    Preprocess(640, 640, Fit.LETTERBOX, minimal=True),
]


@pytest.mark.parametrize("preprocess", PREPROCESSINGS)
@pytest.mark.parametrize("size", [(640, 480), (333, 500), (101, 999), (57, 31)])
def test_boxes_come_back_exactly(preprocess, size):
    place = preprocess.place(*size)
    rng = np.random.default_rng(1)
    corners = np.sort(rng.uniform(0, 1, (20, 2, 2)), axis=1).reshape(20, 4)
    boxes = as_boxes(corners * [*size, *size])
    back = place.boxes_to_image(place.boxes_to_input(boxes))
    np.testing.assert_allclose(back, boxes, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("preprocess", PREPROCESSINGS)
def test_a_map_comes_back_in_place(preprocess):
    """A ramp that is fed as a picture comes back where it was, also at a quarter of the size."""
    ramp = np.linspace(0, 255, 400).astype(np.uint8)
    pixels = np.repeat(np.tile(ramp, (300, 1))[..., None], 3, axis=2)
    tensor, place = preprocess(pixels)
    plane = tensor[0, 0]
    assert tensor.shape == (1, 3, place.input_height, place.input_width)
    for shrink in (1, 4):
        size = (plane.shape[1] // shrink, plane.shape[0] // shrink)
        small = cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
        back = place.map_to_image(small) * 255
        assert back.shape == (300, 400)
        inner = slice(20, -20)
        error = np.abs(back - pixels[..., 0])[inner, inner]
        assert np.median(error) < 4
        assert error.max() < 12


def test_labels_come_back_by_nearest_neighbour():
    place = Preprocess(64, 64, Fit.LETTERBOX).place(100, 50)
    labels = np.zeros((64, 64), np.uint8)
    labels[16:48, 32:] = 3
    back = place.labels_to_image(labels)
    assert back.shape == (50, 100)
    assert set(back[:, :50].ravel()) == {0}
    assert set(back[:, 50:].ravel()) == {3}


def test_tensor_values_orders_and_padding():
    pixels = np.zeros((10, 20, 3), np.uint8)
    pixels[...] = (10, 20, 30)
    mean, std = (1.0, 2.0, 3.0), (2.0, 4.0, 5.0)
    bgr = Preprocess(20, 20, Fit.LETTERBOX, "BGR", 1.0, mean, std)
    tensor, _ = bgr(pixels)
    assert tensor[0, :, 10, 10].tolist() == pytest.approx(
        [(30 - 1) / 2, (20 - 2) / 4, (10 - 3) / 5]
    )
    assert tensor[0, :, 0, 0].tolist() == pytest.approx([113 / 2, 112 / 4, 111 / 5])
    nhwc, _ = Preprocess(20, 10, layout="NHWC", dtype="uint8")(pixels)
    assert nhwc.shape == (1, 10, 20, 3)
    assert nhwc.dtype == np.uint8
    assert nhwc[0, 0, 0].tolist() == [10, 20, 30]
    half, _ = Preprocess(20, 10, dtype="float16")(pixels)
    assert half.dtype == np.float16


def test_interpolation_is_the_cards():
    pixels = picture(64, 64)
    for name, flag in (("bilinear", cv2.INTER_LINEAR), ("area", cv2.INTER_AREA)):
        tensor, _ = Preprocess(20, 20, divisor=1.0, interpolation=name)(pixels)
        expected = cv2.resize(pixels, (20, 20), interpolation=flag)
        np.testing.assert_array_equal(tensor[0].transpose(1, 2, 0), expected)


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (4000, 1)])
@pytest.mark.parametrize("preprocess", PREPROCESSINGS)
def test_extreme_shapes_work(preprocess, size):
    tensor, place = preprocess(picture(*size))
    assert np.isfinite(tensor).all()
    assert place.map_to_image(tensor[0, 0]).shape == (size[1], size[0])


@pytest.mark.parametrize(
    "bad",
    [
        {"fit": "squeeze"},
        {"channels": "GBR"},
        {"interpolation": "magic"},
        {"dtype": "int4"},
        {"layout": "HWC"},
        {"std": (0, 1, 1)},
        {"divisor": 0},
        {"pad_value": 300},
        {"mean": (1, 2)},
    ],
)
def test_nonsense_is_refused(bad):
    with pytest.raises(CardError):
        Preprocess(64, 64, **bad)
