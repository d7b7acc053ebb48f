"""Intervals over folds and people."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gendmr.statistics import intervals
from gendmr.statistics.classification import auc, confusion, matthews


def test_nadeau_and_bengio_widen_the_interval_of_a_mean():
    values = np.array([0.70, 0.74, 0.66, 0.72])
    mean, low, high = intervals.nadeau_bengio(values, 1 / 3)
    # t with 3 degrees of freedom: 3.1824; variance 0.0011667 times 1/4 + 1/3.
    assert mean == pytest.approx(0.705)
    assert high - mean == pytest.approx(3.182446 * np.sqrt(0.0011666667 * 7 / 12), rel=1e-5)
    assert mean - low == pytest.approx(high - mean)
    assert np.isnan(intervals.nadeau_bengio(np.array([np.nan]), 1)).all()
    assert np.isnan(intervals.nadeau_bengio(np.array([0.7]), 1)[1])


@given(st.integers(0, 1000))
def test_resampled_measures_are_those_of_the_people_drawn(seed):
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.arange(20) < 8)
    score = rng.normal(size=20).round(1)
    other_score = score + rng.normal(size=20)
    counts = intervals.resample_counts(rng, truth, 4)
    assert (counts[:, truth].sum(axis=1) == 8).all() and (counts.sum(axis=1) == 20).all()
    areas = intervals.resampled_auc(truth, score, counts)
    correlations = intervals.resampled_correlation(score, other_score, counts)
    for draw, area, correlation in zip(counts.astype(int), areas, correlations, strict=True):
        index = np.repeat(np.arange(20), draw)
        assert area == pytest.approx(auc(truth[index], score[index]))
        assert correlation == pytest.approx(np.corrcoef(score[index], other_score[index])[0, 1])


def test_bootstraps_of_an_auc_agree():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 300)
    score = truth + rng.normal(0, 2, 300)
    by_people = intervals.bootstrap_auc(truth, score, np.random.default_rng(1))
    counts = intervals.resample_counts(np.random.default_rng(2), truth)
    by_counts = intervals.percentile_interval(intervals.resampled_auc(truth == 1, score, counts))
    assert by_people == pytest.approx(by_counts, abs=0.01)


def test_matthews_agrees_with_scikit_learn():
    from sklearn.metrics import matthews_corrcoef

    rng = np.random.default_rng(3)
    truth, called = rng.integers(0, 4, 200), rng.integers(0, 4, 200)
    called = np.where(rng.random(200) < 0.4, truth, called)
    expected = matthews_corrcoef(truth, called)
    assert matthews(confusion(truth, called, 4)) == pytest.approx(expected)
    assert matthews(confusion(truth, np.zeros_like(truth), 4)) == 0
    assert np.isnan(matthews(confusion(np.zeros(5, int), np.zeros(5, int), 3)))
