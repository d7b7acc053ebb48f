"""Bad input to a fold: a named error or a stated rule with a note, for every kind of method."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gendmr.config.outcomes.binary import BinaryOutcome
from gendmr.errors import OutcomeError, TrainingError
from gendmr.files.tables import write_table
from gendmr.modalities.store import read_modality, write_modality
from gendmr.tasks import task_of
from leakage.garbage import people_of, read_table
from leakage.kinds import EACH_KIND, NETWORKS, read, train
from remedies import mended

MEASURES = ("volume", "mean", "spread")
every_method = pytest.mark.parametrize("name", EACH_KIND)
# A network that reads nothing else cannot be trained without them; the others then give one score.
NETWORKS_OF_SNPS = ("gene_network-set",)
SNPS_ALONE = ("locus", "polygenic", *NETWORKS_OF_SNPS)
# Methods of SNPs alone prepare no regions, and say nothing of them.
every_reader_of_regions = pytest.mark.parametrize(
    "name", [name for name in EACH_KIND if name not in SNPS_ALONE]
)
every_reader_of_more = pytest.mark.parametrize(
    "name", [name for name in EACH_KIND if name not in NETWORKS_OF_SNPS]
)
Change = Callable[[Any], None]


@pytest.fixture(scope="module")
def cohort(shared_cohort: Callable[..., Path]) -> Path:
    """72 people, 60 SNPs, 8 regions; two thirds have images, some of them no genotypes."""
    return shared_cohort(
        people=72, snps=60, regions=8, genes=20, imaged=0.67, unsequenced=0.2, folds=3
    )


def changed(
    cohort: Path,
    folder: Path,
    *,
    people: Change | None = None,
    snp: Change | None = None,
    region: Change | None = None,
) -> Path:
    """Copy the cohort and change its table of people, its dosages or its region measurements."""
    shutil.copytree(cohort, folder)
    if people is not None:
        table = read_table(folder / "participants.tsv")
        people(table)
        write_table(folder / "participants.tsv", table)
    for kind, change in (("snp", snp), ("region", region)):
        if change is not None:
            dataset = read_modality(folder / f"{kind}.nc", kind)
            change(dataset)
            write_modality(folder / f"{kind}.nc", dataset, kind)
    return folder


def diagnosed(ids: list[str], diagnosis: str) -> Change:
    def change(table: pd.DataFrame) -> None:
        table.loc[table["participant_id"].isin(ids), "diagnosis"] = diagnosis

    return change


def rows_of(dataset: xr.Dataset, ids: list[str]) -> np.ndarray:
    return np.flatnonzero(np.isin(dataset["participant"].values, ids))


def notes(folder: Path) -> str:
    """On the fit, and on the held-out people."""
    return " ".join(read(folder, "run.json")["notes"] + read(folder, "fold.json")["notes"])


def predictions(folder: Path) -> pd.DataFrame:
    table = read_table(folder / "predictions.tsv")
    for column in ("score", "observed", "predicted"):
        table[column] = table[column].astype(float)
        assert np.isfinite(table[column]).all()
    return table


def held_out_metrics(folder: Path, modalities: str | None = None) -> dict[str, float]:
    """Return the metrics of held-out people, of those who have just these modalities."""
    task = task_of("diagnosis", BinaryOutcome())
    table = predictions(folder)
    rows = table[table["set"] == "held-out"]
    if modalities is not None:
        rows = rows[rows["modalities"] == modalities]
    return {metric.name: metric.of(rows) for metric in task.metrics}


@every_method
def test_one_class_among_training_people_is_an_error(
    cohort: Path, tmp_path: Path, name: str
) -> None:
    ids = people_of(cohort, "train")
    spoiled = changed(cohort, tmp_path / "cohort", people=diagnosed(ids, "control"))
    with pytest.raises(OutcomeError, match=f"all {len(ids)} training people are controls"):
        train(spoiled, tmp_path / "out", name)
    assert not (tmp_path / "out").exists()


@every_method
@pytest.mark.parametrize(("role", "diagnosis"), [("validation", "control"), ("held-out", "case")])
def test_one_class_among_the_others_leaves_metrics_empty_with_a_note(
    cohort: Path, tmp_path: Path, name: str, role: str, diagnosis: str
) -> None:
    ids = people_of(cohort, role)
    spoiled = changed(cohort, tmp_path / "cohort", people=diagnosed(ids, diagnosis))
    folder = train(spoiled, tmp_path / "out", name)
    assert f"All {len(ids)} {role} people are {diagnosis}s: their AUC is n/a" in notes(folder)
    metrics = held_out_metrics(folder)
    if role == "validation":
        assert read(folder, "fold.json")["calibration"]["threshold"] == 0.5
        assert np.isfinite(metrics["auc"])
    else:
        assert np.isnan([metrics[metric] for metric in ("auc", "balanced_accuracy", "auprc")]).all()


@every_method
def test_snps_that_do_not_vary_or_are_missing_in_training_are_not_selected(
    cohort: Path, tmp_path: Path, name: str
) -> None:
    ids = people_of(cohort, "train")
    with xr.open_dataset(cohort / "snp.nc", engine="h5netcdf") as stored:
        planted = np.flatnonzero(stored["gene"].values == "APOE")  # those that `locus` looks at
        gone = set(stored["snp"].values[planted[:2]])

    def change(snp: xr.Dataset) -> None:
        rows = rows_of(snp, ids)
        snp["dosage"].values[rows, planted[0]] = 1
        snp["dosage"].values[rows, planted[1]] = -1

    spoiled = changed(cohort, tmp_path / "cohort", snp=change)
    folder = train(spoiled, tmp_path / "out", name)
    selection = read(folder, "run.json")["selection"]["snp"]
    assert (selection["constant"], selection["too_often_missing"]) == (1, 1)
    with xr.open_dataset(folder / "attributions.nc", engine="h5netcdf") as stored:
        selected = set(stored["snp"].values)
    assert selected and selected.isdisjoint(gone)
    predictions(folder)


@every_reader_of_more
def test_a_modality_without_instances_is_masked_with_a_note(
    cohort: Path, tmp_path: Path, name: str
) -> None:
    empty = {"method": {"interval": "9:1-2"}} if name == "locus" else {}
    folder = train(cohort, tmp_path / "out", name, selection={"genes": ["NONE"]}, **empty)
    assert "No SNP is left after selection: the bag of SNPs has no instance" in notes(folder)
    assert set(predictions(folder)["modalities"]) == {"region", "none"}
    with xr.open_dataset(folder / "attributions.nc", engine="h5netcdf") as stored:
        assert "value_snp" not in stored


@every_reader_of_regions
@pytest.mark.parametrize("how", ["nobody", "values"])
def test_a_modality_missing_in_all_training_people_is_masked_with_a_note(
    cohort: Path, tmp_path: Path, name: str, how: str
) -> None:
    ids = people_of(cohort, "train")

    def without(table: pd.DataFrame) -> None:
        table.loc[table["participant_id"].isin(ids), "has_region"] = "False"

    def empty(region: xr.Dataset) -> None:
        for variable in (*MEASURES, "icv"):
            region[variable].values[rows_of(region, ids)] = np.nan

    change = {"people": without} if how == "nobody" else {"region": empty}
    folder = train(changed(cohort, tmp_path / "cohort", **change), tmp_path / "out", name)
    assert "they count for nobody, and the modality region is masked" in notes(folder)
    # Held-out people who have regions are not judged by what nobody could learn.
    assert set(predictions(folder)["modalities"]) == {"snp", "none"}


@pytest.mark.parametrize(
    "name", [name for name in EACH_KIND if name not in ("locus", *NETWORKS_OF_SNPS)]
)
def test_genotypes_missing_in_all_training_people_are_masked_with_a_note(
    cohort: Path, tmp_path: Path, name: str
) -> None:
    ids = people_of(cohort, "train")

    def change(snp: xr.Dataset) -> None:
        snp["dosage"].values[rows_of(snp, ids)] = -1

    folder = train(changed(cohort, tmp_path / "cohort", snp=change), tmp_path / "out", name)
    assert "No SNP is left after selection" in notes(folder)
    assert "ancestry components exist" in notes(folder)
    assert set(predictions(folder)["modalities"]) == {"region", "none"}


@every_method
def test_nothing_to_learn_from_is_an_error_for_networks_and_one_score_for_the_others(
    cohort: Path, tmp_path: Path, name: str
) -> None:
    def change(table: pd.DataFrame) -> None:
        table[["has_snp", "has_region"]] = "False"
        table["age"] = "70"
        table["sex"] = "F"

    spoiled = changed(cohort, tmp_path / "cohort", people=change)
    if name in NETWORKS:
        with pytest.raises(TrainingError, match="can be trained"):
            train(spoiled, tmp_path / "out", name)
    else:
        folder = train(spoiled, tmp_path / "out", name)
        assert predictions(folder)["score"].nunique() == 1
        assert "No SNP is left after selection" in notes(folder)
        assert held_out_metrics(folder)["auc"] == 0.5


@every_method
def test_nobody_with_both_modalities_is_trained_apart_with_a_note(
    cohort: Path, tmp_path: Path, name: str
) -> None:
    def change(table: pd.DataFrame) -> None:
        complete = np.flatnonzero((table["has_snp"] == "True") & (table["has_region"] == "True"))
        table.loc[complete[::2], "has_snp"] = "False"
        table.loc[complete[1::2], "has_region"] = "False"

    folder = train(changed(cohort, tmp_path / "cohort", people=change), tmp_path / "out", name)
    table = predictions(folder)
    assert set(table["modalities"]) == {"snp", "region"}
    text = notes(folder)
    if name in NETWORKS and name not in NETWORKS_OF_SNPS:
        assert "None of the training people has snp and region: what they say together" in text
    elif name not in NETWORKS:
        assert "lack the modality snp" in text
    if name in ("gendmr", "association-both"):
        assert "0 of them genotypes: too few for imaging to say anything of SNPs" in text


@every_method
def test_a_person_without_any_modality_is_trained_on_and_scored_and_counted_apart(
    cohort: Path, tmp_path: Path, name: str
) -> None:
    roles = ("train", "validation", "held-out")
    bare_people = {identifier for role in roles for identifier in people_of(cohort, role)[:3]}

    def change(table: pd.DataFrame) -> None:
        rows = table["participant_id"].isin(bare_people)
        table.loc[rows, ["has_snp", "has_region"]] = "False"
        table.loc[rows, ["age", "sex"]] = ["70", "F"]

    folder = train(changed(cohort, tmp_path / "cohort", people=change), tmp_path / "out", name)
    table = predictions(folder)
    bare = table[table["modalities"] == "none"]
    assert set(bare["participant_id"]) == bare_people
    # What is known of them is the same; a place in a batch moves the last bit of a float32.
    assert np.ptp(bare["score"]) < 1e-6
    assert (bare["set"] == "held-out").sum() == 3
    assert read(folder, "run.json")["people"]["none"] == 3


@every_reader_of_regions
def test_a_constant_region_has_no_value_and_a_note(cohort: Path, tmp_path: Path, name: str) -> None:
    def change(region: xr.Dataset) -> None:
        for variable in MEASURES:
            region[variable].values[:, 2] = 0.5

    # Without adjustment: with it, the residuals of a constant are not quite one.
    still = {"region": {"icv": False, "covariates": []}}
    spoiled = changed(cohort, tmp_path / "cohort", region=change)
    folder = train(spoiled, tmp_path / "out", name, **still)
    assert "3 of 24 region measurements are missing in, or the same for, all" in notes(folder)
    predictions(folder)
    if name in ("ridge", "association-both"):
        with xr.open_dataset(folder / "attributions.nc", engine="h5netcdf") as stored:
            risk = stored["value_region"].values
        assert (risk[np.isfinite(risk).all(axis=1), 2] == 0).all()
        assert (risk[np.isfinite(risk).all(axis=1), 1] != 0).any()


@every_reader_of_regions
def test_huge_values_count_as_missing_with_a_note(cohort: Path, tmp_path: Path, name: str) -> None:
    ids = {role: people_of(cohort, role) for role in ("train", "held-out")}

    def spoil(large: float, overflowing: float) -> Path:
        def region(dataset: xr.Dataset) -> None:
            first, second = rows_of(dataset, ids["train"])[:2]
            dataset["volume"].values[first, 1] = large
            dataset["icv"].values[second] = overflowing
            dataset["volume"].values[rows_of(dataset, ids["held-out"])[0], 0] = overflowing

        def people(table: pd.DataFrame) -> None:
            third = table["participant_id"] == ids["train"][2]
            table.loc[third, "age"] = "n/a" if np.isnan(large) else str(large)

        return changed(cohort, tmp_path / f"cohort-{large}", people=people, region=region)

    folder = train(spoil(1e9, 1e300), tmp_path / "huge", name)
    text = notes(folder)
    assert "train people have values more than 20 interquartile ranges beyond" in text
    assert "(age, region volume, icv): these count as missing" in text
    assert "1 of 24 held-out people have values" in text
    missing = train(spoil(np.nan, np.nan), tmp_path / "missing", name)
    pd.testing.assert_frame_equal(predictions(folder), predictions(missing))


@pytest.mark.parametrize("name", ["locus", "polygenic"])
def test_a_modality_that_is_not_read_is_not_looked_at(
    cohort: Path, tmp_path: Path, name: str
) -> None:
    def change(region: xr.Dataset) -> None:
        region["volume"].values[:] = np.nan

    before = train(cohort, tmp_path / "before", name)
    after = train(changed(cohort, tmp_path / "cohort", region=change), tmp_path / "after", name)
    pd.testing.assert_frame_equal(predictions(before), predictions(after))
    assert "region" not in notes(after)


@pytest.mark.parametrize("name", NETWORKS)
def test_steps_that_overshoot_are_an_error(cohort: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(TrainingError, match=r"the loss is .* in epoch \d+, step \d+") as error:
        train(cohort, tmp_path / "out", name, optimisation={"learning_rate": 1e6})
    assert "learning_rate" in error.value.next_step
    assert not (tmp_path / "out").exists()


def test_smaller_steps_train_as_the_error_says(cohort: Path, tmp_path: Path) -> None:
    optimisation = {"learning_rate": 1e6, "epochs": 3}
    with mended(
        "engine/divergence.py",
        "lower training.optimisation.learning_rate, or look at the outliers",
        TrainingError,
        lambda: train(cohort, tmp_path / "out", NETWORKS[0], optimisation=optimisation),
    ):
        optimisation["learning_rate"] = 1e-3


@every_method
def test_more_components_than_people_are_as_many_as_there_are_with_a_note(
    cohort: Path, tmp_path: Path, name: str
) -> None:
    folder = train(cohort, tmp_path / "out", name, snp={"components": 50})
    assert "of 50 ancestry components exist in the" in notes(folder)
    predictions(folder)
    untested = {
        "gendmr": "No SNP can be tested",
        "locus": "can be tested: beyond the covariates, nothing varies",
        "polygenic": "no SNP reaches the threshold",
        "association-both": "No snp has a statistic",
    }
    assert untested.get(name, "") in notes(folder)
