"""What the training people say about each SNP and each region, by cross-fitting. Ours.

The loss on a person must not use evidence that this person contributed to: the attention would
learn to trust noise. So the training people are cut into parts; evidence for a part comes from the
others. People outside the training set are judged by evidence from the whole of it.

Everything is told for each phenotype of the task: one for cases and controls, a measurement or a
time, one a class for several classes (`Task.phenotypes`, `Task.response`).

Four channels per SNP, each a score statistic adjusted for covariates and ancestry components:

- `outcome`: against the residuals of the task's null model;
- `imaging`: against the out-of-fold prediction from imaging, among people with images: imaging
  teaches genetics, by a target that is less noisy than the outcome;
- `unexplained`: against what imaging leaves of the outcome (for people without images, all of it):
  where genetics has something of its own to say;
- `region`: against single region measurements that go with the outcome, the best of them counted,
  given the outcome. A gene that works through one region is diluted in the prediction from imaging,
  which sums many; and given the outcome this channel is independent of the first, so that both may
  be added up.

One channel per measure of a region: its statistic against the outcome, adjusted for covariates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gendmr.methods.region_evidence import (
    differing,
    imaging_prediction,
    region_statistics,
    through_regions,
)
from gendmr.preprocessing.partition import stratified_parts
from gendmr.preprocessing.prepared import PreparedSubset
from gendmr.statistics.association import Phenotypes, score_tests
from gendmr.tasks.base import Task

CHANNELS = ("outcome", "imaging", "unexplained", "region")
TWO_CHANNELS = CHANNELS[:3]
MEASURES = 3  # of a region: volume, mean and spread
FEWEST = 20  # people with images, below which there is no prediction from imaging
IMAGING_PARTS = 5
FEWEST_FOR_STATISTICS = 8  # people with images, below which regions have no statistics
FEWEST_OF_A_CLASS = 3


@dataclass(frozen=True)
class CrossFitting:
    """How training people are cut, and which evidence is collected.

    Parameters
    ----------
    parts, partitions : int
        Parts of a partition; number of partitions.
    channels : tuple of str
        Channels to fill, of `CHANNELS`; the others are 0.
    """

    parts: int
    partitions: int
    channels: tuple[str, ...]


@dataclass(frozen=True)
class Evidence:
    """Evidence for every part of every partition, and from all training people.

    Parameters
    ----------
    part : int64 (partitions, people)
        The part of each training person in each partition.
    snp : float32 (partitions, parts, snp, 4, phenotype)
        z statistics from the people outside the part; channels as in `CHANNELS`.
    region : float32 (partitions, parts, region, 3, phenotype)
        z statistics of volume, mean and spread.
    snp_all, region_all : float32 (snp, 4, phenotype), (region, 3, phenotype)
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
    people: PreparedSubset,
    task: Task,
    cross_fitting: CrossFitting,
    random: np.random.Generator,
) -> Evidence:
    """Collect evidence from training people.

    Parameters
    ----------
    people : PreparedSubset
        Training people; modalities `snp` and `region`, either of which may be missing.
    task : Task
        Fitted on them.
    cross_fitting : CrossFitting
    random : numpy.random.Generator
        Cuts the parts.
    """
    plan = _Plan.of(people, task, cross_fitting, random)
    snp, region = _evidence(plan.bags, [*plan.outer, plan.everybody], plan.inner, plan.sources)
    shape = (cross_fitting.partitions, cross_fitting.parts)
    linked = plan.sources.predicted and plan.sources.linked
    return Evidence(
        part=plan.part,
        snp=snp[:-1].reshape(*shape, *snp.shape[1:]),
        region=region[:-1].reshape(*shape, *region.shape[1:]),
        snp_all=snp[-1],
        region_all=region[-1],
        imaging_people=int(plan.bags.imaged.sum()) if linked else 0,
    )


