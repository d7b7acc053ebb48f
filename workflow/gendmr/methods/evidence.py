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

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from gendmr.statistics.association import Phenotypes, score_tests
from gendmr.preprocessing.partition import stratified_parts
from gendmr.preprocessing.preparation import People

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
    subsets = [*(inside for row in insides for inside in row), everybody]
    snp, region = _evidence(people, subsets, inner, sources)
    shape = (partitions, parts)
    return Evidence(
        part=part,
        snp=snp[:-1].reshape(*shape, *snp.shape[1:]),
        region=region[:-1].reshape(*shape, *region.shape[1:]),
        snp_all=snp[-1],
        region_all=region[-1],
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
    people: People, subsets: list[np.ndarray], inner: np.ndarray, sources: _Sources
) -> tuple[np.ndarray, np.ndarray]:
    """Return statistics float32 (subset, snp, 4) and (subset, region, 3)."""
    y = people.diagnosis.astype(np.float64)
    region = np.zeros((len(subsets), people.regions.shape[1], 3), dtype=np.float32)
    tests: list[Phenotypes] = []
    asked: list[tuple[int, dict[str, Reading]]] = []
    for number, inside in enumerate(subsets):
        imaging = inside & people.has_region
        expected = np.full(len(people), y[inside].mean() if inside.any() else 0.5)
        if sources.risk:
            expected[imaging] = imaging_risk(
                people.regions[imaging].reshape(int(imaging.sum()), -1), y[imaging], inner[imaging]
            )
        if sources.regions and region.size:
            region[number] = region_statistics(people.regions[imaging], y[imaging])
        for test, readings in _tests(people, inside, expected, region[number], sources):
            asked.append((number, readings))
            tests.append(test)
    snp = np.zeros((len(subsets), people.dosage.shape[1], len(CHANNELS)), dtype=np.float32)
    for (number, readings), z in zip(asked, score_tests(people.dosage, tests), strict=True):
        for channel, read in readings.items():
            if channel in sources.channels:
                snp[number, :, CHANNELS.index(channel)] = read(z)
    return snp, region


Reading = Callable[[np.ndarray], np.ndarray]


def _tests(
    people: People,
    inside: np.ndarray,
    expected: np.ndarray,
    region: np.ndarray,
    sources: _Sources,
) -> Iterator[tuple[Phenotypes, dict[str, Reading]]]:
    """Give the tests of SNPs in a subset, and how channels are read from z (snp, phenotype)."""
    y = people.diagnosis.astype(np.float64)
    typed = inside & people.has_snp
    if not sources.channels or typed.sum() <= people.covariates.shape[1] + 3:
        return
    yield (
        Phenotypes(typed, np.stack([y, y - expected], axis=1)[typed], people.covariates[typed]),
        {"diagnosis": lambda z: z[:, 0], "unexplained": lambda z: z[:, 1]},
    )
    if not sources.linked:
        return
    both = typed & people.has_region
    covariates = people.covariates[both]
    if sources.risk:
        yield Phenotypes(both, expected[both, None], covariates), {"imaging": lambda z: z[:, 0]}
    if sources.regions and "region" in sources.channels:
        features, direction = differing(people.regions[both], region)
        if direction.size:
            yield (
                Phenotypes(both, features, np.column_stack([covariates, y[both]])),
                {"region": lambda z: through_regions(z, features, direction)},
            )


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


