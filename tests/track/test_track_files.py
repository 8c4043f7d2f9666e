"""Records, tables and pictures of tracked frames."""

import csv
import json

import av
import jsonschema
import numpy as np
import pytest
from footage import follow, frame, thing

from howfar.core.depth import DepthKind
from howfar.errors import OutputError, UsageError
from howfar.track import Alerts, Tracker
from howfar.track.files import TrackFiles
from howfar.track.picture import annotated, speed_text, track_words
from howfar.track.records import TRACK_COLUMNS, track_record, track_schema

TENTHS = np.arange(0, 3, 0.1)


def approaching():
    """Somebody comes near, somebody is lost, a third has no distance."""
    for t in TENTHS:
        others = [thing(300, 6.0, label="car")] if t < 1 else []
        yield frame(t, thing(100, 4 - t), thing(500, None), *others)


def test_records_fit_their_schema():
    tracker, watch = Tracker(lost_s=3), Alerts(2.0)
    schema = track_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    records = []
    for result in approaching():
        tracked = tracker.update(result)
        records.append(json.loads(json.dumps(track_record(tracked, watch.update(tracked)))))
        validator.validate(records[-1])
    assert sum(len(one["alerts"]) for one in records) == 1
    assert [c["kind"] for one in records for c in one["changes"]] == ["new"] * 3 + ["lost"]
    last = records[-1]
    person = next(one for one in last["objects"] if one["track"]["id"] == 1)
    assert person["track"]["measured_m"] == pytest.approx(1.1)
    assert person["track"]["speed_m_s"] == pytest.approx(1.0, rel=0.15)
    assert person["track"]["contact_s"] > 0
    blind = next(one for one in last["objects"] if one["distance_m"] is None)
    assert blind["track"]["speed_m_s"] is None
    assert (last["lost"][0]["label"], last["lost"][0]["id"]) == ("car", 3)


def test_relative_records_fit_as_well():
    tracked = Tracker().update(
        frame(0.0, thing(100, None, relative_depth=1.2), kind=DepthKind.RELATIVE)
    )
    jsonschema.validate(track_record(tracked), track_schema())


def test_files_of_a_video(tmp_path):
    tracker = Tracker()
    files = TrackFiles(tmp_path / "out" / "walk", ["annotated", "jsonl", "csv"], fps=10)
    for result in approaching():
        tracked = tracker.update(result)
        files.add(tracked, track_record(tracked))
    files.end(tracker.close())
    files.close()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "walk.tracked.jsonl",
        "walk.tracked.mp4",
        "walk.tracks.csv",
    ]
    lines = (tmp_path / "out" / "walk.tracked.jsonl").read_text().splitlines()
    assert [json.loads(line)["time_s"] for line in lines] == pytest.approx(TENTHS)
    with (tmp_path / "out" / "walk.tracks.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == TRACK_COLUMNS
    assert {row["id"]: row["label"] for row in rows} == {"1": "person", "2": "person", "3": "car"}
    person = next(row for row in rows if row["id"] == "1")
    assert float(person["first_m"]) == 4.0
    assert float(person["nearest_m"]) == pytest.approx(1.1, abs=0.1)
    blind = next(row for row in rows if row["id"] == "2")
    assert (blind["first_m"], blind["nearest_m"], blind["fastest_m_s"]) == ("", "", "")
    with av.open(str(tmp_path / "out" / "walk.tracked.mp4")) as video:
        assert video.streams.video[0].codec_context.name == "h264"
        times = [one.time for one in video.decode(video=0)]
    assert times == pytest.approx(TENTHS, abs=0.002)


def test_no_format_writes_nothing(tmp_path):
    files = TrackFiles(tmp_path / "out" / "walk", [])
    tracked = Tracker().update(frame(0.0, thing(100)))
    files.add(tracked, track_record(tracked))
    files.close()
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_named(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="out"):
        TrackFiles(tmp_path / "out" / "walk", ["csv"])
    with pytest.raises(UsageError, match=r"ply.*annotated, jsonl, csv"):
        TrackFiles(tmp_path / "walk", ["ply"])


def test_the_picture_shows_the_objects_in_front():
    tracked = Tracker().update(frame(0.0, thing(32, 2.0, y=24, size=(30, 30))))
    before = tracked.result.image.pixels.copy()
    drawn = annotated(tracked, range_m=(1, 10))
    assert drawn.shape == before.shape
    assert (drawn != before).any()
    assert (tracked.result.image.pixels == before).all()
    nearer = Tracker().update(frame(0.0, thing(32, 1.0, y=24, size=(30, 30))))
    assert (annotated(nearer, range_m=(1, 10)) != drawn).any()


def test_words():
    found = follow(Tracker(), list(approaching()))
    by_id = {one.id: one for one in found[-1].tracks}
    words = track_words(by_id[1])
    assert words.startswith("person #1 1.1 m, 1.")
    assert "m/s nearer, contact" in words
    assert [track_words(one) for one in by_id.values() if one.measured_m is None] == ["person #2 ?"]
    still = follow(Tracker(), [frame(t, thing(100)) for t in TENTHS])[-1].tracks[0]
    assert speed_text(still) == ""
    away = follow(Tracker(), [frame(t, thing(100, 3 + 2 * t)) for t in TENTHS])[-1].tracks[0]
    assert speed_text(away).endswith("m/s away")
