"""The view: what training may see, and that held-out people are not there before it is sealed."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gendmr.cohort.splits import split_folds
from gendmr.cohort.view import FoldView
from gendmr.config.outcomes.binary import BinaryOutcome
from gendmr.errors import (
    DataLeakageError,
    FoldError,
    InputFileError,
    ModalityError,
    OutcomeError,
)
from gendmr.modalities.store import read_modality, write_modality
from gendmr.tasks import task_of

MEASURES = {"snp": ("dosage",), "region": ("volume", "mean", "spread", "icv")}


@pytest.fixture(scope="module")
def original(tmp_path_factory, make_study, join_cohort):
    inputs = make_study(tmp_path_factory.mktemp("view") / "in", n=24, n_imaged=10)
    out = inputs.folder.parent / "cohort"
    inputs.options |= {"folds": 3, "inner_validation": 0.25}
    inputs.participants[3]["age"] = None
    inputs.participants[4]["site"] = "n/a"
    join_cohort(inputs.write(), out)
    split_folds(out / "participants.tsv", inputs.section(), 1, out / "splits.tsv")
    return out


@pytest.fixture
def folder(original, tmp_path):
    return Path(shutil.copytree(original, tmp_path / "cohort"))


def opened(folder, repeat=0, fold=0, modalities=("snp", "region")):
    task = task_of("diagnosis", BinaryOutcome())
    return FoldView.open(folder, repeat, fold, task=task, modalities=modalities)


def snapshot(subset):
    arrays = {
        name: subset.array(modality, name).tobytes()
        for modality, names in MEASURES.items()
        for name in names
    }
    return arrays | {
        "people": subset.participants.tolist(),
        "case": subset.outcome.case.tolist(),
        "covariates": subset.covariates.to_csv(),
        "present": {name: who.tolist() for name, who in subset.present.items()},
    }


def test_rows_are_those_of_the_files(folder):
    view = opened(folder, fold=1)
    stored = {name: read_modality(folder / f"{name}.nc", name) for name in MEASURES}
    view.seal()
    everybody = []
    for subset in (view.train, view.validation, view.held_out):
        everybody += subset.participants.tolist()
        for modality, measures in MEASURES.items():
            dataset = stored[modality]
            has = subset.present[modality]
            assert has.tolist() == [who in dataset["participant"] for who in subset.participants]
            for measure in measures:
                values = subset.array(modality, measure)
                for i, name in enumerate(subset.participants):
                    if has[i]:
                        assert np.array_equal(
                            values[i], dataset[measure].sel(participant=name).values
                        )
                    else:
                        assert (np.isnan(values[i]) | (values[i] == -1)).all()
        assert subset.outcome.case.tolist() == [int(name) % 2 for name in subset.participants]
    assert sorted(everybody) == [f"{i:03d}" for i in range(24)]


def test_what_the_columns_are(folder):
    view = opened(folder)
    snps = view.train.instances("snp")
    assert snps["snp"].tolist() == ["rs0", "rs1", "rs2", "rs3"]
    assert snps["chromosome"].tolist() == ["1", "1", "2", "19"]
    assert snps["gene"].tolist() == ["INSIDE;NEAR", "", "FAR", ""]
    assert snps["position"].dtype == np.int64
    regions = view.train.instances("region")
    assert regions["region"].tolist() == ["hippocampus", "amygdala", "cuneus"]
    assert regions["hemisphere"].tolist() == ["L", "R", "B"]
    assert view.covariate_kinds == {"age": "number", "sex": "category", "site": "category"}


def test_covariates_have_their_kinds_and_missing_is_missing(folder):
    view = opened(folder)
    view.seal()
    parts = [view.train, view.validation, view.held_out]
    table = pd.concat([subset.covariates for subset in parts])
    table.index = np.concatenate([subset.participants for subset in parts])
    assert table["age"].dtype == "float64"
    assert np.isnan(table.loc["003", "age"])
    assert table.loc["004", "site"] is None
    assert table.loc["005", "site"] == "1"


def test_held_out_people_are_refused_until_sealed(folder):
    view = opened(folder, fold=2)
    assert len(view.train) and len(view.validation)
    with pytest.raises(DataLeakageError, match="repeat 0, fold 2"):
        _ = view.held_out
    view.seal()
    assert view.held_out.role == "held-out"


def test_training_rows_do_not_change_when_held_out_people_turn_to_garbage(folder):
    before = opened(folder, fold=2)
    learned_from = snapshot(before.train), snapshot(before.validation)
    before.seal()
    held_out_ids = set(before.held_out.participants)
    path = folder / "participants.tsv"
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    gone = table["participant_id"].isin(held_out_ids)
    table.loc[gone, ["diagnosis", "age", "sex", "site"]] = "garbage"
    table.to_csv(path, sep="\t", index=False)
    for modality, measures in MEASURES.items():
        dataset = read_modality(folder / f"{modality}.nc", modality)
        rows = np.isin(dataset["participant"].values, list(held_out_ids))
        for name in measures:
            dataset[name].values[rows] = 1
        write_modality(folder / f"{modality}.nc", dataset, modality)
    after = opened(folder, fold=2)
    assert (snapshot(after.train), snapshot(after.validation)) == learned_from
    after.seal()
    with pytest.raises(OutcomeError, match="garbage"):
        _ = after.held_out


def test_fitting_on_other_rows_than_training_is_refused(folder):
    view = opened(folder)
    assert view.train.require("train") is view.train
    with pytest.raises(DataLeakageError, match="validation people were given where only train"):
        view.validation.require("train")


@pytest.mark.parametrize("index", [np.array([3, 1]), np.array([False, True] * 20)])
def test_taking_some_rows_takes_them_in_every_array(folder, index):
    train = opened(folder).train
    if index.dtype == bool:
        index = index[: len(train)]
    some = train.take(index)
    positions = np.arange(len(train))[index]
    assert some.role == "train" and len(some) == len(positions)
    assert some.participants.tolist() == train.participants[index].tolist()
    assert some.family.tolist() == train.family[index].tolist()
    assert np.array_equal(some.array("snp", "dosage"), train.array("snp", "dosage")[index])
    volume = train.array("region", "volume")
    assert np.array_equal(some.array("region", "volume"), volume[index], equal_nan=True)
    assert some.covariates["sex"].tolist() == train.covariates["sex"].iloc[positions].tolist()
    assert repr(some).startswith(f"Subset(train: {len(some)} people")


@pytest.mark.parametrize(("repeat", "fold"), [(1, 0), (0, 3), (-1, 0)])
def test_folds_that_are_not_there(folder, repeat, fold):
    with pytest.raises(FoldError, match="1 repeats of 3 folds"):
        opened(folder, repeat, fold)


def test_a_modality_of_another_run_is_noticed(folder):
    snp = read_modality(folder / "snp.nc", "snp")
    write_modality(folder / "snp.nc", snp.isel(participant=slice(2, None)), "snp")
    with pytest.raises(ModalityError, match="people who should be in it are not"):
        _ = opened(folder).train


def test_people_of_another_run_are_noticed(folder):
    table = pd.read_csv(folder / "participants.tsv", sep="\t", dtype=str, keep_default_na=False)
    table.iloc[:12].to_csv(folder / "participants.tsv", sep="\t", index=False)
    with pytest.raises(FoldError, match=r"people of splits\.tsv are not in it"):
        _ = opened(folder).train


@pytest.mark.parametrize("share", [0.0, 0.5, 0.98])
def test_a_file_that_was_cut_is_read_as_damage(folder, share):
    content = (folder / "snp.nc").read_bytes()
    (folder / "snp.nc").write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputFileError, match=r"snp\.nc: not readable as NetCDF") as caught:
        opened(folder).train.array("snp", "dosage")
    assert "rm " in str(caught.value)


def test_a_chunk_that_cannot_be_inflated_is_read_as_damage(folder):
    path = folder / "snp.nc"
    with h5py.File(path) as stored:
        chunk = stored["dosage"].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = b"\xff" * chunk.size
    path.write_bytes(content)
    with pytest.raises(InputFileError, match=r"snp\.nc: not readable as NetCDF"):
        opened(folder).train.array("snp", "dosage")


def test_a_variable_that_is_gone_is_read_as_damage(folder):
    with h5py.File(folder / "snp.nc", "a") as stored:
        del stored["dosage"]
    with pytest.raises(InputFileError, match=r"snp\.nc: not readable"):
        opened(folder).train.array("snp", "dosage")


def test_a_study_without_images_has_no_regions(inputs, join_cohort):
    inputs.images = False
    inputs.options |= {"folds": 3, "inner_validation": 0.25}
    out = inputs.folder.parent / "cohort"
    join_cohort(inputs.write(), out)
    split_folds(out / "participants.tsv", inputs.section(), 1, out / "splits.tsv")
    train = opened(out, modalities=("snp",)).train
    assert list(train.present) == ["snp"]
    assert train.array("snp", "dosage").shape == (len(train), 4)


def test_many_people_are_read_in_the_order_of_the_split(folder):
    view = opened(folder)
    with xr.open_dataset(folder / "snp.nc", engine="h5netcdf") as stored:
        assert stored["participant"].values.tolist() != view.train.participants.tolist()
    splits = pd.read_csv(folder / "splits.tsv", sep="\t", dtype=str)
    shuffled = splits.sample(frac=1, random_state=1)
    shuffled.to_csv(folder / "splits.tsv", sep="\t", index=False)
    order = shuffled.loc[shuffled["inner_0"] == "train", "participant_id"].tolist()
    train = opened(folder).train
    assert train.participants.tolist() == order
    dosage = read_modality(folder / "snp.nc", "snp")["dosage"]
    for name, row in zip(order, train.array("snp", "dosage"), strict=True):
        if name in dosage["participant"]:
            assert row.tolist() == dosage.sel(participant=name).values.tolist()
