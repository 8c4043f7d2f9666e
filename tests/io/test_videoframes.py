"""Frames of video files: all of them, upright, with their true times and numbers."""

import av
import numpy as np
import pytest
from serving import serve
from videos import number_of, numbered, spoil, write_video

from howfar.errors import PictureError, UsageError
from howfar.io.avcodec import upright
from howfar.io.clip import Clip
from howfar.io.videoframes import VideoFile

KINDS = {
    "h264.mp4": {"codec": "libx264", "g": "10"},
    "h264.mov": {"codec": "libx264", "g": "10"},
    "h265.mkv": {"codec": "libx265", "x265-params": "log-level=none:keyint=10"},
    "vp9.webm": {"codec": "libvpx-vp9", "g": "10", "deadline": "realtime", "cpu-used": "8"},
    "mpeg4.avi": {"codec": "mpeg4", "g": "10"},
    "mjpeg.avi": {"codec": "mjpeg"},
    "h264.ts": {"codec": "libx264", "g": "10"},
    "mpeg2.ts": {"codec": "mpeg2video", "g": "10"},
}


def seen(video):
    """What a video gives: (frame_index, time_s in ms, number told by the picture)."""
    return [(im.frame_index, round(im.time_s * 1000), number_of(im.pixels)) for im in video]


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """One film of 60 frames, 25 a second, of each kind."""
    folder = tmp_path_factory.mktemp("films")
    return {name: write_video(folder / name, range(60), **how) for name, how in KINDS.items()}


@pytest.mark.parametrize("name", KINDS)
def test_every_frame_comes_once_with_its_number_and_time(films, name):
    video = VideoFile(str(films[name]))
    assert seen(video) == [(i, 40 * i, i) for i in range(60)]
    assert (video.damaged, list(video.news)) == (0, [])
    assert video.fps == pytest.approx(25, rel=0.01)
    assert (video.live, video.sound) == (False, None)


@pytest.mark.parametrize("name", KINDS)
def test_a_part_has_the_numbers_and_times_of_the_whole(films, name):
    video = VideoFile(str(films[name]), Clip(stride=3, start_s=1.0, end_s=1.8))
    assert seen(video) == [(i, 40 * i, i) for i in range(25, 45, 3)]
    assert video.damaged == 0


@pytest.mark.parametrize("name", ["30.mp4", "30.ts"])
def test_a_part_begins_with_the_frame_of_its_time_and_ends_before_that_of_its_end(tmp_path, name):
    film = write_video(tmp_path / name, range(150), fps=30, g="15")
    for tenths in range(1, 49):
        got = seen(VideoFile(str(film), Clip(start_s=tenths / 10, end_s=(tenths + 1) / 10)))
        assert [(index, number) for index, _, number in got] == [
            (i, i) for i in range(3 * tenths, 3 * tenths + 3)
        ], tenths


def test_a_part_that_begins_just_after_a_frame_has_right_numbers(tmp_path):
    film = write_video(tmp_path / "30.mp4", range(60), fps=30, g="15")
    (first, *_) = seen(VideoFile(str(film), Clip(start_s=0.33334)))
    assert first == (11, 367, 11)


@pytest.mark.parametrize("name", ["h264.mp4", "mpeg4.avi"])
def test_the_count_is_what_comes(films, name):
    for clip in (Clip(), Clip(2), Clip(1, 1.0), Clip(5, 0.4, 2.0)):
        video = VideoFile(str(films[name]), clip)
        assert abs(video.count - len(list(video))) <= 1


def test_it_can_be_read_twice(films):
    video = VideoFile(str(films["h264.mp4"]))
    assert seen(video) == seen(video)


def test_variable_frame_rate_keeps_its_times(tmp_path):
    times = [0, 0.04, 0.1, 0.5, 0.52, 2.0, 2.2]
    path = write_video(tmp_path / "vfr.mp4", range(7), times=times)
    assert seen(VideoFile(str(path))) == [(i, round(t * 1000), i) for i, t in enumerate(times)]
    late = VideoFile(str(path), Clip(start_s=0.51))
    assert seen(late) == [(4, 520, 4), (5, 2000, 5), (6, 2200, 6)]


