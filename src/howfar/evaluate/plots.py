"""Plots of an evaluation, as PNG files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from howfar.evaluate.depth import DepthJudge
from howfar.evaluate.depth_bins import LOG2_RATIOS, RANGE_EDGES_M
from howfar.evaluate.detection import DetectionJudge, by_confidence
from howfar.evaluate.objects import ObjectJudge
from howfar.evaluate.plot_objects import object_plots
from howfar.evaluate.plot_style import COLOURS, GREY, Draw, figure, legend
from howfar.metrics.coco import COCO_NAMES
from howfar.metrics.detection import Judged
from howfar.metrics.published import published_rows
from howfar.metrics.sums import Float64Array, ratio

if TYPE_CHECKING:
    from howfar.evaluate.run import Evaluation


def save_plots(found: Evaluation, folder: Path) -> dict[str, str]:
    """Draw what the task calls for; returns {title: file name}."""
    first = found.judges[0]
    if isinstance(first, DetectionJudge):
        return _save(folder, _detection_plots(_only(found, DetectionJudge)))
    if isinstance(first, DepthJudge):
        return _save(folder, _depth_plots(_only(found, DepthJudge)))
    if isinstance(first, ObjectJudge):
        return _save(folder, object_plots(_only(found, ObjectJudge)))
    return {}


def _only(found: Evaluation, kind: type[Any]) -> list[Any]:
    return [judge for judge in found.judges if isinstance(judge, kind)]


def _save(folder: Path, plots: Mapping[str, tuple[str, Draw]]) -> dict[str, str]:
    saved = {}
    for title, (name, draw) in plots.items():
        with figure(folder / name) as axes:
            draw(axes)
            axes.set_title(title, loc="left", fontsize=10)
        saved[title] = name
    return saved


# --- detection ----------------------------------------------------------------------------------


def _detection_plots(judges: Sequence[DetectionJudge]) -> dict[str, tuple[str, Draw]]:
    plots: dict[str, tuple[str, Draw]] = {
        "precision and recall, IoU .5, all classes together": (
            "precision_recall.png",
            lambda axes: _precision_recall(axes, judges),
        ),
        "the twelve COCO numbers": ("coco.png", lambda axes: _twelve(axes, judges)),
    }
    for number, judge in enumerate(judges):
        name = "confidence.png" if len(judges) == 1 else f"confidence_{number + 1}.png"
        title = f"by least score: {judge.system.name}"
        plots[title] = (name, lambda axes, judge=judge: _confidence(axes, judge))  # type: ignore[misc]
    return plots


def precision_recall(judged: Judged) -> tuple[Float64Array, Float64Array]:
    """Recall and precision after each detection, best score first, all classes together."""
    state = judged.ranked()[1]
    right = np.cumsum(state)
    truths = sum(judged.truths.values())
    return right / max(truths, 1), right / np.arange(1, len(right) + 1)


def _precision_recall(axes: Any, judges: Sequence[DetectionJudge]) -> None:
    for judge, colour in zip(judges, COLOURS * len(judges), strict=False):
        recall, precision = precision_recall(judge.judged("at50"))
        axes.plot(recall, precision, color=colour, label=judge.system.name)
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    legend(axes)


def _confidence(axes: Any, judge: DetectionJudge) -> None:
    curve = by_confidence(judge.judged("at50"), judge.judged("at75"))
    names = ("precision", "recall", "mAP50", "mAP75")
    for name, colour, style in zip(names, COLOURS, ("-", "-", "--", "--"), strict=False):
        axes.plot(curve["conf"], curve[name], style, color=colour, label=name)
    axes.set(xlabel="least score", xlim=(0, 1), ylim=(0, 1.02))
    legend(axes, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _twelve(axes: Any, judges: Sequence[DetectionJudge]) -> None:
    """Source 000's figure 16, with the published YOLOv5x beside ours."""
    rows = [(j.system.name, j.coco().overall, c) for j, c in zip(judges, COLOURS, strict=False)]
    others = published_rows("coco-val2017-12") if _on_coco(judges) else ()
    rows += [(f"{row.method} (as published)", dict(row.scores), GREY) for row in others]
    places, width = np.arange(len(COCO_NAMES)), 0.8 / len(rows)
    for i, (name, scores, colour) in enumerate(rows):
        values = np.array([scores.get(n, math.nan) for n in COCO_NAMES])
        at = places + (i - (len(rows) - 1) / 2) * width
        bars = axes.bar(at, np.nan_to_num(values), width * 0.92, color=colour, label=name)
        if len(rows) <= 2:
            texts = [f"{v:.2f}".lstrip("0") if np.isfinite(v) else "-" for v in values]
            axes.bar_label(bars, texts, fontsize=6, padding=1)
    axes.set_xticks(places, COCO_NAMES, fontsize=8)
    axes.set_ylim(0, 1)
    axes.grid(axis="x", visible=False)
    legend(axes, loc="upper left", ncols=2)


