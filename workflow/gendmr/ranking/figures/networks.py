"""Which pairs of networks carry the risk, and which edges: a matrix and a connectogram."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path as Curve

from gendmr import style
from gendmr.ranking.significance import LEVEL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EDGES = 40  # edges that are drawn
NUMBERED = 10  # pairs whose rank is written into the matrix
HEIGHT = 82 * style.MM
GAP = 2.0  # regions of empty circle between networks
RINGS = 20  # networks that are named around the circle
LINES = {"higher": style.RED, "lower": style.BLUE, "n/a": style.GREY}
LEGENDS = {
    "higher": "more risk with a stronger correlation",
    "lower": "more risk with a weaker one",
    "n/a": "direction unknown",
}


def draw_networks(pairs: pd.DataFrame, edges: pd.DataFrame, path: Path) -> Figure:
    """Draw pairs of networks as a matrix, and the first edges as a connectogram; return the figure.

    Cells hold z against the permutation null, or the score where no null was run; pairs that no
    edge joins are blank. Framed cells have a family-wise p of at most 5 %, numbers are ranks.

    Parameters
    ----------
    pairs : DataFrame
        `network_pairs.tsv`: `network_pair` (`first ~ second`), `rank`, `score`, `z`, `p_fwer`.
    edges : DataFrame
        `edges.tsv`: `edge`, `first`, `second`, `first_domain`, `second_domain`, `rank`,
        `direction`.
    path : Path
        PNG to write, two columns wide; the SVG is written beside it.
    """
    if pairs.empty or edges.empty:
        return style.text_figure("This method reads no connectomes: no edge is ranked.", path)
    figure, (left, right) = style.canvas(
        1, 2, size=(style.PAGE, HEIGHT), layout="constrained", width_ratios=(1, 1.05)
    )
    _draw_matrix(figure, left, pairs)
    _draw_circle(right, edges)
    style.save(figure, path, crop=False)
    return figure


def networks_of(pairs: pd.DataFrame) -> list[str]:
    """Return the networks of a table of pairs, sorted."""
    return sorted({end for pair in pairs["network_pair"] for end in str(pair).split(" ~ ")})


def _draw_matrix(figure: Figure, axes: Axes, pairs: pd.DataFrame) -> None:
    names = networks_of(pairs)
    tested = bool(pairs["z"].notna().any())
    values = pairs["z"] if tested else pairs["score"]
    matrix = np.full((len(names), len(names)), np.nan)
    place = {name: number for number, name in enumerate(names)}
    cells = [
        sorted((place[end] for end in str(pair).split(" ~ ")), reverse=True)
        for pair in pairs["network_pair"]
    ]
    for (row, column), value in zip(cells, values, strict=True):
        matrix[row, column] = value
    most = float(np.nanmax(np.abs(matrix))) or 1.0
    shown = axes.imshow(
        matrix,
        cmap="RdBu_r" if tested else "Reds",
        norm=Normalize(-most if tested else 0.0, most),
    )
    for (row, column), rank, p in zip(cells, pairs["rank"], pairs["p_fwer"], strict=True):
        if rank <= NUMBERED:
            dark = abs(matrix[row, column]) > (0.66 if tested else 0.5) * most
            axes.text(
                column, row, f"{rank:.0f}", ha="center", va="center", size=style.SMALL,
                color="white" if dark else "black",
            )  # fmt: skip
        if p <= LEVEL:
            frame = Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, ec="black", lw=1.2)
            axes.add_patch(frame)
    labels = [style.short(name) for name in names]
    axes.set_xticks(range(len(names)), labels, rotation=90)
    axes.set_yticks(range(len(names)), labels)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title("pairs of networks")
    label = "z under the permutation null" if tested else "score (log odds)"
    figure.colorbar(shown, ax=axes, label=label, shrink=0.6, location="right")
    if (pairs["p_fwer"] <= LEVEL).any():
        axes.legend(
            handles=[Rectangle((0, 0), 1, 1, fill=False, ec="black", lw=1.2)],
            labels=["family-wise p ≤ 0.05"], loc="upper right", handlelength=1, handleheight=1,
        )  # fmt: skip


def _draw_circle(axes: Axes, edges: pd.DataFrame) -> None:
    """Put regions on a circle, network by network, and join those of the first edges."""
    regions = pd.concat(
        [
            edges[["first", "first_domain"]].set_axis(["region", "network"], axis=1),
            edges[["second", "second_domain"]].set_axis(["region", "network"], axis=1),
        ]
    ).drop_duplicates()
    regions = regions.sort_values(["network", "region"], kind="stable", ignore_index=True)
    number = regions.groupby("network", sort=True).ngroup().to_numpy()
    at = np.arange(len(regions)) + GAP * number
    angle = np.pi / 2 - 2 * np.pi * at / (at[-1] + 1 + GAP)
    spots = np.column_stack([np.cos(angle), np.sin(angle)])
    place = dict(zip(regions["region"], range(len(regions)), strict=True))
    networks = list(dict.fromkeys(regions["network"]))
    for order, name in enumerate(networks):
        members = np.flatnonzero(number == order)
        arc = (
            np.linspace(angle[members[0]], angle[members[-1]], 40)
            if len(members) > 1
            else angle[members]
        )
        rim = 1.05 * np.cos(arc), 1.05 * np.sin(arc)
        axes.plot(*rim, color=style.DARK, lw=3, solid_capstyle="butt")
        middle = float(angle[members].mean())
        if len(networks) <= RINGS:
            _name(axes, style.short(str(name)), np.cos(middle), np.sin(middle))
    axes.scatter(spots[:, 0], spots[:, 1], s=3, color=style.LIGHT, lw=0, zorder=1)
    first = edges[edges["rank"] <= EDGES].sort_values("rank", ascending=False)
    directions = first["direction"].fillna("n/a").astype(str)
    for (_, edge), direction in zip(first.iterrows(), directions, strict=True):
        start, end = spots[place[edge["first"]]], spots[place[edge["second"]]]
        # Towards the centre, as in a connectogram: chords of neighbours stay apart from the rim.
        codes = [Curve.MOVETO, Curve.CURVE3, Curve.CURVE3]
        curve = Curve([start, 0.25 * (start + end), end], codes)
        strength = 1 - (float(edge["rank"]) - 1) / EDGES
        width, shade = 0.4 + 1.2 * strength, 0.35 + 0.6 * strength
        axes.add_patch(PathPatch(curve, fill=False, ec=LINES[direction], lw=width, alpha=shade))
    axes.set_aspect("equal")
    axes.set(xlim=(-1.8, 1.8), ylim=(-1.25, 1.25))
    axes.axis("off")
    axes.set_title(f"first {len(first)} of {len(edges)} edges; the first are the widest")
    axes.legend(
        handles=[
            Line2D([], [], color=LINES[direction], lw=1.5)
            for direction in LINES
            if direction in set(directions)
        ],
        labels=[LEGENDS[direction] for direction in LINES if direction in set(directions)],
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
    )


def _name(axes: Axes, name: str, across: float, up: float) -> None:
    """Write the name of a network beside its part of the circle."""
    sides = {1: "left", 0: "center", -1: "right"}
    heights = {1: "bottom", 0: "center", -1: "top"}
    axes.text(
        1.13 * across, 1.13 * up, name, size=style.SMALL,
        ha=sides[int(np.sign(across) * (abs(across) > 0.1))],
        va=heights[int(np.sign(up) * (abs(up) > 0.7))],
    )  # fmt: skip
