"""`howfar calibrate`, and profiles in the other verbs, with tiny networks."""

import io
import json
import tomllib

import jsonschema
import numpy as np
import onnx
import PIL.Image
import pytest
from boards import COLUMNS, ROWS, TRUE, board_images
from tiny import FAR_M, NEAR_M, SIDE, picture_bytes, save_depth, write_pictures

from howfar.io.profiles import load_profile
from howfar.io.schema import RESULT_SCHEMA


@pytest.fixture
def calibrate(howfar, networks, tmp_path):
    """`howfar calibrate` with the tiny networks; the profile is `my.toml`."""

    def call(*args, kind="relative", output=tmp_path / "my.toml"):
        return howfar("calibrate", *networks[kind], *args, *(["-o", output] if output else []))

    return call


@pytest.fixture
def my(tmp_path):
    return tmp_path / "my.toml"


@pytest.fixture(scope="session")
def boards(tmp_path_factory):
    """A folder of pictures of a checkerboard."""
    folder = tmp_path_factory.mktemp("boards")
    for i, image in enumerate(board_images(8)):
        PIL.Image.fromarray(image.pixels).save(folder / f"{i}.png")
    return folder


CORNERS = ["--corners", f"{COLUMNS}x{ROWS}"]


def the_record(answer):
    assert answer.code == 0, answer.err
    (record,) = answer.records
    jsonschema.validate(record, RESULT_SCHEMA)
    return record


# -- lens -------------------------------------------------------------------------------------


def test_a_checkerboard_gives_a_lens(calibrate, my, boards):
    answer = calibrate("--checkerboard", boards, *CORNERS)
    assert answer.code == 0, answer.err
    assert answer.out.startswith("lens: focal length 26")
    assert "distortion: -0.2" in answer.out
    assert f"{my} is written; use it with --camera" in answer.err
    found = load_profile(my)
    assert (found.width, found.height) == (320, 240)
    assert found.lens.fx == pytest.approx(TRUE.lens.fx, rel=0.02)
    assert found.lens.source == "checkerboard"
    assert found.scales == ()


def test_a_video_of_a_checkerboard(calibrate, my, tmp_path):
    pytest.importorskip("av", reason="videos need PyAV")
    from howfar.io.videofile import VideoWriter

    with VideoWriter(tmp_path / "board.mp4", fps=5, size=(320, 240)) as writer:
        for i, image in enumerate(image for image in board_images(8) for _ in range(2)):
            writer.write(image.pixels, i / 5)
    answer = calibrate("--checkerboard", tmp_path / "board.mp4", *CORNERS)
    assert answer.code == 0, answer.err
    assert "16 of 16 pictures: 8 different views" in answer.err
    assert load_profile(my).lens.fx == pytest.approx(TRUE.lens.fx, rel=0.03)


def test_focal_length_and_field_of_view(calibrate, my, picture):
    assert calibrate(picture, "--focal-px", 70).code == 0
    lens = load_profile(my).lens
    assert (lens.fx, lens.cx, lens.source) == (70, SIDE / 2, "given")
    assert calibrate(picture, "--fov-deg", 90).code == 0
    assert load_profile(my).lens.fx == pytest.approx(SIDE / 2)


def test_focal_length_of_exif(calibrate, my, tmp_path):
    picture = PIL.Image.open(io.BytesIO(picture_bytes()))
    exif = PIL.Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = 28
    picture.save(tmp_path / "phone.jpg", exif=exif)
    answer = calibrate(tmp_path / "phone.jpg")
    assert answer.code == 0, answer.err
    assert "from exif" in answer.out
    assert load_profile(my).lens.source == "exif"


# -- scale ------------------------------------------------------------------------------------


def test_known_distances_make_metres(calibrate, predict, my, tmp_path):
    """The tiny network's relative depth is 1 and 1/5: with the person at 2 m the car is at 10."""
    write_pictures(tmp_path, "a.png", "b.png")
    a, b = tmp_path / "a.png", tmp_path / "b.png"
    before = the_record(predict(a, "--json", kind="relative"))
    assert [thing["distance_m"] for thing in before["objects"]] == [None, None]
    answer = calibrate(a, b, "--known", '2m@"person"', "--known", "b.png:10.4m@48,32")
    assert answer.code == 2  # one is free, two pictures
    answer = calibrate(a, b, "--known", "a.png:2m@person", "--known", "b.png:10.4m@48,32")
    assert answer.code == 0, answer.err
    assert "scale: 2.04 +-" in answer.out
    assert "known-distance in 2 pictures" in answer.out
    record = the_record(predict(a, "--json", "--camera", my, kind="relative"))
    near, far = record["objects"]
    assert near["distance_m"] == pytest.approx(2.04 * NEAR_M, rel=0.01)
    assert far["distance_m"] == pytest.approx(2.04 * FAR_M, rel=0.01)
    assert near["scale_source"] == record["scale"]["source"] == "known-distance"
    spread = record["scale"]["uncertainty"]
    assert 0.1 < spread < 0.3
    assert near["interval_m"][0] <= near["distance_m"] / (1 + spread) + 1e-3
    assert near["interval_m"][1] >= near["distance_m"] * (1 + spread) - 1e-3
    assert record["camera"] is None  # nothing said what the focal length is
    assert predict(a, "--camera", my, "--max-distance", 5, kind="relative").code == 0


