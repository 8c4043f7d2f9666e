"""`howfar track`: what it prints, writes and refuses, with tiny networks."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import jsonschema
import numpy as np
import PIL.Image
import pytest
from tiny import FAR_M, NEAR_M, SIDE, write_pictures

from howfar.io.videofile import VideoWriter
from howfar.track.records import TRACK_COLUMNS, track_schema


def two_colours(near_red=0):
    """The left half is near (`near_red` of 255 makes it farther), the right half is far."""
    pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
    pixels[:, : SIDE // 2, 0] = near_red
    pixels[:, SIDE // 2 :, 0] = 255
    return pixels


def metres(near_red):
    return NEAR_M + (FAR_M - NEAR_M) * near_red / 255


@pytest.fixture
def video(tmp_path):
    """Three seconds in which the person comes from about 4 m to 1 m."""
    path = tmp_path / "walk.mp4"
    with VideoWriter(path, 10) as writer:
        for i in range(30):
            writer.write(two_colours(int(np.interp(i, [5, 25], [190, 0]))), i / 10)
    return path


@pytest.fixture
def track(howfar, networks):
    """`howfar track` with the tiny networks; `kind` names the depth network."""

    def call(*args, kind="metric"):
        return howfar("track", *networks[kind], *args)

    return call


def person(record):
    return next(one for one in record["objects"] if one["label"] == "person")


def test_a_record_a_frame(track, video, tmp_path):
    answer = track(video, "--json", "--alert-within", "2")
    assert answer.code == 0, answer.err
    records = answer.records
    validator = jsonschema.Draft202012Validator(track_schema())
    for record in records:
        validator.validate(record)
    assert [one["time_s"] for one in records] == pytest.approx(np.arange(30) / 10, abs=1e-3)
    assert {one["track"]["id"] for r in records for one in r["objects"]} == {1, 2}
    speeds = [person(one)["track"]["speed_m_s"] for one in records]
    assert max(speeds) == pytest.approx(1.5, rel=0.3)
    (alert,) = [one for record in records for one in record["alerts"]]
    assert (alert["label"], alert["within_m"]) == ("person", 2.0)
    assert alert["distance_m"] <= 2.0
    true_s = 2.5 - (2.0 - NEAR_M) / (metres(190) - NEAR_M) * 2
    assert alert["time_s"] == pytest.approx(true_s, abs=0.3)
    assert [path.name for path in tmp_path.iterdir()] == ["walk.mp4"]


def test_what_people_read(track, video, tmp_path):
    answer = track(video, "--alert-within", "2", "--save-dir", tmp_path / "out")
    assert answer.code == 0, answer.err
    lines = answer.out.splitlines()
    assert sum("ALERT within 2 m: person #1" in line for line in lines) == 1
    assert any(line.startswith("0.00 s: new: person #1 ") for line in lines)
    assert any(line.startswith("person #1: 0.0 - 2.9 s, ") for line in lines)
    assert any("2 tracks in 30 frames" in line for line in answer.lines("howfar: "))
    folder = tmp_path / "out"
    assert sorted(path.name for path in folder.iterdir()) == [
        "walk.tracked.jsonl",
        "walk.tracked.mp4",
        "walk.tracks.csv",
    ]
    with (folder / "walk.tracks.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == TRACK_COLUMNS
    assert [(row["label"], row["frames"]) for row in rows] == [("person", "30"), ("car", "30")]
    assert float(rows[0]["nearest_m"]) == pytest.approx(NEAR_M, abs=0.15)
    assert len((folder / "walk.tracked.jsonl").read_text().splitlines()) == 30


def test_the_filter_and_classes(track, video):
    records = track(video, "--json", "--max-distance", "3").records
    assert [one["label"] for one in records[0]["left_out"]] == ["person", "car"]
    assert [one["label"] for one in records[-1]["objects"]] == ["person"]
    assert records[-1]["left_out"][0]["reason"] == "beyond 3 m"
    only = track(video, "--json", "--classes", "car").records
    assert {one["label"] for record in only for one in record["objects"]} == {"car"}


def test_what_the_filter_hides_is_not_said(track, video, tmp_path):
    answer = track(video, "--max-distance", "3", "--save-dir", tmp_path / "out")
    assert answer.code == 0, answer.err
    assert "car" not in answer.out  # at 5 m all the time
    first, last = answer.out.splitlines()
    seen_s, _, words = first.partition(" s: ")
    assert words.startswith("new: person #1 ")  # when it comes within 3 m, not before
    assert 0.5 < float(seen_s) < 2.5
    assert last.startswith("person #1: 0.0 - 2.9 s, ")
    assert "2 tracks (1 hidden) in 30 frames" in answer.err


def test_an_alert_is_said_for_what_the_filter_hides(track, video, tmp_path):
    answer = track(
        video,
        "--max-distance",
        ".5",
        "--alert-within",
        "2",
        "--format",
        "csv",
        "--save-dir",
        tmp_path,
    )
    (line,) = answer.out.splitlines()
    assert "ALERT within 2 m: person #1" in line


def test_pictures_as_a_video(track, tmp_path):
    (tmp_path / "row").mkdir()
    for i in range(4):
        PIL.Image.fromarray(two_colours()).save(tmp_path / "row" / f"{i}.png")
    answer = track(tmp_path / "row", "--fps", "5", "--json")
    assert [one["time_s"] for one in answer.records] == pytest.approx([0, 0.2, 0.4, 0.6])
    assert {one["track"]["id"] for r in answer.records for one in r["objects"]} == {1, 2}


def test_part_of_a_video(track, video):
    answer = track(video, "--json", "--start", "1", "--end", "2", "--vid-stride", "2")
    assert [one["frame_index"] for one in answer.records] == [10, 12, 14, 16, 18]


def test_relative_depth_has_no_speeds(track, video):
    answer = track(video, "--json", kind="relative")
    assert answer.code == 0
    for record in answer.records:
        for one in record["objects"]:
            assert one["distance_m"] is one["track"]["speed_m_s"] is one["track"]["contact_s"]
            assert one["distance_m"] is None
    with_scale = track(video, "--json", "--scale", "2", kind="relative").records
    assert person(with_scale[-1])["distance_m"] == pytest.approx(2 * NEAR_M, rel=0.15)


def test_boxes_only(track, video):
    records = track(video, "--json", kind="boxes only").records
    assert {one["track"]["id"] for r in records for one in r["objects"]} == {1, 2}
    assert records[-1]["depth"] is None


def test_schema(howfar):
    answer = howfar("track", "--schema")
    assert json.loads(answer.out) == track_schema()


@pytest.mark.parametrize(
    ("args", "kind", "told"),
    [
        ([], "metric", "no video is named"),
        (["room.png"], "metric", "give --fps for pictures"),
        (
            ["walk.mp4", "--alert-within", "2"],
            "relative",
            "needs metres, but tiny-relative gives relative depth",
        ),
        (["walk.mp4", "--alert-within", "2"], "boxes only", "needs a depth network"),
        (["walk.mp4", "--alert-within", "-1"], "metric", "give metres > 0"),
        (["walk.mp4", "--lost-s", "0"], "metric", "give seconds > 0"),
        (["walk.mp4", "--conf", "2"], "metric", "conf is 2.0"),
        (["walk.mp4", "--format", "ply"], "metric", "annotated, jsonl, csv"),
        (["walk.mp4", "--max-frames", "0"], "metric", "max_frames"),
    ],
)
def test_wrong_use_is_one_line_and_exit_2(track, video, monkeypatch, args, kind, told):
    monkeypatch.chdir(video.parent)
    write_pictures(video.parent, "room.png")
    answer = track(*args, kind=kind)
    assert answer.code == 2, answer.err
    (line,) = answer.lines("howfar: error:")
    assert told in line


def test_a_damaged_video_fails_and_the_next_is_tracked(track, video, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    answer = track(tmp_path / "broken.mp4", video, "--json")
    assert answer.code == 1
    assert any("broken.mp4" in line for line in answer.lines("howfar: error:"))
    assert len(answer.records) == 30


@pytest.mark.slow
def test_ctrl_c_finishes_the_files(networks, tmp_path):
    """As a user presses it: the video plays, and rows and records are complete."""
    path = tmp_path / "long.mp4"
    with VideoWriter(path, 10) as writer:
        for i in range(3000):
            writer.write(two_colours(), i / 10)
    out = tmp_path / "out"
    code = (  # Ctrl-C is ignored where a shell started the tests in the background
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from howfar.cli import main; main()"
    )
    command = [sys.executable, "-c", code, "track", str(path), "--save-dir", str(out)]
    process = subprocess.Popen(
        [*command, *map(str, networks["metric"])],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ},
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err.splitlines()[-1] == "howfar: stopped; the files hold what was done"
    assert "passed over" not in err
    records = (out / "long.tracked.jsonl").read_text().splitlines()
    assert 0 < len(records) < 3000
    assert json.loads(records[-1])["time_s"] > 0
    with (out / "long.tracks.csv").open(newline="") as file:
        assert [row["label"] for row in csv.DictReader(file)] == ["person", "car"]
    import av

    with av.open(str(out / "long.tracked.mp4")) as played:
        assert sum(1 for _ in played.decode(video=0)) == len(records)


def test_frames_without_what_the_scale_needs_are_passed_over(track, video):
    answer = track(video, "--json", "--scale", "2m@chair")
    assert answer.code == 1
    assert answer.records == []
    assert any("such frames are passed over" in line for line in answer.lines("howfar: note:"))
    assert "30 passed over" in answer.err
    assert any("no frame could be worked on" in line for line in answer.lines("howfar: error:"))
