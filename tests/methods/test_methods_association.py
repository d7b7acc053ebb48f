"""Single-SNP statistics as attributions: the ranking by them is the ranking by statistic."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from factories import make_cohort
from gendmr.methods.region_evidence import region_statistics
from gendmr.statistics.association import score_test

Prepare = Callable[..., Any]


@pytest.fixture(scope="module")
def larger(shared_cohort: Callable[..., Path]) -> Path:
    return shared_cohort(people=400, snps=200, genes=40, regions=10, unsequenced=0.1)


def logistic_residuals(case: np.ndarray, covariates: np.ndarray) -> np.ndarray:
    """Residuals of the unpenalised logistic regression, by scikit-learn."""
    from sklearn.linear_model import LogisticRegression

    unit = (covariates - covariates.mean(axis=0)) / covariates.std(axis=0)
    model = LogisticRegression(C=1e8, tol=1e-10, max_iter=10_000).fit(unit, case)
    return np.asarray(case - model.predict_proba(unit)[:, 1])


def slow_z(dosage: np.ndarray, residual: np.ndarray, covariates: np.ndarray) -> float:
    """Partial correlation times the root of the degrees of freedom."""
    filled = np.where(dosage < 0, dosage[dosage >= 0].mean(), dosage).astype(float)
    design = np.column_stack([np.ones(len(residual)), covariates])
    residuals = [v - design @ np.linalg.lstsq(design, v, rcond=None)[0] for v in (filled, residual)]
    r = (
        residuals[0]
        @ residuals[1]
        / np.sqrt((residuals[0] @ residuals[0]) * (residuals[1] @ residuals[1]))
    )
    return float(r * np.sqrt(len(residual) - np.linalg.matrix_rank(design)))


def mean_size(fitted: Any, people: Any, modality: str) -> np.ndarray:
    """Return the mean |value| of each instance over the people who have the modality."""
    value = fitted.attributions(people)[modality].value[people.present[modality]]
    return np.asarray(np.abs(value.astype(float)).mean(axis=0))


def test_mean_value_of_a_snp_is_its_statistic(larger: Path, prepare: Prepare) -> None:
    fold = prepare(larger, {"kind": "association"})
    fitted = fold.fit()
    train = fold.train
    typed = train.present["snp"]
    covariates = train.covariates[typed]
    residual = logistic_residuals(train.outcome.case[typed], covariates)
    z = np.array([slow_z(snp, residual, covariates) for snp in train.values["snp"][typed].T])
    np.testing.assert_allclose(fitted.weights["statistic.snp"][:, 0, 0], z, atol=1e-3)
    ratio = mean_size(fitted, train, "snp") / np.abs(z)
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-2)
    assert spearmanr(mean_size(fitted, fold.held_out, "snp"), np.abs(z)).statistic > 0.98
    # More of the effect allele raises the output where z is positive.
    np.testing.assert_array_equal(np.sign(fitted.coefficients["snp"][:, 0, 0]), np.sign(z))


@pytest.mark.parametrize("outcome", ["memory", "conversion"])
def test_statistics_are_score_tests_of_the_outcome(
    planted: Path, prepare: Prepare, outcome: str
) -> None:
    """Of a measurement: the test of the measurement itself, whose mean and unit do not matter."""
    fold = prepare(planted, {"kind": "association"}, outcome=outcome)
    z = fold.fit().weights["statistic.snp"][:, 0, 0]
    typed = fold.train.present["snp"]
    typed_outcome = fold.train.outcome.take(typed)
    covariates = fold.train.covariates[typed]
    if outcome == "memory":
        phenotype = typed_outcome.value
    else:
        phenotype = lifelines_martingale(typed_outcome.time, typed_outcome.event, covariates)
    expected, _ = score_test(fold.train.values["snp"][typed], phenotype, covariates)
    np.testing.assert_allclose(z, expected[:, 0], atol=2e-2 if outcome == "conversion" else 1e-4)
    assert np.abs(z).max() > 4


def lifelines_martingale(time: np.ndarray, event: np.ndarray, covariates: np.ndarray) -> np.ndarray:
    """Martingale residuals of the Cox regression on the covariates, by lifelines."""
    lifelines = pytest.importorskip("lifelines")
    import pandas as pd

    table = pd.DataFrame(covariates, columns=[f"c{n}" for n in range(covariates.shape[1])])
    table = table.assign(time=time, event=event.astype(int))
    model = lifelines.CoxPHFitter().fit(table, "time", "event")
    residual = model.compute_residuals(table, "martingale")["martingale"]
    return np.asarray(residual.reindex(table.index))


def test_cox_statistics_agree_with_lifelines_snp_by_snp(planted: Path, prepare: Prepare) -> None:
    """Score and Wald statistics are the same at the null and close for what is not extreme."""
    lifelines = pytest.importorskip("lifelines")
    import pandas as pd

    fold = prepare(planted, {"kind": "association"}, outcome="conversion")
    z = fold.fit().weights["statistic.snp"][:, 0, 0]
    typed = fold.train.present["snp"]
    typed_outcome = fold.train.outcome.take(typed)
    dosage = fold.preparation.design(fold.train, "snp")[typed][:, :, 0]
    table = pd.DataFrame(fold.train.covariates[typed]).add_prefix("c")
    table = table.assign(time=typed_outcome.time, event=typed_outcome.event.astype(int))
    sampled_snps = np.linspace(0, len(z) - 1, 15).astype(int)
    wald = []
    for snp in sampled_snps:
        model = lifelines.CoxPHFitter().fit(table.assign(snp=dosage[:, snp]), "time", "event")
        wald.append(float(model.summary.loc["snp", "z"]))
    np.testing.assert_allclose(z[sampled_snps], wald, atol=0.35)
    assert np.corrcoef(z[sampled_snps], wald)[0, 1] > 0.98


def test_the_two_channel_score_takes_its_direction_from_the_outcome(
    larger: Path, prepare: Prepare
) -> None:
    fold = prepare(larger, {"kind": "association", "channels": "both"})
    fitted = fold.fit()
    z = fitted.weights["statistic.snp"].astype(float)[:, :, 0]
    assert (z != 0).all()
    ratio = mean_size(fitted, fold.train, "snp") / np.sqrt(z[:, 1] ** 2 + z[:, 2] ** 2)
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-4)
    coefficient = fitted.coefficients["snp"][:, 0, 0]
    np.testing.assert_array_equal(np.sign(coefficient), np.sign(z[:, 0]))
    one_channel = prepare(larger, {"kind": "association"}).fit().coefficients["snp"][:, 0, 0]
    assert spearmanr(np.abs(one_channel), np.abs(coefficient)).statistic < 0.999


def test_mean_value_of_a_region_is_its_statistic(larger: Path, prepare: Prepare) -> None:
    fold = prepare(larger, {"kind": "association"})
    fitted = fold.fit()
    imaged = fold.train.present["region"]
    case = fold.train.outcome.case[imaged, None].astype(float)
    z = region_statistics(fold.train.values["region"][imaged], case)[:, :, 0].astype(float)
    ratio = mean_size(fitted, fold.train, "region") / np.sqrt((z**2).mean(axis=1))
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-4)
    assert mean_size(fitted, fold.held_out, "region").argmax() == 0  # what was planted


def test_bags_add_up_to_the_score(larger: Path, prepare: Prepare) -> None:
    fold = prepare(larger, {"kind": "association"})
    fitted = fold.fit()
    total = np.full(len(fold.held_out), fitted.intercept[0])
    for name, attribution in fitted.attributions(fold.held_out).items():
        logit = attribution.value.astype(float).sum(axis=1)
        present = np.isfinite(logit)
        assert (~present).any() and 0.1 < logit[present].std() < 2
        assert fitted.share[name] > 0
        total += fitted.share[name] * np.where(present, logit, 0)
    np.testing.assert_allclose(total, fitted.predict(fold.held_out)[:, 0], atol=1e-5)


def test_on_noise_the_score_stays_near_the_intercept(tmp_path: Path, prepare: Prepare) -> None:
    noise = make_cohort(tmp_path, people=200, snps=1000, genes=200, regions=8, effect=0)
    for number in range(2):
        fold = prepare(noise, {"kind": "association"}, fold=number)
        fitted = fold.fit()
        assert fitted.predict(fold.held_out).std() < 0.6
        assert set(fitted.attributions(fold.held_out)) == {"snp", "region"}  # ranked all the same
        assert mean_size(fitted, fold.held_out, "snp").min() > 0


@pytest.mark.parametrize("channels", ["outcome", "both"])
def test_without_images_only_snps_are_ranked(larger: Path, prepare: Prepare, channels: str) -> None:
    fold = prepare(larger, {"kind": "association", "channels": channels}).without("region")
    fitted = fold.fit()
    assert set(fitted.attributions(fold.held_out)) == {"snp"}
    notes = " ".join(fitted.notes)
    assert "No region has a statistic" in notes
    assert ("that of the outcome alone" in notes) == (channels == "both")
    z = fitted.weights["statistic.snp"][:, :, 0].astype(float)
    # Without imaging, nothing of the outcome is explained: what is left of it is all of it.
    ratio = mean_size(fitted, fold.train, "snp") / np.abs(z[:, 2 if channels == "both" else 0])
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-3)
    assert channels == "outcome" or np.corrcoef(z[:, 0], z[:, 2])[0, 1] > 0.999


def test_without_any_statistic_everybody_gets_one_score(larger: Path, prepare: Prepare) -> None:
    nothing = {"snp": {"selection": {"genes": ["NOT_A_GENE"]}}}
    fold = prepare(larger, {"kind": "association"}, modalities=nothing).without("region")
    fitted = fold.fit()
    assert fitted.attributions(fold.held_out) == {}
    assert (fitted.predict(fold.held_out) == fitted.intercept).all()
