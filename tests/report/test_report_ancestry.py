"""Results by ancestry group, and what the page says of the genotypes that were read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gendmr.config.outcomes.binary import BinaryOutcome
from gendmr.config.report import ReportSection
from gendmr.report.outcomes import OutcomeOfPeople
from gendmr.report.sections.genetics.ancestry import ENOUGH, by_ancestry
from gendmr.statistics.classification import auc
from gendmr.tasks import task_of
from gendmr.tasks.binary.outcome import CaseStatus
from report.studies import report_study

Maker = Callable[..., Path]


def give_groups(results: Path, groups: list[str]) -> pd.DataFrame:
    people = pd.read_csv(results / "cohort" / "participants.tsv", sep="\t", dtype=str)
    people["ancestry"] = groups
    strata = people[["participant_id", "diagnosis", "family", "ancestry"]].assign(stratum="all")
    strata.to_csv(results / "cohort" / "strata.tsv", sep="\t", index=False)
    return strata


def words(page: Path) -> str:
    return " ".join(page.read_text().split())


def test_each_group_has_its_auc_with_an_interval_or_too_few(study: Maker) -> None:
    results = study()
    strata = give_groups(results, ["1"] * 80 + ["2"] * 30 + ["3"] * 8 + ["n/a"] * 2)
    report_study(results, ReportSection())
    table = pd.read_csv(results / "report" / "by_ancestry.tsv", sep="\t", dtype={"group": str})
    rows = table[table["method"] == "ridge"].set_index("group")
    assert rows["people"].tolist() == [80, 30, 8, 2]
    held_out = pd.concat(
        pd.read_csv(path, sep="\t", dtype={"participant_id": str})
        for path in (results / "training" / "ridge").rglob("predictions.tsv")
    )
    group = held_out["participant_id"].map(strata.set_index("participant_id")["ancestry"])
    for name in ("1", "2"):
        part = held_out[group == name]
        expected = auc(part["observed"].to_numpy(), part["score"].to_numpy())
        assert rows.loc[name, "value"] == pytest.approx(expected, abs=1e-6)
        assert rows.loc[name, "low"] < expected < rows.loc[name, "high"]
    assert rows["value"].isna().tolist() == [False, False, True, True]
    assert rows.loc["3", "note"] == f"too few: 4 of {ENOUGH} that are needed"
    page = words(results / "report" / "summary.html")
    assert "group 3 8 people (case 4, control 4); without genotypes 2 people" in page
    assert page.count("too few</td>") + page.count("too few <br>") >= 2
    assert '<h3 id="ancestry">' in page


def test_smaller_groups_have_wider_intervals() -> None:
    rng = np.random.default_rng(5)
    n = 400
    truth = rng.integers(0, 2, n)
    rows = pd.DataFrame(
        {
            "participant_id": [str(i) for i in range(n)],
            "observed": truth,
            "score": truth + rng.normal(0, 1.5, n),
            "modalities": "snp",
            "repeat": 0,
            "fold": 0,
        }
    ).assign(logit=0.0, predicted=0)
    outcome = OutcomeOfPeople(
        task_of("diagnosis", BinaryOutcome()), rows["participant_id"].to_numpy(), CaseStatus(truth)
    )
    groups = {str(i): "1" if i >= 50 else "2" for i in range(n)}
    large, small = by_ancestry("m", rows, ["snp"], groups, outcome)
    assert (large["n"], small["n"]) == (350, 50)
    assert small["high"] - small["low"] > 1.5 * (large["high"] - large["low"])
    assert by_ancestry("m", rows, ["region"], groups, outcome) == []  # reads nothing of anybody
    entries = by_ancestry("m", rows, ["region", "covariates"], groups, outcome)
    assert entries[0]["value"] == large["value"]


def test_without_groups_the_page_says_so(study: Maker) -> None:
    results = study()
    report_study(results, ReportSection())
    page = words(results / "report" / "summary.html")
    assert "Ancestry groups were not made." in page and 'id="ancestry"' not in page
    assert (results / "report" / "by_ancestry.tsv").read_text().startswith("outcome\tmethod\tgroup")


def test_notes_of_strata_need_a_null(study: Maker) -> None:
    results = study()
    (results / "cohort" / "strata.json").write_text(json.dumps({"notes": ["strata are coarse"]}))
    report_study(results, ReportSection())
    assert "strata are coarse" not in words(results / "report" / "summary.html")


@pytest.mark.parametrize(
    ("notes", "removed", "says"),
    [
        (["sex not checked: no X variants"], [], "Sex not checked: no X variants."),
        ([], [{"step": "sex", "removed": 3}], "Sex was checked on chromosome X: 3 people left"),
        ([], [], "Sex was checked on chromosome X: nobody left for it."),
    ],
)
def test_sets_builds_and_sex_are_on_the_page(study: Maker, notes, removed, says) -> None:
    results = study()
    build = {
        "declared": "GRCh37",
        "found": "GRCh37",
        "by": "name",
        "variants": 1234,
        "shares": {"NCBI36": None, "GRCh37": 0.998, "GRCh38": 0.001},
    }
    path = results / "genotypes" / "summary.json"
    path.parent.mkdir()
    inputs = [{"name": "<array>", "people": 1000, "variants": 500_000, "build": build}]
    inputs.append({"name": "old", "people": 10, "variants": 20, "build": {}})
    stored = {"build": "GRCh37", "inputs": inputs, "notes": notes, "removed": removed}
    path.write_text(json.dumps(stored | {"pairs": {"duplicate": 1, "first": 4}}))
    report_study(results, ReportSection())
    page = words(results / "report" / "summary.html")
    assert "NCBI36 no reference, GRCh37 99.8 %, GRCh38 0.1 %" in page
    assert "&lt;array&gt;" in page and "<array>" not in page
    assert "(1,234 SNPs)" in page and "not checked</td>" in page
    assert says in page
    assert "1 duplicate, 4 first degree" in page
