"""Sets of genes against genes of like mean and variance of expression."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy.stats import kstest

from gendmr.errors import RankingError
from gendmr.files.tables import write_table
from gendmr.ranking.commands import group
from gendmr.ranking.expression_enrichment import enrich_expression, families_of, like
from gendmr.ranking.matched import by_size, draw, match, membership, normal_scores

NAMES = [f"G{number:03d}" for number in range(300)]


def write(folder: Path, score: np.ndarray, sd: np.ndarray, groups: list[str]) -> Path:
    random = np.random.default_rng(7)
    table = pd.DataFrame(
        {
            "expression": NAMES,
            "groups": [name or "n/a" for name in groups],
            "mean": random.normal(6, 2, 300).round(3),
            "sd": sd.round(4),
            "score": score,
            "z": np.nan,
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_table(folder / "expressions.tsv", table)
    return folder


def test_genes_that_vary_more_alone_make_no_set_significant() -> None:
    """Scores that grow with the SD, sets that prefer such genes, no effect of any set."""
    random = np.random.default_rng(1)
    matched, plain = [], []
    for _ in range(60):
        mean, sd = random.normal(6, 2, 400), np.exp(random.normal(0, 0.5, 400))
        values = normal_scores(random.normal(0, 1, 400) + 3 * np.log(sd))
        prefer = sd / sd.sum()
        rows = [np.sort(random.choice(400, 20, replace=False, p=prefer))]
        size = like(mean, sd)
        beyond = values - by_size(values, *size)
        member = membership(rows, 400)
        matched.append(draw(member, beyond, match(*size), 199, random).p[0])
        plain.append(draw(member, values, np.zeros(400, int), 199, random).p[0])
    assert np.mean(np.array(plain) < 0.05) > 0.6
    assert np.mean(np.array(matched) < 0.05) < 0.15
    assert kstest(np.array(matched) - random.uniform(size=60) / 200, "uniform").pvalue > 0.01


def test_enrich_expression__finds_the_family_whose_genes_score_high(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    score = random.uniform(size=300)
    score[:30] += 0.5
    groups = ["planted"] * 30 + ["other;more"] * 60 + ["more"] * 30 + [""] * 180
    folder = write(tmp_path / "ridge", score, np.exp(random.normal(0, 0.3, 300)), groups)
    (tmp_path / "sets.gmt").write_text("half\t-\t" + "\t".join(NAMES[20:40]) + "\n")
    done = CliRunner().invoke(
        group,
        [
            *("enrichment-expression", "--method", "ridge", "--ranking", str(folder)),
            *("--options", f'{{"sets": ["{tmp_path / "sets.gmt"}"]}}', "--seed", "1"),
        ],
    )
    assert done.exit_code == 0, done.output
    table = pd.read_csv(folder / "enrichment-expression.tsv", sep="\t", index_col="set")
    assert table.index[0] == "planted" and table.loc["planted", "p"] < 0.001
    assert table.loc[["other", "more"], "p"].min() > 0.05
    assert table.loc["planted", ["kind", "n_ranked"]].tolist() == ["family", 30]
    assert table.loc["half", "collection"] == "sets"
    assert (folder / "figures" / "enrichment-expression.png").stat().st_size > 5000


def test_enrich_expression__without_families_and_sets_says_so(tmp_path: Path) -> None:
    folder = write(tmp_path, np.arange(300.0), np.ones(300), [""] * 300)
    (note,) = enrich_expression(method="ridge", ranking=folder, options=None, seed=1)
    assert "no families of genes" in note
    assert pd.read_csv(folder / "enrichment-expression.tsv", sep="\t").empty


def test_genes_without_a_mean_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path, np.arange(300.0), np.full(300, np.nan), ["a"] * 300)
    with pytest.raises(RankingError, match="without mean or SD"):
        enrich_expression(method="ridge", ranking=folder, options=None, seed=1)


def test_families_of__a_gene_may_be_in_two() -> None:
    genes = pd.DataFrame({"expression": ["A", "B", "C"], "groups": ["x;y", "y", "n/a"]})
    assert [(family.name, family.genes) for family in families_of(genes)] == [
        ("x", ("A",)),
        ("y", ("A", "B")),
    ]
