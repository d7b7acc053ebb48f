"""Networks of SNPs that meet in their genes: loops as twins, risks that add up, what L1 does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import ndtr

from gendmr.engine.network import OUTPUT
from gendmr.methods.base import FitInputs
from gendmr.methods.gene_network.method import MAGNITUDE, GeneNet, build

GENES = np.array([0, 1, 0, 2, 1])


def method(mode: str, **more: Any) -> dict[str, Any]:
    return {"kind": "gene_network", "mode": mode, "width": 4, "reads": ["snp"], **more}


def fit(fold: Any) -> Any:
    inputs = FitInputs(fold.train, fold.validation, fold.preparation, 1)
    return build(fold.options).fit(inputs, device="cpu", progress=lambda line: None)


def batch(random: np.random.Generator, people: int = 3) -> dict[str, np.ndarray]:
    return {
        "snp": random.normal(size=(people, 5, 1)),
        "snp_gene": GENES,
        "snp_share": 1 / np.bincount(GENES)[GENES],
        "snp_minor": random.choice([-1.0, 1.0], 5),
        "snp_known": random.normal(size=(5, 3)),
    }


def run(net: GeneNet, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    tensors = {
        name: torch.from_numpy(value if value.dtype == int else value.astype(np.float32))
        for name, value in arrays.items()
    }
    with torch.no_grad():
        return {name: value.numpy() for name, value in net(tensors).items()}


def gelu(values: np.ndarray) -> np.ndarray:
    return np.asarray(values * ndtr(values))


def drawn(mode: str) -> tuple[GeneNet, dict[str, np.ndarray]]:
    """Return a network with weights that are not 0, and its weights."""
    torch.manual_seed(3)
    net = GeneNet(mode, 5, 3, 2, 4)
    with torch.no_grad():
        for value in net.parameters():
            value.normal_()
    return net, {name: value.detach().numpy() for name, value in net.named_parameters()}


@pytest.mark.parametrize("mode", ["sparse", "set"])
def test_forward__is_what_loops_over_people_and_genes_give(mode: str) -> None:
    net, weights = drawn(mode)
    arrays = batch(np.random.default_rng(1))
    outputs = run(net, arrays)
    expected = np.zeros((3, 2))
    for person in range(3):
        dosage = arrays["snp"][person, :, 0]
        for gene in range(3):
            members = np.flatnonzero(gene == GENES)
            if mode == "sparse":
                joined = sum(dosage[snp] * weights["slope"][snp] for snp in members)
                score = np.tanh(joined + weights["offset"][gene])
            else:
                codes = [
                    gelu(
                        weights["read.weight"]
                        @ [dosage[snp] * arrays["snp_minor"][snp], *arrays["snp_known"][snp]]
                        + weights["read.bias"]
                    )
                    for snp in members
                ]
                mixed = weights["mix.weight"] @ np.mean(codes, axis=0) + weights["mix.bias"]
                score = weights["score.weight"][0] @ gelu(mixed) + weights["score.bias"][0]
            expected[person] += score * weights["head"][gene]
    np.testing.assert_allclose(outputs[OUTPUT], expected + weights["bias"], atol=1e-5)
    penalised = ["slope", "head"] if mode == "sparse" else ["head"]
    magnitude = sum(np.abs(weights[name]).sum() for name in penalised)
    np.testing.assert_allclose(outputs[MAGNITUDE], magnitude, rtol=1e-5)


@pytest.mark.parametrize("mode", ["sparse", "set"])
def test_forward__a_snp_of_another_gene_changes_nothing_of_a_gene_that_counts_alone(
    mode: str,
) -> None:
    net, _ = drawn(mode)
    with torch.no_grad():
        net.head[1:] = 0
    arrays = batch(np.random.default_rng(2))
    before = run(net, arrays)[OUTPUT]
    arrays["snp"][:, GENES != 0] += 1
    np.testing.assert_allclose(run(net, arrays)[OUTPUT], before)
    arrays["snp"][:, GENES == 0] += 1
    assert not np.allclose(run(net, arrays)[OUTPUT], before)


@pytest.mark.parametrize("mode", ["sparse", "set"])
def test_attributions__add_up_to_the_logit(
    cohort: Path, prepare: Callable[..., Any], mode: str
) -> None:
    fold = prepare(cohort, method(mode, optimisation={"epochs": 6, "learning_rate": 0.02}))
    fitted = fit(fold)
    bag = fitted.attributions(fold.held_out)["snp"]
    typed = fold.held_out.present["snp"]
    total = bag.value.astype(float).sum(axis=1) + bag.baseline
    np.testing.assert_allclose(total[typed], fitted.predict(fold.held_out)[typed, 0], atol=1e-4)
    assert np.abs(bag.value[typed]).max() > 1e-4
    assert np.isnan(bag.value[~typed]).all()


def test_sparsity__pulls_weights_to_nothing(cohort: Path, prepare: Callable[..., Any]) -> None:
    sums = []
    for sparsity in (0.0, 1.0):
        options = {"epochs": 40, "patience": 40, "learning_rate": 0.02, "stopping": "last"}
        fold = prepare(cohort, method("sparse", sparsity=sparsity, optimisation=options))
        weights = fit(fold).weights
        sums.append(np.abs(weights["slope"]).mean() + np.abs(weights["head"]).mean())
    assert sums[1] < 0.5 * sums[0]
