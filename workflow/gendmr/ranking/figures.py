"""The ranking along the genome, its stability over folds, and the regions on the brain."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gendmr import style
from gendmr.config.ranking import RankingSection

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from gendmr.ranking.rank import Ranking

FIRST = 25  # rows of the figure of stability
LONGEST = 26  # characters of a name
DIRECTION = {
    "lower": (style.ORANGE, "more risk with less volume"),
    "higher": (style.SKY, "more risk with more volume"),
    "n/a": (style.GREY, "no direction"),
}


def draw_genome(genes: pd.DataFrame, snps: pd.DataFrame, label: int, path: Path) -> None:
    """Draw scores of genes and SNPs along the genome, and name the first genes.

    Parameters
    ----------
    genes, snps : DataFrame
        `genes.tsv` and `snps.tsv`.
    label : int
        Genes to name.
    path : Path
        PNG to write.
    """
    placed = genes.dropna(subset=["start", "end"])
    if placed.empty:
        _say("This method reads no SNPs: there are no genes to rank.", path)
        return
    chromosomes = sorted({*placed["chromosome"], *snps["chromosome"]}, key=_chromosome)
    middle = (placed["start"].astype(float) + placed["end"].astype(float)) / 2
    start = _starts(
        chromosomes,
        pd.concat([placed["chromosome"], snps["chromosome"]]),
        pd.concat([middle, snps["position"].astype(float)]),
    )
    figure, axes = style.canvas(size=(style.PAGE, 2.9))
    x = middle.to_numpy() + placed["chromosome"].map(start).to_numpy()
    y = placed["score"].to_numpy()
    snp_x = snps["position"].to_numpy(dtype=float) + snps["chromosome"].map(start).to_numpy()
    axes.scatter(snp_x, snps["score"], s=2, color=style.GREY, alpha=0.5, lw=0, label="SNPs")
    number = placed["chromosome"].map({name: i for i, name in enumerate(chromosomes)}).to_numpy()
    for parity, colour in enumerate((style.BLUE, style.SKY)):
        here = number % 2 == parity
        axes.scatter(x[here], y[here], s=12, color=colour, lw=0, label="genes" * (parity == 0))
    top = max(float(y.max()), 1e-12)
    axes.set(ylim=(-0.03 * top, 1.45 * top), ylabel="score (log odds)", xlabel="chromosome")
    width = x.max() - min(start.values()) or 1.0
    axes.set_xlim(-0.02 * width, x.max() + 0.02 * width)
    _name_points(axes, placed["gene"].tolist()[:label], x[:label], y[:label], top)
    every_x = pd.Series(np.concatenate([x, snp_x]))
    at = every_x.groupby(pd.concat([placed["chromosome"], snps["chromosome"]]).to_numpy())
    middles = (at.min() + at.max()) / 2
    _chromosome_axis(axes, {name: float(middles[name]) for name in chromosomes})
    axes.legend(loc="upper right", ncols=2, markerscale=2, handletextpad=0.2)
    style.save(figure, path)


def draw_stability(ranking: Ranking, options: RankingSection, path: Path) -> None:
    """Draw how ranks vary over folds, for the first genes and regions.

    Parameters
    ----------
    ranking : Ranking
        Tables of one method.
    options : RankingSection
        For `top_k`.
    path : Path
        PNG to write.
    """
    from gendmr.ranking.rank import shorter

    panels = [
        (table, name, k)
        for table, name, k in (
            (ranking.genes, "gene", options.top_k),
            (ranking.regions, "region", shorter(options.top_k, len(ranking.regions))),
        )
        if len(table)
    ]
    if not panels:
        _say("This method ranks neither genes nor regions.", path)
        return
    rows = max(min(len(table), FIRST) for table, _, _ in panels)
    figure, grid = style.canvas(
        1,
        len(panels),
        size=(style.COLUMN * len(panels), 0.75 + 0.145 * rows),
        squeeze=False,
        gridspec_kw={"wspace": 0.75},
    )
    for axes, (table, name, k) in zip(grid[0], panels, strict=True):
        _intervals(axes, table.head(FIRST), name=name, total=len(table), k=k, rows=rows)
    style.save(figure, path)


def draw_brain(regions: pd.DataFrame, centroids: np.ndarray, path: Path) -> None:
    """Draw the risk of regions on a glass brain, beside the names of the first ones.

    Parameters
    ----------
    regions : DataFrame
        `regions.tsv`.
    centroids : ndarray (region, 3)
        In the order of the table; mm in template space, axes to the right, front and top.
    path : Path
        PNG to write.
    """
    if regions.empty:
        _say("This method reads no regions: there is nothing to show on the brain.", path)
        return
    from nilearn import plotting  # takes two seconds to import

    share = (regions["score"] / max(float(regions["score"].max()), 1e-12)).to_numpy()
    colours = [DIRECTION[word][0] for word in regions["direction"].fillna("n/a")]
    figure = Figure(figsize=(style.PAGE, 2.6))
    brain = plotting.plot_glass_brain(
        None, display_mode="lyrz", figure=figure, axes=(0.32, 0.1, 0.68, 0.9), annotate=True
    )
    # Largest last, so that it is never hidden.
    for i in np.argsort(share, kind="stable"):
        brain.add_markers(
            [tuple(centroids[i])],
            marker_color=colours[i],
            marker_size=4 + 70 * share[i],
            alpha=0.75,
            lw=0,
        )
    axes = figure.add_axes((0.16, 0.16, 0.14, 0.78))
    shown = min(len(regions), 12)
    axes.barh(np.arange(shown), regions["score"].head(shown), color=colours[:shown], height=0.7)
    names = _region_names(regions.head(shown))
    axes.set_yticks(np.arange(shown), names)
    axes.invert_yaxis()
    axes.set_xlabel("score (log odds)")
    present = [word for word in DIRECTION if word in set(regions["direction"].fillna("n/a"))]
    handles = [
        Line2D([], [], marker="o", ls="", color=DIRECTION[w][0], label=DIRECTION[w][1])
        for w in present
    ]
    figure.legend(handles=handles, loc="lower right", ncols=3, bbox_to_anchor=(0.99, -0.02))
    style.save(figure, path)


def _say(text: str, path: Path) -> None:
    figure, axes = style.canvas(size=(style.COLUMN, 0.6))
    axes.axis("off")
    axes.text(0.5, 0.5, text, ha="center", va="center", color=style.GREY)
    style.save(figure, path)


def _chromosome(name: str) -> tuple[int, str]:
    return (int(name), "") if name.isdigit() else (99, name)


def _starts(
    chromosomes: Sequence[str], chromosome: pd.Series, position: pd.Series
) -> dict[str, float]:
    """Return where each chromosome begins on the axis: lengths are those of the data."""
    last = position.groupby(chromosome.to_numpy()).max()
    first = position.groupby(chromosome.to_numpy()).min()
    gap = 0.012 * float((last - first).sum()) or 1.0
    starts, offset = {}, 0.0
    for name in chromosomes:
        starts[name] = offset - float(first[name])
        offset += float(last[name] - first[name]) + gap
    return starts


def _chromosome_axis(axes: Axes, at: dict[str, float]) -> None:
    """Write chromosome names below their middles; where two would touch, the second is left out."""
    low, high = axes.get_xlim()
    shown: dict[str, float] = {}
    last = -np.inf
    for name, middle in at.items():
        if middle - last > (high - low) * 0.018 * max(len(name), 1):
            shown[name] = middle
            last = middle
    axes.set_xticks(list(shown.values()), list(shown))
    axes.tick_params(axis="x", length=0)


def _name_points(
    axes: Axes, names: Sequence[str], x: np.ndarray, y: np.ndarray, top: float
) -> None:
    """Write names upright above the plot, spread so that none touches its neighbour."""
    low, high = axes.get_xlim()
    # One line of 7-point text, in units of the axis.
    apart = (high - low) * 0.016
    order = np.argsort(x)
    wanted = x[order].astype(float)
    spread = wanted.copy()
    for _ in range(200):
        close = apart - np.diff(spread)
        push = np.where(close > 0, close / 2, 0.0)
        if not push.any():
            break
        spread[:-1] -= push
        spread[1:] += push
        spread = np.clip(spread, low + apart, high - apart)
    for at, i in zip(spread, order, strict=True):
        axes.annotate(
            names[i],
            (x[i], y[i]),
            (at, 1.12 * top),
            rotation=90,
            ha="center",
            va="bottom",
            fontsize=7,
            style="italic",
            arrowprops={"arrowstyle": "-", "color": style.GREY, "lw": 0.4, "shrinkB": 2},
        )


def _intervals(
    axes: Axes, table: pd.DataFrame, *, name: str, total: int, k: int, rows: int
) -> None:
    at = np.arange(len(table))
    axes.axvspan(1, k, color=style.GREY, alpha=0.12, lw=0)
    axes.hlines(at, table["rank_low"], table["rank_high"], color=style.BLUE, lw=2, alpha=0.6)
    axes.scatter(table["rank"], at, s=10, color=style.RED, zorder=3, clip_on=False)
    for row, share in enumerate(table["stability"]):
        axes.text(
            1.02, row, f"{share:.0%}", transform=axes.get_yaxis_transform(), va="center", fontsize=6
        )
    names = _region_names(table) if name == "region" else table[name].str.slice(0, LONGEST).tolist()
    axes.set_yticks(at, names, style="italic" if name == "gene" else "normal")
    axes.set(
        ylim=(rows - 0.4, -0.6), xlim=(1, max(total, 2)), xlabel=f"rank among {total:,} {name}s"
    )
    if total > 60:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
    axes.set_title(
        "dot: rank of the mean over folds\nline: 10–90 % range of the rank in single folds",
        fontsize=6,
        loc="left",
    )
    axes.text(
        1.02, -1.0, f"in first {k}", transform=axes.get_yaxis_transform(), va="center", fontsize=6
    )


def _region_names(table: pd.DataFrame) -> list[str]:
    """Return region names with the hemisphere where the name does not tell it apart."""
    twice = table["region"].duplicated(keep=False)
    return [
        f"{name[:LONGEST]} {side}" if again else name[:LONGEST]
        for name, side, again in zip(table["region"], table["hemisphere"], twice, strict=True)
    ]
