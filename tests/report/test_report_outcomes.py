"""Studies of several outcomes, without genotypes, and without columns of age and sex."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gendmr.config.report import ReportSection
from gendmr.errors import ConfigurationError, InputFileError
from gendmr.files.tables import write_table
from gendmr.report.table import study_table
from report.several import SEVERAL, make_several_outcomes
from report.studies import report_study, summarise, write_tsv


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of four outcomes with images only, and its report."""
    results = make_several_outcomes(tmp_path_factory.mktemp("several") / "tiny")
    report_study(results, outcomes=SEVERAL)
    return results


def words(results: Path) -> str:
    return " ".join((results / "report" / "summary.html").read_text().split())


def set_metric(results: Path, method: str, metric: str, value: str) -> None:
    """Write a value into all rows of a metric."""
    path = results / "training" / method / "metrics.tsv"
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    table.loc[table["metric"] == metric, "value"] = value
    table.to_csv(path, sep="\t", index=False)


def test_methods_are_compared_within_their_outcome(finished: Path) -> None:
    table = pd.read_csv(finished / "report" / "comparison.tsv", sep="\t").set_index("method")
    assert table["outcome"].drop_duplicates().tolist() == ["diagnosis", "memory", "conversion"]
    primary = {"diagnosis": "macro_auc", "memory": "r", "conversion": "c_index"}
    assert table["metric"].tolist() == [primary[name] for name in table["outcome"]]
    for name in primary:
        assert table.loc[f"linear-{name}", "verdict"] == "reference"
        assert table.loc[f"ridge-{name}", "difference"] > 0
    assert table.loc["ridge-memory", "mae"] < table.loc["linear-memory", "mae"]


def test_each_outcome_has_its_section_its_figures_and_its_people(finished: Path) -> None:
    page = words(finished)
    for name in SEVERAL:
        assert f'id="performance-{name}"' in page
    figures = {path.name for path in (finished / "report" / "figures").glob("*.png")}
    assert figures == {
        "comparison-diagnosis.png", "confusion-diagnosis.png", "roc-diagnosis.png",
        "comparison-memory.png", "scatter-memory.png", "bland_altman-memory.png",
        "comparison-conversion.png", "kaplan_meier-conversion.png",
        "survival_calibration-conversion.png",
    }  # fmt: skip
    assert page.count("data:image/png") == len(figures)
    assert "Memory: 140 of 150 people have it, 10 lack it" in page
    assert "memory: 10 of 150 people lack it" in page
    assert "No method of this study learns it." in page
    assert "Harrell&#39;s C</b> is how often" in page


def test_chapters_of_genotypes_are_absent_without_them(finished: Path) -> None:
    page = words(finished)
    for text in ("SNP", "ncestry", "APOE", 'id="genes"', 'id="genotypes"', "odds ratios of 1.05"):
        assert text not in page, text
    assert "No genotypes were analysed." in page


def test_the_terminal_shows_every_outcome(finished: Path) -> None:
    text = study_table(finished)
    assert re.search(r"diagnosis: 150 people \(CN \d+, MCI \d+, AD \d+\)", text)
    assert "memory: 140 people (10 without it)" in text
    assert "Harrell's C" in text
    assert "no method learns it" in text


@pytest.mark.parametrize(
    ("covariates", "says"),
    [
        ((), ["Age is not known.", "Sex is not known."]),
        (("age",), ["Age, mean", "Sex is not known."]),
        (("sex",), ["Age is not known.", "Women"]),
        (("age", "sex"), ["Age, mean", "Women"]),
    ],
)
def test_age_and_sex_are_told_where_they_are_known(
    tmp_path: Path, covariates: Sequence[str], says: list[str]
) -> None:
    results = make_several_outcomes(tmp_path / "tiny", covariates=covariates)
    report_study(results, outcomes=SEVERAL, methods=["ridge-memory"])
    page = words(results)
    for text in says:
        assert text in page
    assert ("Women" in page) == ("sex" in covariates)
    assert ("Age, mean" in page) == ("age" in covariates)


