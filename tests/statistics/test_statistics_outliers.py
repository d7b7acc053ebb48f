"""Limits beyond which a number is a mistake."""

from __future__ import annotations

import numpy as np
import pytest

from gendmr.statistics.outliers import inside, limits


def test_limits_are_twenty_interquartile_ranges_beyond_the_quartiles() -> None:
    column = np.arange(101.0)  # quartiles 25 and 75
    low, high = limits(np.column_stack([column, -3 * column]))
    assert low.tolist() == [25 - 1000, -225 - 3000] and high.tolist() == [75 + 1000, -75 + 3000]


def test_one_mistake_moves_its_own_limits_hardly_and_is_beyond_them() -> None:
    random = np.random.default_rng(0)
    values = random.normal(70, 8, (60, 1))
    values[3] = 7e8
    values[4] = np.nan
    low, high = limits(values)
    assert -300 < low[0] < high[0] < 500
    limited = inside(values, low, high)
    assert np.flatnonzero(np.isnan(limited[:, 0])).tolist() == [3, 4]
    np.testing.assert_array_equal(limited[5:], values[5:])
    assert np.nanmax(np.abs(values[5:] - 70)) < 40  # unusual people stay


@pytest.mark.parametrize(
    "column", [np.arange(7.0), np.r_[np.full(30, 5.0), 1e6], np.full(9, np.nan)], ids=str
)
def test_no_limits_where_they_would_be_guesses(column: np.ndarray) -> None:
    low, high = limits(column[:, None])
    assert (low[0], high[0]) == (-np.inf, np.inf)
    np.testing.assert_array_equal(inside(column[:, None], low, high)[:, 0], column)


def test_infinity_is_no_number() -> None:
    low, high = limits(np.zeros((0, 1)))
    limited = inside(np.array([[np.inf], [-np.inf], [1.0]]), low, high)[:, 0]
    np.testing.assert_array_equal(limited, [np.nan, np.nan, 1.0])
