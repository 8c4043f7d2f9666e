"""Tables of numbers, as text for a terminal and as Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table as Grid

Cell = float | int | str | None
Row = tuple[str, Mapping[str, Cell]]

UNITS: dict[str, str] = {
    **dict.fromkeys(("rmse", "mae", "bias", "sq_rel", "width", "winkler"), "m"),
    **dict.fromkeys(("imae", "irmse"), "1/km"),
    "epe": "px",
    "time_s": "s",
    **dict.fromkeys(("over3_pct", "over5_pct", "d1_pct", "sq_rel_kitti"), "%"),
}
"""Units of columns whose names do not say them."""
_STEREO = {"over3_pct": ">3px", "over5_pct": ">5px", "d1_pct": "D1"}
SHORT = _STEREO | {
    f"occ{level} {name}": f"occ{level} {_STEREO.get(name, name)}"
    for level in (0, 1, 2)
    for name in ("epe", *_STEREO)
}
"""Heads of columns in print, where they differ from the names in JSON."""
QUIET = ("no_distance", "unknown", "missing", "only one has")
"""Counts that are printed only where they are not zero."""


@dataclass(frozen=True)
class Table:
    """Rows of named numbers.

    Attributes:
        title: above the table.
        rows: name of the row and its cells by column.
        columns: in their order; those that no row fills are left out.
        first: head of the column of names.
        note: a line below.
    """

    title: str
    rows: tuple[Row, ...]
    columns: tuple[str, ...]
    first: str = ""
    note: str = ""

    def filled(self) -> tuple[str, ...]:
        """Columns that say something: some row has a value, or a count above zero."""
        return tuple(name for name in self.columns if self._says(name))

    def _says(self, column: str) -> bool:
        values = [cells.get(column) for _, cells in self.rows]
        if column in QUIET:
            return any(values)
        return any(value is not None for value in values)


def table_of(
    title: str, rows: Mapping[str, Mapping[str, Cell]], first: str = "", note: str = ""
) -> Table:
    """A table of rows that all name their columns; the first row gives their order."""
    columns = dict.fromkeys(column for cells in rows.values() for column in cells)
    return Table(title, tuple(rows.items()), tuple(columns), first, note)


def cell_text(value: Cell) -> str:
    """Four digits of a number, `-` for what has no value."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return f"{value:,}"
    if not math.isfinite(value):
        return "-"
    size = abs(value)
    return f"{value:.3f}" if size < 10 else f"{value:.2f}" if size < 100 else f"{value:,.1f}"


def head(column: str) -> str:
    """A column's name with its unit."""
    name = SHORT.get(column, column)
    unit = UNITS.get(column.split(" ")[-1])
    return f"{name} [{unit}]" if unit else name


def to_markdown(table: Table) -> str:
    """The table as GitHub's Markdown, with its title in bold."""
    columns = table.filled()
    lines = [f"**{table.title}**", ""]
    lines.append("| " + " | ".join([table.first, *map(head, columns)]) + " |")
    lines.append("|---" + "|---:" * len(columns) + "|")
    for name, cells in table.rows:
        texts = [name, *(cell_text(cells.get(column)) for column in columns)]
        lines.append("| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |")
    if table.note:
        lines += ["", table.note]
    return "\n".join(lines) + "\n"


def print_tables(tables: Iterable[Table], width: int | None = None) -> None:
    """Print tables on stdout. Text wraps; numbers never do, whatever the width of the terminal."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False, width=width)
    wide = max(console.width, 100) if not console.is_terminal else console.width
    for table in tables:
        grid = _grid(table)
        options = console.options.update(width=1000)
        console.width = max(
            wide, 0 if _has_text(table) else console.measure(grid, options=options).maximum
        )
        console.print(grid)
        console.width = wide
        console.print(f"{table.note}\n" if table.note else "")


def _has_text(table: Table) -> bool:
    """Whether the only column holds sentences, which may wrap."""
    return table.columns == ("",)


def _grid(table: Table) -> Grid:
    from rich.table import Table as Grid

    columns = table.filled()
    grid = Grid(title=table.title, title_justify="left", title_style="bold", box=None)
    grid.pad_edge = False
    grid.show_header = any(columns)
    named = max((len(name) for name, _ in table.rows), default=0)
    grid.add_column(table.first, overflow="fold", min_width=min(named, 26), max_width=44)
    for column in columns:
        texts = any(isinstance(cells.get(column), str) for _, cells in table.rows)
        title = head(column).replace(" [", "\n[").replace("occ0 ", "occ0\n")
        title = title.replace("occ1 ", "occ1\n").replace("occ2 ", "occ2\n")
        grid.add_column(
            title,
            justify="left" if texts else "right",
            no_wrap=bool(column),
            overflow="fold",
        )
    for name, cells in table.rows:
        grid.add_row(name, *(cell_text(cells.get(column)) for column in columns))
    return grid


def plain(values: Mapping[str, float], names: Sequence[str]) -> dict[str, Cell]:
    """Some of the values, in the order of `names`; those that are missing are left out."""
    return {name: values[name] for name in names if name in values}
