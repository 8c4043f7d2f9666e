import math
from dataclasses import replace

import numpy as np
import pytest

from howfar.core.boxes import Box
from howfar.core.result import Object
from howfar.errors import UsageError
from howfar.metrics.disparity import (
    DisparitySums,
    disparity_px,
    disparity_sums,
    disparity_table,
    object_disparity_sums,
)
from howfar.metrics.intervals import (
    IntervalSums,
    WithinSums,
    interval_sums,
    object_interval_sums,
    within_sums,
)
from howfar.metrics.objects import (
    DistanceSums,
    ObjectRecord,
    TrueObject,
    distance_errors,
    distance_sums,
    distance_tables,
    match_objects,
    median_relative_error,
    range_bin,
)

NAN = float("nan")


def found(label, box, score, distance_m=None, interval_m=None):
    return Object(label, 0, score, Box(*box), distance_m, interval_m)


@pytest.fixture
def records():
    """200 objects: some undetected, some without predicted or true distance."""
    rng = np.random.default_rng(9)
    rows = []
    for i in range(200):
        truth = float(rng.uniform(2, 90))
        distance = truth * float(rng.lognormal(0.02, 0.15))
        record = ObjectRecord(
            frame=str(i // 5),
            label=["car", "person", "bicycle"][i % 3],
            truth_m=truth,
            occlusion=int(rng.integers(0, 3)),
            distance_m=distance,
            low_m=0.85 * distance,
            high_m=1.15 * distance,
            focal_px=700 + i,
            baseline_m=0.54,
        )
        if i % 11 == 0:
            record = replace(record, found=False, distance_m=NAN, low_m=NAN, high_m=NAN)
        elif i % 13 == 0:
            record = replace(record, distance_m=NAN, low_m=NAN, high_m=NAN)
        elif i % 17 == 0:
            record = replace(record, truth_m=NAN)
        rows.append(record)
    return rows


def test_errors_equal_a_plain_loop(records):
    pairs = [
        (r.distance_m, r.truth_m)
        for r in records
        if not math.isnan(r.distance_m) and not math.isnan(r.truth_m)
    ]
    n = len(pairs)
    expected = {
        "abs_rel": sum(abs(p - g) / g for p, g in pairs) / n,
        "bias_rel": sum((p - g) / g for p, g in pairs) / n,
        "mae": sum(abs(p - g) for p, g in pairs) / n,
        "bias": sum(p - g for p, g in pairs) / n,
        "rmse": math.sqrt(sum((p - g) ** 2 for p, g in pairs) / n),
        "median_rel": sorted(abs(p - g) / g for p, g in pairs)[n // 2],
    }
    row = distance_errors(records)
    assert n % 2 == 1
    assert {k: row[k] for k in expected} == pytest.approx(expected, rel=1e-9)
    sums = distance_sums(records)
    assert sums.objects == 200 == sums.unknown + sums.missed + sums.no_distance + sums.measured
    assert (sums.missed, sums.measured) == (19, n)


def test_parts_add_up(records):
    whole, part = distance_sums(records), np.random.default_rng(0).integers(0, 5, 200)
    shards = [[r for r, k in zip(records, part, strict=True) if k == s] for s in range(6)]
    total = sum(map(distance_sums, shards), DistanceSums())
    assert total.errors() == pytest.approx(whole.errors(), rel=1e-12)
    assert total.missed == whole.missed
    disparity = sum(map(object_disparity_sums, shards), DisparitySums())
    assert disparity.errors() == pytest.approx(object_disparity_sums(records).errors())
    interval = sum(map(object_interval_sums, shards), IntervalSums())
    assert interval.scores() == pytest.approx(object_interval_sums(records).scores())
    within = sum((within_sums(s, 30) for s in shards), WithinSums())
    assert within == within_sums(records, 30)


def test_tables_by_class_range_and_occlusion(records):
    tables = distance_tables(records, bins_m=(0, 5, 10, 20, 80))
    for name in ("class", "range", "occlusion"):
        assert sum(row["objects"] for row in tables[name].values()) == 200
    names = ["0-5 m", "5-10 m", "10-20 m", "20-80 m", ">=80 m", "unknown"]
    assert list(tables["range"]) == names
    assert list(tables["occlusion"]) == ["0", "1", "2"]
    cars = [r for r in records if r.label == "car"]
    assert tables["class"]["car"]["abs_rel"] == distance_sums(cars).errors()["abs_rel"]
    assert tables["all"]["all"]["objects"] == 200


def test_range_bins_are_half_open():
    assert [range_bin(d, (1, 5, 10)) for d in (0, 4.9, 5, 10)] == [
        *("<1 m", "1-5 m", "5-10 m", ">=10 m")
    ]
    with pytest.raises(UsageError, match="rising"):
        range_bin(1, (5, 5))


def test_no_objects_have_no_error():
    assert math.isnan(median_relative_error([]))
    assert math.isnan(distance_errors([])["rmse"])
    assert math.isnan(disparity_sums([], []).errors()["epe"])
    assert math.isnan(object_interval_sums([]).scores()["coverage"])
    assert math.isnan(within_sums([], 5).scores()["f1"])


def test_matching_a_picture():
    truths = [
        TrueObject("car", Box(0, 0, 100, 100), 10.0, 1),
        TrueObject("car", Box(200, 0, 300, 100), None, 0),
        TrueObject("person", Box(400, 0, 440, 100), 20.0, 2),
        TrueObject("DontCare", Box(500, 0, 600, 100), ignore=True),
    ]
    objects = [
        found("car", (5, 0, 100, 100), 0.9, 11.0, (10.0, 12.0)),
        found("car", (0, 0, 100, 100), 0.8, 50.0),
        found("car", (200, 0, 300, 100), 0.7, 8.0),
        found("car", (400, 0, 440, 100), 0.6, 20.0),
        found("car", (520, 10, 560, 60), 0.5, 30.0),
    ]
    frame = match_objects("f", objects, truths, focal_px=700, baseline_m=0.5)
    assert [r.found for r in frame.records] == [True, True, False]
    first = frame.records[0]
    assert (first.distance_m, first.low_m, first.occlusion) == (11.0, 10.0, 1)
    assert first.relative_error == pytest.approx(0.1)
    assert (first.score, first.focal_px) == (0.9, 700)
    assert [o.score for o in frame.spurious] == [0.8, 0.6]
    sums = distance_sums(frame.records)
    assert (sums.objects, sums.unknown, sums.missed, sums.measured) == (3, 1, 1, 1)
    anything = match_objects("f", objects, truths, same_class=False)
    assert [r.found for r in anything.records] == [True, True, True]
    assert match_objects("f", [], []).records == ()
    assert len(match_objects("f", objects, []).spurious) == 5


def test_disparity_errors_on_hand_made_numbers():
    sums = disparity_sums([10, 14, 30, NAN, 5, 108], [10, 10, 20, 7, NAN, 100])
    assert (sums.count, sums.missing) == (4, 1)
    errors = sums.errors()
    assert errors["epe"] == pytest.approx((0 + 4 + 10 + 8) / 4)
    assert (errors["over3_pct"], errors["over5_pct"], errors["d1_pct"]) == (75, 50, 75)
    assert disparity_sums([13, 15], [10, 10]).errors()["over3_pct"] == 50, "strict"
    assert disparity_sums([104], [100]).outliers == 0, "4 px are less than 5 %"
    assert disparity_px(10.0, 700, 0.5) == 35
    with pytest.raises(UsageError, match="above zero"):
        disparity_px(0.0, 700, 0.5)
    with pytest.raises(UsageError, match="fit together"):
        disparity_sums([1.0], [1.0, 2.0])


def test_table_ii_by_occlusion(records):
    table = disparity_table(records)
    assert list(table) == ["0", "1", "2"]
    errors = [
        abs(r.focal_px * r.baseline_m / r.distance_m - r.focal_px * r.baseline_m / r.truth_m)
        for r in records
        if r.occlusion == 1 and r.measured
    ]
    assert table["1"]["epe"] == pytest.approx(np.mean(errors), rel=1e-9)
    assert table["1"]["over3_pct"] == pytest.approx(100 * np.mean([e > 3 for e in errors]))
    with pytest.raises(UsageError, match="focal length"):
        object_disparity_sums([ObjectRecord("f", "car", 5.0, distance_m=5.0)])


def test_interval_scores_on_hand_made_numbers():
    sums = interval_sums([1, 1, 1, NAN, 1], [3, 3, 3, 3, 3], [2, 3, 5, 2, NAN], level=0.8)
    assert (sums.count, sums.missing, sums.covered, sums.above) == (3, 1, 2, 1)
    scores = sums.scores()
    assert scores["coverage"] == pytest.approx(2 / 3)
    assert scores["width"] == 2
    assert scores["winkler"] == pytest.approx((2 + 2 + 2 + 2 / 0.2 * 2) / 3)
    assert interval_sums([1], [3], [0.5], 0.5).winkler == pytest.approx(2 + 4 * 0.5)
    with pytest.raises(UsageError, match="low end"):
        interval_sums([3], [1], [2])
    with pytest.raises(UsageError, match="level"):
        interval_sums([1], [3], [2], level=80)


def test_winkler_prefers_the_true_quantiles():
    truth = np.random.default_rng(0).normal(10, 1, 20_000)

    def score(half):
        return interval_sums(np.full(20_000, 10 - half), np.full(20_000, 10 + half), truth).winkler

    assert score(1.2816) < min(score(1.0), score(1.6))


def test_within_on_hand_made_numbers():
    rows = [(3, 4), (6, 4), (4, 6), (8, 9), (NAN, 2), (NAN, 7), (5, 5), (1, NAN)]
    records = [ObjectRecord("f", "car", float(g), distance_m=float(p)) for p, g in rows]
    sums = within_sums(records, 5)
    assert (sums.true_yes, sums.false_no, sums.false_yes, sums.true_no) == (2, 2, 1, 2)
    assert (sums.unanswered_near, sums.unanswered_far) == (1, 1)
    ghosts = within_sums(records, 5, [4.0, 40.0, NAN])
    assert (ghosts.false_yes, ghosts.spurious) == (2, 1)
    scores = ghosts.scores()
    assert scores == pytest.approx({"precision": 0.5, "recall": 0.5, "f1": 0.5})
    with pytest.raises(UsageError, match="positive"):
        within_sums(records, 0)


def test_perfect_distances(records):
    perfect = [
        replace(r, distance_m=r.truth_m, low_m=r.truth_m, high_m=r.truth_m)
        for r in records
        if r.measured
    ]
    assert set(distance_sums(perfect).errors().values()) == {0}
    assert set(object_disparity_sums(perfect).errors().values()) == {0}
    assert object_interval_sums(perfect).scores()["coverage"] == 1
    assert set(within_sums(perfect, 30).scores().values()) == {1}


def test_other_names_on_a_true_object_count_neither_way():
    van = TrueObject("car", Box(0, 0, 100, 100), 10.0, also=("truck", "bus"))
    there, elsewhere = (0, 0, 100, 90), (300, 0, 400, 100)
    seen = [found("truck", there, 0.9, 9.0), found("truck", elsewhere, 0.8, 9.0)]
    seen.append(found("person", there, 0.7, 9.0))
    matched = match_objects("a", seen, [van])
    assert not matched.records[0].found
    assert [(o.label, o.box.x1) for o in matched.spurious] == [("truck", 300), ("person", 0)]
