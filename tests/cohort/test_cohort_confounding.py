"""A covariate that tells the outcome is said before training and at the top of the report."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gendmr.cli.main import main
from gendmr.cohort.confounding import confounding_warnings
from gendmr.cohort.join import join_people
from gendmr.config.cohort import CohortSection
from gendmr.files.atomic import read_json
from gendmr.files.tables import write_table
from studies import OUTCOMES, make_study


def options(**more: object) -> CohortSection:
    return CohortSection.parse({"participants": "people.tsv", **more}, where="cohort")


def people(count: int, seed: int) -> pd.DataFrame:
    """Return people of whom no covariate tells anything."""
    random = np.random.default_rng(seed)
    months = random.exponential(30, count).round(1) + 1
    memory = random.normal(20, 4, count).round(2)
    return pd.DataFrame(
        {
            "participant_id": [f"{number:04d}" for number in range(count)],
            "diagnosis": random.choice(["case", "control"], count),
            "stage": random.choice(["CN", "MCI", "AD"], count),
            "memory": memory,
            "conversion_time": months,
            "conversion_event": (months < 40).astype(int),
            "age": random.normal(70, 8, count).round(1),
            "sex": random.choice(["F", "M"], count),
            "site": random.choice(["1", "2", "3"], count),
        }
    )


def told(table: pd.DataFrame, **more: object) -> list[str]:
    return confounding_warnings(table, options(**more))


def test_confounding_warnings__no_covariate_tells_a_random_outcome() -> None:
    outcomes = {name: OUTCOMES[name] for name in ("diagnosis", "stage", "memory", "conversion")}
    assert [told(people(120, seed), outcomes=outcomes) for seed in range(5)] == [[]] * 5


@pytest.mark.parametrize(
    ("outcome", "site", "share"),
    [
        ("diagnosis", lambda t: t["diagnosis"].map({"case": "clinic", "control": "home"}), 0.99),
        ("stage", lambda t: "at-" + t["stage"], 0.99),
        ("memory", lambda t: pd.qcut(t["memory"], 8).cat.codes.astype(str), 0.8),
        ("conversion", lambda t: pd.qcut(t["conversion_time"], 9).cat.codes.astype(str), 0.5),
    ],
)
def test_confounding_warnings__a_site_that_tells_an_outcome_of_any_kind(
    outcome: str, site: Callable[[pd.DataFrame], pd.Series], share: float
) -> None:
    table = people(120, 3)
    table["site"] = site(table)
    warnings = told(table, outcomes={outcome: OUTCOMES[outcome]})
    assert warnings[0].startswith(f"site alone tells {outcome}")
    told_share = re.search(r"\((\d+)% of it in 120 people, cross-validated\)", warnings[0])
    assert told_share is not None
    assert int(told_share[1]) >= 100 * share
    assert not any(warning.startswith(("age", "sex")) for warning in warnings)


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 999),
    purity=st.floats(0.92, 1.0),
    names=st.lists(st.text("abcXYZ019", min_size=1, max_size=5), min_size=2, max_size=5,
                   unique_by=str.casefold),
    absent=st.booleans(),
)  # fmt: skip
def test_confounding_warnings__labels_of_any_name_nearly_of_one_class(
    seed: int, purity: float, names: list[str], absent: bool
) -> None:
    random = np.random.default_rng(seed)
    table = people(100, seed)
    case = (table["diagnosis"] == "case").to_numpy() ^ (random.uniform(size=100) > purity)
    # Some labels are of cases, some of controls; one of them may be the missing value.
    labels = np.array(["n/a", *names[1:]] if absent else names, dtype=object)
    half = max(1, len(labels) // 2)
    table["site"] = np.where(
        case, labels[random.integers(0, half, 100)], labels[random.integers(half, len(labels), 100)]
    )
    assert told(table)[0].startswith("site alone tells diagnosis")


def test_confounding_warnings__what_is_missing_in_one_class_only_tells_it() -> None:
    table = people(100, 1)
    table.loc[table["diagnosis"] == "case", "age"] = np.nan
    assert told(table)[0].startswith("age alone tells diagnosis (100% of it")


def test_confounding_warnings__a_number_tells_whatever_its_shape() -> None:
    table = people(200, 2)
    case = (table["diagnosis"] == "case").to_numpy()
    random = np.random.default_rng(0)
    # Cases in the middle, controls at both ends: no line separates them.
    table["age"] = np.where(case, random.uniform(60, 70, 200), random.choice([50, 80], 200))
    assert told(table)[0].startswith("age alone tells diagnosis")


def test_confounding_warnings__two_covariates_tell_together() -> None:
    table = people(160, 4)
    random = np.random.default_rng(1)
    case = (table["diagnosis"] == "case").to_numpy()
    a, b = random.normal(size=160), random.normal(size=160)
    table["a"], table["b"] = a, np.where(case, 1.6, -1.6) + 0.5 * b + 4 * a
    warnings = told(table, covariates=["a", "b"], categorical=[])
    assert [warning.split(" (")[0] for warning in warnings] == ["a and b alone tell diagnosis"]


def test_confounding_warnings__a_level_of_one_class_is_told_though_others_are_mixed() -> None:
    table = people(120, 5)
    case = np.flatnonzero(table["diagnosis"] == "case")[:20]
    table.loc[case, "site"] = "prison"
    assert told(table) == [
        "site: everybody of 'prison (20 people)' is case: nobody there can be compared, and what"
        " is of site looks like diagnosis."
    ]


def test_join_people__writes_what_tells_the_outcome(inputs, tmp_path) -> None:
    for row in inputs.participants:
        row["site"] = "clinic" if row["diagnosis"] == "case" else "registry"
    join_people(**inputs.write(), output=tmp_path / "cohort")
    warnings = read_json(tmp_path / "cohort/summary.json")["warnings"]
    assert [warning.split(" (")[0] for warning in warnings] == ["site alone tells diagnosis"]


def test_check_people__warns_before_anything_is_computed(tmp_path, monkeypatch, capsys) -> None:
    table = people(60, 1)
    table["site"] = table["diagnosis"].map({"case": "clinic", "control": "registry"})
    table["sex"] = "F"
    write_table(tmp_path / "people.tsv", table)
    section = options(participants=str(tmp_path / "people.tsv"))
    words = ["cohort", "check", "--options", section.dump(), "--modalities", "{}"]
    words += ["--stages", "{}", "--output", str(tmp_path / "check.json")]
    monkeypatch.setattr(sys, "argv", ["gendmr", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert "WARNING: site alone tells diagnosis (100% of it in 60 people" in capsys.readouterr().out
    assert len(json.loads((tmp_path / "check.json").read_text())["warnings"]) == 1


def test_method_options__a_baseline_of_covariates_reads_all_that_are_declared() -> None:
    methods = {
        "ridge-covariates": {"kind": "ridge", "reads": ["covariates"]},
        "single-snp": {"kind": "association"},
    }
    study = make_study(methods)
    assert study.method_options("ridge-covariates").covariates == ("age", "sex", "site")
    assert study.method_options("single-snp").covariates == ("age", "sex")
