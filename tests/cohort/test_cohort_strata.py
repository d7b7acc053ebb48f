"""Permuted outcomes: within strata, families as wholes, the same number the same permutation."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gendmr.cohort.outcomes import read_outcome, tasks_of
from gendmr.cohort.permutations import Permutations
from gendmr.cohort.strata import ancestry_groups, make_strata, stratify_people
from gendmr.config.cohort import CohortSection
from gendmr.errors import ConfigurationError, FoldError
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


def permuted(
    table: pd.DataFrame, strata: pd.DataFrame, seed: int, section: CohortSection
) -> Permutations:
    """Permutations of the first outcome, among the people who have it."""
    task = next(iter(tasks_of(section).values()))
    outcome = read_outcome(table, task, "table")
    people_of = table["participant_id"].to_numpy(dtype=object)
    return Permutations(strata, seed, people_of[outcome.known], outcome.take(outcome.known))


@settings(max_examples=30, deadline=None)
@given(
    count=st.integers(6, 80), siblings=st.integers(0, 3), seed=st.integers(0, 99),
    number=st.integers(0, 9999),
)  # fmt: skip
def test_strata_keep_their_outcomes_and_families_stay_whole(
    count: int, siblings: int, seed: int, number: int
) -> None:
    table = people(count, seed, siblings)
    section = options(min_exchangeable=0.0)
    strata, _ = make_strata(table, components(table), section, seed)
    permutations = permuted(table, strata, seed, section)
    before = permutations.outcome.case
    after = permutations.outcome.permute(permutations.draw(number)).case
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


def test_every_outcome_of_a_stratum_is_as_likely_for_each() -> None:
    table = people(12, 3).assign(sex="F", site="1", age=70.0)
    section = options(strata=["sex"])
    strata, _ = make_strata(table, components(table), section, 5)
    permutations = permuted(table, strata, 5, section)
    draws = np.array(
        [permutations.outcome.permute(permutations.draw(number)).case for number in range(2000)]
    )
    share = (table["diagnosis"] == "case").mean()
    # Five standard errors of a share over 2,000 draws.
    assert np.abs(draws.mean(axis=0) - share).max() < 5 * np.sqrt(share * (1 - share) / 2000)
    assert len(np.unique(draws, axis=0)) > 300
    again, other = (permuted(table, strata, seed, section) for seed in (5, 6))
    assert np.array_equal(permutations.draw(7), again.draw(7))
    assert not np.array_equal(permutations.draw(7), other.draw(7))


def two_outcomes(**more: object) -> CohortSection:
    outcomes = {"diagnosis": {"kind": "binary"}, "carrier": {"kind": "binary"}}
    return options(outcomes=outcomes, **more)


def test_who_lacks_an_outcome_is_in_nobodys_exchange_of_it() -> None:
    table = people(40, 1).assign(sex="F", site="1", age=70.0)
    table["carrier"] = table["diagnosis"]
    table.loc[:9, "diagnosis"] = "n/a"
    strata, summary = make_strata(table, None, two_outcomes(strata=["sex"]), 0)
    assert summary["exchangeable"] == {"diagnosis": 30, "carrier": 40}
    permutations = permuted(table, strata, 0, two_outcomes())
    assert permutations.people.tolist() == table["participant_id"].tolist()[10:]
    assert sorted(permutations.draw(3)) == list(range(30))


def test_the_outcome_that_fewest_can_exchange_decides_on_the_strata() -> None:
    table = people(80, 1).assign(site="1", age=70.0)
    table["carrier"] = np.where(table["sex"] == "F", "case", "control")
    alone, _ = make_strata(table, None, options(strata=["sex"]), 0)
    assert alone["stratum"].nunique() == 2
    # Within a sex nobody could become a carrier, or not be one any more.
    strata, summary = make_strata(table, None, two_outcomes(strata=["sex"]), 0)
    assert summary["left_out"] == ["sex"] and set(strata["stratum"]) == {"all"}


def test_without_genotypes_there_is_no_ancestry(tmp_path: Path) -> None:
    table = people(30)
    write_table(tmp_path / "people.tsv", table)
    stratify_people(tmp_path / "people.tsv", None, options(), 0, tmp_path / "strata.tsv")
    strata = read_table(tmp_path / "strata.tsv", {"ancestry": "text"}, extra=True)
    assert set(strata["ancestry"]) == {"n/a"}
    assert "ancestry" not in read_json(tmp_path / "strata.json")["factors"]
    with pytest.raises(ConfigurationError, match="study without genotypes"):
        make_strata(table, None, options(strata=["ancestry"]), 0)


def test_people_without_a_stratum_are_a_named_error() -> None:
    table = people(20)
    strata, _ = make_strata(table, None, options(), 0)
    with pytest.raises(FoldError, match="2 people of the cohort have no stratum"):
        permuted(table, strata.iloc[2:], 0, options())


@pytest.mark.parametrize("shape", [(323, 79), (60, 50, 40)])
def test_groups_that_are_clearly_apart_are_told_whatever_the_seed(shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(2)
    group = np.repeat(np.arange(len(shape)), shape)
    # Spread out in the second component, as nothing of ancestry is: one start splits that.
    scores = pd.DataFrame(
        {
            "id": [f"{number:04d}" for number in range(len(group))],
            "PC1": 0.12 * group + 0.015 * random.normal(size=len(group)),
            "PC2": 0.05 * random.normal(size=len(group)),
        }
    )
    for seed in range(100):
        groups = ancestry_groups(scores["id"], scores, seed)
        assert [len(set(groups[group == number])) for number in range(len(shape))] == [1] * len(
            shape
        )
        assert len(set(groups)) == len(shape)


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
    single_group, _ = make_strata(table, components(table, groups=1), options(), 0)
    assert set(single_group["ancestry"]) == {"1"}


def test_strata_too_fine_lose_their_last_factor_and_say_so() -> None:
    table = people(40, 2)
    table["code"] = [f"c{number}" for number in range(40)]  # nobody shares it
    section = options(strata=["sex", "code"], covariates=["age", "code"], categorical=["code"])
    strata, summary = make_strata(table, components(table), section, 0)
    assert summary["factors"] == ["sex"] and summary["left_out"] == ["code"]
    assert summary["warnings"][0].startswith("P-values do not allow for code: ")
    assert "permuted within strata of sex." in summary["warnings"][0]
    assert set(strata["stratum"]) == {"sex=F", "sex=M"}
    assert permuted(table, strata, 0, section).exchangeable.all()


def test_people_who_cannot_change_are_counted() -> None:
    table = people(20, 2).assign(sex="F", site="1", age=70.0)
    table.loc[0, "sex"] = "X"
    _, summary = make_strata(table, components(table), options(strata=["sex"]), 0)
    assert (
        summary["exchangeable"] == {"diagnosis": 19}
        and "1 of 20 people keep" in summary["notes"][0]
    )


def test_an_unknown_factor_is_a_named_error() -> None:
    table = people(20)
    with pytest.raises(ConfigurationError, match=r"cohort\.strata names 1 columns.*centre"):
        make_strata(table, components(table), options(strata=["centre"]), 0)
