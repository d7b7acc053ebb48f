"""ROC curves and calibration of cases and controls."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gendmr.tasks.base import Task
from gendmr.tasks.binary.metrics import brier
from gendmr.tasks.figure import TaskFigure


def draw_roc(predictions: Mapping[str, pd.DataFrame], path: Path) -> Any:
    """Draw the ROC curve of each method, averaged over folds at the same false-positive rate."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    from gendmr import style
    from gendmr.tasks import drawing
    from gendmr.tasks.binary.curves import GRID, roc

    methods, curves = drawing.shown(predictions), {}
    for method, rows in methods.items():
        curve = roc(rows, method)
        if curve is not None:
            curves[method] = curve
    if not curves:
        return style.text_figure(
            "No fold holds out cases and controls: there is no ROC curve.", path
        )
    reference = next(iter(predictions))
    figure, panels = drawing.panels(len(curves))
    for axes, (method, curve) in zip(panels, curves.items(), strict=True):
        drawing.unit_square(axes)
        axes.plot([0, 1], [0, 1], color="black", lw=0.5, ls=":")
        axes.fill_between(GRID, curve.low, curve.high, color=style.BLUE, alpha=0.22, lw=0)
        axes.plot(GRID, curve.sensitivity, color=style.BLUE, lw=1.2)
        if method != reference and reference in curves:
            axes.plot(GRID, curves[reference].sensitivity, color="black", **drawing.DASHED)
        drawing.title(axes, method, method == reference)
        people = methods[method]["participant_id"].nunique()
        area = f"AUC {curve.area:.2f}\n{curve.area_low:.2f} to {curve.area_high:.2f}"
        text = f"{area}\n{people:,} people"
        axes.text(0.97, 0.04, text, ha="right", va="bottom")
    handles = [
        Line2D([], [], color=style.BLUE, lw=1.2, label="mean over folds"),
        Patch(color=style.BLUE, alpha=0.22, lw=0, label="95 % over people"),
    ]
    if len(curves) > 1 and reference in curves:
        name = style.short(reference)
        handles.append(Line2D([], [], color="black", label=name, **drawing.DASHED))
    left_out = len(predictions) - len(curves)
    drawing.finish(figure, "1 − specificity", "sensitivity", handles, left_out)
    style.save(figure, path, crop=False)
    return figure


def draw_calibration(predictions: Mapping[str, pd.DataFrame], path: Path) -> Any:
    """Draw observed shares of cases against predicted probabilities."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    from gendmr import style
    from gendmr.tasks import drawing
    from gendmr.tasks.binary.curves import calibration

    methods = drawing.shown(predictions)
    if not methods:
        return style.text_figure("Nobody is held out: nothing can be calibrated.", path)
    reference = next(iter(predictions))
    figure, panels = drawing.panels(len(methods))
    for axes, (method, rows) in zip(panels, methods.items(), strict=True):
        drawing.unit_square(axes)
        curve = calibration(rows)
        axes.plot([0, 1], [0, 1], color="black", lw=0.5, ls=":")
        counts, edges = np.histogram(rows["score"].to_numpy(float), np.linspace(0, 1, 41))
        axes.stairs(0.15 * counts / counts.max(), edges, fill=True, color=style.LIGHT, lw=0)
        axes.plot(curve.x, curve.smooth, color=style.ORANGE, lw=1.2)
        error = np.abs(np.array([curve.low, curve.high]) - curve.observed)
        marks: dict[str, Any] = {"fmt": "o", "ms": 2.4, "lw": 0.8, "color": style.BLUE}
        axes.errorbar(curve.predicted, curve.observed, error, clip_on=False, **marks)
        drawing.title(axes, method, method == reference)
        scores = [brier(part) for _, part in rows.groupby(["repeat", "fold"])]
        axes.text(0.03, 0.96, f"Brier {np.mean(scores):.3f}", va="top")
    handles = [
        Line2D([], [], color=style.BLUE, marker="o", ms=2.4, lw=0.8, label="bins, 95 % intervals"),
        Line2D([], [], color=style.ORANGE, lw=1.2, label="smooth curve"),
        Patch(color=style.LIGHT, lw=0, label="people"),
    ]
    left_out = len(predictions) - len(methods)
    drawing.finish(figure, "predicted probability", "observed share of cases", handles, left_out)
    style.save(figure, path, crop=False)
    return figure


FIGURES: tuple[TaskFigure, ...] = (
    TaskFigure(
        "roc",
        "ROC curves of held-out people who have something that the method reads, averaged over"
        " folds at the same specificity; bands are pointwise 95 % bootstrap intervals over people,"
        " numbers the mean AUC over folds of these people with the interval of the same resamples."
        " Dashed: the reference, over its own people.",
        draw_roc,
    ),
    TaskFigure(
        "calibration",
        "Observed shares of cases against predicted probabilities of held-out people who have"
        " something that the method reads, in bins of"
        " equally many with 95 % Wilson intervals, and a smooth curve without bins. Below stand the"
        " predicted probabilities of all.",
        draw_calibration,
    ),
)


def figures(task: Task) -> tuple[TaskFigure, ...]:
    """Return the figures of cases and controls, which are the same for every task."""
    return FIGURES