def differing(regions: np.ndarray, statistics: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the measurements that tell cases from controls best, and which way cases differ.

    Parameters
    ----------
    regions : float (people, region, measure)
    statistics : float (region, measure)
        Of each measurement with the diagnosis, from the same people.

    Returns
    -------
    features : float64 (people, measurement)
        At most `MOST_MEASURES`, those whose |z| is above `LEAST_Z`.
    direction : float64 (measurement,)
        Their statistics.
    """
    difference = statistics.reshape(-1)
    chosen = np.argsort(-np.abs(difference), kind="stable")[:MOST_MEASURES]
    chosen = chosen[np.abs(difference[chosen]) > LEAST_Z]
    features = regions.reshape(len(regions), -1)[:, chosen].astype(np.float64)
    varying = features.std(axis=0) > 1e-9
    return features[:, varying], difference[chosen[varying]].astype(np.float64)


def through_regions(z: np.ndarray, features: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Return the evidence (snp,) that a SNP raises the risk through some region.

    The SNP's largest |z| with one of the measurements that differ between cases and controls,
    adjusted for covariates and the diagnosis, made comparable to a single test: its p-value is
    raised to that of the best of `m` independent tests (Sidak), with `m` the effective number of
    measurements, (sum of eigenvalues)^2 / sum of their squares of the correlation matrix. Positive
    where the effect allele moves the measurement the way cases differ.

    Parameters
    ----------
    z : float64 (snp, measurement)
        Score statistics, adjusted for covariates and the diagnosis.
    features, direction : float64 (people, measurement), (measurement,)
        See `differing`.
    """
    best = np.abs(z).argmax(axis=1)
    strongest = z[np.arange(len(z)), best]
    roots = np.linalg.eigvalsh(np.atleast_2d(np.corrcoef(features.T)))
    independent = roots.sum() ** 2 / (roots**2).sum()
    # log(1 - (1 - p)^m) without losing small p
    single = 2 * ndtr(-np.abs(strongest))
    corrected = -np.expm1(independent * np.log1p(-np.minimum(single, 1 - 1e-12)))
    size = -ndtri(np.clip(corrected, 1e-300, 1.0) / 2)
    return np.asarray(np.sign(strongest * direction[best]) * size)


def imaging_risk(features: np.ndarray, y: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Return the out-of-fold risk (people,) of being a case by imaging.

    Ridge regression of the diagnosis on the region measurements, penalty by generalised
    cross-validation (Golub, Heath & Wahba 1979), in closed form. With `H` the matrix that gives
    fitted values and `e = y - H y`, what a fit without the people `o` says of them is
    ``y_o - (I - H_oo)^-1 e_o`` (Cook & Weisberg 1982, section 2.2.3): one decomposition for all
    parts.

    Parameters
    ----------
    features : float (people, feature)
        Standardised.
    y : float (people,)
        0 or 1.
    part : int (people,)
        A person's risk is fitted on the other parts; the penalty is the same for all parts.
    """
    values = features.astype(np.float64)
    values -= values.mean(axis=0)
    count, level = len(y), y.mean()
    # The smaller of the two Gram matrices: left singular vectors and squared singular values.
    if values.shape[1] < count:
        squares, right = np.linalg.eigh(values.T @ values)
        kept = squares > 1e-10 * max(float(squares.max(initial=0)), 1.0)
        squares, left = squares[kept], values @ right[:, kept] / np.sqrt(squares[kept])
    else:
        squares, left = np.linalg.eigh(values @ values.T)
        kept = squares > 1e-10 * max(float(squares.max(initial=0)), 1.0)
        squares, left = squares[kept], left[:, kept]
    target = left.T @ (y - level)
    penalties = count * 10.0 ** np.arange(-2.0, 4.0)
    shrink = squares / (squares + penalties[:, None])
    residual = ((y - level) ** 2).sum() - (target**2 * (2 * shrink - shrink**2)).sum(axis=1)
    free = np.maximum(count - 1 - shrink.sum(axis=1), 1e-3)
    best = shrink[int(np.argmin(residual / free**2))]
    error = y - level - left @ (best * target)
    risk = np.empty(count)
    for number in np.unique(part):
        outside = part == number
        hat = 1 / count + (left[outside] * best) @ left[outside].T
        risk[outside] = y[outside] - np.linalg.solve(np.eye(len(hat)) - hat, error[outside])
    return np.clip(risk, 0.02, 0.98)
