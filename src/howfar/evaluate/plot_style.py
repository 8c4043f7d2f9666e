"""How the plots look."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from howfar.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

Draw = Callable[[Any], None]
"""Draws on axes."""
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's, which colour-blind readers can tell apart."""
GREY = "#8a8a8a"
SIZE_IN = (6.4, 4.0)
DPI = 150


def check_matplotlib() -> None:
    """Raises `UsageError` where matplotlib is not installed; to be asked before a long run."""
    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError("plots need matplotlib; run: pip install 'howfar[eval]'")


@contextmanager
def figure(path: Path) -> Iterator[Any]:
    """Axes that are written to `path`; without a window, and without a global state."""
    check_matplotlib()
    figures = importlib.import_module("matplotlib.figure")
    sheet = figures.Figure(figsize=SIZE_IN, dpi=DPI, layout="constrained")
    axes = sheet.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    yield axes
    sheet.savefig(path)


def legend(axes: Any, **how: Any) -> None:
    if len(axes.get_legend_handles_labels()[0]) > 1:
        axes.legend(frameon=False, fontsize=8, **how)