TURNS = {
    (0,): lambda p: p,
    (90,): lambda p: np.rot90(p),
    (180,): lambda p: np.rot90(p, 2),
    (-90,): lambda p: np.rot90(p, -1),
    (0, True): np.fliplr,
    (0, False, True): np.flipud,
    (90, True): lambda p: np.fliplr(np.rot90(p)),
    (90, False, True): lambda p: np.flipud(np.rot90(p)),
}


@pytest.mark.parametrize("turn", TURNS)
def test_frames_are_turned_upright(tmp_path, turn):
    picture = numbered(0b000100010011)  # no two of its eight orientations are alike
    path = write_video(tmp_path / "turned.mp4", [picture] * 3, turn=turn)
    frame = next(iter(VideoFile(str(path)))).pixels
    expected = TURNS[turn](picture)
    assert frame.shape == expected.shape
    assert np.abs(frame.astype(int) - expected).mean() < 6


def test_angles_between_quarter_turns_count_as_the_nearest():
    picture = numbered(0b000100010011)
    slightly = (65000, 8000, 0, -8000, 65000, 0, 0, 0, 1 << 30)
    assert np.array_equal(upright(picture, slightly), picture)


def test_pixels_are_made_square(tmp_path):
    path = write_video(tmp_path / "wide.mp4", [numbered(5)] * 3, aspect="4/3")
    assert next(iter(VideoFile(str(path)))).pixels.shape == (48, 85, 3)


@pytest.mark.parametrize("told", [True, False])
def test_hd_colours_are_right(tmp_path, told):
    colour = np.full((720, 64, 3), (200, 60, 20), np.uint8)
    path = tmp_path / "hd.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 720, "yuv420p"
        if told:
            stream.codec_context.colorspace = 1
        frame = av.VideoFrame.from_ndarray(colour, format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace=1)
        if not told:
            frame.colorspace = 2
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    pixels = next(iter(VideoFile(str(path)))).pixels
    assert np.abs(pixels.astype(int) - (200, 60, 20)).max() <= 4


def test_sound_is_named(tmp_path):
    assert VideoFile(str(write_video(tmp_path / "s.mp4", range(9), sound="aac"))).sound == "aac"


@pytest.mark.parametrize("name", ["raw.h264", "a.mp4", "a.mkv"])
def test_frames_are_counted_without_decoding_them(tmp_path, name):
    assert VideoFile(str(write_video(tmp_path / name, range(37)))).counted() == 37


def test_what_is_left_of_a_broken_file_is_counted(tmp_path):
    path = write_video(tmp_path / "a.mkv", range(60))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    video = VideoFile(str(path))
    assert 10 < video.counted() < 60


# -- what is broken ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "how"),
    [("bad.mkv", {"codec": "libx264", "g": "1"}), ("bad.avi", {"codec": "mjpeg"})],
)
def test_a_damaged_frame_is_counted_told_and_passed_over(tmp_path, name, how):
    path = write_video(tmp_path / name, range(30), **how)
    spoil(path, 7)
    video = VideoFile(str(path))
    assert seen(video) == [(i, 40 * i, i) for i in range(30) if i != 7]
    assert video.damaged == 1
    assert list(video.news) == ["Frame 7, at 0.28 s, is damaged: passed over."]


def test_damage_outside_the_part_that_is_asked_for_does_not_count(tmp_path):
    path = write_video(tmp_path / "bad.avi", range(30), codec="mjpeg")
    for number in (2, 14, 20, 21):
        spoil(path, number)
    video = VideoFile(str(path), Clip(start_s=0.4, end_s=0.8))
    assert [index for index, _, _ in seen(video)] == [i for i in range(10, 20) if i != 14]
    assert video.damaged == 1
    assert list(video.news) == ["Frame 14, at 0.56 s, is damaged: passed over."]


