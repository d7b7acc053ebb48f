"""How ranks vary over folds, for the first rows of each table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gendmr import style
from gendmr.ranking.significance import LEVEL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FIRST = 25  # rows
ROW = 3.4 * style.MM
AROUND = 21 * style.MM  # what stands above and below the rows
LOGARITHMIC = 60  # ranks from which on the axis is logarithmic
# Marks of the median: colour and shape say the same.
MARKS: dict[str, dict[str, Any]] = {
    "family-wise p ≤ 0.05": {"marker": "D", "s": 13, "color": style.RED, "lw": 0},
    "q ≤ 0.05": {"marker": "s", "s": 13, "color": style.ORANGE, "lw": 0},
    "q > 0.05": {"marker": "o", "s": 13, "color": "white", "ec": style.BLUE, "lw": 0.8},
    "no p-value": {"marker": "o", "s": 13, "color": style.BLUE, "lw": 0},
}


@dataclass(frozen=True)
class TablePanel:
    """One table of a figure.

    Parameters
    ----------
    name : str
        What a row is, and the column of names: `gene`, `region`.
    table : DataFrame
    k : int
        Length of the short list.
    unit, words : str
        What ranks are of, and what the ends of their ranges are: see
        `gendmr.ranking.scores.spread_words`.
    """

    name: str
    table: pd.DataFrame
    k: int
    unit: str = "fold"
    words: str = "10–90 % of folds"


def draw_stability(tables: Sequence[TablePanel], path: Path) -> Figure:
    """Draw how ranks vary over folds, for the first rows of each table.

    Rows are in the order of the ranking. A line is the range of the rank in single folds or
    repeats (10 to 90 % of at least 10, all of fewer), its mark the median; shape and colour say
    what the null says. Numbers are the shares of folds in which a row is among the first `k`
    (grey).

    Parameters
    ----------
    tables : sequence of TablePanel
        `genes.tsv`, `regions.tsv`; those without rows are left out.
    path : Path
        PNG to write, one column wide for each table; the SVG is written beside it.
    """
    panels = [panel for panel in tables if len(panel.table)]
    if not panels:
        return style.text_figure("Nothing is ranked.", path)
    rows = max(min(len(panel.table), FIRST) for panel in panels)
    width = style.COLUMN if len(panels) == 1 else style.PAGE * len(panels) / 2
    figure, grid = style.canvas(
        1, len(panels), size=(width, ROW * rows + AROUND), squeeze=False, layout="constrained"
    )
    # Room between the shares of one panel and the names of the next.
    figure.get_layout_engine().set(wspace=0.05)  # type: ignore[union-attr, call-arg]
    for axes, panel in zip(grid[0], panels, strict=True):
        _draw(axes, panel, rows)
    kinds = {kind for panel in panels for kind in kinds_of(panel.table.head(FIRST))}
    _explain(figure, [kind for kind in MARKS if kind in kinds], panels[0].words)
    style.save(figure, path, crop=False)
    return figure


def kinds_of(table: pd.DataFrame) -> list[str]:
    """Return what the null says of each row: a key of `MARKS`."""
    absent = pd.Series(np.nan, index=table.index)
    p, q = table.get("p_fwer", absent), table.get("q", absent)
    kinds = [p <= LEVEL, q <= LEVEL, p.notna() | q.notna()]
    return list(map(str, np.select(kinds, list(MARKS)[:3], list(MARKS)[3])))


def region_names(table: pd.DataFrame) -> list[str]:
    """Return region names with the hemisphere where the name does not tell it apart."""
    duplicates = table["region"].duplicated(keep=False)
    return [
        f"{style.short(name)} {side}" if duplicated else style.short(name)
        for name, side, duplicated in zip(
            table["region"], table["hemisphere"], duplicates, strict=True
        )
    ]


def _draw(axes: Axes, panel: TablePanel, rows: int) -> None:
    table = panel.table.head(FIRST)
    total = len(panel.table)
    at = np.arange(len(table))
    axes.axvspan(1, min(panel.k, total), color=style.PALE, lw=0, zorder=0)
    axes.hlines(at, table["rank_low"], table["rank_high"], color=style.DARK, lw=1.1)
    kinds = np.array(kinds_of(table))
    for kind, mark in MARKS.items():
        of_kind = kinds == kind
        axes.scatter(table["rank_median"][of_kind], at[of_kind], zorder=3, clip_on=False, **mark)
    text_options: dict[str, Any] = {
        "xycoords": axes.get_yaxis_transform(), "xytext": (28, 0), "textcoords": "offset points",
        "ha": "right", "va": "center_baseline", "size": style.SMALL,
    }  # fmt: skip
    for row, share in enumerate(table["stability"]):
        axes.annotate(f"{100 * share:.0f} %", (1, row), **text_options)
    axes.annotate(f"in first {panel.k}", (1, -1.1), **text_options)
    names = (
        region_names(table) if panel.name == "region" else list(map(style.short, table[panel.name]))
    )
    axes.set_yticks(at, names, style="italic" if panel.name == "gene" else "normal")
    axes.tick_params(axis="y", length=0)
    axes.set(ylim=(rows - 0.4, -0.6), xlim=(1, max(total, 2)))
    name = panel.name.replace("_", " ") + ("s" if total > 1 else "")
    axes.set_xlabel(f"rank in a {panel.unit}, of {total:,} {name}")
    if total > LOGARITHMIC:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")


def _explain(figure: Figure, kinds: list[str], words: str) -> None:
    handles = [
        Line2D([], [], color=style.DARK, lw=1.1, label=words),
        *(
            Line2D(
                [], [], ls="", marker=MARKS[kind]["marker"], ms=np.sqrt(MARKS[kind]["s"]),
                mfc=MARKS[kind]["color"], mec=MARKS[kind].get("ec", MARKS[kind]["color"]),
                mew=MARKS[kind]["lw"], label=f"median, {kind}",
            )
            for kind in kinds
        ),
    ]  # fmt: skip
    wide = figure.get_figwidth() > style.COLUMN + 0.01
    figure.legend(
        handles=handles, loc="outside upper center", ncols=len(handles) if wide else 2,
        handletextpad=0.4, columnspacing=1.4,
    )  # fmt: skip
