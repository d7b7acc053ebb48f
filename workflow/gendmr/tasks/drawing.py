"""Panels that figures of tasks share: one per method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from gendmr import style

PANELS = 8  # methods with panels of their own
COLUMNS = 4  # panels side by side
NARROW = 36  # letters of a legend that fit side by side into one column of a page
DASHED: dict[str, Any] = {"lw": 0.7, "ls": (0, (4, 2))}


def shown(predictions: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return the methods that get panels: the first ones, with at least one row."""
    nonempty = {name: rows for name, rows in predictions.items() if len(rows)}
    return dict(list(nonempty.items())[:PANELS])


def panels(count: int, *, share: bool = True, gap: float = 0) -> tuple[Figure, list[Any]]:
    """Return square panels for methods.

    Parameters
    ----------
    count : int
    share : bool
        One scale for all.
    gap : float
        Further height of each row of panels, in inches.
    """
    columns = min(count, COLUMNS)
    rows = -(-count // columns)
    width = max(columns * style.PAGE / COLUMNS, style.COLUMN)
    figure, grid = style.canvas(
        rows,
        columns,
        size=(width, rows * (width / columns + 3 * style.MM + gap) + 10 * style.MM),
        squeeze=False,
        sharex=share,
        sharey=share,
        layout="constrained",
    )
    for axes in grid.ravel()[count:]:
        axes.remove()
    used_axes = grid.ravel()[:count].tolist()
    if share:
        for place, axes in enumerate(used_axes):
            # A panel without one below it keeps its numbers.
            axes.tick_params(labelbottom=place + columns >= count)
    return figure, used_axes


def unit_square(axes: Any) -> None:
    """Give axes the range from 0 to 1 on both sides."""
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_formatter("{x:g}")


def title(axes: Any, method: str, reference: bool, pad: float = 3) -> None:
    """Write the name of a method above its panel by `pad` points, bold for the reference."""
    axes.set_title(style.short(method), size=7, weight="bold" if reference else "normal", pad=pad)


def finish(figure: Figure, x: str, y: str, handles: Sequence[Any], left_out: int) -> None:
    """Label the figure and write its legend.

    Parameters
    ----------
    figure : Figure
    x, y : str
    handles : sequence
        Of the legend; none where empty.
    left_out : int
        Methods that are not drawn.
    """
    figure.supxlabel(x, size=7)
    figure.supylabel(y, size=7)
    narrow = figure.get_figwidth() < style.PAGE / 2 + 0.1
    letters = sum(len(handle.get_label()) for handle in handles)
    note = f"{left_out} more methods are not drawn" if left_out else None
    if handles:
        figure.legend(
            handles=handles,
            loc="outside upper center",
            ncols=2 if narrow and letters > NARROW else min(len(handles), 4),
            title=note,
        )
    elif note:
        figure.suptitle(note, size=6.5)
