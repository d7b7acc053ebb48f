"""Single-SNP statistics as risks: the ranking by risk is the ranking by statistic."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from factories import make_cohort
from gendmr.methods import association
from gendmr.methods.evidence import region_statistics


def fit(fold: Any, seed: int = 1) -> Any:
    return association.build(fold.options).fit(
        fold.train, fold.validation, fold.preparation, seed=seed, device="cpu", progress=print
    )


@pytest.fixture(scope="module")
def larger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_cohort(
        tmp_path_factory.mktemp("larger"), people=400, snps=200, genes=40, regions=10,
        unsequenced=0.1,
    )  # fmt: skip


def slow_z(dosage: np.ndarray, y: np.ndarray, covariates: np.ndarray) -> float:
    """Partial correlation times the root of the degrees of freedom, from residuals."""
    filled = np.where(dosage < 0, dosage[dosage >= 0].mean(), dosage).astype(float)
    design = np.column_stack([np.ones(len(y)), covariates])
    left = [v - design @ np.linalg.lstsq(design, v, rcond=None)[0] for v in (filled, y)]
    r = left[0] @ left[1] / np.sqrt((left[0] @ left[0]) * (left[1] @ left[1]))
    return float(r * np.sqrt(len(y) - np.linalg.matrix_rank(design)))


def mean_risk(fitted: Any, people: Any, bag: str) -> np.ndarray:
    present = people.has_snp if bag == "snp" else people.has_region
    return np.abs(fitted.bags(people)[bag].risk[present].astype(float)).mean(axis=0)


def test_mean_risk_of_a_snp_is_its_statistic(larger: Path, prepare: Callable[..., Any]) -> None:
    fold = prepare(larger, {"kind": "association"})
    fitted = fit(fold)
    typed = fold.train.has_snp
    y = fold.train.diagnosis[typed].astype(float)
    z = np.array(
        [slow_z(snp, y, fold.train.covariates[typed]) for snp in fold.train.dosage[typed].T]
    )
    ratio = mean_risk(fitted, fold.train, "snp") / np.abs(z)
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-4)
    held_out = mean_risk(fitted, fold.held_out, "snp")
    assert spearmanr(held_out, np.abs(z)).statistic > 0.98
    # More of the effect allele raises the risk where z is positive.
    np.testing.assert_array_equal(np.sign(fitted.snp), np.sign(z))


def test_the_two_channel_score_takes_its_direction_from_the_diagnosis(
    larger: Path, prepare: Callable[..., Any]
) -> None:
    fold = prepare(larger, {"kind": "association", "channels": "both"})
    fitted = fit(fold)
    z = fitted.weights["statistic.snp"].astype(float)
    assert (z != 0).all()
    ratio = mean_risk(fitted, fold.train, "snp") / np.sqrt(z[:, 1] ** 2 + z[:, 2] ** 2)
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-4)
    np.testing.assert_array_equal(np.sign(fitted.snp), np.sign(z[:, 0]))
    other = fit(prepare(larger, {"kind": "association"}))
    assert spearmanr(np.abs(other.snp), np.abs(fitted.snp)).statistic < 0.999


def test_mean_risk_of_a_region_is_its_statistic(larger: Path, prepare: Callable[..., Any]) -> None:
    fold = prepare(larger, {"kind": "association"})
    fitted = fit(fold)
    imaged = fold.train.has_region
    z = region_statistics(fold.train.regions[imaged], fold.train.diagnosis[imaged].astype(float))
    ratio = mean_risk(fitted, fold.train, "region") / np.sqrt((z.astype(float) ** 2).mean(axis=1))
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-4)
    assert mean_risk(fitted, fold.held_out, "region").argmax() == 0  # what was planted


def test_bags_add_up_to_the_score(larger: Path, prepare: Callable[..., Any]) -> None:
    fold = prepare(larger, {"kind": "association"})
    fitted = fit(fold)
    bags = fitted.bags(fold.held_out)
    total = np.full(len(fold.held_out), fitted.intercept)
    for name, bag in bags.items():
        logit = bag.risk.astype(float).sum(axis=1)
        present = np.isfinite(logit)
        assert (~present).any() and 0.1 < logit[present].std() < 2
        assert fitted.share[name] > 0
        total += fitted.share[name] * np.where(present, logit, 0)
    np.testing.assert_allclose(total, fitted.logits(fold.held_out), atol=1e-5)


def test_on_noise_the_score_stays_near_the_intercept(
    tmp_path: Path, prepare: Callable[..., Any]
) -> None:
    noise = make_cohort(tmp_path, people=200, snps=1000, genes=200, regions=8, effect=0)
    for number in range(2):
        fold = prepare(noise, {"kind": "association"}, fold=number)
        fitted = fit(fold)
        assert fitted.logits(fold.held_out).std() < 0.6
        assert set(fitted.bags(fold.held_out)) == {"snp", "region"}  # ranked all the same
        assert mean_risk(fitted, fold.held_out, "snp").min() > 0


@pytest.mark.parametrize("channels", ["diagnosis", "both"])
def test_without_images_only_snps_are_ranked(
    larger: Path, prepare: Callable[..., Any], channels: str
) -> None:
    fold = prepare(larger, {"kind": "association", "channels": channels})
    nobody = np.zeros(len(fold.train), dtype=bool)
    bare = dataclasses.replace(
        fold.train, has_region=nobody, regions=np.zeros_like(fold.train.regions)
    )
    fitted = fit(fold._replace(train=bare))
    assert set(fitted.bags(fold.held_out)) == {"snp"}
    notes = " ".join(fitted.notes)
    assert "No region has a statistic" in notes
    assert ("that of the diagnosis alone" in notes) == (channels == "both")
    z = np.abs(fitted.weights["statistic.snp"][:, 0])
    ratio = mean_risk(fitted, bare, "snp") / z
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-3)


def test_without_any_statistic_everybody_gets_one_score(
    larger: Path, prepare: Callable[..., Any]
) -> None:
    fold = prepare(larger, {"kind": "association"}, selection={"genes": ["NOT_A_GENE"]})
    nobody = np.zeros(len(fold.train), dtype=bool)
    bare = dataclasses.replace(
        fold.train, has_region=nobody, regions=np.zeros_like(fold.train.regions)
    )
    fitted = fit(fold._replace(train=bare))
    assert fitted.bags(fold.held_out) == {}
    assert (fitted.logits(fold.held_out) == fitted.intercept).all()
