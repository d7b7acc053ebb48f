"""Dice by size of the lesion and by group of people; masks of the best, median and worst."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gendmr.config.outcomes.segmentation import MASKS
from gendmr.files.masks import PredictedMask, read_mask
from gendmr.statistics.resize import resize
from gendmr.tasks.base import Task
from gendmr.tasks.figure import FigureContext, TaskFigure
from gendmr.tasks.segmentation.task import LESION

MOST_METHODS = 4  # with a row of masks, or a mark of their own
MOST_LEVELS = 12  # of a covariate, to be drawn
DARKEST, BRIGHTEST = -1.0, 3.0  # SDs of the volume
MARKS = ("o", "s", "^", "D")


def draw_dice(predictions: Mapping[str, pd.DataFrame], path: Path, context: FigureContext) -> Any:
    """Draw Dice against the size of the lesion, and by the levels of a covariate."""
    from matplotlib.lines import Line2D

    from gendmr import style
    from gendmr.tasks import drawing

    people = {name: _people(rows) for name, rows in drawing.shown(predictions).items()}
    people = dict(list(people.items())[:MOST_METHODS])
    if not people:
        return style.text_figure("Nobody is held out: no mask is predicted.", path)
    covariate, levels = _levels(context, next(iter(people.values())).index)
    columns = 2 if levels else 1
    figure, panels = style.canvas(
        1,
        columns,
        size=(columns * style.COLUMN, 62 * style.MM),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    colours = (style.BLUE, style.ORANGE, style.GREEN, style.PURPLE)
    for number, table in enumerate(people.values()):
        marker_style = {"color": colours[number], "marker": MARKS[number], "ls": "none", "mew": 0}
        lesions = table[table["voxels"] > 0]
        panels[0, 0].plot(lesions["voxels"], lesions["dice"], ms=3, alpha=0.7, **marker_style)
        for place, level in enumerate(levels):
            in_level = table.index.isin(context.labels.index[context.labels[covariate] == level])
            dice = table.loc[in_level, "dice"]
            at = place + 0.15 * (number - (len(people) - 1) / 2)
            panels[0, 1].plot([at] * len(dice), dice, ms=2, alpha=0.4, **marker_style)
            panels[0, 1].plot(at, dice.mean(), ms=5, **marker_style)
    panels[0, 0].set(xscale="log", ylim=(-0.03, 1.03), xlabel="size of the lesion, voxels")
    panels[0, 0].set_ylabel("Dice of the volume")
    panels[0, 0].xaxis.set_major_formatter("{x:g}")
    panels[0, 0].xaxis.set_minor_formatter("")
    if levels:
        counts = context.labels[covariate].reindex(next(iter(people.values())).index)
        names = [f"{style.short(level)}\nn = {int((counts == level).sum())}" for level in levels]
        panels[0, 1].set_xticks(range(len(levels)), names)
        panels[0, 1].set_xlabel(covariate)
    handles = [
        Line2D([], [], color=colours[place], marker=MARKS[place], ls="", label=style.short(name))
        for place, name in enumerate(people)
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    style.save(figure, path, crop=False)
    return figure


def _people(rows: pd.DataFrame) -> pd.DataFrame:
    """Return Dice, averaged over repeats, and size of each person, by `participant_id`."""
    return rows.groupby("participant_id").agg(voxels=("voxels", "first"), dice=("dice", "mean"))


def _levels(context: FigureContext, people: pd.Index) -> tuple[str, list[str]]:
    """Return the covariate with most levels that can be drawn, and these; none where there is none.

    Hospitals have more levels than sex.
    """
    best: tuple[str, list[str]] = ("", [])
    for name in context.labels.columns:
        values = context.labels[name].reindex(people)
        levels = sorted(set(values.dropna()) - {"n/a"})
        if len(best[1]) < len(levels) <= MOST_LEVELS and len(levels) > 1:
            best = (str(name), levels)
    return best


def draw_masks(predictions: Mapping[str, pd.DataFrame], path: Path, context: FigureContext) -> Any:
    """Draw true and predicted masks of three people: best, median and worst of the reference."""
    from matplotlib.lines import Line2D

    from gendmr import style
    from gendmr.tasks import drawing

    shown = dict(list(drawing.shown(predictions).items())[:MOST_METHODS])
    if not shown:
        return style.text_figure("Nobody is held out: no mask is predicted.", path)
    dice = _people(next(iter(shown.values())))["dice"].sort_values(kind="stable")
    order = dict.fromkeys([len(dice) - 1, len(dice) // 2, 0])
    ranks = {
        str(dice.index[place]): rank
        for place, rank in zip(order, ("best", "median", "worst"), strict=False)
    }
    side = style.PAGE / 4
    figure, panels = style.canvas(
        len(shown),
        len(ranks),
        size=(side * len(ranks), side * len(shown) + 14 * style.MM),
        squeeze=False,
        layout="constrained",
    )
    for row, (name, rows) in enumerate(shown.items()):
        for column, (participant, rank) in enumerate(ranks.items()):
            axes = panels[row, column]
            axes.set(xticks=[], yticks=[])
            person_rows = rows[rows["participant_id"] == participant]
            if person_rows.empty:
                axes.text(0.5, 0.5, "not held out", ha="center", transform=axes.transAxes)
                continue
            place = f"repeat-{person_rows['repeat'].iloc[0]}/fold-{person_rows['fold'].iloc[0]}"
            _overlay(axes, read_mask(context.folders[name] / place / MASKS, participant))
            axes.set_xlabel(f"Dice {person_rows['dice'].iloc[0]:.2f}", labelpad=2)
            if row == 0:
                axes.set_title(f"{rank}\n{style.short(participant)}")
            if column == 0:
                axes.set_ylabel(style.short(name))
    handles = [
        Line2D([], [], color=style.GREEN, lw=1.2, label="true mask"),
        Line2D([], [], color=style.ORANGE, lw=1.2, ls=(0, (3, 1)), label="predicted mask"),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=2)
    style.save(figure, path, crop=False)
    return figure


def _overlay(axes: Any, prediction: PredictedMask) -> None:
    """Draw the slice with most lesion in the channel in which the lesion stands out most."""
    from gendmr import style

    truth, predicted = prediction.truth[prediction.place], prediction.predicted[prediction.place]
    rows, columns = truth.shape
    inside = resize(truth | predicted, *prediction.picture.shape[1:]) > LESION  # (row, column)
    contrast = prediction.picture.std(axis=(1, 2))
    if inside.any() and not inside.all():
        contrast = np.abs(
            prediction.picture[:, inside].mean(1) - prediction.picture[:, ~inside].mean(1)
        )
    channel = prediction.picture[int(contrast.argmax())]
    axes.imshow(
        channel,
        cmap="gray",
        vmin=DARKEST,
        vmax=BRIGHTEST,
        extent=(-0.5, columns - 0.5, rows - 0.5, -0.5),
        interpolation="nearest",
    )
    for mask, colour, line in ((truth, style.GREEN, "solid"), (predicted, style.ORANGE, "dashed")):
        if mask.any() and not mask.all():
            axes.contour(
                mask.astype(np.float64), [0.5], colors=[colour], linewidths=1, linestyles=line
            )
    if np.isfinite(prediction.affine).all():
        # Rows of NIfTI run from posterior to anterior; pictures show anterior on top.
        axes.invert_yaxis()


def figures(task: Task) -> tuple[TaskFigure, ...]:
    """Return the figures of masks."""
    return (
        TaskFigure(
            "dice",
            "Dice of held-out volumes, one mark for each person. Left: against the size of the"
            " lesion; small ones are harder, and a method may be good at large ones only. Right: by"
            " the categorical covariate with most levels, with means.",
            draw_dice,
            reads=True,
        ),
        TaskFigure(
            "masks",
            "True and predicted masks of three held-out people: those with the best, the median and"
            " the worst Dice of the reference, the same for all methods, in the slice with most"
            " of the true lesion.",
            draw_masks,
            reads=True,
        ),
    )