def collect_of_all(
    people: PreparedSubset,
    task: Task,
    cross_fitting: CrossFitting,
    random: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Return `snp_all` and `region_all` of `collect`, without the evidence of parts.

    Arguments are those of `collect`: which channels there are depends on the parts.
    """
    plan = _Plan.of(people, task, cross_fitting, random)
    snp, region = _evidence(plan.bags, [plan.everybody], plan.inner, plan.sources)
    return snp[0], region[0]


def log_bayes_factors(z: np.ndarray, trust: Sequence[float]) -> np.ndarray:
    """Return the log Bayes factor of each instance, float32 (instance,): at least 0.

    Parameters
    ----------
    z : float (instance, channel, phenotype)
    trust : sequence of float
        Of each channel, at least 0: what half of its z^2 is multiplied by. Of several phenotypes
        the one counts that says most.
    """
    weighted = 0.5 * np.tensordot(z.astype(np.float64) ** 2, np.asarray(trust), axes=(1, 0))
    return np.asarray(weighted.max(axis=-1, initial=0.0).astype(np.float32))


@dataclass(frozen=True)
class _Plan:
    """How training people are cut, and what evidence they are enough for.

    Parts of each partition (partition, person); the people outside each part; the parts of the
    prediction from imaging (person,).
    """

    part: np.ndarray
    outer: list[np.ndarray]
    inner: np.ndarray
    everybody: np.ndarray
    bags: _Bags
    sources: _Sources

    @classmethod
    def of(
        cls,
        people: PreparedSubset,
        task: Task,
        cross_fitting: CrossFitting,
        random: np.random.Generator,
    ) -> _Plan:
        """Cut the people; arguments as of `collect`."""
        channels, parts = cross_fitting.channels, cross_fitting.parts
        partitions = range(cross_fitting.partitions)
        part = np.stack([stratified_parts(people, parts, random) for _ in partitions])
        inner = stratified_parts(people, IMAGING_PARTS, random)
        bags = _Bags.of(people, task)
        insides = [[part[row] != number for number in range(parts)] for row in partitions]
        outer = [inside for row in insides for inside in row]
        # If one part lacks a channel, it is switched off in all: a network trained without it must
        # not be applied with it.
        sources = _Sources(
            channels=channels,
            predicted="imaging" in channels
            and all(bags.enough(inside, FEWEST, IMAGING_PARTS) for inside in outer),
            linked=all(bags.linked(inside) for inside in outer),
            regions=bool(channels)
            and all(
                bags.enough(inside, FEWEST_FOR_STATISTICS, FEWEST_OF_A_CLASS) for inside in outer
            ),
        )
        return cls(part, outer, inner, np.ones(len(people), dtype=bool), bags, sources)


@dataclass(frozen=True)
class _Bags:
    """Both bags of the people, empty where a modality is not there."""

    people: PreparedSubset
    task: Task
    typed: np.ndarray
    imaged: np.ndarray
    dosage: np.ndarray
    regions: np.ndarray
    response: np.ndarray

    @classmethod
    def of(cls, people: PreparedSubset, task: Task) -> _Bags:
        """Return the bags of prepared people."""
        no_people = np.zeros(len(people), dtype=bool)
        return cls(
            people=people,
            task=task,
            typed=people.present["snp"] if "snp" in people.values else no_people,
            imaged=people.present["region"] if "region" in people.values else no_people,
            dosage=people.values.get("snp", np.zeros((len(people), 0), dtype=np.int8)),
            regions=people.values.get(
                "region", np.zeros((len(people), 0, MEASURES), dtype=np.float32)
            ),
            response=task.response(people.outcome),
        )

    def linked(self, inside: np.ndarray) -> bool:
        """Return whether SNPs can be tested against imaging in these people."""
        n_linked = int((inside & self.typed & self.imaged).sum())
        return bool(n_linked > self.people.covariates.shape[1] + FEWEST)

    def enough(self, inside: np.ndarray, fewest: int, of_a_class: int) -> bool:
        """Return whether these people have so many images, and so many of each class."""
        included = inside & self.imaged
        outcome = self.people.outcome.take(included)
        return int(included.sum()) >= fewest and self.task.fewest(outcome) >= of_a_class


@dataclass(frozen=True)
class _Sources:
    """What evidence there is.

    Channels asked for, a prediction from imaging, enough people with both modalities to link SNPs
    with imaging, statistics of regions.
    """

    channels: tuple[str, ...]
    predicted: bool
    linked: bool
    regions: bool


def _evidence(
    bags: _Bags, subsets: list[np.ndarray], inner: np.ndarray, sources: _Sources
) -> tuple[np.ndarray, np.ndarray]:
    """Return statistics float32 (subset, snp, 4, phenotype) and (subset, region, 3, phenotype)."""
    response = bags.response
    count = response.shape[1]
    region = np.zeros((len(subsets), *bags.regions.shape[1:], count), dtype=np.float32)
    tests: list[Phenotypes] = []
    readings_of_tests: list[tuple[int, dict[str, Reading]]] = []
    for number, inside in enumerate(subsets):
        imaging = inside & bags.imaged
        expected = np.tile(
            response[inside].mean(axis=0) if inside.any() else response.mean(axis=0),
            (len(response), 1),
        )
        if sources.predicted:
            features = bags.regions[imaging].reshape(int(imaging.sum()), -1)
            expected[imaging] = imaging_prediction(features, response[imaging], inner[imaging])
        if sources.regions and region.size:
            region[number] = region_statistics(bags.regions[imaging], response[imaging])
        for test, readings in _tests(bags, inside, expected, region[number], sources):
            readings_of_tests.append((number, readings))
            tests.append(test)
    snp = np.zeros((len(subsets), bags.dosage.shape[1], len(CHANNELS), count), dtype=np.float32)
    for (number, readings), z in zip(
        readings_of_tests, score_tests(bags.dosage, tests), strict=True
    ):
        for channel, read in readings.items():
            if channel in sources.channels:
                snp[number, :, CHANNELS.index(channel)] = read(z)
    return snp, region


Reading = Callable[[np.ndarray], np.ndarray]


def _tests(
    bags: _Bags,
    inside: np.ndarray,
    expected: np.ndarray,
    region: np.ndarray,
    sources: _Sources,
) -> Iterator[tuple[Phenotypes, dict[str, Reading]]]:
    """Give the tests of SNPs in a subset, and how channels are read from z (snp, column)."""
    people, response = bags.people, bags.response
    count = response.shape[1]
    typed = inside & bags.typed
    if not sources.channels or typed.sum() <= people.covariates.shape[1] + 3:
        return
    covariates = people.covariates[typed]
    residuals = bags.task.phenotypes(people.outcome.take(typed), covariates)
    yield (
        Phenotypes(typed, np.column_stack([residuals, (response - expected)[typed]]), covariates),
        {"outcome": lambda z: z[:, :count], "unexplained": lambda z: z[:, count:]},
    )
    if not sources.linked:
        return
    linked = typed & bags.imaged
    covariates = people.covariates[linked]
    if sources.predicted:
        yield Phenotypes(linked, expected[linked], covariates), {"imaging": lambda z: z}
    if sources.regions and "region" in sources.channels:
        features, direction = differing(bags.regions[linked], region)
        if len(direction):
            yield (
                Phenotypes(linked, features, np.column_stack([covariates, response[linked]])),
                {"region": lambda z: through_regions(z, features, direction)},
            )
