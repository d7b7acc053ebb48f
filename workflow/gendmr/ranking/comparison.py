"""Who finds what: the rankings of all methods side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gendmr.files.atomic import write_json
from gendmr.files.tables import Kind, read_table, write_table
from gendmr.ranking.significance import LEVEL

COLUMNS: dict[str, Kind] = {
    "gene": "text",
    "chromosome": "text",
    "block": "text",
    "rank": "integer",
    "score": "number",
    "p": "number",
    "p_fwer": "number",
    "q": "number",
    "q_pooled": "number",
}
SHOWN = ("rank", "p", "p_fwer", "q", "q_pooled")


def compare_rankings(tables: Sequence[Path], top_k: int, output: Path) -> None:
    """Write comparison.tsv and comparison.json.

    Parameters
    ----------
    tables : sequence of Path
        `ranking/<method>/genes.tsv` of the methods that read SNPs; those without rows are left
        out.
    top_k : int
        Length of the list of a method's first genes.
    output : Path
        `ranking/comparison.tsv`: a row for each gene that some method has among its first `top_k`
        or finds at 5 %; `gene`, `chromosome`, `block`, `methods` (how many find it or have it among
        their first) and, by method, `<method>:rank`, `:p`, `:p_fwer`, `:q`, `:q_pooled`.
    """
    genes = {path.parent.name: read_table(path, COLUMNS, extra=True) for path in tables}
    ranked = {name: table for name, table in genes.items() if len(table)}
    write_table(output, side_by_side(ranked, top_k))
    write_json(output.with_suffix(".json"), summarise(ranked, top_k))


def side_by_side(tables: Mapping[str, pd.DataFrame], k: int) -> pd.DataFrame:
    """Return the table: see `compare_rankings`."""
    named = ["gene", "chromosome", "block"]
    if not tables:
        return pd.DataFrame(columns=pd.Index([*named, "methods"]))
    all_rows = pd.concat([table[named] for table in tables.values()])
    whole = all_rows.drop_duplicates("gene").set_index("gene")
    selected = {name: _first(table, k) | _significant(table) for name, table in tables.items()}
    whole["methods"] = 0
    for genes in selected.values():
        whole.loc[sorted(genes), "methods"] += 1
    columns = {}
    for name, table in tables.items():
        by_gene = table.set_index("gene")
        for column in SHOWN:
            columns[f"{name}:{column}"] = by_gene[column].reindex(whole.index)
    whole = whole.join(pd.DataFrame(columns))[whole["methods"] > 0]
    best = whole[[f"{name}:rank" for name in tables]].min(axis=1)
    order = np.lexsort((whole.index.to_numpy(dtype=str), best, -whole["methods"]))
    return whole.iloc[order].reset_index()


def summarise(tables: Mapping[str, pd.DataFrame], k: int) -> dict[str, Any]:
    """Return how many genes each method finds, and how many of their first two methods share."""
    first = {name: _first(table, k) for name, table in tables.items()}
    names = list(tables)
    return {
        "top_k": k,
        "level": LEVEL,
        "methods": {
            name: {
                column: int((table[column] <= LEVEL).sum()) if table[column].notna().any() else None
                for column in ("p_fwer", "q", "q_pooled")
            }
            for name, table in tables.items()
        },
        "shared": [
            {
                "one": first_method,
                "other": second_method,
                "genes": len(first[first_method] & first[second_method]),
            }
            for place, first_method in enumerate(names)
            for second_method in names[place + 1 :]
        ],
    }


def _first(table: pd.DataFrame, k: int) -> set[str]:
    """Return the first `k` genes, but for those without a score."""
    return set(table.loc[(table["rank"] <= k) & (table["score"] > 0), "gene"])


def _significant(table: pd.DataFrame) -> set[str]:
    """Return genes whose family-wise p or q is at most 5 %."""
    small = (table[["p_fwer", "q", "q_pooled"]] <= LEVEL).any(axis=1)
    return set(table.loc[small, "gene"])
