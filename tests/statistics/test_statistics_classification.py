"""Metrics against scikit-learn, intervals against their formulas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from gendmr.training.metrics import bootstrap_auc, nadeau_bengio
from gendmr.training.scores import auc, auprc, best_threshold, evaluate, sigmoid


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), digits=st.integers(0, 3))
def test_metrics_agree_with_scikit_learn(seed: int, digits: int) -> None:
    random = np.random.default_rng(seed)
    y = random.integers(0, 2, 30)
    y[:2] = 0, 1
    score = random.uniform(size=30).round(digits)  # few digits: many ties
    called = (score >= 0.5).astype(int)
    found = evaluate(y, score, called)
    assert found["auc"] == pytest.approx(reference.roc_auc_score(y, score))
    assert found["auprc"] == pytest.approx(reference.average_precision_score(y, score))
    assert found["brier"] == pytest.approx(reference.brier_score_loss(y, score))
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(y, called))
    assert found["sensitivity"] == pytest.approx(reference.recall_score(y, called))
    assert found["specificity"] == pytest.approx(reference.recall_score(y, called, pos_label=0))
    assert found["balanced_accuracy"] == pytest.approx(reference.balanced_accuracy_score(y, called))
    if called.any():
        assert found["f1"] == pytest.approx(reference.f1_score(y, called))


def test_one_class_has_no_auc() -> None:
    y = np.ones(4, dtype=int)
    assert np.isnan(auc(y, np.arange(4.0))) and np.isnan(auprc(y, np.arange(4.0)))
    found = evaluate(y, np.full(4, 0.7), y)
    assert found["auc"] is None and found["specificity"] is None and found["sensitivity"] == 1
    assert best_threshold(y, np.full(4, 0.7)) == 0.5


def test_threshold_separates_where_it_can_and_stays_at_half_where_it_cannot() -> None:
    y = np.array([0, 0, 1, 1])
    assert best_threshold(y, np.array([0.1, 0.2, 0.3, 0.4])) == pytest.approx(0.25)
    assert best_threshold(y, np.array([0.1, 0.2, 0.8, 0.9])) == 0.5
    assert best_threshold(y, np.full(4, 0.2)) == 0.5


def test_sigmoid_does_not_overflow() -> None:
    assert sigmoid(np.array([-1e4, 0, 1e4])).tolist() == [0, 0.5, 1]


def test_nadeau_bengio_is_wider_than_the_naive_interval() -> None:
    values = np.array([0.6, 0.7, 0.65, 0.75, 0.7])
    mean, low, high = nadeau_bengio(values, 0.25)
    half = 2.7764451 * np.sqrt((1 / 5 + 0.25) * values.var(ddof=1))  # t of 4 degrees of freedom
    assert (mean, low, high) == pytest.approx((0.68, 0.68 - half, 0.68 + half))
    assert np.isnan(nadeau_bengio(np.array([np.nan]), 0.25)[0])
    assert nadeau_bengio(np.array([0.5, np.nan]), 0.25)[0] == 0.5


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
