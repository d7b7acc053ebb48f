"""What is left of a ranking without a genomic interval."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gendmr.config.report import ReportSection
from gendmr.files.tables import read_table
from gendmr.report.performance import METRICS
from report.studies import report_study, summarise

Maker = Callable[..., Path]
WHOLE, WITHOUT = "gendmr", "gendmr-without-apoe"
REGION = "19:44000000-46500000"


def write_genes(results: Path, method: str, order: list[str], *, null: bool = True) -> None:
    """Write a ranking in which APOE and TOMM40 lie in the region and the first three are found."""
    places = {"APOE": ("19", 45_400_000), "TOMM40": ("19", 43_999_000)}
    rows = []
    for rank, gene in enumerate(order, start=1):
        chromosome, start = places.get(gene, ("19" if gene == "GENE1" else "2", 1000 * rank))
        rows.append(
            {
                "gene": gene,
                "chromosome": chromosome,
                "start": start,
                "end": start + 2000,
                "score": 1 / rank,
                "score_max": 1 / rank,
                "rank": rank,
                "rank_low": rank,
                "rank_high": rank,
                "stability": 0.5,
                "n_snp": 3,
                "p": 0.01 if null else "n/a",
                "p_fwer": (0.01 if rank <= 3 else 0.5) if null else "n/a",
                "q": 0.01 if null else "n/a",
            }
        )
    folder = results / "ranking" / method
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(folder / "genes.tsv", sep="\t", index=False)


@pytest.fixture
def pair(study: Maker) -> Path:
    results = study(many=True)
    write_genes(results, WHOLE, ["APOE", "GENE1", "TOMM40", "GENE2", "GENE3", "GENE4"])
    write_genes(results, WITHOUT, ["GENE2", "GENE1", "GENE4", "GENE3"])
    return results


def excluded(results: Path, **options: Any) -> list[dict[str, Any]]:
    ranked = [WHOLE, WITHOUT]
    exclusions: list[dict[str, Any]] = summarise(
        results, ReportSection(**options), ranked=ranked
    ).to_json()["exclusions"]
    return exclusions


def test_genes_inside_and_outside_are_told_apart(pair: Path) -> None:
    (exclusion,) = excluded(pair, top_genes=2)
    assert (exclusion["method"], exclusion["whole"], exclusion["exclude"]) == (
        WITHOUT,
        WHOLE,
        [REGION],
    )
    # A gene that reaches into the region counts; one elsewhere on the chromosome does not.
    assert exclusion["inside"] == {"n": 2, "best_rank": 1, "first": ["APOE", "TOMM40"]}
    # Ranks elsewhere: 1 2 3 4 of GENE1, GENE2, GENE3, GENE4 against 2 1 4 3.
    assert exclusion["outside"]["n"] == 4
    assert exclusion["outside"]["correlation"] == pytest.approx(0.6)
    assert (exclusion["outside"]["shared"], exclusion["outside"]["top"]) == (2, 2)
    assert (exclusion["kept"], exclusion["lost"], exclusion["gained"]) == (
        ["GENE1"],
        [],
        ["GENE2", "GENE4"],
    )


def test_the_difference_is_paired_by_fold(pair: Path) -> None:
    (exclusion,) = excluded(pair)
    aucs = {
        name: [
            value
            for fold, metric, value in read_table(
                pair / "training" / name / "metrics.tsv", METRICS
            )[["fold", "metric", "value"]].itertuples(index=False)
            if metric == "auc" and fold.isdigit()
        ]
        for name in (WHOLE, WITHOUT)
    }
    deltas = [without - whole for without, whole in zip(aucs[WITHOUT], aucs[WHOLE], strict=True)]
    assert exclusion["difference"]["mean"] == pytest.approx(sum(deltas) / len(deltas), abs=1e-6)
    assert exclusion["difference"]["folds"] == 5


def test_without_a_null_nothing_is_said_of_significance(pair: Path) -> None:
    write_genes(pair, WITHOUT, ["GENE2", "GENE1", "GENE4", "GENE3"], null=False)
    (exclusion,) = excluded(pair)
    assert exclusion["kept"] is exclusion["lost"] is exclusion["gained"] is None


def test_methods_that_differ_in_more_are_no_pair(pair: Path) -> None:
    for path in (pair / "training" / WITHOUT).rglob("run.json"):
        run = json.loads(path.read_text())
        run["options"]["method"]["position"] = "none"
        path.write_text(json.dumps(run))
    assert excluded(pair) == []


def test_the_page_tells_of_it(pair: Path) -> None:
    report_study(pair, ReportSection(), ranked=[WHOLE, WITHOUT])
    page = " ".join((pair / "report/summary.html").read_text().split())
    assert "Without a genomic interval" in page
    assert f"<b>{WITHOUT}</b> is {WHOLE} without {REGION}" in page
    assert f"{WITHOUT} alone 2 (GENE2, GENE4)" in page


def write_snps(results: Path, position: int) -> None:
    table = pd.DataFrame([{"chromosome": "19", "position": position, "folds": 5}])
    table.to_csv(results / "ranking" / WHOLE / "snps.tsv", sep="\t", index=False)


@pytest.mark.parametrize(("position", "noted"), [(45_000_000, True), (50_000_000, False)])
def test_a_missing_exclusion_is_noted_where_the_region_is_read(
    pair: Path, position: int, noted: bool
) -> None:
    write_snps(pair, position)
    alone = summarise(pair, ReportSection(), ranked=[WHOLE]).to_json()
    together = summarise(pair, ReportSection(), ranked=[WHOLE, WITHOUT]).to_json()
    words = "No method was run without the APOE region"
    assert any(words in item["note"] for item in alone["not_done"]) is noted
    assert not any(words in item["note"] for item in together["not_done"])
