"""Plots of the errors of object distances."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from howfar.evaluate.object_tables import LEVEL, OCCLUSION
from howfar.evaluate.objects import ObjectJudge
from howfar.evaluate.plot_style import COLOURS, GREY, Draw, legend
from howfar.metrics.objects import ObjectRecord, group_records, range_bin
from howfar.metrics.sums import Float64Array

SHOWN_ERROR = 0.6
"""Relative errors above are drawn at the edge of the plot."""


def object_plots(judges: Sequence[ObjectJudge]) -> dict[str, tuple[str, Draw]]:
    bins = judges[0].rules.bins_m

    def by_range(axes: Any) -> None:
        _boxes(axes, judges, lambda r: range_bin(r.truth_m, bins), "true distance")

    def by_occlusion(axes: Any) -> None:
        _boxes(axes, judges, lambda r: OCCLUSION[str(r.occlusion)], "occlusion")

    plots: dict[str, tuple[str, Draw]] = {
        "relative error of distances by range": ("error_by_range.png", by_range),
        "relative error of distances by occlusion": ("error_by_occlusion.png", by_occlusion),
        "predicted against true distance": (
            "distances.png",
            lambda axes: _scatter(axes, judges),
        ),
    }
    if any(math.isfinite(r.low_m) for judge in judges for r in judge.records()):
        title = "do the intervals hold the truth, and how much wider would they have to be"
        plots[title] = ("intervals.png", lambda axes: _calibration(axes, judges))
    return plots


def _boxes(
    axes: Any, judges: Sequence[ObjectJudge], key: Callable[[ObjectRecord], str], label: str
) -> None:
    """Median, quartiles and all single errors of each group."""
    groups = [
        group_records(
            sorted((r for r in judge.records() if r.measured), key=lambda r: r.truth_m), key
        )
        for judge in judges
    ]
    names = list(dict.fromkeys(name for found in groups for name in found))
    if label == "occlusion":
        names.sort()
    width = 0.8 / len(judges)
    rng = np.random.default_rng(0)
    for k, (found, judge) in enumerate(zip(groups, judges, strict=True)):
        colour = COLOURS[k % 7]
        for place, name in enumerate(names):
            errors = [r.relative_error for r in found.get(name, [])]
            if not errors:
                continue
            at = place + (k - (len(judges) - 1) / 2) * width
            low, middle, high = np.percentile(errors, [25, 50, 75])
            axes.bar(at, high - low, width * 0.7, low, color=colour, alpha=0.3)
            axes.hlines(middle, at - width * 0.35, at + width * 0.35, color=colour, linewidth=2.5)
            spread = at + rng.uniform(-0.2, 0.2, len(errors)) * width
            axes.plot(spread, np.minimum(errors, SHOWN_ERROR), ".", color=colour, markersize=3.5)
        axes.plot([], [], "s", color=colour, label=judge.system.name)
    counts = [len(groups[0].get(name, [])) for name in names]
    axes.set_xticks(range(len(names)), [f"{n}\nn={c}" for n, c in zip(names, counts, strict=True)])
    axes.tick_params("x", labelsize=8)
    axes.set(xlabel=label, ylabel="|predicted - true| / true", ylim=(0, SHOWN_ERROR * 1.02))
    axes.grid(axis="x", visible=False)
    if len(judges) > 1:
        axes.legend(frameon=False, fontsize=8)
    note = f"line: median, bar: quartiles, dots above {SHOWN_ERROR:.0%} drawn at the top"
    axes.text(1, 1.01, note, transform=axes.transAxes, ha="right", fontsize=6.5, color="#666666")


def _scatter(axes: Any, judges: Sequence[ObjectJudge]) -> None:
    most = 1.0
    for k, judge in enumerate(judges):
        records = [r for r in judge.records() if r.measured]
        p, g = [r.distance_m for r in records], [r.truth_m for r in records]
        most = max([most, *p, *g])
        axes.plot(g, p, "o", markersize=4, alpha=0.7, color=COLOURS[k % 7], label=judge.system.name)
    ends = np.array([0, most * 1.05])
    axes.plot(ends, ends, color=GREY, linewidth=1)
    axes.fill_between(ends, ends * 0.9, ends * 1.1, color=GREY, alpha=0.15, linewidth=0)
    axes.text(ends[1], ends[1] * 0.99, "±10 % ", ha="right", va="top", fontsize=8, color="#555555")
    axes.set(xlabel="true distance in metres", ylabel="predicted, metres", xlim=ends, ylim=ends)
    legend(axes, loc="upper left")


def coverage_by_widening(records: Sequence[ObjectRecord], factors: Float64Array) -> Float64Array:
    """Share of true distances (F,) inside the intervals when both their ends move away from the
    distance by each factor."""
    rows = [r for r in records if r.measured and math.isfinite(r.low_m)]
    if not rows:
        return np.full(factors.shape, math.nan)
    low, high, p, g = np.array([(r.low_m, r.high_m, r.distance_m, r.truth_m) for r in rows]).T
    ends = p[None] - factors[:, None] * (p - low), p[None] + factors[:, None] * (high - p)
    return np.asarray(((g >= ends[0]) & (g <= ends[1])).mean(axis=1))


def _calibration(axes: Any, judges: Sequence[ObjectJudge]) -> None:
    factors = np.geomspace(0.1, 20, 200)
    for k, judge in enumerate(judges):
        share = coverage_by_widening(judge.records(), factors)
        own = coverage_by_widening(judge.records(), np.ones(1))[0]
        name = f"{judge.system.name}: {own:.0%} covered"
        axes.plot(factors, share, color=COLOURS[k % 7], label=name)
        axes.plot([1], [own], "o", color=COLOURS[k % 7])
    axes.axhline(LEVEL, color=GREY, linewidth=1, linestyle="--")
    axes.axvline(1, color=GREY, linewidth=1)
    axes.text(0.11, LEVEL + 0.01, f"level {LEVEL:.0%}", fontsize=8, color="#555555")
    axes.set_xscale("log")
    ticks = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set(xlabel="intervals widened by this factor", ylabel="share that holds the truth")
    axes.set(xlim=(0.1, 20), ylim=(0, 1.02))
    axes.legend(frameon=False, fontsize=8, loc="lower right")
