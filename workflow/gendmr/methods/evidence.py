"""What the training people say about each SNP and each region, by cross-fitting. Ours.

The loss on a person must not use evidence that this person contributed to: the attention would
learn to trust noise. So the training people are cut into parts; evidence for a part comes from the
others. People outside the training set are judged by evidence from the whole of it.

Four channels per SNP, each a score statistic adjusted for covariates and ancestry components:

- `diagnosis`: against the diagnosis;
- `imaging`: against the out-of-fold imaging risk, among people with images: imaging teaches
  genetics, by a target that is less noisy than the diagnosis;
- `unexplained`: against what imaging leaves of the diagnosis (for people without images, all of
  it): where genetics has something of its own to say;
- `region`: against single region measurements that differ between cases and controls, the best of
  them counted, within cases and within controls. A gene that works through one region is diluted in
  the imaging risk, which sums many; and given the diagnosis this channel is independent of the
  first, so that both may be added up.

One channel per measure of a region: its statistic against the diagnosis, adjusted for covariates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from gendmr.training.association import score_test
from gendmr.training.partition import stratified_parts
from gendmr.training.preparation import People

CHANNELS = ("diagnosis", "imaging", "unexplained", "region")
TWO_CHANNELS = CHANNELS[:3]
FEWEST = 20  # people with images, below which there is no imaging risk
IMAGING_PARTS = 5
FEWEST_FOR_STATISTICS = 8  # people with images, below which regions have no statistics
FEWEST_OF_A_CLASS = 3
# Measurements that a SNP is tested against: those that tell cases from controls best, if they do.
MOST_MEASURES, LEAST_Z = 8, 2.0


@dataclass(frozen=True)
class Evidence:
    """Evidence for every part of every partition, and from all training people.

    Parameters
    ----------
    part : int64 (partitions, people)
        The part of each training person in each partition.
    snp : float32 (partitions, parts, snp, 4)
        z statistics from the people outside the part; channels as in `CHANNELS`.
    region : float32 (partitions, parts, region, 3)
        z statistics of volume, mean and spread.
    snp_all, region_all : float32 (snp, 4), (region, 3)
        From all training people.
    imaging_people : int
        Training people behind the imaging channel; 0 where it is empty.
    """

    part: np.ndarray
    snp: np.ndarray
    region: np.ndarray
    snp_all: np.ndarray
    region_all: np.ndarray
    imaging_people: int


def collect(
    people: People,
    *,
    parts: int,
    partitions: int,
    channels: tuple[str, ...],
    random: np.random.Generator,
) -> Evidence:
    """Collect evidence from training people.

    Parameters
    ----------
    people : People
        Training people.
    parts, partitions : int
        Parts of a partition; number of partitions.
    channels : tuple of str
        Channels to fill; the others are 0.
    random : numpy.random.Generator
        Cuts the parts.
    """
    part = np.stack([stratified_parts(people, parts, random) for _ in range(partitions)])
    inner = stratified_parts(people, IMAGING_PARTS, random)
    everybody = np.ones(len(people), dtype=bool)
    insides = [[part[row] != number for number in range(parts)] for row in range(partitions)]
    # All or none: what is learned without a statistic would be applied with it.
    sources = _Sources(
        channels=channels,
        risk="imaging" in channels
        and all(_usable(people, inside) for row in insides for inside in row),
        linked=all(_linked(people, inside) for row in insides for inside in row),
        regions=bool(channels)
        and all(_countable(people, inside) for row in insides for inside in row),
    )
    found = [[_evidence(people, inside, inner, sources) for inside in row] for row in insides]
    snp_all, region_all = _evidence(people, everybody, inner, sources)
    return Evidence(
        part=part,
        snp=np.stack([np.stack([snp for snp, _ in row]) for row in found]),
        region=np.stack([np.stack([region for _, region in row]) for row in found]),
        snp_all=snp_all,
        region_all=region_all,
        imaging_people=int(people.has_region.sum()) if sources.risk and sources.linked else 0,
    )


@dataclass(frozen=True)
class _Sources:
    """What evidence there is.

    Channels asked for, an imaging risk, enough people with both modalities to link SNPs with
    imaging, statistics of regions.
    """

    channels: tuple[str, ...]
    risk: bool
    linked: bool
    regions: bool


def _evidence(
    people: People, inside: np.ndarray, inner: np.ndarray, sources: _Sources
) -> tuple[np.ndarray, np.ndarray]:
    y = people.diagnosis.astype(np.float64)
    channels = sources.channels
    snp = np.zeros((people.dosage.shape[1], len(CHANNELS)), dtype=np.float32)
    imaging = inside & people.has_region
    typed = inside & people.has_snp
    expected = np.full(len(people), y[inside].mean() if inside.any() else 0.5)
    if sources.risk:
        expected[imaging] = imaging_risk(
            people.regions[imaging].reshape(int(imaging.sum()), -1), y[imaging], inner[imaging]
        )
    if typed.sum() > people.covariates.shape[1] + 3 and snp.size and channels:
        phenotypes = np.stack([y, y - expected], axis=1)[typed]
        z, _ = score_test(people.dosage[typed], phenotypes, people.covariates[typed])
        if "diagnosis" in channels:
            snp[:, 0] = z[:, 0]
        if "unexplained" in channels:
            snp[:, 2] = z[:, 1]
        both = typed & imaging
        if sources.risk and sources.linked:
            z, _ = score_test(people.dosage[both], expected[both], people.covariates[both])
            snp[:, 1] = z[:, 0]
    region = np.zeros((people.regions.shape[1], 3), dtype=np.float32)
    if sources.regions and region.size:
        region = region_statistics(people.regions[imaging], y[imaging])
        both = typed & imaging
        if "region" in channels and snp.size and sources.linked:
            snp[:, 3] = through_regions(
                people.dosage[both], people.regions[both], y[both], people.covariates[both], region
            )
    return snp, region


def _usable(people: People, inside: np.ndarray) -> bool:
    """Return whether an imaging risk can be fitted on these people."""
    return _enough(people, inside, FEWEST, IMAGING_PARTS)


def _linked(people: People, inside: np.ndarray) -> bool:
    """Return whether SNPs can be tested against imaging in these people."""
    both = int((inside & people.has_snp & people.has_region).sum())
    return both > people.covariates.shape[1] + FEWEST


def _countable(people: People, inside: np.ndarray) -> bool:
    """Return whether statistics of regions mean anything in these people."""
    return _enough(people, inside, FEWEST_FOR_STATISTICS, FEWEST_OF_A_CLASS)


def _enough(people: People, inside: np.ndarray, fewest: int, of_a_class: int) -> bool:
    chosen = people.diagnosis[inside & people.has_region]
    return len(chosen) >= fewest and min(chosen.sum(), (1 - chosen).sum()) >= of_a_class


def region_statistics(regions: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return r·sqrt(n) of each measure with the diagnosis, float32 (region, measure).

    The measures are adjusted for covariates already (`RegionScaler`).
    """
    values = regions.reshape(len(regions), -1).astype(np.float64)
    values = values - values.mean(axis=0)
    target = y - y.mean()
    norm = np.sqrt((values**2).sum(axis=0) * (target**2).sum())
    r = np.where(norm > 1e-9, (target @ values) / np.where(norm > 1e-9, norm, 1), 0.0)
    return (r * np.sqrt(len(y))).reshape(regions.shape[1:]).astype(np.float32)


