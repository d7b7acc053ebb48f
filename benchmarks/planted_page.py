"""The page of the planted-truth study: tables and figures from the table of rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gendmr import style
from gendmr.files.atomic import write_text

BEGIN, END = "<!-- generated: begin -->", "<!-- generated: end -->"
MAIN, ORACLE = "gendmr", "oracle"
GENES = 300  # of which the planted ones are to be found


def write_page(
    table: pd.DataFrame, page: Path, baselines: Sequence[str], ablations: Sequence[str]
) -> None:
    """Replace the generated part of the page, and write its figures beside it.

    Parameters
    ----------
    table : DataFrame
        A row per cohort and method.
    page : Path
        Markdown with the two marks.
    baselines, ablations : sequence of str
        Names of methods in the order of the tables.
    """
    text = page.read_text(encoding="utf-8")
    before, remainder = text.split(BEGIN)
    after = remainder.split(END)[1]
    body = generated(table, page, baselines, ablations)
    write_text(page, f"{before}{BEGIN}\n\n{body}\n\n{END}{after}")


def generated(
    table: pd.DataFrame, page: Path, baselines: Sequence[str], ablations: Sequence[str]
) -> str:
    """Return the generated part, and write the figures."""
    if table.empty:
        return "No cohort has been run yet."
    listed = [name for name in (MAIN, *baselines) if (table["method"] == name).any()]
    changed = [name for name in ablations if (table["method"] == name).any()]
    ranked = table.dropna(subset=["found25"])
    rankers = [name for name in listed if (ranked["method"] == name).any()]
    changed_rankers = [name for name in changed if (ranked["method"] == name).any()]
    parts = [
        "### Cohorts",
        cohorts(table),
        "### AUC of held-out people",
        "Mean ± standard error over cohorts; in brackets GenDMR minus this method, in the same"
        " cohorts and folds.",
        comparison(table, listed, "auc", 3),
        figure(draw_auc(table, listed, page), "AUC of each method by people."),
        "### Planted genes among the first 25",
        f"Of {_planted(table)} among {GENES}; by chance {chance(table, 25):.1f}. The oracle is"
        " the likelihood-ratio test that knows the simulated model.",
        comparison(ranked, [*rankers, ORACLE], "found25", 1),
        "Those that act on the diagnosis directly, and those that act through a region:",
        by_way(ranked, [*rankers, ORACLE]),
        figure(
            draw_recall(ranked, [*rankers, ORACLE], page),
            "Planted genes among the first 25, by their way to the disease.",
        ),
        "### Planted genes among the first 12",
        f"By chance {chance(table, 12):.1f}.",
        comparison(ranked, [*rankers, ORACLE], "found12", 1),
        "### The share of the oracle's recall",
        share_of_oracle(ranked, rankers),
    ]
    if changed:
        sizes = table.loc[table["method"].isin(changed), "people"].unique()
        parts += [
            "### GenDMR without its parts",
            "AUC:",
            comparison(table[table["people"].isin(sizes)], [MAIN, *changed], "auc", 3),
            "Planted genes among the first 25:",
            comparison(
                ranked[ranked["people"].isin(sizes)], [MAIN, *changed_rankers], "found25", 1
            ),
        ]
    parts += ["### Time", times(table, [*listed, *changed])]
    return "\n\n".join(parts)


# ---- Tables --------------------------------------------------------------------------------------


def cohorts(table: pd.DataFrame) -> str:
    """Return how many cohorts of which size there are, their seeds, and what one takes."""
    rows = []
    for (people, imaged), group in _sizes(table):
        seeds = sorted(group["cohort"].unique())
        # A cohort that was made in several runs took the sum of them.
        took = group.groupby("cohort")["wall"].unique().map(sum)
        versions = group.groupby("method")["code"].nunique()
        mixed = ", ".join(versions.index[versions > 1])
        rows.append(
            [
                f"{people:,}",
                f"{imaged:,}",
                str(len(seeds)),
                ", ".join(map(str, seeds)),
                "–" if np.isnan(took.mean()) else f"{took.mean():.0f}",
                mixed or "–",
            ]
        )
    head = ["people", "with imaging", "cohorts", "seeds", "seconds a cohort"]
    return markdown([*head, "methods in several versions"], rows)


def comparison(table: pd.DataFrame, methods: Sequence[str], column: str, digits: int) -> str:
    """Return mean ± SE of each method and size, and the paired difference of GenDMR from it."""
    sizes = [key for key, _ in _sizes(table)]
    rows = []
    for method in methods:
        cells = []
        for _, group in _sizes(table):
            values = _by_cohort(group, method, column)
            text = spread(values, digits)
            main = _by_cohort(group, MAIN, column)
            shared = values.index.intersection(main.index)
            if method not in {MAIN, ORACLE} and len(shared):
                text += f" ({spread(main[shared] - values[shared], digits, sign=True)})"
            cells.append(text)
        rows.append([method, *cells])
    return markdown(["method", *(_label(*size) for size in sizes)], rows)


def by_way(table: pd.DataFrame, methods: Sequence[str]) -> str:
    """Return direct + region genes found among the first 25."""
    sizes = [key for key, _ in _sizes(table)]
    rows = [
        [
            method,
            *(
                " + ".join(
                    spread(_by_cohort(group, method, column), 1, error=False)
                    for column in ("direct25", "region25")
                )
                for _, group in _sizes(table)
            ),
        ]
        for method in methods
    ]
    planted = table[["planted_direct", "planted_region"]].max()
    total = f"direct (of {planted.iloc[0]}) + region (of {planted.iloc[1]})"
    return markdown([f"method: {total}", *(_label(*size) for size in sizes)], rows)


def share_of_oracle(table: pd.DataFrame, methods: Sequence[str]) -> str:
    """Return recall among the first 25 as a share of the oracle's, over the same cohorts."""
    sizes = [key for key, _ in _sizes(table)]
    rows = []
    for method in methods:
        cells = []
        for _, group in _sizes(table):
            hits = _by_cohort(group, method, "found25")
            best = _by_cohort(group, ORACLE, "found25").reindex(hits.index)
            cells.append(f"{hits.sum() / best.sum():.0%}" if best.sum() else "–")
        rows.append([method, *cells])
    return markdown(["method", *(_label(*size) for size in sizes)], rows)


