"""Sets against matched draws: the picture of enrichment.tsv."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gendmr import style
from gendmr.files.tables import MISSING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROWS = 12  # sets that are drawn
ABOVE, ROW, BELOW = 4.0, 6.6, 14.0  # mm: heights of the head, of a set, of axis and key
SET, GENES = -0.16, 0.26  # where bar and genes stand in the row of a set
HEIGHT = 0.3  # of a bar, in rows
WIDTH, LINE = 20, 40  # characters of a line of a name, and of the leading genes
FOUND = 0.05  # false discovery rate


def draw_enrichment(
    table: pd.DataFrame, notes: Sequence[str], path: Path, unit: str = "LD blocks"
) -> Figure:
    """Draw the score of each set beside what matched draws score, smallest p first.

    A filled dot has q < 0.05. Below its bar stand the leading genes; in square brackets the best
    gene of a block where the set holds only its neighbour.

    Parameters
    ----------
    table : DataFrame
        `enrichment.tsv`.
    notes : sequence of str
        Written where there is nothing to draw.
    path : Path
        PNG to write; the SVG goes beside it.
    unit : str
        `genes` where each is a block of its own.

    Returns
    -------
    Figure
    """
    tested = table[table["p"].notna()]
    if tested.empty:
        return style.text_figure("\n".join(notes) or "No set is tested.", path)
    shown = _chosen(tested)
    size = (style.COLUMN, (ABOVE + ROW * len(shown) + BELOW) * style.MM)
    figure, axes = style.canvas(size=size)
    figure.subplots_adjust(
        left=0.345,
        right=0.885,
        top=1 - ABOVE * style.MM / size[1],
        bottom=BELOW * style.MM / size[1],
    )
    _rows(axes, shown)
    best = "z" if shown["p_permuted"].notna().any() else "normal score"
    of_what = f"{unit} of the {best}" if unit == "genes" else f"{unit} of the best {best}"
    axes.set_xlabel(f"mean over {of_what}", labelpad=2)
    first = "" if unit == "genes" else " [first of their block]"
    left_out = len(tested) - len(shown)
    note = f" {left_out} more tested." if left_out else ""
    figure.text(
        0.01,
        0.6 * style.MM / size[1],
        f"(n): {unit}. Bar: 5 to 95 % of matched draws, line: their mean.\n"
        f"Filled: q < {FOUND:g}. Italic: leading genes{first}.{note}",
        fontsize=style.SMALL,
        color=style.DARK,
        va="bottom",
    )
    style.save(figure, path, crop=False)
    return figure


def _chosen(tested: pd.DataFrame) -> pd.DataFrame:
    """Return the sets to draw by p; lists of loci are few and drawn in any case."""
    loci = (tested["kind"] == "loci").to_numpy()
    first = np.argsort(~loci, kind="stable")[:ROWS]
    return tested.iloc[np.sort(first)]


def _rows(axes: Axes, shown: pd.DataFrame) -> None:
    row = np.arange(len(shown))
    at = row + SET
    low, high = shown["expected_low"], shown["expected_high"]
    axes.barh(at, high - low, left=low, height=HEIGHT, color=style.LIGHT, lw=0)
    axes.vlines(shown["expected"], at - HEIGHT / 2, at + HEIGHT / 2, color=style.DARK, lw=0.8)
    significant = (shown["q"] < FOUND).to_numpy()
    axes.scatter(
        shown["score"],
        at,
        s=14,
        facecolors=np.where(significant, style.BLUE, "white"),
        edgecolors=style.BLUE,
        linewidths=0.8,
        zorder=3,
    )
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.use_sticky_edges = False
    axes.margins(x=0.05)
    axis_transform = axes.get_yaxis_transform()
    for height, (_, set_row) in zip(row, shown.iterrows(), strict=True):
        axes.text(
            0.015,
            height + GENES,
            _leading(set_row),
            transform=axis_transform,
            va="center",
            fontsize=style.SMALL,
            style="italic",
            color=style.DARK,
        )
        axes.text(
            1.02,
            height + SET,
            _rounded(set_row["q"]),
            transform=axis_transform,
            va="center",
            fontsize=6.5,
        )
    axes.text(1.02, -0.62, "q", transform=axis_transform, va="bottom", fontsize=6.5)
    axes.set_yticks(
        row, [_called(set_row) for _, set_row in shown.iterrows()], fontsize=style.SMALL
    )
    axes.tick_params(axis="y", length=0, pad=2)
    axes.spines["left"].set_visible(False)


def _called(set_row: pd.Series) -> str:
    """Return the name in at most two lines, and the number of LD blocks."""
    lines = textwrap.wrap(str(set_row["set"]).replace("_", " "), WIDTH)
    size = f" ({set_row['n_block']})"
    room = WIDTH - len(size)
    last = " ".join(lines[min(len(lines) - 1, 1) :])
    last = last if len(last) <= room else last[: room - 1].rstrip() + "…"
    return "\n".join([*lines[: min(len(lines) - 1, 1)], last + size])


def _leading(set_row: pd.Series) -> str:
    """Return the first leading genes that fit into the row, and how many more there are."""
    if set_row["leading"] == MISSING:
        return ""
    pairs = zip(set_row["leading"].split(";"), set_row["leading_best"].split(";"), strict=True)
    names = [gene if gene == best else f"{gene} [{best}]" for gene, best in pairs]
    text = names[0]
    for count, name in enumerate(names[1:], start=1):
        more = f" +{len(names) - count}"
        if len(f"{text}, {name}{more}") > LINE:
            return text + more
        text = f"{text}, {name}"
    return text


def _rounded(q: float) -> str:
    return f"{q:.3f}" if q >= 0.001 else f"{q:.0e}".replace("e-0", "e-")