def test_a_method_without_a_number_is_listed_with_the_reason(tmp_path: Path) -> None:
    results = make_several_outcomes(tmp_path / "tiny")
    set_metric(results, "linear-conversion", "c_index", "n/a")
    summary = report_study(results, outcomes=SEVERAL).to_json()
    (conversion,) = [outcome for outcome in summary["outcomes"] if outcome["name"] == "conversion"]
    reason = "no fold has a Harrell's C that is a number"
    assert conversion["unjudged"] == [{"method": "linear-conversion", "reason": reason}]
    assert conversion["comparison"]["order"] == ["ridge-conversion", "linear-conversion"]
    assert any(f"linear-conversion: no Harrell's C could be computed: {reason}" in text
               for text in summary["warnings"])  # fmt: skip


def test_covariates_are_a_warning_on_the_way_from_chance_to_perfect(tmp_path: Path) -> None:
    results = make_several_outcomes(tmp_path / "tiny", modalities=("region",))
    for path in (results / "training" / "ridge-memory").rglob("run.json"):
        path.write_text(path.read_text().replace('["region"]', '["covariates"]'))
    set_metric(results, "ridge-memory", "r", "0.41")

    def warned(limit: float) -> bool:
        options = ReportSection(covariates_skill_limit=limit)
        warnings = summarise(results, options, SEVERAL).warnings
        return any("predict memory with a Pearson's r of 0.41" in text for text in warnings)

    assert warned(0.4)
    assert not warned(0.42)


def test_a_modality_without_a_chapter_has_a_table(tmp_path: Path, monkeypatch: Any) -> None:
    results = make_several_outcomes(tmp_path / "tiny")
    for path in (results / "training" / "ridge-memory").rglob("run.json"):
        path.write_text(path.read_text().replace('["region"]', '["region", "edge"]'))
    rows = [
        {"edge": f"<e{rank}>", "network": "visual", "score": 1 / rank, "rank": rank, "rank_low": 1,
         "rank_high": 9, "stability": 0.5, "score_max": 0.25}
        for rank in range(1, 40)
    ]  # fmt: skip
    write_table(results / "ranking" / "ridge-memory" / "edges.tsv", pd.DataFrame(rows))
    options = ReportSection(top_regions=7)
    summary = report_study(results, options, SEVERAL, ranked=["ridge-memory"]).to_json()
    table = summary["instances"]["edge"]
    assert (table["n"], len(table["rows"])) == (39, 7)
    assert table["rows"][0]["name"] == "<e1>"
    assert table["rows"][0]["about"] == "visual"
    assert "The first 7 of 39 edges by ridge-memory." in words(results)
    assert "&lt;e7&gt;" in words(results)
    assert "1     <e1>" in study_table(results)


def test_an_outcome_that_the_study_no_longer_has_is_named(finished: Path) -> None:
    fewer = {name: section for name, section in SEVERAL.items() if name != "memory"}
    with pytest.raises(InputFileError, match="it learned 'memory', and the outcomes of the study"):
        summarise(finished, outcomes=fewer)
    with pytest.raises(ConfigurationError, match="'other': no such method"):
        summarise(finished, ReportSection(reference="other"), SEVERAL)


def test_a_reference_counts_for_its_own_outcome_only(finished: Path) -> None:
    summary = summarise(finished, ReportSection(reference="ridge-memory"), SEVERAL)
    references = {
        outcome.name: outcome.comparison.reference
        for outcome in summary.outcomes
        if outcome.comparison is not None
    }
    assert references == {
        "diagnosis": "linear-diagnosis",
        "memory": "ridge-memory",
        "conversion": "linear-conversion",
    }


def test_ancestry_is_judged_by_the_primary_metric_of_each_outcome(tmp_path: Path) -> None:
    results = make_several_outcomes(tmp_path / "tiny", modalities=("snp",))
    people = pd.read_csv(results / "cohort" / "participants.tsv", sep="\t", dtype=str)
    groups = ["1"] * 145 + ["2"] * 5
    write_tsv(
        results / "cohort" / "strata.tsv",
        people[["participant_id"]].assign(family="n/a", stratum="all", ancestry=groups),
    )
    report_study(results, outcomes=SEVERAL)
    table = pd.read_csv(results / "report" / "by_ancestry.tsv", sep="\t").set_index(
        ["method", "group"]
    )
    row = table.loc[("ridge-conversion", 1)]
    assert row["metric"] == "c_index"
    assert row["low"] < row["value"] < row["high"]
    assert table.loc[("ridge-memory", 2), "note"] == "too few: 5 of 10 that are needed"
    assert 'id="ancestry-conversion"' in words(results)
