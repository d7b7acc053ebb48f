"""What baselines without a network share."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gendmr.methods.additive import logistic
from gendmr.training.scores import auc, class_weights

KINDS = ["locus", "polygenic", "association"]


def fit(fold: Any, kind: str) -> Any:
    method = import_module(f"gendmr.methods.{kind}").build(fold.options)
    return method.fit(
        fold.train, fold.validation, fold.preparation, seed=1, device="cpu", progress=print
    )


@pytest.mark.parametrize("kind", KINDS)
def test_validation_people_change_nothing_that_is_learned(
    cohort: Path, prepare: Callable[..., Any], kind: str
) -> None:
    method = {"kind": kind} | ({"interval": "19:1-2000000"} if kind == "locus" else {})
    fold = prepare(cohort, method)
    other = dataclasses.replace(
        fold.validation,
        diagnosis=1 - fold.validation.diagnosis,
        dosage=fold.validation.dosage[::-1],
        regions=fold.validation.regions[::-1],
    )
    before, after = fit(fold, kind), fit(fold._replace(validation=other), kind)
    assert before.weights.keys() == after.weights.keys()
    for name, value in before.weights.items():
        np.testing.assert_array_equal(value, after.weights[name])
    assert before.history != after.history


@pytest.mark.parametrize("kind", KINDS)
def test_it_starts_without_torch(root: Path, kind: str) -> None:
    code = (
        f"import sys; sys.path.insert(0, sys.argv[1]); import gendmr.methods.{kind};"
        " sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(root / "workflow")], check=True)


def test_a_score_that_falls_with_the_risk_is_left_out() -> None:
    random = np.random.default_rng(0)
    y = (np.arange(200) % 2).astype(int)
    covariate = random.normal(size=(200, 1)) * 50 + y[:, None] * 40 + 1000
    good, bad = y + random.normal(size=200), -y + random.normal(size=200)
    coefficients, slopes, intercept = logistic(covariate, y, np.column_stack([good, bad]))
    assert coefficients[0] > 0 and slopes[0] > 0 and slopes[1] == 0
    alone = logistic(covariate, y, good[:, None])
    assert intercept == alone[2] and slopes[0] == alone[1][0]
    logit = intercept + covariate @ coefficients + good * slopes[0]
    assert auc(y, logit) > auc(y, good)
    weight = np.array(class_weights(y))[y]
    assert (weight * (y - 1 / (1 + np.exp(-logit)))).sum() == pytest.approx(0, abs=0.05)


def test_features_that_do_not_vary_and_separated_classes_stay_finite() -> None:
    y = np.array([0, 0, 0, 1, 1, 1])
    separates = np.column_stack([np.full(6, 7.0), 10.0 * y])
    coefficients, _, intercept = logistic(separates, y, np.zeros((6, 1)))
    assert coefficients[0] == 0 and 0 < coefficients[1] < 1 and np.isfinite(intercept)
