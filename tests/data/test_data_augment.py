"""Geometry is tested by projecting known points of the world with the new camera."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from howfar.core.camera import Camera
from howfar.data.augment import (
    augment,
    cover,
    flip_only,
    gray,
    hybrid_recipe,
    random_affine,
    random_blur,
    random_colors,
    random_crop,
    random_cut_out,
    random_flip,
    random_gains,
    random_gamma,
    random_jpeg,
    random_noise,
    random_zoom_crop,
    sometimes,
    usual,
)
from howfar.data.geometry import (
    about,
    crop,
    flip,
    moved_boxes,
    resize_scene,
    resize_to_cover,
    translation,
    visible_boxes,
    warp,
    warped_camera,
)
from howfar.data.scene import Scene
from howfar.errors import UsageError

WIDTH, HEIGHT = 120, 96
CAMERA = Camera(WIDTH, HEIGHT, fx=100.0, fy=100.0, cx=57.0, cy=50.0)
CENTRES = np.array([[60.5, 48.5], [40.5, 36.5], [84.5, 40.5], [48.5, 66.5], [76.5, 62.5]])
"""Positions in pixels of the marked points, each the middle of a square of 9 pixels."""
DEPTHS = np.array([2.0, 3.5, 5.0, 8.0, 1.25], np.float32)
HALF = 4
MARGIN = 13
"""Marks nearer to the edge are not looked at: magnified and turned they may leave the frame."""


def world():
    """The marked points (5, 3) in metres, in the frame of `CAMERA`."""
    return CAMERA.unproject(CENTRES[:, 0], CENTRES[:, 1], DEPTHS)


@pytest.fixture
def scene():
    """Five squares, each with its colour, depth, box and class, before a wall of 20 metres."""
    image = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    depth = np.full((HEIGHT, WIDTH), 20.0, np.float32)
    semantics = np.full((HEIGHT, WIDTH), 9, np.uint8)
    boxes = []
    for i, (x, y) in enumerate(CENTRES.astype(int)):
        part = np.s_[y - HALF : y + HALF + 1, x - HALF : x + HALF + 1]
        image[part], depth[part], semantics[part] = (200, 40 * i, 100), DEPTHS[i], i
        boxes.append([x - HALF, y - HALF, x + HALF + 1, y + HALF + 1])
    return Scene(
        image=image,
        depth=depth,
        boxes=np.array(boxes, np.float32),
        labels=np.arange(5),
        semantics=semantics,
        camera=CAMERA,
    )


def check_points(scene, points, depth_zoom=1.0, focal=None, tolerance=0.5):
    """Every marked point lies where the scene's camera projects it, with its depth and box."""
    if focal is not None:
        assert scene.camera.fx == pytest.approx(focal, rel=1e-3)
        assert scene.camera.fy == pytest.approx(focal, rel=1e-3)
    projected = scene.camera.project(points)
    seen = 0
    for i, (x, y) in enumerate(projected):
        if not (MARGIN < x < scene.width - MARGIN and MARGIN < y < scene.height - MARGIN):
            continue
        seen += 1
        rows, columns = np.nonzero(scene.semantics == i)
        found = columns.mean() + 0.5, rows.mean() + 0.5
        assert found == pytest.approx((x, y), abs=tolerance)
        at = int(y), int(x)
        assert scene.depth[at] == pytest.approx(DEPTHS[i] / depth_zoom, rel=1e-5)
        assert scene.depth[at] == pytest.approx(points[i, 2], rel=1e-5)
        assert np.abs(scene.image[at].astype(int) - (200, 40 * i, 100)).max() <= 2
        (box,) = scene.boxes[scene.labels == i]
        middle = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        assert middle == pytest.approx((x, y), abs=0.1)
    assert seen >= 3


def test_the_scene_agrees_with_its_points(scene):
    check_points(scene, world(), focal=100, tolerance=1e-4)


