"""How copies of risk alleles become an effect: additive, recessive, dominant or epistatic genes.

Recessive, dominant and epistatic genes do nothing, or all they do: recessive ones with two copies
of the risk allele, dominant ones with one or two, a pair of epistatic ones where each has one or
two. Their effect is such that they explain as much of the variance of the logit as additive genes
of the configured odds ratios would, a pair as much as both. So what genes say in all is the same,
and who reads copies as if they added up sees the less of it the rarer it is that they do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gendmr.errors import ConfigurationError

if TYPE_CHECKING:
    from gendmr.simulate.disease import Planted

_COPIES = np.arange(3)
_NODES = 64  # of the Gauss-Hermite rule for the causes that are not genes
_GRID = np.linspace(-40, 40, 8001)  # of the logit


@dataclass(frozen=True)
class GeneEffect:
    """One gene, or a pair that acts together, in a pool of people.

    Attributes
    ----------
    action : str
        `additive`, `recessive`, `dominant` or `epistatic`.
    genes : tuple of int
        Numbers among the planted: one, or the two of a pair.
    centred : ndarray of float64, shape (people,)
        What the effect is multiplied by, less its mean: copies of an additive gene, else whether
        a person has what it takes.
    mean, variance : float
        Of the same before.
    """

    action: str
    genes: tuple[int, ...]
    centred: np.ndarray
    mean: float
    variance: float


def acting_genes(
    action: str, planted: Sequence[Planted], risk_alleles: np.ndarray
) -> list[GeneEffect]:
    """Return the genes as they act, pairs once.

    Parameters
    ----------
    action : str
        Of the configuration.
    planted : sequence of Planted
    risk_alleles : ndarray, shape (planted, people)
        Copies of the risk allele, 0 to 2.

    Raises
    ------
    ConfigurationError
        Nobody has what a gene takes, or everybody.
    """
    numbers = {item.gene: number for number, item in enumerate(planted)}
    acting = []
    for number, item in enumerate(planted):
        partner = None if item.partner is None else numbers[item.partner]
        if partner is not None and partner < number:
            continue
        genes = (number,) if partner is None else (number, partner)
        own = "additive" if action == "epistatic" and partner is None else action
        if own == "additive":
            frequency = risk_alleles.mean(axis=1)[number] / 2
            centred = np.asarray(risk_alleles[number] - 2 * frequency)
            variance = 2 * frequency * (1 - frequency)
            acting.append(GeneEffect(own, genes, centred, 2 * frequency, variance))
            continue
        least = 2 if own == "recessive" else 1
        exposed = np.asarray((risk_alleles[list(genes)] >= least).all(axis=0))
        _check_exposed(own, [planted[gene].gene for gene in genes], exposed)
        mean = float(exposed.mean())
        centred = exposed.astype(np.float64) - mean
        acting.append(GeneEffect(own, genes, centred, mean, mean * (1 - mean)))
    return acting


def _check_exposed(action: str, names: list[str], exposed: np.ndarray) -> None:
    count = int(exposed.sum())
    if count in (0, len(exposed)):
        raise ConfigurationError(
            f"simulate.gene_action: {count} of {len(exposed)} people have the risk alleles that"
            f" {' and '.join(names)} would need to act as {action}",
            cause="a small cohort, or a risk allele that is rare or common in it",
            next_step="raise simulate.people, or set simulate.gene_action to additive",
        )


def effects_of_like_variance(acting: Sequence[GeneEffect], explained: np.ndarray) -> np.ndarray:
    """Return effects with which genes explain a variance, a pair that of both.

    Parameters
    ----------
    acting : sequence of GeneEffect
    explained : ndarray, shape (planted,)
        Variance of the logit that each gene is to explain.

    Returns
    -------
    ndarray of float64, shape (planted,)
        Log odds ratios given all other causes; genes of a pair have the same.
    """
    effects = np.zeros(len(explained))
    for unit in acting:
        genes = list(unit.genes)
        effects[genes] = np.sqrt(explained[genes].sum() / unit.variance)
    return effects


def marginal_ratios(
    acting: Sequence[GeneEffect], effects: np.ndarray, frequency: np.ndarray, other_variance: float
) -> np.ndarray:
    """Return the odds ratios per copy that an association test estimates.

    The test is a logistic regression of the diagnosis on copies alone, where half of the people are
    cases. What it converges to is computed: the probability of being a case with 0, 1 and 2 copies,
    over genotypes of the other genes in Hardy-Weinberg proportions and normal other causes, and the
    line that the regression lays through them.

    Parameters
    ----------
    acting : sequence of GeneEffect
    effects : ndarray, shape (planted,)
        Log odds ratios given all other causes.
    frequency : ndarray, shape (planted,)
        Of the risk alleles.
    other_variance : float
        Variance of the logit that is not due to these genes.

    Returns
    -------
    ndarray of float64, shape (planted,)
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    causes = _GRID[:, None] + np.sqrt(other_variance) * nodes
    chance = (1 / (1 + np.exp(-causes))) @ (weights / weights.sum())
    ratios = np.zeros(len(effects))
    for unit in acting:
        # The chance of being a case at a logit, in the mean over everything but this unit.
        average = chance
        for other in acting:
            if other is not unit:
                average = _averaged(average, *_distribution(other, effects, frequency))
        for gene in unit.genes:
            shares = _genotypes(frequency[gene])
            by_copies = [
                _averaged(average, *_distribution(unit, effects, frequency, gene, copies))
                for copies in range(3)
            ]
            cases = _balanced(np.stack(by_copies), shares)
            ratios[gene] = np.exp(_regression_slope(cases, shares))
    return ratios


