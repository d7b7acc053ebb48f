"""The planted truth: which genes raise the risk, which shrink a region, who falls ill."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from gendmr.config.simulate import SimulateSection
from gendmr.errors import ConfigurationError, first_few
from gendmr.seeds import generator
from gendmr.simulate.gene_action import acting_genes, effects_of_like_variance, marginal_ratios
from gendmr.simulate.measurements import unexplained_variance
from gendmr.simulate.placement import causal_row

# A probit is close to a logit whose argument is divided by this (Zeger, Liang & Albert 1988,
# Biometrics 44:1049): what turns effects given all other causes into the marginal ones.
_ATTENUATION = (16 * np.sqrt(3) / (15 * np.pi)) ** 2
HEALTHY_LOSS = 0.04  # mean share lost by everybody
SEVERITY = 0.25  # SD of how far the disease has come, mean 1; shared by all regions of a person
LARGEST_LOSS = 0.4
LARGEST_SHARE = 0.9  # of a region's susceptibility that genes may explain


@dataclass(frozen=True)
class Planted:
    """A gene that raises the risk.

    Attributes
    ----------
    gene : str
    row : int
        Row of the variant in the panel.
    derived : bool
        Whether the risk allele, the minor one, is the derived allele.
    odds_ratio : float
        Per copy of the risk allele, marginal: what an association test estimates. NaN until
        `draw_affected` where it follows from `share`. Of genes that do not act additively it is
        that of an additive gene which explains as much, until `draw_affected` has the true one.
    through : str
        `diagnosis`, or the name of the region it shrinks.
    share : float or None
        Share of the variance of the region's susceptibility that it explains; None where the odds
        ratio decides.
    partner : str or None
        The gene without which it does nothing.
    """

    gene: str
    row: int
    derived: bool
    odds_ratio: float
    through: str
    share: float | None = None
    partner: str | None = None


def plant(
    section: SimulateSection,
    candidates: list[str],
    variants: pd.DataFrame,
    derived: np.ndarray,
    seed: int,
    starts: dict[str, int] | None = None,
) -> list[Planted]:
    """Choose a SNP of each planted gene, its odds ratio and its way to the disease.

    Parameters
    ----------
    section : SimulateSection
    candidates : list of str
        Genes in the order in which they are planted.
    variants : pandas.DataFrame
        The panel's variants.
    derived : ndarray, shape (variants,)
        Frequencies of their derived alleles.
    seed : int
    starts : dict of str to int, optional
        Where transcription of each gene starts, bp; needed for clustered genes.
    """
    if section.null_mode:
        return []
    random = generator(seed, "simulate", "plant")
    frequency = np.minimum(derived, 1 - derived)
    low, high = section.odds_ratios
    n_weaker = section.planted - 1
    ratios = [section.strongest_odds_ratio, *random.uniform(low, high, n_weaker).round(3)]
    paths = ["diagnosis"] * section.planted
    n_through_regions = round(section.through_regions * n_weaker) if section.mediators else 0
    for number, index in enumerate(random.permutation(n_weaker)[:n_through_regions]):
        paths[int(index) + 1] = section.mediators[number % len(section.mediators)]
    share = _share_of_susceptibility(section)
    planted = []
    for gene, ratio, path in zip(candidates[: section.planted], ratios, paths, strict=True):
        best = causal_row(section, gene, variants, frequency, starts or {})
        item = Planted(gene, best, bool(derived[best] <= 0.5), float(ratio), path)
        if share is not None and path != "diagnosis":
            item = replace(item, odds_ratio=float("nan"), share=share)
        planted.append(item)
    if section.gene_action == "epistatic":
        planted = _paired(planted)
    _check_shares(planted)
    return planted


def _paired(planted: list[Planted]) -> list[Planted]:
    """Join genes that act directly two by two, and those that act through regions.

    The second of a pair acts through the region of the first. One left over stays alone.
    """
    paired = list(planted)
    for direct in (True, False):
        numbers = [
            number for number, item in enumerate(planted) if (item.through == "diagnosis") is direct
        ]
        for first, second in zip(numbers[::2], numbers[1::2], strict=False):
            paired[first] = replace(planted[first], partner=planted[second].gene)
            paired[second] = replace(
                planted[second], partner=planted[first].gene, through=planted[first].through
            )
    return paired


def _share_of_susceptibility(section: SimulateSection) -> float | None:
    """Return `variance_explained` as a share of the susceptibility, a part of the volume.

    Beside it stands what volumes vary by whatever the susceptibility: the noise of measuring.
    """
    if section.variance_explained is None:
        return None
    susceptibility_variance = section.susceptibility**2
    return (
        section.variance_explained
        * (susceptibility_variance + unexplained_variance())
        / susceptibility_variance
    )


def _check_shares(planted: list[Planted]) -> None:
    shares: dict[str, float] = {}
    for item in planted:
        shares[item.through] = shares.get(item.through, 0.0) + (item.share or 0.0)
    over = [name for name, share in shares.items() if share > LARGEST_SHARE]
    if over:
        raise ConfigurationError(
            f"simulate.variance_explained: the genes that act through {first_few(over)} would"
            f" explain more than {LARGEST_SHARE:.0%} of its susceptibility",
            cause="many genes for few regions, or a susceptibility that is small beside the noise",
            next_step="lower simulate.variance_explained, name more regions, or raise"
            " simulate.susceptibility",
        )


@dataclass(frozen=True)
class DiseaseState:
    """What the disease model decides about each person of the pool.

    Attributes
    ----------
    case : ndarray of bool, shape (people,)
    loss : ndarray of float64, shape (people, mediators)
        Share of the volume that each named region has lost, or what a connection is weaker by, up
        to `LARGEST_LOSS`. Not below 0 where images are bent; in measurements a region may also be
        larger than usual.
    odds_ratios : ndarray of float64, shape (planted,)
        Marginal odds ratios of the planted genes.
    effects : ndarray of float64, shape (planted,)
        Their log odds ratios given all other causes: per copy of the risk allele, or, where genes
        do not act additively, of people who have what it takes.
    susceptibility : ndarray of float64, shape (people, mediators)
        Of each of `mediators`, the genes that act through it included. None in null mode, where
        susceptibilities have no part in any outcome.
    unexplained : ndarray of float64, shape (people,)
        What decides the diagnosis beside the logit, of mean 0 and variance 1: the error of the
        latent variable whose positive values are cases.
    """

    case: np.ndarray
    loss: np.ndarray
    odds_ratios: np.ndarray
    effects: np.ndarray
    susceptibility: np.ndarray
    unexplained: np.ndarray


def draw_affected(
    section: SimulateSection,
    planted: list[Planted],
    risk_alleles: np.ndarray,
    age: np.ndarray,
    second: np.ndarray,
    seed: int,
) -> DiseaseState:
    """Decide diagnoses by a logistic model, and atrophy by susceptibility and diagnosis.

    The logit is the sum of the direct genes' centred allele counts (or of what else they do with
    them, see `gene_action`), of the regions' susceptibilities (noise and the genes that act through
    them), of age and of the population; its intercept makes half of the pool cases. Cases then lose
    volume in the named regions. Where genes explain a share of a susceptibility, its variance stays
    one.

    Parameters
    ----------
    section : SimulateSection
    planted : list of Planted
    risk_alleles : ndarray, shape (planted, people)
        Copies of the minor allele, 0 to 2.
    age : ndarray, shape (people,)
        Years.
    second : ndarray of bool, shape (people,)
        Whether a person is of the second population.
    seed : int

    Raises
    ------
    ConfigurationError
        Nobody has what a gene takes that does not act additively, or everybody.
    """
    people, regions = len(age), len(section.mediators)
    random = generator(seed, "simulate", "disease")
    susceptibility = random.standard_normal((people, regions))
    draw = random.random(people)
    severity = random.gamma(SEVERITY**-2, SEVERITY**2, people)
    if section.null_mode:
        case = draw < np.median(draw)
        loss = HEALTHY_LOSS + section.susceptibility * susceptibility
        none = np.zeros(0)
        return DiseaseState(
            case, _clip(section, loss), none, none, np.zeros((people, 0)), _latent_error(draw)
        )

    frequency = risk_alleles.mean(axis=1) / 2
    variances = 2 * frequency * (1 - frequency)
    other_variance = section.age_effect**2 + regions * section.region_effect**2
    other_variance += (
        section.confounding**2 * section.second_population * (1 - section.second_population)
    )
    effects, ratios = _effects(section, planted, variances, other_variance)
    acting = acting_genes(section.gene_action, planted, risk_alleles)
    if section.gene_action != "additive":
        explained = variances * effects**2
        effects = effects_of_like_variance(acting, explained)
        # Genes with a share are a part of their region's susceptibility.
        shared = np.array([item.share is not None for item in planted], dtype=bool)
        ratios = marginal_ratios(
            acting, effects, frequency, other_variance - float(explained[shared].sum())
        )
    for number, name in enumerate(section.mediators):
        inherited = sum(item.share or 0.0 for item in planted if item.through == name)
        susceptibility[:, number] *= np.sqrt(1 - inherited)
    logit = section.age_effect * (age - age.mean()) / age.std() + section.confounding * second
    for unit in acting:
        item, effect = planted[unit.genes[0]], effects[unit.genes[0]]
        if item.through == "diagnosis":
            logit = logit + effect * unit.centred
            continue
        region = section.mediators.index(item.through)
        if item.share is None:
            susceptibility[:, region] += effect / section.region_effect * unit.centred
        else:
            share = sum(planted[gene].share or 0.0 for gene in unit.genes)
            susceptibility[:, region] += np.sqrt(share / unit.variance) * unit.centred
    logit = logit + section.region_effect * susceptibility.sum(axis=1)
    case = draw < 1 / (1 + np.exp(-(logit - _balance(logit))))
    loss = HEALTHY_LOSS + section.susceptibility * susceptibility
    loss += np.where(case, section.atrophy * severity, 0)[:, None]
    return DiseaseState(
        case, _clip(section, loss), ratios, effects, susceptibility, _latent_error(draw)
    )


def _latent_error(draw: np.ndarray) -> np.ndarray:
    """Return the standardised logistic error that a uniform draw stands for; high: a case."""
    inner = np.clip(draw, 1e-12, 1 - 1e-12)
    return np.asarray(np.log(1 / inner - 1) * np.sqrt(3) / np.pi)


def _effects(
    section: SimulateSection, planted: list[Planted], variances: np.ndarray, other_variance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return log odds ratios given all other causes, and marginal odds ratios.

    Genes with a share are part of their region's susceptibility, and so of `other_variance`.
    """
    shared = np.array([item.share is not None for item in planted], dtype=bool)
    marginal = np.log([item.odds_ratio for item in planted])
    effects = np.zeros(len(planted))
    effects[~shared] = conditional_effects(marginal[~shared], variances[~shared], other_variance)
    total = other_variance + float((variances * effects**2).sum())
    shares = np.array([item.share or 0.0 for item in planted])
    effects[shared] = section.region_effect * np.sqrt(shares[shared] / variances[shared])
    remaining_variance = total - variances[shared] * effects[shared] ** 2
    marginal[shared] = effects[shared] / np.sqrt(1 + _ATTENUATION * remaining_variance)
    return effects, np.exp(marginal)


