"""Slices of volumes: resized, normalised by volume, read a few at a time, copies masked."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gendmr.cohort.view import FoldView
from gendmr.config.modalities.slice import SliceSection
from gendmr.config.study import Study
from gendmr.errors import ConfigurationError, IdentifierError, InputFileError, OutcomeError
from gendmr.files.datasets import read_dataset
from gendmr.files.lesions import read_volume
from gendmr.methods.slices import KEPT, SliceRows, balanced
from gendmr.modalities.reader import KEPT as KEPT_BY_READER
from gendmr.modalities.slice.modality import SCHEMA
from gendmr.modalities.slice.transform import LazySlices, SliceTransform
from gendmr.preprocessing.preparation import Preparation
from gendmr.statistics.resize import resize
from gendmr.tasks import task_of
from lesion_cohort import make, study, volume, write_people, write_slices
from remedies import mended

METHODS = {"threshold": {"kind": "threshold"}}
NO_COVARIATES = np.zeros((0, 0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve people, slices of 32 x 32 pixels resized to 16 x 16; one has fewer slices."""
    folder = tmp_path_factory.mktemp("slices")
    write_people(folder, 11)
    write_slices(folder / "tif", "p11", *volume(11, slices=5))
    names = [f"p{number:02}" for number in range(12)]
    pd.DataFrame({"participant_id": names}).to_csv(
        folder / "participants.tsv", sep="\t", index=False
    )
    make(folder, of(folder))
    return folder


def of(folder: Path, **slices: object) -> Study:
    return study(folder, METHODS, slice={"side": 16, **slices})


def view_of(folder: Path) -> FoldView:
    lesion_study = of(folder)
    task = task_of("tumour", lesion_study.cohort.outcomes["tumour"])
    return FoldView.open(folder / "results" / "cohort", 0, 0, task=task, modalities=["slice"])


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 10**6))
def test_resize__keeps_the_mean_and_constants(old, new, seed):
    image = np.random.default_rng(seed).normal(size=(2, old, old + 3))
    resized = resize(image, new, new)
    assert resized.shape == (2, new, new)
    np.testing.assert_allclose(resized.mean(axis=(1, 2)), image.mean(axis=(1, 2)), atol=1e-5)
    np.testing.assert_allclose(resize(np.full((old, old), 7.0), new, new), 7.0, rtol=1e-5)
    assert resized.min() >= image.min() - 1e-5 and resized.max() <= image.max() + 1e-5


def test_resize__is_the_mean_of_blocks_where_they_fit():
    image = np.random.default_rng(0).normal(size=(12, 8))
    expected = [[image[4 * r : 4 * r + 4, 2 * c : 2 * c + 2].mean() for c in range(4)]
                for r in range(3)]  # fmt: skip
    np.testing.assert_allclose(resize(image, 3, 4), expected, atol=1e-6)


def test_the_file_holds_what_the_schema_says_and_masks_in_their_own_size(folder):
    dataset = read_dataset(folder / "results" / "cohort" / "slice.nc", SCHEMA)
    assert dict(dataset.sizes) == {
        "participant": 12, "slice": 8, "channel": 3, "row": 16, "column": 16,
        "mask_row": 32, "mask_column": 32, "axis": 3, "affine_row": 4, "affine_column": 4,
    }  # fmt: skip
    for number in (2, 11):
        stored = read_volume(folder / "results" / "lesions" / "volumes.h5", f"p{number:02}")
        count = len(stored.mask)
        person = dataset.isel(participant=number)
        expected = resize(stored.normalised(), 16, 16).swapaxes(0, 1)
        np.testing.assert_allclose(person["image"].values[:count], expected, atol=1e-6)
        np.testing.assert_array_equal(person["mask"].values[:count], stored.mask)
        assert np.isnan(person["image"].values[count:]).all()
        assert (person["mask"].values[count:] == -1).all()
        assert person["slice_number"].values.tolist() == [
            *stored.slice_number, *[-1] * (8 - count)
        ]  # fmt: skip


