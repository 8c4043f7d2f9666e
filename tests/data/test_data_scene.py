import numpy as np
import pytest

from howfar.core.camera import Camera
from howfar.core.depth import DepthMap
from howfar.core.image import Image
from howfar.core.semantics import LabelMap
from howfar.data.sample import Sample
from howfar.data.scene import Scene
from howfar.errors import UsageError

IMAGE = Image(np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3))


def sample(**truth):
    return Sample(id="one", picture=IMAGE, **truth)


def test_scene_of_a_sample():
    depth = np.array([[1, 2, 0], [3, 4, 5]], np.float32)
    scene = Scene.from_sample(
        sample(
            depth=DepthMap(depth),
            boxes=[[0, 0, 2, 2], [1, 1, 3, 4], [0, 0, 6, 4]],
            labels=("car", "dog", "thing"),
            ignore=np.array([False, False, True]),
            semantics=LabelMap(np.full((4, 6), 255), ("a",)),
            camera=Camera.from_focal(9.0, 6, 4),
        ),
        ("dog", "car"),
    )
    assert np.array_equal(scene.image, IMAGE.pixels)
    assert scene.labels.tolist() == [1, 0]
    assert scene.boxes.tolist() == [[0, 0, 2, 2], [1, 1, 3, 4]]
    grown = np.where(depth > 0, depth, np.nan).repeat(2, axis=0).repeat(2, axis=1)
    assert np.array_equal(scene.depth, grown, equal_nan=True)
    assert scene.valid.sum() == 20
    assert (scene.semantics == 255).all()
    assert scene.camera.fx == 9


def test_scene_of_a_bare_sample():
    scene = Scene.from_sample(sample(), ())
    assert scene.depth is None
    assert scene.semantics is None
    assert scene.boxes.shape == (0, 4)
    assert scene.labels.dtype == np.int64


def test_inverse_depth_becomes_depth():
    inverse = np.full((4, 6), 0.25, np.float32)
    scene = Scene.from_sample(sample(depth=DepthMap(inverse, "relative")), ())
    assert (scene.depth == 4).all()
    with pytest.raises(UsageError, match="up to a shift"):
        Scene.from_sample(sample(depth=DepthMap(inverse, "relative-affine")), ())


def test_unknown_class_is_told():
    with pytest.raises(UsageError, match="'car' is none of the 1 classes"):
        Scene.from_sample(sample(boxes=[[0, 0, 2, 2]], labels=("car",)), ("dog",))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("image", np.zeros((4, 6), np.uint8)),
        ("image", np.zeros((4, 6, 3), np.float32)),
        ("depth", np.zeros((4, 5), np.float32)),
        ("depth", np.zeros((4, 6), np.float64)),
        ("semantics", np.zeros((4, 6), np.int64)),
        ("labels", np.zeros(2, np.int64)),
        ("boxes", np.zeros((3, 5), np.float32)),
        ("camera", Camera.from_focal(9.0, 6, 5)),
    ],
)
def test_what_does_not_fit_is_told(field, value):
    with pytest.raises(UsageError, match=r"expected|camera"):
        Scene(**{"image": IMAGE.pixels, field: value})


def test_arrays_are_read_only_and_the_given_ones_stay_writable():
    image = np.zeros((4, 6, 3), np.uint8)
    scene = Scene(image=image)
    with pytest.raises(ValueError, match="read-only"):
        scene.image[0, 0] = 1
    image[0, 0] = 1
