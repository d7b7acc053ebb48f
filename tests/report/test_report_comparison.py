"""Methods against a reference in the same folds, and by what is known of a person."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from gendmr.config.report import ReportSection
from gendmr.config.study import Study
from gendmr.errors import ConfigurationError, InputFileError
from gendmr.report.comparison import best_first, difference
from gendmr.report.figures import draw_comparison
from gendmr.report.method_schema import Estimate, FoldMetric, MethodSummary, MetricWords
from gendmr.tasks import task_of
from pictures import check_picture
from report.studies import OUTCOMES, report_study, summarise

Maker = Callable[..., Path]
LISTS = (
    "reads", "exclude", "by_modality", "by_ancestry", "notes", "seeds", "devices", "best_epochs",
)  # fmt: skip


AUC = MetricWords("auc", "AUC", "higher", 0.5, 1.0, "")
ERROR = MetricWords("mae", "mean absolute error", "lower", None, None, "")


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", keep_default_na=False)


def method(values: list[float | None], repeats: int = 1) -> MethodSummary:
    folds = len(values) // repeats
    empty: dict[str, Any] = {name: [] for name in LISTS} | {"metrics": {}, "versions": {}}
    aucs = [
        FoldMetric(i // folds, i % folds, auc, n_train=80, n_held_out=20)
        for i, auc in enumerate(values)
    ]
    return MethodSummary(
        method="m",
        kind="ridge",
        outcome="diagnosis",
        primary=AUC,
        primary_of_folds=aucs,
        people={},
        **empty,
    )


@pytest.mark.parametrize("repeats", [1, 2])
def test_difference_has_the_interval_of_nadeau_and_bengio(repeats: int) -> None:
    delta = difference(method([0.8, 0.7, 0.9, 0.8], repeats), method([0.7] * 4, repeats))
    variance = (0 + 0.01 + 0.01 + 0) / 3
    half = 3.182446 * math.sqrt((1 / 4 + 20 / 80) * variance)  # t of 3 degrees of freedom
    assert delta.mean == pytest.approx(0.1)
    assert (delta.low, delta.high) == pytest.approx((0.1 - half, 0.1 + half), abs=1e-5)
    assert delta.folds == 4


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([0.80, 0.81, 0.82], "better"),
        ([0.60, 0.61, 0.62], "worse"),
        ([0.60, 0.70, 0.85], "interval includes 0"),
        ([0.70, 0.70, 0.70], "interval includes 0"),
        ([0.80, None, None], "not computed: fewer than 2 folds with both"),
        ([None, None, None], "not computed: fewer than 2 folds with both"),
    ],
)
def test_a_tie_is_called_a_tie(values: list[float | None], verdict: str) -> None:
    assert difference(method(values), method([0.7, 0.7, 0.7])).verdict == verdict


def test_folds_that_only_one_method_has_do_not_count() -> None:
    delta = difference(method([0.9, 0.9, None, 0.9]), method([0.8, None, 0.1, 0.8]))
    assert (delta.mean, delta.folds) == (pytest.approx(0.1), 2)


def auc_of_fold(results: Path, name: str, fold: int) -> float:
    table = read(results / "training" / name / "metrics.tsv")
    row = table[(table["metric"] == "auc") & (table["fold"] == str(fold))]
    return float(row["value"].item())


def test_table_holds_every_method_best_first(study: Maker) -> None:
    results = study()
    summary = report_study(results, ReportSection()).to_json()
    table = read(results / "report" / "comparison.tsv").set_index("method")
    assert list(table.index) == [
        "gendmr", "ridge-region", "ridge", "ridge-snp", "ridge-covariates",
    ]  # fmt: skip
    assert table.loc["gendmr", "verdict"] == "reference"
    assert table.loc["gendmr", "difference"] == "n/a"
    assert table.loc["ridge", "reads"] == "snp,region,covariates"
    deltas = []
    for fold in range(5):
        pair = [auc_of_fold(results, name, fold) for name in ("ridge-snp", "gendmr")]
        deltas.append(pair[0] - pair[1])
    assert float(table.loc["ridge-snp", "difference"]) == pytest.approx(np.mean(deltas), abs=1e-6)
    half = 2.776445 * np.sqrt((1 / 5 + 24 / 96) * np.var(deltas, ddof=1))
    assert float(table.loc["ridge-snp", "difference_high"]) == pytest.approx(
        np.mean(deltas) + half, abs=1e-5
    )
    assert table.loc["ridge-snp", "verdict"] == "worse"
    assert set(table["outcome"]) == {"diagnosis"}
    assert set(table["metric"]) == {"auc"}
    assert float(table.loc["gendmr", "mean"]) == pytest.approx(0.8)
    assert float(table.loc["gendmr", "pooled_low"]) == pytest.approx(0.7)
    assert float(table.loc["ridge-snp", "balanced_accuracy"]) == pytest.approx(0.53)
    assert summary["outcomes"][0]["comparison"]["verdicts"] == {
        "higher": 0, "lower": 4, "tied": 0, "not_computed": 0,
    }  # fmt: skip


def test_another_reference_can_be_chosen(study: Maker) -> None:
    results = study()
    summary = report_study(results, ReportSection(reference="ridge-snp")).to_json()
    assert summary["outcomes"][0]["comparison"]["reference"] == "ridge-snp"
    assert summary["main"] == "gendmr"  # whose ranking comes first is another question
    table = read(results / "report" / "comparison.tsv").set_index("method")
    assert table.loc["gendmr", "verdict"] == "better"
    assert "Better than ridge-snp by" in (results / "report" / "summary.html").read_text()
    with pytest.raises(ConfigurationError, match="'ridge-sno': no such method; there are 'gendmr'"):
        summarise(results, ReportSection(reference="ridge-sno"))


def test_reference_is_the_first_method_with_attributions(study: Maker) -> None:
    results = study()
    methods = ["ridge-covariates", "ridge-snp", "ridge", "gendmr"]
    summary = summarise(results, methods=methods, ranked=["ridge", "gendmr"])
    comparison = summary.outcomes[0].comparison
    assert comparison is not None
    assert comparison.reference == "ridge"
    summary = summarise(results, methods=["ridge-snp", "ridge-covariates"], ranked=[])
    comparison = summary.outcomes[0].comparison
    assert comparison is not None
    assert comparison.reference == "ridge-snp"


def test_of_a_metric_of_which_lower_is_better_the_difference_is_turned() -> None:
    low, high = (
        dataclasses.replace(method(values), primary=ERROR, method=name)
        for name, values in (("low", [1.0, 1.1, 1.2]), ("high", [2.0, 2.1, 2.3]))
    )
    delta = difference(low, high)
    assert delta.mean == pytest.approx(1.0333, abs=1e-4)
    assert delta.verdict == "better"
    judged = [
        dataclasses.replace(entry, metrics={"mae": Estimate({"mean": value})})
        for entry, value in ((high, 2.13), (low, 1.1))
    ]
    judged.append(dataclasses.replace(low, method="none"))
    assert [entry.method for entry in best_first(judged)] == ["low", "high", "none"]


def test_a_misspelt_reference_stops_before_any_job(root: Path) -> None:
    import yaml

    config = yaml.safe_load((root / "config" / "config.yaml").read_text())
    config["report"]["reference"] = "ridge-snp"
    assert Study.parse(config).report.reference == "ridge-snp"
    config["report"]["reference"] = "ridge-sno"
    with pytest.raises(ConfigurationError, match=r"report\.reference = 'ridge-sno'"):
        Study.parse(config)


def test_one_fold_gives_no_interval_and_says_so(study: Maker) -> None:
    results = study()
    for name in ("gendmr", "ridge"):
        path = results / "training" / name / "metrics.tsv"
        table = read(path)
        table = table[~table["fold"].isin(["1", "2", "3", "4"])]
        table = table[~table["fold"].isin(["low", "high"])]
        table.to_csv(path, sep="\t", index=False)
    report_study(results, ReportSection(), methods=["gendmr", "ridge"])
    table = read(results / "report" / "comparison.tsv").set_index("method")
    assert table.loc["ridge", "verdict"] == "not computed: fewer than 2 folds with both"
    assert table.loc["ridge", "difference_low"] == "n/a"
    page = (results / "report" / "summary.html").read_text()
    assert "not computed, for a comparison needs at least 2 folds" in " ".join(page.split())
    assert '<td class="n">not computed</td>' in page


def test_methods_judged_on_other_people_are_refused(study: Maker) -> None:
    results = study()
    path = results / "training/ridge/repeat-0/fold-3/predictions.tsv"
    table = pd.read_csv(path, sep="\t", dtype=str)
    table.loc[0, "participant_id"] = "someone else"
    table.to_csv(path, sep="\t", index=False)
    with pytest.raises(InputFileError, match="fold 3: ridge and gendmr were judged on different"):
        summarise(results, ReportSection())


def test_by_modality_counts_everybody_once_and_judges_no_blind_method(study: Maker) -> None:
    results = study()
    report_study(results, ReportSection())
    table = read(results / "report" / "by_modality.tsv")
    people = pd.read_csv(results / "cohort" / "participants.tsv", sep="\t")
    for _, part in table.groupby("method"):
        assert part["people"].sum() == len(people)
        counts = part["groups"].str.extract(r"case (\d+), control (\d+)").astype(int)
        assert (counts.sum(axis=1) == part["people"]).all()
    rows = table.set_index(["method", "modalities"])
    assert rows.loc[("gendmr", "snp+region"), "people"] == 34
    assert rows.loc[("gendmr", "snp"), "metric"] == "auc"
    assert float(rows.loc[("gendmr", "snp"), "value"]) == pytest.approx(0.77)
    blind = rows.loc[("ridge-snp", "region")]
    assert (blind["value"], blind["low"]) == ("n/a", "n/a")
    assert blind["note"] == "reads nothing of these people"
    assert rows.loc[("ridge-covariates", "region"), "note"] == "n/a"


def test_counts_that_differ_between_methods_are_shown(study: Maker) -> None:
    results = study()
    for path in (results / "training" / "ridge-snp").rglob("predictions.tsv"):
        table = pd.read_csv(path, sep="\t", dtype=str)
        table["modalities"] = table["modalities"].replace("snp", "none")  # no SNP was left
        table.to_csv(path, sep="\t", index=False)
    summary = report_study(results, ReportSection()).to_json()
    by_modality = {item["method"]: item for item in summary["methods"]}["ridge-snp"]["by_modality"]
    assert {row["modalities"] for row in by_modality} == {"snp+region", "region", "none"}
    none = next(row for row in by_modality if row["modalities"] == "none")
    page = (results / "report" / "summary.html").read_text()
    assert "80 people" not in page
    gendmr = {item["method"]: item for item in summary["methods"]}["gendmr"]["by_modality"]
    fewer = next(row for row in gendmr if row["modalities"] == "none")
    assert fewer["n"] < none["n"]
    assert page.count(f">{fewer['groups']}</span>") >= 1


def test_figure_fits_a_column_with_five_and_with_twenty_five_methods(
    originals: Maker, tmp_path: Path
) -> None:
    for results, methods in ((originals(), 5), (originals(many=True, folds=3), 25)):
        summary = summarise(results, ReportSection())
        assert len(summary.methods) == methods
        task = task_of("diagnosis", OUTCOMES["diagnosis"])
        draw_comparison(results, summary, tmp_path / "comparison.png", task=task)
        with Image.open(tmp_path / "comparison.png") as picture:
            height = picture.height
        check_picture(tmp_path / "comparison.png", 85)
        assert height >= 51 * methods  # 0.17 inches a row


def test_folds_with_one_class_have_no_curve(study: Maker) -> None:
    results = study(folds=2)  # of which one holds the cases out, the other the controls
    report_study(results, ReportSection(), methods=["gendmr", "ridge"])
    assert (results / "report" / "figures" / "roc.png").is_file()