def through_regions(
    dosage: np.ndarray,
    regions: np.ndarray,
    y: np.ndarray,
    covariates: np.ndarray,
    statistics: np.ndarray,
) -> np.ndarray:
    """Return the evidence (snp,) that a SNP raises the risk through some region.

    The SNP's largest |z| with one of the measurements that differ between cases and controls,
    adjusted for covariates and the diagnosis, made comparable to a single test: its p-value is
    raised to that of the best of `m` independent tests (Sidak), with `m` the effective number of
    measurements, (sum of eigenvalues)^2 / sum of their squares of the correlation matrix. Positive
    where the effect allele moves the measurement the way cases differ.

    Parameters
    ----------
    dosage : int8 (people, snp)
    regions : float (people, region, measure)
    y : float (people,)
    covariates : float (people, covariate)
    statistics : float (region, measure)
        Of each measurement with the diagnosis, from the same people.
    """
    difference = statistics.reshape(-1)
    chosen = np.argsort(-np.abs(difference), kind="stable")[:MOST_MEASURES]
    chosen = chosen[np.abs(difference[chosen]) > LEAST_Z]
    features = regions.reshape(len(regions), -1)[:, chosen].astype(np.float64)
    varying = features.std(axis=0) > 1e-9
    chosen, features = chosen[varying], features[:, varying]
    if not chosen.size:
        return np.zeros(dosage.shape[1])
    z, _ = score_test(dosage, features, np.column_stack([covariates, y]))
    best = np.abs(z).argmax(axis=1)
    strongest = z[np.arange(len(z)), best]
    roots = np.linalg.eigvalsh(np.atleast_2d(np.corrcoef(features.T)))
    independent = roots.sum() ** 2 / (roots**2).sum()
    # log(1 - (1 - p)^m) without losing small p
    single = 2 * ndtr(-np.abs(strongest))
    corrected = -np.expm1(independent * np.log1p(-np.minimum(single, 1 - 1e-12)))
    size = -ndtri(np.clip(corrected, 1e-300, 1.0) / 2)
    return np.asarray(np.sign(strongest * difference[chosen[best]]) * size)


def imaging_risk(features: np.ndarray, y: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Return the out-of-fold risk (people,) of being a case by imaging.

    Ridge regression of the diagnosis on the region measurements, penalty by generalised
    cross-validation (Golub, Heath & Wahba 1979) inside each training part, in closed form.

    Parameters
    ----------
    features : float (people, feature)
        Standardised.
    y : float (people,)
        0 or 1.
    part : int (people,)
        A person's risk is fitted on the other parts.
    """
    risk = np.empty(len(y))
    for number in np.unique(part):
        outside = part == number
        risk[outside] = _ridge(features[~outside], y[~outside], features[outside])
    return np.clip(risk, 0.02, 0.98)


def _ridge(features: np.ndarray, y: np.ndarray, others: np.ndarray) -> np.ndarray:
    features, others = features.astype(np.float64), others.astype(np.float64)
    centre, level = features.mean(axis=0), y.mean()
    left, singular, right = np.linalg.svd(features - centre, full_matrices=False)
    kept = singular > 1e-8
    if not kept.any():
        return np.full(len(others), level)
    left, singular, right = left[:, kept], singular[kept], right[kept]
    target = left.T @ (y - level)
    total = ((y - level) ** 2).sum()
    penalties = len(y) * 10.0 ** np.arange(-2.0, 4.0)
    shrink = singular**2 / (singular**2 + penalties[:, None])
    residual = total - (target**2 * (2 * shrink - shrink**2)).sum(axis=1)
    free = np.maximum(len(y) - 1 - shrink.sum(axis=1), 1e-3)
    best = int(np.argmin(residual / free**2))
    coefficients = right.T @ (shrink[best] / singular * target)
    return np.asarray(level + (others - centre) @ coefficients)
