"""`howfar predict` on videos, streams and rows of pictures, with tiny networks."""

import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time

import av
import cv2
import jsonschema
import numpy as np
import pytest
from serving import Camera, serve
from tiny import FAR_M, NEAR_M, SIDE, picture_bytes, write_pictures
from videos import read_back, spoil, write_video

import howfar as howfar_package
from howfar.io.schema import RESULT_SCHEMA
from howfar.io.videofile import VideoWriter
from howfar.runtimes.onnx import OnnxRuntime

HALVES = cv2.imdecode(np.frombuffer(picture_bytes(), np.uint8), 1)[..., ::-1]


def names_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def film(tmp_path):
    """30 frames of the picture that the networks understand, with sound."""
    return write_video(tmp_path / "film.mp4", [HALVES] * 30, sound="aac")


def test_a_video_gives_an_annotated_one_and_a_record_a_frame(predict, film, tmp_path):
    out = tmp_path / "out"
    answer = predict(film, "--save-dir", out)
    assert answer.code == 0, answer.err
    assert names_below(out) == ["film.annotated.mp4", "results.jsonl"]
    lines = answer.out.splitlines()
    assert len(lines) == 30
    assert lines[3].startswith(f"{film} 0.12 s: person 1")
    records = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    for i, record in enumerate(records):
        jsonschema.validate(record, RESULT_SCHEMA)
        assert (record["frame_index"], record["time_s"]) == (i, round(i / 25, 4))
        assert record["source"] == str(film)
        assert record["files"]["annotated"]["path"] == str(out / "film.annotated.mp4")
    person, car = (thing["distance_m"] for thing in records[0]["objects"])
    assert (person, car) == (pytest.approx(NEAR_M, abs=0.1), pytest.approx(FAR_M, abs=0.1))
    frames = read_back(out / "film.annotated.mp4")
    assert len(frames) == 30
    assert np.abs(frames[5][1].astype(int) - HALVES).max() > 100  # boxes were drawn
    with av.open(str(out / "film.annotated.mp4")) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
    summary = answer.lines("howfar: ")
    assert any(f"{film}: 30 frames in " in line for line in summary)
    assert summary[-1] == f"howfar: 1 source; files in {out}/"


def test_parts_as_records_on_stdout(predict, film, tmp_path):
    answer = predict(
        film, "--json", "--vid-stride", "5", "--start", "0.4", "--end", "1", "--max-frames", "2"
    )
    assert [record["frame_index"] for record in answer.records] == [10, 15]
    assert names_below(tmp_path) == ["film.mp4"]


def test_every_format_of_a_video(predict, film, tmp_path):
    out = tmp_path / "out"
    formats = "annotated,depth,panel,frames,npy,json,csv,jsonl,coco"
    answer = predict(film, "--save-dir", out, "--format", formats, "--max-frames", "3")
    assert answer.code == 0, answer.err
    endings = ("annotated.jpg", "depth.npy", "json")
    stills = [f"film/{i:06d}.{ending}" for i in range(3) for ending in endings]
    videos = [f"film.{name}.mp4" for name in ("annotated", "depth", "panel")]
    runs = ["coco_results.json", "objects.csv", "results.jsonl"]
    assert names_below(out) == sorted([*stills, *videos, *runs])
    rows = list(csv.DictReader((out / "objects.csv").read_text().splitlines()))
    assert [(row["frame_index"], row["time_s"]) for row in rows[::2]] == [
        ("0", "0.0"),
        ("1", "0.04"),
        ("2", "0.08"),
    ]
    assert {row["image_id"] for row in json.loads((out / "coco_results.json").read_text())} == {
        2,
        3,
        4,
    }
    for name in ("depth", "panel"):
        assert len(read_back(out / f"film.{name}.mp4")) == 3


