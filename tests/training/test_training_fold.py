"""The job of a fold through the command line, on real files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from click.testing import CliRunner
from safetensors.numpy import load_file

from gendmr.config.training import MethodOptions, TrainingSection
from gendmr.errors import ConfigurationError, GendmrError, TrainingError
from gendmr.files.datasets import read_dataset, write_dataset
from gendmr.files.tables import write_table
from gendmr.training.commands import group

FILES = (
    "attention.nc",
    "history.jsonl",
    "metrics.json",
    "model.safetensors",
    "predictions.tsv",
    "run.json",
)
SECTION = TrainingSection.parse(
    {
        "methods": {
            "gendmr": {"kind": "gendmr", "width": 8, "attention": 8, "heads": 2},
            "ridge": {"kind": "ridge"},
            "ridge-covariates": {"kind": "ridge", "modalities": ["covariates"]},
            "ridge-region": {"kind": "ridge", "modalities": ["region"]},
        },
        "adjustment": {"components": 2},
        "optimisation": {"epochs": 3},
    }
)


def train(cohort: Path, output: Path, method: str, fold: int = 0, **changes: object) -> Path:
    options = json.loads(SECTION.method(method).dump())
    for key, value in changes.items():
        options[key] = options[key] | value  # type: ignore[operator]
    arguments = ["fold", "--method", method, "--cohort", str(cohort), "--repeat", "0"]
    arguments += ["--fold", str(fold), "--options", json.dumps(options), "--seed", "5"]
    result = CliRunner().invoke(
        group, [*arguments, "--device", "cpu", "--output", str(output)], catch_exceptions=True
    )
    if isinstance(result.exception, GendmrError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return output


@pytest.fixture(scope="module")
def trained(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("trained")
    return {name: train(cohort, folder / name, name) for name in SECTION.methods}


@pytest.mark.parametrize("method", list(SECTION.methods))
def test_six_files_that_agree(trained: dict[str, Path], cohort: Path, method: str) -> None:
    folder = trained[method]
    assert tuple(sorted(path.name for path in folder.iterdir())) == FILES
    run = json.loads((folder / "run.json").read_text())
    assert run["status"] == "finished" and run["device"] == "cpu"
    assert str(cohort) not in (folder / "run.json").read_text()
    history = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    assert len(history) == run["epochs"] and 1 <= run["best_epoch"] <= run["epochs"]
    assert {"epoch", "step", "train_loss", "validation_auc"} <= set(history[0])

    table = pd.read_csv(folder / "predictions.tsv", sep="\t", dtype={"participant_id": str})
    splits = pd.read_csv(cohort / "splits.tsv", sep="\t", dtype={"participant_id": str})
    assert dict(zip(table["participant_id"], table["set"], strict=True)) == dict(
        zip(splits["participant_id"], splits["inner_0"], strict=True)
    )
    metrics = json.loads((folder / "metrics.json").read_text())
    held_out = table[table["set"] == "held-out"]
    assert metrics["n_held_out"] == len(held_out)
    assert sum(found["n"] for found in metrics["by_modality"].values()) == len(held_out)
    assert ((table["score"] >= metrics["threshold"]) == (table["predicted"] == 1)).all()
    called = held_out["predicted"] == held_out["diagnosis"]
    assert metrics["held_out"]["accuracy"] == pytest.approx(called.mean())
    assert load_file(folder / "model.safetensors")


@pytest.mark.parametrize("method", list(SECTION.methods))
def test_risks_are_of_held_out_people_and_missing_bags_are_missing(
    trained: dict[str, Path], cohort: Path, method: str
) -> None:
    attention = read_dataset(trained[method] / "attention.nc", "attention")
    table = pd.read_csv(
        trained[method] / "predictions.tsv", sep="\t", dtype={"participant_id": str}
    )
    held_out = table[table["set"] == "held-out"].set_index("participant_id")
    assert attention["participant"].values.tolist() == held_out.index.tolist()
    bags = {
        "gendmr": {"snp", "region"},
        "ridge": {"snp", "region"},
        "ridge-region": {"region"},
        "ridge-covariates": set(),
    }[method]
    assert {name[5:] for name in attention if str(name).startswith("risk_")} == bags
    for bag in bags:
        there = held_out["modalities"].str.contains(bag).to_numpy()
        assert there.any()
        assert not there.all() or bag == "snp"
        assert (np.isfinite(attention[f"risk_{bag}"].values).all(axis=1) == there).all()
        shares = attention[f"attention_{bag}"].values[there].sum(axis=1)
        np.testing.assert_allclose(shares, 1, atol=1e-4)
    if method == "ridge-region":  # one bag: its risks are the whole logit
        total = attention["risk_region"].sum("region").values + attention["bias_region"].values
        there = np.isfinite(total) & (held_out["modalities"] != "none").to_numpy()
        there &= held_out["modalities"].str.contains("region").to_numpy()
        np.testing.assert_allclose(total[there], held_out["logit"][there], atol=1e-5)


@pytest.mark.parametrize("method", ["gendmr", "ridge"])
def test_same_input_same_bytes(
    trained: dict[str, Path], cohort: Path, tmp_path: Path, method: str
) -> None:
    again = train(cohort, tmp_path / "again", method)
    for name in FILES:
        assert (again / name).read_bytes() == (trained[method] / name).read_bytes(), name
    other = train(cohort, tmp_path / "other", method, fold=1)
    assert (other / FILES[3]).read_bytes() != (again / FILES[3]).read_bytes()


@pytest.mark.parametrize("method", ["gendmr", "ridge"])
def test_garbage_in_held_out_people_changes_nothing_that_was_learned(
    trained: dict[str, Path], cohort: Path, tmp_path: Path, method: str
) -> None:
    spoiled = tmp_path / "cohort"
    shutil.copytree(cohort, spoiled)
    splits = pd.read_csv(cohort / "splits.tsv", sep="\t", dtype=str)
    held_out = set(splits.loc[splits["inner_0"] == "held-out", "participant_id"])
    people = pd.read_csv(cohort / "participants.tsv", sep="\t", dtype=str)
    outside = people["participant_id"].isin(held_out)
    people.loc[outside, "diagnosis"] = people.loc[outside, "diagnosis"].map(
        {"case": "control", "control": "case"}
    )
    people.loc[outside, "age"] = "900"
    write_table(spoiled / "participants.tsv", people)
    random = np.random.default_rng(0)
    snp = read_dataset(cohort / "snp.nc", "snp")
    rows = np.isin(snp["participant"].values, list(held_out))
    snp["dosage"].values[rows] = random.integers(-1, 3, (int(rows.sum()), snp.sizes["snp"]))
    write_dataset(spoiled / "snp.nc", snp, "snp")
    region = read_dataset(cohort / "region.nc", "region")
    rows = np.isin(region["participant"].values, list(held_out))
    for name in ("volume", "mean", "spread", "icv"):
        region[name].values[rows] = 1e9 * random.uniform(size=region[name].values[rows].shape)
    write_dataset(spoiled / "region.nc", region, "region")

    found = train(spoiled, tmp_path / "out", method)
    for name in ("model.safetensors", "history.jsonl"):
        assert (found / name).read_bytes() == (trained[method] / name).read_bytes(), name
    # The test would pass on a method that reads nothing: held-out results must differ.
    assert (found / "metrics.json").read_bytes() != (trained[method] / "metrics.json").read_bytes()


def test_no_snp_selected_masks_the_bag_and_says_so(cohort: Path, tmp_path: Path) -> None:
    selection = {"genes": ["NOT_A_GENE"]}
    found = train(cohort, tmp_path / "out", "gendmr", selection=selection)
    notes = " ".join(json.loads((found / "run.json").read_text())["notes"])
    assert "No SNP is left after selection" in notes
    with xr.open_dataset(found / "attention.nc", engine="h5netcdf") as attention:
        assert "risk_snp" not in attention and "risk_region" in attention
    train(cohort, tmp_path / "ridge", "ridge", selection=selection)


def test_no_image_in_a_fold_masks_the_bag_and_says_so(cohort: Path, tmp_path: Path) -> None:
    bare = tmp_path / "cohort"
    shutil.copytree(cohort, bare)
    people = pd.read_csv(cohort / "participants.tsv", sep="\t", dtype=str)
    people["has_region"] = "False"
    write_table(bare / "participants.tsv", people)
    found = train(bare, tmp_path / "out", "gendmr")
    notes = " ".join(json.loads((found / "run.json").read_text())["notes"])
    assert "The bag of regions is masked for everybody" in notes
    table = pd.read_csv(found / "predictions.tsv", sep="\t")
    assert np.isfinite(table["score"]).all()  # people with neither modality are predicted too
    (bare / "region.nc").unlink()  # a study without images
    train(bare, tmp_path / "no-file", "gendmr")
    with pytest.raises(TrainingError, match="no bag can be trained"):
        train(bare, tmp_path / "none", "gendmr", selection={"genes": ["NOT_A_GENE"]})


def test_one_class_is_a_named_error(cohort: Path, tmp_path: Path) -> None:
    healthy = tmp_path / "cohort"
    shutil.copytree(cohort, healthy)
    people = pd.read_csv(cohort / "participants.tsv", sep="\t", dtype=str)
    people["diagnosis"] = "control"
    write_table(healthy / "participants.tsv", people)
    with pytest.raises(TrainingError, match="are controls"):
        train(healthy, tmp_path / "out", "ridge")


def test_unknown_covariate_is_a_named_error(cohort: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="education"):
        train(cohort, tmp_path / "out", "ridge", adjustment={"covariates": ["education"]})


def test_loss_that_is_not_finite_is_a_named_error(cohort: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"not finite in epoch \d+, step \d+"):
        train(cohort, tmp_path / "out", "gendmr", optimisation={"learning_rate": 1e30})


def test_metrics_of_a_method(cohort: Path, tmp_path: Path) -> None:
    folders = [train(cohort, tmp_path / f"fold-{k}", "ridge-region", fold=k) for k in range(4)]
    table = tmp_path / "metrics.tsv"
    arguments = ["metrics", "--method", "ridge-region", "--output", str(table)]
    result = CliRunner().invoke(group, [*arguments, *map(str, folders)])
    assert result.exit_code == 0, result.output
    found = pd.read_csv(table, sep="\t", dtype=str, keep_default_na=False)
    assert list(found) == ["method", "repeat", "fold", "metric", "value"]
    auc = found[found["metric"] == "auc"].set_index("fold")["value"].astype(float)
    assert set(auc.index) == {
        *"0123", "mean", "low", "high", "pooled", "pooled_low", "pooled_high",
    }  # fmt: skip
    assert auc["mean"] == pytest.approx(auc[list("0123")].mean())
    assert auc["low"] < auc["mean"] < auc["high"]
    assert auc["pooled_low"] < auc["pooled"] < auc["pooled_high"]
    twice = CliRunner().invoke(group, [*arguments, str(folders[0]), str(folders[0])])
    assert isinstance(twice.exception, TrainingError)
    wrong = ["metrics", "--method", "gendmr", "--output", str(table), str(folders[0])]
    assert isinstance(CliRunner().invoke(group, wrong).exception, TrainingError)
    absent = CliRunner().invoke(group, [*arguments, str(tmp_path / "nowhere")])
    assert isinstance(absent.exception, GendmrError)


def test_a_slice_survives_the_command_line() -> None:
    for name in SECTION.methods:
        options = SECTION.method(name)
        assert MethodOptions.parse(options.dump()) == options
    assert SECTION.method("ridge").optimisation is None  # learning rates retrain no baseline
