"""ComBat fitted on some people: the numbers of neuroHarmonize, and what is never touched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gendmr.statistics.combat import Combat

REFERENCE = Path(__file__).with_name("combat_reference.tsv")


@pytest.fixture(scope="module")
def reference():
    """60 people of three sites; `harmonised*` are neuroHarmonize 2.4.5's.

    `harmonizationLearn` on rows with `train`, with age and icv; `harmonizationApply` on the others.
    """
    table = pd.read_csv(REFERENCE, sep="\t")
    values = table.filter(like="region").to_numpy()
    harmonised = table.filter(like="harmonised").to_numpy()
    preserved = table[["age", "icv"]].to_numpy()
    return values, harmonised, table["site"].to_numpy(object), preserved, table["train"] == 1


def test_the_numbers_are_those_of_neuroharmonize_also_for_people_it_was_not_fitted_on(reference):
    values, harmonised, site, preserved, train = reference
    combat = Combat.fit(values[train], site[train], preserved[train])
    result = combat.apply(values, site, preserved)
    # Its iteration ends at a change of 1e-4, as ours; values have a standard deviation of 10.
    np.testing.assert_allclose(result, harmonised, atol=1e-5)
    assert np.abs(values - harmonised).max() > 5


def test_missing_values_stay_missing_and_change_nobody_else_much(reference):
    values, harmonised, site, preserved, train = reference
    holes = values.copy()
    holes[np.flatnonzero(train)[::9], 2] = np.nan
    result = Combat.fit(holes[train], site[train], preserved[train]).apply(holes, site, preserved)
    assert (np.isnan(result) == np.isnan(holes)).all()
    other_columns = [0, 1, 3, 4, 5]
    np.testing.assert_allclose(result[:, other_columns], harmonised[:, other_columns], atol=0.5)


def test_people_of_other_sites_keep_their_values(reference):
    values, _, site, preserved, train = reference
    combat = Combat.fit(values[train], site[train], preserved[train])
    for label in ("D", None):
        unknown_site = np.array([label] * len(site), dtype=object)
        assert np.array_equal(combat.apply(values, unknown_site, preserved), values)
        assert combat.unknown(unknown_site).all()
    assert not combat.unknown(site).any()


def test_sites_of_few_people_are_left_alone_and_told(reference):
    values, _, site, preserved, train = reference
    some = site.copy()
    some[np.flatnonzero(train)[:3]] = "tiny"
    combat = Combat.fit(values[train], some[train], preserved[train])
    assert combat.small == {"tiny": 3}
    assert combat.sites == ("A", "B", "C")
    unchanged = combat.apply(values, some, preserved) == values
    assert (unchanged.all(axis=1) == (some == "tiny")).all()


@pytest.mark.parametrize("sites", [["A"] * 20, [None] * 20, []])
def test_without_two_sites_nothing_changes(sites):
    values = np.random.default_rng(0).normal(size=(len(sites), 4))
    site, preserved = np.array(sites, dtype=object), np.zeros((len(sites), 0))
    assert np.array_equal(
        Combat.fit(values, site, preserved).apply(values, site, preserved), values
    )


@given(
    shift=st.floats(-1e4, 1e4),
    unit=st.sampled_from([1e-3, 1.0, 1e6]),
    n_features=st.sampled_from([1, 2, 5]),
    seed=st.integers(0, 99),
)
def test_a_shift_of_a_site_is_removed_in_any_unit(shift, unit, n_features, seed):
    rng = np.random.default_rng(seed)
    site = np.repeat(np.array(["a", "b"], dtype=object), 40)
    values = rng.normal(size=(80, n_features))
    moved = (values + shift * (site == "b")[:, None]) * unit
    nothing = np.zeros((80, 0))
    result = Combat.fit(moved, site, nothing).apply(moved, site, nothing) / unit
    gap = result[site == "b"].mean(axis=0) - result[site == "a"].mean(axis=0)
    assert np.abs(gap).max() < 0.5


def test_constant_and_empty_features_stay_as_they_are(reference):
    values, _, site, preserved, train = reference
    odd = values.copy()
    odd[:, 0], odd[:, 1] = 7.0, np.nan
    result = Combat.fit(odd[train], site[train], preserved[train]).apply(odd, site, preserved)
    assert np.array_equal(result[:, 0], odd[:, 0])
    assert np.isnan(result[:, 1]).all()
    assert np.isfinite(result[:, 2:]).all()
