"""Studies that benchmarks make of config/studies are studies to the parser."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_1samp

from gendmr.config.study import Study
from gendmr.statistics.intervals import nadeau_bengio

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def benchmarks_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("kind", ["null", "power", "linked-null", "linked-power"])
def test_study_of__of_calibration_is_a_study(kind: str) -> None:
    config = importlib.import_module("calibration").study_of(kind, 3, 7)
    study = Study.parse(config)
    assert study.simulate is not None and study.simulate.null_mode is kind.endswith("null")
    assert (study.simulate.gene_gap is not None) is kind.startswith("linked")
    assert study.training.null.permutations == 7


@pytest.mark.parametrize("kind", ["null", "power"])
def test_study_of__of_other_outcomes_is_a_study_wherever_its_results_lie(
    kind: str, tmp_path: Path
) -> None:
    module = importlib.import_module("calibration_outcomes")
    study = module.study_of(kind, 3, tmp_path / "results" / f"{kind}-3")
    assert study.simulate.null_mode is (kind == "null")
    assert str(study.cohort.participants).startswith(str(tmp_path))


def test_study_of__of_the_planted_study_holds_the_methods_that_were_asked_for() -> None:
    module = importlib.import_module("planted")
    study = Study.parse(module.study_of(380, 200, 2, ["gendmr", "ridge-region"]))
    assert set(study.methods) == {"gendmr", "ridge-region"}


def test_study_of__of_migtrans_is_a_study_with_other_epochs_where_asked() -> None:
    module = importlib.import_module("migtrans")
    study = Study.parse(module.study_of(7, ["migtrans", "early-fusion"], 4))
    assert study.seed == 7 and set(study.methods) == {"migtrans", "early-fusion"}
    assert study.method_options("migtrans").optimisation.epochs == 4
    small = Study.parse(module.small_study())
    assert small.simulate is not None and small.simulate.people == 120
    assert {"migtrans", "migtrans-maps", "amplitude"} <= set(small.methods)


def test_study_of__of_tumours_averages_as_many_networks_as_the_name_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("tumours")
    monkeypatch.chdir(tmp_path)
    study = module.study_of(Path("results/cohort-7"), 7, {})
    for name, method in study.methods.items():
        if method.kind == "subspace":
            networks = 3 if name.startswith("three") else 1
            assert method.networks(study.method_options(name).reads) == networks, name


def test_pairs_left_out__nobody_of_the_two_folds_trains_or_stops() -> None:
    module = importlib.import_module("porpoise_inner")
    people = pd.DataFrame(
        {
            "participant_id": [f"P{number}" for number in range(200)],
            "published_fold": [str(number % 5) for number in range(200)],
            "diagnosis": ["a" if number < 120 else "b" for number in range(200)],
        }
    )
    splits = module.pairs_left_out(people)
    for number, pair in enumerate(module.PAIRS):
        role = splits[f"inner_{number}"]
        assert set(splits.loc[role == "held-out", "fold"]) == set(pair)
        assert not set(splits.loc[role != "held-out", "fold"]) & set(pair)
        assert 0.1 < (role == "validation").sum() / (role != "held-out").sum() < 0.2
    assert len(module.PAIRS) == 10


def test_gain__of_one_cohort_is_that_of_its_folds_and_of_several_over_cohorts() -> None:
    module = importlib.import_module("migtrans_page")
    random = np.random.default_rng(2)
    auc = random.uniform(0.5, 0.9, (2, 5, 5)).round(5)  # (method, cohort, fold)
    rows = pd.DataFrame(
        [
            {
                "method": method,
                "cohort": cohort,
                "auc_by_fold": " ".join(f"{value:.5f}" for value in auc[number, cohort]),
            }
            for number, method in enumerate(["a", "b"])
            for cohort in range(5)
        ]
    )
    single_cohort = module.gain(rows[rows["cohort"] == 0], "a", "b")
    mean, low, high = nadeau_bengio(auc[0, 0] - auc[1, 0], 0.25)
    assert single_cohort == f"{mean:+.3f} ({low:+.3f} to {high:+.3f})".replace("-", "−")
    differences = (auc[0] - auc[1]).mean(axis=1)
    low, high = ttest_1samp(differences, 0).confidence_interval()
    several = module.gain(rows, "a", "b")
    assert several == f"{differences.mean():+.3f} ({low:+.3f} to {high:+.3f})".replace("-", "−")


@pytest.mark.parametrize("name", ["cobre", "abide"])
def test_study_of__of_connectomes_is_a_study(name: str, tmp_path: Path) -> None:
    module = importlib.import_module("connectomes")
    study = module.study_of(name, tmp_path, list(module.SETS[name]["methods"]), 1, None)
    assert "edge" in study.modality_sections()
    assert set(module.SETS[name]["permuted"]) <= set(study.methods)


def teardown_module() -> None:
    for name in ("calibration", "calibration_outcomes", "planted", "migtrans", "connectomes"):
        sys.modules.pop(name, None)


def test_volumes_of_two_scans__vary_by_the_root_mean_square_over_heads() -> None:
    module = importlib.import_module("volumes")
    # One head grows by 4 % of the mean of its two scans, the other shrinks by as much.
    rows = [
        ("05", "whole", 98.0, 100.0), ("05", "again", 102.0, 100.0),
        ("07", "whole", 51.0, 60.0), ("07", "again", 49.0, 60.0),
        ("05", "cortex -20", 49.0, 80.0), ("07", "cortex -20", 51.0, 48.0),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["person", "change", "measured", "true"])
    table["measure"] = "cortex"
    again = module.changes_of(table, "again", "cortex")
    assert again["measured"].to_dict() == pytest.approx({"05": 4.0, "07": -4.0})
    assert "CV 2.8 % over 2" in module.described(again)
    lost = module.described(module.changes_of(table, "cortex -20", "cortex"))
    assert lost.startswith("-25.0 % (-50.0 to +0.0), true -20.0 %")
    assert module.described(module.changes_of(table, "lesions", "cortex")) == "not measured"


def test_volumes_table__a_run_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    module = importlib.import_module("volumes")
    row = {"atlas": "one atlas", "change": "whole", "measure": "icv", "measured": 1.0, "true": 2.0}
    table = tmp_path / "volumes.tsv"
    module.save(table, pd.DataFrame([row | {"person": "05"}, row | {"person": "07"}]))
    module.save(table, pd.DataFrame([row | {"person": "05", "measured": 3.0}]))
    saved = pd.read_csv(table, sep="\t", dtype={"person": str}).set_index("person")
    assert saved["measured"].to_dict() == {"05": 3.0, "07": 1.0}
