"""One figure per criterion: the distribution, the threshold, how many lie beyond it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from gendmr import style
from gendmr.config.genotypes import GenotypesSection
from gendmr.files.arrays import read_array, read_arrays
from gendmr.files.atomic import read_json
from gendmr.files.tables import MISSING, Kind, read_table
from gendmr.seeds import derive
from gendmr.statistics.clusters import separate_groups

HEIGHT = 2.4
BINS = 40
GROUPS = (style.BLUE, style.ORANGE, style.GREEN, style.RED, style.PURPLE)
FARTHEST = 30.0  # SDs that are drawn
PEOPLE: dict[str, Kind] = {"id": "text", "missing": "number", "sex": "text"}
PEOPLE |= {"f_x": "number", "f_autosomes": "number", "f_residual": "number"}
PAIRS: dict[str, Kind] = {"id1": "text", "id2": "text", "kinship": "number", "relation": "text"}
PAIRS |= {"pedigree": "text"}


# Inches around the axes: fixed, for fitting them to the labels draws every figure twice.
LEFT, RIGHT, BOTTOM, TOP = 0.72, 0.08, 0.45, 0.28


def draw_stage(section: GenotypesSection, folder: Path | str, seed: int) -> None:
    """Draw the eight figures of the stage from what its steps measured.

    Parameters
    ----------
    section : GenotypesSection
        Thresholds.
    folder : Path or str
        Where the steps left their files; its parent receives ``figures/*.png``.
    seed : int
        Of the study, with which ancestry groups are found.

    Raises
    ------
    InputFileError, TableError
        A step did not run.
    """
    folder = Path(folder)
    result = folder.parent
    figures = result / "figures"
    people = read_table(folder / "participants.measures.tsv", PEOPLE)
    pairs = read_table(result / "kinship.tsv", PAIRS)
    variants = read_arrays(folder / "variants.measures.npz")
    maf, hwe = variants["maf"], variants["hwe"]
    _shares(
        people["missing"].to_numpy(),
        section.person_missingness,
        "Missing calls of a person (share of variants)",
        "people",
        figures / "person_missingness.png",
    )
    _draw_sex(section, people.dropna(subset="f_x"), figures / "sex.png")
    _draw_heterozygosity(section, people["f_residual"].dropna(), figures / "heterozygosity.png")
    _draw_kinship(section, pairs, figures / "kinship.png")
    _shares(
        read_array(folder / "merge.missingness.npy"),
        section.variant_missingness,
        "Missing calls of a variant (share of people)",
        "variants",
        figures / "variant_missingness.png",
    )
    _draw_maf(section, maf[np.isfinite(maf)], figures / "maf.png")
    _draw_hwe(section, hwe[np.isfinite(hwe)], figures / "hwe.png")
    components = read_table(result / "components.tsv", {"id": "text"}, extra=True)
    values = np.array(read_json(result / "summary.json")["eigenvalues"])
    _draw_components(components, values, seed, figures / "components.png")


def _canvas() -> tuple[Any, Any]:
    figure = Figure(figsize=(style.COLUMN, HEIGHT))
    width, height = style.COLUMN, HEIGHT
    return figure, figure.add_axes(
        (
            LEFT / width,
            BOTTOM / height,
            (width - LEFT - RIGHT) / width,
            (height - BOTTOM - TOP) / height,
        )
    )


def _bars(axes: Any, counts: np.ndarray, edges: np.ndarray, beyond: np.ndarray) -> None:
    # Steps, not bars: one shape for each colour instead of one for each bin.
    for bins, color in ((~beyond, style.BLUE), (beyond, style.ORANGE)):
        axes.stairs(counts * bins, edges, fill=True, color=color, linewidth=0)


def _threshold(axes: Any, value: float, label: str) -> None:
    axes.axvline(value, color=style.GREY, linewidth=1, linestyle="--")
    axes.set_title(label, loc="right", fontsize=8)


def _nothing(axes: Any, why: str) -> None:
    axes.text(0.5, 0.5, why, ha="center", va="center", transform=axes.transAxes, color=style.GREY)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)


def _shares(values: np.ndarray, threshold: float, label: str, axis_label: str, path: Path) -> None:
    """Draw a histogram with a logarithmic count, for most of the mass lies near zero."""
    figure, axes = _canvas()
    top = max(float(values.max()), threshold) * 1.05 or 0.01
    # A bin ends at the threshold.
    width = threshold / max(round(BINS * threshold / top), 1) if threshold > 0 else top / BINS
    edges = np.arange(0, top + width, width)
    counts, edges = np.histogram(values, bins=edges)
    _bars(axes, counts, edges, edges[:-1] >= threshold - width / 2)
    _threshold(axes, threshold, f"{int((values > threshold).sum()):,} of {len(values):,} above")
    axes.set(xlabel=label, ylabel=axis_label, yscale="log", xlim=(0, edges[-1]))
    axes.set_ylim(bottom=0.7)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,.0f}"))
    _save(figure, path)


def _draw_maf(section: GenotypesSection, maf: np.ndarray, path: Path) -> None:
    figure, axes = _canvas()
    # A bin ends at the threshold, so that no bar is on both sides of it.
    width = section.maf / max(round(BINS * section.maf / 0.5), 1) if section.maf else 0.5 / BINS
    counts, edges = np.histogram(maf, bins=np.arange(0, 0.5 + width, width))
    _bars(axes, counts, edges, edges[:-1] < section.maf - width / 2)
    _threshold(axes, section.maf, f"{int((maf < section.maf).sum()):,} variants below")
    axes.set(xlabel="Minor allele frequency", ylabel="variants", xlim=(0, 0.5))
    _save(figure, path)


def _draw_hwe(section: GenotypesSection, p: np.ndarray, path: Path) -> None:
    figure, axes = _canvas()
    if not len(p):
        _nothing(axes, "no autosomal variants")
        _save(figure, path)
        return
    observed = -np.log10(np.clip(np.sort(p), 1e-300, 1))
    expected = -np.log10((np.arange(len(p)) + 0.5) / len(p))
    # Thinned where points lie on one another: all of the tail, few of the bulk.
    plotted = np.unique(np.geomspace(1, len(p), min(len(p), 2000)).astype(int)) - 1
    limit = -np.log10(section.hwe) if section.hwe > 0 else np.inf
    beyond = observed[plotted] > limit
    axes.plot([0, expected[0]], [0, expected[0]], color=style.GREY, linewidth=1)
    axes.scatter(
        expected[plotted],
        observed[plotted],
        s=5,
        linewidths=0,
        c=np.where(beyond, style.ORANGE, style.BLUE),
    )
    removed = int((p < section.hwe).sum())
    if np.isfinite(limit) and observed[0] > limit / 3:
        axes.axhline(limit, color=style.GREY, linewidth=1, linestyle="--")
    axes.set_title(f"{removed:,} of {len(p):,} with p < {section.hwe:g}", loc="right", fontsize=8)
    axes.set(
        xlabel="Expected −log10 p",
        ylabel="Observed −log10 p",
        xlim=(0, None),
        ylim=(0, None),
    )
    _save(figure, path)


def _draw_sex(section: GenotypesSection, table: pd.DataFrame, path: Path) -> None:
    figure, axes = _canvas()
    if table.empty:
        _nothing(axes, "sex not checked")
        _save(figure, path)
        return
    recorded = (
        ("female", table[table["sex"] == "female"]["f_x"]),
        ("male", table[table["sex"] == "male"]["f_x"]),
        ("not recorded", table[table["sex"] == MISSING]["f_x"]),
    )
    groups = [(name, f.to_numpy()) for name, f in recorded if len(f)]
    contradictions = 0
    for row, (name, f) in enumerate(groups):
        female, male = f < section.sex_female_max, f > section.sex_male_min
        contradicts = {"female": male, "male": female}.get(name, np.zeros(len(f), dtype=bool))
        contradictions += int(contradicts.sum())
        # Points are spread vertically by fixed steps, so that they do not overlap.
        offset = (np.arange(len(f)) * 0.618034 % 1 - 0.5) * 0.5
        axes.scatter(
            f, row + offset, s=8, linewidths=0, c=np.where(contradicts, style.ORANGE, style.BLUE)
        )
    for bound in (section.sex_female_max, section.sex_male_min):
        axes.axvline(bound, color=style.GREY, linewidth=1, linestyle="--")
    axes.set_title(f"{contradictions} contradict the record", loc="right", fontsize=8)
    axes.set_yticks(range(len(groups)), [f"{name}\n(n = {len(f)})" for name, f in groups])
    axes.set(xlabel="F coefficient of chromosome X", ylim=(-0.5, len(groups) - 0.5))
    _save(figure, path)


def _draw_heterozygosity(section: GenotypesSection, residual: pd.Series, path: Path) -> None:
    figure, axes = _canvas()
    if len(residual) < 2 or residual.std() == 0:
        _nothing(axes, "heterozygosity not computed")
        _save(figure, path)
        return
    # A bin for each of two people a thousand SDs apart would take all memory.
    spread = np.clip(residual.to_numpy(), -FARTHEST, FARTHEST)
    limit = section.heterozygosity_sd
    width = limit / 12
    low = np.floor(min(spread.min(), -limit * 1.1) / width)
    high = np.ceil(max(spread.max(), limit * 1.1) / width)
    counts, edges = np.histogram(spread, bins=np.arange(low, high + 1) * width)
    outside = spread[np.abs(spread) > limit]
    _bars(axes, counts, edges, np.abs(edges[:-1] + edges[1:]) / 2 > limit)
    # A bar of one person among hundreds cannot be seen.
    axes.scatter(
        outside, np.full(len(outside), counts.max() * 0.03), s=10, marker="v", color=style.ORANGE
    )
    for side in (-limit, limit):
        axes.axvline(side, color=style.GREY, linewidth=1, linestyle="--")
    axes.set_title(
        f"{len(outside)} of {len(spread):,} beyond {limit:g} SD", loc="right", fontsize=8
    )
    axes.set(
        xlabel="F coefficient (robust SD from what ancestry predicts)",
        ylabel="people",
        xlim=(edges[0] - width, edges[-1] + width),
    )
    _save(figure, path)


def _draw_kinship(section: GenotypesSection, pairs: pd.DataFrame, path: Path) -> None:
    figure, axes = _canvas()
    if pairs.empty:
        _nothing(axes, f"no pair with kinship ≥ {section.kinship:g}")
        _save(figure, path)
        return
    low = section.kinship
    edges = np.linspace(low, max(0.5, float(pairs["kinship"].max())) * 1.001, BINS + 1)
    for relation, color in (
        ("second", style.SKY),
        ("first", style.BLUE),
        ("duplicate", style.ORANGE),
    ):
        values = pairs.loc[pairs["relation"] == relation, "kinship"]
        if len(values):
            axes.hist(values, bins=edges, color=color, label=f"{relation} ({len(values)})")
    axes.axvline(section.duplicate_kinship, color=style.GREY, linewidth=1, linestyle="--")
    axes.set(xlabel="KING kinship coefficient", ylabel="pairs")
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.18), ncols=3, handlelength=1)
    _save(figure, path)


def _draw_components(table: pd.DataFrame, values: np.ndarray, seed: int, path: Path) -> None:
    """Draw people on four components in the colour of their ancestry group, and eigenvalues.

    Groups are found as for the strata of the null (`gendmr.cohort.strata`), here of everybody who
    was genotyped.
    """
    figure, axes = style.canvas(1, 3, size=(style.PAGE, HEIGHT))
    figure.subplots_adjust(0.095, 0.18, 0.99, 0.96, wspace=0.36)
    groups = _ancestry_groups(table, seed)
    several = len(np.unique(groups)) > 1
    for panel, pair in zip(axes[:2], (("PC1", "PC2"), ("PC3", "PC4")), strict=True):
        if pair[1] in table:
            first, second = (table[name].astype(float) for name in pair)
            for group in np.unique(groups):
                members = groups == group
                panel.scatter(
                    first[members],
                    second[members],
                    s=5,
                    alpha=0.6,
                    linewidths=0,
                    color=GROUPS[group],
                    label=f"group {group + 1} ({int(members.sum())})",
                )
            if several and pair[0] == "PC1":
                panel.legend(loc="best", handletextpad=0.2, markerscale=1.5)
            panel.set(xlabel=pair[0], ylabel=pair[1])
            panel.locator_params(nbins=5)
        else:
            _nothing(panel, "too few people or variants")
    if len(values):
        axes[2].plot(np.arange(1, len(values) + 1), values, "o-", markersize=3)
        axes[2].set(xlabel="Component", ylabel="Eigenvalue", ylim=(0, 1.08 * values.max()))
        axes[2].xaxis.get_major_locator().set_params(integer=True)
    else:
        _nothing(axes[2], "not computed")
    _save(figure, path)


def _ancestry_groups(table: pd.DataFrame, seed: int) -> np.ndarray:
    """Return the group of each person, int (person,); the largest is 0."""
    if "PC2" not in table:
        return np.zeros(len(table), dtype=np.int64)
    points = table[["PC1", "PC2"]].astype(float).to_numpy()
    return separate_groups(points, lambda count: derive(seed, "ancestry", count))


def _save(figure: Any, path: Path) -> None:
    style.save(figure, path, crop=False, vector=False)