def test_the_colours_of_depth_are_the_same_in_all_frames(predict, tmp_path):
    """A far half that goes away does not change the colour of the near half."""
    near = np.zeros_like(HALVES)
    path = tmp_path / "film.avi"
    write_video(path, [HALVES] * 5 + [near] * 5, codec="mjpeg")
    predict(path, "--format", "depth", "--save-dir", tmp_path / "own")
    predict(path, "--format", "depth", "--save-dir", tmp_path / "given", "--colour-range", "1,20")
    corner = {}
    for name in ("own", "given"):
        pictures = [pixels for _, pixels in read_back(tmp_path / name / "film.depth.mp4")]
        assert len(pictures) == 10
        first, last = (pixels[10:50, 5:20].astype(int) for pixels in (pictures[0], pictures[-1]))
        assert np.abs(first - last).max() < 12
        corner[name] = pictures[0][10:50, 40:60].mean((0, 1))
    assert np.abs(corner["own"] - corner["given"]).max() > 20  # 5 m is far of 5, and near of 20


def test_damaged_frames_are_counted_and_told(predict, tmp_path):
    path = write_video(tmp_path / "bad.avi", [HALVES] * 12, codec="mjpeg")
    spoil(path, 4)
    answer = predict(path, "--json")
    assert answer.code == 0
    assert [r["frame_index"] for r in answer.records] == [i for i in range(12) if i != 4]
    told = f"howfar: note: {path}: Frame 4, at 0.16 s, is damaged: passed over."
    assert answer.lines(told) == [told]
    assert "11 frames in " in answer.err
    assert ", 1 damaged" in answer.err


@pytest.mark.parametrize("verb", ["predict", "track"])
def test_damage_behind_max_frames_does_not_count(howfar, networks, tmp_path, verb):
    path = write_video(tmp_path / "bad.avi", [HALVES] * 12, codec="mjpeg")
    spoil(path, 4)
    for most, damaged in ((4, False), (5, True)):
        answer = howfar(verb, *networks["metric"], path, "--json", "--max-frames", most)
        assert len(answer.records) == most
        assert ("1 damaged" in answer.err) == damaged
        assert ("Frame 4" in answer.err) == damaged


def test_sound_that_is_lost_is_said(predict, tmp_path):
    path = write_video(tmp_path / "s.avi", [HALVES] * 5, codec="mjpeg", sound="pcm_s16le")
    answer = predict(path, "--save-dir", tmp_path / "out")
    assert answer.lines(f"howfar: note: {path}: The sound (pcm_s16le) is not carried over")


def test_pictures_in_a_row_become_a_video(predict, tmp_path):
    folder = tmp_path / "walk"
    write_pictures(folder, "2.png", "10.png", "1.png")
    answer = predict(folder, "--fps", "2", "--save-dir", tmp_path / "out")
    assert answer.code == 0, answer.err
    assert names_below(tmp_path / "out") == ["results.jsonl", "walk.annotated.mp4"]
    lines = (tmp_path / "out" / "results.jsonl").read_text().splitlines()
    assert [json.loads(line)["source"] for line in lines] == [
        str(folder / name) for name in ("1.png", "2.png", "10.png")
    ]
    times = [time_s for time_s, _ in read_back(tmp_path / "out" / "walk.annotated.mp4")]
    assert times == pytest.approx([0, 0.5, 1])


def test_a_bad_picture_in_a_row_is_named_and_no_other(predict, tmp_path):
    folder = tmp_path / "walk"
    write_pictures(folder, "1.png", "3.png")
    (folder / "2.png").write_text("no picture")
    answer = predict(folder, "--fps", "2", "--json")
    (told,) = answer.lines("howfar: note: 3 pictures: ")
    assert "2.png: a text file, not a picture: passed over" in told
    assert "1.png" not in told
    assert "3.png" not in told


def test_all_videos_of_a_film_have_its_sound(predict, film, tmp_path):
    predict(film, "--format", "annotated,depth,panel", "--save-dir", tmp_path / "out")
    for name in ("annotated", "depth", "panel"):
        with av.open(str(tmp_path / "out" / f"film.{name}.mp4")) as played:
            assert [stream.type for stream in played.streams] == ["video", "audio"]


@pytest.mark.parametrize("verb", ["predict", "track"])
def test_without_pyav_nothing_is_written(howfar, networks, film, tmp_path, monkeypatch, verb):
    write_pictures(tmp_path / "walk", "1.png")
    monkeypatch.setitem(sys.modules, "av", None)
    for source in ((film,), (tmp_path / "walk", "--fps", "2")):
        answer = howfar(verb, *source, *networks["metric"], "--save-dir", tmp_path / "out")
        assert answer.code == 2
        assert answer.lines("howfar: error: videos need PyAV; run `pip install 'howfar[video]'`")
        assert names_below(tmp_path / "out") == []


