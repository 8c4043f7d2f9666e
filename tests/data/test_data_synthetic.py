"""The synthetic world: exact depth, honest truth, every layout readable."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from howfar.core.camera import Camera
from howfar.data.synthetic import SyntheticScene, scene, scenes, write
from howfar.data.synthetic.classes import LABELS
from howfar.data.synthetic.render import Placed, build, eye_at, trace
from howfar.data.synthetic.shapes import (
    Model,
    Paint,
    Part,
    Shape,
    ball,
    bars,
    box,
    cone,
    frustum,
    rod,
    wheel,
)
from howfar.data.synthetic.world import setting
from howfar.errors import UsageError

PAINT = Paint((0.5, 0.5, 0.5))
UP = np.array([0.0, 1.0, 0.0])
WIDTH, HEIGHT = 161, 121  # odd: the middle pixel looks along the axis
MIDDLE = (HEIGHT // 2, WIDTH // 2)


def look(*parts, height_m=1.0, pitch=0.0, yaw=0.0, at=(0.0, 0.0, 0.0)):
    """Trace parts as one object before a camera with 150 px focal length."""
    eye = eye_at(Camera.from_focal(150.0, WIDTH, HEIGHT), height_m, pitch)
    world = build([], [Placed(Model("thing", "solid", parts), at, yaw)])
    traced = trace(world, eye, UP)
    rows, columns = np.nonzero(np.isfinite(traced.buffers.depth))
    depth = traced.buffers.depth[rows, columns]
    local = eye.camera.unproject(columns + 0.5, rows + 0.5, depth)
    return traced.buffers.depth, local @ eye.turn.T + eye.position


def test_ground_plane_is_exact():
    plane = Part(Shape.PLANE, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), PAINT)
    for pitch in (0.0, 0.2):
        _, points = look(plane, height_m=1.5, pitch=pitch)
        assert np.abs(points[:, 1]).max() < 1e-3
        assert points[:, 2].max() > 50
    slope = (100 + 0.5 - HEIGHT / 2) / 150
    assert look(plane, height_m=1.5)[0][100, 7] == pytest.approx(1.5 / slope, rel=1e-6)


def test_front_of_sphere_box_and_cylinder_is_exact():
    sphere = look(ball(PAINT, (0, 1, 5), (0.7, 0.7, 0.7)))[0]
    cube = look(box(PAINT, (0, 0.5, 5), (1, 1, 1)))[0]
    cylinder = look(cone(PAINT, (0, 0, 5), 2, 0.4, 0.4))[0]
    assert sphere[MIDDLE] == pytest.approx(4.3, rel=1e-6)
    assert cube[MIDDLE] == pytest.approx(4.5, rel=1e-6)
    assert cylinder[MIDDLE] == pytest.approx(4.6, rel=1e-6)
    seen = np.isfinite(cube)
    assert np.allclose(cube[seen], 4.5, rtol=1e-6)  # the camera sees the front face alone
    assert seen.sum() == 33 * 33  # 1 m at 4.5 m is 33.3 px


def test_every_pixel_of_a_round_part_lies_on_its_surface():
    _, points = look(ball(PAINT, (0.3, 0.9, 4), (0.9, 0.3, 0.5)), pitch=0.1)
    place = (points - (0.3, 0.9, 4)) / (0.9, 0.3, 0.5)
    assert np.allclose((place**2).sum(axis=1), 1, atol=1e-4)
    _, points = look(cone(PAINT, (0, 0.2, 4), 1.0, 0.5, 0.2), height_m=0.5)
    radius = np.hypot(points[:, 0], points[:, 2] - 4)
    assert np.allclose(radius, 0.5 - 0.3 * (points[:, 1] - 0.2), atol=1e-4)
    _, points = look(rod(PAINT, (-0.8, 0.3, 4), (0.9, 1.6, 4.5), 0.1))
    along = np.array([1.7, 1.3, 0.5]) / np.linalg.norm([1.7, 1.3, 0.5])
    offset = points - np.array([-0.8, 0.3, 4])
    away = np.linalg.norm(offset - np.outer(offset @ along, along), axis=1)
    assert np.quantile(away, 0.1) == pytest.approx(0.1, abs=1e-4)  # the rest lies on the caps
    assert away.max() < 0.1 + 1e-4


def test_turned_box_and_its_slopes():
    _, points = look(box(PAINT, (0, 0, 0), (2, 1, 1)), yaw=0.6, at=(0.2, 0.3, 5))
    c, s = np.cos(0.6), np.sin(0.6)
    x, z = points[:, 0] - 0.2, points[:, 2] - 5
    local = np.stack([(c * x - s * z) / 1, (points[:, 1] - 0.8) / 0.5, (s * x + c * z) / 0.5])
    assert np.allclose(np.abs(local).max(axis=0), 1, atol=1e-4)
    _, points = look(frustum(PAINT, (0, 0, 5), (1, 2, 1), (1.0, 0.0)), height_m=0.5)
    front = points[points[:, 2] < 5]
    assert np.allclose(5 - front[:, 2], 0.5 - front[:, 1] / 4, atol=1e-4)


def test_one_sees_through_rings_and_bars():
    tyre = look(wheel(PAINT, (0, 1, 4), 0.5, 0.1, hole=0.8))[0]
    assert np.isinf(tyre[MIDDLE])
    assert np.nanmin(tyre) == pytest.approx(3.95, rel=1e-6)
    fence = look(bars(PAINT, (0, 0, 4), (2, 2), (10.0, 0.0, 0.3)))[0]
    inside = np.isfinite(fence[MIDDLE[0], MIDDLE[1] - 37 : MIDDLE[1] + 37])
    assert inside.mean() == pytest.approx(0.3, abs=0.03)


def test_same_seed_same_pixels_and_stereo_changes_nothing():
    first, again, pair = scene(5), scene(5), scene(5, stereo=True)
    for other in (again, pair):
        assert np.array_equal(first.image, other.image)
        assert np.array_equal(first.depth.values, other.depth.values)
        assert first.objects == other.objects
    assert not np.array_equal(first.image, scene(6).image)
    assert first.right_image is None
    assert pair.right_image is not None
    assert not np.array_equal(pair.image, pair.right_image)
    made = list(scenes(2, seed=5, width=64, height=48))
    assert [s.seed for s in made] == [5, 6]
    assert made[0].image.shape == (48, 64, 3)


@pytest.fixture(scope="module")
def some() -> list[SyntheticScene]:
    return [scene(seed, kind) for seed in range(8) for kind in ("indoor", "street")]


def test_boxes_are_the_extents_of_the_instance_map(some):
    for one in some:
        listed = {thing.instance for thing in one.objects}
        assert set(np.unique(one.instances)) - {0} == listed
        for thing in one.objects:
            rows, columns = np.nonzero(one.instances == thing.instance)
            extent = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            assert tuple(thing.box) == extent
            assert thing.pixels == len(rows)
            assert thing.distance_m == pytest.approx(np.median(one.depth.values[rows, columns]))
            full, box_ = thing.full_box, thing.box
            assert full.x1 <= box_.x1
            assert full.y1 <= box_.y1
            assert full.x2 >= box_.x2
            assert full.y2 >= box_.y2


def test_scenes_hold_what_the_study_needs(some):
    things = [thing for one in some for thing in one.objects]
    assert {t.kind for t in things} == {"solid", "hollow", "curved"}
    assert {t.occlusion for t in things} == {0, 1, 2}
    assert {t.detected for t in things} == {True, False}
    assert all(t.label in LABELS for t in things if t.detected)
    assert any(t.truncation > 0 for t in things)
    by_number = [{t.instance: t for t in one.objects} for one in some]
    hiders = [
        table[t.hidden_by].detected
        for one, table in zip(some, by_number, strict=True)
        for t in one.objects
        if t.hidden_by
    ]
    assert set(hiders) == {True, False}
    for one in some:
        names = {one.semantics.class_names[i] for i in np.unique(one.semantics.labels)}
        ground = {"floor", "wall"} if one.kind == "indoor" else {"road", "terrain", "sidewalk"}
        assert names & ground
        sky = one.semantics.labels == one.semantics.class_names.index("sky")
        assert np.array_equal(sky, ~one.depth.valid)


def test_visible_pixels_lie_in_the_3d_box(some):
    for one in some:
        for thing in one.objects:
            rows, columns = np.nonzero(one.instances == thing.instance)
            points = one.camera.unproject(
                columns + 0.5, rows + 0.5, one.depth.values[rows, columns]
            )
            corners = thing.box3d.corners()
            edges = corners[[3, 1, 4]] - corners[0]  # along length, width and height
            shares = (points - corners[0]) @ (edges / (edges**2).sum(axis=1, keepdims=True)).T
            assert shares.min() > -1e-2
            assert shares.max() < 1 + 1e-2


def test_occlusion_agrees_with_rendering_the_object_alone():
    for seed, kind in ((1, "indoor"), (3, "street")):
        plan = setting(seed, kind, 320, 240)
        world, light = plan.world, np.array(plan.light.direction)
        full = trace(world, plan.eye, light).buffers.depth
        for thing in scene(seed, kind).objects:
            alone = build([], [world.placed[world.backdrops + thing.instance - 1]])
            depth = trace(alone, plan.eye, light).buffers.depth
            shown = np.isfinite(depth)
            assert (full[shown] <= depth[shown] + 1e-4).all()
            share = thing.pixels / shown.sum()
            assert share == pytest.approx(thing.visible_share)
            assert thing.occlusion == (0 if share > 0.9 else 1 if share > 0.5 else 2)
            columns = np.flatnonzero(shown.any(axis=0))
            assert thing.full_box.x1 == columns[0]
            assert thing.full_box.x2 == columns[-1] + 1


@pytest.mark.parametrize(("seed", "kind"), [(2, "indoor"), (9, "street")])
def test_stereo_pair_is_consistent(seed, kind):
    left = scene(seed, kind, stereo=True, effects=False)
    right = left.right
    z = np.where(left.depth.valid, left.depth.values, 1e4).astype(np.float32)
    smooth = cv2.dilate(z, np.ones((3, 3))) - cv2.erode(z, np.ones((3, 3))) < 0.02 * z
    smooth &= left.depth.valid
    rows, columns = np.nonzero(smooth)
    depth = z[rows, columns]
    shift = left.camera.fx * left.baseline_m / depth
    target = np.rint(columns - shift).astype(int)
    seen = target >= 0
    rows, columns, target, depth = (a[seen] for a in (rows, columns, target, depth))
    there = right.depth.values[rows, target]
    assert (there < depth * 1.03).mean() > 0.97  # nothing is farther than the left eye says
    same = np.abs(there / depth - 1) < 0.02
    assert same.mean() > 0.85  # the rest is hidden from the right eye
    colors = left.image[rows, columns].astype(float) - right.image[rows, target]
    assert np.median(np.abs(colors[same])) < 6


def test_level_camera_and_wrong_use():
    assert scene(4, "street", level=True).pitch == 0
    assert scene(4, "street").pitch != 0
    for wrong in ({"seed": -1}, {"seed": 1, "kind": "sea"}, {"seed": 1, "width": 2}):
        with pytest.raises(UsageError):
            scene(**wrong)
    with pytest.raises(UsageError, match="layout"):
        write("nowhere", "vkitti9", 1)
    with pytest.raises(UsageError, match="count"):
        write("nowhere", "coco", 0)


SIZE = {"width": 160, "height": 96}


def test_vkitti2_layout(tmp_path):
    root = write(tmp_path, "vkitti2", 2, seed=3, **SIZE) / "Scene01" / "clone"
    one = scene(4, "street", stereo=True, **SIZE)
    for camera, view in enumerate((one, one.right)):
        name = f"Camera_{camera}"
        depth = cv2.imread(str(root / f"frames/depth/{name}/depth_00001.png"), cv2.IMREAD_UNCHANGED)
        assert depth.dtype == np.uint16
        sky = ~view.depth.valid
        assert (depth[sky] == 65535).all()
        assert np.abs(depth[~sky] / 100 - view.depth.values[~sky]).max() <= 0.0051
        rgb = cv2.imread(str(root / f"frames/rgb/{name}/rgb_00001.jpg"))[..., ::-1]
        assert np.abs(rgb.astype(int) - view.image).mean() < 12
        coded = cv2.imread(str(root / f"frames/classSegmentation/{name}/classgt_00001.png"))
        assert (coded[sky] == (255, 200, 90)).all()
        assert (depth[~sky] < 65535).all()
    colors = [line.split() for line in (root / "colors.txt").read_text().splitlines()[1:]]
    known = {tuple(map(int, row[1:])) for row in colors}
    assert set(map(tuple, coded[..., ::-1].reshape(-1, 3).tolist())) <= known
    rows = [line.split() for line in (root / "bbox.txt").read_text().splitlines()]
    mine = [row for row in rows[1:] if row[:2] == ["1", "0"]]
    assert len(mine) == len(one.objects)
    assert int(mine[0][4]) == one.objects[0].full_box.x2 - 1
    for name in ("pose", "intrinsic", "extrinsic", "info"):
        header, *body = (root / f"{name}.txt").read_text().splitlines()
        assert {len(line.split()) for line in body} == {len(header.split())}
    intrinsic = (root / "intrinsic.txt").read_text().splitlines()[3].split()
    assert intrinsic[:2] == ["1", "0"]
    assert float(intrinsic[2]) == pytest.approx(one.camera.fx, abs=1e-5)


def test_kitti_object_layout(tmp_path):
    root = write(tmp_path, "kitti-object", 1, seed=7, **SIZE) / "training"
    one = scene(7, "street", level=True, stereo=True, **SIZE)
    for folder, view in (("image_2", one), ("image_3", one.right)):
        stored = cv2.imread(str(root / folder / "000000.png"))[..., ::-1]
        assert np.array_equal(stored, view.image)
    calib = {}
    for line in (root / "calib/000000.txt").read_text().splitlines():
        name, numbers = line.split(":")
        calib[name] = np.array(numbers.split(), float)
    p2, p3 = (calib[name].reshape(3, 4) for name in ("P2", "P3"))
    assert (p2[0, 3] - p3[0, 3]) / p2[0, 0] == pytest.approx(one.baseline_m)
    points = np.fromfile(root / "velodyne/000000.bin", np.float32).reshape(-1, 4)
    assert len(points) > 200
    lidar = np.append(points[:, :3], np.ones((len(points), 1)), axis=1)
    camera = calib["Tr_velo_to_cam"].reshape(3, 4) @ lidar.T
    u, v, w = p2 @ np.vstack([camera, np.ones(len(points))])
    column, row = np.rint(u / w).astype(int), np.rint(v / w).astype(int)
    assert np.allclose(one.depth.values[row, column], camera[2], rtol=1e-4)
    labels = [line.split() for line in (root / "label_2/000000.txt").read_text().splitlines()]
    things = [thing for thing in one.objects if thing.detected]
    assert len(labels) == len(things) > 0
    for row, thing in zip(labels, things, strict=True):
        assert len(row) == 15
        assert int(row[2]) == thing.occlusion
        assert float(row[13]) == pytest.approx(thing.box3d.z_m, abs=0.006)


def test_nyu_csv_layout(tmp_path):
    write(tmp_path, "nyu-csv", 6, seed=1, **SIZE)
    train = (tmp_path / "data/nyu2_train.csv").read_text().splitlines()
    test = (tmp_path / "data/nyu2_test.csv").read_text().splitlines()
    assert (len(train), len(test)) == (5, 1)
    picture, depth = train[4].split(",")
    one = scene(6, "indoor", **SIZE)
    near = one.depth.values < 9.9
    stored = cv2.imread(str(tmp_path / depth), cv2.IMREAD_UNCHANGED)
    assert stored.dtype == np.uint8
    assert np.abs(stored / 25.5 - one.depth.values)[near].max() <= 0.0197
    assert cv2.imread(str(tmp_path / picture)).shape == (96, 160, 3)
    picture, depth = test[0].split(",")
    one = scene(5, "indoor", **SIZE)
    stored = cv2.imread(str(tmp_path / depth), cv2.IMREAD_UNCHANGED)
    assert np.abs(stored / 1000 - one.depth.values).max() <= 0.00051
    assert np.array_equal(cv2.imread(str(tmp_path / picture))[..., ::-1], one.image)


def test_coco_layout(tmp_path):
    write(tmp_path, "coco", 3, seed=20, **SIZE)
    table = json.loads((tmp_path / "instances.json").read_text())
    names = {row["id"]: row["name"] for row in table["categories"]}
    assert names[1] == "person"
    assert names[90] == "toothbrush"
    assert len(table["images"]) == 3
    assert table["annotations"][0]["id"] == 1
    for number, image in enumerate(table["images"]):
        assert cv2.imread(str(tmp_path / "images" / image["file_name"])).shape == (96, 160, 3)
        things = [t for t in scene(20 + number, **SIZE).objects if t.detected]
        rows = [row for row in table["annotations"] if row["image_id"] == image["id"]]
        assert [names[row["category_id"]] for row in rows] == [t.label for t in things]
        for row, thing in zip(rows, things, strict=True):
            x, y, width, height = row["bbox"]
            assert (x, y, x + width, y + height) == tuple(thing.box)
            assert row["distance_m"] == pytest.approx(thing.distance_m, abs=1e-4)


def test_records_are_plain_values():
    one = scene(0, width=64, height=48)
    assert replace(one, seed=9).seed == 9
    with pytest.raises(AttributeError):
        one.seed = 3


def test_several_workers_render_the_same_scenes_in_order():
    alone = [made.image for made in scenes(5, 40, width=64, height=48)]
    together = list(scenes(5, 40, width=64, height=48, workers=2))
    assert [made.seed for made in together] == [40, 41, 42, 43, 44]
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other.image)
    with pytest.raises(UsageError, match="workers is 0"):
        next(scenes(1, workers=0))
