from __future__ import annotations

import numpy as np
import pytest

from howfar.data.mosaic import (
    FILL,
    MosaicOptions,
    detection_example,
    fit_to,
    mixup,
    mosaic,
    placed,
    random_map,
)
from howfar.data.photometric import hsv
from howfar.data.scene import Scene
from howfar.errors import UsageError

STILL = MosaicOptions(mosaic=0, hue=0, saturation=0, value=0, translate=0, scale=0, flip=0)


def scene(grey: int, width: int = 40, height: int = 30) -> Scene:
    """A grey picture with a white box, labelled with the grey level."""
    image = np.full((height, width, 3), grey, np.uint8)
    image[10:20, 8:28] = 255
    return Scene(
        image=image,
        boxes=np.array([[8, 10, 28, 20]], np.float32),
        labels=np.array([grey], np.int64),
    )


def test_fit_keeps_the_shape() -> None:
    found = fit_to(scene(10), 80, 80)
    assert found.image.shape == (60, 80, 3)
    np.testing.assert_allclose(found.boxes, [[16, 20, 56, 40]])
    assert fit_to(scene(10), 20, 100).image.shape == (15, 20, 3)


def test_four_scenes_meet_at_a_corner() -> None:
    found = mosaic([scene(g) for g in (10, 20, 30, 40)], 50, 35, 100, 70)
    assert found.image.shape == (70, 100, 3)
    at = {(34, 49): 10, (34, 50): 20, (35, 49): 30, (35, 50): 40, (0, 0): FILL, (69, 99): FILL}
    for (y, x), grey in at.items():
        assert found.image[y, x, 0] == grey, (y, x)
    expected = [[18, 15, 38, 25], [58, 15, 78, 25], [18, 45, 38, 55], [58, 45, 78, 55]]
    np.testing.assert_allclose(found.boxes, expected)
    assert found.labels.tolist() == [10, 20, 30, 40]
    for box in found.boxes.astype(int):
        x1, y1, x2, y2 = box.tolist()
        assert (found.image[y1:y2, x1:x2] == 255).all()


def test_a_mosaic_cuts_scenes_and_boxes_at_its_border() -> None:
    found = mosaic([scene(g) for g in (10, 20, 30, 40)], 15, 65, 100, 70)
    np.testing.assert_allclose(found.boxes, [[0, 45, 3, 55], [23, 45, 43, 55]])
    assert found.labels.tolist() == [10, 20]


def test_without_change_the_picture_is_only_placed() -> None:
    found = detection_example(scene(10), lambda: scene(20), 48, 40, STILL, np.random.default_rng(0))
    expected = placed(scene(10), 48, 40)
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-4)
    np.testing.assert_allclose(found.boxes, [[12, 15, 32, 25]], atol=1e-4)
    difference = np.abs(found.image.astype(int) - expected.image)
    assert difference.max() <= 1
    assert found.image[0, 0, 0] == FILL


def test_boxes_stay_on_their_objects_under_any_map() -> None:
    options = MosaicOptions(hue=0, saturation=0, value=0, scale=0.3)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        found = detection_example(scene(0), lambda: scene(1), 80, 60, options, rng)
        white = found.image[..., 0] > 250
        covered = np.zeros_like(white)
        for x1, y1, x2, y2 in found.boxes:
            assert x2 - x1 > 2
            assert y2 - y1 > 2
            inside = white[round(y1) + 1 : round(y2) - 1, round(x1) + 1 : round(x2) - 1]
            assert inside.mean() > 0.95 if inside.size else True
            covered[
                max(round(y1) - 1, 0) : round(y2) + 1, max(round(x1) - 1, 0) : round(x2) + 1
            ] = 1
        lost = np.argwhere(white & ~covered)
        near = (lost < 5) | (lost >= np.array(white.shape) - 5)
        assert near.any(axis=1).all()  # only slivers at the border lose their box


def test_slivers_are_dropped() -> None:
    thin = Scene(
        image=np.zeros((60, 60, 3), np.uint8),
        boxes=np.array([[10, 10, 11.5, 50], [10, 10, 13, 50]], np.float32),
        labels=np.array([0, 1]),
    )
    found = random_map(thin, 60, 60, STILL, np.random.default_rng(0))
    assert found.labels.tolist() == [1]


def test_mixup_shows_both() -> None:
    a, b = scene(0), scene(200)
    found = mixup(a, b, np.random.default_rng(0))
    assert 60 < found.image[0, 0, 0] < 140
    assert found.labels.tolist() == [0, 200]


def test_the_same_seed_gives_the_same_picture() -> None:
    options = MosaicOptions(mixup=1)
    first, again = (
        detection_example(scene(10), lambda: scene(90), 64, 64, options, np.random.default_rng(5))
        for _ in range(2)
    )
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.boxes, again.boxes)


def test_hsv_gains() -> None:
    red = np.full((2, 2, 3), (200, 40, 40), np.uint8)
    assert np.array_equal(hsv(red, 1, 1, 1), red)
    assert hsv(red, 1, 0, 1)[0, 0].tolist() == [200, 200, 200]
    assert hsv(red, 1, 1, 0.5)[0, 0].max() == 100
    green = np.full((2, 2, 3), (40, 200, 40), np.uint8)
    assert hsv(green, 2, 1, 1)[0, 0].tolist() == [40, 40, 200]


@pytest.mark.parametrize("change", [{"mosaic": 1.5}, {"hue": -0.1}, {"scale": 1.0}])
def test_wrong_options_are_named(change: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=f"augment {next(iter(change))} is"):
        MosaicOptions(**change)
