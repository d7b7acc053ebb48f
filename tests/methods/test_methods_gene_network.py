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
from gendmr.errors import ConfigurationError
from gendmr.methods.base import FitInputs
from gendmr.methods.gene_network.attention import (
    MAGNITUDE,
    HierarchicalAttention,
    segment_softmax,
)
from gendmr.methods.gene_network.method import GeneNet, build
from studies import slice_of

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


def run(net: torch.nn.Module, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
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


@pytest.mark.parametrize("mode", ["sparse", "set", "attention"])
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


# ---- Hierarchical attention ----------------------------------------------------------------------

WIDTH, HEADS = 4, 2


def attentive(snps: int = 5, genes: int = 3) -> HierarchicalAttention:
    """Return a network with weights that are not 0."""
    torch.manual_seed(4)
    net = HierarchicalAttention(snps, genes, 2, WIDTH, HEADS)
    with torch.no_grad():
        for value in net.parameters():
            value.normal_(std=0.7)
    return net


def softmax(logits: np.ndarray) -> np.ndarray:
    power = np.exp(logits - logits.max())
    return np.asarray(power / power.sum())


class LoopedAttention:
    """The forward pass with a state for each SNP of a person, and loops over genes and heads."""

    def __init__(self, net: HierarchicalAttention) -> None:
        self.weights = {name: value.detach().numpy() for name, value in net.named_parameters()}

    def linear(self, name: str, state: np.ndarray) -> np.ndarray:
        bias = self.weights.get(f"{name}.bias", 0.0)
        return np.asarray(self.weights[f"{name}.weight"] @ state + bias)

    def norm(self, name: str, state: np.ndarray) -> np.ndarray:
        scaled = (state - state.mean()) / np.sqrt(state.var() + 1e-5)
        bias = self.weights.get(f"{name}.bias", 0.0)
        return np.asarray(self.weights[f"{name}.weight"] * scaled + bias)

    def feed_forward(self, name: str, state: np.ndarray) -> np.ndarray:
        hidden = gelu(self.linear(f"{name}.up", self.norm(f"{name}.norm", state)))
        return np.asarray(state + self.linear(f"{name}.down", hidden))

    def attend(
        self, query: np.ndarray, keys: list[np.ndarray], values: list[np.ndarray]
    ) -> np.ndarray:
        """Return the sum over those attended to, as even attention would give it."""
        collected = []
        for head in np.split(np.arange(WIDTH), HEADS):
            logits = np.array([key[head] @ query[head] for key in keys]) / np.sqrt(len(head))
            shares = softmax(logits) * len(keys)
            collected.append(
                sum(share * value[head] for share, value in zip(shares, values, strict=True))
            )
        return np.concatenate(collected)

    def gene(self, number: int, dosage: np.ndarray, arrays: dict[str, np.ndarray]) -> np.ndarray:
        start = self.weights["gene"] + self.weights["gene_embedding"][number]
        keys, values = [], []
        for snp in np.flatnonzero(number == GENES):
            features = arrays["snp_known"][snp]
            worth = self.weights["snp_embedding"][snp]
            worth = worth + arrays["snp_minor"][snp] * self.linear("allele", features)
            state = dosage[snp] * worth + self.linear("known", features)
            keys.append(self.linear("snp_key", state))
            values.append(self.linear("snp_value", dosage[snp] * worth))
        query = self.linear("gene_query", self.norm("gene_norm", start))
        update = self.linear("gene_out", self.attend(query, keys, values))
        return self.norm("state_norm", self.feed_forward("gene_forward", start + update))

    def person(self, dosage: np.ndarray, arrays: dict[str, np.ndarray]) -> np.ndarray:
        states = [self.gene(number, dosage, arrays) for number in range(3)]
        without = [self.gene(number, 0 * dosage, arrays) for number in range(3)]
        phenotype = self.weights["phenotype"]
        query = self.linear("phenotype_query", self.norm("phenotype_norm", phenotype))
        keys = [self.linear("gene_key", state) for state in states]
        values = [
            self.linear("gene_value", state - reference)
            for state, reference in zip(states, without, strict=True)
        ]
        update = self.linear("phenotype_out", self.attend(query, keys, values))
        state = self.feed_forward("phenotype_forward", phenotype + update)
        return self.linear("head", self.norm("head_norm", state))


def test_attention__is_what_loops_over_people_genes_and_heads_give() -> None:
    net, arrays = attentive(), batch(np.random.default_rng(1))
    outputs = run(net, arrays)
    looped = LoopedAttention(net)
    expected = [looped.person(dosage, arrays) for dosage in arrays["snp"][..., 0]]
    np.testing.assert_allclose(outputs[OUTPUT], expected, rtol=1e-4, atol=1e-4)
    magnitude = np.abs(looped.weights["snp_embedding"]).sum()
    np.testing.assert_allclose(outputs[MAGNITUDE], magnitude, rtol=1e-5)


def test_segment_softmax__is_the_softmax_of_each_gene_without_its_padding() -> None:
    random = np.random.default_rng(5)
    owner, is_real = np.array([0, 1, 0, 1, 1, 0, 3]), np.array([1, 1, 1, 1, 1, 0, 0])
    logits = 30 * random.normal(size=(4, 7, 2))
    logits[:, 5] = 500  # of padding
    weights = segment_softmax(
        torch.from_numpy(logits), torch.from_numpy(owner), torch.from_numpy(is_real), 4
    ).numpy()
    expected = np.zeros_like(logits)
    for person in range(4):
        for gene in range(4):
            members = np.flatnonzero((owner == gene) & (is_real == 1))
            for head in range(2) if len(members) else ():
                expected[person, members, head] = softmax(logits[person, members, head])
    np.testing.assert_allclose(weights, expected, atol=1e-12)
    assert (weights[:, 5:] == 0).all()


def test_attention__padding_of_snps_and_genes_changes_nothing() -> None:
    net, padded = attentive(), attentive(8, 6)
    with torch.no_grad():
        for (name, small), (_, large) in zip(
            net.named_parameters(), padded.named_parameters(), strict=True
        ):
            if "embedding" in name:
                large.zero_()
                large[: len(small)] = small
            else:
                large.copy_(small)
    arrays = batch(np.random.default_rng(6))
    wider = {
        name: np.concatenate([value, np.zeros((3, *value.shape[1:]), value.dtype)])
        for name, value in arrays.items()
        if name != "snp"
    }
    wider["snp"] = np.concatenate([arrays["snp"], np.zeros((3, 3, 1))], axis=1)
    np.testing.assert_allclose(run(padded, wider)[OUTPUT], run(net, arrays)[OUTPUT], atol=1e-5)


def test_attention__genotypes_change_nothing_before_it_has_learned() -> None:
    torch.manual_seed(7)
    net = HierarchicalAttention(5, 3, 2, WIDTH, HEADS)
    outputs = run(net, batch(np.random.default_rng(8)))[OUTPUT]
    np.testing.assert_array_equal(outputs, outputs[:1].repeat(3, axis=0))


def test_attention__fits_together_are_those_of_single_jobs(
    cohort: Path, prepare: Callable[..., Any]
) -> None:
    options = method(
        "attention", optimisation={"epochs": 20, "stopping": "last", "learning_rate": 0.005}
    )
    folds = [prepare(cohort, options), prepare(cohort, options | {"exclude": ["19:1-59000000"]})]
    inputs = [FitInputs(fold.train, fold.validation, fold.preparation, 1) for fold in folds]
    together = build(folds[0].options).fit_many(inputs, device="cpu", progress=lambda line: None)
    sizes = {fitted.architecture.sizes["snp"] for fitted in together}
    for fold, fitted in zip(folds, together, strict=True):
        alone = fit(fold)
        output = alone.predict(fold.held_out)
        np.testing.assert_array_equal(fit(fold).predict(fold.held_out), output)
        # AdamW makes steps of a gradient that is nothing but rounding.
        np.testing.assert_allclose(
            fitted.predict(fold.held_out), output, atol=0.02 * float(output.std())
        )
    assert len(sizes) == 2  # one of them was padded


def test_attention__learns_what_a_snp_decides(planted: Path, prepare: Callable[..., Any]) -> None:
    options = {"epochs": 40, "stopping": "last", "learning_rate": 5e-3}
    fold = prepare(planted, method("attention", optimisation=options), outcome="memory")
    typed = fold.held_out.present["snp"]
    output = fit(fold).predict(fold.held_out)[typed]
    # The share of the variance that it explains.
    assert fold.task.score(output, fold.held_out.outcome.take(typed)) > 0.3


def test_attention__sparsity_pulls_embeddings_to_nothing(
    cohort: Path, prepare: Callable[..., Any]
) -> None:
    sums = []
    for sparsity in (0.0, 1.0):
        options = {"epochs": 30, "patience": 30, "stopping": "last"}
        fold = prepare(cohort, method("attention", sparsity=sparsity, optimisation=options))
        sums.append(np.abs(fit(fold).weights["snp_embedding"]).mean())
    assert sums[1] < 0.5 * sums[0]


def test_attention__heads_divide_the_width() -> None:
    with pytest.raises(ConfigurationError, match="width: 4 is no multiple of heads: 3"):
        slice_of(method("attention", heads=3))
