"""The view: what training may see, and that held-out people are not there before it is sealed."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gendmr.cohort.join import join_cohort
from gendmr.cohort.splits import split_folds
from gendmr.cohort.view import FoldView
from gendmr.errors import DataLeakageError, FoldError, ModalityError, TableError
from gendmr.files.datasets import read_dataset, write_dataset


@pytest.fixture(scope="module")
def original(tmp_path_factory, make_study):
    inputs = make_study(tmp_path_factory.mktemp("view") / "in", n=24, n_imaged=10)
    out = inputs.folder.parent / "cohort"
    inputs.options |= {"folds": 3, "inner_validation": 0.25}
    inputs.participants[3]["age"] = None
    inputs.participants[4]["site"] = "n/a"
    join_cohort(**inputs.write(), output=out)
    split_folds(out / "participants.tsv", inputs.section(), 1, out / "splits.tsv")
    return out


@pytest.fixture
def folder(original, tmp_path):
    return Path(shutil.copytree(original, tmp_path / "cohort"))


def snapshot(rows):
    return {
        name: getattr(rows, name).tobytes()
        for name in ("dosage", "volume", "mean", "spread", "icv", "diagnosis", "has_snp")
    } | {"people": rows.participants.tolist(), "covariates": rows.covariates.to_csv()}


def test_rows_are_those_of_the_files(folder):
    view = FoldView.open(folder, repeat=0, fold=1)
    snp = read_dataset(folder / "snp.nc", "snp")
    region = read_dataset(folder / "region.nc", "region")
    view.seal()
    everybody = []
    for rows in (view.train, view.validation, view.held_out):
        everybody += rows.participants.tolist()
        for i, name in enumerate(rows.participants):
            assert rows.has_snp[i] == (name in snp["participant"])
            assert rows.has_region[i] == (name in region["participant"])
            dosage = snp["dosage"].sel(participant=name).values if rows.has_snp[i] else -1
            assert (rows.dosage[i] == dosage).all()
            for measure in ("volume", "mean", "spread", "icv"):
                mine = getattr(rows, measure)[i]
                if rows.has_region[i]:
                    assert np.array_equal(mine, region[measure].sel(participant=name).values)
                else:
                    assert np.isnan(mine).all()
            assert rows.diagnosis[i] == int(name) % 2
    assert sorted(everybody) == [f"{i:03d}" for i in range(24)]
    assert rows.dosage.dtype == rows.diagnosis.dtype == np.int8


def test_what_the_columns_are(folder):
    view = FoldView.open(folder, repeat=0, fold=0)
    assert view.snps["snp"].tolist() == ["rs0", "rs1", "rs2", "rs3"]
    assert view.snps["chromosome"].tolist() == ["1", "1", "2", "19"]
    assert view.snps["gene"].tolist() == ["INSIDE;NEAR", "", "FAR", ""]
    assert np.array_equal(view.snps["distance"], [0, np.nan, 4000, np.nan], equal_nan=True)
    assert view.snps["position"].dtype == np.int64
    assert view.regions_meta["region"].tolist() == ["hippocampus", "amygdala", "cuneus"]
    assert view.regions_meta["hemisphere"].tolist() == ["L", "R", "B"]
    assert view.build == "GRCh37"
    assert view.covariate_kinds == {"age": "number", "sex": "category", "site": "category"}


def test_covariates_have_their_kinds_and_missing_is_missing(folder):
    view = FoldView.open(folder, repeat=0, fold=0)
    view.seal()
    parts = [view.train, view.validation, view.held_out]
    table = pd.concat([rows.covariates for rows in parts])
    table.index = np.concatenate([rows.participants for rows in parts])
    assert table["age"].dtype == "float64"
    assert np.isnan(table.loc["003", "age"])
    assert table.loc["004", "site"] is None
    assert table.loc["005", "site"] == "1"


def test_held_out_people_are_refused_until_sealed(folder):
    view = FoldView.open(folder, repeat=0, fold=2)
    assert len(view.train) and len(view.validation)
    with pytest.raises(DataLeakageError, match="repeat 0, fold 2"):
        _ = view.held_out
    view.seal()
    assert view.held_out.role == "held-out"


def test_training_rows_do_not_change_when_held_out_people_turn_to_garbage(folder):
    before = FoldView.open(folder, repeat=0, fold=2)
    one = snapshot(before.train), snapshot(before.validation)
    before.seal()
    held = set(before.held_out.participants)
    path = folder / "participants.tsv"
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    gone = table["participant_id"].isin(held)
    table.loc[gone, ["diagnosis", "age", "sex", "site"]] = "garbage"
    table.to_csv(path, sep="\t", index=False)
    for kind in ("snp", "region"):
        dataset = read_dataset(folder / f"{kind}.nc", kind)
        rows = np.isin(dataset["participant"].values, list(held))
        for name in ("dosage",) if kind == "snp" else ("volume", "mean", "spread", "icv"):
            dataset[name].values[rows] = 1
        write_dataset(folder / f"{kind}.nc", dataset, kind)
    after = FoldView.open(folder, repeat=0, fold=2)
    assert (snapshot(after.train), snapshot(after.validation)) == one
    after.seal()
    with pytest.raises(TableError, match="garbage"):
        _ = after.held_out


def test_fitting_on_other_rows_than_training_is_refused(folder):
    view = FoldView.open(folder, repeat=0, fold=0)
    assert view.train.require("train") is view.train
    with pytest.raises(DataLeakageError, match="validation people were given where only train"):
        view.validation.require("train")


@pytest.mark.parametrize("index", [np.array([3, 1]), np.array([False, True] * 20)])
def test_taking_some_rows_takes_them_in_every_array(folder, index):
    train = FoldView.open(folder, repeat=0, fold=0).train
    if index.dtype == bool:
        index = index[: len(train)]
    some = train.take(index)
    assert some.role == "train"
    assert some.participants.tolist() == train.participants[index].tolist()
    assert some.family.tolist() == train.family[index].tolist()
    assert np.array_equal(some.dosage, train.dosage[index])
    assert np.array_equal(some.volume, train.volume[index], equal_nan=True)
    chosen = np.arange(len(train))[index]
    assert some.covariates["sex"].tolist() == train.covariates["sex"].iloc[chosen].tolist()
    assert len(some) == len(chosen)
    assert repr(some).startswith(f"Rows(train: {len(some)} people")


@pytest.mark.parametrize(("repeat", "fold"), [(1, 0), (0, 3), (-1, 0)])
def test_folds_that_are_not_there(folder, repeat, fold):
    with pytest.raises(FoldError, match="1 repeats of 3 folds"):
        FoldView.open(folder, repeat=repeat, fold=fold)


def test_a_modality_of_another_run_is_noticed(folder):
    snp = read_dataset(folder / "snp.nc", "snp")
    write_dataset(folder / "snp.nc", snp.isel(participant=slice(2, None)), "snp")
    with pytest.raises(ModalityError, match="people who should be in it are not"):
        _ = FoldView.open(folder, repeat=0, fold=0).train


def test_people_of_another_run_are_noticed(folder):
    table = pd.read_csv(folder / "participants.tsv", sep="\t", dtype=str, keep_default_na=False)
    table.iloc[:12].to_csv(folder / "participants.tsv", sep="\t", index=False)
    with pytest.raises(FoldError, match=r"people of splits\.tsv are not in it"):
        _ = FoldView.open(folder, repeat=0, fold=0).train


def test_a_study_without_images_has_no_regions(inputs):
    inputs.images = False
    inputs.options |= {"folds": 3, "inner_validation": 0.25}
    out = inputs.folder.parent / "cohort"
    join_cohort(**inputs.write(), output=out)
    split_folds(out / "participants.tsv", inputs.section(), 1, out / "splits.tsv")
    view = FoldView.open(out, repeat=0, fold=0)
    assert len(view.regions_meta) == 0
    assert view.train.volume.shape == (len(view.train), 0)
    assert not view.train.has_region.any()


def test_many_people_are_read_in_the_order_of_the_split(tmp_path, folder):
    view = FoldView.open(folder, repeat=0, fold=0)
    with xr.open_dataset(folder / "snp.nc", engine="h5netcdf") as stored:
        assert stored["participant"].values.tolist() != view.train.participants.tolist()
    splits = pd.read_csv(folder / "splits.tsv", sep="\t", dtype=str)
    shuffled = splits.sample(frac=1, random_state=1)
    shuffled.to_csv(folder / "splits.tsv", sep="\t", index=False)
    again = FoldView.open(folder, repeat=0, fold=0).train
    order = [view.train.participants.tolist().index(name) for name in again.participants]
    assert order != sorted(order)
    assert np.array_equal(again.dosage, view.train.dosage[order])
    assert np.array_equal(again.volume, view.train.volume[order], equal_nan=True)