def test_copied_channels_are_zero_and_said_not_to_be_known(folder):
    view = view_of(folder)
    fitted = SliceTransform.fit(view.train, SliceSection(side=16), NO_COVARIATES)
    view.seal()
    for subset in (view.train, view.validation, view.held_out):
        slices = fitted.apply(subset)
        assert isinstance(slices, LazySlices)
        for place, name in enumerate(subset.participants):
            copied = int(name[1:]) % 4 == 3
            assert slices.known[place].tolist() == ([0, 1, 0] if copied else [1, 1, 1])
            images = slices.read_slices(place, np.arange(slices.counts[place]))
            spread = images.std(axis=(0, 2, 3))
            assert (spread > 0).tolist() == ([False, True, False] if copied else [True] * 3)
    post = SliceTransform.fit(view.train, SliceSection(side=16, channels=("post",)), NO_COVARIATES)
    lacking = np.array([int(name[1:]) % 4 == 3 for name in view.held_out.participants])
    assert post.present(view.held_out).tolist() == (~lacking).tolist()
    (remark,) = post.remarks(view.held_out)
    assert f"{int(lacking.sum())} of 4 held-out people" in remark


def test_a_few_slices_are_read_without_the_others(folder):
    view = view_of(folder)
    fitted = SliceTransform.fit(view.train, SliceSection(side=16), NO_COVARIATES)
    slices = fitted.apply(view.train)
    whole = slices.read()
    for person in range(len(slices)):
        order = np.array([3, 1])
        np.testing.assert_array_equal(slices.read_slices(person, order), whole[person, order])
    some = slices[np.array([2, 0])]
    np.testing.assert_array_equal(some.read(), whole[[2, 0]])
    assert some.counts.tolist() == slices.counts[[2, 0]].tolist()


def test_rows_are_slices_of_their_people(folder):
    lesion_study = of(folder)
    view = view_of(folder)
    preparation = Preparation.fit(view, lesion_study.method_options("threshold"))
    people = preparation.apply(view.train)
    rows = SliceRows(people, preparation)
    assert len(rows) == people.values["slice"].counts.sum()
    index = np.array([5, 0, len(rows) - 1, 5])
    batch = rows.take(index)
    for number, row in enumerate(index):
        person, place = rows.person[row], rows.place[row]
        stored = people.values["slice"].read_slices(int(person), np.array([place]))[0]
        np.testing.assert_array_equal(batch["slice"][number].numpy(), stored)
        mask = people.outcome.read(int(person))[place]
        np.testing.assert_allclose(batch["target.share"][number], resize(mask, 16, 16), atol=1e-6)
    again = rows.take(index)  # from memory
    assert all((batch[name] == again[name]).all() for name in batch)
    assert KEPT_BY_READER <= KEPT


def test_balanced__takes_all_slices_with_a_lesion_and_as_many_without(folder):
    class Problem:
        seed = 3

    view = view_of(folder)
    preparation = Preparation.fit(view, of(folder).method_options("threshold"))
    problem = Problem()
    problem.train = SliceRows(preparation.apply(view.train), preparation)  # type: ignore[attr-defined]
    lesion = problem.train.outcome.lesion  # type: ignore[attr-defined]
    source = balanced(0.5)
    epochs = [
        np.concatenate([piece.rows for piece in source(problem, "fit", epoch, 7)])  # type: ignore[arg-type]
        for epoch in (1, 2, 1)
    ]
    for rows in epochs:
        assert set(np.flatnonzero(lesion)) <= set(rows.tolist())
        assert len(rows) == len(set(rows.tolist()))
        assert (~lesion[rows]).sum() == round(0.5 * lesion.sum())
    np.testing.assert_array_equal(epochs[0], epochs[2])
    assert set(epochs[0]) != set(epochs[1])