def times(table: pd.DataFrame, methods: Sequence[str]) -> str:
    """Return the seconds that the five folds of a method take, start of the process included."""
    sizes = [key for key, _ in _sizes(table)]
    rows = [
        [
            method,
            *(
                spread(_by_cohort(group, method, "seconds"), 0, error=False)
                for _, group in _sizes(table)
            ),
        ]
        for method in methods
    ]
    head = "seconds of all folds of a cohort, one core"
    return markdown([head, *(_label(*size) for size in sizes)], rows)


def spread(values: pd.Series, digits: int, *, sign: bool = False, error: bool = True) -> str:
    """Return `mean ± SE`; the error only where there are two values or more."""
    values = values.dropna()
    if values.empty:
        return "–"
    text = f"{values.mean():{'+' if sign else ''}.{digits}f}".replace("-", "−")
    if error and len(values) > 1:
        text += f" ± {values.std(ddof=1) / np.sqrt(len(values)):.{digits}f}"
    return text


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def mean_with_error(values: pd.Series, digits: int, *, signed: bool = False) -> str:
    """Return mean and standard error over cohorts; a dash where there are none."""
    if not len(values):
        return "–"
    sign = "+" if signed else ""
    error = f" ± {values.std(ddof=1) / np.sqrt(len(values)):.{digits}f}" if len(values) > 1 else ""
    return f"{values.mean() + 0.0:{sign}.{digits}f}{error}".replace("-", "−")


def chance(table: pd.DataFrame, first: int) -> float:
    """Return how many planted genes a random order has among its first ones."""
    return first * _planted(table) / GENES


