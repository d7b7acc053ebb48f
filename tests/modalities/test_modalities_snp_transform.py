"""Genotypes within a fold: what is fitted on training people, and who may see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gendmr.cohort.view import FoldView
from gendmr.config.modalities.region import RegionSection
from gendmr.config.modalities.snp import SnpSection
from gendmr.errors import DataLeakageError
from gendmr.modalities.base import Transform
from gendmr.modalities.snp.transform import SnpTransform
from gendmr.tasks.base import Task

OpenView = Callable[..., FoldView]


@pytest.fixture
def fitted(open_view: OpenView, task: Task) -> Callable[..., tuple[Any, FoldView]]:
    """``fitted(components=2, selection={...})``: the conditioned transform of the first fold."""

    def fit(**section: Any) -> tuple[SnpTransform, FoldView]:
        view = open_view()
        parsed = SnpSection.parse({"components": 2} | section)
        free = SnpTransform.fit(view.train, parsed, np.zeros((len(view.train), 0)))
        outcome = view.train.outcome
        abs_z = free.abs_z([outcome], task)
        strength = None if abs_z is None else abs_z[:, 0]
        return free.condition(outcome, task.fit(outcome), strength), view

    return fit


def test_it_is_fitted_on_training_people_alone(open_view: OpenView) -> None:
    view = open_view()
    with pytest.raises(DataLeakageError, match="validation people"):
        SnpTransform.fit(view.validation, SnpSection(), np.zeros((len(view.validation), 0)))
    with pytest.raises(TypeError, match="RegionSection"):
        SnpTransform.fit(view.train, RegionSection(), np.zeros((len(view.train), 0)))


def test_what_methods_read_are_the_dosages_of_the_selected_snps(fitted: Any) -> None:
    transform, view = fitted()
    assert isinstance(transform, SnpTransform)
    view.seal()
    for subset in (view.train, view.validation, view.held_out):
        dosage = transform.apply(subset)
        expected = subset.array("snp", "dosage")[:, transform.columns]
        np.testing.assert_array_equal(dosage, expected)
        assert dosage.dtype == np.int8 and (dosage[~subset.present["snp"]] == -1).all()
        np.testing.assert_array_equal(transform.present(subset), subset.present["snp"])
        assert transform.beyond(subset) == {}
    table = view.train.instances("snp")
    assert transform.instances["snp"].tolist() == table["snp"][transform.columns].tolist()


def test_design_is_in_sds_of_the_training_people(fitted: Any) -> None:
    transform, view = fitted()
    typed = view.train.having("snp")
    dosage = transform.apply(typed)
    design = transform.design(dosage)
    assert design.shape == (*dosage.shape, 1)
    np.testing.assert_allclose(design.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(design.std(axis=0), 1)
    assert (design[:, :, 0][dosage < 0] == 0).all() and (dosage < 0).any()
    assert (transform.design(np.full((2, dosage.shape[1]), -1, dtype=np.int8)) == 0).all()


def test_components_are_zero_without_genotypes_and_project_the_others(fitted: Any) -> None:
    transform, view = fitted(components=3)
    assert transform.adjustment_names == ["PC1", "PC2", "PC3"]
    for subset in (view.train, view.validation):
        scores = transform.adjustment(subset)
        assert scores.shape == (len(subset), 3)
        typed = subset.present["snp"]
        assert (scores[~typed] == 0).all() and (scores[typed] != 0).all()
        dosage = subset.having("snp").array("snp", "dosage", transform.components.columns)
        np.testing.assert_allclose(scores[typed], transform.components.apply(dosage))
    assert transform.adjustment(view.train)[view.train.present["snp"]].std(axis=0) == pytest.approx(
        [1, 1, 1], rel=0.1
    )


def test_some_people_of_a_role_get_their_own_values(fitted: Any) -> None:
    """What is kept of a role is that of all its people, whoever asks first."""
    transform, view = fitted()
    transform.keep(view.validation)
    for subset in (view.train, view.validation):
        whole, scores = transform.apply(subset), transform.adjustment(subset)
        reverse = np.arange(len(subset))[::-1]
        some = reverse[: len(subset) // 2]
        for index in (reverse, some, some[::-1], np.arange(len(some))):
            np.testing.assert_array_equal(transform.apply(subset.take(index)), whole[index])
            np.testing.assert_allclose(transform.adjustment(subset.take(index)), scores[index])


def test_genotypes_that_are_kept_are_those_that_are_read(fitted: Any) -> None:
    transform, view = fitted(selection={"mode": "fold_association", "maximum": 7})
    read = transform.apply(view.validation)
    transform.keep(view.validation)
    assert set(transform.packed) == {"train", "validation"}
    np.testing.assert_array_equal(transform.apply(view.validation), read)
    assert read.shape[1] == 7


def test_no_snp_masks_the_modality_with_a_note(fitted: Any) -> None:
    transform, view = fitted(selection={"genes": ["NOT_A_GENE"]})
    assert not transform.present(view.train).any() and not len(transform.instances)
    assert transform.apply(view.train).shape == (len(view.train), 0)
    assert transform.design(transform.apply(view.train)).shape == (len(view.train), 0, 1)
    assert "No SNP is left after selection" in " ".join(transform.notes)
    assert transform.counts["selected"] == 0


def test_strengths_are_asked_for_only_where_they_select(open_view: OpenView, task: Task) -> None:
    view = open_view()
    nothing = np.zeros((len(view.train), 0))
    outcome = view.train.outcome
    fit = SnpTransform.fit
    by_gene = fit(view.train, SnpSection.parse({"selection": {"mode": "genes"}}), nothing)
    assert by_gene.abs_z([outcome], task) is None
    by_both = fit(view.train, SnpSection.parse({"selection": {"mode": "both"}}), nothing)
    order = np.random.default_rng(0).permutation(len(outcome))
    outcomes = [outcome, outcome.permute(order), outcome]
    together = by_both.abs_z(outcomes, task)
    assert together is not None and together.shape == (len(by_both.candidates.columns), 3)
    np.testing.assert_allclose(together[:, 0], together[:, 2], rtol=1e-5)
    apart = by_both.abs_z(outcomes[1:2], task)
    assert apart is not None
    np.testing.assert_allclose(together[:, 1], apart[:, 0], rtol=1e-4, atol=1e-4)
    assert (together[:, 0] != together[:, 1]).any()


def test_conditions_of_many_outcomes_do_not_touch_one_another(
    open_view: OpenView, task: Task
) -> None:
    view = open_view()
    section = SnpSection.parse({"components": 2, "selection": {"hwe": 0.3}})
    free: Transform = SnpTransform.fit(view.train, section, np.zeros((len(view.train), 0)))
    outcome = view.train.outcome
    first = free.condition(outcome, task.fit(outcome), None)
    permuted = outcome.permute(np.random.default_rng(5).permutation(len(outcome)))
    second = free.condition(permuted, task.fit(permuted), None)
    # Equilibrium is expected in other people, so that other SNPs pass the test.
    assert first.columns.tolist() != second.columns.tolist()
    again = free.condition(outcome, task.fit(outcome), None)
    for name, value in first.tensors().items():
        np.testing.assert_array_equal(value, again.tensors()[name])
    assert len(free.instances) == 0 and free.notes == []