def test_flip_mirrors_the_world(scene):
    check_points(flip(scene), world() * [-1, 1, 1], focal=100, tolerance=1e-4)


def test_flip_twice_is_the_scene(scene):
    again = flip(flip(scene))
    for name in ("image", "depth", "boxes", "labels", "semantics"):
        assert np.array_equal(getattr(again, name), getattr(scene, name))
    assert again.camera == scene.camera


def test_crop_keeps_focal_and_depth(scene):
    cut = crop(scene, 10, 20, 80, 70)
    assert (cut.width, cut.height) == (80, 70)
    check_points(cut, world(), focal=100, tolerance=1e-4)
    assert np.array_equal(cut.depth, scene.depth[20:90, 10:90])


@pytest.mark.parametrize(("width", "height"), [(240, 192), (180, 96), (90, 100), (151, 77)])
def test_resize_changes_the_camera_and_not_the_depth(scene, width, height):
    resized = resize_scene(scene, width, height, interpolation="nearest")
    assert (resized.width, resized.height) == (width, height)
    assert resized.camera.fx == pytest.approx(100 * width / WIDTH)
    assert resized.camera.fy == pytest.approx(100 * height / HEIGHT)
    check_points(resized, world())


@pytest.mark.parametrize(("width", "height"), [(151, 77), (70, 50)])
def test_resize_mixes_neither_depths_nor_classes(scene, width, height):
    resized = resize_scene(scene, width, height)
    assert set(np.unique(resized.depth)) == {*DEPTHS, 20}
    assert set(np.unique(resized.semantics)) == {0, 1, 2, 3, 4, 9}


def test_resize_to_cover_keeps_the_shape(scene):
    covering = resize_to_cover(scene, 90, 90)
    assert (covering.width, covering.height) == (112, 90)
    covering = resize_to_cover(scene, 300, 10)
    assert (covering.width, covering.height) == (300, 240)


@pytest.mark.parametrize("zoom", [0.7, 1.0, 1.31, 2.0])
@pytest.mark.parametrize("angle", [-30, 0, 5])
@pytest.mark.parametrize("keep_focal", [False, True])
def test_warp_is_a_turned_camera_with_another_focal_length_or_nearer_world(
    scene, zoom, angle, keep_focal
):
    matrix = translation(3, -2) @ about(60, 48, scale=zoom, angle_deg=angle)
    depth_zoom = zoom if keep_focal else 1.0
    moved = warp(scene, matrix, 130, 110, depth_zoom=depth_zoom)
    _, roll = warped_camera(CAMERA, matrix, 130, 110, depth_zoom=depth_zoom)
    assert np.degrees(roll) == pytest.approx(angle)
    cos, sin = np.cos(roll), np.sin(roll)
    x, y, z = world().T
    points = np.stack([x * cos - y * sin, x * sin + y * cos, z / depth_zoom], axis=1)
    check_points(moved, points, depth_zoom, focal=100 if keep_focal else 100 * zoom)


def test_identity_warp_is_exact(scene):
    same = warp(scene, np.eye(3), WIDTH, HEIGHT)
    for name in ("image", "depth", "boxes", "labels", "semantics"):
        assert np.array_equal(getattr(same, name), getattr(scene, name))
    assert same.camera == scene.camera


def test_whole_zoom_repeats_pixels(scene):
    twice = warp(scene, np.diag([2.0, 2.0, 1.0]), 240, 192, interpolation="nearest")
    assert np.array_equal(twice.image, scene.image.repeat(2, axis=0).repeat(2, axis=1))
    assert np.array_equal(twice.depth, scene.depth.repeat(2, axis=0).repeat(2, axis=1))


