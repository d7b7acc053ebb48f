"""Evidence: what others than a person say of an instance, for every kind of outcome."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gendmr.methods.evidence import (
    CHANNELS,
    TWO_CHANNELS,
    CrossFitting,
    Evidence,
    collect,
    collect_of_all,
    log_bayes_factors,
)
from gendmr.methods.region_evidence import (
    differing,
    imaging_prediction,
    region_statistics,
    through_regions,
)
from gendmr.statistics.association import score_test
from gendmr.statistics.classification import auc
from studies import OUTCOMES

Prepare = Callable[..., Any]
every_outcome = pytest.mark.parametrize("outcome", OUTCOMES)


def evidence_of(fold: Any, channels: tuple[str, ...] = CHANNELS, **options: int) -> Evidence:
    cross_fitting = CrossFitting(**{"parts": 3, "partitions": 2} | options, channels=channels)
    return collect(fold.train, fold.task, cross_fitting, np.random.default_rng(0))


@pytest.fixture(scope="module")
def fold_of(planted: Path, prepare: Prepare) -> Callable[[str], Any]:
    """``fold_of("memory")``: the first fold of the planted cohort, prepared once."""
    done: dict[str, Any] = {}

    def fold(outcome: str) -> Any:
        if outcome not in done:
            done[outcome] = prepare(planted, {"kind": "association"}, outcome=outcome)
        return done[outcome]

    return fold


@every_outcome
def test_evidence_for_a_part_does_not_use_its_people(fold_of: Any, outcome: str) -> None:
    fold = fold_of(outcome)
    before = evidence_of(fold)
    inside = before.part[1] == 2
    random = np.random.default_rng(1)
    dosage, regions = fold.train.values["snp"].copy(), fold.train.values["region"].copy()
    dosage[inside] = random.integers(0, 3, dosage[inside].shape)
    regions[inside] = random.normal(size=regions[inside].shape)
    regions[~fold.train.present["region"]] = 0
    after = evidence_of(fold.trained_on(values={"snp": dosage, "region": regions}))
    np.testing.assert_array_equal(before.part, after.part)
    np.testing.assert_array_equal(before.snp[1, 2], after.snp[1, 2])
    np.testing.assert_array_equal(before.region[1, 2], after.region[1, 2])
    assert (before.snp[1, 1] != after.snp[1, 1]).any()
    assert (before.snp_all != after.snp_all).any()
    assert before.imaging_people == fold.train.present["region"].sum()
    for channel in range(len(CHANNELS)):
        assert before.snp[1, 2, :, channel].any()


@every_outcome
@pytest.mark.parametrize("few_images", [False, True])
def test_evidence_of_all_is_the_same_without_that_of_parts(
    fold_of: Any, outcome: str, few_images: bool
) -> None:
    fold = fold_of(outcome)
    if few_images:  # too few in some part: a channel is then empty for everybody
        few = fold.train.present["region"] & (np.cumsum(fold.train.present["region"]) <= 24)
        fold = fold.trained_on(present={"region": few})
    cross_fitting = CrossFitting(parts=3, partitions=2, channels=CHANNELS)
    snp, region = collect_of_all(fold.train, fold.task, cross_fitting, np.random.default_rng(0))
    whole = evidence_of(fold)
    np.testing.assert_allclose(snp, whole.snp_all, atol=1e-5)
    np.testing.assert_allclose(region, whole.region_all, atol=1e-5)
    assert (snp.any(axis=(0, 2)) == whole.snp_all.any(axis=(0, 2))).all()


@every_outcome
def test_joined_people_are_those_of_both_in_order(
    fold_of: Callable[[str], Any], outcome: str
) -> None:
    train, validation = fold_of(outcome).train, fold_of(outcome).validation
    people = train.joined(validation)
    first = np.arange(len(people)) < len(train)
    for subset, part in ((train, people.take(first)), (validation, people.take(~first))):
        np.testing.assert_array_equal(part.participants, subset.participants)
        np.testing.assert_array_equal(part.covariates, subset.covariates)
        np.testing.assert_array_equal(part.patterns, subset.patterns)
        for name, values in subset.values.items():
            np.testing.assert_array_equal(part.values[name], values)
        for name, values in vars(subset.outcome).items():
            np.testing.assert_array_equal(vars(part.outcome)[name], values)


def test_log_bayes_factors_against_a_loop() -> None:
    z = np.random.default_rng(3).normal(size=(5, 2, 3)).astype(np.float32)
    trust = (0.3, 0.1)
    for instance, factor in enumerate(log_bayes_factors(z, trust)):
        by_phenotype = [
            sum(trust[channel] * float(z[instance, channel, k]) ** 2 / 2 for channel in range(2))
            for k in range(3)
        ]
        assert factor == pytest.approx(max(by_phenotype), rel=1e-5)
    assert log_bayes_factors(np.zeros((2, 2, 1)), trust).tolist() == [0.0, 0.0]


@every_outcome
def test_channels_are_score_tests_of_the_people_outside_the_part(
    fold_of: Any, outcome: str
) -> None:
    fold = fold_of(outcome)
    evidence = evidence_of(fold, parts=4, partitions=1)
    train, task = fold.train, fold.task
    phenotypes = task.response(train.outcome).shape[1]
    assert evidence.snp.shape[1:] == (4, train.values["snp"].shape[1], 4, phenotypes)
    assert evidence.region.shape[1:] == (4, *train.values["region"].shape[1:], phenotypes)
    typed = (evidence.part[0] != 1) & train.present["snp"]
    covariates = train.covariates[typed]
    residual = task.phenotypes(train.outcome.take(typed), covariates)
    z, _ = score_test(train.values["snp"][typed], residual, covariates)
    np.testing.assert_allclose(evidence.snp[0, 1, :, 0], z, atol=1e-4)
    imaged = (evidence.part[0] != 1) & train.present["region"]
    regions = region_statistics(
        train.values["region"][imaged], task.response(train.outcome)[imaged]
    )
    np.testing.assert_allclose(evidence.region[0, 1], regions, atol=1e-5)


def test_two_channels_leave_the_others_empty(fold_of: Any) -> None:
    evidence = evidence_of(fold_of("diagnosis"), TWO_CHANNELS)
    assert not evidence.snp[..., CHANNELS.index("region"), :].any()
    assert evidence.snp[..., CHANNELS.index("imaging"), :].any()
    nothing = evidence_of(fold_of("diagnosis"), ())
    assert not nothing.snp.any() and not nothing.region.any() and not nothing.imaging_people


def test_without_images_snps_are_tested_against_the_outcome_alone(fold_of: Any) -> None:
    fold = fold_of("diagnosis").without("region")
    evidence = evidence_of(fold)
    assert evidence.imaging_people == 0 and not evidence.region.any()
    tested = evidence.snp[0, 0, :, :, 0].any(axis=0)
    assert dict(zip(CHANNELS, tested, strict=True)) == {
        "outcome": True, "imaging": False, "unexplained": True, "region": False,
    }  # fmt: skip


def test_a_channel_that_one_part_lacks_is_off_in_all(fold_of: Any) -> None:
    """The same network sees all parts: one that has the channel must not meet one without it."""
    fold = fold_of("diagnosis")
    imaged = np.flatnonzero(fold.train.present["region"])
    few = np.zeros(len(fold.train), dtype=bool)
    few[imaged[:24]] = True  # 24 in all, but not 20 outside each of three parts
    evidence = evidence_of(fold.trained_on(present={"region": few}))
    assert not evidence.snp[..., CHANNELS.index("imaging"), :].any()
    assert evidence.imaging_people == 0 and evidence.region.any()


@every_outcome
def test_planted_snp_and_region_stand_out(fold_of: Any, outcome: str) -> None:
    fold = fold_of(outcome)
    evidence = evidence_of(fold)
    strength = np.abs(evidence.snp_all[:, 0]).max(axis=1)
    names = fold.preparation.instances("snp")["snp"]
    assert names[int(strength.argmax())] == "rs429358" and strength.max() > 4
    volume = np.abs(evidence.region_all[:, 0]).max(axis=1)
    assert fold.preparation.instances("region")["region"][int(volume.argmax())] == "Hippocampus_L"


def test_imaging_prediction_is_out_of_fold() -> None:
    random = np.random.default_rng(0)
    y = (np.arange(100) % 2).astype(float)
    part = random.integers(0, 5, 100)
    noise = random.normal(size=(100, 300))  # more features than people: a fit in sample is perfect
    assert auc(y, imaging_prediction(noise, y[:, None], part)[:, 0]) < 0.7
    noise[:, 0] += 3 * y
    assert auc(y, imaging_prediction(noise[:, :20], y[:, None], part)[:, 0]) > 0.9


@pytest.mark.parametrize("features", [20, 150])
def test_imaging_prediction_is_that_of_fits_without_the_part(features: int) -> None:
    random = np.random.default_rng(1)
    values, part = random.normal(size=(90, features)), random.integers(0, 4, 90)
    signal = values[:, 0] + random.normal(size=90)
    # A class, and a measurement: each with the penalty that is best for it.
    response = np.column_stack([(signal > 0).astype(float), 3 + 2 * signal])
    expected = np.column_stack([slow_prediction(values, y, part) for y in response.T])
    low, high = response.min(axis=0), response.max(axis=0)
    margin = 0.02 * (high - low)
    np.testing.assert_allclose(
        imaging_prediction(values, response, part),
        np.clip(expected, low + margin, high - margin),
        rtol=1e-6,
    )


def slow_prediction(values: np.ndarray, y: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Ridge by generalised cross-validation, fitted without each part in turn."""
    people, features = values.shape
    centred = values - values.mean(axis=0)
    scores = {}
    for penalty in people * 10.0 ** np.arange(-2.0, 4.0):
        ridge = np.linalg.solve(centred.T @ centred + penalty * np.eye(features), centred.T)
        hat = 1 / people + centred @ ridge
        scores[penalty] = ((y - hat @ y) ** 2).sum() / (people - np.trace(hat)) ** 2
    penalty = min(scores, key=lambda value: scores[value])
    expected = np.empty(people)
    # An unpenalised intercept beside the features.
    design = np.column_stack([np.ones(people), values])
    weight = penalty * np.diag([0.0, *np.ones(features)])
    for number in np.unique(part):
        inside = part != number
        beta = np.linalg.solve(
            design[inside].T @ design[inside] + weight, design[inside].T @ y[inside]
        )
        expected[~inside] = design[~inside] @ beta
    return expected