def test_frames_of_a_video(calibrate, my, tmp_path):
    """One distance that holds in all frames is one measurement, however many frames there are."""
    pytest.importorskip("av", reason="videos need PyAV")
    from howfar.io.videofile import VideoWriter

    pixels = np.asarray(PIL.Image.open(io.BytesIO(picture_bytes())))
    with VideoWriter(tmp_path / "room.mp4", fps=10, size=(SIDE, SIDE)) as writer:
        for i in range(30):
            writer.write(pixels, i / 10)
    video = tmp_path / "room.mp4"
    answer = calibrate(video, "--known", "2+-0.6m@person", "--max-pictures", 10)
    assert answer.code == 0, answer.err
    entry = load_profile(my).scales[0]
    assert entry.pictures == 10
    assert entry.scale.factor == pytest.approx(2, rel=0.05)
    assert entry.scale.uncertainty > 0.3
    assert "room.mp4 at 0.3 s: factor " in answer.out


def test_object_sizes(calibrate, my, picture, tmp_path):
    """The person is 48 px high: with f = 96 px and 1.8 m it stands at 3.6 m."""
    sizes = tmp_path / "sizes.toml"
    sizes.write_text("[person]\nmetres = 1.8\nspread = 0.02\n[car]\nmetres = 9\nspread = 0.02\n")
    answer = calibrate(picture, "--focal-px", 96, "--object-sizes", "--sizes", sizes)
    assert answer.code == 0, answer.err
    scale = load_profile(my).scales[0].scale
    assert (scale.source, scale.objects) == ("object-size", 2)
    assert scale.factor == pytest.approx(3.6, rel=0.02)


def test_a_metric_network_is_corrected(calibrate, predict, my, picture):
    assert calibrate(picture, "--known", "1.5m@person", kind="metric").code == 0
    record = the_record(predict(picture, "--json", "--camera", my))
    assert record["objects"][0]["distance_m"] == pytest.approx(1.5, rel=0.01)
    assert record["objects"][0]["scale_source"] == "known-distance"


def test_lens_first_then_a_scale_for_each_network(calibrate, predict, my, picture):
    assert calibrate(picture, "--focal-px", 70).code == 0
    answer = calibrate(picture, "--camera", my, "--known", "2m@person", output=None)
    assert answer.code == 0, answer.err
    assert calibrate(picture, "--camera", my, "--known", "3m@person", kind="metric").code == 0
    found = load_profile(my)
    assert found.lens.fx == 70
    assert [entry.network for entry in found.scales] == ["tiny-relative", "tiny-metric"]
    for kind, metres in (("relative", 2), ("metric", 3)):
        record = the_record(predict(picture, "--json", "--camera", my, kind=kind))
        assert record["objects"][0]["distance_m"] == pytest.approx(metres, rel=0.01)
        assert record["camera"]["source"] == "profile"
        assert record["camera"]["fx"] == 70
    assert calibrate(picture, "--camera", my, "--known", "4m@person").code == 0
    assert len(load_profile(my).scales) == 2  # the newer one replaces its network's
    assert calibrate(picture, "--camera", my, "--focal-px", 80).code == 0
    assert load_profile(my).scales == ()


def test_another_network_is_not_scaled_silently(calibrate, predict, my, picture):
    assert calibrate(picture, "--known", "2m@person").code == 0
    answer = predict(picture, "--json", "--camera", my)  # the metric one
    record = the_record(answer)
    assert record["scale"] is None
    assert record["objects"][0]["distance_m"] == pytest.approx(NEAR_M, rel=0.01)
    assert any("for tiny-relative, not for tiny-metric" in note for note in record["notes"])
    assert answer.lines("howfar: note: ")


