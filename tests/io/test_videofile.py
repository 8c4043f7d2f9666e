"""Videos that are written: what browsers play, with true times and sound."""

import os
import subprocess
import sys

import av
import numpy as np
import pytest
from videos import number_of, numbered, read_back, write_video

from howfar.errors import OutputError
from howfar.io.clip import Clip
from howfar.io.videofile import VideoWriter
from howfar.io.videoframes import VideoFile


def boxes(path):
    """Names of the top boxes of an MP4 file, in order."""
    data, names, at = path.read_bytes(), [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        names.append(data[at + 4 : at + 8].decode())
        at += size
    return names


def test_browsers_play_it(tmp_path):
    path = tmp_path / "new" / "clip.mp4"
    with VideoWriter(path, fps=25) as writer:
        for number in range(60):
            writer.write(numbered(number), number / 25)
    assert writer.frames == 60
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        coder = stream.codec_context
        assert (coder.name, coder.pix_fmt, coder.profile) == ("h264", "yuv420p", "High")
        assert (coder.colorspace, coder.color_primaries, coder.color_trc) == (1, 1, 1)
        assert float(stream.average_rate) == pytest.approx(25)
        keys = [packet.pts for packet in container.demux(stream) if packet.is_keyframe]
        assert len(keys) == 2  # one every two seconds, so that players can jump
    names = boxes(path)
    assert names.index("moov") < names.index("mdat")  # plays before it is loaded
    assert [number_of(pixels) for _, pixels in read_back(path)] == list(range(60))


def test_times_are_kept_from_the_first_frame_on(tmp_path):
    times = [5.0, 5.04, 5.5, 5.52, 9.0]
    with VideoWriter(tmp_path / "a.mp4") as writer:
        for number, time_s in enumerate(times):
            writer.write(numbered(number), time_s)
    seconds = [time_s for time_s, _ in read_back(tmp_path / "a.mp4")]
    assert seconds == pytest.approx([time_s - 5 for time_s in times], abs=1e-3)


def test_times_that_stand_still_or_go_back_become_the_next_moment(tmp_path):
    with VideoWriter(tmp_path / "a.mp4") as writer:
        for number, time_s in enumerate([0, 1, 1, 0.5, 2]):
            writer.write(numbered(number), time_s)
    frames = read_back(tmp_path / "a.mp4")
    assert [number_of(pixels) for _, pixels in frames] == list(range(5))
    assert [time_s for time_s, _ in frames] == pytest.approx([0, 1, 1, 1, 2], abs=1e-3)


def test_without_times_frames_follow_at_the_rate(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", fps=10) as writer:
        for number in range(5):
            writer.write(numbered(number))
    assert [t for t, _ in read_back(tmp_path / "a.mp4")] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])


def test_colours_are_right(tmp_path):
    picture = np.full((48, 64, 3), (200, 60, 20), np.uint8)
    with VideoWriter(tmp_path / "a.mp4") as writer:
        writer.write(picture, 0)
    ((_, pixels),) = read_back(tmp_path / "a.mp4")
    assert np.abs(pixels.astype(int) - (200, 60, 20)).max() <= 4


def test_odd_sides_are_made_even_by_their_last_line(tmp_path):
    with VideoWriter(tmp_path / "a.mp4") as writer:
        writer.write(np.full((33, 35, 3), 200, np.uint8), 0)
    ((_, pixels),) = read_back(tmp_path / "a.mp4")
    assert pixels.shape == (34, 36, 3)
    assert np.abs(pixels.astype(int) - 200).max() <= 3


def test_frames_of_another_size_are_fitted_in(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", size=(64, 48)) as writer:
        writer.write(np.full((48, 24, 3), 200, np.uint8), 0)
    ((_, pixels),) = read_back(tmp_path / "a.mp4")
    assert pixels.shape == (48, 64, 3)
    assert pixels[:, 24:40].min() > 180
    assert max(pixels[:, :16].max(), pixels[:, 48:].max()) < 20


def test_the_file_has_its_name_when_it_is_complete(tmp_path):
    path = tmp_path / "a.mp4"
    writer = VideoWriter(path)
    writer.write(numbered(1), 0)
    assert not path.exists()
    writer.close()
    writer.close()
    assert os.listdir(tmp_path) == ["a.mp4"]


@pytest.mark.parametrize("error", [av.FFmpegError(22, "Invalid argument"), KeyboardInterrupt()])
def test_a_file_that_cannot_be_opened_leaves_nothing(tmp_path, monkeypatch, error):
    def broken(*args, **more):
        raise error

    writer = VideoWriter(tmp_path / "a.mp4")
    monkeypatch.setattr(av, "open", broken)
    with pytest.raises((OutputError, KeyboardInterrupt)):
        writer.write(numbered(1))
    assert list(tmp_path.iterdir()) == []
    writer.close()


def test_without_a_frame_there_is_no_file(tmp_path):
    VideoWriter(tmp_path / "a.mp4").close()
    assert os.listdir(tmp_path) == []


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "taken").write_text("a file")
    writer = VideoWriter(tmp_path / "taken" / "a.mp4")
    with pytest.raises(OutputError, match=r"taken/a\.mp4: cannot be written \(.*\)"):
        writer.write(numbered(1), 0)