def test_measurements_that_go_with_the_outcome_are_chosen_by_their_statistic() -> None:
    random = np.random.default_rng(2)
    regions = random.normal(size=(60, 5, 3))
    statistics = np.zeros((5, 3, 2))
    statistics[1, 2] = 3.0, -1.0
    statistics[4, 0] = 0.5, -5.0
    statistics[2, 1] = 1.9, -1.9  # below the least z of either phenotype
    features, direction = differing(regions, statistics)
    np.testing.assert_array_equal(features, regions[:, [4, 1], [0, 2]])
    np.testing.assert_array_equal(direction, [[0.5, -5.0], [3.0, -1.0]])
    large_statistics = np.full((5, 3, 1), 4.0)
    assert differing(regions, large_statistics)[0].shape == (60, 8)


def test_evidence_through_regions_counts_how_many_were_looked_at() -> None:
    from scipy.stats import norm

    random = np.random.default_rng(4)
    features = random.normal(size=(50_000, 4))  # all but independent
    direction = np.array([[2.5], [-3.0], [2.2], [2.1]])
    z = np.array([[0.1, 3.0, -0.2, 0.3], [2.0, 0.0, 1.0, 0.0]])
    single = 2 * norm.sf([3.0, 2.0])
    of_four = norm.isf((1 - (1 - single) ** 4) / 2)
    combined = through_regions(z, features, direction)[:, 0]
    # The measurement that the first SNP raises is one that falls with the outcome.
    np.testing.assert_allclose(combined, [-of_four[0], of_four[1]], rtol=1e-3)
    copies = np.repeat(features[:, :1], 4, axis=1)
    np.testing.assert_allclose(
        np.abs(through_regions(z, copies, direction)[:, 0]), [3, 2], rtol=1e-6
    )
