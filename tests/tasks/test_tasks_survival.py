"""Times until an event: reading them, their losses, curves and metrics."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import survival_twins as slow
from gendmr.config.outcomes.survival import SurvivalOutcome
from gendmr.errors import OutcomeError
from gendmr.statistics.survival import kaplan_meier
from gendmr.tasks import task_of
from gendmr.tasks.survival.figures import survival_at
from gendmr.tasks.survival.metrics import HORIZONS, SURVIVAL
from gendmr.tasks.survival.outcome import CensoredTimes

COX = task_of("conversion", SurvivalOutcome(time="months", event="converted"))
DISCRETE = task_of(
    "conversion", SurvivalOutcome(time="months", event="converted", model="discrete")
)


def cohort(people, seed=0, visits=0.0, strength=1.0):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(people, 3))
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    event_at = rng.exponential(20 * np.exp(-strength * features[:, 0]))
    followed_until = rng.uniform(3, 60, people)
    time = np.minimum(event_at, followed_until) + 1e-3
    time = np.ceil(time / visits) * visits if visits else time
    outcome = CensoredTimes(time, event_at <= followed_until, np.ones(people, dtype=bool))
    return features, outcome


def table_of(months, converted):
    return pd.DataFrame({"months": months, "converted": converted}, dtype=object)


def test_times_and_events_are_read_and_what_is_missing_is_a_reason():
    months = ["12", "24.5", "n/a", "6", "n/a", "0", *["9"] * 60]
    converted = ["1", "0", "0", "n/a", "n/a", "1", *["1.0"] * 60]
    result = COX.parse(table_of(months, converted), "participants.tsv")
    assert result.columns["time"][:2].tolist() == [12.0, 24.5]
    assert result.columns["event"][[0, 1, 7]].tolist() == [1, 0, 1]
    assert result.columns.loc[2:5].isna().all(axis=None)
    assert result.reason[:7].tolist() == [
        "",
        "",
        "no months",
        "no converted",
        "no months",
        "months 0 is not above 0",
        "",
    ]


def test_a_few_events_without_a_time_are_a_reason():
    result = COX.parse(table_of(["n/a", *["9"] * 40], ["1"] * 41), "participants.tsv")
    assert result.reason[0] == "an event, but no months"
    assert not result.reason[1:].any()


@pytest.mark.parametrize(
    ("months", "converted", "message", "why", "fix"),
    [
        (["1", "2"], ["0", "0"], "nobody with a months has the event", "another column", "event"),
        (["1", "2"], ["1", "2"], r"found: '1' \(1\), '2' \(1\)", "2 is the event", "subtract 1"),
        (["1", "2"], ["TRUE", "FALSE"], "2 of 2 values are neither", "yes and no", "1 for yes"),
        (["1", "2"], ["dead", "alive"], "neither 0 nor 1", "labels", "event was seen"),
        (["1", "2", "3"], ["0", "1", "7"], "neither 0 nor 1", "several kinds", "anything else"),
        (["1", "2", "3"], ["0", "1", "-1"], r"1 of 3 .* '-1' \(1\)", "several kinds", "0 for any"),
        (["1", "2", "3"], ["0", "1", "0.5"], r"1 of 3 .* '0.5' \(1\)", "several kinds", "write 1"),
        (["0", "0"], ["1", "0"], "2 of 2 values are no numbers above 0", "baseline", "correct"),
        (["-3", "4"], ["1", "0"], "1 of 2 values are no numbers above 0", "baseline", "correct"),
        (["1,5", "2,5"], ["1", "0"], "no numbers above 0: '1,5'", "commas", "decimal point"),
        (["soon", "2"], ["1", "0"], "no numbers above 0: 'soon'", "words", "n/a"),
        (["n/a", "2"], ["1", "1"], "1 of 2 people with an event", "joined", "from baseline"),
    ],
)
def test_tables_that_cannot_be_meant_are_refused(months, converted, message, why, fix):
    with pytest.raises(OutcomeError, match=message) as caught:
        COX.parse(table_of(months, converted), "participants.tsv")
    assert why in caught.value.cause
    assert fix in caught.value.next_step
    assert caught.value.what.startswith("participants.tsv: ")


@pytest.mark.parametrize("column", ["censorship", "Censored", "right_censoring"])
def test_censoring_in_place_of_the_event_is_refused_and_the_remedy_works(column):
    task = task_of("survival", SurvivalOutcome(time="months", event=column))
    table = pd.DataFrame({"months": ["5", "7", "9"], column: ["1", "0", "1"]}, dtype=object)
    with pytest.raises(OutcomeError, match=f"column {column}, which is named after") as caught:
        task.parse(table, "participants.tsv")
    assert f"write 1 - {column} into a column `event`" in caught.value.next_step
    mended = table.assign(event=[str(1 - int(text)) for text in table[column]])
    of_event = task_of("survival", SurvivalOutcome(time="months", event="event"))
    assert of_event.parse(mended, "participants.tsv").columns["event"].tolist() == [0, 1, 0]
    named = task_of("survival", SurvivalOutcome(time="months", event="uncensored"))
    assert named.parse(table.rename(columns={column: "uncensored"}), "p").columns.notna().all(None)


@pytest.mark.parametrize(
    ("time", "event"), [("5", "n/a"), ("n/a", "1"), ("0", "1"), ("5", "2"), ("x", "1")]
)
def test_a_damaged_table_of_ours_is_refused(time, event):
    columns = {"time": pd.Series(["3", time]), "event": pd.Series(["1", event])}
    with pytest.raises(OutcomeError):
        COX.read(columns, "participants.tsv")


@settings(max_examples=30)
@given(st.integers(0, 10_000))
def test_the_partial_likelihood_is_its_slow_twin(seed):
    _, outcome = cohort(25, seed, visits=6.0)
    log_risk = np.random.default_rng(seed).normal(size=25)
    expected = slow.partial_likelihood(outcome.time, outcome.event, log_risk)
    assert COX.losses(log_risk[:, None], outcome) == pytest.approx(expected)
    # Only differences of risks matter.
    assert COX.losses(log_risk[:, None] + 7, outcome) == pytest.approx(expected)


@pytest.mark.parametrize("visits", [0.0, 3.0])
def test_ridge_cox_is_at_the_minimum_of_loss_and_penalty(visits):
    features, outcome = cohort(200, visits=visits)
    penalty = 5.0
    slope, level = COX.linear(features, outcome, penalty)
    assert not level.any()

    def objective(coefficients):
        losses = COX.losses(features @ coefficients, outcome)
        return losses.sum() + penalty / 2 * (coefficients**2).sum()

    best = objective(slope)
    rng = np.random.default_rng(0)
    for _ in range(20):
        step = rng.normal(size=slope.shape)
        # The gradient is 0: moving either way costs the square of the step.
        ahead, back = objective(slope + 1e-3 * step), objective(slope - 1e-3 * step)
        assert ahead > best and back > best
        assert abs(ahead - back) < 0.05 * (ahead + back - 2 * best)


def test_ridge_cox_agrees_with_lifelines():
    lifelines = pytest.importorskip("lifelines")

    features, outcome = cohort(200)
    features = features / features.std(axis=0, ddof=1)
    table = pd.DataFrame(features).assign(t=outcome.time, e=outcome.event)
    fitter = lifelines.CoxPHFitter(penalizer=0.1).fit(table, "t", "e")
    slope, _ = COX.linear(features, outcome, 0.1 * 200)
    assert slope[:, 0] == pytest.approx(fitter.params_.to_numpy(), abs=2e-3)


def test_ridge_cox__says_when_it_has_not_converged(monkeypatch):
    features, outcome = cohort(200)
    monkeypatch.setattr("gendmr.tasks.survival.cox.SLOPE", 1e-30)
    with pytest.warns(RuntimeWarning, match="not converged after .* steps"):
        COX.linear(features, outcome, 0.1)


def test_predicted_curves_of_both_models_follow_kaplan_meier():
    features, outcome = cohort(3000, strength=0.7)
    for task in (COX, DISCRETE):
        fitted = task.fit(outcome)
        slope, level = fitted.linear(features, outcome, 1.0)
        output = features @ slope + level
        calibration = fitted.calibrate(output, outcome, output, outcome)
        rows = fitted.predictions(output, outcome, calibration)
        curves = rows[list(SURVIVAL)].to_numpy()
        assert (np.diff(curves, axis=1) <= 0).all() and (curves > 0).all() and (curves < 1).all()
        at = rows[list(HORIZONS)].iloc[0].to_numpy()
        observed = kaplan_meier(outcome.time, outcome.event).at(at)
        assert curves.mean(axis=0) == pytest.approx(observed, abs=0.04)
        high = features[:, 0] > 1
        observed = kaplan_meier(outcome.time[high], outcome.event[high]).at(at)
        assert curves[high].mean(axis=0) == pytest.approx(observed, abs=0.06)


def test_a_discrete_curve_is_the_product_of_what_hazards_leave():
    _, outcome = cohort(300)
    fitted = DISCRETE.fit(outcome)
    cuts = fitted.constants()["cuts"]
    assert cuts[-1] == outcome.time.max()
    events = np.histogram(outcome.time[outcome.event], [0, *cuts + 1e-9])[0]
    assert events.max() - events.min() <= 1
    logit = np.array([[-1.0, 0.5, -2.0, 0.0]])
    surviving = np.cumprod(1 - 1 / (1 + np.exp(-logit[0])))
    calibration = {"horizons": [*cuts, cuts[0] / 2], "cuts": cuts.tolist()}
    curve = fitted.model.survival(logit, calibration)[0]
    assert curve[:4] == pytest.approx(surviving)
    assert curve[4] == pytest.approx(np.sqrt(surviving[0]))


def test_a_censored_person_survived_the_intervals_that_were_half_seen():
    everybody = CensoredTimes(
        np.array([10.0, 20.0, 30.0, 40.0]), np.ones(4, dtype=bool), np.ones(4, dtype=bool)
    )
    fitted = DISCRETE.fit(everybody)
    assert fitted.constants()["cuts"].tolist() == [10, 20, 30, 40]
    people = CensoredTimes(
        np.array([24.0, 25.0, 25.0, 99.0, 10.0]),
        np.array([False, False, True, True, True]),
        np.ones(5, dtype=bool),
    )
    target = fitted.target(people)
    assert target["survived"].tolist() == [
        [1, 1, 0, 0],
        [1, 1, 1, 0],
        [1, 1, 0, 0],
        [1, 1, 1, 0],
        [0, 0, 0, 0],
    ]
    assert target["failed"].argmax(axis=1).tolist() == [0, 0, 2, 3, 0]
    assert target["failed"].sum(axis=1).tolist() == [0, 0, 1, 1, 1]


def test_tied_events_are_cut_at_different_times_and_too_few_are_refused():
    time = np.repeat([1.0, 2.0, 3.0, 4.0, 5.0], [50, 1, 1, 1, 1])
    everybody = np.ones(54, dtype=bool)
    cuts = DISCRETE.fit(CensoredTimes(time, everybody, everybody)).constants()["cuts"]
    assert (np.diff(cuts) > 0).all() and len(cuts) == 4
    with pytest.raises(OutcomeError, match="3 different event times"):
        DISCRETE.fit(CensoredTimes(np.minimum(time, 3), everybody, everybody))


def test_nobody_with_the_event_cannot_be_trained_on():
    nobody = CensoredTimes(np.ones(5), np.zeros(5, dtype=bool), np.ones(5, dtype=bool))
    with pytest.raises(OutcomeError, match="none of 5 training people had the event"):
        COX.fit(nobody)
    assert COX.notes(nobody, "held-out") == [
        "None of 5 held-out people had the event: their concordance is n/a."
    ]


def test_configured_horizons_are_among_the_stored_times():
    task = task_of("x", SurvivalOutcome(time="t", event="e", horizons=(12.0, 24.0)))
    features, outcome = cohort(200)
    calibration = task.calibrate(features[:, :1], outcome, features[:, :1], outcome)
    assert {12.0, 24.0} <= set(calibration["horizons"])
    assert len(calibration["horizons"]) == len(HORIZONS)
    rows = task.predictions(features[:, :1], outcome, calibration)
    column = SURVIVAL[calibration["horizons"].index(24.0)]
    assert survival_at(rows, 24.0) == pytest.approx(rows[column].to_numpy())
    assert (survival_at(rows, 0.0) == 1).all()


def test_the_level_of_a_risk_says_nothing():
    features, outcome = cohort(200)
    output = features[:, :1]
    predictions = COX.predictions(output, outcome, COX.calibrate(output, outcome, output, outcome))
    shifted = output + 5
    of_shifted = COX.predictions(
        shifted, outcome, COX.calibrate(shifted, outcome, shifted, outcome)
    )
    pd.testing.assert_frame_equal(predictions, of_shifted, rtol=1e-9)


def test_fold_metrics_read_the_censoring_of_training_people():
    features, outcome = cohort(400)
    output = features[:, :1]
    rows = COX.predictions(output, outcome, COX.calibrate(output, outcome, output, outcome))
    named = {metric.name: metric for metric in COX.metrics}
    seldom = rows.assign(event=np.where(np.arange(400) % 7 == 0, 0, rows["event"]))
    for name in ("uno_c", "ibs", "auc_t"):
        assert named[name].needs_train
        assert named[name].of(rows, rows) != named[name].of(rows, seldom)
    assert COX.metrics[0].name == "c_index" and not COX.metrics[0].needs_train