def conditional_effects(
    marginal: np.ndarray, shares: np.ndarray, other_variance: float
) -> np.ndarray:
    """Return log odds ratios given all other causes, from marginal ones.

    A logistic model without the other causes finds smaller effects, by the root of
    1 + 0.346 times the variance that those causes add to the logit.

    Parameters
    ----------
    marginal : ndarray, shape (planted,)
        Log odds ratios per allele that an association test is to find.
    shares : ndarray, shape (planted,)
        Variance of the allele counts.
    other_variance : float
        Variance of the logit that is not due to these genes.
    """
    effects = marginal.copy()
    for _ in range(50):
        variance = shares * effects**2
        effects = marginal * np.sqrt(
            1 + _ATTENUATION * (other_variance + variance.sum() - variance)
        )
    return effects


def choose_balanced(case: np.ndarray, people: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first cases and controls of the pool: half of `people` each.

    Raises
    ------
    ConfigurationError
        The pool has too few of either.
    """
    cases, controls = np.flatnonzero(case), np.flatnonzero(~case)
    sizes = people // 2, people - people // 2
    if len(cases) < sizes[0] or len(controls) < sizes[1]:
        raise ConfigurationError(
            f"simulate: {len(cases)} cases and {len(controls)} controls arose, {sizes[0]} and"
            f" {sizes[1]} are needed",
            cause="effects so strong that the pool is lopsided",
            next_step="lower simulate.strongest_odds_ratio or age_effect, or change the seed",
        )
    return cases[: sizes[0]], controls[: sizes[1]]


def _balance(logit: np.ndarray) -> float:
    """Return the shift after which half of the people are expected to be cases."""
    low, high = float(logit.min()), float(logit.max())
    for _ in range(60):
        middle = (low + high) / 2
        if (1 / (1 + np.exp(-(logit - middle)))).mean() > 0.5:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _clip(section: SimulateSection, loss: np.ndarray) -> np.ndarray:
    lowest = 0.0 if section.imaging == "t1w" else -LARGEST_LOSS
    return np.asarray(np.clip(loss, lowest, LARGEST_LOSS))