def test_outside_of_the_frame_nothing_is_known(scene):
    moved = warp(scene, translation(20, 0), WIDTH, HEIGHT, fill=77)
    assert (moved.image[:, :20] == 77).all()
    assert np.isnan(moved.depth[:, :20]).all()
    assert (moved.semantics[:, :20] == 255).all()
    assert np.array_equal(moved.depth[:, 20:], scene.depth[:, :-20])
    assert not moved.valid[:, :20].any()
    assert moved.valid[:, 20:].all()


def test_holes_in_depth_stay_holes_and_do_not_spread(scene):
    depth = scene.depth.copy()
    depth[10:20, 10:20] = np.nan
    moved = warp(replace(scene, depth=depth), translation(5, 7), WIDTH, HEIGHT)
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[17:27, 15:25] = expected[:7] = expected[:, :5] = True
    assert np.array_equal(np.isnan(moved.depth), expected)


def test_a_sheared_picture_has_no_pinhole_camera(scene):
    slanted = about(60, 48, shear_deg=10)
    assert warp(scene, slanted, WIDTH, HEIGHT).camera is None
    slightly = replace(CAMERA, fy=101.0)  # turned by 5 degrees its skew is 0.1 %
    camera, _ = warped_camera(slightly, about(60, 48, angle_deg=5), WIDTH, HEIGHT)
    assert camera.fx == pytest.approx(100, abs=0.1)
    assert camera.fy == pytest.approx(101, abs=0.1)


def test_turned_boxes_enclose_their_corners():
    box = np.array([[10, 10, 20, 20]], np.float32)
    turned = moved_boxes(box, about(15, 15, angle_deg=45))
    reach = 5 * np.sqrt(2)
    assert turned[0] == pytest.approx([15 - reach, 15 - reach, 15 + reach, 15 + reach])


def test_boxes_are_clipped_and_dropped_below_a_share():
    boxes = np.array(
        [[0, 0, 10, 10], [-6, 0, 4, 10], [-8, 0, 2, 10], [50, 0, 60, 10], [5, 5, 5, 9]], np.float32
    )
    clipped, kept = visible_boxes(boxes, 40, 30, 0.4)
    assert kept.tolist() == [True, True, False, False, False]
    assert clipped[1].tolist() == [0, 0, 4, 10]
    _, kept = visible_boxes(boxes, 40, 30, 0.41)
    assert kept.tolist() == [True, False, False, False, False]


def test_dropped_boxes_take_their_labels_along(scene):
    cut = crop(scene, 0, 0, 64, 96)  # the boxes of 60.5 by 9 pixels keep 8/9, those beyond nothing
    assert cut.labels.tolist() == [0, 1, 3]
    assert cut.boxes[0].tolist() == [56, 44, 64, 53]
    assert crop(scene, 0, 0, 64, 96, min_visible=0.9).labels.tolist() == [1, 3]
    assert warp(scene, translation(-1000, 0), WIDTH, HEIGHT).boxes.shape == (0, 4)


def test_bad_geometry_is_told(scene):
    with pytest.raises(UsageError, match="leaves the 120x96"):
        crop(scene, 100, 0, 30, 30)
    with pytest.raises(UsageError, match="give a part"):
        crop(scene, -1, 0, 30, 30)
    with pytest.raises(UsageError, match="mirror with `flip`"):
        warp(scene, np.diag([-1.0, 1, 1]), WIDTH, HEIGHT)
    with pytest.raises(UsageError, match="no affine"):
        warp(scene, np.eye(3)[:2], WIDTH, HEIGHT)
    with pytest.raises(UsageError, match="depth_zoom is 0"):
        warp(scene, np.eye(3), WIDTH, HEIGHT, depth_zoom=0)
    with pytest.raises(UsageError, match="`cover` it first"):
        random_crop(scene, np.random.default_rng(0), width=200, height=20)


