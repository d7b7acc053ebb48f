"""Folds by a column: a site is held out as a whole, kin of its people train nowhere else."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from gendmr.cohort.fold_values import fold_values, size_of_split
from gendmr.cohort.splits import make_splits, split_folds
from gendmr.cohort.view import FoldView
from gendmr.config.cohort import CohortSection
from gendmr.config.simulate import SimulateSection
from gendmr.errors import ConfigurationError, FoldError, InputFileError, TableError
from gendmr.files.tables import read_table, write_table
from gendmr.tasks import task_of

SITES = ["a", "b", "c", "d", "e"]


def options(**changes):
    return CohortSection.parse({"participants": "people.tsv", "fold_by": "site", **changes})


def cohort(n=200, sites=5, seed=0):
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "participant_id": [f"{i:04d}" for i in range(n)],
            "diagnosis": random.choice(["case", "control"], n),
            "has_snp": True,
            "has_region": random.uniform(size=n) < 0.5,
            "family": [f"{i:04d}" for i in range(n)],
            "site": [SITES[i % sites] for i in range(n)],
        }
    )


def split(table, values=None, seed=0, **changes):
    values = sorted(set(table["site"]) - {"n/a"}) if values is None else values
    return make_splits(table, options(**changes), seed, values)


def test_make_splits__holds_each_site_out_once():
    table = cohort()
    splits, notes = split(table)
    assert notes == []
    assert splits["fold_name"].tolist() == table["site"].tolist()
    assert splits["fold"].tolist() == [SITES.index(site) for site in table["site"]]
    assert set(splits["repeat"]) == {0}
    for k, site in enumerate(SITES):
        part = splits[f"inner_{k}"]
        assert ((part == "held-out") == (table["site"] == site)).all()


def test_make_splits__validates_on_whole_sites_where_three_others_remain():
    table = cohort()
    splits, _ = split(table)
    for k in range(5):
        inner = splits[f"inner_{k}"]
        parts = table.assign(part=inner)[inner != "held-out"].groupby("site")["part"]
        assert (parts.nunique() == 1).all()
        assert sorted(parts.first()).count("validation") == 1


def test_make_splits__stratifies_the_validation_of_few_sites_and_says_so():
    table = cohort(sites=3)
    splits, notes = split(table)
    assert "drawn from people, not from whole values of site" in notes[0]
    for k in range(3):
        inner = splits.loc[splits[f"inner_{k}"] != "held-out", f"inner_{k}"]
        assert abs((inner == "validation").mean() - 0.15) < 0.03


def test_make_splits__does_not_validate_on_a_site_of_one_class():
    table = cohort()
    # Only cases: it can neither be validated on, nor be judged where it is held out.
    table.loc[table["site"] == "e", "diagnosis"] = "case"
    with pytest.raises(FoldError, match=r"fold 4 \(site e\): no control") as caught:
        split(table)
    assert "write n/a for their people" in str(caught.value)
    table.loc[table["site"] == "e", "site"] = "n/a"
    splits, notes = split(table)
    assert (splits.loc[splits["fold_name"] == "n/a", "inner_0"] == "train").all()
    assert "40 of 200 people have no site" in notes[0]


def test_make_splits__sets_kin_at_another_site_aside():
    table = cohort()
    table.loc[1, "family"] = table.loc[0, "family"]  # one at a, one at b
    splits, notes = split(table)
    assert splits["inner_0"][:2].tolist() == ["held-out", "set-aside"]
    assert splits["inner_1"][:2].tolist() == ["set-aside", "held-out"]
    family = table["family"].to_numpy()
    for k in range(5):
        part = splits[f"inner_{k}"].to_numpy()
        judged = set(family[part == "held-out"])
        stopped = set(family[part == "validation"])
        assert not set(family[part == "train"]) & (judged | stopped)
        assert not judged & stopped
    assert "a person was set aside" in notes[0]


def test_make_splits__lets_people_without_a_site_train_in_every_fold():
    table = cohort()
    table.loc[:9, "site"] = "n/a"
    table.loc[0, "family"] = table.loc[12, "family"]
    splits, _ = split(table)
    assert splits.loc[:9, "fold"].isna().all()
    columns = [f"inner_{k}" for k in range(5)]
    assert (splits.loc[1:9, columns] == "train").all(axis=None)
    # But not where kin of theirs is held out or validated on.
    site = SITES.index(table.loc[12, "site"])
    assert splits.loc[0, f"inner_{site}"] == "set-aside"
    assert "held-out" not in set(splits.loc[0, columns])


def test_make_splits__is_the_same_each_time_and_in_any_order_of_rows():
    table = cohort()
    splits, reordered = split(table)[0], split(table.sample(frac=1, random_state=1))[0]
    assert splits.equals(reordered)


def test_make_splits__refuses_a_site_that_nobody_is_left_of():
    with pytest.raises(FoldError, match="nobody of site 'z' is in the cohort"):
        split(cohort(), values=[*SITES, "z"])


def test_make_splits__refuses_a_site_that_was_not_planned():
    with pytest.raises(FoldError, match="values that are no folds: 'e'"):
        split(cohort(), values=SITES[:4])


def test_split_folds__is_read_by_the_view(tmp_path):
    table = cohort()
    table.loc[0, "site"] = "n/a"
    write_table(tmp_path / "participants.tsv", table)
    (tmp_path / "participants.json").write_text("{}")
    section = options(participants=str(tmp_path / "participants.tsv"))
    output = tmp_path / "splits.tsv"
    split_folds(tmp_path / "participants.tsv", section, 0, output)
    read = read_table(output, {"fold": "integer", "fold_name": "text"}, extra=True)
    assert read.loc[0, "fold_name"] == "n/a" and pd.isna(read.loc[0, "fold"])
    described = json.loads((tmp_path / "splits.json").read_text())
    assert described["by"] == "site" and described["values"] == SITES
    task = task_of("diagnosis", section.outcomes["diagnosis"])
    view = FoldView.open(tmp_path, 0, 2, task=task, modalities=())
    assert "0000" in view.train.participants
    view.seal()
    held_out_sites = table.set_index("participant_id").loc[view.held_out.participants, "site"]
    assert set(held_out_sites) == {"c"} and len(held_out_sites) == 40


def test_fold_values__are_those_of_the_users_file(tmp_path):
    path = tmp_path / "people.tsv"
    table = cohort(n=20).rename(columns={"site": "centre"})
    table.loc[3, "centre"] = ""
    table.loc[4, "centre"] = "n/a"
    write_table(path, table)
    section = options(participants=str(path), columns={"site": "centre"})
    assert fold_values(section) == SITES
    assert size_of_split(section) == (1, 5)
    assert size_of_split(options(fold_by=None, repeats=3, folds=4)) == (3, 4)


def test_fold_values__spell_sex_as_the_cohort_does(tmp_path):
    path = tmp_path / "people.tsv"
    write_table(path, cohort(n=4).assign(sex=["male", "f", "F", "M"]))
    assert fold_values(options(participants=str(path), fold_by="sex")) == ["F", "M"]


@pytest.mark.parametrize(
    ("values", "words"),
    [(["a"] * 60, "1 values"), ([f"s{i}" for i in range(60)], "60 values"), (["n/a"] * 60, "none")],
)
def test_fold_values__refuses_columns_that_are_no_folds(tmp_path, values, words):
    path = tmp_path / "people.tsv"
    write_table(path, cohort(n=60).assign(site=values))
    with pytest.raises(FoldError, match=words):
        fold_values(options(participants=str(path)))


def test_fold_values__refuses_a_missing_file_and_a_missing_column(tmp_path):
    with pytest.raises(InputFileError, match="no such file"):
        fold_values(options(participants=str(tmp_path / "none.tsv")))
    path = tmp_path / "people.tsv"
    write_table(path, cohort(n=20))
    with pytest.raises(TableError, match="'ward'"):
        fold_values(options(participants=str(path), fold_by="ward"))


def test_fold_values__knows_simulated_sites_before_they_are_made():
    simulate = SimulateSection.parse({"people": 40, "images": 10, "sites": 3})
    assert fold_values(options(), simulate) == ["site1", "site2", "site3"]
    with pytest.raises(ConfigurationError, match="must be known before the run"):
        fold_values(options(fold_by="sex"), simulate)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"group_by": "ward"}, "group_by and fold_by together"),
        ({"fold_by": "age"}, "numeric covariate"),
        ({"fold_by": "has_snp"}, "reserved names"),
    ],
)
def test_cohort_section__refuses_what_cannot_be_folds(changes, words):
    with pytest.raises(ConfigurationError, match=words):
        options(**changes)