def test_a_retrained_file_of_the_same_name_is_another_network(
    calibrate, predict, howfar, networks, my, picture, tmp_path
):
    assert calibrate(picture, "--known", "2m@person").code == 0
    other = save_depth(tmp_path / "tiny-relative.onnx", "relative")
    model = onnx.load(other)
    model.producer_name = "retrained"
    onnx.save(model, other)
    options = networks["relative"][:-1]
    record = the_record(howfar("predict", *options, other, picture, "--json", "--camera", my))
    assert record["scale"] is None
    assert any("another file of tiny-relative" in note for note in record["notes"])


def test_json_of_what_was_found(calibrate, my, picture):
    answer = calibrate(picture, "--known", "2m@person", "--json")
    assert answer.code == 0
    (record,) = answer.records
    assert record["profile"] == str(my)
    assert record["scales"][0]["network"] == "tiny-relative"
    assert record["readings"] == [
        {
            "source": str(picture),
            "what": "2m@person",
            "factor": pytest.approx(2, rel=0.01),
            "uncertainty": pytest.approx(0.02, abs=0.01),
        }
    ]


def test_the_usual_file(calibrate, picture, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert calibrate(picture, "--focal-px", 70, output=None).code == 0
    assert (tmp_path / "camera.toml").is_file()


@pytest.fixture
def val(howfar, networks):
    """`howfar val depth` on two tiny synthetic rooms."""

    def call(*args, kind="relative"):
        data = "synthetic:indoor?count=2&size=64x64"
        return howfar("val", "depth", "--data", data, *networks[kind], "--json", *args)

    return call


def test_evaluation_with_a_profile(calibrate, val, my, picture):
    """The scale of the profile makes metres; the same as that factor by hand."""
    assert "alignment" in val().err  # relative depth alone cannot be compared with metres
    assert calibrate(picture, "--known", "2m@person").code == 0
    with_profile, by_hand = (
        val("--camera", my),
        val("--scale", load_profile(my).scales[0].scale.factor),
    )
    assert with_profile.code == 0, with_profile.err
    assert by_hand.code == 0, by_hand.err
    found, expected = (json.loads(answer.out) for answer in (with_profile, by_hand))
    assert found["scores"]["abs_rel"] == pytest.approx(expected["scores"]["abs_rel"])


def test_evaluation_refuses_what_would_mislead(calibrate, val, my, picture, boards):
    assert calibrate(picture, "--known", "2m@person").code == 0
    answer = val("--camera", my, kind="metric")
    assert answer.code == 2
    assert "for tiny-relative, not for tiny-metric" in answer.err
    assert calibrate("--checkerboard", boards, *CORNERS).code == 0
    answer = val("--camera", my, kind="metric")
    assert answer.code == 2
    assert "the lens distorts" in answer.err


@pytest.mark.shared
def test_a_real_room_and_real_networks(howfar, my, shared_data, shared_models):
    """What docs/calibrate.md begins with: the chair that was taped comes out where it stands."""
    room = max((shared_data / "eval" / "indoor-mix" / "rgb").glob("*.jpg"))
    networks = ["--runtime", "onnx", "--threads", "1"]
    answer = howfar("calibrate", room, "--known", "1.8m@chair", "-o", my, *networks)
    assert answer.code == 0, answer.err
    record = the_record(howfar("predict", room, "--json", "--camera", my, *networks))
    chairs = [thing for thing in record["objects"] if thing["label"] == "chair"]
    best = max(chairs, key=lambda thing: thing["score"])
    assert best["distance_m"] == pytest.approx(1.8, rel=0.05)
    assert {thing["scale_source"] for thing in record["objects"]} == {"known-distance"}
    assert not any(note.startswith("The metres come from") for note in record["notes"])


# -- bad input --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        ([], 2, "nothing to calibrate with"),
        (["--known", "2m@person"], 2, "a scale needs pictures"),
        (["PICTURE"], 2, "nothing is known about the camera"),
        (["PICTURE", "--known", "2m"], 2, "known distance '2m' is not understood"),
        (["PICTURE", "--known", "2m@zebra"], 1, "no 'zebra' was detected"),
        (["PICTURE", "--known", "2m@900,900"], 1, "outside the image"),
        (["PICTURE", "--known", "2m@person", "--object-sizes"], 2, "give one of"),
        (["PICTURE", "--camera-height", "tall"], 2, "write 1.65m"),
        (["PICTURE", "--camera-height", "1.6m"], 2, "need a focal length"),
        (["PICTURE", "--camera-height", "1.6m", "--fov-deg", "60"], 1, "no ground plane"),
        (["PICTURE", "--object-sizes"], 2, "need a focal length"),
        (["PICTURE", "--sizes", "a.toml"], 2, "--object-sizes only"),
        (["PICTURE", "--focal-px", "70", "--fov-deg", "60"], 2, "not both"),
        (["PICTURE", "--focal-px", "-3"], 2, "focal length"),
        (["--checkerboard", "PICTURE"], 1, "no board of 9x6 inner corners was found in 1 picture"),
        (["--checkerboard", "PICTURE", "--corners", "nine"], 2, "corners 'nine'"),
        (["--checkerboard", "PICTURE", "--focal-px", "70"], 2, "the checkerboard tells"),
        (["none.jpg", "--focal-px", "70"], 2, "none.jpg: no such file"),
        (["PICTURE", "--camera", "none.toml"], 2, "none.toml: no such camera profile"),
    ],
)
def test_bad_input_is_one_clear_line(calibrate, my, picture, args, code, words):
    answer = calibrate(*[picture if arg == "PICTURE" else arg for arg in args])
    assert answer.code == code, answer.err
    (line,) = answer.lines("howfar: error: ")
    assert words in line
    assert not my.exists()


