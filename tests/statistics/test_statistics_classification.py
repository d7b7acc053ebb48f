"""Areas under curves, thresholds and intervals against scikit-learn and their formulas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from gendmr.statistics.classification import auc, auprc, best_threshold, sigmoid, softmax
from gendmr.statistics.intervals import bootstrap_auc, nadeau_bengio


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), digits=st.integers(0, 3))
def test_areas_agree_with_scikit_learn(seed: int, digits: int) -> None:
    random = np.random.default_rng(seed)
    y = random.integers(0, 2, 30)
    y[:2] = 0, 1
    score = random.uniform(size=30).round(digits)  # few digits: many ties
    assert auc(y, score) == pytest.approx(reference.roc_auc_score(y, score))
    assert auprc(y, score) == pytest.approx(reference.average_precision_score(y, score))


def test_one_class_has_no_area() -> None:
    y = np.ones(4, dtype=int)
    assert np.isnan(auc(y, np.arange(4.0))) and np.isnan(auprc(y, np.arange(4.0)))
    assert best_threshold(y, np.full(4, 0.7)) == 0.5


def test_threshold_separates_where_it_can_and_stays_at_half_where_it_cannot() -> None:
    y = np.array([0, 0, 1, 1])
    assert best_threshold(y, np.array([0.1, 0.2, 0.3, 0.4])) == pytest.approx(0.25)
    assert best_threshold(y, np.array([0.1, 0.2, 0.8, 0.9])) == 0.5
    assert best_threshold(y, np.full(4, 0.2)) == 0.5


def test_neither_sigmoid_nor_softmax_overflows() -> None:
    assert sigmoid(np.array([-1e4, 0, 1e4])).tolist() == [0, 0.5, 1]
    assert softmax(np.array([[1e4, 0.0, -1e4], [5.0, 5.0, 5.0]])).round(6).tolist() == [
        [1, 0, 0],
        [0.333333] * 3,
    ]


def test_nadeau_bengio_is_wider_than_the_naive_interval() -> None:
    values = np.array([0.6, 0.7, 0.65, 0.75, 0.7])
    mean, low, high = nadeau_bengio(values, 0.25)
    half = 2.7764451 * np.sqrt((1 / 5 + 0.25) * values.var(ddof=1))  # t of 4 degrees of freedom
    assert (mean, low, high) == pytest.approx((0.68, 0.68 - half, 0.68 + half))
    assert nadeau_bengio(np.array([0.5, np.nan]), 0.25)[0] == 0.5


def test_interval_of_nadeau_and_bengio_covers_the_mean_of_overlapping_folds() -> None:
    """Folds that share their training people vary together: the naive interval is too short."""
    random = np.random.default_rng(1)
    covered = {0.0: 0, 0.25: 0}
    draws = 2000
    for _ in range(draws):
        # Correlation n_test / (n_test + n_train) = 0.2 between folds, as the correction assumes.
        folds = np.sqrt(0.2) * random.normal() + np.sqrt(0.8) * random.normal(size=5)
        for ratio in covered:
            _, low, high = nadeau_bengio(folds, ratio)
            covered[ratio] += low < 0 < high
    assert covered[0.25] / draws == pytest.approx(0.95, abs=0.015)
    assert covered[0.0] / draws < 0.88


def test_bootstrap_interval_holds_the_auc_and_narrows_with_people() -> None:
    random = np.random.default_rng(0)
    widths = []
    for people in (60, 600):
        y = np.arange(people) % 2
        score = random.normal(size=people) + y
        low, high = bootstrap_auc(y, score, np.random.default_rng(1))
        assert low < auc(y, score) < high
        widths.append(high - low)
    assert widths[1] < widths[0] / 2
