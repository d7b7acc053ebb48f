"""Figures that compare methods, and show the dominant modality."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gendmr import style
from gendmr.files.atomic import read_json
from gendmr.files.tables import Kind, read_table
from gendmr.report.comparison import HIGHER, LOWER, REFERENCE
from gendmr.report.method_schema import Difference, MethodSummary
from gendmr.report.performance import COVARIATES, held_out
from gendmr.report.schema import StudySummary
from gendmr.report.sections.dominance import NONE_DOMINANT, Dominance
from gendmr.tasks import figures_of
from gendmr.tasks.base import Task
from gendmr.tasks.figure import FigureContext

VERDICTS = {HIGHER: style.BLUE, LOWER: style.RED}
MARGIN = 0.05  # of the range of folds, beside the axis
# Colour and line say the same; the first are those of modalities, the last is for none of them.
LINES: tuple[dict[str, Any], ...] = (
    {"color": style.ORANGE, "ls": "-"},
    {"color": style.BLUE, "ls": (0, (4, 1.5))},
    {"color": style.GREEN, "ls": (0, (6, 1.5, 1, 1.5))},
    {"color": style.RED, "ls": (0, (2, 1))},
)
NONE_LINE: dict[str, Any] = {"color": style.GREY, "ls": (0, (1, 1.2))}
PANELS = 3  # groups of people beside each other


def draw_task_figure(
    results: Path, summary: StudySummary, path: Path, *, task: Task[Any], name: str
) -> Any:
    """Draw a figure of an outcome from the held-out rows of its methods.

    The reference comes first, then the best of every other kind of method (ablations of one method
    differ little), then the best of what is left: figures leave out the last ones where there are
    many.

    Parameters
    ----------
    results : Path
        ``results/<study>``.
    summary : StudySummary
    path : Path
        PNG to write; the SVG is written beside it.
    task : Task
        Of the outcome.
    name : str
        Of the figure.
    """
    predictions: dict[str, pd.DataFrame] = {
        item.method: readable(held_out(results, item.method, task, item.folds), item.reads)
        for item in drawn_first(summary, task.name)
        if item.estimate.mean is not None
    }
    if not predictions:
        return style.text_figure(f"No method of {task.label} has been judged.", path)
    figure = next(candidate for candidate in figures_of(task) if candidate.name == name)
    if figure.reads:
        return figure.draw(predictions, path, _context(results, list(predictions)))
    return figure.draw(predictions, path)


def readable(rows: pd.DataFrame, reads: Collection[str]) -> pd.DataFrame:
    """Return the rows of people who have something that a method reads.

    The others get one prediction from covariates alone, which says nothing of what is read.

    Parameters
    ----------
    rows : DataFrame
        Of predictions.tsv, with `modalities`: `snp+region`, `none`.
    reads : collection of str
        Modalities; with nothing but covariates everybody counts.
    """
    measured = set(reads) - {COVARIATES}
    if not measured:
        return rows
    having = [bool(measured & set(str(text).split("+"))) for text in rows["modalities"]]
    return rows[np.array(having, dtype=bool)]


def _context(results: Path, methods: Sequence[str]) -> FigureContext:
    """Return what a figure may read besides predictions."""
    cohort = results / "cohort"
    described = read_json(cohort / "participants.json")
    names = [name for name, entry in described.items() if entry.get("Kind") == "category"]
    columns: dict[str, Kind] = dict.fromkeys(["participant_id", *names], "text")
    table = read_table(cohort / "participants.tsv", columns, extra=True, key="participant_id")
    labels = table.set_index("participant_id")[names]
    return FigureContext(labels, {name: results / "training" / name for name in methods})


def drawn_first(summary: StudySummary, outcome: str) -> list[MethodSummary]:
    """Return the methods of an outcome in the order in which they get panels."""
    ordered = summary.learners(outcome)
    comparison = summary.outcome(outcome).comparison
    reference = comparison.reference if comparison else ""
    leading = [item for item in ordered if item.method == reference]
    kinds = {item.kind for item in leading}
    for item in ordered:
        if item.kind not in kinds:
            kinds.add(item.kind)
            leading.append(item)
    return leading + [item for item in ordered if item not in leading]


def draw_comparison(results: Path, summary: StudySummary, path: Path, *, task: Task[Any]) -> Figure:
    """Draw the primary metric of each method, best first, and its difference from the reference.

    Dots are means over folds, bars their 95 % intervals, small circles folds. Where the interval of
    a difference includes 0 it is grey and hollow. All numbers are in the summary.
    """
    learners = summary.learners(task.name)
    methods = [item for item in learners if item.estimate.mean is not None][::-1]
    comparison = summary.outcome(task.name).comparison
    if comparison is None or not methods:
        figure: Figure = style.text_figure(f"No method of {task.label} has been judged.", path)
        return figure
    reference = comparison.reference
    metric = task.metrics[0]
    height = 0.75 + max(0.17, 0.3 - 0.01 * len(methods)) * len(methods)
    figure, (estimate_axes, difference_axes) = style.canvas(
        1, 2, size=(style.COLUMN, height), sharey=True, layout="constrained"
    )
    for row, item in enumerate(methods):
        _draw_estimate(estimate_axes, row, item, metric.spread, item.method == reference)
        _draw_difference(difference_axes, row, item.paired)
    if all(item.paired.low is None for item in methods):
        difference_axes.text(
            0.5,
            0.5,
            "not computed:\nfewer than 2 folds",
            transform=difference_axes.transAxes,
            ha="center",
        )
    if metric.chance is not None:
        estimate_axes.axvline(metric.chance, color="black", lw=0.7, ls=":")
    difference_axes.axvline(0.0, color="black", lw=0.7)
    estimate_axes.set_yticks(
        range(len(methods)), [style.short(item.method) for item in methods], fontsize=6
    )
    for label, item in zip(estimate_axes.get_yticklabels(), methods, strict=True):
        label.set_fontweight("bold" if item.method == reference else "normal")
    estimate_axes.set_ylim(-0.7, len(methods) - 0.3)
    if metric.spread is not None:
        estimate_axes.set_xlim(*_limits(estimate_axes.get_xlim(), metric.spread, metric.chance))
    better = " (lower is better)" if metric.better == "lower" else ""
    estimate_axes.set_xlabel(metric.label + better)
    difference_axes.set_xlabel(f"better than\n{style.short(reference)} by")
    for axes in (estimate_axes, difference_axes):
        axes.locator_params(axis="x", nbins=3)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.grid(axis="y", color=style.PALE, lw=0.6)
        axes.set_axisbelow(True)
        axes.tick_params(axis="y", length=0)
    style.save(figure, path, crop=False)
    return figure


def _limits(
    limits: tuple[float, float], spread: tuple[float, float], chance: float | None
) -> tuple[float, float]:
    """Return an axis that shows chance and a quarter of the range, within what is possible."""
    low, high = limits
    reach = spread[1] - spread[0]
    if chance is not None:
        low, high = min(low, chance - MARGIN * reach), max(high, chance + 0.25 * reach)
    return max(spread[0], low), min(spread[1], high)


def _draw_estimate(
    axes: Any,
    row: int,
    item: MethodSummary,
    spread: tuple[float, float] | None,
    reference: bool,
) -> None:
    colour = style.BLUE if reference else "black"
    folds = [fold.value for fold in item.primary_of_folds if fold.value is not None]
    axes.plot(folds, [row] * len(folds), "o", ms=2, mfc="none", mec=style.GREY, mew=0.4, alpha=0.7)
    estimate = item.estimate
    if estimate.low is not None and estimate.high is not None:
        bounds = np.array([estimate.low, estimate.high])
        # An interval of a mean may leave the range of a metric when folds are few.
        axes.plot(np.clip(bounds, *spread) if spread else bounds, [row, row], color=colour, lw=1.1)
    axes.plot(estimate.mean, row, "o", color=colour, ms=3.5)


def _draw_difference(axes: Any, row: int, delta: Difference) -> None:
    if delta.verdict == REFERENCE:
        axes.plot(0, row, "o", color=style.BLUE, ms=3.5)
    if delta.low is None:
        return
    colour = VERDICTS.get(delta.verdict, style.GREY)
    fill = colour if delta.verdict in VERDICTS else "white"
    axes.plot([delta.low, delta.high], [row, row], color=colour, lw=1.1)
    axes.plot(delta.mean, row, "o", mec=colour, mfc=fill, ms=3.5, mew=0.9)


def draw_dominance(dominance: Dominance, path: Path) -> Figure:
    """Draw shares of training people by dominant modality, epoch by epoch, by group of people.

    Thick lines are means over folds, as long as half of the folds go on; thin lines are folds.

    Parameters
    ----------
    dominance : Dominance
        Of one method.
    path : Path
        PNG to write, one column wide; the SVG is written beside it.
    """
    groups = dominance.groups
    columns = min(len(groups), PANELS)
    rows = -(-len(groups) // columns)
    figure, panels = style.canvas(
        rows,
        columns,
        size=(style.COLUMN, (12 + 40 * rows) * style.MM),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for unused in panels.flat[len(groups) :]:
        unused.remove()
    for axes, group in zip(panels.flat, groups, strict=False):
        for place, modality in enumerate(dominance.modalities):
            line = NONE_LINE if modality == NONE_DOMINANT else LINES[place % len(LINES)]
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
        axes.set_title(group)
        axes.set_xlabel("epoch")
        axes.set_ylim(-0.02, 1.02)
        axes.xaxis.get_major_locator().set_params(integer=True, nbins=4)
    for axes in panels[:, 0]:
        axes.set_ylabel("share of people")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, handlelength=2.6)
    style.save(figure, path, crop=False)
    return figure
