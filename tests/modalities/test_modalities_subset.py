"""Some people of a fold: what is taken of them stays theirs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from gendmr.cohort.view import FoldView
from gendmr.errors import DataLeakageError

OpenView = Callable[..., FoldView]


def test_taking_people_takes_all_that_is_theirs(open_view: OpenView) -> None:
    train = open_view().train
    order = np.random.default_rng(0).permutation(len(train))
    for index in (order, order[:7], order % 3 == 0, np.array([], dtype=int), np.array([4, 4])):
        some = train.take(index)
        assert some.participants.tolist() == train.participants[index].tolist()
        assert some.family.tolist() == train.family[index].tolist()
        np.testing.assert_array_equal(some.outcome.strata(), train.outcome.strata()[index])
        expected = train.covariates.to_numpy(dtype=object)[index].tolist()
        assert some.covariates.to_numpy(dtype=object).tolist() == expected
        for name, who in train.present.items():
            np.testing.assert_array_equal(some.present[name], who[index])
        dosage = train.array("snp", "dosage")[index]
        np.testing.assert_array_equal(some.array("snp", "dosage"), dosage)
        np.testing.assert_array_equal(some.take(slice_of(some)).array("snp", "dosage"), dosage)
        assert some.role == "train" and len(some) == len(dosage)


def slice_of(subset: object) -> np.ndarray:
    """Return the index that takes everybody."""
    return np.arange(len(subset))  # type: ignore[arg-type]


def test_having_a_modality(open_view: OpenView) -> None:
    train = open_view().train
    imaged = train.having("region")
    assert imaged.present["region"].all() and 0 < len(imaged) < len(train)
    assert np.isfinite(imaged.array("region", "volume")).all()
    assert set(imaged.participants) == set(train.participants[train.present["region"]])


def test_another_outcome_leaves_the_rest(open_view: OpenView) -> None:
    train = open_view().train
    order = np.arange(len(train))[::-1]
    permuted = train.with_outcome(train.outcome.permute(order))
    np.testing.assert_array_equal(permuted.outcome.case, train.outcome.case[::-1])
    assert permuted.participants is train.participants and permuted.readers is train.readers


def test_what_is_fitted_asks_for_training_people(open_view: OpenView) -> None:
    view = open_view()
    assert view.train.require("train") is view.train
    assert view.validation.require("train", "validation") is view.validation
    with pytest.raises(DataLeakageError, match=r"validation people were given where only train"):
        view.validation.require("train")
    view.seal()
    with pytest.raises(DataLeakageError, match=r"held-out people .* only train or validation"):
        view.held_out.take(np.arange(3)).require("train", "validation")


def test_its_words_hold_numbers_and_no_people(open_view: OpenView) -> None:
    train = open_view().train
    text = repr(train)
    assert text.startswith(f"Subset(train: {len(train)} people")
    assert f"{int(train.present['snp'].sum())} with snp" in text and len(text) < 100