def test_contradicting_distances(calibrate, my, picture):
    answer = calibrate(picture, "--known", "2m@person", "--known", "40m@car")
    assert answer.code == 1
    assert "contradict each other" in answer.err
    assert not my.exists()


def test_too_few_views(calibrate, my, boards):
    two = ["--checkerboard", f"{boards / '0.png'},{boards / '1.png'}"]
    answer = calibrate(*two, *CORNERS)
    assert answer.code == 1
    assert "only 2 different views" in answer.err
    assert not my.exists()


def test_board_and_pictures_of_two_cameras(calibrate, my, picture, boards):
    answer = calibrate("--checkerboard", boards, *CORNERS, picture, "--known", "2m@person")
    assert answer.code == 1
    assert f"{picture}: 64x64 pixels do not fit" in answer.err
    assert not my.exists()


def test_a_picture_among_several_that_cannot_be_read(calibrate, my, picture, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    answer = calibrate(tmp_path, "--known", "2m@person")
    assert answer.code == 0, answer.err
    assert "broken.png: a text file, not a picture; passed over" in answer.err
    assert load_profile(my).scales[0].pictures == 1


def test_nothing_to_add(calibrate, my, picture):
    assert calibrate(picture, "--focal-px", 70).code == 0
    answer = calibrate(picture, "--camera", my)
    assert answer.code == 2
    assert "nothing to add to the profile" in answer.err


def test_pictures_of_another_camera(calibrate, predict, my, picture, tmp_path):
    assert calibrate(picture, "--focal-px", 70).code == 0
    wide = tmp_path / "wide.png"
    PIL.Image.fromarray(np.zeros((64, 128, 3), np.uint8)).save(wide)
    answer = predict(wide, "--camera", my)
    assert answer.code == 1
    assert f"{wide}: 128x64 pixels do not fit {my}, which is for 64x64" in answer.err


def test_unreadable_profiles(predict, my, picture):
    my.write_text("[lens]\nfx = 'wide'\n")
    answer = predict(picture, "--camera", my)
    assert answer.code == 1
    (line,) = answer.lines("howfar: error: ")
    assert f"{my}: no camera profile of howfar" in line
    answer = predict(picture, "--camera", my.with_name("other.toml"))
    assert answer.code == 2
    assert "no such camera profile" in answer.err


def test_two_focal_lengths(calibrate, predict, my, picture):
    assert calibrate(picture, "--focal-px", 70).code == 0
    answer = predict(picture, "--camera", my, "--focal-px", 80)
    assert answer.code == 2
    assert "tells the focal length" in answer.err


def test_truth_is_of_the_picture_as_it_came(calibrate, predict, my, picture, boards, tmp_path):
    assert calibrate("--checkerboard", boards, *CORNERS).code == 0
    np.save(tmp_path / "truth.npy", np.ones((SIDE, SIDE), np.float32))
    more = ["--truth", tmp_path / "truth.npy", "--format", "truth"]
    answer = predict(picture, "--camera", my, *more)
    assert answer.code == 2
    assert "straightens the pictures, but --truth" in answer.err


def test_camera_height_in_predict(predict, picture):
    answer = predict(picture, "--scale", "camera-height=1.6m", "--fov-deg", 60, kind="relative")
    assert answer.code == 1
    assert "no ground plane" in answer.err


def test_profiles_are_plain_toml(calibrate, my, picture):
    assert calibrate(picture, "--focal-px", 70, "--known", "2m@person").code == 0
    content = tomllib.loads(my.read_text())
    assert content["format"] == 1
    assert content["lens"]["fx"] == 70
    assert content["scale"][0]["network"] == "tiny-relative"
    assert json.dumps(content)
