"""Permuted diagnoses: within strata, families as wholes, the same number the same permutation."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gendmr.cohort.permutation import Permutations, make_strata, stratify_people
from gendmr.config.cohort import CohortSection
from gendmr.errors import ConfigurationError
from gendmr.files.atomic import read_json
from gendmr.files.tables import read_table, write_table


def people(count: int, seed: int = 0, siblings: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    family = np.array([f"f{number:03d}" for number in range(count)], dtype=object)
    for pair in range(siblings):
        family[2 * pair + 1] = family[2 * pair]
    return pd.DataFrame(
        {
            "participant_id": [f"{number:04d}" for number in range(count)],
            "diagnosis": random.choice(["case", "control"], count),
            "age": random.normal(70, 8, count).round(1),
            "sex": random.choice(["F", "M"], count),
            "site": random.choice(["1", "2"], count),
            "has_snp": True,
            "family": family,
        }
    )


def components(table: pd.DataFrame, groups: int = 1) -> pd.DataFrame:
    random = np.random.default_rng(1)
    group = np.arange(len(table)) % groups
    return pd.DataFrame(
        {
            "id": table["participant_id"],
            "PC1": group * 1.0 + 0.02 * random.normal(size=len(table)),
            "PC2": 0.02 * random.normal(size=len(table)),
        }
    )


def options(**more: object) -> CohortSection:
    return CohortSection.parse({"participants": "people.tsv", **more}, where="cohort")


@settings(max_examples=30, deadline=None)
@given(
    count=st.integers(6, 80), siblings=st.integers(0, 3), seed=st.integers(0, 99),
    number=st.integers(0, 9999),
)  # fmt: skip
def test_strata_keep_their_diagnoses_and_families_stay_whole(
    count: int, siblings: int, seed: int, number: int
) -> None:
    table = people(count, seed, siblings)
    strata, _ = make_strata(table, components(table), options(movable=0.0), seed)
    drawn = Permutations(strata, seed).draw(number)
    after = strata["participant_id"].map(drawn)
    before = (strata["diagnosis"] == "case").astype(int)
    for _, rows in strata.groupby("stratum").groups.items():
        assert before[rows].sum() == after[rows].sum()
    # What a family of some strata has now, a family of the same strata had before.
    order = strata.sort_values(["stratum", "participant_id"]).index
    had, has = Counter(), Counter()
    for _, rows in strata.loc[order].groupby("family", sort=False).groups.items():
        kind = tuple(strata["stratum"][rows])
        had[kind, tuple(before[rows])] += 1
        has[kind, tuple(after[rows])] += 1
    assert had == has


def test_every_diagnosis_of_a_stratum_is_as_likely_for_each() -> None:
    table = people(12, 3).assign(sex="F", site="1", age=70.0)
    strata, _ = make_strata(table, components(table), options(strata=["sex"]), 5)
    permutations = Permutations(strata, 5)
    draws = np.array([list(permutations.draw(number).values()) for number in range(2000)])
    share = (table["diagnosis"] == "case").mean()
    # Five standard errors of a share over 2,000 draws.
    assert np.abs(draws.mean(axis=0) - share).max() < 5 * np.sqrt(share * (1 - share) / 2000)
    assert len(np.unique(draws, axis=0)) > 300
    assert permutations.draw(7) == Permutations(strata, 5).draw(7)
    assert permutations.draw(7) != Permutations(strata, 6).draw(7)


def test_ancestry_groups_are_strata(tmp_path: Path) -> None:
    table = people(90, 1)
    write_table(tmp_path / "people.tsv", table)
    write_table(tmp_path / "components.tsv", components(table, groups=3))
    stratify_people(
        tmp_path / "people.tsv", tmp_path / "components.tsv", options(), 0,
        tmp_path / "strata.tsv",
    )  # fmt: skip
    strata = read_table(tmp_path / "strata.tsv", {"participant_id": "text"}, extra=True)
    by_group = strata.groupby(np.arange(90) % 3)["ancestry"].nunique()
    assert (by_group == 1).all() and strata["ancestry"].nunique() == 3
    summary = read_json(tmp_path / "strata.json")
    assert summary["ancestry_groups"] == 3
    assert summary["factors"][:3] == ["sex", "site", "ancestry"]
    one, _ = make_strata(table, components(table, groups=1), options(), 0)
    assert set(one["ancestry"]) == {"1"}


def test_strata_too_fine_lose_their_last_factor_and_say_so() -> None:
    table = people(40, 2)
    table["code"] = [f"c{number}" for number in range(40)]  # nobody shares it
    chosen = options(strata=["sex", "code"], covariates=["age", "code"], categorical=["code"])
    strata, summary = make_strata(table, components(table), chosen, 0)
    assert summary["factors"] == ["sex"] and summary["left_out"] == ["code"]
    assert "code" in summary["notes"][0] and set(strata["stratum"]) == {"sex=F", "sex=M"}
    assert Permutations(strata, 0).movable.all()


def test_people_who_cannot_change_are_counted() -> None:
    table = people(20, 2).assign(sex="F", site="1", age=70.0)
    table.loc[0, "sex"] = "X"
    _, summary = make_strata(table, components(table), options(strata=["sex"]), 0)
    assert summary["movable"] == 19 and "1 of 20 people keep" in summary["notes"][0]


def test_an_unknown_factor_is_a_named_error() -> None:
    table = people(20)
    with pytest.raises(ConfigurationError, match=r"cohort\.strata names 1 columns.*centre"):
        make_strata(table, components(table), options(strata=["centre"]), 0)
