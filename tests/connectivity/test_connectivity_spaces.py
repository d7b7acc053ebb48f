"""Correlations and the spaces of connectomes, against nilearn and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gendmr.statistics import connectivity


def signals(people=12, volumes=60, regions=7, seed=0):
    random = np.random.default_rng(seed)
    mixing = random.normal(size=(people, regions, regions)) + 2 * np.eye(regions)
    return random.normal(size=(people, volumes, regions)) @ mixing


@pytest.mark.parametrize(("kind", "space"), [("tangent", "tangent"), ("correlation", "given")])
def test_spaces_are_those_of_nilearn(kind, space):
    from nilearn.connectome import ConnectivityMeasure
    from sklearn.covariance import LedoitWolf

    series = signals()
    standard = (series - series.mean(1, keepdims=True)) / series.std(1, keepdims=True)
    measure = ConnectivityMeasure(
        cov_estimator=LedoitWolf(assume_centered=True), kind=kind, standardize=False
    )
    expected = measure.fit_transform(list(standard))
    matrices = np.stack([connectivity.shrunk_correlation(person) for person in series])
    if space == "tangent":
        whitener = connectivity.whitening(connectivity.geometric_mean(matrices))
        matrices = connectivity.tangent(matrices, whitener)
    assert np.allclose(matrices, expected, atol=1e-4)


def test_partial_correlations_are_those_of_residuals():
    """Of two regions, given the third: correlation of what regressions on it leave."""
    series = signals(people=1, volumes=4000, regions=3)[0]
    matrix = np.corrcoef(series.T)
    third = np.column_stack([series[:, 2], np.ones(len(series))])
    residuals = [
        signal - third @ np.linalg.lstsq(third, signal, rcond=None)[0] for signal in series[:, :2].T
    ]
    partial = connectivity.partial_correlation(matrix)
    assert partial[0, 1] == pytest.approx(np.corrcoef(residuals)[0, 1], abs=1e-8)


@given(st.integers(2, 30), st.integers(0, 5))
def test_a_vector_becomes_its_matrix_and_comes_back(regions, seed):
    vector = np.random.default_rng(seed).uniform(-1, 1, regions * (regions - 1) // 2)
    matrix = connectivity.to_matrix(vector)
    assert np.array_equal(matrix, matrix.T)
    assert np.array_equal(connectivity.to_vector(matrix), vector)


def test_edges_of_a_constant_region_are_missing():
    series = signals(people=1)[0]
    series[:, 2] = 5.0
    matrix = connectivity.shrunk_correlation(series)
    assert np.isnan(matrix[2]).all()
    assert np.isnan(matrix[:, 2]).all()
    remaining = np.delete(np.delete(matrix, 2, 0), 2, 1)
    assert np.allclose(remaining, connectivity.shrunk_correlation(np.delete(series, 2, 1)))
