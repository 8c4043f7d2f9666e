"""Where an evaluation goes: to the terminal, to JSON, and into a folder."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from howfar.evaluate.compare import Difference, difference_table, differences
from howfar.evaluate.frames import Tick
from howfar.evaluate.report import (
    Report,
    all_tables,
    dumps,
    main_table,
    markdown,
    protocol_table,
    run_table,
    to_dict,
)
from howfar.evaluate.run import Evaluation
from howfar.evaluate.tables import Table, print_tables


class Output:
    """An evaluation and the ways to show it.

    Args:
        found: the evaluation.
        command: the command line that made it, for the reports.
    """

    def __init__(self, found: Evaluation, command: str = "") -> None:
        self.found, self.command = found, command
        self.reports: list[Report] = found.reports(command)

    @cached_property
    def differences(self) -> list[Difference]:
        """Of the second and later systems to the first."""
        return differences(self.found.judges) if len(self.reports) > 1 else []

    def tables(self) -> list[Table]:
        """What is printed: everything about one system, or the comparison of several."""
        if len(self.reports) == 1:
            return all_tables(self.reports[0])
        return [
            protocol_table(self.reports),
            main_table(self.reports),
            difference_table(self.differences),
            run_table(self.reports),
        ]

    def print(self) -> None:
        """The tables on stdout."""
        print_tables(self.tables())

    def record(self) -> dict[str, Any]:
        """For JSON: the report, or `{variants, differences}` of a comparison."""
        if len(self.reports) == 1:
            return to_dict(self.reports[0])
        return {
            "command": self.command,
            "variants": [to_dict(report) for report in self.reports],
            "differences": [item.to_dict() for item in self.differences],
        }

    def json(self) -> str:
        """JSON text."""
        return dumps(self.record())

    def save(self, folder: Path, worst: int = 6, tick: Tick | None = None) -> list[Path]:
        """Write `report.json`, `report.md`, the plots and the worst cases; returns the pictures."""
        from howfar.evaluate.gallery import save_gallery
        from howfar.evaluate.plots import save_plots
        from howfar.io.sinks import make_folder

        make_folder(folder)
        pictures = save_plots(self.found, folder)
        pictures |= save_gallery(self.found, folder, worst, tick)
        text = markdown(self.reports[0], self.tables(), pictures)
        (folder / "report.md").write_text(text, encoding="utf-8")
        (folder / "report.json").write_text(self.json() + "\n", encoding="utf-8")
        return [folder / name for name in pictures.values()]
