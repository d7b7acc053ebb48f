"""Risk along the genome: every gene at its place, the first ones by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gendmr import style
from gendmr.ranking.figures.labels import NORMAL_SCORE, place_labels
from gendmr.ranking.significance import LEVEL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.legend import Legend

SIZE = (style.PAGE, 70 * style.MM)
NOTE = 0.045  # share of the height
IN_LABEL = 3  # genes of a block that a label names
DOTS = 400  # that stand for the family-wise line where names look for a free place
# How many times the family-wise line (or what most genes reach) the first may be on a linear axis.
STEEP = 5.0
LOW = -3.0  # below which genes that share a z are at the bound of what the null says
FOUND: dict[str, Any] = {"marker": "D", "s": 17, "color": style.RED, "lw": 0, "zorder": 3}
LINE: dict[str, Any] = {"color": "black", "lw": 0.7, "ls": (0, (5, 3))}
NAMED: dict[str, Any] = {
    "marker": "o",
    "s": 15,
    "color": "white",
    "ec": style.BLUE,
    "lw": 0.9,
    "zorder": 3,
}


@dataclass(frozen=True)
class Genome:
    """Places on the axis.

    Attributes
    ----------
    starts : dict of chromosome to float
        What is added to a position in base pairs.
    spans : dict of chromosome to (low, high)
        Where its genes and SNPs lie on the axis.
    """

    starts: dict[str, float]
    spans: dict[str, tuple[float, float]]


def draw_genome(
    genes: pd.DataFrame,
    snps: pd.DataFrame,
    label: int,
    path: Path,
    *,
    line: float | None = None,
) -> Figure | None:
    """Draw the risk of genes along the genome, and name the first ones.

    Height is z, the normal score that the moments of the permutation null give to the gene's score
    (`gendmr.ranking.significance.z_scores`; beyond what permutations can count it is an
    extrapolation), or the score where no null was run. Genes that score as little as the null can
    say stand at one value, which tells nothing: they are counted, not drawn. Filled diamonds
    are genes with a family-wise p of at most 0.05 (where that is absent: above the line), circles
    the other named genes. Named genes of one LD block are joined and share a label: they are one
    finding. Where the first gene is far above all others the axis is that of the inverse
    hyperbolic sine: linear near 0, logarithmic above.

    Parameters
    ----------
    genes, snps : DataFrame
        `genes.tsv` and `snps.tsv`; SNPs say how far chromosomes reach.
    label : int
        Genes to name, beside those that are significant.
    path : Path
        PNG to write, two columns wide; the SVG is written beside it.
    line : float, optional
        z that the largest of all genes exceeds in 5 % of the permutations.

    Returns
    -------
    Figure
    """
    if genes.empty:
        return style.text_figure("This method reads no SNPs: there are no genes to rank.", path)
    tested = "z" in genes and bool(genes["z"].notna().any())
    table = genes.assign(y=(genes["z"] if tested else genes["score"]).astype("float64"))
    unplaced = int(table["start"].isna().sum())
    nulls = int(table["y"].isna().sum())
    table = table.dropna(subset=["start", "end", "y"]).reset_index(drop=True)
    if table.empty:
        return style.text_figure("No gene has a place on the genome.", path)
    floor = _at_floor(table["y"].to_numpy()) if tested else np.zeros(len(table), dtype=bool)
    lowest = int(floor.sum())
    table = table[~floor].reset_index(drop=True)
    line = line if tested and line is not None and np.isfinite(line) else None
    table["significant"] = _significant(table, line)
    middle = (table["start"].astype("float64") + table["end"].astype("float64")) / 2
    genome = _genome(
        pd.concat([table["chromosome"], snps["chromosome"]], ignore_index=True),
        pd.concat([middle, snps["position"].astype("float64")], ignore_index=True),
    )
    table["x"] = middle + table["chromosome"].map(genome.starts)
    named = (table["rank"] <= label) | table["significant"]

    figure, axes = style.canvas(size=SIZE, layout="constrained")
    _draw_points(axes, table, named, genome)
    _height_axis(axes, table["y"].to_numpy(), line, tested=tested)
    _chromosome_axis(axes, genome)
    legend = _explain(axes, table, line, tested=tested, named=named)
    # The lowest line is for notes.
    figure.get_layout_engine().set(rect=(0, NOTE, 1, 1 - NOTE))  # type: ignore[union-attr, call-arg]
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    points = table[["x", "y"]].to_numpy(dtype="float64")
    if line is not None:
        low, high = axes.get_xlim()
        across = np.linspace(low, high, DOTS)
        points = np.vstack([points, np.column_stack([across, np.full(DOTS, line)])])
    n_unlabelled = _draw_labels(axes, table[named], points, legend)
    notes = [
        *([f"not drawn: {_genes(unplaced)} without a place"] if unplaced else []),
        *([f"not drawn: {_genes(nulls)} constant under the null"] if nulls else []),
        *([f"not drawn: {_genes(lowest)} at the lowest z that there is"] if lowest else []),
        *([f"no room for {n_unlabelled} of the names"] if n_unlabelled else []),
    ]
    figure.text(0.01, 0.01, "; ".join(notes), size=style.SMALL)
    style.save(figure, path, crop=False)
    return figure


def _at_floor(y: np.ndarray) -> np.ndarray:
    """Return which genes share the lowest z, if it is the bound of z and not of these genes."""
    lowest = y.min()
    shared = y <= lowest + 1e-6
    # The bound of the normal score lies below -4 for 20 permutations and more.
    return shared if lowest < LOW and 1 < shared.sum() < len(y) else np.zeros(len(y), dtype=bool)


def _significant(table: pd.DataFrame, line: float | None) -> pd.Series:
    if "p_fwer" in table and table["p_fwer"].notna().any():
        return table["p_fwer"] <= LEVEL
    return table["y"] > (np.inf if line is None else line)


def _genome(chromosome: pd.Series, position: pd.Series) -> Genome:
    """Put chromosomes side by side; their lengths are those of the data."""
    by_chromosome = position.groupby(chromosome)
    first, last = by_chromosome.min(), by_chromosome.max()
    gap = 0.012 * float((last - first).sum()) or 1.0
    starts, spans, offset = {}, {}, 0.0
    for name in sorted(first.index, key=_chromosome):
        starts[name] = offset - float(first[name])
        spans[name] = (offset, offset + float(last[name] - first[name]))
        offset = spans[name][1] + gap
    if len(spans) == 1:
        # One chromosome has an axis of positions.
        starts = dict.fromkeys(starts, 0.0)
        spans = {name: (float(first[name]), float(last[name])) for name in spans}
    return Genome(starts, spans)


def _chromosome(name: str) -> tuple[int, str]:
    return (int(name), "") if name.isdigit() else (99, name)


def _draw_points(axes: Axes, table: pd.DataFrame, named: pd.Series, genome: Genome) -> None:
    order = {name: i for i, name in enumerate(genome.spans)}
    parity = table["chromosome"].map(order) % 2
    unnamed = ~named
    for remainder, colour in enumerate((style.DARK, style.LIGHT)):
        points = table[unnamed & (parity == remainder)]
        axes.scatter(points["x"], points["y"], s=5, color=colour, lw=0, zorder=2)
    first = table[named]
    for members in _blocks(first):
        axes.plot(members["x"], members["y"], color="black", lw=0.8, zorder=2.5)
    for marks, options in (
        (first[~first["significant"]], NAMED),
        (first[first["significant"]], FOUND),
    ):
        axes.scatter(marks["x"], marks["y"], clip_on=False, **options)


def _blocks(table: pd.DataFrame) -> list[pd.DataFrame]:
    """Split by LD block, in the order of the table; a gene without a block stands alone."""
    single_block = pd.Series(np.arange(len(table)), index=table.index).astype(str)
    block = (
        table["block"].where(table["block"].notna(), single_block)
        if "block" in table
        else single_block
    )
    return [members for _, members in table.groupby(block, sort=False)]


def _height_axis(axes: Axes, y: np.ndarray, line: float | None, *, tested: bool) -> None:
    top = max(float(y.max()), line or 0.0)
    bottom = min(float(y.min()), 0.0)
    usual = line if line else float(np.quantile(np.abs(y), 0.99))
    unit = NORMAL_SCORE if tested else "score (log odds)"
    if usual > 0 and top > STEEP * usual:
        axes.set_yscale("asinh", linear_width=usual)
        ticks = _steep_ticks(usual, top, bottom)
        axes.set_yticks(ticks, [f"{tick:g}".replace("-", "−") for tick in ticks])
        axes.set_yticks([], minor=True)
        unit += ", asinh axis"
        room = usual * np.sinh(1.22 * np.arcsinh(top / usual))
        axes.set_ylim(1.1 * bottom - 0.05 * usual, room)
    else:
        span = (top - bottom) or 1.0
        axes.set_ylim(bottom - 0.04 * span, top + 0.24 * span)
    axes.set_ylabel(unit)


def _steep_ticks(usual: float, top: float, bottom: float) -> list[float]:
    """Return 0 and round numbers on both sides, each 2 to 2.5 times the one nearer to 0."""
    power = 10.0 ** np.arange(np.floor(np.log10(usual)) - 1, np.ceil(np.log10(top)) + 1)
    steps = np.unique(np.round(np.outer(power, (1, 2, 5)).ravel(), 12))
    steps = steps[steps >= 0.4 * usual]
    return [*-steps[steps <= -bottom][::-1], 0.0, *steps[steps <= 1.2 * top]]


def _chromosome_axis(axes: Axes, genome: Genome) -> None:
    low, high = 0.0, max(last for _, last in genome.spans.values())
    if len(genome.spans) == 1:
        name, (low, high) = next(iter(genome.spans.items()))
        axes.set_xlabel(f"position on chromosome {name} (Mb)")
        axes.xaxis.set_major_formatter(lambda x, _: f"{x / 1e6:g}")
    else:
        _chromosome_names(axes, genome, high - low)
    room = 0.015 * (high - low)
    if len(genome.spans) == 1:
        # A gene alone stands in the middle of a megabase.
        room = max(room, (1e6 - (high - low)) / 2)
    axes.set_xlim(low - room, high + room)


def _chromosome_names(axes: Axes, genome: Genome, width: float) -> None:
    """Write names below the middles; where two would touch, the second is left out."""
    shown: dict[str, float] = {}
    end = -np.inf
    for name, span in genome.spans.items():
        middle = sum(span) / 2
        half = width * 0.008 * len(name)
        if middle - half > end:
            shown[name] = middle
            end = middle + half
    axes.set_xticks(list(shown.values()), list(shown))
    axes.tick_params(axis="x", length=0)
    axes.set_xlabel("chromosome")


def _explain(
    axes: Axes, table: pd.DataFrame, line: float | None, *, tested: bool, named: pd.Series
) -> Legend:
    """Draw the family-wise line, and say above the points what the marks are."""
    handles = []
    if table["significant"].any():
        handles.append(_handle(FOUND, "family-wise p ≤ 0.05"))
    if (named & ~table["significant"]).any():
        handles.append(_handle(NAMED, "first in rank" + ("" if tested else ", no p-values")))
    if any(len(members) > 1 for members in _blocks(table[named])):
        handles.append(Line2D([], [], color="black", lw=0.8, label="same LD block"))
    if line is not None:
        axes.axhline(line, zorder=1, **LINE)
        handles.append(Line2D([], [], label=f"5 % family-wise: z = {line:.2f}", **LINE))
    return axes.legend(
        handles=handles, loc="upper left", ncols=4, borderpad=0, handletextpad=0.5,
        columnspacing=1.8, borderaxespad=0.2, handlelength=1.8,
    )  # fmt: skip


def _handle(marks: dict[str, Any], label: str) -> Line2D:
    return Line2D(
        [], [], ls="", marker=marks["marker"], ms=np.sqrt(marks["s"]), mfc=marks["color"],
        mec=marks.get("ec", marks["color"]), mew=marks["lw"], label=label,
    )  # fmt: skip


def _draw_labels(axes: Axes, named: pd.DataFrame, points: np.ndarray, legend: Legend) -> int:
    """Name blocks at their highest gene, in the order of rank; count what found no room."""
    names, at = [], []
    for members in _blocks(named):
        listed = [style.short(name) for name in members["gene"]]
        n_unnamed = len(listed) - IN_LABEL
        names.append(", ".join(listed[:IN_LABEL]) + (f" +{n_unnamed}" if n_unnamed > 0 else ""))
        at.append(members[["x", "y"]].to_numpy()[int(members["y"].argmax())])
    texts = place_labels(
        axes,
        names,
        np.array(at).reshape(-1, 2),
        points,
        avoid=[legend],
        fontsize=6.5,
        style="italic",
    )
    return sum(text is None for text in texts)


def _genes(count: int) -> str:
    return "1 gene" if count == 1 else f"{count:,} genes"
