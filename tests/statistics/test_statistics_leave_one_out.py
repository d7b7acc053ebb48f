"""Values against what the others predict."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gendmr.statistics.leave_one_out import (
    in_robust_sds,
    leave_one_out,
    quadratic,
    shared_components,
)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(60, 130))
def test_leave_one_out_agrees_with_fits_without_each_row(seed, rows):
    rng = np.random.default_rng(seed)
    design = quadratic(rng.normal(size=(rows, 3)))
    values = rng.normal(size=rows)
    slow = np.empty(rows)
    for row in range(rows):
        other_rows = np.arange(rows) != row
        coefficients = np.linalg.lstsq(design[other_rows], values[other_rows], rcond=None)[0]
        leverage = design[row] @ np.linalg.pinv(design.T @ design) @ design[row]
        slow[row] = (values[row] - design[row] @ coefficients) * np.sqrt(1 - leverage)
    assert leave_one_out(values, design) == pytest.approx(in_robust_sds(slow), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("rows", "columns"), [(59, 1), (60, 3), (119, 3), (120, 6), (199, 6), (200, 10), (300, 15)]
)
def test_as_many_components_enter_as_leave_twenty_rows_a_column(rows, columns):
    scores = np.random.default_rng(1).normal(size=(rows, 4))
    assert quadratic(scores).shape == (rows, columns)


@pytest.mark.parametrize(("carriers", "stays"), [(1, False), (5, False), (20, True), (50, True)])
def test_a_component_of_few_rows_is_none(carriers, stays):
    rng = np.random.default_rng(3)
    scores = rng.normal(size=(100, 2)) * [1, 0.01]
    scores[:carriers, 1] += 1
    assert shared_components(scores).shape[1] == 1 + stays


def test_a_row_that_decides_its_own_prediction_is_not_judged():
    design = np.column_stack([np.ones(50), np.arange(50) == 7]).astype(float)
    values = np.random.default_rng(2).normal(size=50)
    far = leave_one_out(values, design)
    assert np.isnan(far[7]) and np.isfinite(np.delete(far, 7)).all()
    assert (in_robust_sds(np.ones(9)) == 0).all()
