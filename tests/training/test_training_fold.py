"""The job of a fold through the command line, on real files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from click.testing import CliRunner
from safetensors.numpy import load_file

from gendmr.config.training import MethodOptions
from gendmr.errors import ConfigurationError, GendmrError, OutcomeError, TrainingError
from gendmr.files.datasets import read_dataset
from gendmr.files.tables import write_table
from gendmr.modalities.store import attributions_schema, read_modality, write_modality
from gendmr.training.commands import group
from planted_outcomes import read_text_table
from studies import make_study

FILES = (
    "attributions.nc",
    "fold.json",
    "history.jsonl",
    "model.safetensors",
    "predictions.tsv",
    "run.json",
)
METHODS: dict[str, dict[str, Any]] = {
    "gendmr": {"kind": "gendmr", "width": 8, "attention": 8, "heads": 2},
    "ridge": {"kind": "ridge"},
    "ridge-covariates": {"kind": "ridge", "reads": ["covariates"]},
    "ridge-region": {"kind": "ridge", "reads": ["region"]},
}
NO_GENE = {"snp": {"selection": {"genes": ["NOT_A_GENE"]}}}


def slice_of(method: str, **more: Any) -> MethodOptions:
    """Return the slice of a method in the study of all of them."""
    more = {"optimisation": {"epochs": 3}} | more
    return make_study(METHODS, **more).method_options(method)


def train(cohort: Path, output: Path, method: str, fold: int = 0, **more: Any) -> Path:
    arguments = ["fold", "--method", method, "--cohort", str(cohort), "--repeat", "0"]
    arguments += ["--fold", str(fold), "--options", slice_of(method, **more).dump()]
    result = CliRunner().invoke(
        group,
        [*arguments, "--seed", "5", "--device", "cpu", "--output", str(output)],
        catch_exceptions=True,
    )
    if isinstance(result.exception, GendmrError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return output


def read(folder: Path, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / name).read_text())
    return content


def predictions(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "predictions.tsv", sep="\t", dtype={"participant_id": str})


@pytest.fixture(scope="module")
def trained(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("trained")
    return {name: train(cohort, folder / name, name) for name in METHODS}


@pytest.mark.parametrize("method", list(METHODS))
def test_six_files_that_agree(trained: dict[str, Path], cohort: Path, method: str) -> None:
    folder = trained[method]
    assert tuple(sorted(path.name for path in folder.iterdir())) == FILES
    run = read(folder, "run.json")
    assert run["status"] == "finished" and run["device"] == "cpu"
    assert (run["outcome"], run["task"], run["kind"]) == (
        "diagnosis",
        "binary",
        method.split("-", maxsplit=1)[0],
    )
    assert str(cohort) not in (folder / "run.json").read_text()
    history = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    assert len(history) == run["epochs"] and 1 <= run["best_epoch"] <= run["epochs"]
    assert {"epoch", "step", "train_loss", "validation_auc"} <= set(history[0])

    table = predictions(folder)
    assert list(table) == [
        "participant_id", "set", "modalities", "observed", "score", "logit", "predicted",
    ]  # fmt: skip
    splits = pd.read_csv(cohort / "splits.tsv", sep="\t", dtype={"participant_id": str})
    assert dict(zip(table["participant_id"], table["set"], strict=True)) == dict(
        zip(splits["participant_id"], splits["inner_0"], strict=True)
    )
    people = read_text_table(cohort / "participants.tsv").set_index("participant_id")
    diagnosis = people["diagnosis"].reindex(table["participant_id"])
    assert (table["observed"] == 1).tolist() == (diagnosis == "case").tolist()
    described = read(folder, "fold.json")
    assert {name: described[f"n_{name.replace('-', '_')}"] for name in ("train", "held-out")} == {
        name: int((table["set"] == name).sum()) for name in ("train", "held-out")
    }
    assert sum(run["people"].values()) == described["n_train"]
    threshold = described["calibration"]["threshold"]
    assert ((table["score"] >= threshold) == (table["predicted"] == 1)).all()
    weights = load_file(folder / "model.safetensors")
    # What the transforms fitted, terms that leave the study, and the rest of a model.
    not_learned = ("preparation.", "terms.", "state.")
    learned = sum(value.size for key, value in weights.items() if not key.startswith(not_learned))
    assert run["n_parameters"] == learned > 0


@pytest.mark.parametrize("method", list(METHODS))
def test_attributions_are_of_held_out_people_and_missing_modalities_are_missing(
    trained: dict[str, Path], method: str
) -> None:
    schema = attributions_schema(("snp", "region"))
    stored = read_dataset(trained[method] / "attributions.nc", schema)
    table = predictions(trained[method])
    held_out = table[table["set"] == "held-out"].set_index("participant_id")
    assert stored["participant"].values.tolist() == held_out.index.tolist()
    modalities = {
        "gendmr": {"snp", "region"},
        "ridge": {"snp", "region"},
        "ridge-region": {"region"},
        "ridge-covariates": set(),
    }[method]
    assert {str(name)[6:] for name in stored if str(name).startswith("value_")} == modalities
    for name in modalities:
        present = held_out["modalities"].str.contains(name).to_numpy()
        assert present.any()
        assert not present.all() or name == "snp"
        assert (np.isfinite(stored[f"value_{name}"].values).all(axis=1) == present).all()
        shares = stored[f"attention_{name}"].values[present].sum(axis=1)
        np.testing.assert_allclose(shares, 1, atol=1e-4)
    if method == "ridge-region":  # one modality: its values are the whole logit
        total = stored["value_region"].sum("region").values + stored["baseline_region"].values
        present = held_out["modalities"].str.contains("region").to_numpy()
        np.testing.assert_allclose(total[present], held_out["logit"][present], atol=1e-5)


@pytest.mark.parametrize("method", ["gendmr", "ridge"])
def test_same_input_same_bytes(
    trained: dict[str, Path], cohort: Path, tmp_path: Path, method: str
) -> None:
    again = train(cohort, tmp_path / "again", method)
    for name in FILES:
        assert (again / name).read_bytes() == (trained[method] / name).read_bytes(), name
    other_fold = train(cohort, tmp_path / "other", method, fold=1)
    assert (other_fold / FILES[3]).read_bytes() != (again / FILES[3]).read_bytes()


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
    snp = read_modality(cohort / "snp.nc", "snp")
    rows = np.isin(snp["participant"].values, list(held_out))
    snp["dosage"].values[rows] = random.integers(-1, 3, (int(rows.sum()), snp.sizes["snp"]))
    write_modality(spoiled / "snp.nc", snp, "snp")
    region = read_modality(cohort / "region.nc", "region")
    rows = np.isin(region["participant"].values, list(held_out))
    for name in ("volume", "mean", "spread", "icv"):
        region[name].values[rows] = 1e9 * random.uniform(size=region[name].values[rows].shape)
    write_modality(spoiled / "region.nc", region, "region")

    folder = train(spoiled, tmp_path / "out", method)
    for name in ("model.safetensors", "history.jsonl"):
        assert (folder / name).read_bytes() == (trained[method] / name).read_bytes(), name
    # The test would pass on a method that reads nothing: held-out results must differ.
    before, after = predictions(trained[method]), predictions(folder)
    learned_from = before["set"] != "held-out"
    pd.testing.assert_frame_equal(before[learned_from], after[learned_from])
    assert (before["logit"] != after["logit"])[~learned_from].any()


def test_no_snp_selected_masks_the_modality_and_says_so(cohort: Path, tmp_path: Path) -> None:
    folder = train(cohort, tmp_path / "out", "gendmr", modalities=NO_GENE)
    assert "No SNP is left after selection" in " ".join(read(folder, "run.json")["notes"])
    with xr.open_dataset(folder / "attributions.nc", engine="h5netcdf") as stored:
        assert "value_snp" not in stored and "value_region" in stored
    train(cohort, tmp_path / "ridge", "ridge", modalities=NO_GENE)


def test_no_image_in_a_fold_masks_the_modality_and_says_so(cohort: Path, tmp_path: Path) -> None:
    bare = tmp_path / "cohort"
    shutil.copytree(cohort, bare)
    people = read_text_table(cohort / "participants.tsv")
    people["has_region"] = "False"
    write_table(bare / "participants.tsv", people)
    folder = train(bare, tmp_path / "out", "gendmr")
    notes = " ".join(read(folder, "run.json")["notes"])
    assert "masked for everybody" in notes and "region" in notes
    assert np.isfinite(predictions(folder)["score"]).all()  # also of people with neither modality
    with pytest.raises(TrainingError, match="can be trained"):
        train(bare, tmp_path / "none", "gendmr", modalities=NO_GENE)


def test_a_study_without_images_needs_no_file_of_them(cohort: Path, tmp_path: Path) -> None:
    bare = tmp_path / "cohort"
    shutil.copytree(cohort, bare)
    (bare / "region.nc").unlink()
    people = read_text_table(cohort / "participants.tsv").drop(columns="has_region")
    write_table(bare / "participants.tsv", people)
    methods = {"ridge": {"kind": "ridge"}}
    options = make_study(methods, available=("snp",)).method_options("ridge")
    from gendmr.training.fold import train_fold

    train_fold(bare, tmp_path / "out", method="ridge", repeat=0, fold=0, options=options, seed=1)
    assert set(predictions(tmp_path / "out")["modalities"]) == {"snp", "none"}
    assert read(tmp_path / "out", "run.json")["reads"] == ["snp", "covariates"]


def test_one_class_is_a_named_error(cohort: Path, tmp_path: Path) -> None:
    healthy = tmp_path / "cohort"
    shutil.copytree(cohort, healthy)
    people = read_text_table(cohort / "participants.tsv")
    people["diagnosis"] = "control"
    write_table(healthy / "participants.tsv", people)
    with pytest.raises(OutcomeError, match=r"repeat 0, fold 0: .* are controls"):
        train(healthy, tmp_path / "out", "ridge")
    assert not (tmp_path / "out").exists()


def test_unknown_covariate_is_a_named_error(cohort: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"training\.covariates .*education"):
        train(cohort, tmp_path / "out", "ridge", covariates=["education"])


def test_loss_that_is_not_finite_is_a_named_error(cohort: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"not finite in epoch \d+, step \d+"):
        train(cohort, tmp_path / "out", "gendmr", optimisation={"learning_rate": 1e30})


def test_metrics_of_a_method(cohort: Path, tmp_path: Path) -> None:
    folders = [train(cohort, tmp_path / f"fold-{k}", "ridge-region", fold=k) for k in range(4)]
    table = tmp_path / "metrics.tsv"
    arguments = [
        *("metrics", "--method", "ridge-region", "--outcome", "diagnosis", "--seed", "5"),
        *("--task", slice_of("ridge-region").task.dump(), "--output", str(table)),
    ]
    result = CliRunner().invoke(group, [*arguments, *map(str, folders)])
    assert result.exit_code == 0, result.output
    values = pd.read_csv(table, sep="\t", dtype=str, keep_default_na=False)
    assert list(values) == ["method", "repeat", "fold", "metric", "value"]
    auc = values[values["metric"] == "auc"].set_index("fold")["value"].astype(float)
    assert set(auc.index) == {
        *"0123", "mean", "low", "high", "pooled", "pooled_low", "pooled_high",
    }  # fmt: skip
    assert auc["mean"] == pytest.approx(auc[list("0123")].mean())
    assert auc["low"] < auc["mean"] < auc["high"]
    assert auc["pooled_low"] < auc["pooled"] < auc["pooled_high"]
