"""Folds: everybody held out once, kin on one side, strata balanced, the same each time."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from gendmr.cohort.assignment import assign, independent_groups
from gendmr.cohort.families import connected_groups
from gendmr.cohort.outcomes import read_outcome, tasks_of
from gendmr.cohort.splits import make_features, make_splits
from gendmr.config.cohort import CohortSection
from gendmr.errors import ConfigurationError, FoldError, OutcomeError
from gendmr.files.atomic import sha256
from gendmr.files.tables import write_table


def options(**changes):
    return CohortSection.parse({"participants": "participants.tsv", **changes})


def cohort(n=200, seed=0, imaged=0.3, cases=0.4, kin=0.2):
    rng = np.random.default_rng(seed)
    family = np.arange(n)
    for i in np.flatnonzero(rng.random(n) < kin):
        family[i] = family[rng.integers(n)]
    has_snp = rng.random(n) < 0.9
    return pd.DataFrame(
        {
            "participant_id": [f"{i:04d}" for i in range(n)],
            "diagnosis": np.where(rng.random(n) < cases, "case", "control"),
            "has_snp": has_snp,
            "has_region": (rng.random(n) < imaged) | ~has_snp,
            "family": [f"{i:04d}" for i in family],
            "site": rng.integers(0, 12, n).astype(str),
        }
    )


def split(table, section, seed):
    return make_splits(table, section, seed)[0]


def check(table, splits, section):
    """What must hold for any split."""
    group = dict(
        zip(table["participant_id"], independent_groups(table, section.group_by), strict=True)
    )
    diagnosis = dict(zip(table["participant_id"], table["diagnosis"], strict=True))
    for repeat in range(section.repeats):
        rows = splits[splits["repeat"] == repeat]
        assert sorted(rows["participant_id"]) == sorted(table["participant_id"])
        for k in range(section.folds):
            part = rows[f"inner_{k}"]
            assert ((part == "held-out") == (rows["fold"] == k)).all()
            assert set(part) == {"train", "validation", "held-out"}
            parts = {
                name: {group[person] for person in rows.loc[part == name, "participant_id"]}
                for name in ("train", "validation", "held-out")
            }
            assert not parts["train"] & parts["validation"]
            assert not parts["train"] & parts["held-out"]
            assert not parts["validation"] & parts["held-out"]
            for name in parts:
                people = rows.loc[part == name, "participant_id"]
                assert {diagnosis[person] for person in people} == {"case", "control"}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(60, 120),
    kin=st.floats(0, 0.4),
    changes=st.fixed_dictionaries(
        {
            "folds": st.integers(2, 5),
            "repeats": st.integers(1, 2),
            "inner_validation": st.floats(0.1, 0.3),
            "group_by": st.sampled_from([None, "site"]),
        }
    ),
)
def test_nobody_straddles_and_everybody_is_held_out_once(seed, n, kin, changes):
    table = cohort(n=n, seed=seed, kin=kin)
    section = options(**changes)
    try:
        splits = split(table, section, seed)
    except FoldError:
        # Sites tied together by kin can be too few; single families of so many people are not.
        assert changes["group_by"] == "site" or kin > 0
        return
    check(table, splits, section)


def test_the_demo_size_always_splits():
    section = options(folds=5, repeats=4)
    table = cohort(n=170, kin=0.03)
    check(table, split(table, section, 7), section)


def test_strata_and_margins_are_balanced_when_families_are_single():
    table = cohort(n=173, kin=0)
    splits = split(table, options(folds=5), 3)
    merged = splits.merge(table, on="participant_id")
    for columns in (
        ["diagnosis"],
        ["diagnosis", "has_region"],
        ["diagnosis", "has_region", "has_snp"],
    ):
        counts = merged.groupby([*columns, "fold"]).size().unstack(fill_value=0)
        spread = counts.max(axis=1) - counts.min(axis=1)
        assert spread.max() <= (1 if len(columns) != 2 else 2), counts
    sizes = merged["fold"].value_counts()
    assert sizes.max() - sizes.min() <= 2


def test_families_are_balanced_at_least_as_well_as_by_scikit_learn():
    ours, theirs = [], []
    for seed in range(8):
        table = cohort(n=170, seed=seed, kin=0.15)
        strata = table["diagnosis"] + table["has_region"].astype(str) + table["has_snp"].astype(str)
        fold = split(table, options(folds=5), seed).set_index("participant_id")["fold"]
        ours.append(imbalance(strata, fold.loc[table["participant_id"]].to_numpy()))
        library_fold = np.zeros(len(table), dtype=int)
        library = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
        for k, (_, held_out) in enumerate(library.split(table, strata, table["family"])):
            library_fold[held_out] = k
        theirs.append(imbalance(strata, library_fold))
    assert np.mean(ours) <= np.mean(theirs)


def imbalance(strata, fold):
    counts = pd.crosstab(strata, fold)
    return float(((counts.sub(counts.mean(axis=1), axis=0)) ** 2).sum().sum())


def test_the_inner_validation_has_its_share():
    table = cohort(n=200, kin=0.05)
    splits = split(table, options(inner_validation=0.15), 1)
    for k in range(5):
        inner = splits.loc[splits[f"inner_{k}"] != "held-out", f"inner_{k}"]
        assert abs((inner == "validation").mean() - 0.15) < 0.02


def test_repeats_differ_and_the_seed_decides():
    table = cohort()
    splits = split(table, options(repeats=2), 1)
    assert splits.equals(split(table.sample(frac=1, random_state=0), options(repeats=2), 1))
    first, second = (splits.loc[splits["repeat"] == r, "fold"].to_numpy() for r in (0, 1))
    assert (first != second).mean() > 0.5
    other_seed = split(table, options(repeats=2), 2)
    assert (splits["fold"] != other_seed["fold"]).mean() > 0.5
    # A repeat more leaves those before as they are.
    assert splits.equals(split(table, options(repeats=3), 1).head(len(splits)))


def test_sites_never_straddle_and_people_without_one_follow_their_family():
    table = cohort(n=150, kin=0)
    table.loc[[0, 1], "site"] = "n/a"
    table.loc[1, "family"] = table.loc[2, "family"]
    groups = independent_groups(table, "site")
    assert groups[1] == groups[2]
    assert groups[0] == "p0000"
    splits = split(table, options(group_by="site", folds=3), 0)
    merged = splits.merge(table, on="participant_id")
    assert (merged[merged["site"] != "n/a"].groupby("site")["fold"].nunique() == 1).all()


def test_too_few_families_are_an_error_with_the_number_that_would_do():
    table = cohort(n=60, kin=0)
    cases = table["diagnosis"] == "case"
    table.loc[cases, "family"] = [f"f{i % 4}" for i in range(cases.sum())]
    with pytest.raises(FoldError, match=r"diagnosis case belong to 4 independent groups") as caught:
        split(table, options(folds=5), 0)
    assert "set cohort.folds to at most 4" in str(caught.value)


def test_too_few_sites_are_an_error_that_names_the_setting():
    table = cohort(n=60, kin=0).assign(site="one")
    with pytest.raises(FoldError, match=r"1 independent groups") as caught:
        split(table, options(group_by="site"), 0)
    assert "share a value of cohort.group_by" in str(caught.value)


def test_an_inner_validation_without_a_class_is_an_error():
    table = cohort(n=300, kin=0)
    table["diagnosis"] = ["case"] * 5 + ["control"] * 295
    with pytest.raises(FoldError, match=r"no case among its \d+ validation people"):
        split(table, options(folds=5, inner_validation=0.02), 0)


def test_an_unknown_column_to_group_by():
    with pytest.raises(FoldError, match="no such column"):
        split(cohort(n=60), options(group_by="ward"), 0)


def test_a_share_that_is_no_share_is_refused():
    with pytest.raises(ConfigurationError, match="inner_validation"):
        options(inner_validation=0.5)


def test_shares_are_kept_by_the_assignment():
    rng = np.random.default_rng(0)
    groups = np.array([f"{i}" for i in range(400)])
    features = np.column_stack([rng.random(400) < 0.5, np.ones(400)]).astype(float)
    part = assign(groups, features, np.array([0.7, 0.2, 0.1]), rng)
    assert np.bincount(part).tolist() == pytest.approx([280, 80, 40], abs=2)


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 12),
    pairs=st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)), max_size=12),
)
def test_connected_groups_are_those_of_a_slow_walk(n, pairs):
    members = [f"{i:02d}" for i in range(n)]
    named = [(f"{a:02d}", f"{b:02d}") for a, b in pairs]
    groups = connected_groups(members, named)
    for member in members:
        reached = {member}
        while True:
            more = {b for a, b in named if a in reached} | {a for a, b in named if b in reached}
            if more <= reached:
                break
            reached |= more
        assert groups[member] == min(reached & set(members))


def test_the_command_line_splits(tmp_path):
    table = cohort(n=80, kin=0.05)
    write_table(tmp_path / "participants.tsv", table)
    for name in ("a.tsv", "b.tsv"):
        subprocess.run(
            [
                *(sys.executable, "-m", "gendmr", "cohort", "split", "--seed", "5"),
                *("--participants", tmp_path / "participants.tsv"),
                *("--options", options(folds=3).dump(), "--output", tmp_path / name),
            ],
            check=True,
        )
    assert sha256(tmp_path / "a.tsv") == sha256(tmp_path / "b.tsv")
    read = pd.read_csv(tmp_path / "a.tsv", sep="\t", dtype={"participant_id": str})
    assert read.equals(split(table, options(folds=3), 5).astype(read.dtypes))


def test_features_of_one_outcome_and_two_modalities_are_strata_and_their_margins():
    table = cohort(n=150)
    section = options()
    outcomes = {
        name: (task, read_outcome(table, task, "table")) for name, task in tasks_of(section).items()
    }
    pattern = (table["has_snp"] + 2 * table["has_region"]).astype(str)
    slow = [
        pd.get_dummies(table["diagnosis"] + pattern),
        pd.get_dummies(table["diagnosis"]),
        # The modality that fewer people have.
        pd.get_dummies(table["diagnosis"] + table["has_region"].astype(str)),
        pd.DataFrame({"all": np.ones(len(table))}),
    ]
    assert np.array_equal(make_features(table, outcomes), np.hstack(slow).astype(float))


@pytest.mark.parametrize("name", ["has_snp", "has_region"])
def test_a_study_of_one_modality_splits(name):
    table = cohort(n=120).drop(columns=[name])
    section = options(folds=4)
    check(table, split(table, section, 2), section)


def test_several_outcomes_are_balanced_at_once_and_may_be_lacking():
    table = cohort(n=240, kin=0)
    rng = np.random.default_rng(5)
    table["carrier"] = rng.choice(["case", "control", "n/a"], 240, p=[0.2, 0.6, 0.2])
    section = options(folds=4, outcomes={"diagnosis": {"kind": "binary"}, "carrier": carriers()})
    splits = split(table, section, 3)
    merged = splits.merge(table, on="participant_id")
    for columns in (["diagnosis"], ["carrier"], ["carrier", "has_region"]):
        counts = merged.groupby([*columns, "fold"]).size().unstack(fill_value=0)
        assert (counts.max(axis=1) - counts.min(axis=1)).max() <= 3, counts
    for k in range(4):
        for part in ("train", "validation", "held-out"):
            rows = merged[merged[f"inner_{k}"] == part]
            assert {"case", "control"} <= set(rows["carrier"])
            assert {"case", "control"} == set(rows["diagnosis"])


def test_an_outcome_that_few_people_have_is_named():
    table = cohort(n=120, kin=0)
    table["carrier"] = "n/a"
    table.loc[:3, "carrier"] = "case"
    table.loc[4:60, "carrier"] = "control"
    section = options(outcomes={"diagnosis": {"kind": "binary"}, "carrier": carriers()})
    with pytest.raises(FoldError, match="4 people with carrier case belong to 4 independent"):
        split(table, section, 0)


def carriers():
    return {"kind": "binary", "column": "carrier"}


def test_an_outcome_that_the_table_lacks_is_an_error():
    section = options(outcomes={"diagnosis": {"kind": "binary"}, "carrier": carriers()})
    with pytest.raises(OutcomeError, match="no column carrier"):
        split(cohort(n=60), section, 0)