def test_unknown_channels_and_another_side_are_refused(folder):
    view = view_of(folder)
    options = {"side": 16, "channels": ("flare",)}

    def fit():
        SliceTransform.fit(view.train, SliceSection(**options), NO_COVARIATES)

    module = "modalities/slice/transform.py"
    with mended(module, "name some of these", ConfigurationError, fit) as refused:
        assert "'flare': no such channel; there are 'pre', 'flair', 'post'" in refused.what
        options["channels"] = ("flair",)
    options["side"] = 32
    words = "set modalities.slice.side, and take it out of modality_options"
    with mended(module, words, ConfigurationError, fit) as refused:
        assert "slices of 16 x 16 pixels" in refused.what
        options["side"] = 16


def test_a_study_has_slices_where_it_names_them(folder):
    lesion_study = of(folder)
    assert list(lesion_study.modality_sections()) == ["lesion", "slice"]
    values = lesion_study.model_dump(mode="json", exclude_unset=True)
    del values["modalities"]["slice"], values["training"]
    values["cohort"]["outcomes"] = {"diagnosis": {"kind": "binary"}}
    assert list(Study.parse(values).modality_sections()) == ["lesion"]


def test_an_outcome_without_its_modality_is_refused_when_the_study_is_read(folder):
    values = of(folder).model_dump(mode="json", exclude_unset=True)
    del values["modalities"]["slice"]
    with pytest.raises(ConfigurationError, match=r"cohort\.outcomes\.tumour.*modality slice"):
        Study.parse(values)
    values["modalities"]["slice"] = {}
    assert Study.parse(values).cohort.outcomes["tumour"].kind == "segmentation"


def test_people_without_a_mask_are_listed_and_leave(folder, tmp_path):
    lesion_study = of(folder)
    table = pd.read_csv(folder / "participants.tsv", sep="\t")
    table.loc[len(table)] = ["p98"]
    table.to_csv(tmp_path / "participants.tsv", sep="\t", index=False)
    cohort = lesion_study.cohort.model_copy(
        update={"participants": str(tmp_path / "participants.tsv")}
    )
    from gendmr.cohort.join import join_people

    sections = lesion_study.modality_sections()
    sources = {name: part.sources(str(folder / "results")) for name, part in sections.items()}
    join_people(sources, sections, cohort, tmp_path / "cohort")
    rows = pd.read_csv(tmp_path / "cohort" / "attrition.tsv", sep="\t", keep_default_na=False)
    assert rows.loc[rows["id"] == "p98", ["step", "reason"]].to_numpy().tolist() == [
        ["outcome", "no mask"]
    ]


def test_nobody_with_a_mask_is_refused(folder, tmp_path):
    from gendmr.cohort.outcomes import with_measured
    from gendmr.cohort.participants import read_participants

    cohort = of(folder).cohort
    listed = read_participants(cohort)
    with pytest.raises(OutcomeError, match="modality slice"):
        with_measured(listed.outcomes, [], {}, cohort)


def test_a_damaged_file_is_named(folder, tmp_path):
    view = view_of(folder)
    content = (folder / "results" / "cohort" / "slice.nc").read_bytes()
    broken = tmp_path / "slice.nc"
    broken.write_bytes(content[: len(content) // 2])
    view.train.readers["slice"].path = broken
    with pytest.raises(InputFileError, match=r"slice\.nc"):
        SliceTransform.fit(view.train, SliceSection(side=16), NO_COVARIATES)


def test_people_are_compared_before_volumes_are_read(folder, tmp_path):
    from gendmr.cohort.check import check_people

    lesion_study = of(folder)
    sections = lesion_study.modality_sections()
    stages = {"lesions": lesion_study.lesions.model_dump(mode="json")}
    check_people(lesion_study.cohort, sections, stages, tmp_path / "check.json")
    checked = json.loads((tmp_path / "check.json").read_text())
    assert checked["modalities"]["slice"] == {"found": 12, "joined": 12}
    strangers = pd.DataFrame({"participant_id": [f"TCGA-{number}" for number in range(12)]})
    strangers.to_csv(tmp_path / "participants.tsv", sep="\t", index=False)
    cohort_of_others = lesion_study.cohort.model_copy(
        update={"participants": str(tmp_path / "participants.tsv")}
    )
    with pytest.raises(IdentifierError, match="0 people of"):
        check_people(cohort_of_others, sections, stages, tmp_path / "check.json")