STEPS = {
    "flip": (partial(random_flip, p=1.0),),
    "cover": (partial(cover, width=150, height=100),),
    "crop": (partial(random_crop, width=90, height=80),),
    "affine": (partial(random_affine, keep_focal=False),),
    "affine_nearer": (partial(random_affine, keep_focal=True),),
    "affine_sheared": (partial(random_affine, keep_focal=True, shear_deg=5.0, fill=114),),
    "zoom": (partial(random_zoom_crop, width=100, height=84, keep_focal=False),),
    "zoom_nearer": (partial(random_zoom_crop, width=100, height=84, keep_focal=True),),
    "zoom_out": (
        partial(random_zoom_crop, width=120, height=96, zoom=(0.5, 0.8), keep_focal=True),
    ),
    "gains": (random_gains,),
    "colors": (random_colors,),
    "gamma": (random_gamma,),
    "gray": (gray,),
    "blur": (random_blur,),
    "noise": (random_noise,),
    "jpeg": (random_jpeg,),
    "cut_out": (random_cut_out,),
    "flip_only": flip_only(),
    "hybrid": hybrid_recipe(96, 80),
    "usual": usual(96, 80, keep_focal=False),
    "usual_nearer": usual(96, 80, keep_focal=True),
}
FIXED = ("flip", "cover", "gray")
PAINTING = ("gains", "colors", "gamma", "gray", "blur", "noise", "jpeg", "cut_out")
VIEWS = ("affine", "affine_nearer", "zoom", "zoom_nearer", "zoom_out", "crop")


def run(name, scene, seed):
    return augment(scene, STEPS[name], np.random.default_rng(seed))


def fields(scene):
    return [scene.image, scene.depth, scene.boxes, scene.labels, scene.semantics]


def same(first, second):
    return [
        x.shape == y.shape and np.array_equal(x, y, equal_nan=x.dtype == np.float32)
        for x, y in zip(fields(first), fields(second), strict=True)
    ]


@pytest.mark.parametrize("name", STEPS)
def test_steps_leave_the_input_and_keep_types_and_ranges(scene, name):
    before = [x.copy() for x in fields(scene)]
    for seed in range(5):
        found = run(name, scene, seed)
        assert [x.dtype for x in fields(found)] == [x.dtype for x in before]
        assert found.image.shape[:2] == found.depth.shape == found.semantics.shape
        known = found.depth[found.valid]
        assert len(known) > 1000
        assert 0.5 < known.min() < known.max() <= 40
        assert set(np.unique(found.semantics)) <= {0, 1, 2, 3, 4, 9, 255}
        assert (found.boxes >= 0).all()
        assert (found.boxes <= [found.width, found.height] * 2).all()
        assert (found.boxes[:, 2:] > found.boxes[:, :2]).all()
        with pytest.raises(ValueError, match="read-only"):
            found.image[0, 0] = 0
    for old, now in zip(before, fields(scene), strict=True):
        assert np.array_equal(old, now)


@pytest.mark.parametrize("name", [name for name in STEPS if name not in FIXED])
def test_the_seed_decides(scene, name):
    first, again, *others = (run(name, scene, seed) for seed in (3, 3, 4, 5, 6, 7))
    assert all(same(first, again))
    assert first.camera == again.camera
    assert not all(all(same(first, other)) for other in others)


@pytest.mark.parametrize("name", PAINTING)
def test_colours_change_the_picture_only(scene, name):
    painted = run(name, scene, 5)
    assert same(painted, scene) == [False, True, True, True, True]
    assert painted.camera == scene.camera


def middle(scene, i):
    """Middle (x, y) of mark i in pixels, None where it is not whole in the frame."""
    rows, columns = np.nonzero(scene.semantics == i)
    if not len(rows) or min(rows.min(), columns.min()) < 1:
        return None
    if rows.max() > scene.height - 2 or columns.max() > scene.width - 2:
        return None
    return np.array([columns.mean() + 0.5, rows.mean() + 0.5])


