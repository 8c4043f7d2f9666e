"""Breakdowns of the errors of object distances."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from howfar.evaluate.tables import Cell, Table, table_of
from howfar.metrics.disparity import disparity_table, object_disparity_sums
from howfar.metrics.intervals import object_interval_sums, within_sums
from howfar.metrics.objects import (
    ObjectRecord,
    distance_errors,
    distance_tables,
    group_records,
    range_bin,
)
from howfar.metrics.published import published_rows
from howfar.metrics.truth import CENTER

__all__ = ["CENTER", "COUNTS"]

COUNTS = ("objects", "measured", "missed", "no_distance", "unknown")
COLUMNS = (*COUNTS, "abs_rel", "median_rel", "bias_rel", "mae", "bias", "rmse")
OCCLUSION = {"0": "0 visible", "1": "1 partly hidden", "2": "2 largely hidden", "3": "3 unknown"}
LEVEL = 0.8
"""Level that intervals are held against."""
STEREO = ("epe", "over3_pct", "over5_pct")


def breakdowns(records: Sequence[ObjectRecord], bins_m: Sequence[float]) -> dict[str, Table]:
    """Errors by class, range and occlusion."""
    found = distance_tables(records, bins_m)
    occlusion = {OCCLUSION.get(level, level): row for level, row in found["occlusion"].items()}
    titles = {"class": found["class"], "range": found["range"], "occlusion": occlusion}
    return {
        name: Table(f"by {name}", tuple(rows.items()), COLUMNS, name)
        for name, rows in titles.items()
    }


def truth_table(records: Mapping[str, Sequence[ObjectRecord]]) -> Table:
    """One row a kind of truth; beside the box centres, what a perfect lidar would score there."""
    rows: dict[str, Mapping[str, Cell]] = {
        kind: distance_errors(rows) for kind, rows in records.items()
    }
    first = next(iter(records), CENTER)
    if first != CENTER and CENTER in records:
        perfect = [
            replace(centre, distance_m=near.truth_m, found=True, low_m=math.nan, high_m=math.nan)
            for centre, near in zip(records[CENTER], records[first], strict=True)
        ]
        rows[f"{CENTER}, of a perfect {first}"] = distance_errors(perfect)
    note = f"The {CENTER} lies behind the visible surface." if CENTER in records else ""
    return Table("by kind of truth", tuple(rows.items()), COLUMNS, "truth", note)


def interval_scores(records: Sequence[ObjectRecord]) -> dict[str, float]:
    """`coverage`, `winkler`, `width` and `relative_width` of all intervals."""
    scores = object_interval_sums(records, LEVEL).scores()
    return {name: scores[name] for name in ("coverage", "width", "relative_width", "winkler")}


def interval_table(records: Sequence[ObjectRecord], bins_m: Sequence[float]) -> Table:
    """Do the intervals hold the truth, by range."""
    groups = {"all": list(records)} | group_records(
        sorted(records, key=lambda r: r.truth_m), lambda r: range_bin(r.truth_m, bins_m)
    )
    rows = {}
    for name, group in groups.items():
        sums = object_interval_sums(group, LEVEL)
        if sums.count:
            rows[name] = {"count": sums.count, **sums.scores()}
    note = f"Intervals of level {LEVEL:.0%} should cover {LEVEL:.0%}. Winkler: less is better."
    return table_of("intervals", rows, "range", note)


def within_table(
    records: Sequence[ObjectRecord], limits_m: Sequence[float], spurious_m: Sequence[float]
) -> Table:
    """Precision and recall of the question "is it within X metres?"."""
    rows: dict[str, dict[str, Cell]] = {}
    for limit in limits_m:
        sums = within_sums(records, limit, spurious_m)
        rows[f"{limit:g} m"] = {
            **sums.scores(),
            "true_yes": sums.true_yes,
            "false_yes": sums.false_yes,
            "false_no": sums.false_no,
            "true_no": sums.true_no,
            "spurious": sums.spurious,
        }
    note = "An object that is missed or has no distance is answered no; spurious are false yes."
    return table_of("is it within X metres?", rows, "within", note)


def stereo_scores(records: Sequence[ObjectRecord]) -> dict[str, float]:
    """`epe`, `over3_pct`, `over5_pct` and `d1_pct`, where camera and baseline are known."""
    return object_disparity_sums(records).errors() if _has_stereo(records) else {}


def stereo_tables(system: str, records: Sequence[ObjectRecord]) -> dict[str, Table]:
    """Errors as disparities by occlusion, and Table II of source 000 with our row on top."""
    if not _has_stereo(records):
        return {}
    ours = disparity_table(records)
    levels = ("0", "1", "2")
    methods: dict[str, dict[str, Cell]] = {system: {}}
    for level in levels:
        methods[system] |= _cells(level, ours.get(level, {}))
        for row in published_rows(f"kitti-occlusion-{level}"):
            name = f"{row.method} (as published)"
            methods.setdefault(name, {}).update(_cells(level, row.scores))
    columns = tuple(f"occ{level} {name}" for level in levels for name in STEREO)
    note = (
        "Published: source 000 Table II, from Zhou et al.; stereo methods but Monodepth, on a "
        "split of KITTI that is not known. Ours are on the frames above."
    )
    title = "errors as stereo disparities in px and % of objects, by occlusion"
    return {
        "disparity": table_of("disparities by occlusion", ours, "occlusion"),
        "table_II": Table(title, tuple(methods.items()), columns, "method", note),
    }


def _cells(level: str, scores: Mapping[str, float]) -> dict[str, Cell]:
    return {f"occ{level} {name}": scores[name] for name in STEREO if name in scores}


def _has_stereo(records: Sequence[ObjectRecord]) -> bool:
    known = [r for r in records if math.isfinite(r.truth_m)]
    return bool(known) and all(r.focal_px > 0 and r.baseline_m > 0 for r in known)
