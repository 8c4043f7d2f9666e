"""Lists on stdout: columns on a terminal, a line a row where another program reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def print_list(
    columns: Sequence[str], rows: Iterable[Sequence[str]], whole: Sequence[str] = ()
) -> None:
    """Print rows under the names of their columns.

    Cells are folded at the width of a terminal, except in the columns `whole`; elsewhere no row is
    broken.
    """
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in whole)
    for row in rows:
        table.add_row(*row)
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        unbound = console.options.update(width=100_000)
        console.width = console.measure(table, options=unbound).maximum
    console.print(table)
