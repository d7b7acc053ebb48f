"""A measurement: its unit, its metrics, its ridge regression."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from gendmr.config.outcomes.quantitative import QuantitativeOutcome
from gendmr.errors import OutcomeError
from gendmr.tasks import task_of
from gendmr.tasks.quantitative.outcome import Measurements

TASK = task_of("mmse", QuantitativeOutcome(column="MMSE", unit="points"))


def test_metrics_agree_with_scipy_and_scikit_learn():
    from scipy.stats import pearsonr, spearmanr
    from sklearn import metrics as sk

    rng = np.random.default_rng(0)
    observed = rng.normal(27, 2, 200).round()
    rows = pd.DataFrame({"observed": observed, "predicted": observed / 2 + rng.normal(13, 1, 200)})
    expected = {
        "r": pearsonr(rows["observed"], rows["predicted"])[0],
        "r2": sk.r2_score(rows["observed"], rows["predicted"]),
        "mae": sk.mean_absolute_error(rows["observed"], rows["predicted"]),
        "rmse": sk.root_mean_squared_error(rows["observed"], rows["predicted"]),
        "spearman": spearmanr(rows["observed"], rows["predicted"])[0],
    }
    assert {metric.name: metric.of(rows) for metric in TASK.metrics} == pytest.approx(expected)


def test_what_does_not_vary_has_no_correlation():
    rows = pd.DataFrame({"observed": [1.0, 2.0, 3.0], "predicted": [2.1, 2.1, 2.1]})
    values = {metric.name: metric.of(rows) for metric in TASK.metrics}
    assert np.isnan(values["r"]) and np.isnan(values["spearman"])
    assert values["r2"] == pytest.approx(-0.015)
    assert all(np.isnan(metric.of(rows.head(0))) for metric in TASK.metrics)


def test_predictions_are_in_the_unit_of_the_measurement():
    task = TASK.fit(Measurements(np.array([10.0, 20.0, 30.0, np.nan])))
    sd = np.sqrt(200 / 3)
    rows = task.predictions(np.array([[0.0], [1.0]]), Measurements(np.array([15.0, 25.0])), {})
    assert rows["predicted"].tolist() == pytest.approx([20, 20 + sd])
    assert rows["observed"].tolist() == [15, 25]
    losses = task.losses(np.array([[0.0], [1.0]]), Measurements(np.array([20.0, 20.0])))
    assert losses.tolist() == [0.0, 0.5]


def test_ridge_is_at_the_minimum_of_loss_and_penalty():
    rng = np.random.default_rng(1)
    features = rng.normal(size=(50, 80))
    outcome = Measurements(features[:, 0] * 3 + rng.normal(size=50) + 100)
    task = TASK.fit(outcome)
    penalty = 4.0
    slope, level = task.linear(features, outcome, penalty)
    residual = (outcome.value - outcome.value.mean()) / outcome.value.std()
    residual = residual - (features @ slope + level)[:, 0]
    assert features.T @ residual == pytest.approx(penalty * slope[:, 0], abs=1e-8)
    assert residual.sum() == pytest.approx(0, abs=1e-8)


@pytest.mark.parametrize(
    ("values", "message", "why"),
    [
        (["1,5", "2,5", "3"], r"2 of 3 values are no numbers: '1,5', '2,5'", "decimal commas"),
        (["good", "bad"], "2 of 2 values are no numbers", "another column"),
        (["inf", "2"], "1 of 2 values are no numbers", "another column"),
        (["5", "5", "n/a"], "2 people have a value, and all the same", "one value"),
        (["n/a", ""], "0 people have a value, and nobody has one", "another column"),
    ],
)
def test_tables_that_cannot_be_meant_are_refused(values, message, why):
    with pytest.raises(OutcomeError, match=message) as caught:
        TASK.parse(pd.DataFrame({"MMSE": values}), "participants.tsv")
    assert why in caught.value.cause


def test_a_few_words_among_numbers_are_reasons():
    values = [str(value) for value in range(60)]
    values[3], values[5] = "refused", ""
    result = TASK.parse(pd.DataFrame({"MMSE": values}), "participants.tsv")
    assert result.reason[3] == "MMSE 'refused' is not a number"
    assert result.reason[5] == "no MMSE"
    assert result.columns[""].isna().sum() == 2


def test_one_value_cannot_be_trained_on():
    with pytest.raises(OutcomeError, match="do not have two different values"):
        TASK.fit(Measurements(np.array([3.0, 3.0, np.nan])))
    assert TASK.notes(Measurements(np.array([3.0, 3.0])), "held-out") == [
        "2 held-out people do not have two different values of mmse: their correlation is n/a."
    ]
