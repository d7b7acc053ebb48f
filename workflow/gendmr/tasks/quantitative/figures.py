"""Predicted against observed measurements, and their agreement."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gendmr.tasks.figure import TaskFigure
from gendmr.tasks.quantitative.metrics import pearson, r_squared
from gendmr.tasks.quantitative.outcome import arrays

if TYPE_CHECKING:
    from gendmr.tasks.quantitative.task import QuantitativeTask


def _people(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.groupby("participant_id").agg(
        observed=("observed", "first"), predicted=("predicted", "mean")
    )


def _dots(axes: Any, x: np.ndarray, y: np.ndarray, colour: str) -> None:
    axes.plot(x, y, "o", ms=1.8, mew=0, color=colour, alpha=float(np.clip(200 / len(x), 0.2, 0.8)))


def draw_scatter(predictions: Mapping[str, pd.DataFrame], path: Path, *, axis: str) -> Any:
    """Draw predicted against observed values of held-out people, with the least-squares line."""
    from matplotlib.lines import Line2D

    from gendmr import style
    from gendmr.tasks import drawing

    people = {name: _people(rows) for name, rows in drawing.shown(predictions).items()}
    if not people:
        return style.text_figure("Nobody is held out: nothing is predicted.", path)
    reference = next(iter(predictions))
    pooled = np.concatenate([np.concatenate(arrays(table)) for table in people.values()])
    margin = 0.04 * max(np.ptp(pooled), 1e-9)
    limits = (pooled.min() - margin, pooled.max() + margin)
    figure, panels = drawing.panels(len(people))
    for axes, (method, table) in zip(panels, people.items(), strict=True):
        observed, predicted = arrays(table)
        axes.set(xlim=limits, ylim=limits, aspect="equal")
        for direction in ("x", "y"):
            axes.locator_params(axis=direction, nbins=4)
        axes.plot(limits, limits, color="black", lw=0.5, ls=":")
        _dots(axes, observed, predicted, style.BLUE)
        if np.ptp(observed) > 0:
            slope, level = np.polyfit(observed, predicted, 1)
            ends = np.array([observed.min(), observed.max()])
            axes.plot(ends, level + slope * ends, color=style.ORANGE, lw=1.2)
        text = f"r {pearson(table):.2f}\nR² {r_squared(table):.2f}"
        axes.text(0.04, 0.97, text, transform=axes.transAxes, va="top")
        drawing.title(axes, method, method == reference)
    handles = [
        Line2D([], [], color=style.BLUE, marker="o", ms=2.5, lw=0, mew=0, label="person"),
        Line2D([], [], color=style.ORANGE, lw=1.2, label="least squares"),
        Line2D([], [], color="black", lw=0.5, ls=":", label="equal"),
    ]
    left_out = len(predictions) - len(people)
    drawing.finish(figure, f"observed {axis}", f"predicted {axis}", handles, left_out)
    style.save(figure, path, crop=False)
    return figure


def draw_agreement(predictions: Mapping[str, pd.DataFrame], path: Path, *, axis: str) -> Any:
    """Draw differences against means of predicted and observed values (Bland & Altman 1986)."""
    from matplotlib.lines import Line2D

    from gendmr import style
    from gendmr.tasks import drawing

    people = {name: _people(rows) for name, rows in drawing.shown(predictions).items()}
    if not people:
        return style.text_figure("Nobody is held out: nothing is predicted.", path)
    reference = next(iter(predictions))
    figure, panels = drawing.panels(len(people))
    for axes, (method, table) in zip(panels, people.items(), strict=True):
        observed, predicted = arrays(table)
        difference = predicted - observed
        _dots(axes, (predicted + observed) / 2, difference, style.BLUE)
        bias = difference.mean()
        half_width = 1.96 * difference.std(ddof=1) if len(difference) > 1 else np.nan
        axes.axhline(0, color="black", lw=0.5, ls=":")
        axes.axhline(bias, color=style.ORANGE, lw=1.2)
        for bound in (bias - half_width, bias + half_width):
            axes.axhline(bound, color=style.ORANGE, **drawing.DASHED)
        for direction in ("x", "y"):
            axes.locator_params(axis=direction, nbins=4)
        drawing.title(axes, method, method == reference)
    handles = [
        Line2D([], [], color=style.BLUE, marker="o", ms=2.5, lw=0, mew=0, label="person"),
        Line2D([], [], color=style.ORANGE, lw=1.2, label="mean difference"),
        Line2D([], [], color=style.ORANGE, label="± 1.96 SD", **drawing.DASHED),
    ]
    left_out = len(predictions) - len(people)
    x, y = f"mean of predicted and observed {axis}", "predicted − observed"
    drawing.finish(figure, x, y, handles, left_out)
    style.save(figure, path, crop=False)
    return figure


def figures(task: QuantitativeTask) -> tuple[TaskFigure, ...]:
    """Return the figures of a measurement."""
    label, unit = task.label, task.section.unit
    axis = f"{label} ({unit})" if unit else label
    return (
        TaskFigure(
            "scatter",
            "Predicted against observed values of held-out people, averaged over repeats, with"
            " Pearson's r, R² against their mean, and the least-squares line.",
            partial(draw_scatter, axis=axis),
        ),
        TaskFigure(
            "bland_altman",
            "Differences of predicted from observed values of held-out people against their means,"
            " with the mean difference and limits of agreement (Bland & Altman 1986). Predictions"
            " that are drawn to the mean give a slope.",
            partial(draw_agreement, axis=axis),
        ),
    )