def _genotypes(frequency: float) -> np.ndarray:
    """Return the shares of people with 0, 1 and 2 copies, in Hardy-Weinberg proportions."""
    return np.array([(1 - frequency) ** 2, 2 * frequency * (1 - frequency), frequency**2])


def _distribution(
    unit: GeneEffect,
    effects: np.ndarray,
    frequency: np.ndarray,
    gene: int | None = None,
    copies: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return what a unit adds to the logit, and how often; of people with some copies of a gene."""
    effect = effects[unit.genes[0]]
    genotypes = [
        np.eye(3)[copies] if number == gene else _genotypes(frequency[number])
        for number in unit.genes
    ]
    if unit.action == "additive":
        return effect * (_COPIES - unit.mean), genotypes[0]
    least = 2 if unit.action == "recessive" else 1
    exposed = float(np.prod([shares[least:].sum() for shares in genotypes]))
    return effect * (np.arange(2) - unit.mean), np.array([1 - exposed, exposed])


def _averaged(chance: np.ndarray, values: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return the chance by logit, in the mean over something that is added to the logit."""
    moved = [np.interp(_GRID + value, _GRID, chance) for value in values]
    return np.asarray(shares @ np.stack(moved))


def _balanced(by_copies: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return the chance by copies where half of all people are cases, from (copies, logit)."""
    logit = np.interp(0.5, shares @ by_copies, _GRID)
    return np.array([np.interp(logit, _GRID, chance) for chance in by_copies])


def _regression_slope(cases: np.ndarray, shares: np.ndarray) -> float:
    """Return the slope of a logistic regression on 0, 1 and 2 copies, by Newton's method."""
    design = np.column_stack([np.ones(3), _COPIES])
    coefficients = np.zeros(2)
    for _ in range(50):
        fitted = 1 / (1 + np.exp(-design @ coefficients))
        hessian = design.T @ (design * (shares * fitted * (1 - fitted))[:, None])
        step = np.linalg.solve(hessian, design.T @ (shares * (cases - fitted)))
        coefficients = coefficients + step
    return float(coefficients[1])