FULL = """
import resource, signal, sys
import numpy as np
from howfar.errors import OutputError
from howfar.io.videofile import VideoWriter

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
rng = np.random.default_rng(0)
writer = VideoWriter(sys.argv[1])
try:
    for number in range(int(sys.argv[2])):
        writer.write(rng.integers(0, 255, (240, 320, 3), dtype=np.uint8), number / 25)
    writer.close()
except OutputError as error:
    print(error)
writer.close()
"""


@pytest.mark.parametrize("frames", [12, 90])  # the disk is full at the end, and on the way
def test_a_full_disk_is_one_clear_error_and_leaves_nothing(tmp_path, frames):
    path = tmp_path / "a.mp4"
    command = [sys.executable, "-c", FULL, str(path), str(frames)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    told = f"{path}: cannot be written (File too large)\n"
    assert (done.returncode, done.stdout) == (0, told), done.stderr
    assert os.listdir(tmp_path) == []


# -- sound ---------------------------------------------------------------------------------


def loudness(path):
    """Loudest sample of each tenth of a second of the sound of a video."""
    with av.open(str(path)) as container:
        (track,) = container.streams.audio
        found = {}
        for frame in container.decode(track):
            at = round(frame.time * 10)
            samples = frame.to_ndarray()
            whole = 1 if samples.dtype.kind == "f" else np.iinfo(samples.dtype).max
            found[at] = max(found.get(at, 0), float(np.abs(samples.astype(float)).max()) / whole)
        return found


@pytest.mark.parametrize("codec", ["aac", "flac"])
def test_sound_is_carried_over_in_step_with_the_pictures(tmp_path, codec):
    source = write_video(tmp_path / "source.mkv", range(200), sound=codec)
    with VideoWriter(tmp_path / "a.mp4", sound=source) as writer:
        for image in VideoFile(str(source), Clip(start_s=2, end_s=6)):
            writer.write(image.pixels, image.time_s)
    assert writer.sound_note == ""
    heard = loudness(tmp_path / "a.mp4")
    assert max(heard) / 10 == pytest.approx(4, abs=0.15)
    for tenth in (5, 20, 35):  # the tone is as loud as its time in the source, in tens of seconds
        assert heard[tenth] == pytest.approx((2 + tenth / 10) / 10, abs=0.03)
    with av.open(str(tmp_path / "a.mp4")) as container:
        kinds = [packet.stream.type for packet in container.demux() if packet.size]
    middle = kinds[len(kinds) // 4 : len(kinds) // 2]
    assert {"audio", "video"} <= set(middle)  # side by side in the file, as players want it


def test_sound_that_mp4_does_not_hold_is_said(tmp_path):
    source = write_video(tmp_path / "s.avi", range(10), codec="mjpeg", sound="pcm_s16le")
    with VideoWriter(tmp_path / "a.mp4", sound=source) as writer:
        writer.write(numbered(1), 0)
    told = "The sound (pcm_s16le) is not carried over: MP4 holds it only re-encoded."
    assert writer.sound_note == told
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert not container.streams.audio


def test_sound_tracks_that_are_left_out_are_said(tmp_path):
    one, two = write_video(tmp_path / "one.mp4", range(10), sound="aac"), tmp_path / "two.mp4"
    with av.open(str(one)) as source, av.open(str(two), "w") as target:
        inputs = (source.streams.video[0], source.streams.audio[0], source.streams.audio[0])
        for stream in inputs:
            target.add_stream_from_template(stream)
        for number, stream in enumerate(inputs):
            source.seek(0)
            for packet in source.demux(stream):
                if packet.size:
                    packet.stream = target.streams[number]
                    target.mux(packet)
    with VideoWriter(tmp_path / "a.mp4", sound=two) as writer:
        writer.write(numbered(1), 0)
    assert writer.sound_note == "Of its 2 sound tracks only the first is carried over."
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert len(container.streams.audio) == 1


def test_a_video_without_sound_has_none_to_carry(tmp_path):
    source = write_video(tmp_path / "s.mp4", range(10))
    with VideoWriter(tmp_path / "a.mp4", sound=source) as writer:
        writer.write(numbered(1), 0)
    assert writer.sound_note == ""


def test_a_sound_source_that_is_gone_is_said(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", sound=tmp_path / "gone.mp4") as writer:
        writer.write(numbered(1), 0)
    assert "gone.mp4: no such file" in writer.sound_note
    assert len(read_back(tmp_path / "a.mp4")) == 1
