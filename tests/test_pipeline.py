"""The pipeline with fake networks: joins, scales, filters, what callers bring."""

import numpy as np
import PIL.Image
import pytest

import howfar
from howfar import DepthMap, Detections, Ranger, UsageError
from howfar.core.result import ModelUse
from howfar.core.semantics import LabelMap
from howfar.parts import Join

WIDTH, HEIGHT = 120, 80
NEAR, FAR = (10, 20, 40, 60), (70, 20, 110, 60)


class FakeDetector:
    """Two boxes; remembers the pixels that it saw."""

    def __init__(self):
        self.seen = []

    def detect(self, image, options):
        self.seen.append(image.pixels)
        return Detections([NEAR, FAR], [0.9, 0.8], [0, 1], ("chair", "person"))

    def use(self, role):
        return ModelUse(role, "fake", "", "none", "float32", 1)


class FakeDepth(FakeDetector):
    """2 m on the left, 6 m on the right; of a cut-out: its own mean grey value in metres."""

    def __init__(self, kind="metric", domain=""):
        super().__init__()
        self.kind, self.domain = kind, domain

    def estimate(self, image, camera=None):
        self.seen.append(image.pixels)
        if image.width != WIDTH:
            return DepthMap(np.full((image.height, image.width), image.pixels.mean() / 10))
        values = np.where(np.arange(WIDTH) < WIDTH // 2, 2.0, 6.0) * np.ones((HEIGHT, 1))
        return DepthMap(values if self.kind == "metric" else 12 / values, self.kind)

    def use(self, role):
        return ModelUse(role, "fake", "", "none", "float32", 1, self.domain)


@pytest.fixture
def pixels():
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[:, : WIDTH // 2] = 30
    picture[:, WIDTH // 2 :] = 70
    return picture


@pytest.fixture
def ranger():
    return Ranger(FakeDetector(), FakeDepth())


def distances(result):
    return {thing.label: thing.distance_m for thing in result.objects}


def test_parallel_reads_distances_from_the_map(ranger, pixels):
    result = ranger(pixels)
    assert distances(result) == {"chair": 2.0, "person": 6.0}
    chair = result.objects[0]
    assert chair.interval_m == (2.0, 2.0)
    assert (chair.interval_kind, chair.statistic) == ("pixel-spread", "foreground")
    assert (chair.scale_source, chair.valid_pixels) == ("network", 30 * 40)
    assert chair.range_m is None  # no focal length is known
    assert chair.xyz_m is None
    assert result.depth.values.shape == (HEIGHT, WIDTH)
    assert [use.role for use in result.models] == ["detector", "depth"]
    assert {"detect", "depth", "distance", "total"} <= set(result.timing_ms)


@pytest.mark.parametrize("join", list(Join))
def test_filter_is_inclusive_and_says_what_it_left_out(join, pixels):
    ranger = Ranger(FakeDetector(), FakeDepth(), join=join)
    bound = 3.0 if join is Join.CROP else 2.0  # a cut-out of grey 30 is 3 m in this fake
    result = ranger(pixels, max_distance=bound)
    assert list(distances(result)) == ["chair"]
    assert [thing.label for thing in result.left_out] == ["person"]
    assert result.left_out[0].reason == f"beyond {bound:g} m"
    assert result.filter == {"min_distance": None, "max_distance": bound, "by": "z"}
    assert not ranger(pixels, max_distance=bound - 0.001).objects


def test_min_distance_is_inclusive_too(ranger, pixels):
    assert list(distances(ranger(pixels, min_distance=6.0))) == ["person"]
    assert ranger(pixels, min_distance=6.001).left_out[0].reason == "nearer than 6.001 m"


def test_objects_without_distance_are_counted_not_guessed(ranger, pixels):
    depth = np.full((HEIGHT, WIDTH), 3.0)
    depth[:, : WIDTH // 2] = np.nan
    plain = ranger(pixels, depth=depth)
    assert plain.objects[0].distance_m is None
    assert "valid depth" in plain.objects[0].reason
    filtered = ranger(pixels, depth=depth, max_distance=10)
    assert list(distances(filtered)) == ["person"]
    assert filtered.left_out[0].reason.startswith("no distance: ")


def test_camera_gives_range_and_position(ranger, pixels):
    result = ranger(pixels, focal_px=100.0)
    person = result.objects[1]
    x, y, z = person.xyz_m
    assert (x, y, z) == pytest.approx(((90 - 60) / 100 * 6, 0, 6))
    assert person.range_m == pytest.approx(np.sqrt(x * x + y * y + z * z))
    by_range = ranger(pixels, focal_px=100.0, max_distance=6.0, by="range")
    assert list(distances(by_range)) == ["chair"]  # its z of 6 m is a range of 6.26 m
    assert result.camera.source == "given"


def test_filter_by_range_needs_a_focal_length(ranger, pixels):
    with pytest.raises(howfar.ScaleError, match="focal"):
        ranger(pixels, max_distance=3, by="range")


def test_relative_depth_never_gives_metres(pixels):
    ranger = Ranger(FakeDetector(), FakeDepth("relative"))
    result = ranger(pixels)
    near, far = result.objects
    assert near.distance_m is None
    assert near.interval_m is None
    assert near.relative_depth < far.relative_depth
    assert "no scale" in near.reason
    with pytest.raises(UsageError, match=r"relative.*scale"):
        ranger(pixels, max_distance=4)


@pytest.mark.parametrize(
    "scale", ["4m@chair", "4m@20,40", "12m@80,30,100,50", howfar.KnownDistance(4, "chair")]
)
@pytest.mark.parametrize("kind", ["metric", "relative"])
def test_scale_gives_metres(kind, scale, pixels):
    result = Ranger(FakeDetector(), FakeDepth(kind))(pixels, scale=scale, max_distance=5)
    assert distances(result) == {"chair": pytest.approx(4.0)}
    assert result.left_out[0].distance_m == pytest.approx(12.0)
    chair = result.objects[0]
    assert chair.scale_source == "known-distance"
    low, high = chair.interval_m  # widened by the 2 % of a known distance
    assert (low, high) == pytest.approx((4 / 1.02, 4 * 1.02))
    assert result.scale.source == "known-distance"
    assert result.depth.is_metric


def test_given_factor_may_be_a_number(ranger, pixels):
    assert distances(ranger(pixels, scale=1.5)) == {"chair": 3.0, "person": 9.0}


def test_object_sizes_need_a_camera(ranger, pixels):
    with pytest.raises(howfar.ScaleError, match="focal"):
        ranger(pixels, scale="object-size")


def test_crop_sends_each_box_alone(pixels):
    detector, depth = FakeDetector(), FakeDepth()
    result = Ranger(detector, depth, join=Join.CROP)(pixels, stat="median")
    assert [seen.shape for seen in depth.seen] == [(40, 30, 3), (40, 40, 3)]
    assert distances(result) == {"chair": pytest.approx(3.0), "person": pytest.approx(7.0)}
    assert result.depth is None
    assert result.join == "crop"
    doubled = Ranger(detector, depth, join=Join.CROP)(pixels, scale=2)
    assert distances(doubled) == {"chair": pytest.approx(6.0), "person": pytest.approx(14.0)}
    with pytest.raises(UsageError, match="crop"):
        Ranger(detector, depth, join=Join.CROP)(pixels, scale="2m@chair")


def test_mask_blanks_what_is_far_and_keeps_the_clean_picture(pixels):
    detector = FakeDetector()
    result = Ranger(detector, FakeDepth(), join=Join.MASK)(pixels, max_distance=4)
    (seen,) = detector.seen
    assert (seen[:, : WIDTH // 2] == 30).all()
    assert (seen[:, WIDTH // 2 :] == 0).all()
    assert result.image.pixels is pixels
    assert distances(result) == {"chair": 2.0}
    with pytest.raises(UsageError, match="max_distance"):
        Ranger(detector, FakeDepth(), join=Join.MASK)(pixels)
    with pytest.raises(UsageError, match="relative"):
        Ranger(detector, FakeDepth("relative"), join=Join.MASK)(pixels, max_distance=4)
    scaled = Ranger(FakeDetector(), FakeDepth("relative"), join=Join.MASK)
    assert distances(scaled(pixels, max_distance=2.5, scale=12)) == {"chair": 2.0}


def test_own_depth_needs_no_depth_network(pixels):
    ranger = Ranger(FakeDetector())
    result = ranger(pixels, depth=np.full((HEIGHT // 2, WIDTH // 2), 3.5), max_distance=4)
    assert distances(result) == {"chair": 3.5, "person": 3.5}
    assert result.objects[0].scale_source == "given-depth"
    assert result.depth.values.shape == (HEIGHT, WIDTH)
    with pytest.raises(howfar.PictureError, match="another shape"):
        ranger(pixels, depth=np.ones((50, 50)))


def test_own_boxes_need_no_detector(pixels):
    ranger = Ranger(depth=FakeDepth())
    result = ranger(pixels, boxes=[[5, 5, 20, 20]])
    assert [(thing.label, thing.score) for thing in result.objects] == [("object", 1.0)]
    assert result.objects[0].distance_m == 2.0
    named = Detections([NEAR, FAR], [0.1, 0.2], [0, 1], ("cup", "bowl"))
    kept = ranger(pixels, boxes=named, classes=["bowl"])
    assert [thing.label for thing in kept.objects] == ["bowl"]
    with pytest.raises(UsageError, match="detector"):
        ranger(pixels)


def test_detector_alone_gives_boxes_with_a_reason(pixels):
    result = Ranger(FakeDetector())(pixels)
    assert result.objects[0].reason == "there is no depth map"
    assert result.depth is None
    with pytest.raises(UsageError, match="needs depth"):
        Ranger(FakeDetector())(pixels, max_distance=3)


def test_joint_network_gives_both(pixels):
    class Joint(FakeDepth):
        def detect_and_estimate(self, image, options, camera=None):
            return self.detect(image, options), self.estimate(image, camera)

    result = Ranger(joint=Joint())(pixels, max_distance=4)
    assert distances(result) == {"chair": 2.0}
    assert result.join == "joint"
    assert [use.role for use in result.models] == ["joint"]


def test_semantic_network_labels_the_picture(pixels):
    class Semantic(FakeDetector):
        def segment(self, image):
            return LabelMap(np.zeros((HEIGHT, WIDTH), np.uint8), ("floor",))

    result = Ranger(FakeDetector(), FakeDepth(), semantic=Semantic())(pixels)
    assert result.to_dict()["semantics"] == {"floor": 1.0}


def test_domain_of_the_network_is_said(pixels):
    notes = Ranger(FakeDetector(), FakeDepth(domain="rooms"))(pixels).notes
    assert any("made for rooms" in note for note in notes)
    assert not Ranger(FakeDetector(), FakeDepth(domain="rooms"))(pixels, scale=2).notes


def test_pictures_of_all_kinds(ranger, pixels, tmp_path):
    path = tmp_path / "picture.png"
    PIL.Image.fromarray(pixels).save(path)
    for picture in (path, str(path), PIL.Image.fromarray(pixels), howfar.Image(pixels)):
        assert distances(ranger(picture)) == {"chair": 2.0, "person": 6.0}
    assert [len(result.objects) for result in ranger([path, pixels])] == [2, 2]
    with pytest.raises(UsageError, match="one picture at a time"):
        ranger([path, pixels], boxes=[NEAR])
    with pytest.raises(UsageError, match="not"):
        ranger(3.5)
    for bad in (pixels.astype(float), pixels[..., 0], pixels[:0]):
        with pytest.raises(howfar.PictureError):
            ranger(bad)


def test_stream_goes_on_past_a_bad_file(ranger, pixels, tmp_path):
    for name in ("a", "c"):
        PIL.Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    bad = []
    results = list(ranger.stream(tmp_path, on_error=lambda source, _error: bad.append(source)))
    assert len(results) == 2
    assert bad == [str(tmp_path / "b.png")]
    with pytest.raises(howfar.PictureError, match=r"b\.png"):
        list(ranger.stream(tmp_path))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_distance": -1}, "max_distance"),
        ({"max_distance": float("nan")}, "max_distance"),
        ({"min_distance": 5, "max_distance": 4}, "greater"),
        ({"by": "x"}, "'z'"),
        ({"stat": "mode"}, "foreground"),
        ({"conf": 2}, "conf"),
        ({"iou": -0.1}, "iou"),
        ({"max_det": 0}, "max_det"),
        ({"focal_px": 5, "fov_deg": 60}, "not both"),
        ({"focal_px": -5}, "focal"),
        ({"fov_deg": 200}, "180"),
        ({"scale": "far"}, "scale"),
        ({"max_distnace": 4}, "max_distnace.*known"),
    ],
)
def test_wrong_use(ranger, pixels, options, words):
    with pytest.raises(UsageError, match=words):
        ranger(pixels, **options)


def test_result_saves_itself(ranger, pixels, tmp_path):
    paths = ranger(pixels).save(tmp_path)
    assert sorted(path.name for path in paths) == [
        "array.annotated.jpg",
        "array.depth.png",
        "array.json",
    ]
    assert all(path.stat().st_size for path in paths)


def test_known_distance_is_reproduced_whatever_the_size(pixels):
    """The plausible size of a person must not move the thing that sets the scale."""
    depth = np.full((HEIGHT, WIDTH), 40.0)
    depth[20:60, 70:90] = 3.0  # half the person's box is near, half is far
    ranger = Ranger(FakeDetector())
    result = ranger(pixels, depth=depth, scale="2.5m@person", focal_px=100)
    assert distances(result)["person"] == pytest.approx(2.5)


def test_crop_of_a_box_partly_outside(pixels):
    ranger = Ranger(depth=FakeDepth(), join=Join.CROP)
    result = ranger(pixels, boxes=[[-10, -10, 40, 40]], stat="median")
    assert result.objects[0].distance_m == pytest.approx(3.0)
    assert result.objects[0].box == (0, 0, 40, 40)
    with pytest.raises(UsageError, match="own depth"):
        ranger(pixels, boxes=[NEAR], depth=np.ones((HEIGHT, WIDTH)))


def test_mask_works_with_own_depth(pixels):
    depth = np.full((HEIGHT, WIDTH), 2.0)
    depth[:, WIDTH // 2 :] = 6.0
    detector = FakeDetector()
    result = Ranger(detector, join=Join.MASK)(pixels, depth=depth, max_distance=4)
    assert (detector.seen[0][:, WIDTH // 2 :] == 0).all()
    assert distances(result) == {"chair": 2.0}
    assert result.objects[0].scale_source == "given-depth"


def test_classes_pick_afterwards_so_that_others_still_set_the_scale(ranger, pixels):
    result = ranger(pixels, classes="person", scale="4m@chair")
    assert distances(result) == {"person": pytest.approx(12.0)}
    with pytest.raises(UsageError, match=r"unicorn.*chair, person"):
        ranger(pixels, classes=["unicorn"])


def test_relative_depth_says_once_why_there_are_no_metres(pixels):
    notes = Ranger(FakeDetector(), FakeDepth("relative"))(pixels).notes
    assert sum("no metres" in note for note in notes) == 1


def test_pil_pictures_are_read_like_files(ranger, tmp_path):
    picture = PIL.Image.new("RGBA", (80, 120), (0, 0, 0, 0))
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    picture.save(tmp_path / "turned.png", exif=exif)
    opened = PIL.Image.open(tmp_path / "turned.png")
    result = ranger(opened)
    assert (result.image.width, result.image.height) == (WIDTH, HEIGHT)
    assert (result.image.pixels == 255).all()
    assert opened.size == (80, 120)  # the caller's is as it was


@pytest.mark.parametrize(
    "options",
    [
        {"conf": "a"},
        {"max_distance": "4"},
        {"focal_px": "700"},
        {"conf": True},
        {"classes": 5},
        {"classes": [1]},
        {"classes": ""},
        {"scale": {}},
        {"depth": "foo.npy"},
        {"depth": [[1, 2], [3]]},
        {"boxes": [[1, 2], [3]]},
        {"boxes": "text"},
    ],
)
def test_wrong_types_are_wrong_use(ranger, pixels, options):
    with pytest.raises(UsageError):
        ranger(pixels, **options)


def test_numbers_of_numpy_are_numbers(ranger, pixels):
    assert distances(ranger(pixels, scale=np.float32(1.5)))["chair"] == 3.0
    assert distances(ranger(pixels, scale=np.int64(2), max_distance=np.float64(4))) == {
        "chair": 4.0
    }


def test_formats_of_a_run_are_refused_for_one_picture(ranger, pixels, tmp_path):
    result = ranger(pixels)
    with pytest.raises(UsageError, match="whole run"):
        result.save(tmp_path, ["csv"])
    assert [path.name for path in result.save(tmp_path, "json")] == ["array.json"]


def test_one_ranger_on_several_threads(pixels):
    from concurrent.futures import ThreadPoolExecutor

    from howfar.loading import Alternating

    ranger = Ranger(FakeDetector(), FakeDepth(), both=Alternating())
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: distances(ranger(pixels)), range(200)))
    assert all(one == {"chair": 2.0, "person": 6.0} for one in found)
