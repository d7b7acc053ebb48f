"""Confusion of classes, and ROC curves of each against the rest."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gendmr.tasks.figure import TaskFigure
from gendmr.tasks.multiclass.columns import pool_classes, probability_of
from gendmr.tasks.multiclass.metrics import counts, macro_auc

if TYPE_CHECKING:
    from gendmr.tasks.multiclass.task import MulticlassTask


def draw_confusion(
    predictions: Mapping[str, pd.DataFrame], path: Path, *, classes: tuple[str, ...]
) -> Any:
    """Draw shares of each observed class that are predicted to be of each class, with counts."""
    from gendmr import style
    from gendmr.tasks import drawing

    methods = drawing.shown(predictions)
    if not methods:
        return style.text_figure("Nobody is held out: no class is predicted.", path)
    reference = next(iter(predictions))
    # Beside a single panel the bar of colours takes width, and leaves height over.
    figure, panels = drawing.panels(len(methods), gap=-0.5 if len(methods) == 1 else 0)
    size = float(np.clip(30 / len(classes), 3, style.SMALL))
    names = [style.short(name) for name in classes]
    for axes, (method, rows) in zip(panels, methods.items(), strict=True):
        table = counts(pool_classes(rows, classes), classes)
        share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
        image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
        for i in range(len(classes)):
            for j in range(len(classes)):
                text = f"{share[i, j]:.0%}\n{table[i, j]}" if len(classes) <= 6 else table[i, j]
                colour = "white" if share[i, j] > 0.7 else "black"
                axes.text(j, i, text, ha="center", va="center", size=size, color=colour)
        axes.set_xticks(range(len(classes)), names, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(classes)), names)
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        drawing.title(axes, method, method == reference)
    bar = figure.colorbar(image, ax=panels, shrink=0.7, aspect=22, pad=0.015, ticks=[0, 0.5, 1])
    bar.set_label("share of observed class", size=6.5)
    bar.ax.yaxis.set_major_formatter("{x:g}")
    bar.outline.set_visible(False)
    drawing.finish(figure, "predicted class", "observed class", [], len(predictions) - len(methods))
    style.save(figure, path, crop=False)
    return figure


def draw_roc(
    predictions: Mapping[str, pd.DataFrame], path: Path, *, classes: tuple[str, ...]
) -> Any:
    """Draw the ROC curve of each class against the rest, averaged over folds."""
    from matplotlib.lines import Line2D

    from gendmr import style
    from gendmr.tasks import drawing
    from gendmr.tasks.binary.curves import GRID, mean_roc

    methods = drawing.shown(predictions)
    if not methods:
        return style.text_figure("Nobody is held out: there is no ROC curve.", path)
    reference = next(iter(predictions))
    colours = (style.BLUE, style.ORANGE, style.GREEN, style.RED, style.PURPLE, style.SKY)
    lines = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (4, 1.2, 1, 1.2)))
    line_styles: list[dict[str, Any]] = [
        {"color": colours[k % len(colours)], "ls": lines[k // len(colours) % len(lines)]}
        for k in range(len(classes))
    ]
    figure, panels = drawing.panels(len(methods))
    for axes, (method, rows) in zip(panels, methods.items(), strict=True):
        drawing.unit_square(axes)
        axes.plot([0, 1], [0, 1], color="black", lw=0.5, ls=":")
        for name, line_style in zip(classes, line_styles, strict=True):
            class_rows = rows[["repeat", "fold"]].assign(
                observed=(rows["observed"] == name).astype(int), score=rows[probability_of(name)]
            )
            curve = mean_roc(class_rows)
            if curve is not None:
                axes.plot(GRID, curve, lw=1.1, **line_style)
        areas = [macro_auc(part, classes) for _, part in rows.groupby(["repeat", "fold"])]
        finite = [area for area in areas if np.isfinite(area)]
        text = f"macro AUC {np.mean(finite):.2f}" if finite else "macro AUC n/a"
        axes.text(0.97, 0.04, text, ha="right", va="bottom")
        drawing.title(axes, method, method == reference)
    handles = [
        Line2D([], [], lw=1.1, label=style.short(name), **line_style)
        for name, line_style in zip(classes, line_styles, strict=True)
    ]
    left_out = len(predictions) - len(methods)
    drawing.finish(figure, "others called this class", "class found", handles, left_out)
    style.save(figure, path, crop=False)
    return figure


def figures(task: MulticlassTask) -> tuple[TaskFigure, ...]:
    """Return the figures of the classes of a task."""
    classes = task.classes
    return (
        TaskFigure(
            "confusion",
            "Classes that are predicted of held-out people (probabilities averaged over repeats)"
            " against those observed: shares of each observed class, and numbers of people.",
            partial(draw_confusion, classes=classes),
        ),
        TaskFigure(
            "roc",
            "ROC curves of each class against the rest in held-out people, averaged over folds at"
            " the same false-positive rate; the number is the mean AUC over classes and folds.",
            partial(draw_roc, classes=classes),
        ),
    )
