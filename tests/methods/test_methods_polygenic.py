"""The polygenic score: effects, clumps and threshold without the people they are judged on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from factories import PLANTED_SNP, make_cohort
from gendmr.methods import polygenic
from gendmr.training.scores import auc


def fit(fold: Any, seed: int = 1) -> Any:
    return polygenic.build(fold.options).fit(
        fold.train, fold.validation, fold.preparation, seed=seed, device="cpu", progress=print
    )


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_cohort(
        tmp_path_factory.mktemp("planted"), people=300, snps=300, genes=60, regions=2,
        unsequenced=0.2, weak=10,
    )  # fmt: skip


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_cohort(
        tmp_path_factory.mktemp("noise"), people=200, snps=1500, genes=300, regions=2, effect=0
    )


def test_risks_add_up_and_the_planted_snp_leads(planted: Path, prepare: Callable[..., Any]) -> None:
    fold = prepare(planted, {"kind": "polygenic"})
    fitted = fit(fold)
    bag = fitted.bags(fold.held_out)["snp"]
    there = fold.held_out.has_snp
    assert (~there).any() and np.isnan(bag.risk[~there]).all()
    total = bag.risk.sum(axis=1) + bag.bias + fold.held_out.covariates @ fitted.covariates
    np.testing.assert_allclose(total[there], fitted.logits(fold.held_out)[there], atol=1e-5)
    np.testing.assert_allclose(bag.attention[there].sum(axis=1), 1, atol=1e-5)
    score = np.abs(bag.risk[there]).mean(axis=0)
    assert fold.preparation.snps["snp"][int(score.argmax())] == PLANTED_SNP
    assert auc(fold.held_out.diagnosis, fitted.logits(fold.held_out)) > 0.6
    line = fitted.history[0]
    assert line["threshold"] in fold.options.method.thresholds
    assert line["score_snps"] == (fitted.snp != 0).sum()


def test_used_snps_are_not_in_linkage_disequilibrium(
    planted: Path, prepare: Callable[..., Any]
) -> None:
    method = {"kind": "polygenic", "thresholds": [0.5], "r2": 0.1}
    fold = prepare(planted, method, selection={"r2": 1.0})
    fitted = fit(fold)
    used = np.flatnonzero(fitted.snp)
    assert 10 < used.size < len(fitted.snp)
    typed = fold.train.dosage[fold.train.has_snp].astype(float)
    mean = fold.preparation.mean_dosage
    filled = np.where(typed < 0, mean, typed)
    snps = fold.preparation.snps
    same = snps["chromosome"].to_numpy()[:, None] == snps["chromosome"].to_numpy()
    near = same & (np.abs(np.subtract.outer(*[snps["position"].to_numpy()] * 2)) < 1_000_000)
    r2 = np.corrcoef(filled.T) ** 2
    np.fill_diagonal(r2, 0)
    assert (r2 * near)[np.ix_(used, used)].max() <= 0.1 + 1e-6
    assert (r2 * near).max() > 0.3  # what was left out was there to be left out


def test_on_noise_the_score_gets_no_weight_from_people_it_was_made_from(
    noise: Path, prepare: Callable[..., Any]
) -> None:
    inside, spread = [], []
    for number in range(2):
        fold = prepare(noise, {"kind": "polygenic", "thresholds": [1.0]}, fold=number)
        fitted = fit(fold)
        effects = polygenic.Polygenic(fold.options.method)._effects(
            fold.train, fold.preparation, np.ones(len(fold.train), dtype=bool)
        )
        naive = polygenic.standardise(fold.train, fold.preparation) @ effects[:, 0]
        inside.append(auc(fold.train.diagnosis, naive))
        risk = fitted.bags(fold.held_out)["snp"].risk.sum(axis=1)
        spread.append(risk.std())
    # In its own people the score separates noise perfectly: a regression on it would trust it.
    assert min(inside) > 0.99
    assert np.mean(spread) < 0.4


def test_too_few_people_leave_the_covariates(planted: Path, prepare: Callable[..., Any]) -> None:
    fold = prepare(planted, {"kind": "polygenic"})
    cases = np.flatnonzero(fold.train.diagnosis == 1)[:3]
    has_snp = fold.train.diagnosis == 0
    has_snp[cases] = True
    fitted = fit(fold._replace(train=dataclasses.replace(fold.train, has_snp=has_snp)))
    notes = " ".join(fitted.notes)
    assert "No polygenic score" in notes and "covariates alone" in notes
    assert not fitted.snp.any()
    assert np.isfinite(fitted.logits(fold.held_out)).all()


def test_no_snp_leaves_the_covariates(planted: Path, prepare: Callable[..., Any]) -> None:
    fold = prepare(planted, {"kind": "polygenic"}, selection={"genes": ["NOT_A_GENE"]})
    fitted = fit(fold)
    assert fitted.bags(fold.held_out) == {}
    assert "covariates alone" in " ".join(fitted.notes)


def test_a_threshold_that_no_snp_reaches_leaves_the_covariates(
    noise: Path, prepare: Callable[..., Any]
) -> None:
    fold = prepare(noise, {"kind": "polygenic", "thresholds": [1e-30]})
    fitted = fit(fold)
    assert not fitted.snp.any() and "no SNP reaches the threshold" in " ".join(fitted.notes)
    bag = fitted.bags(fold.held_out)["snp"]
    assert (bag.risk == 0).all() and np.isfinite(bag.attention).all()
