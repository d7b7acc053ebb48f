"""Region measurements within a fold: adjusted for head size and age, then in SDs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gendmr.cohort.view import FoldView
from gendmr.config.modalities.region import RegionSection
from gendmr.config.modalities.snp import SnpSection
from gendmr.config.study import Study
from gendmr.errors import ConfigurationError, DataLeakageError, GendmrError
from gendmr.modalities.region.transform import RegionTransform
from gendmr.modalities.store import read_modality, write_modality
from gendmr.tasks.base import Task

OpenView = Callable[..., FoldView]
MEASURES = ("volume", "mean", "spread")


def fit(view: FoldView, task: Task, subset: Any = None, **section: Any) -> RegionTransform:
    train = view.train if subset is None else subset
    nothing = np.zeros((len(train), 0))
    free = RegionTransform.fit(train, RegionSection.parse(section), nothing)
    assert free.abs_z([train.outcome], task) is None
    return free.condition(train.outcome, task.fit(train.outcome), None)


def changed(cohort: Path, folder: Path, change: Callable[[Any], None]) -> Path:
    shutil.copytree(cohort, folder)
    dataset = read_modality(folder / "region.nc", "region")
    change(dataset)
    write_modality(folder / "region.nc", dataset, "region")
    return folder


def slow_adjusted(view: FoldView, subset: Any) -> np.ndarray:
    """One ordinary regression per measurement, with a level for each class, then SDs."""

    def nuisance(people: Any) -> np.ndarray:
        age = people.covariates["age"].to_numpy()
        return np.column_stack([age, people.array("region", "icv")])

    train, people = view.train.having("region"), subset.having("region")
    case = train.outcome.case
    design = np.column_stack([case == 1, case == 0, nuisance(train)]).astype(float)
    adjusted = []
    for measure in MEASURES:
        values, new_values = (
            subset_of_role.array("region", measure) for subset_of_role in (train, people)
        )
        slopes = np.linalg.lstsq(design, values, rcond=None)[0][2:]
        middle = nuisance(train).mean(axis=0)
        inside = values - (nuisance(train) - middle) @ slopes
        adjusted.append(
            (new_values - (nuisance(people) - middle) @ slopes - inside.mean(axis=0))
            / inside.std(axis=0)
        )
    return np.stack(adjusted, axis=2)


def test_it_is_fitted_on_training_people_alone(open_view: OpenView, task: Task) -> None:
    view = open_view()
    with pytest.raises(DataLeakageError, match="validation people"):
        fit(view, task, view.validation)
    with pytest.raises(TypeError, match="SnpSection"):
        RegionTransform.fit(view.train, SnpSection(), np.zeros((len(view.train), 0)))


def test_measurements_are_adjusted_and_in_sds(open_view: OpenView, task: Task) -> None:
    view = open_view()
    transform = fit(view, task)
    view.seal()
    for subset in (view.train, view.validation, view.held_out):
        values = transform.apply(subset)
        assert values.shape == (len(subset), 12, 3) and values.dtype == np.float32
        present = subset.present["region"]
        assert (values[~present] == 0).all()
        np.testing.assert_allclose(values[present], slow_adjusted(view, subset), atol=2e-5)
        np.testing.assert_array_equal(transform.present(subset), present)
        np.testing.assert_array_equal(transform.design(values), values.astype(np.float64))


def test_some_people_are_fitted_with_their_own_outcomes(open_view: OpenView, task: Task) -> None:
    """A subset of the training people is as good as a file that holds no others."""
    view = open_view()
    index = np.random.default_rng(0).permutation(len(view.train))[:40]
    some = fit(view, task, view.train.take(index))
    ordered = fit(view, task, view.train.take(np.sort(index)))
    for name, value in some.tensors().items():
        np.testing.assert_allclose(value, ordered.tensors()[name], rtol=1e-8)


def test_without_icv_and_covariates_there_is_nothing_to_adjust_for(
    open_view: OpenView, task: Task
) -> None:
    view = open_view()
    transform = fit(view, task, icv=False, covariates=[])
    volume = view.train.having("region").array("region", "volume")
    expected = (volume - volume.mean(axis=0)) / volume.std(axis=0)
    values = transform.apply(view.train)[view.train.present["region"], :, 0]
    np.testing.assert_allclose(values, expected, atol=1e-5)
    assert transform.tensors()["slope"].shape == (0, 36)


def test_a_covariate_that_the_cohort_lacks_is_an_error(open_view: OpenView, task: Task) -> None:
    with pytest.raises(ConfigurationError, match=r"modalities\.region\.covariates names 1 .*'iq'"):
        fit(open_view(), task, covariates=["age", "iq"])


def test_missing_values_are_the_mean_and_missing_head_sizes_too(
    cohort: Path, tmp_path: Path, open_view: OpenView, task: Task
) -> None:
    def change(dataset: Any) -> None:
        dataset["volume"].values[::3, 4] = np.nan
        dataset["icv"].values[1] = np.nan

    view = open_view(changed(cohort, tmp_path / "cohort", change))
    transform = fit(view, task)
    train = view.train.having("region")
    values = transform.apply(train)
    missing = np.isnan(train.array("region", "volume")[:, 4])
    assert missing.any() and (values[missing, 4, 0] == 0).all() and (values[:, 4, 1] != 0).all()
    assert np.isfinite(values).all()
    assert transform.beyond(train)["icv"].sum() == 0


def test_values_beyond_the_limits_are_missing_and_told(
    cohort: Path, tmp_path: Path, open_view: OpenView, task: Task
) -> None:
    def change(dataset: Any) -> None:
        dataset["mean"].values[2, 5] = 1e9

    folder = changed(cohort, tmp_path / "cohort", change)
    name = read_modality(folder / "region.nc", "region")["participant"].values[2]
    view = open_view(folder)
    view.seal()
    transform = fit(view, task)
    outlying = []
    for subset in (view.train, view.validation, view.held_out):
        beyond = transform.beyond(subset)
        assert set(beyond) == {"age", "icv", *(f"region {measure}" for measure in MEASURES)}
        outlying += subset.participants[beyond["region mean"]].tolist()
        assert not beyond["region volume"].any()
        assert (np.abs(transform.apply(subset)) < 10).all()
    assert outlying == [name]


def test_a_measure_that_does_not_vary_counts_for_nobody(
    cohort: Path, tmp_path: Path, open_view: OpenView, task: Task
) -> None:
    def change(dataset: Any) -> None:
        dataset["spread"].values[:] = 0.25

    view = open_view(changed(cohort, tmp_path / "cohort", change))
    transform = fit(view, task, icv=False, covariates=[])
    assert (transform.apply(view.train)[:, :, 2] == 0).all()
    assert "12 of 36 region measurements are missing in, or the same for, all" in " ".join(
        transform.notes
    )
    assert transform.present(view.train).any()


def test_a_modality_that_nobody_has_is_masked(
    cohort: Path, tmp_path: Path, open_view: OpenView, task: Task
) -> None:
    def change(dataset: Any) -> None:
        for measure in (*MEASURES, "icv"):
            dataset[measure].values[:] = np.nan

    view = open_view(changed(cohort, tmp_path / "cohort", change))
    transform = fit(view, task)
    assert not transform.present(view.validation).any()
    assert not transform.apply(view.validation).any()
    assert "the modality region is masked" in " ".join(transform.notes)


def test_few_people_are_not_adjusted(open_view: OpenView, task: Task) -> None:
    view = open_view()
    imaged = np.flatnonzero(view.train.present["region"])
    case = view.train.outcome.case[imaged]
    few = np.concatenate([imaged[case == 1][:5], imaged[case == 0][:6]])
    transform = fit(view, task, view.train.take(np.sort(few)))
    assert not transform.tensors()["slope"].any()
    assert "Only 11 training people have region measurements" in " ".join(transform.notes)


def with_sites(cohort: Path, folder: Path, shift: float, *, by_case: bool = False) -> Path:
    """Copy the cohort: two sites, one of which measures every volume larger by `shift` SDs."""
    shutil.copytree(cohort, folder)
    path = folder / "participants.tsv"
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    second = table["diagnosis"].to_numpy() == "case" if by_case else np.arange(len(table)) % 2 == 1
    table["site"] = np.where(second, "north", "south")
    table.to_csv(path, sep="\t", index=False)
    dataset = read_modality(folder / "region.nc", "region")
    north = set(table["participant_id"][second])
    rows = [str(name) in north for name in dataset["participant"].values]
    volume = dataset["volume"].values
    volume[rows] += shift * volume.std(axis=0)
    write_modality(folder / "region.nc", dataset, "region")
    return folder


def site_gap(transform: RegionTransform, subset: Any) -> float:
    """Return by how many SDs the volumes of two sites differ, on average."""
    people = subset.having("region")
    north = people.covariates["site"].to_numpy() == "north"
    values = transform.apply(people)[:, :, 0]
    return float(np.abs(values[north].mean(axis=0) - values[~north].mean(axis=0)).mean())


def test_effects_of_sites_are_removed_in_people_who_were_not_looked_at(
    cohort: Path, tmp_path: Path, open_view: OpenView, task: Task
) -> None:
    view = open_view(with_sites(cohort, tmp_path / "cohort", 3.0))
    view.seal()
    plain, harmonised = fit(view, task), fit(view, task, harmonise="site")
    assert site_gap(plain, view.held_out) > 1
    assert site_gap(harmonised, view.held_out) < 0.7 * site_gap(plain, view.held_out)
    assert site_gap(harmonised, view.train) < 0.25
    assert "Effects of site (2 levels) are removed by ComBat." in harmonised.notes
    assert harmonised.remarks(view.held_out) == []


def test_people_of_a_new_site_keep_their_values_and_are_told(
    cohort: Path, tmp_path: Path, open_view: OpenView, task: Task
) -> None:
    folder = with_sites(cohort, tmp_path / "cohort", 3.0)
    view = open_view(folder)
    view.seal()
    transform = fit(view, task, harmonise="site")
    elsewhere = replace(view.held_out, covariates=view.held_out.covariates.assign(site="elsewhere"))
    n = int(view.held_out.present["region"].sum())
    assert transform.remarks(elsewhere) == [
        f"{n} of {len(elsewhere)} held-out people are of no site with enough training people: their"
        " regions are not harmonised."
    ]
    assert np.isfinite(transform.apply(elsewhere)).all()


def test_a_site_that_is_nearly_the_diagnosis_is_warned_of(
    cohort: Path, tmp_path: Path, open_view: OpenView, task: Task
) -> None:
    apart = fit(open_view(with_sites(cohort, tmp_path / "a", 1.0)), task, harmonise="site")
    assert "no correction can hold the two apart" not in " ".join(apart.notes)
    confounded = with_sites(cohort, tmp_path / "b", 1.0, by_case=True)
    assert "no correction can hold the two apart" in " ".join(
        fit(open_view(confounded), task, harmonise="site").notes
    )


def test_harmonising_by_what_is_no_label_is_refused_before_anything_runs() -> None:
    study = {
        "study": "s",
        "seed": 1,
        "imaging": {"measurements": "regions.tsv"},
        "cohort": {"participants": "participants.tsv"},
        "training": {"methods": {"ridge": {"kind": "ridge", "reads": ["region"]}}},
    }
    for region, cohort, words in (
        ({"harmonise": "age", "covariates": []}, {}, "not in cohort.categorical"),
        ({"harmonise": "scanner"}, {}, "not in cohort.covariates"),
        ({"harmonise": "site", "covariates": ["site"]}, {}, "name it in `harmonise` alone"),
        ({"harmonise": "site"}, {"fold_by": "site"}, "who is held out is then of a site"),
    ):
        changed = {**study, "modalities": {"region": region}}
        changed["cohort"] = {**study["cohort"], **cohort}
        with pytest.raises(GendmrError, match=words):
            Study.parse(changed)
    Study.parse({**study, "modalities": {"region": {"harmonise": "site", "covariates": []}}})
