"""The model of the disease: planted effects come out as declared, or not at all."""

from __future__ import annotations

import numpy as np
import pytest

from gendmr.config.simulate import SimulateSection
from gendmr.errors import ConfigurationError
from gendmr.simulate.disease import Planted, choose_balanced, conditional_effects, draw_affected

PEOPLE = 40_000


def logistic(columns: np.ndarray, case: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit by Newton's method; return coefficients and standard errors, intercept first."""
    design = np.column_stack([np.ones(len(case)), columns])
    weights = np.zeros(design.shape[1])
    for _ in range(12):
        chance = 1 / (1 + np.exp(-design @ weights))
        hessian = design.T @ (design * (chance * (1 - chance))[:, None])
        weights = weights + np.linalg.solve(hessian, design.T @ (case - chance))
    return weights, np.sqrt(np.diag(np.linalg.inv(hessian)))


def draw(section: SimulateSection, planted: list[Planted]) -> tuple[np.ndarray, np.ndarray, object]:
    random = np.random.default_rng(8)
    alleles = random.binomial(2, 0.3, (len(planted), PEOPLE))
    age = random.normal(73, 7, PEOPLE)
    outcome = draw_affected(section, planted, alleles, age, random.random(PEOPLE) < 0.2, 4)
    return alleles, age, outcome


@pytest.fixture(scope="module")
def planted() -> list[Planted]:
    ways = ["diagnosis", "diagnosis", "hippocampus_L", "entorhinal_R"]
    return [
        Planted(f"G{number}", number, True, ratio, way)
        for number, (ratio, way) in enumerate(zip([3.0, 1.25, 1.4, 1.5], ways, strict=True))
    ]


def test_an_association_test_finds_the_declared_odds_ratios(planted: list[Planted]) -> None:
    alleles, _, outcome = draw(SimulateSection(), planted)
    for row, item in zip(alleles, planted, strict=True):
        weights, errors = logistic(row[:, None], outcome.case)
        assert abs(weights[1] - np.log(item.odds_ratio)) < 4 * errors[1] + 0.03, item.gene


def test_genes_act_through_their_region_alone(planted: list[Planted]) -> None:
    section = SimulateSection(atrophy=0.0)
    alleles, _, outcome = draw(section, planted)
    correlation = np.corrcoef(alleles, outcome.loss.T)[: len(planted), len(planted) :]
    for row, item in zip(correlation, planted, strict=True):
        for value, region in zip(row, section.regions, strict=True):
            if region == item.through:
                assert value > 0.2
            else:
                assert abs(value) < 0.025


def test_cases_lose_what_is_configured_and_controls_little(planted: list[Planted]) -> None:
    _, _, outcome = draw(SimulateSection(atrophy=0.16), planted)
    extra = outcome.loss[outcome.case].mean(axis=0) - outcome.loss[~outcome.case].mean(axis=0)
    assert ((extra > 0.15) & (extra < 0.20)).all()
    assert outcome.loss[~outcome.case].mean() < 0.06
    assert outcome.loss.min() >= 0
    assert outcome.loss.max() <= 0.4


def test_half_of_the_pool_falls_ill(planted: list[Planted]) -> None:
    _, _, outcome = draw(SimulateSection(confounding=1.0, second_population=0.2), planted)
    assert abs(outcome.case.mean() - 0.5) < 0.01


def test_confounding_is_seen_and_declared(planted: list[Planted]) -> None:
    random = np.random.default_rng(2)
    second = random.random(PEOPLE) < 0.3
    alleles = random.binomial(2, 0.3, (len(planted), PEOPLE))
    section = SimulateSection(confounding=1.0, second_population=0.3)
    outcome = draw_affected(section, planted, alleles, random.normal(73, 7, PEOPLE), second, 4)
    weights, _ = logistic(second[:, None], outcome.case)
    assert 0.6 < weights[1] < 1.05


def test_nothing_is_associated_in_null_mode(planted: list[Planted]) -> None:
    alleles, age, outcome = draw(SimulateSection(null_mode=True), planted)
    columns = np.vstack([alleles, age[None] / 10, outcome.loss.T])
    weights, errors = logistic(columns.T, outcome.case)
    assert (np.abs(weights[1:]) < 4 * errors[1:]).all()
    assert outcome.case.sum() == PEOPLE // 2


def test_without_other_causes_effects_stay_as_they_are() -> None:
    only = conditional_effects(np.array([0.7]), np.array([0.4]), 0.0)
    assert only == pytest.approx([0.7])
    assert (conditional_effects(np.array([0.7, 0.2]), np.array([0.4, 0.4]), 1.0) > [0.7, 0.2]).all()


def test_a_lopsided_pool_is_refused() -> None:
    case = np.array([True] * 30 + [False] * 5)
    with pytest.raises(ConfigurationError, match="5 controls"):
        choose_balanced(case, 20)
    cases, controls = choose_balanced(case, 9)
    assert len(cases) == 4
    assert len(controls) == 5
