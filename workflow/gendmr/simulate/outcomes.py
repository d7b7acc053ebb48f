r"""Outcomes beside the diagnosis, driven by the same planted genes and regions.

The liability of person :math:`i` to an outcome has mean 0 and variance 1:

.. math:: \ell_i = \sum_g b_g (x_{gi} - \bar x_g) + \sum_r c_r (s_{ri} - \bar s_r) + e_i

with copies :math:`x` of the risk alleles of the genes that act directly, susceptibilities :math:`s`
of the regions (which hold the genes that act through them) and a rest :math:`e`. Each of the three
is a mixture of what the diagnosis has and of a part of the outcome's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from gendmr.config.simulate import (
    AnySimulatedOutcome,
    SimulatedMulticlass,
    SimulatedOutcome,
    SimulatedQuantitative,
    SimulatedSurvival,
    SimulateSection,
)
from gendmr.errors import ConfigurationError
from gendmr.seeds import generator
from gendmr.simulate.disease import DiseaseState, Planted

SHORTEST = 0.1  # months; times have one decimal place and are never 0


@dataclass(frozen=True)
class Causes:
    """What drives liabilities in a pool of people.

    Attributes
    ----------
    copies : ndarray of float64, shape (planted, people)
        Copies of each risk allele, centred.
    weights : ndarray of float64, shape (planted,)
        Of the genes for the diagnosis: log odds ratios per copy.
    through : ndarray of int64, shape (planted,)
        Number of the region that a gene acts through, -1 where it acts directly.
    on_region : ndarray of float64, shape (planted,)
        Effect per copy on the susceptibility of that region, 0 where there is none.
    susceptibility : ndarray of float64, shape (people, regions)
        Centred.
    unexplained : ndarray of float64, shape (people,)
        What else decides the diagnosis; mean 0, variance 1.
    """

    copies: np.ndarray
    weights: np.ndarray
    through: np.ndarray
    on_region: np.ndarray
    susceptibility: np.ndarray
    unexplained: np.ndarray


@dataclass(frozen=True)
class Liability:
    """A liability of everybody and its planted effects, given all its other causes.

    Attributes
    ----------
    value : ndarray of float64, shape (people,)
        Mean 0, variance 1.
    genes : ndarray of float64, shape (planted,)
        Effects per copy of the risk allele; through their region where a gene acts so.
    regions : ndarray of float64, shape (regions,)
        Effects per unit of a region's susceptibility.
    """

    value: np.ndarray
    genes: np.ndarray
    regions: np.ndarray


@dataclass(frozen=True)
class SimulatedColumns:
    """An outcome of everybody in the pool, and what drives it.

    Attributes
    ----------
    section : SimulatedOutcome
    table : pandas.DataFrame, shape (people, columns)
        What participants.tsv holds; NaN or NA where it is missing.
    liability : Liability
    second : Liability or None
        The second axis of classes.
    scale : float
        Effect on the outcome per unit of liability: of the score, of the log hazard, of the axis.
    """

    section: AnySimulatedOutcome
    table: pd.DataFrame
    liability: Liability
    second: Liability | None
    scale: float


def causes_of(
    section: SimulateSection, planted: list[Planted], risk_alleles: np.ndarray, state: DiseaseState
) -> Causes:
    """Return what drives the outcomes of a pool, from what drives the diagnosis.

    Parameters
    ----------
    section : SimulateSection
    planted : list of Planted
    risk_alleles : ndarray, shape (planted, people)
        Copies of the risk alleles, 0 to 2.
    state : DiseaseState
        As `draw_affected` returned it for these people.
    """
    through = np.array(
        [-1 if g.through == "diagnosis" else section.mediators.index(g.through) for g in planted],
        dtype=np.int64,
    )
    return Causes(
        copies=risk_alleles - risk_alleles.mean(axis=1, keepdims=True),
        weights=state.effects,
        through=through,
        on_region=np.where(through < 0, 0.0, state.effects / section.region_effect),
        susceptibility=state.susceptibility - state.susceptibility.mean(axis=0),
        unexplained=state.unexplained,
    )


def draw_outcomes(
    section: SimulateSection, causes: Causes, seed: int
) -> dict[str, SimulatedColumns]:
    """Draw each further outcome of a pool of people, from a seed of its own.

    Parameters
    ----------
    section : SimulateSection
    causes : Causes
    seed : int
        The study's seed.

    Raises
    ------
    ConfigurationError
        The configured shares of a liability's variance cannot be had with what is planted.
    """
    return {name: _draw(name, item, causes, seed) for name, item in section.outcomes.items()}


def _draw(name: str, outcome: AnySimulatedOutcome, causes: Causes, seed: int) -> SimulatedColumns:
    random = generator(seed, "simulate", "outcome", name)
    liability = draw_liability(name, outcome, causes, outcome.shared, random)
    second, scale = None, 1.0
    if isinstance(outcome, SimulatedQuantitative):
        scale = outcome.sd if outcome.worse == "higher" else -outcome.sd
        decimals = max(0, 2 - int(np.floor(np.log10(outcome.sd))))
        table = pd.DataFrame({name: (outcome.mean + scale * liability.value).round(decimals)})
    elif isinstance(outcome, SimulatedSurvival):
        scale = outcome.log_hazard
        time, event = survival_times(outcome, liability.value, random)
        table = pd.DataFrame({outcome.time: time, outcome.event: pd.array(event, dtype="Int64")})
    else:
        independent = draw_liability(name, outcome, causes, 0.0, random)
        second = _second_axis(liability, independent, outcome.overlap)
        table = pd.DataFrame({name: cut_classes(outcome, liability.value, second.value)})
    # A stream of its own, so that another share of missing values leaves the other values alone.
    order = generator(seed, "simulate", "outcome", name, "missing").permutation(len(table))
    table = table.astype(object)
    table.iloc[order[: round(outcome.missing * len(table))]] = None
    return SimulatedColumns(outcome, table, liability, second, scale)


def draw_liability(
    name: str, outcome: SimulatedOutcome, causes: Causes, shared: float, random: np.random.Generator
) -> Liability:
    """Draw the own part of a liability and mix it with that of the diagnosis.

    Parameters
    ----------
    name : str
        Of the outcome, for errors.
    outcome : SimulatedOutcome
        Shares of the variance.
    causes : Causes
        Without planted genes and regions, as in null mode, all of the liability is rest.
    shared : float
        Weight of the diagnosis's part, 0 to 1.
    random : numpy.random.Generator

    Raises
    ------
    ConfigurationError
        Genes that act through regions explain more than `heritability` already, or no planted gene
        has an effect that could explain it.
    """
    own_genes = random.standard_normal(causes.weights.shape)
    own_regions = random.standard_normal(causes.susceptibility.shape[1:])
    own_rest = random.standard_normal(causes.unexplained.shape)
    genes = np.zeros(len(own_genes))
    regions = np.zeros(len(own_regions))
    if len(regions) and outcome.regional > 0:
        regions = _mixed(np.ones(len(regions)), own_regions, shared)
        regions *= np.sqrt(outcome.regional / (causes.susceptibility @ regions).var())
        acting = causes.through >= 0
        genes[acting] = causes.on_region[acting] * regions[causes.through[acting]]
    direct = causes.through < 0
    if direct.any():
        inherited = float((genes @ causes.copies).var())
        _check_inherited(name, outcome, inherited)
        spread = causes.copies[direct].std(axis=1)
        direct_effects = _mixed(causes.weights[direct] * spread, own_genes[direct], shared) / spread
        variance = float((direct_effects @ causes.copies[direct]).var())
        direct_variance = max(outcome.heritability - inherited, 0.0)
        if direct_variance > 0 and variance == 0:
            raise ConfigurationError(
                f"simulate.outcomes.{name}: no planted gene has an effect that could be shared",
                cause="odds ratios of 1 and `shared: 1`",
                next_step="raise simulate.strongest_odds_ratio, lower `shared`, or set"
                " `heritability: 0`",
            )
        genes[direct] = (
            direct_effects * np.sqrt(direct_variance / variance) if direct_variance > 0 else 0.0
        )
    value = genes[direct] @ causes.copies[direct] + causes.susceptibility @ regions
    residual = np.sqrt(shared) * causes.unexplained + np.sqrt(1 - shared) * own_rest
    value = (
        value + np.sqrt(max(1 - value.var(), 0.0)) * (residual - residual.mean()) / residual.std()
    )
    return Liability(value, genes, regions)


def _check_inherited(name: str, outcome: SimulatedOutcome, inherited: float) -> None:
    if inherited > outcome.heritability + 1e-9:
        raise ConfigurationError(
            f"simulate.outcomes.{name}: genes that act through regions explain {inherited:.3f} of"
            f" the liability, more than its heritability of {outcome.heritability:g}",
            cause="`regional` is large, or genes explain much of the regions",
            next_step=f"set simulate.outcomes.{name}.heritability to at least"
            f" {np.ceil(inherited * 100) / 100:g}, or lower `regional`",
        )


def _mixed(common: np.ndarray, specific: np.ndarray, shared: float) -> np.ndarray:
    """Return a mixture of two directions, each of length 1 (or nothing where it has none)."""
    return np.asarray(np.sqrt(shared) * _unit(common) + np.sqrt(1 - shared) * _unit(specific))


def _unit(weights: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(weights)
    return weights / length if length > 0 else weights


def _second_axis(first: Liability, independent: Liability, overlap: float) -> Liability:
    """Return a liability whose correlation with the first is `overlap`."""
    common = float(np.corrcoef(first.value, independent.value)[0, 1])
    b = np.sqrt((1 - overlap**2) / (1 - common**2))
    a = overlap - b * common
    return Liability(
        a * first.value + b * independent.value,
        a * first.genes + b * independent.genes,
        a * first.regions + b * independent.regions,
    )


def survival_times(
    outcome: SimulatedSurvival, liability: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    r"""Return times of Weibull proportional hazards, and whether the event was seen.

    The time to the event is :math:`m\,(E e^{-\beta\ell} / \ln 2)^{1/k}` with a standard exponential
    :math:`E`, median :math:`m` and shape :math:`k` (Bender, Augustin & Blettner 2005, Statistics in
    Medicine 24:1713). The study ends at a quantile of these times, and people leave at a constant
    rate before; that rate is solved for, so that the configured share is censored.

    Parameters
    ----------
    outcome : SimulatedSurvival
    liability : ndarray, shape (people,)
    random : numpy.random.Generator

    Returns
    -------
    time : ndarray of float64, shape (people,)
        Months, at least 0.1, one decimal place.
    event : ndarray of int64, shape (people,)
        1: seen, 0: censored.
    """
    people = len(liability)
    hazard = random.exponential(size=people) * np.exp(-outcome.log_hazard * liability)
    onset = outcome.median * (hazard / np.log(2)) ** (1 / outcome.shape)
    leaving = random.exponential(size=people)
    last = np.quantile(onset, 1 - outcome.censoring * outcome.administrative)
    # A person drops out before an observable event where the rate exceeds this ratio.
    ratio = np.sort(leaving[onset <= last] / onset[onset <= last])
    number = round(outcome.censoring * people) - int((onset > last).sum())
    end = np.full(people, last)
    if number > 0:
        rate = (ratio[number - 1] + ratio[min(number, len(ratio) - 1)]) / 2
        end = np.minimum(end, leaving / rate)
    event = onset <= end
    time = np.maximum(np.where(event, onset, end).round(1), SHORTEST)
    return time, event.astype(np.int64)


def cut_classes(
    outcome: SimulatedMulticlass, liability: np.ndarray, second: np.ndarray
) -> np.ndarray:
    """Return a label per person: the last along the liability, the others along the second axis.

    Parameters
    ----------
    outcome : SimulatedMulticlass
    liability, second : ndarray, shape (people,)

    Returns
    -------
    ndarray of str, shape (people,)
    """
    shares = np.array(outcome.class_shares)
    labels = np.array(outcome.labels, dtype=object)
    last = liability > np.quantile(liability, 1 - shares[-1])
    steps = np.cumsum(shares[:-1])[:-1] / shares[:-1].sum()
    cuts = np.quantile(second[~last], steps)
    return labels[np.where(last, len(labels) - 1, np.searchsorted(cuts, second))]
