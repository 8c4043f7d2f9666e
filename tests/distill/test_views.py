import numpy as np
import pytest

from howfar.core.camera import Camera
from howfar.data.scene import Scene
from howfar.distill.survey import Finding, Kind
from howfar.distill.views import ZOOM, canonical, make_view
from howfar.models.classes import COCO80
from howfar.nets.joint import CANONICAL_FOCAL

RNG = np.random.default_rng


def scene(depth=4.0, width=640, height=480, focal=500.0):
    """A wall at `depth`."""
    image = RNG(0).integers(0, 255, (height, width, 3), np.uint8)
    camera = Camera.from_focal(focal, width, height)
    return Scene(image=image, depth=np.full((height, width), depth, np.float32), camera=camera)


def test_canonical_depth_is_that_of_the_canonical_camera():
    logs, valid = canonical(scene(4.0, focal=CANONICAL_FOCAL * 640), 16)
    assert valid.all()
    np.testing.assert_allclose(np.exp(logs), 4.0, rtol=1e-5)
    logs, _ = canonical(scene(4.0, focal=2 * CANONICAL_FOCAL * 640), 16)
    np.testing.assert_allclose(np.exp(logs), 2.0, rtol=1e-5)  # a tele lens: looks nearer
    logs, _ = canonical(scene(4.0, focal=2 * CANONICAL_FOCAL * 640), 16, exponent=0.5)
    np.testing.assert_allclose(np.exp(logs), 4 / 2**0.5, rtol=1e-5)


@pytest.mark.parametrize("seed", range(8))
def test_a_magnified_view_looks_nearer(seed):
    """Canonical depth of a view is z * canonical focal / (focal / width of the view)."""
    whole = scene(4.0)
    view = make_view(whole, None, (), 64, RNG(seed))
    shown = np.exp(view.log_depth[view.valid])
    most = 4.0 * CANONICAL_FOCAL * 640 / 500
    assert view.valid.all()
    assert shown.std() < 1e-4
    assert most / 4.01 <= shown.mean() <= most * 1.001


@pytest.mark.parametrize("seed", range(6))
def test_the_metric_teacher_is_asked_about_the_whole_picture(seed):
    """The view is the named part of it."""
    ramp = np.linspace(60, 180, 640, dtype=np.float32)[None, :, None]
    image = np.repeat(np.repeat(ramp, 480, 0), 3, 2).astype(np.uint8)
    room = Finding(Kind.INDOOR, (), (), (), (1.0,))
    view = make_view(Scene(image=image), room, COCO80, 64, RNG(seed))
    x1, y1, x2, y2 = view.part
    assert 0 <= x1 < x2 <= 1
    assert 0 <= y1 < y2 <= 1
    assert x2 - x1 >= 1 / (ZOOM * 2)
    inner = view.whole[16:48, int(64 * x1) + 1 : int(64 * x2) - 1].mean(2)
    step, wide = (
        np.polyfit(np.arange(len(row)), row, 1)[0]
        for row in (view.image[16:48].mean((0, 2)), inner.mean(0))
    )
    assert step / wide == pytest.approx(x2 - x1, rel=0.1)


def test_details_do_not_tell_what_is_magnified():
    """Half of the views lose some, whole pictures too; a pattern of single pixels shows it."""
    board = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)
    image = np.repeat(board[..., None], 3, 2)
    scene = Scene(image=image, camera=Camera.from_focal(50.0, 64, 64))
    views = [make_view(scene, None, (), 64, RNG(seed)) for seed in range(200)]
    clear = [np.abs(np.diff(view.image.mean(2), axis=1)).mean() > 60 for view in views]
    assert 0.2 < np.mean(clear) < 0.6


def test_others_are_not_asked_about_it():
    road = Finding(Kind.ROAD, (), (), (), (0.0,))
    image = RNG(0).integers(0, 255, (48, 64, 3), np.uint8)
    assert make_view(Scene(image=image), road, COCO80, 64, RNG(0)).whole is None


def test_lidar_points_keep_their_depth():
    wall = scene()
    depth = np.full((480, 640), np.nan, np.float32)
    depth[100, 200], depth[101, 201], depth[300, 400] = 2.0, 8.0, 5.0
    logs, valid = canonical(Scene(image=wall.image, depth=depth, camera=wall.camera), 16)
    assert valid.sum() == 2
    shift = np.log(CANONICAL_FOCAL * 640 / 500)
    assert logs[100 * 16 // 480, 200 * 16 // 640] - shift == pytest.approx(np.log(4.0), abs=1e-5)
    assert logs[10, 10] - shift == pytest.approx(np.log(5.0), abs=1e-5)


def test_a_whole_person_tells_its_distance_whatever_the_lens():
    image = RNG(0).integers(0, 255, (480, 640, 3), np.uint8)
    box = (0.4, 0.3, 0.5, 0.8)  # 240 of 480 pixels high
    finding = Finding(Kind.OTHER, (box,), (COCO80.index("person"),), (0.9,), (0.0,))
    view = make_view(Scene(image=image), finding, COCO80, 64, RNG(0), plain=True)
    assert not view.valid.any()
    ((_x1, top, _x2, bottom, low, high, weight),) = view.priors
    assert (bottom - top) == pytest.approx(8, abs=0.1)
    wanted = np.log(1.65 * CANONICAL_FOCAL * 640 / 240)
    assert low < wanted < high
    assert (low + high) / 2 == pytest.approx(wanted, abs=1e-3)
    assert weight == 1


@pytest.mark.parametrize("seed", range(3))
def test_the_law_of_the_lens_holds_for_truth_and_sizes(seed):
    """A view magnified m times looks m^exponent times nearer."""
    image = RNG(0).integers(0, 255, (480, 640, 3), np.uint8)
    finding = Finding(Kind.OTHER, ((0.4, 0.4, 0.5, 0.6),), (0,), (0.9,), (0.0,))
    whole, half = (
        make_view(Scene(image=image), finding, COCO80, 64, RNG(seed), exponent=power)
        for power in (1.0, 0.5)
    )
    plain = make_view(Scene(image=image), finding, COCO80, 64, RNG(0), plain=True)
    seen = [view.priors[:, 5:7].mean() for view in (whole, half, plain) if len(view.priors)]
    assert seen[1] - seen[2] == pytest.approx(0.5 * (seen[0] - seen[2]), abs=1e-4)
    first, second = (
        make_view(scene(), None, (), 64, RNG(seed), exponent=power) for power in (1.0, 0.5)
    )
    shown = [view.log_depth[view.valid].mean() - np.log(4.0) for view in (first, second)]
    assert shown[1] == pytest.approx(0.5 * shown[0], abs=1e-4)


def test_cut_off_people_tell_nothing():
    image = RNG(0).integers(0, 255, (480, 640, 3), np.uint8)
    finding = Finding(Kind.OTHER, ((0.4, 0.3, 0.5, 1.0),), (0,), (0.9,), (0.0,))
    assert not len(make_view(Scene(image=image), finding, COCO80, 64, RNG(0), plain=True).priors)


def test_the_same_seed_gives_the_same_view():
    first, same, other = (make_view(scene(), None, (), 64, RNG(s)) for s in (3, 3, 4))
    assert np.array_equal(first.image, same.image)
    assert not np.array_equal(first.image, other.image)