def test_frames_that_need_a_lost_key_frame_are_counted_too(tmp_path):
    """The decoder drops them in silence; the numbers of those after them stay right."""
    path = write_video(
        tmp_path / "bad.mp4", range(60), g="20", bf="2", **{"x264-params": "scenecut=0"}
    )
    spoil(path, 20)  # in the order of the file: the second key frame
    video = VideoFile(str(path))
    frames = seen(video)
    assert all(ms == 40 * i for i, ms, _ in frames)
    assert frames[:18] == [(i, 40 * i, i) for i in range(18)]
    assert frames[-20:] == [(i, 40 * i, i) for i in range(40, 60)]
    assert video.damaged == 60 - len(frames) > 10
    assert any("cannot be decoded: passed over." in text for text in video.news)


def test_a_file_that_breaks_off_gives_what_it_has(tmp_path):
    path = write_video(tmp_path / "short.mkv", range(60), codec="libx264", g="1")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    video = VideoFile(str(path))
    frames = seen(video)
    assert 20 < len(frames) < 40
    assert frames == [(i, 40 * i, i) for i in range(len(frames))]


def test_a_video_of_damaged_frames_alone(tmp_path):
    path = write_video(tmp_path / "bad.avi", range(5), codec="mjpeg")
    for number in range(5):
        spoil(path, number)
    with pytest.raises(PictureError, match=r"none of its frames could be decoded \(5 are damaged"):
        list(VideoFile(str(path)))


def message(path):
    with pytest.raises(PictureError) as caught:
        list(VideoFile(str(path)))
    return str(caught.value)


def test_files_that_are_no_videos(tmp_path):
    path = tmp_path / "clip.mp4"
    assert message(path) == f"{path}: no such file"
    path.write_bytes(b"")
    assert message(path) == f"{path}: the file is empty"
    path.write_text("not a video " * 99)
    told = "cannot be read as a video (Invalid data found when processing input)"
    assert message(path) == f"{path}: {told}"


def test_a_truncated_mp4_has_no_index(tmp_path):
    path = write_video(tmp_path / "cut.mp4", range(30))
    path.write_bytes(path.read_bytes()[:-400])
    assert message(path).startswith(f"{path}: cannot be read as a video (")


def test_sound_alone(tmp_path):
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        track = container.add_stream("aac", rate=48000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 48000
        container.mux(track.encode(frame))
        container.mux(track.encode())
    assert message(path) == f"{path}: no video in it, only sound (aac)"


def test_an_unknown_codec(tmp_path):
    path = write_video(tmp_path / "odd.avi", range(5), codec="mjpeg")
    path.write_bytes(path.read_bytes().replace(b"MJPG", b"QZQZ"))
    assert message(path) == f"{path}: its codec is not known to FFmpeg; convert it to H.264 first"


def test_a_start_after_the_end_says_how_long_it_is(films):
    path = films["h264.mp4"]
    with pytest.raises(PictureError) as caught:
        list(VideoFile(str(path), Clip(start_s=9)))
    assert str(caught.value) == f"{path}: no frame at 9 s or later; it is 2.40 s long"


def test_a_file_opens_no_address(tmp_path):
    path = tmp_path / "list.m3u8"
    path.write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    assert path.name in message(path)


def test_without_pyav_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"videos need PyAV; run `pip install 'howfar\[video\]'`"):
        VideoFile(str(tmp_path / "clip.mp4"))


# -- from an address -----------------------------------------------------------------------


def test_a_video_at_an_address(films):
    with serve({"/film.mp4": ("video/mp4", films["h264.mp4"].read_bytes())}) as root:
        video = VideoFile(f"{root}/film.mp4", Clip(10), "the film")
        assert seen(video) == [(i, 40 * i, i) for i in range(0, 60, 10)]
        assert next(iter(video)).source == "the film"
        with pytest.raises(PictureError, match=r"none: cannot be read as a video \(.*404"):
            VideoFile(f"{root}/none.mp4", name="none")
