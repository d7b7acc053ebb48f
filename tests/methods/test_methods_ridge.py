"""Ridge regression: what scikit-learn says of the same features, and how its penalty is chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gendmr.methods.base import FitInputs
from gendmr.methods.ridge.method import Ridge
from studies import OUTCOMES

Prepare = Callable[..., Any]


def features_of(fold: Any, people: Any) -> np.ndarray:
    """Return the features of people in SDs of the training people, whatever ridge makes of them."""
    columns = []
    for name in fold.options.reads:
        if name == "covariates":
            columns.append(people.covariates)
        else:
            columns.append(fold.preparation.design(people, name).reshape(len(people), -1))
    return np.column_stack(columns)


def standardised(fold: Any, people: Any) -> np.ndarray:
    raw = features_of(fold, fold.train)
    spread = raw.std(axis=0)
    used = spread > 1e-9
    return ((features_of(fold, people) - raw.mean(axis=0)) / np.where(used, spread, 1.0))[:, used]


def reference_output(fold: Any, penalty: float) -> np.ndarray:
    """Return what scikit-learn predicts of held-out people, in the output of the task."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.linear_model import Ridge as Linear

    x, x_held_out = standardised(fold, fold.train), standardised(fold, fold.held_out)
    outcome = fold.train.outcome
    if fold.options.outcome == "memory":
        value = (outcome.value - outcome.value.mean()) / outcome.value.std()
        return np.asarray(Linear(alpha=penalty).fit(x, value).predict(x_held_out)[:, None])
    labels = outcome.case if fold.options.outcome == "diagnosis" else outcome.label
    model = LogisticRegression(
        C=1 / penalty, class_weight="balanced", max_iter=20_000, tol=1e-9
    ).fit(x, labels)
    output = model.decision_function(x_held_out)
    return output[:, None] if output.ndim == 1 else output


@pytest.mark.parametrize("outcome", ["diagnosis", "stage", "memory"])
@pytest.mark.parametrize("reads", [["snp"], ["region"], ["snp", "region", "covariates"]], ids=str)
def test_output_is_that_of_scikit_learn(
    planted: Path, prepare: Prepare, outcome: str, reads: list[str]
) -> None:
    method = {"kind": "ridge", "reads": reads, "penalties": [30.0]}
    fold = prepare(planted, method, outcome=outcome)
    output = fold.fit().predict(fold.held_out)
    expected = reference_output(fold, 30.0)
    if expected.shape[1] > 1:  # logits of classes are told up to one number a person
        output = output - output.mean(axis=1, keepdims=True)
        expected = expected - expected.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(output, expected, atol=5e-4)


def test_cox_is_that_of_lifelines(planted: Path, prepare: Prepare) -> None:
    lifelines = pytest.importorskip("lifelines")
    import pandas as pd

    method = {"kind": "ridge", "reads": ["region"], "penalties": [30.0]}
    fold = prepare(planted, method, outcome="conversion")
    x, x_held_out = standardised(fold, fold.train), standardised(fold, fold.held_out)
    outcome = fold.train.outcome
    # Without ties, which the two break otherwise.
    time = outcome.time + np.linspace(0, 1e-3, len(outcome))
    untied = replace(fold.train, outcome=replace(outcome, time=time))
    output = replace(fold, train=untied).fit().predict(fold.held_out)[:, 0]
    table = pd.DataFrame(x).add_prefix("x").assign(time=time, event=outcome.event.astype(int))
    # lifelines divides the likelihood, not the penalty, by the number of people.
    model = lifelines.CoxPHFitter(penalizer=30.0 / len(x), l1_ratio=0.0)
    model.fit(table, "time", "event")
    expected = x_held_out @ model.params_.to_numpy()
    np.testing.assert_allclose(output - output.mean(), expected - expected.mean(), atol=5e-3)


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_the_penalty_is_that_of_the_smallest_cross_validated_loss(
    planted: Path, prepare: Prepare, outcome: str
) -> None:
    penalties = [1.0, 100.0, 1e4, 1e7]
    fold = prepare(planted, {"kind": "ridge", "penalties": penalties}, outcome=outcome)
    line = fold.fit().history[0]
    assert line["penalty"] in (100.0, 1e4)
    inputs = FitInputs(fold.train, fold.validation, fold.preparation, 1)
    raw = standardised(fold, fold.train)
    losses = Ridge._cross_validate(raw, inputs, penalties)
    assert penalties[int(np.argmin(losses))] == line["penalty"]
    assert min(losses) == pytest.approx(line["cross_validated_loss"], rel=1e-3)


def test_order_of_the_penalties_does_not_matter(planted: Path, prepare: Prepare) -> None:
    outputs = [
        prepare(planted, {"kind": "ridge", "penalties": penalties}).fit()
        for penalties in ([1.0, 1000.0], [1000.0, 1.0])
    ]
    assert outputs[0].history == outputs[1].history


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_without_a_feature_that_varies_everybody_gets_one_score(
    planted: Path, prepare: Prepare, outcome: str
) -> None:
    fold = prepare(planted, {"kind": "ridge", "reads": ["snp", "region"]}, outcome=outcome)
    fold = fold.without("snp").without("region")
    missing = np.full_like(fold.train.values["snp"], -1)
    fold = fold.trained_on(values={"snp": missing})
    fitted = fold.fit()
    output = fitted.predict(fold.held_out)
    assert np.isfinite(output).all() and np.unique(output, axis=0).shape[0] == 1
    assert "No feature varies" in " ".join(fitted.notes)


def test_covariates_alone_have_no_attributions(cohort: Path, prepare: Prepare) -> None:
    fold = prepare(cohort, {"kind": "ridge", "reads": ["covariates"]})
    fitted = fold.fit()
    assert fitted.attributions(fold.held_out) == {}
    assert fold.preparation.covariate_names[:2] == ["age", "sex=M"]
    assert fitted.coefficients.shape == (len(fold.preparation.covariate_names), 1)


def test_too_few_people_of_a_class_leave_the_first_penalty(cohort: Path, prepare: Prepare) -> None:
    fold = prepare(cohort, {"kind": "ridge"})
    case = np.flatnonzero(fold.train.outcome.case == 1)
    few = np.sort(np.concatenate([case[:3], np.flatnonzero(fold.train.outcome.case == 0)]))
    train = fold.train.take(few)
    task = fold.task.fit(train.outcome)
    fitted = replace(fold, train=train, preparation=replace(fold.preparation, task=task)).fit()
    assert fitted.history[0]["penalty"] == min(fold.options.method.penalties)
    assert np.isfinite(fitted.predict(fold.held_out)).all()