@pytest.mark.parametrize("name", VIEWS)
def test_random_views_agree_with_the_points(scene, name):
    """Zoom is read from camera and depth, roll from two marks; all marks must fit them."""
    checked = 0
    for seed in range(20):
        found = run(name, scene, seed)
        middles = {i: m for i in range(5) if (m := middle(found, i)) is not None}
        nearness = 20 / np.nanmax(found.depth)
        if name in ("affine", "zoom", "crop"):
            assert nearness == 1
        else:
            assert found.camera.fx == pytest.approx(100)
        if len(middles) < 3:
            continue
        first, *_, last = middles
        new, old = middles[last] - middles[first], CENTRES[last] - CENTRES[first]
        roll = np.arctan2(new[1], new[0]) - np.arctan2(old[1], old[0])
        x, y, z = world().T
        cos, sin = np.cos(roll), np.sin(roll)
        points = np.stack([x * cos - y * sin, x * sin + y * cos, z / nearness], axis=1)
        projected = found.camera.project(points)
        for i, place in middles.items():
            assert projected[i] == pytest.approx(place, abs=1.5)
            at = tuple(place[::-1].astype(int))
            assert found.depth[at] == pytest.approx(points[i, 2], rel=1e-5)
        checked += 1
    assert checked >= 5


def test_random_affine_covers_its_ranges(scene):
    found = [run("affine", scene, seed) for seed in range(200)]
    zooms = np.array([x.camera.fx / 100 for x in found])
    assert 0.8 <= zooms.min() < 0.82
    assert 1.23 < zooms.max() <= 1.25
    shifts = np.array([x.camera.cx - 60 for x in found])
    assert np.abs(shifts).max() < 12 + 5
    assert shifts.min() < -8 < 8 < shifts.max()


def test_random_crops_reach_every_corner(scene):
    rng = np.random.default_rng(0)
    cuts = [random_crop(scene, rng, width=119, height=95).camera for _ in range(40)]
    assert {(c.cx, c.cy) for c in cuts} == {(57, 50), (56, 50), (57, 49), (56, 49)}


def test_hybrid_recipe_keeps_the_focal_length_of_its_resize():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (480, 640, 3), np.uint8)
    depth = np.full((480, 640), 6.0, np.float32)
    scene = Scene(image=image, depth=depth, camera=Camera.from_focal(518.8579, 640, 480))
    nearest = []
    for _ in range(30):
        found = augment(scene, hybrid_recipe(), rng)
        assert (found.width, found.height) == (320, 256)
        assert found.camera.fx == pytest.approx(518.8579 * 0.55)
        assert found.camera.fy == pytest.approx(518.8579 * 0.55)
        values = np.unique(found.depth[found.valid])
        assert len(values) == 1  # one zoom for the whole picture
        assert found.valid.mean() > 0.9
        nearest.append(values[0])
    assert 4.0 <= min(nearest) < 4.6
    assert 5.4 < max(nearest) <= 6.0


def test_usual_gives_one_size_from_any(scene):
    rng = np.random.default_rng(0)
    for width, height in ((40, 96), (120, 30), (300, 200)):
        resized = resize_scene(scene, width, height)
        found = augment(resized, usual(64, 48, keep_focal=False), rng)
        assert (found.width, found.height) == (64, 48)
        assert found.valid.mean() > 0.9


def test_sometimes_is_a_share(scene):
    rng = np.random.default_rng(0)
    step = partial(sometimes, step=partial(random_flip, p=1.0), p=0.3)
    turned = sum(step(scene, rng).camera != scene.camera for _ in range(400))
    assert 90 < turned < 150
    assert flip_only()[0](scene, np.random.default_rng(0)).camera.cx in (57, 63)


def test_truth_may_be_missing(scene):
    bare = Scene(image=scene.image)
    for name in STEPS:
        found = run(name, bare, 2)
        assert found.depth is None
        assert found.semantics is None
        assert found.camera is None
        assert found.boxes.shape == (0, 4)
        assert found.valid.sum() == 0
