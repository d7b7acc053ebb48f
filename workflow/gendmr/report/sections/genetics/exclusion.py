"""What remains of a ranking when a genomic interval, such as the APOE region, is excluded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gendmr.files.atomic import read_json
from gendmr.files.intervals import parse_interval
from gendmr.files.tables import Kind, read_table
from gendmr.ranking.significance import LEVEL
from gendmr.report.comparison import difference
from gendmr.report.method_schema import MethodSummary
from gendmr.report.numbers import finite
from gendmr.report.schema import StudySummary
from gendmr.report.sections.genetics import MODALITY
from gendmr.report.sections.genetics.apoe import reads_region

COLUMNS: dict[str, Kind] = {
    "gene": "text",
    "chromosome": "text",
    "start": "integer",
    "end": "integer",
    "score": "number",
    "rank": "number",
}
SIGNIFICANT: dict[str, Kind] = {"p_fwer": "number"}
FEWEST = 3  # genes of which a rank correlation says anything


def exclusions(
    results: Path, methods: Sequence[MethodSummary], ranked: Sequence[str], top: int
) -> list[dict[str, Any]]:
    """Compare each ranked method that excludes a genomic interval with the one that reads it.

    Two methods are such a pair where their options differ in `exclude` alone, and what the one
    leaves out contains what the other does.

    Parameters
    ----------
    results : Path
        ``results/<study>``.
    methods : sequence of MethodSummary
    ranked : sequence of str
        Methods with a table of genes.
    top : int
        How many first genes are compared.

    Returns
    -------
    list of dict
        ``method``, ``whole`` (the one that reads all), ``exclude``, ``metric`` (label of the
        primary one), ``difference`` in it (above 0: better than ``whole``; paired by fold),
        ``inside`` (genes of ``whole`` in the interval: number, best rank, first ones), ``outside``
        (genes that both rank elsewhere: number, ``correlation`` of their ranks, ``shared`` of the
        first ``top``), and ``kept``, ``lost``, ``gained``: genes elsewhere with a family-wise p of
        at most 5 %, None where one of the two has no null.
    """
    by_name = {item.method: item for item in methods if item.method in ranked}
    options = {name: _options(results, item) for name, item in by_name.items()}
    comparisons = []
    for name, item in by_name.items():
        pairs = [
            candidate
            for candidate, whole in by_name.items()
            if options[candidate] == options[name] and set(whole.exclude) < set(item.exclude)
        ]
        if not pairs:
            continue
        # Of several methods the one that excludes least, because its ranking is more complete.
        whole = min(pairs, key=lambda candidate: len(by_name[candidate].exclude))
        folders = [results / "ranking" / method for method in (name, whole)]
        if not all((folder / "genes.tsv").is_file() for folder in folders):
            continue
        tables = [_genes(folder) for folder in folders]
        if any(table.empty for table in tables):
            continue
        comparisons.append(
            {
                "method": name,
                "whole": whole,
                "exclude": sorted(set(item.exclude) - set(by_name[whole].exclude)),
                "metric": item.primary.label,
                "difference": asdict(difference(item, by_name[whole])),
                **_compared(tables[0], tables[1], item.exclude, top),
            }
        )
    return comparisons


def without_exclusion(summary: StudySummary, region: str | None, results: Path) -> str | None:
    """Return a note where the first ranking reads the APOE region and no method excludes it.

    Parameters
    ----------
    summary : StudySummary
    region : str, optional
        The APOE region in the build of the study; None where it is not known.
    results : Path
        ``results/<study>``.
    """
    main = summary.main
    if region is None or main is None or any(row["whole"] == main for row in summary.exclusions):
        return None
    method = summary.method(main)
    if method is None or not reads_region(method, region, results):
        return None
    return (
        f"No method was run without the APOE region, so that what {main} owes to it is not known:"
        f" add the same method under another name, with `exclude: [{region}]`."
    )


def _options(results: Path, item: MethodSummary) -> dict[str, Any]:
    """Return the options of a method but for what it excludes."""
    repeat, fold = item.folds[0]
    folder = results / "training" / item.method / f"repeat-{repeat}" / f"fold-{fold}"
    options = dict(read_json(folder / "run.json").get("options") or {})
    modalities = dict(options.get("modalities") or {})
    if MODALITY in modalities:
        modalities[MODALITY] = _without_exclude(modalities[MODALITY])
    method = _without_exclude(options.get("method") or {})
    return {**options, "method": method, "modalities": modalities}


def _without_exclude(section: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in section.items() if key != "exclude"}


def _genes(ranking: Path) -> pd.DataFrame:
    path = ranking / "genes.tsv"
    return read_table(path, COLUMNS, optional=SIGNIFICANT, extra=True).set_index("gene")


def _compared(
    without: pd.DataFrame, complete: pd.DataFrame, exclude: Sequence[str], top: int
) -> dict[str, Any]:
    inside = _inside(complete, exclude)
    within = complete[inside].sort_values("rank", kind="stable")
    elsewhere = complete[~inside & (complete["score"] > 0)]
    remaining = without[~_inside(without, exclude) & (without["score"] > 0)]
    shared = elsewhere.index.intersection(remaining.index)
    ranks = [table.loc[shared, "score"].rank() for table in (elsewhere, remaining)]
    correlation = np.corrcoef(*ranks)[0, 1] if len(shared) >= FEWEST else np.nan
    first = [
        set(table.sort_values("rank", kind="stable").index[:top])
        for table in (elsewhere, remaining)
    ]
    strong = [_significant(table) for table in (elsewhere, remaining)]
    sets: dict[str, list[str] | None] = dict.fromkeys(("kept", "lost", "gained"))
    if strong[0] is not None and strong[1] is not None:
        sets = {
            "kept": sorted(strong[0] & strong[1]),
            "lost": sorted(strong[0] - strong[1]),
            "gained": sorted(strong[1] - strong[0]),
        }
    return {
        "inside": {
            "n": len(within),
            "best_rank": finite(float(within["rank"].min())) if len(within) else None,
            "first": [str(gene) for gene in within.index[:5]],
        },
        "outside": {
            "n": len(shared),
            "correlation": finite(float(correlation)),
            "shared": len(first[0] & first[1]),
            "top": min(top, len(shared)),
        },
        **sets,
    }


def _inside(table: pd.DataFrame, intervals: Sequence[str]) -> np.ndarray:
    """Return which genes touch one of the intervals."""
    touched = np.zeros(len(table), dtype=bool)
    for text in intervals:
        chromosome, first, last = parse_interval(text)
        touched |= (
            (table["chromosome"] == chromosome) & (table["start"] <= last) & (table["end"] >= first)
        ).to_numpy()
    return touched


def _significant(table: pd.DataFrame) -> set[str] | None:
    if "p_fwer" not in table or not table["p_fwer"].notna().any():
        return None
    return set(table.index[table["p_fwer"] <= LEVEL])
