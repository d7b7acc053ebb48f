"""Declared covariates as numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from gendmr.errors import ConfigurationError
from gendmr.modalities.covariates import Covariates

TRAIN = pd.DataFrame(
    {
        "age": [60.0, 70.0, np.nan, 80.0],
        "sex": ["M", "F", None, "M"],
        "site": ["b", "a", "c", "a"],
    }
)


def fit(names: tuple[str, ...], table: pd.DataFrame = TRAIN) -> tuple[Covariates, list[str]]:
    notes: list[str] = []
    return Covariates.fit(table, names, notes, "training.covariates"), notes


def test_numbers_stay_and_categories_are_against_the_first() -> None:
    covariates, notes = fit(("age", "sex", "site"))
    assert covariates.names == ["age", "sex=M", "site=b", "site=c"]
    assert covariates.apply(TRAIN).tolist() == [
        [60, 1, 1, 0], [70, 0, 0, 0], [70, 0, 0, 1], [80, 1, 0, 0],
    ]  # fmt: skip
    assert notes == ["1 training people lack age: the mean is used."]


def test_levels_that_training_people_did_not_have_are_the_first() -> None:
    covariates, _ = fit(("site",))
    new_people = pd.DataFrame({"site": ["z", "b", None]})
    assert covariates.apply(new_people).tolist() == [[0, 0], [1, 0], [0, 0]]


def test_numbers_that_cannot_be_meant_are_the_mean() -> None:
    ages = np.linspace(60, 80, 21)
    covariates, _ = fit(("age",), pd.DataFrame({"age": [*ages, 7e7]}))
    assert covariates.means == [pytest.approx(70)]
    new_people = pd.DataFrame({"age": [65.0, 1e6, np.nan, -1e9, np.inf]})
    assert covariates.apply(new_people)[:, 0].tolist() == pytest.approx([65, 70, 70, 70, 70])
    assert covariates.beyond(new_people)["age"].tolist() == [False, True, False, True, True]


def test_none_of_them_are_no_columns() -> None:
    covariates, notes = fit(())
    assert covariates.apply(TRAIN).shape == (4, 0) and covariates.names == notes == []
    assert covariates.beyond(TRAIN) == {}


def test_nobody_known_is_zero() -> None:
    covariates, _ = fit(("age",), pd.DataFrame({"age": [np.nan, np.nan]}))
    assert covariates.apply(pd.DataFrame({"age": [np.nan]})).tolist() == [[0.0]]


def test_a_column_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match=r"training\.covariates names 2 .*'iq', 'edu'"):
        fit(("iq", "age", "edu"))