def test_own_depth_lies_beside_pictures_in_a_row(howfar, networks, tmp_path):
    write_pictures(tmp_path / "walk", "1.png", "2.png")
    (tmp_path / "depth").mkdir()
    for number in (1, 2):
        values = np.full((SIDE, SIDE), float(number), np.float32)
        np.save(tmp_path / "depth" / f"{number}.npy", values)
    row = (tmp_path / "walk", "--fps", "2", "--depth-map", tmp_path / "depth", "--json")
    answer = howfar("predict", *networks["metric"][:-2], *row)
    assert [r["objects"][0]["distance_m"] for r in answer.records] == [1, 2]


def test_pictures_and_videos_together(predict, film, tmp_path):
    write_pictures(tmp_path / "p", "a.png")
    answer = predict(tmp_path / "p", film, "--max-frames", "2", "--save-dir", tmp_path / "out")
    assert answer.code == 0, answer.err
    assert names_below(tmp_path / "out") == [
        "a.annotated.jpg",
        "a.depth.png",
        "a.json",
        "film.annotated.mp4",
        "results.jsonl",
    ]
    assert len((tmp_path / "out" / "results.jsonl").read_text().splitlines()) == 3


def test_a_bad_video_fails_and_the_next_is_read(predict, film, tmp_path):
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    answer = predict(bad, film, "--json")
    assert answer.code == 1
    assert len(answer.records) == 30
    (line,) = answer.lines("howfar: error: ")
    assert line.startswith(f"howfar: error: {bad}: cannot be read as a video")
    assert answer.err.splitlines()[-1] == "howfar: 2 sources, 1 failed"


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--vid-stride", "0"], "vid_stride is 0; give a whole number >= 1"),
        (["--start", "soon"], "start is 'soon'; give seconds"),
        (["--start", "2", "--end", "1"], "the end, 1 s, is not after the start, 2 s"),
        (["--max-frames", "0"], "max_frames is 0"),
        (["--fps", "-1"], "fps is -1.0; give frames per second"),
        (["--colour-range", "5"], "--colour-range is '5'; give nearest and farthest metres"),
        (["--colour-range", "5,1"], "give 0 <= near < far in metres"),
        (["--drop-old"], "frames are dropped of cameras and streams only"),
        (["--boxes", "b.json"], "--boxes and --depth-map go with pictures"),
        (["--format", "movie"], "format 'movie' is unknown"),
    ],
)
def test_wrong_use(predict, howfar, networks, film, args, told):
    kind = networks["metric"] if "--boxes" not in args else networks["metric"][:4]
    answer = howfar("predict", *kind, film, "--json", *args)
    assert (answer.code, answer.out) == (2, "")
    assert told in answer.lines("howfar: error: ")[0]


def test_a_full_disk_fails_the_video(predict, film, tmp_path, monkeypatch):
    def full(self, pixels, time_s):
        from howfar.errors import OutputError

        raise OutputError(f"{self.path}: cannot be written (No space left on device)")

    monkeypatch.setattr(VideoWriter, "write", full)
    answer = predict(film, "--save-dir", tmp_path / "out")
    assert answer.code == 1
    assert "film.annotated.mp4: cannot be written (No space left" in answer.err


# -- live ----------------------------------------------------------------------------------


def test_a_stream(predict, tmp_path):
    with serve(camera=Camera(lambda _: HALVES, 50)) as root:
        kept = predict(f"{root}/camera", "--keep-all", "--max-frames", "20", "--json")
        out = tmp_path / "out"
        written = predict(f"{root}/camera", "--max-frames", "5", "--save-dir", out)
    assert [record["frame_index"] for record in kept.records] == list(range(20))
    assert kept.code == written.code == 0
    assert names_below(out) == ["camera.annotated.mp4", "results.jsonl"]
    assert len(read_back(out / "camera.annotated.mp4")) == 5


