"""The polygenic score: effects, clumps and threshold without the people they are judged on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from factories import PLANTED_SNP
from gendmr.methods.base import FitInputs
from gendmr.methods.polygenic.method import Polygenic
from gendmr.statistics.classification import auc

Prepare = Callable[..., Any]


@pytest.fixture(scope="module")
def many_effects(shared_cohort: Callable[..., Path]) -> Path:
    return shared_cohort(people=300, snps=300, genes=60, regions=2, unsequenced=0.2, weak=10)


@pytest.fixture(scope="module")
def noise(shared_cohort: Callable[..., Path]) -> Path:
    return shared_cohort(people=200, snps=1500, genes=300, regions=2, effect=0)


def test_values_add_up_and_the_planted_snp_leads(many_effects: Path, prepare: Prepare) -> None:
    fold = prepare(many_effects, {"kind": "polygenic"})
    fitted, people = fold.fit(), fold.held_out
    output = fitted.predict(people)[:, 0]
    snp = fitted.attributions(people)["snp"]
    present = people.present["snp"]
    assert (~present).any() and np.isnan(snp.value[~present]).all()
    total = snp.value.sum(axis=1) + snp.baseline + people.covariates @ fitted.covariates[:, 0]
    np.testing.assert_allclose(total[present], output[present], atol=1e-5)
    np.testing.assert_allclose(snp.attention[present].sum(axis=1), 1, atol=1e-5)
    size = np.abs(snp.value[present]).mean(axis=0)
    assert fold.preparation.instances("snp")["snp"][int(size.argmax())] == PLANTED_SNP
    assert auc(people.outcome.case, output) > 0.6
    line = fitted.history[0]
    assert line["threshold"] in fold.options.method.thresholds
    assert line["score_snps"] == (fitted.coefficients["snp"] != 0).sum()


def test_used_snps_are_not_in_linkage_disequilibrium(many_effects: Path, prepare: Prepare) -> None:
    method = {"kind": "polygenic", "thresholds": [0.5], "r2": 0.1}
    everything = {"snp": {"selection": {"r2": 1.0}}}
    fold = prepare(many_effects, method, modalities=everything)
    weight = fold.fit().coefficients["snp"][:, 0, 0]
    used = np.flatnonzero(weight)
    assert 10 < used.size < len(weight)
    typed = fold.train.values["snp"][fold.train.present["snp"]].astype(float)
    typed[typed < 0] = np.nan
    filled = np.where(np.isnan(typed), np.nanmean(typed, axis=0), typed)
    snps = fold.preparation.instances("snp")
    same_chromosome = snps["chromosome"].to_numpy()[:, None] == snps["chromosome"].to_numpy()
    near = same_chromosome & (
        np.abs(np.subtract.outer(*[snps["position"].to_numpy()] * 2)) < 1_000_000
    )
    r2 = np.corrcoef(filled.T) ** 2
    np.fill_diagonal(r2, 0)
    assert (r2 * near)[np.ix_(used, used)].max() <= 0.1 + 1e-6
    assert (r2 * near).max() > 0.3  # what was left out was there to be left out


def test_on_noise_the_score_gets_no_weight_from_people_it_was_made_from(
    noise: Path, prepare: Prepare
) -> None:
    inside, spread = [], []
    for number in range(2):
        fold = prepare(noise, {"kind": "polygenic", "thresholds": [1.0]}, fold=number)
        fitted = fold.fit()
        inputs = FitInputs(fold.train, fold.validation, fold.preparation, 1)
        everybody = np.ones(len(fold.train), dtype=bool)
        effects = Polygenic(fold.options.method)._effects(inputs, everybody)
        naive = fold.preparation.design(fold.train, "snp")[:, :, 0] @ effects[:, 0]
        inside.append(auc(fold.train.outcome.case, naive))
        spread.append(fitted.attributions(fold.held_out)["snp"].value.sum(axis=1).std())
    # In its own people the score separates noise perfectly: a regression on it would trust it.
    assert min(inside) > 0.99
    assert np.mean(spread) < 0.4


def test_too_few_people_leave_the_covariates(many_effects: Path, prepare: Prepare) -> None:
    fold = prepare(many_effects, {"kind": "polygenic"})
    case = fold.train.outcome.case == 1
    typed = ~case
    typed[np.flatnonzero(case)[:3]] = True
    fitted = fold.trained_on(present={"snp": typed}).fit()
    notes = " ".join(fitted.notes)
    assert "No polygenic score" in notes and "covariates alone" in notes
    assert not fitted.coefficients["snp"].any()
    assert np.isfinite(fitted.predict(fold.held_out)).all()


def test_no_snp_leaves_the_covariates(many_effects: Path, prepare: Prepare) -> None:
    nothing = {"snp": {"selection": {"genes": ["NOT_A_GENE"]}}}
    fold = prepare(many_effects, {"kind": "polygenic"}, modalities=nothing)
    fitted = fold.fit()
    assert fitted.attributions(fold.held_out) == {}
    assert "covariates alone" in " ".join(fitted.notes)


def test_a_threshold_that_no_snp_reaches_leaves_the_covariates(
    noise: Path, prepare: Prepare
) -> None:
    fold = prepare(noise, {"kind": "polygenic", "thresholds": [1e-30]})
    fitted = fold.fit()
    assert not fitted.coefficients["snp"].any()
    assert "no SNP reaches the threshold" in " ".join(fitted.notes)
    snp = fitted.attributions(fold.held_out)["snp"]
    assert (snp.value == 0).all() and np.isfinite(snp.attention).all()
