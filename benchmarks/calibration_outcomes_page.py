"""The part of the calibration page about outcomes other than a diagnosis."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from calibration_page import (
    FINDS,
    UNIFORMITY,
    WORDS,
    draw_panel,
    finds_cells,
    replace_part,
    uniformity_cells,
)
from gendmr import style
from planted_page import markdown

BEGIN, END = "<!-- generated, outcomes: begin -->", "<!-- generated, outcomes: end -->"
LEVELS = ("gene", "region")
KINDS = {
    "memory": "measurement",
    "conversion": "time to an event",
    "stage": "three classes",
}
CHANCE = {"r": 0.0, "c_index": 0.5, "macro_auc": 0.5}
METRICS = {"r": "Pearson's r", "c_index": "Harrell's C", "macro_auc": "macro AUC"}
FIGURE = "calibration-outcomes-qq.png"


def write_page(table: pd.DataFrame, page: Path) -> None:
    """Replace the part of the page about outcomes, and write its figure beside it.

    Parameters
    ----------
    table : DataFrame
        A row per cohort, outcome, method and level (gene, region).
    page : Path
        Markdown with the two marks.
    """
    null, power = (table[table["study"] == kind] for kind in ("null", "power"))
    parts = ["### Nothing drives the outcome"]
    if null.empty:
        parts.append("No cohort has been run yet.")
    else:
        draw_qq(null, page.with_name(FIGURE))
        parts += [
            size_of(null),
            uniformity(null),
            f"![p-values of null cohorts, by kind of outcome]({FIGURE})",
            "What methods predict of held-out people, mean ± standard error over cohorts of the"
            " mean over folds:",
            predictions(null),
        ]
    if not power.empty:
        parts += ["### Something drives it", size_of(power), finds(power), predictions(power)]
    replace_part(page, BEGIN, END, "\n\n".join(parts))


def size_of(rows: pd.DataFrame) -> str:
    """Return a sentence on the cohorts."""
    people = int(rows["people"].iloc[0])
    permutations = int(rows["permutations"].iloc[0])
    return (
        f"{rows['cohort'].nunique()} cohorts of {people} people, {permutations} permutations,"
        " 3 folds; a method that was run on fewer of them says so in its row."
    )


def uniformity(rows: pd.DataFrame) -> str:
    """Return a table of Kolmogorov-Smirnov tests and of family-wise errors."""
    return markdown(
        ["outcome", "of", "method", *UNIFORMITY],
        [[*words, *uniformity_cells(method_rows)] for words, method_rows in _by_method(rows)],
    )


def finds(rows: pd.DataFrame) -> str:
    """Return a table of recall and of false discoveries."""
    return markdown(
        ["outcome", "of", "method", *FINDS],
        [[*words, *finds_cells(method_rows)] for words, method_rows in _by_method(rows)],
    )


def predictions(rows: pd.DataFrame) -> str:
    """Return a table of the primary metric by outcome and method, beside its value by chance."""
    lines = []
    for outcome, words in KINDS.items():
        outcome_rows = rows[(rows["outcome"] == outcome) & (rows["level"] == LEVELS[0])]
        for method, values in outcome_rows.groupby("method", sort=True):
            metric, value = values["metric"].iloc[0], values["value"].astype(float)
            error = value.std(ddof=1) / np.sqrt(len(value)) if len(value) > 1 else np.nan
            text = f"{value.mean():.3f} ± {error:.3f}".replace("-", "−")
            chance = f"{CHANCE[metric]:g}"
            lines.append([words, str(method), METRICS[metric], text, chance, str(len(value))])
    return markdown(["outcome", "method", "metric", "held-out", "chance", "cohorts"], lines)


def _by_method(rows: pd.DataFrame) -> list[tuple[tuple[str, str, str], pd.DataFrame]]:
    """Return the rows of each outcome, level and method, with the words of the three."""
    parts = []
    for outcome, words in KINDS.items():
        for level in LEVELS:
            outcome_rows = rows[(rows["outcome"] == outcome) & (rows["level"] == level)]
            for method, group in outcome_rows.groupby("method", sort=True):
                parts.append(((words, f"{level}s", str(method)), group))
    return parts


def draw_qq(rows: pd.DataFrame, path: Path) -> None:
    """Draw observed against expected p: a row for genes and one for regions, outcomes abreast."""
    figure, panels = style.canvas(
        len(LEVELS), len(KINDS), size=(style.PAGE, style.PAGE * 0.68), layout="constrained",
        squeeze=False, sharex=True, sharey=True,
    )  # fmt: skip
    for line, level in zip(panels, LEVELS, strict=True):
        for axes, outcome in zip(line, KINDS, strict=True):
            draw_panel(axes, rows[(rows["level"] == level) & (rows["outcome"] == outcome)])
            axes.set_title(f"{WORDS[level]}, {KINDS[outcome]}", loc="left")
    panels[0][0].legend(fontsize=6.5)
    figure.supxlabel("expected p", fontsize=8)
    figure.supylabel("observed p", fontsize=8)
    style.save(figure, path, crop=False, vector=False)