def test_no_camera(predict):
    answer = predict("7", "--json")
    assert (answer.code, answer.out) == (1, "")
    told = "howfar: error: camera 7: there is no such camera, or it is in use"
    assert answer.lines("howfar: error: ") == [told]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_leaves_a_video_that_plays(networks, tmp_path, number):
    path = write_video(tmp_path / "long.mp4", [HALVES] * 3000, sound="aac")
    command = [sys.executable, "-m", "howfar.cli", "predict", *networks["metric"], path]
    command = [*map(str, command), "--save-dir", str(tmp_path / "out")]
    code = (  # Ctrl-C is ignored where a shell started the tests in the background
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from howfar.cli import main; main()"
    )
    command[1:3] = ["-c", code]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    for _ in range(40):
        assert process.stdout.readline()
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert told.splitlines()[-1] == "howfar: stopped; the files hold what was done"
    assert "Traceback" not in told
    assert names_below(tmp_path / "out") == ["long.annotated.mp4", "results.jsonl"]
    frames = read_back(tmp_path / "out" / "long.annotated.mp4")
    records = (tmp_path / "out" / "results.jsonl").read_text().splitlines()
    assert 40 <= len(frames) == len(records) < 3000
    assert json.loads(records[-1])["frame_index"] == len(frames) - 1


@pytest.mark.slow
@pytest.mark.parametrize(("verb", "video"), [("predict", "annotated"), ("track", "tracked")])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_video_is_finished_waits_for_it(
    networks, film, tmp_path, verb, video, number
):
    code = (
        "import os, signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from howfar.cli import main\n"
        "from howfar.io.videofile import VideoWriter\n"
        "close = VideoWriter.close\n"
        "def late(self):\n"
        f"    os.kill(os.getpid(), {int(number)})\n"
        "    close(self)\n"
        "VideoWriter.close = late\n"
        "main()"
    )
    command = [sys.executable, "-c", code, verb, *networks["metric"], film]
    command += ["--save-dir", tmp_path / "out", "--format", "annotated,jsonl"]
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=120, env=dict(os.environ)
    )
    assert done.returncode == 130, done.stderr
    assert done.stderr.splitlines()[-1] == "howfar: stopped; the files hold what was done"
    records = "results" if verb == "predict" else "film.tracked"
    assert names_below(tmp_path / "out") == sorted([f"film.{video}.mp4", f"{records}.jsonl"])
    assert len(read_back(tmp_path / "out" / f"film.{video}.mp4")) == 30
    assert len((tmp_path / "out" / f"{records}.jsonl").read_text().splitlines()) == 30


# -- how frames are worked on ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("threads", "cores", "abreast"), [(1, 2, True), (1, 1, False), (2, 2, False)]
)
def test_networks_of_one_thread_never_run_side_by_side(
    networks, film, monkeypatch, threads, cores, abreast
):
    """Two frames are worked on at a time where a core is left, but one network at a time runs."""
    running, most, where = [], [], set()
    run = OnnxRuntime.run

    def watched(self, feeds):
        running.append(1)
        most.append(len(running))
        where.add(threading.current_thread().name.split("_")[0])
        time.sleep(0.002)
        try:
            return run(self, feeds)
        finally:
            running.pop()

    monkeypatch.setattr(OnnxRuntime, "run", watched)
    monkeypatch.setattr("howfar.pipeline.available_cores", lambda: cores)
    detector, depth = networks["detector"], networks["metric"][-1]
    ranger = howfar_package.load(detector=detector, depth=depth, threads=threads, runtime="onnx")
    results = list(ranger.stream(film))
    assert [one.image.frame_index for one in results] == list(range(30))
    if threads == 1:
        assert max(most) == 1
        assert where == ({"howfar-abreast"} if abreast else {"MainThread"})
    else:
        assert "howfar-abreast" not in where


def test_frames_abreast_give_what_they_give_alone(networks, film, monkeypatch):
    monkeypatch.setattr("howfar.pipeline.available_cores", lambda: 2)
    detector, depth = networks["detector"], networks["metric"][-1]
    ranger = howfar_package.load(detector=detector, depth=depth, threads=1, runtime="onnx")
    for result in ranger.stream(film, max_distance=3):
        alone = ranger(result.image, max_distance=3).to_dict() | {"timing_ms": {}}
        assert result.to_dict() | {"timing_ms": {}} == alone
