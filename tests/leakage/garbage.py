"""Cohorts in which some people have garbage, and what it changed in the results of a fold."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from gendmr.files.tables import write_table
from gendmr.modalities.store import read_modality, write_modality


def people_of(cohort: Path, role: str, fold: int = 0) -> list[str]:
    """Return the participants of a role in a fold of the first repeat."""
    splits = read_table(cohort / "splits.tsv")
    in_role = (splits[f"inner_{fold}"] == role) & (splits["repeat"] == "0")
    return splits.loc[in_role, "participant_id"].tolist()


def read_table(path: Path) -> pd.DataFrame:
    """Return a table as it is written."""
    return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)


def spoil(cohort: Path, folder: Path, role: str, fold: int = 0) -> Path:
    """Copy a cohort; everything measured of the people of one role is garbage in the copy.

    Diagnoses are flipped at random, covariates drawn anew (a site that nobody else has among them),
    some people lose a modality, dosages are random and region measurements those of other people at
    random scale: all of it valid in form. Who is in which fold stays.
    """
    shutil.copytree(cohort, folder)
    random = np.random.default_rng(11)
    spoiled_people = people_of(cohort, role, fold)
    _spoil_table(folder / "participants.tsv", spoiled_people, random)
    snp = read_modality(cohort / "snp.nc", "snp")
    rows = np.isin(snp["participant"].values.astype(str), spoiled_people)
    snp["dosage"].values[rows] = random.integers(-1, 3, (int(rows.sum()), snp.sizes["snp"]))
    write_modality(folder / "snp.nc", snp, "snp")
    region = read_modality(cohort / "region.nc", "region")
    rows = np.isin(region["participant"].values.astype(str), spoiled_people)
    for name in ("volume", "mean", "spread", "icv"):
        values = region[name].values
        values[rows] = random.permutation(values[rows].reshape(-1)).reshape(values[rows].shape)
        values[rows] *= random.uniform(0.5, 2, values[rows].shape)
    write_modality(folder / "region.nc", region, "region")
    return folder


def _spoil_table(path: Path, people: list[str], random: np.random.Generator) -> None:
    table = read_table(path)
    rows = np.flatnonzero(table["participant_id"].isin(people))
    flipped = rows[random.uniform(size=rows.size) < 0.5]
    opposite = {"case": "control", "control": "case"}
    table.loc[flipped, "diagnosis"] = table.loc[flipped, "diagnosis"].map(opposite)
    table.loc[rows, "age"] = random.uniform(40, 110, rows.size).round(1).astype(str)
    table.loc[rows, "sex"] = random.choice(["F", "M", "n/a"], rows.size)
    table.loc[rows, "site"] = "somewhere else"
    for column in ("has_snp", "has_region"):
        table.loc[random.permutation(rows)[: rows.size // 4], column] = "False"
    write_table(path, table)


def differences(clean: Path, spoiled: Path, blind: str = "held-out") -> list[str]:
    """Return what is not the same in two results of a fold, whose `blind` people differ.

    Everything learned (weights, history, what run.json says but for the checksums of its inputs),
    which instances the attributions are of, and the predictions of all others. With validation
    people as the blind ones, what they are for may differ: numbers of the validation in the
    history, the threshold, and calls made with it.
    """
    judged = blind == "validation"
    differing_files = []
    if _model(clean, judged) != _model(spoiled, judged):
        differing_files.append("model.safetensors")
    if _history(clean, judged) != _history(spoiled, judged):
        differing_files.append("history.jsonl")
    if _run(clean, judged) != _run(spoiled, judged):
        differing_files.append("run.json")
    if _predictions(clean, blind) != _predictions(spoiled, blind):
        differing_files.append("predictions.tsv")
    if _described(clean, blind) != _described(spoiled, blind):
        differing_files.append("fold.json")
    if _instances(clean) != _instances(spoiled):
        differing_files.append("attributions.nc")
    return differing_files


def _model(folder: Path, judged: bool) -> object:
    """Return the bytes of a model; under `judged` without its calibration, all else in order."""
    content = (folder / "model.safetensors").read_bytes()
    if not judged:
        return content
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    inner = json.loads(header.pop("__metadata__")["gendmr"])
    del inner["calibration"]
    return inner, header, content[8 + length :]


def trajectory(folder: Path) -> list[dict[str, object]]:
    """Return the history without what the validation people say."""
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    return [
        {name: value for name, value in line.items() if not name.startswith("validation")}
        for line in lines
    ]


def _history(folder: Path, judged: bool) -> object:
    return trajectory(folder) if judged else (folder / "history.jsonl").read_bytes()


def _run(folder: Path, judged: bool) -> object:
    run = json.loads((folder / "run.json").read_text())
    del run["inputs"]
    if judged:
        run["notes"] = [note for note in run["notes"] if "validation people" not in note]
    return run


def _predictions(folder: Path, blind: str) -> object:
    lines = (folder / "predictions.tsv").read_text().splitlines()
    sighted = [line for line in lines if blind not in line.split("\t")]
    if blind != "validation":
        return sighted
    call = lines[0].split("\t").index("predicted")
    return [
        [value for place, value in enumerate(line.split("\t")) if place != call] for line in sighted
    ]


def _described(folder: Path, blind: str) -> object:
    described = json.loads((folder / "fold.json").read_text())
    if blind == "held-out":
        gone: tuple[str, ...] = ("notes",)
    else:
        gone = ("calibration",)
    return {name: value for name, value in described.items() if name not in gone}


def _instances(folder: Path) -> object:
    with xr.open_dataset(folder / "attributions.nc", engine="h5netcdf") as stored:
        names = [name for name in ("snp", "gene", "region") if name in stored.coords]
        return {name: stored[name].values.tolist() for name in names}