def figure(path: Path, caption: str) -> str:
    """Return a figure in Markdown, beside the page."""
    return f"![{caption}]({path.name})"


def _planted(table: pd.DataFrame) -> int:
    return int((table["planted_direct"] + table["planted_region"]).max())


def _sizes(table: pd.DataFrame) -> list[tuple[tuple[int, int], pd.DataFrame]]:
    return [
        ((int(str(key[0])), int(str(key[1]))), group)
        for key, group in table.groupby(["people", "imaged"])
    ]


def _label(people: int, imaged: int) -> str:
    return f"{people:,} people" + (f", {imaged:,} imaged" if imaged != people else "")


def _by_cohort(group: pd.DataFrame, method: str, column: str) -> pd.Series:
    return group[group["method"] == method].set_index("cohort")[column].astype(float).dropna()


# ---- Figures -------------------------------------------------------------------------------------


def draw_auc(table: pd.DataFrame, methods: Sequence[str], page: Path) -> Path:
    """Draw the AUC of each method, a panel per size: cohorts as dots, mean and SE."""
    sizes = _sizes(table)
    canvas, panels = _panels(sizes, methods, "mean AUC of held-out people")
    for axes, ((people, imaged), group) in zip(panels, sizes, strict=True):
        for row, method in enumerate(reversed(methods)):
            values = _by_cohort(group, method, "auc")
            colour = style.BLUE if method == MAIN else style.GREY
            axes.plot(values, [row] * len(values), "o", ms=2.5, color=colour, alpha=0.4, mew=0)
            _mark(axes, values, row, colour)
        axes.axvline(0.5, color="black", lw=0.8, ls=":")
        axes.set_title(_label(people, imaged), loc="left")
    path = page.with_name(f"{page.stem}-auc.png")
    style.save(canvas, path, vector=False)
    return path


def draw_recall(table: pd.DataFrame, methods: Sequence[str], page: Path) -> Path:
    """Draw the planted genes among the first 25: direct ones and those through a region."""
    sizes = _sizes(table)
    canvas, panels = _panels(sizes, methods, "planted genes among the first 25")
    for axes, ((people, imaged), group) in zip(panels, sizes, strict=True):
        for row, method in enumerate(reversed(methods)):
            direct = _by_cohort(group, method, "direct25").mean()
            region = _by_cohort(group, method, "region25").mean()
            axes.barh(row, direct, color=style.BLUE, height=0.7)
            axes.barh(row, region, left=direct, color=style.ORANGE, height=0.7)
            _mark(axes, _by_cohort(group, method, "found25"), row, "black", mark="")
        axes.axvline(chance(table, 25), color="black", lw=0.8, ls=":")
        axes.set_xlim(0, _planted(table))
        axes.set_title(_label(people, imaged), loc="left")
    handles = [panels[0].barh(-9, 0, color=colour) for colour in (style.BLUE, style.ORANGE)]
    canvas.legend(handles, ["direct", "through a region"], loc="lower right", ncols=2)
    path = page.with_name(f"{page.stem}-recall.png")
    style.save(canvas, path, vector=False)
    return path


def _panels(sizes: Sequence[object], methods: Sequence[str], label: str) -> tuple[Any, Any]:
    figure_, axes = style.canvas(
        1,
        len(sizes),
        size=(style.PAGE, 0.8 + 0.17 * len(methods)),
        sharey=True,
        squeeze=False,
    )
    figure_.set_layout_engine("constrained")
    axes[0, 0].set_yticks(range(len(methods)), list(reversed(methods)), fontsize=6.5)
    axes[0, 0].set_ylim(-0.6, len(methods) - 0.4)
    figure_.supxlabel(label, fontsize=8)
    return figure_, axes[0]


def _mark(axes: object, values: pd.Series, row: int, colour: str, mark: str = "o") -> None:
    if len(values):
        error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
        axes.errorbar(  # type: ignore[attr-defined]
            values.mean(),
            row,
            xerr=error,
            fmt=mark or "none",
            ms=4,
            color=colour,
            ecolor=colour,
            lw=1,
        )
