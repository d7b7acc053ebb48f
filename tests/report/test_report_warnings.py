"""What the report warns of by itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from gendmr.config.report import ReportSection
from gendmr.errors import ConfigurationError
from report.studies import copy_method, summarise

Maker = Callable[..., Path]
APOE = 45_411_941  # rs429358 in GRCh37


def shift(results: Path, name: str, change: float) -> None:
    """Add to all metrics of a method."""
    path = results / "training" / name / "metrics.tsv"
    table = pd.read_csv(path, sep="\t", keep_default_na=False)
    table["value"] += change
    table.to_csv(path, sep="\t", index=False)


def write_snps(results: Path, name: str, *positions: int, chromosome: int = 19) -> None:
    """SNPs that a method read; the last one has no score in any fold."""
    rows = [
        {"snp": f"rs{position}", "chromosome": chromosome, "position": position, "folds": 5}
        for position in positions
    ]
    rows[-1]["folds"] = 0
    pd.DataFrame(rows).to_csv(results / "ranking" / name / "snps.tsv", sep="\t", index=False)


def warn(results: Path, **options: object) -> list[str]:
    return summarise(results, ReportSection.parse(options)).to_json()["warnings"]


def warn_of_snps(results: Path, **options: object) -> list[str]:
    summary = summarise(
        results, ReportSection.parse(options), methods=["ridge-snp"], ranked=[]
    ).to_json()
    return summary["warnings"]


@pytest.fixture
def good(study: Maker) -> Path:
    """A study where genotypes alone reach a pooled AUC of 0.78."""
    results = study()
    shift(results, "ridge-snp", 0.20)
    (results / "ranking" / "ridge-snp").mkdir()
    return results


def test_what_tells_the_outcome_comes_first_of_all(study: Maker) -> None:
    results = study()
    (results / "cohort/summary.json").write_text(
        json.dumps({"warnings": ["site alone tells diagnosis"], "notes": []})
    )
    (results / "cohort/strata.json").write_text(
        json.dumps({"warnings": ["P-values do not allow for site"], "notes": [], "factors": []})
    )
    shift(results, "ridge-covariates", 0.3)
    assert warn(results)[0] == "site alone tells diagnosis"
    # No null was run: nothing was permuted.
    assert "P-values do not allow for site" not in warn(results)
    # A null of any ranked method is one, not only of that whose ranking comes first.
    shutil.copytree(results / "ranking/gendmr", results / "ranking/ridge-snp")
    for method in ("ridge-snp", "gendmr"):
        path = results / "ranking" / method / "summary.json"
        path.write_text(json.dumps({"null": {"permutations": 9}, "bias": []}))
        assert warn(results)[:2] == ["site alone tells diagnosis", "P-values do not allow for site"]
        path.write_text(json.dumps({"null": {}, "bias": []}))


def test_a_sound_study_raises_no_warning(study: Maker) -> None:
    assert warn(study()) == []


def test_genotypes_that_predict_too_well_without_apoe_are_a_likely_leak(good: Path) -> None:
    write_snps(good, "ridge-snp", 1_000_000, 60_000_000, APOE)  # the last one had no score
    warnings = warn_of_snps(good)
    assert warnings[0].startswith(
        "Likely leak: ridge-snp reads SNPs only, none of the APOE region (19:44000000-46500000),"
        " and reaches a pooled AUC of 0.78, above 0.75."
    )
    assert len(warnings) == 1
    assert not any("leak" in text for text in warn_of_snps(good, snp_auc_limit=0.8))


def test_genotypes_with_apoe_are_a_note_that_names_it(good: Path) -> None:
    write_snps(good, "ridge-snp", 1_000_000, APOE, 60_000_000)
    warnings = warn_of_snps(good)
    assert not any(text.startswith("Likely leak") for text in warnings)
    assert warnings[-1].startswith("ridge-snp reads SNPs only, those of the APOE region")
    assert "`exclude: [19:44000000-46500000]`" in warnings[-1]
    write_snps(good, "ridge-snp", 1, APOE, 60_000_000, chromosome=18)
    assert warn_of_snps(good)[0].startswith("Likely leak")


def test_an_excluded_apoe_region_is_known_from_the_options(good: Path) -> None:
    write_snps(good, "ridge-snp", APOE, 60_000_000)
    for exclude, leak in (
        ("chr19:40000000-50000000", True),
        ("19:44000000-46500000", True),
        ("19:45000000-46500000", False),  # a part of it only
        ("18:44000000-46500000", False),
    ):
        for path in (good / "training" / "ridge-snp").rglob("run.json"):
            run = json.loads(path.read_text())
            run["options"]["method"]["exclude"] = [exclude]
            path.write_text(json.dumps(run))
        assert any(text.startswith("Likely leak") for text in warn_of_snps(good)) == leak, exclude


def test_the_apoe_region_follows_the_build_and_the_options(good: Path) -> None:
    write_snps(good, "ridge-snp", 43_600_000, 1)  # inside in GRCh38, outside in GRCh37
    assert warn_of_snps(good)[0].startswith("Likely leak")
    (good / "annotation" / "summary.json").write_text('{"build": "GRCh38"}')
    assert "those of the APOE region (19:43500000-46000000)" in warn_of_snps(good)[-1]
    assert warn_of_snps(good, apoe_region="19:44905000-44910000")[0].startswith("Likely leak")
    (good / "annotation" / "summary.json").unlink()
    assert "whether of the APOE region too is not known" in warn_of_snps(good)[0]
    with pytest.raises(ConfigurationError, match="apoe_region"):
        ReportSection.parse({"apoe_region": "APOE"})


def test_methods_that_read_more_than_genotypes_may_predict_well(study: Maker) -> None:
    results = study()
    shift(results, "ridge", 0.04)
    assert not any("leak" in text for text in warn(results, snp_auc_limit=0.6))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (0.16, None),  # 0.71, the interval of the network begins at 0.72
        (0.18, "come near the model"),  # the folds tell them apart all the same
        (0.30, "match the model"),
    ],
)
def test_demographics_that_match_the_network(
    study: Maker, change: float, expected: str | None
) -> None:
    results = study()
    shift(results, "ridge-covariates", change)
    demographics = [
        text for text in warn(results, covariates_skill_limit=1) if "Demographics" in text
    ]
    assert len(demographics) == (expected is not None)
    if expected:
        mean = 0.55 + change
        assert (
            f"{expected}: ridge-covariates reads covariates only and has an AUC of"
            in demographics[0]
        )
        assert f"{mean:.2f} ({mean - 0.08:.2f} to {mean + 0.08:.2f})" in demographics[0]
        assert "gendmr 0.80 (0.72 to 0.88); paired by fold" in demographics[0]


def test_demographics_that_tie_in_the_folds_match_the_model(study: Maker) -> None:
    results = study()
    path = results / "training" / "ridge-covariates" / "metrics.tsv"
    table = pd.read_csv(results / "training" / "gendmr" / "metrics.tsv", sep="\t", dtype=str)
    table["method"] = "ridge-covariates"
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    warnings = warn(results)
    assert warnings[0].startswith("Demographics alone match the model: ridge-covariates")
    assert "paired by fold +0.000 (+0.000 to +0.000)" in warnings[0]


def test_covariates_that_predict_are_a_warning_from_the_limit_on(study: Maker) -> None:
    results = study()
    shift(results, "ridge-covariates", 0.12)
    assert warn(results)[0].startswith("Covariates alone (ridge-covariates)")
    assert warn(results, covariates_skill_limit=0.4) == []


def raise_folds(results: Path, name: str, change: float) -> None:
    """Add to the AUC of every fold and of the mean."""
    path = results / "training" / name / "metrics.tsv"
    table = pd.read_csv(path, sep="\t", keep_default_na=False)
    table.loc[table["metric"] == "auc", "value"] += change
    table.to_csv(path, sep="\t", index=False)


def test_network_that_its_baselines_match_is_a_warning(study: Maker) -> None:
    results = study()
    raise_folds(results, "ridge", 0.1)
    warnings = warn(results)
    assert [text.split(":")[0] for text in warnings] == [
        "gendmr (AUC 0.80) does not predict better than ridge (AUC 0.84) beyond chance in these"
        " folds"
    ]


def test_an_ablation_that_is_best_hides_no_baseline(study: Maker) -> None:
    results = study()
    copy_method(results, "gendmr", "gendmr-no-blocks")
    raise_folds(results, "gendmr-no-blocks", 0.15)
    raise_folds(results, "ridge", 0.1)
    assert any("better than ridge (AUC 0.84)" in text for text in warn(results))


def test_null_simulation_with_signal_is_a_warning(study: Maker) -> None:
    results = study()
    truth = results / "simulate" / "truth.json"
    truth.write_text(json.dumps({"null": True, "genes": [], "regions": [], "faults": []}))
    assert sum("nothing was planted" in text for text in warn(results, truth=str(truth))) == 5


def test_few_people_are_a_warning(originals: Maker) -> None:
    assert any("fewer than 30" in text for text in warn(originals(n=50)))


def test_warnings__say_first_that_a_list_is_at_chance(study: Maker) -> None:
    results = study()
    path = results / "ranking" / "gendmr" / "summary.json"
    ranking_summary = json.loads(path.read_text()) if path.is_file() else {}
    agreement = {"top_k": 25, "top_k_overlap_p": 0.4}
    path.write_text(
        json.dumps(ranking_summary | {"genes": agreement, "regions": agreement | {"top_k": 10}})
    )
    at_chance = [text for text in warn(results) if "at chance" in text]
    assert at_chance == [
        "gendmr: folds agree on the first 25 genes (p = 0.40) and the first 10 regions (p = 0.40)"
        " no more than they do when outcomes are permuted: the top of these lists is at chance."
    ]
    path.write_text(json.dumps(ranking_summary | {"genes": agreement | {"top_k_overlap_p": 0.01}}))
    assert not [text for text in warn(results) if "at chance" in text]


def read_by(results: Path, name: str, reads: list[str]) -> None:
    """Say that a method read other modalities."""
    for path in (results / "training" / name).rglob("run.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"reads": reads}))


def test_what_reads_connectomes_is_held_against_amplitudes(study: Maker) -> None:
    results = study()
    copy_method(results, "ridge-region", "edges")
    read_by(results, "edges", ["edge", "snp"])
    options = {"methods": ["gendmr", "edges"], "ranked": ["gendmr"]}
    alone = [
        text for text in summarise(results, **options).to_json()["warnings"] if "amplit" in text
    ]
    assert len(alone) == 1 and alone[0].startswith("edges read connectomes, and no method reads")
    assert "`amplitude: {kind: ridge, reads: [amplitude]}`" in alone[0]
    copy_method(results, "ridge-region", "loud")
    read_by(results, "loud", ["amplitude"])
    shift(results, "edges", 0.1)
    options["methods"].append("loud")
    (warning,) = [
        text for text in summarise(results, **options).to_json()["warnings"] if "plit" in text
    ]
    assert warning.startswith("Amplitudes alone (loud) reach AUC 0.")
    assert "edges +0.100 (+0.100 to +0.100)" in warning
