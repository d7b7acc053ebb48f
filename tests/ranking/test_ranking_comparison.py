"""Who finds what: genes of several rankings side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from gendmr.files.atomic import read_json
from gendmr.files.tables import read_table, write_table
from gendmr.ranking.comparison import compare_rankings


def ranking(path: Path, genes: list[str], small: tuple[str, ...] = (), null: bool = True) -> Path:
    p = np.array([0.001 if gene in small else 0.5 for gene in genes])
    table = pd.DataFrame({"gene": genes, "chromosome": "1", "block": genes})
    table["rank"] = np.arange(1, len(genes) + 1)
    table["score"] = np.linspace(1, 0, len(genes)) if genes else []
    for column in ("p", "p_fwer", "q", "q_pooled"):
        table[column] = p if null else np.nan
    write_table(path, table)
    return path


def test_genes_that_a_method_finds_or_ranks_first_are_listed(tmp_path: Path) -> None:
    tables = [
        ranking(tmp_path / "one/genes.tsv", list("ABCDEF"), small=("A", "E")),
        ranking(tmp_path / "two/genes.tsv", list("BACFED"), null=False),
        ranking(tmp_path / "none/genes.tsv", []),
    ]
    compare_rankings(tables, 2, tmp_path / "comparison.tsv")
    table = read_table(tmp_path / "comparison.tsv", {"gene": "text"}, extra=True)
    assert table["gene"].tolist() == ["A", "B", "E"]
    assert table["methods"].tolist() == ["2", "2", "1"]
    assert table["one:rank"].tolist() == ["1", "2", "5"]
    assert table["two:rank"].tolist() == ["2", "1", "5"]
    assert table["one:p_fwer"].tolist() == ["0.001", "0.5", "0.001"]
    assert set(table["two:p"]) == {"n/a"}
    summary = read_json(tmp_path / "comparison.json")
    assert summary["methods"]["one"]["p_fwer"] == 2 and summary["methods"]["two"]["q"] is None
    assert summary["shared"] == [{"one": "one", "other": "two", "genes": 2}]
    assert "none" not in summary["methods"]


def test_a_gene_without_a_score_is_not_among_the_first(tmp_path: Path) -> None:
    tables = [ranking(tmp_path / "one/genes.tsv", ["A", "B"])]
    compare_rankings(tables, 5, tmp_path / "comparison.tsv")
    table = read_table(tmp_path / "comparison.tsv", {"gene": "text"}, extra=True)
    assert table["gene"].tolist() == ["A"]


def test_no_method_with_genes_gives_an_empty_table(tmp_path: Path) -> None:
    path = ranking(tmp_path / "one/genes.tsv", [])
    compare_rankings([path], 25, tmp_path / "comparison.tsv")
    assert len((tmp_path / "comparison.tsv").read_text().splitlines()) == 1
