"""The locus: one SNP chosen by the training people, beside the covariates."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from factories import PLANTED_SNP
from gendmr.methods import locus
from gendmr.training.scores import class_weights, sigmoid

APOE = "19:1-2000000"


def fit(fold: Any) -> Any:
    return locus.build(fold.options).fit(
        fold.train, fold.validation, fold.preparation, seed=1, device="cpu", progress=print
    )


def slow_p(dosage: np.ndarray, y: np.ndarray, covariates: np.ndarray) -> float:
    """F statistic of one SNP over the covariates, by two least-squares fits."""
    filled = np.where(dosage < 0, dosage[dosage >= 0].mean(), dosage)
    small = np.column_stack([np.ones(len(y)), covariates])
    left = [
        ((y - design @ np.linalg.lstsq(design, y, rcond=None)[0]) ** 2).sum()
        for design in (small, np.column_stack([small, filled]))
    ]
    return -left[0] / left[1]


def test_the_snp_with_the_smallest_p_value_carries_all_the_risk(
    cohort: Path, prepare: Callable[..., Any]
) -> None:
    fold = prepare(cohort, {"kind": "locus", "interval": APOE})
    names = fold.preparation.snps["snp"].tolist()
    assert len(names) > 1 and PLANTED_SNP in names
    fitted = fit(fold)
    bag = fitted.bags(fold.held_out)["snp"]
    there = fold.held_out.has_snp
    typed = fold.train.has_snp
    y = fold.train.diagnosis[typed].astype(float)
    expected = int(
        np.argmin(
            [slow_p(snp, y, fold.train.covariates[typed]) for snp in fold.train.dosage[typed].T]
        )
    )
    others = np.arange(len(names)) != expected
    assert (bag.risk[there][:, others] == 0).all() and (bag.risk[there][:, expected] != 0).any()
    assert np.isnan(bag.risk[~there]).all() and np.isfinite(fitted.logits(fold.held_out)).all()
    assert f"{names[expected]} has the smallest p-value of {len(names)}" in " ".join(fitted.notes)


def test_the_regression_is_at_its_optimum_and_adds_up(
    cohort: Path, prepare: Callable[..., Any]
) -> None:
    fold = prepare(cohort, {"kind": "locus", "interval": APOE})
    fitted = fit(fold)
    weight = np.array(class_weights(fold.train.diagnosis))[fold.train.diagnosis]
    rest = weight * (fold.train.diagnosis - sigmoid(fitted.logits(fold.train)))
    assert rest.sum() == pytest.approx(0, abs=0.05)  # the score equation of the intercept
    covariates = fold.train.covariates
    unit = (covariates - covariates.mean(axis=0)) / covariates.std(axis=0)
    # Of the covariates: the penalty holds coefficients per SD back by their own size.
    np.testing.assert_allclose(rest @ unit, fitted.covariates * covariates.std(axis=0), atol=0.02)
    bag = fitted.bags(fold.train)["snp"]
    there = fold.train.has_snp
    total = bag.risk.sum(axis=1) + bag.bias + covariates @ fitted.covariates
    np.testing.assert_allclose(total[there], fitted.logits(fold.train)[there], atol=1e-5)


def test_named_snps_are_used_and_absent_ones_noted(
    cohort: Path, prepare: Callable[..., Any]
) -> None:
    method = {"kind": "locus", "snps": [PLANTED_SNP, "rs1003", "rs999999"]}
    fold = prepare(cohort, method, selection={"genes": ["NOT_A_GENE"]})
    assert set(fold.preparation.snps["snp"]) == {PLANTED_SNP, "rs1003"}
    fitted = fit(fold)
    assert (np.abs(fitted.bags(fold.train)["snp"].risk).max(axis=0) != 0).any()
    assert (fitted.snp != 0).all()
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
    cohort: Path, prepare: Callable[..., Any], method: dict[str, Any]
) -> None:
    fold = prepare(cohort, {"kind": "locus", **method})
    fitted = fit(fold)
    assert fitted.bags(fold.held_out) == {}
    assert "covariates alone" in " ".join(fitted.notes)
    assert np.unique(fitted.logits(fold.held_out)).size > 10


def test_a_locus_that_cannot_be_tested_is_not_used(
    cohort: Path, prepare: Callable[..., Any]
) -> None:
    fold = prepare(cohort, {"kind": "locus", "interval": APOE})
    # Only cases have genotypes: the diagnosis does not vary among those who can be tested.
    train = dataclasses.replace(fold.train, has_snp=fold.train.diagnosis == 1)
    fitted = fit(fold._replace(train=train))
    assert not fitted.snp.any() and "can be tested" in " ".join(fitted.notes)
    assert np.isfinite(fitted.logits(fold.held_out)).all()