def _on_coco(judges: Sequence[DetectionJudge]) -> bool:
    return judges[0].dataset.name.startswith("coco:")


# --- depth --------------------------------------------------------------------------------------


def _depth_plots(judges: Sequence[DepthJudge]) -> dict[str, tuple[str, Draw]]:
    known = [judge for judge in judges if judge.bins is not None]
    if not known:
        return {}
    return {
        "relative error by true depth, all pixels together": (
            "error_by_range.png",
            lambda axes: _depth_by_range(axes, known),
        ),
        "predicted / true depth of all pixels": (
            "ratio_histogram.png",
            lambda axes: _ratios(axes, known),
        ),
    }


def _depth_by_range(axes: Any, judges: Sequence[DepthJudge]) -> None:
    bins = [judge.bins for judge in judges if judge.bins is not None]
    used = [i for i in range(len(RANGE_EDGES_M)) if bins[0].pixels[i]]
    width = 0.8 / len(bins)
    for k, (found, judge) in enumerate(zip(bins, judges, strict=True)):
        values = [ratio(found.relative[i], found.pixels[i]) for i in used]
        at = np.arange(len(used)) + (k - (len(bins) - 1) / 2) * width
        axes.bar(at, values, width * 0.92, color=COLOURS[k % 7], label=judge.system.name)
    shares = [bins[0].pixels[i] / bins[0].pixels.sum() for i in used]
    names = [f"{_edges(i)}\n{share:.0%}" for i, share in zip(used, shares, strict=True)]
    axes.set_xticks(range(len(used)), names, fontsize=8)
    axes.set(xlabel="true depth in metres, and its share of the pixels", ylabel="abs_rel")
    axes.grid(axis="x", visible=False)
    legend(axes)


def _edges(i: int) -> str:
    low = RANGE_EDGES_M[i]
    return f"≥{low:g}" if i + 1 == len(RANGE_EDGES_M) else f"{low:g}–{RANGE_EDGES_M[i + 1]:g}"


def _ratios(axes: Any, judges: Sequence[DepthJudge]) -> None:
    middles = 2 ** ((LOG2_RATIOS[:-1] + LOG2_RATIOS[1:]) / 2)
    for k, judge in enumerate(judges):
        share = judge.ratios / max(judge.ratios.sum(), 1)
        axes.step(middles, share, where="mid", color=COLOURS[k % 7], label=judge.system.name)
        if len(judges) == 1:
            axes.fill_between(middles, share, step="mid", color=COLOURS[0], alpha=0.15)
    axes.axvspan(1 / 1.25, 1.25, color=GREY, alpha=0.15, linewidth=0)
    axes.text(
        1,
        1.0,
        "delta1",
        transform=axes.get_xaxis_transform(),
        ha="center",
        va="top",
        fontsize=8,
        color="#555555",
    )
    axes.set_xscale("log", base=2)
    ticks = (0.25, 0.5, 0.8, 1, 1.25, 2, 4)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set(xlabel="predicted / true depth", ylabel="share of pixels", xlim=(0.25, 4))
    axes.set_ylim(bottom=0)
    legend(axes, loc="upper right")
