"""What is fitted before a method: on training people, once for all outcomes, applied to others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gendmr.cohort.view import FoldView
from gendmr.errors import ConfigurationError, OutcomeError
from gendmr.preprocessing.partition import stratified_parts
from gendmr.preprocessing.preparation import OutcomeFree, Preparation
from gendmr.tasks import task_of
from planted_outcomes import add_outcomes
from studies import OUTCOMES, slice_of

RIDGE: dict[str, Any] = {"kind": "ridge"}


@pytest.fixture(scope="session")
def cohort(shared_cohort: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 people with all outcomes; some lack images, some genotypes, some both."""
    small = shared_cohort(people=120, snps=60, regions=6, genes=20, unsequenced=0.2)
    return add_outcomes(small, tmp_path_factory.mktemp("preprocessing") / "cohort")


def opened(cohort: Path, options: Any, fold: int = 0) -> FoldView:
    task = task_of(options.outcome, options.task)
    return FoldView.open(cohort, 0, fold, task=task, modalities=tuple(options.modalities))


def same(first: Preparation, second: Preparation) -> bool:
    first_tensors, second_tensors = first.tensors(), second.tensors()
    return first_tensors.keys() == second_tensors.keys() and all(
        np.array_equal(first_tensors[k], second_tensors[k]) for k in first_tensors
    )


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("mode", ["genes", "both"])
def test_what_no_outcome_decides_serves_all_of_them(cohort: Path, outcome: str, mode: str) -> None:
    """Conditioned on an outcome, it is what would have been fitted with that outcome alone."""
    selection = {"mode": mode, "maximum": 15}
    options = slice_of(RIDGE, outcome=outcome, modalities={"snp": {"selection": selection}})
    view = opened(cohort, options)
    free = OutcomeFree(view, options)
    free.keep(view.validation)
    outcome_of_people = view.train.outcome
    random = np.random.default_rng(4)
    outcomes = [
        outcome_of_people,
        *(outcome_of_people.permute(random.permutation(len(outcome_of_people))) for _ in range(3)),
    ]
    abs_z = free.abs_z(outcomes)
    conditioned = [free.condition(o, s) for o, s in zip(outcomes, abs_z, strict=True)]
    assert same(conditioned[0], Preparation.fit(opened(cohort, options), options))
    assert len({str(item.tensors()) for item in conditioned}) == 4
    for conditional, permuted in zip(conditioned, outcomes, strict=True):
        alone = OutcomeFree(opened(cohort, options), options)
        (strength,) = alone.abs_z([permuted])
        expected = alone.condition(permuted, strength)
        applied, expected_subset = (
            conditional.apply(view.validation),
            expected.apply(view.validation),
        )
        np.testing.assert_array_equal(applied.values["snp"], expected_subset.values["snp"])
        np.testing.assert_allclose(
            applied.values["region"], expected_subset.values["region"], atol=1e-6
        )


def test_validation_and_held_out_people_are_not_looked_at(cohort: Path) -> None:
    options = slice_of(RIDGE)
    view = opened(cohort, options)
    preparation = Preparation.fit(view, options)
    assert set(view._subsets) == {"train"}
    assert not view.sealed and preparation.task.constants()


def test_prepared_people_are_what_transforms_make_of_them(cohort: Path) -> None:
    options = slice_of(RIDGE)
    view = opened(cohort, options)
    preparation = Preparation.fit(view, options)
    people = preparation.apply(view.validation)
    assert people.role == "validation" and len(people) == len(view.validation)
    assert people.participants.tolist() == view.validation.participants.tolist()
    assert list(people.values) == list(preparation.reads) == ["snp", "region"]
    for name in preparation.reads:
        transform = preparation.transforms[name]
        np.testing.assert_array_equal(people.values[name], transform.apply(view.validation))
        np.testing.assert_array_equal(
            preparation.design(people, name), transform.design(people.values[name])
        )
        assert len(preparation.instances(name)) == people.values[name].shape[1]
    assert preparation.covariate_names == ["age", "sex=M", "PC1", "PC2"]
    assert people.covariates.shape == (len(people), 4)
    np.testing.assert_array_equal(
        people.covariates[:, 0], view.validation.covariates["age"].to_numpy()
    )


