"""The locus: one SNP chosen by the training people, beside the covariates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from factories import PLANTED_SNP
from gendmr.statistics.classification import sigmoid

APOE = "19:1-2000000"
Prepare = Callable[..., Any]


def slow_likelihood(dosage: np.ndarray, case: np.ndarray, covariates: np.ndarray) -> float:
    """Log likelihood of the logistic regression of one SNP beside the covariates."""
    from sklearn.linear_model import LogisticRegression

    filled = np.where(dosage < 0, dosage[dosage >= 0].mean(), dosage)
    design = np.column_stack([covariates, filled])
    unit = (design - design.mean(axis=0)) / design.std(axis=0)
    model = LogisticRegression(C=1e6, max_iter=10_000).fit(unit, case)
    return float(model.predict_log_proba(unit)[np.arange(len(case)), case].sum())


def test_the_snp_with_the_smallest_p_value_carries_all_attributions(
    cohort: Path, prepare: Prepare
) -> None:
    fold = prepare(cohort, {"kind": "locus", "interval": APOE})
    names = fold.preparation.instances("snp")["snp"].tolist()
    assert len(names) > 1 and PLANTED_SNP in names
    fitted = fold.fit()
    value = fitted.attributions(fold.held_out)["snp"].value
    present = fold.held_out.present["snp"]
    typed = fold.train.present["snp"]
    case, covariates = fold.train.outcome.case[typed], fold.train.covariates[typed]
    likelihood = [
        slow_likelihood(snp, case, covariates) for snp in fold.train.values["snp"][typed].T
    ]
    best = int(np.argmax(likelihood))
    not_best = np.arange(len(names)) != best
    assert (value[present][:, not_best] == 0).all() and (value[present][:, best] != 0).any()
    assert np.isnan(value[~present]).all() and np.isfinite(fitted.predict(fold.held_out)).all()
    assert f"{names[best]} has the smallest p-value of {len(names)}" in " ".join(fitted.notes)


def test_the_regression_is_at_its_optimum_and_adds_up(cohort: Path, prepare: Prepare) -> None:
    fold = prepare(cohort, {"kind": "locus", "interval": APOE})
    fitted, train = fold.fit(), fold.train
    output = fitted.predict(train)
    residual = fold.task.weights(train.outcome) * (train.outcome.case - sigmoid(output[:, 0]))
    assert residual.sum() == pytest.approx(0, abs=0.05)  # the score equation of the intercept
    covariates = train.covariates
    unit = (covariates - covariates.mean(axis=0)) / covariates.std(axis=0)
    # Of the covariates: the penalty holds coefficients per SD back by their own size.
    coefficients = fitted.covariates[:, 0] * covariates.std(axis=0)
    np.testing.assert_allclose(residual @ unit, coefficients, atol=0.02)
    snp = fitted.attributions(train)["snp"]
    total = snp.value.sum(axis=1) + snp.baseline + covariates @ fitted.covariates[:, 0]
    present = train.present["snp"]
    np.testing.assert_allclose(total[present], output[present, 0], atol=1e-5)


def test_named_snps_are_used_and_absent_ones_noted(cohort: Path, prepare: Prepare) -> None:
    method = {"kind": "locus", "snps": [PLANTED_SNP, "rs1003", "rs999999"]}
    nothing = {"snp": {"selection": {"genes": ["NOT_A_GENE"]}}}
    fold = prepare(cohort, method, modalities=nothing)
    assert set(fold.preparation.instances("snp")["snp"]) == {PLANTED_SNP, "rs1003"}
    fitted = fold.fit()
    value = fitted.attributions(fold.train)["snp"].value[fold.train.present["snp"]]
    assert (np.abs(value).max(axis=0) != 0).all()
    assert (fitted.coefficients["snp"] != 0).all()
    assert "1 of 3 named SNPs are not in the cohort" in " ".join(fitted.notes)


@pytest.mark.parametrize(
    "method",
    [
        {"interval": "19:900000000-900000001"},
        {"interval": APOE, "exclude": [APOE]},
        {"snps": ["rs999999"]},
    ],
    ids=str,
)
def test_without_a_snp_the_covariates_remain(
    cohort: Path, prepare: Prepare, method: dict[str, Any]
) -> None:
    fold = prepare(cohort, {"kind": "locus", **method})
    fitted = fold.fit()
    assert fitted.attributions(fold.held_out) == {}
    assert "covariates alone" in " ".join(fitted.notes)
    assert np.unique(fitted.predict(fold.held_out)).size > 10


def test_a_locus_that_cannot_be_tested_is_not_used(cohort: Path, prepare: Prepare) -> None:
    fold = prepare(cohort, {"kind": "locus", "interval": APOE})
    # Only cases have genotypes: the outcome does not vary among those who can be tested.
    fold = fold.trained_on(present={"snp": fold.train.outcome.case == 1})
    fitted = fold.fit()
    assert not fitted.coefficients["snp"].any() and "can be tested" in " ".join(fitted.notes)
    assert np.isfinite(fitted.predict(fold.held_out)).all()
