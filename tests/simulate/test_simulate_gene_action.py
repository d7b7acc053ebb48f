"""Genes that do not act additively: what it takes, how much they say, and what a test finds."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gendmr.config.simulate import SimulateSection
from gendmr.errors import ConfigurationError
from gendmr.simulate.cohort import simulate_cohort
from gendmr.simulate.disease import DiseaseState, Planted, draw_affected, plant
from remedies import mended

from .test_simulate_disease import logistic

PEOPLE = 100_000
ACTIONS = ("recessive", "dominant", "epistatic")
FREQUENCY = np.array([0.3, 0.35, 0.25, 0.4, 0.3])
every_action = pytest.mark.parametrize("action", ACTIONS)


def planted_genes(action: str) -> list[Planted]:
    """Return two direct genes, two of a region and one left over; pairs of the first four."""
    ways = [*["diagnosis"] * 2, *["hippocampus_L"] * 2, "diagnosis"]
    planted = [
        Planted(f"G{number}", number, True, ratio, way)
        for number, (ratio, way) in enumerate(zip([3.0, 1.5, 1.4, 1.5, 1.4], ways, strict=True))
    ]
    if action == "epistatic":
        for number, partner in ((0, 1), (1, 0), (2, 3), (3, 2)):
            planted[number] = replace(planted[number], partner=f"G{partner}")
    return planted


def with_shares(planted: list[Planted]) -> list[Planted]:
    """Return the genes, those of the region with a share of its susceptibility."""
    return [
        item if item.through == "diagnosis" else replace(item, odds_ratio=float("nan"), share=0.1)
        for item in planted
    ]


def draw(action: str, planted: list[Planted]) -> tuple[np.ndarray, DiseaseState]:
    """Return copies (planted, people) and who falls ill."""
    random = np.random.default_rng(9)
    copies = random.binomial(2, FREQUENCY[:, None], (len(planted), PEOPLE))
    section = SimulateSection.parse({"gene_action": action})
    age, second = random.normal(73, 7, PEOPLE), random.random(PEOPLE) < 0.2
    return copies, draw_affected(section, planted, copies, age, second, 4)


def has_what_it_takes(action: str, copies: np.ndarray) -> list[np.ndarray]:
    """Return for each gene what its effect is multiplied by, (people,)."""
    if action == "recessive":
        return list((copies == 2).astype(float))
    if action == "dominant":
        return list((copies > 0).astype(float))
    pairs = [
        ((copies[first] > 0) & (copies[first + 1] > 0)).astype(float)
        for first in (0, 0, 2, 2)
        if first < len(copies)
    ]
    return [pairs[0], pairs[1], pairs[2], pairs[3], copies[4].astype(float)]


@every_action
@pytest.mark.parametrize("shares", [False, True])
def test_the_odds_ratio_is_what_an_association_test_of_copies_finds(
    action: str, shares: bool
) -> None:
    planted = planted_genes(action)
    copies, state = draw(action, with_shares(planted) if shares else planted)
    for row, ratio in zip(copies, state.odds_ratios, strict=True):
        weights, errors = logistic(row[:, None], state.case)
        assert abs(weights[1] - np.log(ratio)) < 4 * errors[1] + 0.01
    assert state.case.mean() == pytest.approx(0.5, abs=0.01)


@every_action
def test_genes_explain_as_much_as_additive_ones(action: str) -> None:
    copies, additive = draw("additive", planted_genes("additive"))
    _, state = draw(action, planted_genes(action))
    explained = additive.effects**2 * copies.var(axis=1)
    genes = has_what_it_takes(action, copies)
    own = state.effects**2 * np.var(genes, axis=1)
    if action == "epistatic":
        explained = np.array([explained[:2].sum(), explained[2:4].sum(), explained[4]])
        own = own[[0, 2, 4]]
    np.testing.assert_allclose(own, explained, rtol=0.03)


@every_action
def test_the_risk_is_of_those_who_have_what_it_takes(action: str) -> None:
    copies, state = draw(action, planted_genes(action))
    first = has_what_it_takes(action, copies)[0]
    by_genotype = pd.DataFrame({"first": copies[0], "second": copies[1], "case": state.case})
    by_genotype["exposed"] = first
    risks = by_genotype.groupby(["exposed", "first", *(["second"] * (action == "epistatic"))])
    shares = risks["case"].agg(["mean", "count"]).reset_index()
    for _, group in shares.groupby("exposed"):
        spread = group["mean"] - np.average(group["mean"], weights=group["count"])
        assert (spread.abs() < 4 * np.sqrt(0.25 / group["count"])).all()
    low, high = by_genotype.groupby("exposed")["case"].mean()
    assert high > low + 0.2


def test_additive_genes_are_those_of_the_other_actions_where_nothing_is_paired() -> None:
    planted = planted_genes("additive")
    _, additive = draw("additive", planted)
    _, alone = draw("epistatic", planted)
    np.testing.assert_array_equal(additive.case, alone.case)
    # The odds ratios of additive genes are configured, and their effects follow approximately.
    np.testing.assert_allclose(additive.odds_ratios, alone.odds_ratios, rtol=0.06)


def variants(genes: int) -> pd.DataFrame:
    """Return a panel with a SNP in each gene."""
    return pd.DataFrame({"gene": [f"G{number}" for number in range(genes)], "inside": True})


@pytest.mark.parametrize("count", [7, 8, 12])
def test_genes_are_paired_with_genes_of_their_way(count: int) -> None:
    section = SimulateSection.parse(
        {"gene_action": "epistatic", "planted": count, "through_regions": 0.5}
    )
    names = [f"G{number}" for number in range(count)]
    planted = {
        item.gene: item
        for item in plant(section, names, variants(count), np.full(count, 0.3), seed=2)
    }
    direct = Counter(item.through == "diagnosis" for item in planted.values())
    assert direct[False] == round(0.5 * (count - 1))
    for item in planted.values():
        if item.partner is not None:
            partner = planted[item.partner]
            assert partner.partner == item.gene and partner.through == item.through
    alone = [item for item in planted.values() if item.partner is None]
    assert len(alone) == direct[True] % 2 + direct[False] % 2


def tiny(**changes: Any) -> SimulateSection:
    return SimulateSection.parse(
        {
            "people": 80,
            "images": 8,
            "genes": 15,
            "background_snps": 100,
            "x_chromosome": False,
            **changes,
        }
    )


def test_the_truth_says_how_genes_act(tmp_path: Path, tables: tuple[Path, Path]) -> None:
    truths = {}
    for action in ("additive", "epistatic"):
        section = tiny(gene_action=action, planted=11, odds_ratios=[1.9, 2.0])
        simulate_cohort(*tables, section, 5, tmp_path / action)
        truths[action] = json.loads((tmp_path / action / "truth.json").read_text())["genes"]
    assert all("gene_action" not in gene for gene in truths["additive"])
    genes = {gene["gene"]: gene for gene in truths["epistatic"]}
    alone = [gene for gene in genes.values() if gene["partner"] is None]
    assert [gene["gene_action"] for gene in alone] == ["additive"]
    for gene in genes.values():
        if gene["partner"] is not None:
            assert gene["gene_action"] == "epistatic"
            assert genes[gene["partner"]]["partner"] == gene["gene"]
            assert 1.0 < gene["odds_ratio"] < 5


def test_what_nobody_has_is_refused() -> None:
    options: dict[str, Any] = {"gene_action": "recessive"}
    copies = np.array([[0, 1, 1, 0, 1, 0]])

    def draw_few() -> None:
        section = SimulateSection.parse(options)
        age = np.linspace(60, 80, copies.shape[1])
        item = Planted("G0", 0, True, 1.5, "diagnosis")
        draw_affected(section, [item], copies, age, np.zeros(copies.shape[1], dtype=bool), 1)

    words = "raise simulate.people, or set simulate.gene_action to additive"
    with mended("simulate/gene_action.py", words, ConfigurationError, draw_few) as refused:
        assert "0 of 6 people have the risk alleles that G0 would need" in refused.what
        options["gene_action"] = "additive"
    options["gene_action"] = "recessive"
    with mended("simulate/gene_action.py", words, ConfigurationError, draw_few):
        copies = np.concatenate([copies, [[2, 1, 0]]], axis=1)


def test_further_outcomes_want_additive_genes() -> None:
    with pytest.raises(ConfigurationError, match="dominant genes drive the diagnosis alone"):
        SimulateSection.parse(
            {"gene_action": "dominant", "outcomes": {"memory": {"kind": "quantitative"}}}
        )
