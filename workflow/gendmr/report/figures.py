"""Figures that compare methods, and show the dominant modality."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from gendmr import style
from gendmr.report.comparison import HIGHER, LOWER, REFERENCE, by_auc
from gendmr.report.curves import GRID, calibration, roc
from gendmr.report.dominance import Dominance
from gendmr.report.performance import held_out
from gendmr.report.schema import Difference, MethodSummary, StudySummary

CURVES = 8  # methods with panels of their own
COLUMNS = 4  # panels side by side
VERDICTS = {HIGHER: style.BLUE, LOWER: style.RED}
# Colour and line say the same.
LINES: dict[str, dict[str, Any]] = {
    "imaging": {"color": style.ORANGE, "ls": "-"},
    "genetics": {"color": style.BLUE, "ls": (0, (4, 1.5))},
    "neither": {"color": style.GREY, "ls": (0, (1, 1.2))},
}


def draw_comparison(results: Path, summary: StudySummary, path: Path) -> Figure:
    """Draw the AUC of each method, best first, and its paired difference from the reference.

    Dots are means over folds, bars their 95 % intervals, small circles folds. Where the interval of
    a difference includes 0 it is grey and hollow. All numbers are in the summary.
    """
    methods = [item for item in by_auc(summary.methods) if item.auc.mean is not None][::-1]
    reference = summary.comparison.reference
    height = 0.75 + max(0.17, 0.3 - 0.01 * len(methods)) * len(methods)
    figure, (left, right) = style.canvas(
        1, 2, size=(style.COLUMN, height), sharey=True, layout="constrained"
    )
    for row, item in enumerate(methods):
        _draw_auc(left, row, item, item.method == reference)
        _draw_difference(right, row, item.paired)
    if all(item.paired.low is None for item in methods):
        right.text(
            0.5, 0.5, "not computed:\nfewer than 2 folds", transform=right.transAxes, ha="center"
        )
    left.axvline(0.5, color="black", lw=0.7, ls=":")
    right.axvline(0.0, color="black", lw=0.7)
    left.set_yticks(range(len(methods)), [style.short(item.method) for item in methods], fontsize=6)
    for label, item in zip(left.get_yticklabels(), methods, strict=True):
        label.set_fontweight("bold" if item.method == reference else "normal")
    left.set_ylim(-0.7, len(methods) - 0.3)
    low, high = left.get_xlim()
    left.set_xlim(max(0.0, min(0.45, low)), min(1.0, max(0.75, high)))
    left.set_xlabel("AUC")
    right.set_xlabel(f"difference from\n{style.short(reference)}")
    for axes in (left, right):
        axes.locator_params(axis="x", nbins=3)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.grid(axis="y", color=style.PALE, lw=0.6)
        axes.set_axisbelow(True)
        axes.tick_params(axis="y", length=0)
    style.save(figure, path, crop=False)
    return figure


def _draw_auc(axes: Any, row: int, item: MethodSummary, reference: bool) -> None:
    colour = style.BLUE if reference else "black"
    folds = [each.auc for each in item.auc_of_folds if each.auc is not None]
    axes.plot(folds, [row] * len(folds), "o", ms=2, mfc="none", mec=style.GREY, mew=0.4, alpha=0.7)
    auc = item.auc
    if auc.low is not None and auc.high is not None:
        # An interval of a mean may leave the range of an AUC when folds are few.
        axes.plot(np.clip([auc.low, auc.high], 0, 1), [row, row], color=colour, lw=1.1)
    axes.plot(auc.mean, row, "o", color=colour, ms=3.5)


def _draw_difference(axes: Any, row: int, delta: Difference) -> None:
    if delta.verdict == REFERENCE:
        axes.plot(0, row, "o", color=style.BLUE, ms=3.5)
    if delta.low is None:
        return
    colour = VERDICTS.get(delta.verdict, style.GREY)
    fill = colour if delta.verdict in VERDICTS else "white"
    axes.plot([delta.low, delta.high], [row, row], color=colour, lw=1.1)
    axes.plot(delta.mean, row, "o", mec=colour, mfc=fill, ms=3.5, mew=0.9)


def draw_roc(results: Path, summary: StudySummary, path: Path) -> Figure:
    """Draw the ROC curve of each method, averaged over folds at the same false-positive rate.

    Each method has a panel (at most `CURVES`, see `shown_curves`), with its pointwise 95 %
    bootstrap band over people and, dashed, the curve of the reference.

    Parameters
    ----------
    results : Path
        ``results/<study>``.
    summary : StudySummary
    path : Path
        PNG to write; the SVG is written beside it.
    """
    reference = summary.comparison.reference
    shown = shown_curves(summary.methods, reference)
    curves = {}
    for item in shown:
        curve = roc(held_out(results, item.method, item.folds), item.method)
        if curve is not None:
            curves[item.method] = curve
    shown = [item for item in shown if item.method in curves]
    if not shown:
        return style.say("No fold holds out cases and controls: there is no ROC curve.", path)
    figure, panels = _panels(len(shown))
    for axes, item in zip(panels, shown, strict=True):
        curve = curves[item.method]
        axes.plot([0, 1], [0, 1], color="black", lw=0.5, ls=":")
        axes.fill_between(GRID, curve.low, curve.high, color=style.BLUE, alpha=0.22, lw=0)
        axes.plot(GRID, curve.found, color=style.BLUE, lw=1.2)
        if item.method != reference and reference in curves:
            axes.plot(GRID, curves[reference].found, color="black", **DASHED)
        _title(axes, item, reference)
        auc = item.auc
        text = f"AUC {auc.mean:.2f}"
        if auc.low is not None and auc.high is not None:
            text += f"\n{max(auc.low, 0):.2f} to {min(auc.high, 1):.2f}"
        axes.text(0.97, 0.04, text, ha="right", va="bottom")
    left_out = len(summary.methods) - len(shown)
    handles = [
        Line2D([], [], color=style.BLUE, lw=1.2, label="mean over folds"),
        Patch(color=style.BLUE, alpha=0.22, lw=0, label="95 % over people"),
        *(
            [Line2D([], [], color="black", label=style.short(reference), **DASHED)]
            if len(shown) > 1 and reference in curves
            else []
        ),
    ]
    _finish(figure, "controls called cases", "cases found", handles, left_out)
    style.save(figure, path, crop=False)
    return figure


def draw_calibration(results: Path, summary: StudySummary, path: Path) -> Figure:
    """Draw observed shares of cases against predicted probabilities, a panel per method.

    Held-out people of all folds, in bins of equally many; bars are 95 % Wilson intervals, the line
    is a smooth curve without bins, and below stand the predicted probabilities of all. The same
    methods as in `draw_roc`.

    Parameters
    ----------
    results : Path
        ``results/<study>``.
    summary : StudySummary
    path : Path
        PNG to write; the SVG is written beside it.
    """
    reference = summary.comparison.reference
    shown = shown_curves(summary.methods, reference)
    if not shown:
        return style.say("No fold holds out cases and controls: nothing can be calibrated.", path)
    figure, panels = _panels(len(shown))
    for axes, item in zip(panels, shown, strict=True):
        rows = held_out(results, item.method, item.folds)
        curve = calibration(rows)
        axes.plot([0, 1], [0, 1], color="black", lw=0.5, ls=":")
        counts, edges = np.histogram(rows["score"].to_numpy(float), np.linspace(0, 1, 41))
        axes.stairs(0.15 * counts / counts.max(), edges, fill=True, color=style.LIGHT, lw=0)
        axes.plot(curve.x, curve.smooth, color=style.ORANGE, lw=1.2)
        error = np.abs(np.array([curve.low, curve.high]) - curve.observed)
        marks = {"fmt": "o", "ms": 2.4, "lw": 0.8, "color": style.BLUE, "clip_on": False}
        axes.errorbar(curve.predicted, curve.observed, error, **marks)
        _title(axes, item, reference)
        brier = item.mean_of("brier")
        if brier is not None:
            axes.text(0.03, 0.96, f"Brier {brier:.3f}", va="top")
    handles = [
        Line2D([], [], color=style.BLUE, marker="o", ms=2.4, lw=0.8, label="bins, 95 % intervals"),
        Line2D([], [], color=style.ORANGE, lw=1.2, label="smooth curve"),
        Patch(color=style.LIGHT, lw=0, label="people"),
    ]
    left_out = len(summary.methods) - len(shown)
    _finish(figure, "predicted probability", "observed share of cases", handles, left_out)
    style.save(figure, path, crop=False)
    return figure


DASHED: dict[str, Any] = {"lw": 0.7, "ls": (0, (4, 2))}


def _panels(count: int) -> tuple[Figure, list[Any]]:
    """Return square panels from 0 to 1; all figures have the same size of panel but that of one."""
    columns = min(count, COLUMNS)
    rows = -(-count // columns)
    width = max(columns * style.PAGE / COLUMNS, style.COLUMN)
    figure, grid = style.canvas(
        rows,
        columns,
        size=(width, rows * (width / columns + 3 * style.MM) + 8 * style.MM),
        squeeze=False,
        sharex=True,
        sharey=True,
        layout="constrained",
    )
    for axes in grid.ravel()[count:]:
        axes.remove()
    panels = grid.ravel()[:count].tolist()
    for place, axes in enumerate(panels):
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
        axes.xaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_major_formatter("{x:g}")
        # A panel without one below it keeps its numbers.
        axes.tick_params(labelbottom=place + columns >= count)
    return figure, panels


def _title(axes: Any, item: MethodSummary, reference: str) -> None:
    weight = "bold" if item.method == reference else "normal"
    axes.set_title(style.short(item.method), size=7, weight=weight, pad=3)


def _finish(figure: Figure, x: str, y: str, handles: Sequence[Any], left_out: int) -> None:
    figure.supxlabel(x, size=7)
    figure.supylabel(y, size=7)
    narrow = figure.get_figwidth() < style.PAGE / 2 + 0.1
    more = f"{left_out} more methods are not drawn" if left_out else None
    figure.legend(
        handles=handles,
        loc="outside upper center",
        ncols=2 if narrow else len(handles),
        title=more,
    )


def shown_curves(methods: Sequence[MethodSummary], reference: str) -> list[MethodSummary]:
    """Return the methods whose curves are drawn, best first.

    The reference, then the best of every other kind (ablations of one method differ little), then
    the best of what is left.
    """
    ordered = [item for item in by_auc(methods) if item.auc.mean is not None]
    chosen = [item for item in ordered if item.method == reference]
    kinds = {item.kind for item in chosen}
    for item in ordered:
        if item.kind not in kinds:
            kinds.add(item.kind)
            chosen.append(item)
    chosen += [item for item in ordered if item not in chosen]
    drawn = [item.method for item in chosen[:CURVES]]
    return [item for item in ordered if item.method in drawn]


def draw_dominance(dominance: Dominance, path: Path) -> Figure:
    """Draw shares of training people by dominant modality, epoch by epoch, by diagnosis.

    Thick lines are means over folds, as long as half of the folds go on; thin lines are folds.

    Parameters
    ----------
    dominance : Dominance
        Of one method.
    path : Path
        PNG to write, one column wide; the SVG is written beside it.
    """
    figure, panels = style.canvas(
        1, 2, size=(style.COLUMN, 52 * style.MM), sharey=True, layout="constrained"
    )
    for axes, (group, title) in zip(
        panels, (("case", "Cases"), ("control", "Controls")), strict=True
    ):
        for modality, line in LINES.items():
            for fold in dominance.shares[modality, group]:
                axes.plot(dominance.epochs, fold, color=line["color"], lw=0.4, alpha=0.4)
            axes.plot(
                dominance.epochs,
                dominance.mean(modality, group),
                lw=1.5,
                marker="o" if len(dominance.epochs) == 1 else None,
                label=modality,
                **line,
            )
        axes.set_title(title)
        axes.set_xlabel("epoch")
        axes.set_ylim(-0.02, 1.02)
        axes.xaxis.get_major_locator().set_params(integer=True, nbins=4)
    panels[0].set_ylabel("share of people")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, handlelength=2.6)
    style.save(figure, path, crop=False)
    return figure