def test_a_modality_that_only_adjusts_is_prepared_and_not_read(cohort: Path) -> None:
    options = slice_of({"kind": "association", "reads": ["region"]})
    view = opened(cohort, options)
    preparation = Preparation.fit(view, options)
    people = preparation.apply(view.train)
    assert preparation.reads == ("region",) and list(people.values) == ["region"]
    assert preparation.covariate_names[-2:] == ["PC1", "PC2"]
    # Who has genotypes is known all the same.
    assert people.present["snp"].any() and "snp" in set("+".join(people.patterns).split("+"))


def test_tensors_hold_all_that_was_fitted(cohort: Path) -> None:
    options = slice_of(RIDGE, outcome="memory")
    preparation = Preparation.fit(opened(cohort, options), options)
    assert {"covariate.mean", "task.mean", "task.sd", "snp.mean", "region.slope"} <= set(
        preparation.tensors()
    )


def test_training_people_that_cannot_be_trained_on_are_named_with_their_fold(
    cohort: Path,
) -> None:
    options = slice_of(RIDGE)
    free = OutcomeFree(opened(cohort, options, fold=2), options)
    outcome = free.train.outcome
    controls = outcome.take(np.full(len(outcome), np.flatnonzero(outcome.case == 0)[0]))
    with pytest.raises(OutcomeError, match=r"training people of repeat 0, fold 2: .*controls"):
        free.condition(controls, {})


def test_a_covariate_that_the_cohort_lacks_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match=r"training\.covariates .*'education'"):
        slice_of(RIDGE, covariates=["age", "education"])


def test_patterns_of_prepared_people(cohort: Path) -> None:
    options = slice_of(RIDGE)
    view = opened(cohort, options)
    people = Preparation.fit(view, options).apply(view.train)
    places = {name: place for place, name in enumerate(people.present)}
    expected = [
        "+".join(name for name in places if people.present[name][i]) or "none"
        for i in range(len(people))
    ]
    assert people.patterns.tolist() == expected
    codes = [sum(2 ** places[name] for name in text.split("+") if name in places)
             for text in expected]  # fmt: skip
    assert people.pattern_codes.tolist() == codes
    some = people.take(np.arange(len(people)) % 3 == 0)
    assert some.patterns.tolist() == expected[::3]
    assert some.outcome.case.tolist() == people.outcome.case[::3].tolist()
    for name, value in people.values.items():
        np.testing.assert_array_equal(some.values[name], value[::3])
    assert people.take(slice(2, 5)).participants.tolist() == people.participants[2:5].tolist()


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("parts", [2, 5])
def test_parts_are_alike_and_keep_kin_together(cohort: Path, outcome: str, parts: int) -> None:
    from dataclasses import replace

    options = slice_of(RIDGE, outcome=outcome)
    view = opened(cohort, options)
    people = Preparation.fit(view, options).apply(view.train)
    pairs = np.arange(len(people)) // 2
    part = stratified_parts(
        replace(people, family=pairs.astype(str).astype(object)), parts, np.random.default_rng(0)
    )
    assert all(len(set(part[pairs == pair])) == 1 for pair in set(pairs))
    alone = stratified_parts(people, parts, np.random.default_rng(0))
    sizes = np.bincount(alone, minlength=parts)
    assert sizes.max() - sizes.min() <= 1
    strata = people.outcome.strata()
    for stratum in set(strata):
        for code in set(people.pattern_codes):
            inside = (strata == stratum) & (people.pattern_codes == code)
            counts = np.bincount(alone[inside], minlength=parts)
            assert counts.max() - counts.min() <= 1, (stratum, code)
    again = stratified_parts(people, parts, np.random.default_rng(0))
    np.testing.assert_array_equal(alone, again)
    other_parts = stratified_parts(people, parts, np.random.default_rng(1))
    assert (alone != other_parts).any()
