"""The page of the calibration study: tables and figures from the table of rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gendmr import style
from gendmr.files.atomic import write_text
from planted_page import markdown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BEGIN, END = "<!-- generated: begin -->", "<!-- generated: end -->"
LEVEL = 0.05
WORDS = {"gene": "Genes", "region": "Regions"}


def write_page(table: pd.DataFrame, page: Path) -> None:
    """Replace the generated part of the page, and write its figure beside it.

    Parameters
    ----------
    table : DataFrame
        A row per cohort, method and level (gene, region).
    page : Path
        Markdown with the two marks.
    """
    replace_part(page, BEGIN, END, generated(table, page))


def replace_part(page: Path, begin: str, end: str, body: str) -> None:
    """Replace what stands between two marks of a page."""
    before, remainder = page.read_text(encoding="utf-8").split(begin)
    write_text(page, f"{before}{begin}\n\n{body}\n\n{end}{remainder.split(end)[1]}")


# Sections of the page: kind of study, heading, whether something is planted.
SECTIONS = (
    ("null", "Nothing is there", False),
    ("power", "Something is there", True),
    ("linked-null", "Nothing is there, and linkage crosses genes", False),
    ("linked-power", "Neighbouring genes are there, and linkage crosses them", True),
)


def generated(table: pd.DataFrame, page: Path) -> str:
    """Return the generated part, and write the figure."""
    parts = []
    for kind, heading, is_planted in SECTIONS:
        rows = table[table["study"] == kind]
        if rows.empty:
            continue
        parts += [f"### {heading}", f"{_cohorts(rows)}."]
        for level, of_level in rows.groupby("level"):
            judged = finds(of_level) if is_planted else uniformity(of_level)
            parts.append(f"**{WORDS[str(level)]}.**\n\n{judged}")
        if kind == "null":
            draw_qq(rows, page.with_name("calibration-qq.png"))
            parts.append("![p-values of null cohorts against uniform ones](calibration-qq.png)")
    return "\n\n".join(parts)


def _cohorts(rows: pd.DataFrame) -> str:
    seeds = sorted(set(rows["cohort"].astype(int)))
    noun = "cohort" if len(seeds) == 1 else "cohorts"
    return f"{len(seeds)} {noun} of {int(rows['people'].iloc[0])} people (seeds {_ranges(seeds)})"


def _ranges(numbers: list[int]) -> str:
    pieces: list[list[int]] = []
    for number in numbers:
        if pieces and number == pieces[-1][-1] + 1:
            pieces[-1].append(number)
        else:
            pieces.append([number])
    return ", ".join(str(p[0]) if len(p) == 1 else f"{p[0]} to {p[-1]}" for p in pieces)


def p_values(counts: str, random: np.random.Generator) -> np.ndarray:
    """Return p-values from counts of each possible one, spread evenly within their steps."""
    numbers = np.array(counts.split(), dtype=int)
    steps = np.repeat(np.arange(numbers.size), numbers)
    return (steps + random.uniform(size=steps.size)) / numbers.size


UNIFORMITY = (
    "permutations",
    "tests a cohort",
    "KS distance, all cohorts",
    "KS p, all cohorts",
    "cohorts with KS p < 0.05",
    "share of p ≤ 0.05",
    "family-wise errors at 5 %",
    "99 % of such studies",
    "pooled p ≤ 0.05",
)


def uniformity(rows: pd.DataFrame) -> str:
    """Return a table of Kolmogorov-Smirnov tests and of family-wise errors."""
    lines = [
        [str(method), *uniformity_cells(method_rows)]
        for method, method_rows in rows.groupby("method", sort=False)
    ]
    return markdown(["method", *UNIFORMITY], lines)


def uniformity_cells(rows: pd.DataFrame) -> list[str]:
    """Return the cells `UNIFORMITY` of one method, from its rows of one level."""
    from scipy.stats import binom, kstest

    random = np.random.default_rng(0)
    values = [p_values(counts, random) for counts in rows["counts"]]
    single = [kstest(p_of_cohort, "uniform").pvalue for p_of_cohort in values]
    pooled = kstest(np.concatenate(values), "uniform")
    errors, size = int((rows["fwer"] <= LEVEL).sum()), len(rows)
    low, high = binom.ppf([0.005, 0.995], size, LEVEL).astype(int)
    bins = np.sum([np.array(text.split(), dtype=int) for text in rows["pooled"]], axis=0)
    return [
        _range(rows["permutations"]),
        _range(rows["tests"]),
        f"{pooled.statistic:.3f}",
        f"{pooled.pvalue:.2f}",
        f"{sum(p < LEVEL for p in single)} of {size}",
        f"{np.mean(np.concatenate(values) <= LEVEL):.3f}",
        f"{errors} of {size}",
        f"{low} to {high}",
        f"{bins[0] / bins.sum():.3f}",
    ]


def _range(values: pd.Series) -> str:
    low, high = int(values.min()), int(values.max())
    return str(low) if low == high else f"{low} to {high}"


FINDS = (
    "permutations",
    "cohorts",
    "planted",
    "among the first as many",
    "found, family-wise 5 %",
    "found, q ≤ 0.05",
    "found, pooled q ≤ 0.05",
    "false discoveries, family-wise",
    "false discovery proportion, q",
    "false discovery proportion, pooled q",
)


def finds(rows: pd.DataFrame) -> str:
    """Return a table of recall and of false discoveries by method."""
    by_method = rows.groupby("method", sort=False)
    lines = [[str(method), *finds_cells(method_rows)] for method, method_rows in by_method]
    return markdown(["method", *FINDS], lines)


def finds_cells(rows: pd.DataFrame) -> list[str]:
    """Return the cells `FINDS` of one method, from its rows of one level."""
    cells = [_range(rows["permutations"]), str(len(rows)), _range(rows["planted"])]
    cells.append(f"{rows['first'].mean():.1f}")
    cells += [f"{rows[f'true_{name}'].mean():.1f}" for name in ("fwer", "q", "pooled")]
    wrong = (rows["found_fwer"] > rows["true_fwer"]).sum()
    cells.append(f"in {int(wrong)} of {len(rows)} cohorts")
    for name in ("q", "pooled"):
        significant, true = rows[f"found_{name}"], rows[f"true_{name}"]
        share = ((significant - true) / significant.where(significant > 0, 1)).mean()
        cells.append(f"{share:.3f}")
    return cells


def draw_qq(rows: pd.DataFrame, path: Path) -> None:
    """Draw observed against expected p of all cohorts, a panel for genes and one for regions."""
    levels = [level for level in ("gene", "region") if (rows["level"] == level).any()]
    figure, panels = style.canvas(
        1, len(levels), size=(style.PAGE, style.PAGE / 2), layout="constrained", squeeze=False
    )
    for axes, level in zip(panels[0], levels, strict=True):
        draw_panel(axes, rows[rows["level"] == level])
        axes.set(title=WORDS[level], xlabel="expected p", ylabel="observed p")
        axes.legend()
    style.save(figure, path, crop=False, vector=False)


def draw_panel(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw the p-values of each method of some rows against uniform ones."""
    axes.plot([0, 1], [0, 1], color="0.6", lw=0.8)
    for method, method_rows in rows.groupby("method", sort=False):
        random = np.random.default_rng(0)
        values = np.sort(np.concatenate([p_values(text, random) for text in method_rows["counts"]]))
        expected = (np.arange(values.size) + 0.5) / values.size
        axes.plot(expected, values, lw=1.0, label=method)
    axes.set(xlim=(0, 1), ylim=(0, 1))
