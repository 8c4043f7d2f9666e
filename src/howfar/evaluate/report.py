"""What an evaluation found: tables for people, JSON with the field's short names."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from howfar import __version__
from howfar.core.result import ModelUse
from howfar.evaluate.frames import Left, Tally
from howfar.evaluate.tables import Cell, Table, plain, to_markdown
from howfar.metrics.published import Published
from howfar.metrics.sums import ratio

LISTED = 20
"""Frames that failed or have no truth and are named in print; the JSON names all."""


@dataclass(frozen=True)
class Report:
    """The result of one system on one data set.

    Attributes:
        task: `depth`, `detection`, `objects` or `segmentation`.
        system: what was measured.
        protocol: how, in words.
        scores: short name -> value, NaN where there is none.
        headline: the scores that are printed.
        counts: pixels, objects and the like.
        tables: name -> a breakdown of the scores.
        published: what others printed under the same protocol.
        models: the networks that ran.
        tally: what became of the pictures.
        notes: what a reader should know, in whole sentences.
    """

    task: str
    system: str
    protocol: Mapping[str, str]
    scores: Mapping[str, float]
    headline: tuple[str, ...]
    counts: Mapping[str, int]
    tables: Mapping[str, Table]
    published: tuple[Published, ...]
    models: tuple[ModelUse, ...]
    tally: Tally
    system_s: float = 0.0
    notes: tuple[str, ...] = ()
    command: str = ""

    @property
    def ms_per_frame(self) -> float:
        """Milliseconds that the system took for a picture, without reading it."""
        return 1e3 * ratio(self.system_s, self.tally.frames + len(self.tally.failed))


def all_tables(report: Report) -> list[Table]:
    """Everything that is printed about one system, in order."""
    first, last = protocol_table([report]), run_table([report])
    return [first, main_table([report]), *report.tables.values(), last]


def main_table(reports: Iterable[Report]) -> Table:
    """Our rows, and below them the published ones."""
    ours = list(reports)
    first = ours[0]
    names = list(first.headline)
    names += [
        n for row in first.published for n in row.scores if n not in names and n in first.scores
    ]
    rows: list[tuple[str, Mapping[str, Cell]]] = [
        (report.system, plain(report.scores, names) | {"ms": report.ms_per_frame})
        for report in ours
    ]
    rows += [(f"{row.method} (as published)", plain(row.scores, names)) for row in first.published]
    sources: dict[str, list[str]] = {}
    for row in first.published:
        told = f"{row.source} ({row.note})" if row.note else row.source
        sources.setdefault(told, []).append(row.method)
    notes = [f"{', '.join(methods)}: {told}." for told, methods in sources.items()]
    measured = f"measured here on {first.tally.frames:,} frames of {first.tally.data}"
    note = f"As published: {' '.join(notes)}" if notes else ""
    return Table(f"{first.task}, {measured}", tuple(rows), (*names, "ms"), "method", note)


def protocol_table(reports: Sequence[Report]) -> Table:
    """How it was measured: what is the same for all reports."""
    first, *others = reports
    rows = {
        name: {"": text}
        for name, text in first.protocol.items()
        if all(other.protocol.get(name) == text for other in others)
    }
    return Table("how it was measured", tuple(rows.items()), ("",))


def run_table(reports: Sequence[Report]) -> Table:
    """Frames, networks and time."""
    first = reports[0]
    tally, alone = first.tally, len(reports) == 1
    counts = {**tally.counts(), **(first.counts if alone else {})}
    rows: list[tuple[str, Mapping[str, Cell]]] = [(n, {"": v}) for n, v in counts.items()]
    models = dict.fromkeys(model for report in reports for model in report.models)
    rows += [
        (m.role, {"": f"{m.name}, {m.runtime}, {m.precision}, {m.threads} threads"}) for m in models
    ]
    times = f"{tally.total_s:.1f} s"
    if alone:
        rest = max(tally.total_s - tally.read_s - tally.system_s, 0)
        times += f": reading {tally.read_s:.1f}, networks {tally.system_s:.1f}, the rest {rest:.1f}"
    rows.append(("time", {"": times}))
    left = [("failed", item) for item in tally.failed]
    left += [("without truth", item) for item in tally.without_truth]
    left += [("absent", Left(name, "named by a list, not in this copy")) for name in tally.absent]
    rows += [(f"{kind}: {item.frame}", {"": item.reason}) for kind, item in left[:LISTED]]
    if len(left) > LISTED:
        rows.append((f"... {len(left) - LISTED} more", {"": "the JSON names them all"}))
    notes = dict.fromkeys(note for report in reports for note in report.notes)
    return Table("what ran", tuple(rows), ("",), "", " ".join(notes))


def to_dict(report: Report) -> dict[str, Any]:
    """For JSON; what has no value is null."""
    tally = report.tally
    record = {
        "howfar": __version__,
        "task": report.task,
        "system": report.system,
        "data": tally.data,
        "command": report.command,
        "protocol": dict(report.protocol),
        "scores": dict(report.scores),
        "counts": {**tally.counts(), **report.counts},
        "tables": {
            name: {row: dict(cells) for row, cells in table.rows}
            for name, table in report.tables.items()
        },
        "published": [asdict(row) for row in report.published],
        "models": [asdict(model) for model in report.models],
        "failed": [item._asdict() for item in tally.failed],
        "without_truth": [item._asdict() for item in tally.without_truth],
        "absent": list(tally.absent),
        "notes": list(report.notes),
        "time_s": {
            "total": tally.total_s,
            "read": tally.read_s,
            "system": report.system_s,
        },
    }
    found: dict[str, Any] = _without_nan(record)
    return found


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict | Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def dumps(record: Any) -> str:
    """JSON text of reports; NaN becomes null."""
    return json.dumps(_without_nan(record), indent=1)


def markdown(
    report: Report, tables: Iterable[Table], pictures: Mapping[str, str] | None = None
) -> str:
    """The tables of a report as Markdown, and links to its pictures (title -> file)."""
    title = f"# {report.task}: {report.tally.data}\n"
    command = f"\n```sh\n{report.command}\n```\n" if report.command else ""
    body = "\n".join(map(to_markdown, tables))
    links = [f"\n## {name}\n\n![{name}]({file})\n" for name, file in (pictures or {}).items()]
    return f"{title}{command}\n{body}{''.join(links)}"
