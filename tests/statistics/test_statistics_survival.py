"""Estimators of censored times: slow twins, and the packages lifelines and scikit-survival."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import survival_twins as slow
from gendmr.statistics import survival
from gendmr.statistics.intervals import resample_counts


def censored(people, seed=0, visits=0.0):
    """Return time, event and risk; rounded up to visits, if any, which makes ties."""
    rng = np.random.default_rng(seed)
    risk = rng.normal(size=people).round(1)
    event_at, censored_at = rng.exponential(np.exp(-risk)), rng.exponential(1.5, people)
    time = np.minimum(event_at, censored_at)
    return np.ceil(time / visits) * visits if visits else time, event_at <= censored_at, risk


@pytest.mark.parametrize("visits", [0.0, 0.25])
def test_curves_agree_with_lifelines(visits):
    lifelines = pytest.importorskip("lifelines")

    time, event, _ = censored(300, visits=visits)
    at = np.array([0.01, 0.25, 0.5, 0.9, 2.0])
    product = lifelines.KaplanMeierFitter().fit(time, event)
    curve, low, high = survival.kaplan_meier_interval(time, event, at)
    assert curve == pytest.approx(product.predict(at).to_numpy(), abs=1e-12)
    bounds = product.confidence_interval_survival_function_
    rows = np.searchsorted(bounds.index, at, side="right") - 1
    assert low[1:] == pytest.approx(bounds.iloc[rows[1:], 0].to_numpy(), abs=1e-9)
    assert high[1:] == pytest.approx(bounds.iloc[rows[1:], 1].to_numpy(), abs=1e-9)
    hazard = lifelines.NelsonAalenFitter(nelson_aalen_smoothing=False).fit(time, event)
    assert survival.nelson_aalen(time, event).at(at) == pytest.approx(
        hazard.predict(at).to_numpy(), abs=1e-12
    )


@pytest.mark.parametrize("visits", [0.0, 0.25])
def test_harrells_c_agrees_with_lifelines(visits):
    utils = pytest.importorskip("lifelines.utils")

    time, event, risk = censored(300, visits=visits)
    expected = utils.concordance_index(time, -risk, event)
    assert survival.harrell_c(time, event, risk) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("groups", [2, 3])
def test_logrank_agrees_with_lifelines(groups):
    statistics = pytest.importorskip("lifelines.statistics")

    time, event, risk = censored(300, visits=0.25)
    group = np.digitize(0.3 * risk, np.linspace(-0.2, 0.2, groups - 1))
    expected = statistics.multivariate_logrank_test(time, group, event)
    chi2, p = survival.logrank(time, event, group)
    assert chi2 == pytest.approx(expected.test_statistic, rel=1e-9)
    assert p == pytest.approx(expected.p_value, rel=1e-6)


def structured(time, event):
    from sksurv.util import Surv

    return Surv.from_arrays(event, time)


@pytest.mark.parametrize("visits", [0.0, 0.25])
def test_measures_agree_with_scikit_survival(visits):
    """At ties of events with censoring it weighs by G(t), we by G(t-): no ties of both here."""
    metrics = pytest.importorskip("sksurv.metrics")

    train, test = censored(400, 1), censored(200, 2)
    keep = test[0] < train[0].max()
    time, event, risk = (values[keep] for values in test)
    if visits:
        # Events at visits, people lost between them.
        time = np.where(event, np.ceil(time / visits) * visits, time + 1e-3)
        lost = np.ceil(train[0] / visits) * visits
        train = (np.where(train[1], lost, train[0] + 1e-3), *train[1:])
        keep = time < train[0].max()
        time, event, risk = time[keep], event[keep], risk[keep]
    ours, theirs = structured(train[0], train[1]), structured(time, event)
    expected = metrics.concordance_index_censored(event, time, risk)[0]
    assert survival.harrell_c(time, event, risk) == pytest.approx(expected, abs=1e-6)
    expected = metrics.concordance_index_ipcw(ours, theirs, risk)[0]
    assert survival.uno_c(*train[:2], time, event, risk) == pytest.approx(expected, abs=1e-6)
    at = np.quantile(time[event], [0.25, 0.5, 0.75])
    expected, _ = metrics.cumulative_dynamic_auc(ours, theirs, risk, at)
    areas = survival.cumulative_dynamic_auc(*train[:2], time, event, risk, at)
    assert areas == pytest.approx(expected, abs=1e-9)
    curves = np.exp(-np.exp(risk)[:, None] * at)
    _, expected = metrics.brier_score(ours, theirs, curves, at)
    score = survival.brier(*train[:2], time, event, curves, at)
    assert score == pytest.approx(expected, abs=1e-9)
    assert survival.integrated_brier(score, at) == pytest.approx(
        metrics.integrated_brier_score(ours, theirs, curves, at), abs=1e-9
    )


@settings(max_examples=50)
@given(st.integers(0, 10_000))
def test_fast_measures_are_their_slow_twins(seed):
    train_time, train_event, _ = censored(15, seed, 0.5)
    time, event, risk = censored(9, seed + 1, 0.5)
    unit_weights = np.ones(len(time))
    expected = slow.concordance(time, event, risk, unit_weights)
    assert survival.harrell_c(time, event, risk) == pytest.approx(expected, nan_ok=True)
    reach = np.array([slow.uncensored_before(train_time, train_event, t) for t in time])
    counted = (reach > 0) & (time <= train_time.max())
    weight = np.where(counted, 1 / np.where(counted, reach, 1) ** 2, 0)
    expected = slow.concordance(time, event, risk, weight)
    assert survival.uno_c(train_time, train_event, time, event, risk) == pytest.approx(
        expected, nan_ok=True
    )
    curves = np.exp(-np.exp(risk))
    for moment in (0.5, 0.7, 1.5):
        given_at = np.array([moment])
        reach_then = slow.uncensored_before(train_time, train_event, moment, at=True)
        score = survival.brier(train_time, train_event, time, event, curves[:, None], given_at)
        if moment <= train_time.max() and reach_then > 0:
            expected = slow.brier(train_time, train_event, time, event, curves, moment)
            assert score[0] == pytest.approx(expected)
        else:
            assert np.isnan(score[0])
        area = survival.cumulative_dynamic_auc(train_time, train_event, time, event, risk, given_at)
        expected = slow.dynamic_auc(train_time, train_event, time, event, risk, moment)
        if moment <= train_time.max():
            assert area[0] == pytest.approx(expected, nan_ok=True)
        hazard = survival.breslow(time, event, risk).at(given_at)[0]
        assert hazard == pytest.approx(slow.breslow(time, event, risk, moment))


def test_pairs_of_many_people_are_those_of_few_at_a_time(monkeypatch):
    time, event, risk = censored(100, visits=0.25)
    whole = survival.harrell_c(time, event, risk)
    counts = resample_counts(np.random.default_rng(0), event, 5)
    drawn = survival.resampled_harrell_c(time, event, risk, counts)
    monkeypatch.setattr(survival, "CHUNK", 7)
    assert survival.harrell_c(time, event, risk) == pytest.approx(whole)
    assert survival.resampled_harrell_c(time, event, risk, counts) == pytest.approx(drawn)
    for draw, value in zip(counts.astype(int), drawn, strict=True):
        index = np.repeat(np.arange(100), draw)
        assert survival.harrell_c(time[index], event[index], risk[index]) == pytest.approx(
            value, abs=1e-6
        )


def test_uno_does_not_move_with_censoring_where_harrell_does():
    """Risks that order early events well and late ones not at all."""
    rng = np.random.default_rng(5)
    event_at = rng.exponential(1, 4000)
    risk = np.where(event_at < 0.7, -event_at, -rng.uniform(0.7, 3, 4000))
    full = np.ones(4000, dtype=bool)
    truth = survival.harrell_c(event_at, full, risk)
    censored_at = np.minimum(rng.exponential(0.8, 4000), 4.0)
    time, event = np.minimum(event_at, censored_at), event_at <= censored_at
    harrell = survival.harrell_c(time, event, risk)
    uno = survival.uno_c(time, event, time, event, risk)
    assert abs(harrell - truth) > 0.03
    assert abs(uno - truth) < 0.02


def test_what_cannot_be_told_is_not_told():
    time, event = np.array([1.0, 2.0, 3.0]), np.zeros(3, dtype=bool)
    risk = np.array([3.0, 2.0, 1.0])
    assert np.isnan(survival.harrell_c(time, event, risk))
    assert np.isnan(survival.uno_c(time, event, time, event, risk))
    assert np.isnan(survival.logrank(time, event, np.array([0, 0, 1]))[1])
    assert np.isnan(survival.logrank(time, ~event, np.zeros(3))[1])
    assert np.isnan(survival.integrated_brier(np.array([np.nan]), np.array([1.0])))
    later = survival.brier(time, event, time, event, np.ones((3, 1)), np.array([9.0]))
    assert np.isnan(later).all()
    assert survival.harrell_c(time, ~event, risk) == 1.0
    assert survival.harrell_c(time, ~event, np.zeros(3)) == 0.5


def tied_people(largest):
    """Time, event and log risk of up to twelve people at four times."""
    return st.lists(
        st.tuples(st.integers(1, 4), st.booleans(), st.floats(-largest, largest)),
        min_size=1,
        max_size=12,
    ).map(lambda people: tuple(np.array(column) for column in zip(*people, strict=True)))


@given(tied_people(30.0))
def test_partial_likelihood__is_its_slow_twin_and_its_slope_that_of_differences(people):
    time, event, log_risk = people
    likelihood = survival.PartialLikelihood(time, event)
    expected = slow.partial_likelihood(time, event, log_risk)
    assert likelihood.losses(log_risk) == pytest.approx(np.array(expected), abs=1e-8)
    rise = [
        sum(slow.partial_likelihood(time, event, log_risk + change))
        - sum(slow.partial_likelihood(time, event, log_risk - change))
        for change in 1e-5 * np.eye(len(time))
    ]
    np.testing.assert_allclose(likelihood.slope(log_risk), np.array(rise) / 2e-5, atol=1e-4)


@given(tied_people(1e5))
def test_partial_likelihood__holds_however_far_risks_are_apart(people):
    time, event, log_risk = people
    likelihood = survival.PartialLikelihood(time, event)
    losses, slope = likelihood.losses(log_risk), likelihood.slope(log_risk)
    assert np.isfinite(losses).all() and (losses >= 0).all()
    assert slope.sum() == pytest.approx(0, abs=1e-6)
