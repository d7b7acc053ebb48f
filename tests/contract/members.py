"""Every registered method with every task that it can learn, in a form that fits in moments."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from gendmr.config.methods import KINDS
from gendmr.config.modalities import SECTIONS
from gendmr.config.outcomes import KINDS as OUTCOMES
from gendmr.config.study import Study
from gendmr.config.training import MethodOptions
from gendmr.files.datasets import Schema
from gendmr.files.tables import write_table
from gendmr.modalities import modality_of, names
from gendmr.modalities.store import read_modality, write_modality

# Outcomes of the cohort below; a kind that is not here is a new member without an example.
TASKS: dict[str, dict[str, Any]] = {
    "diagnosis": {"kind": "binary"},
    "stage": {"kind": "multiclass", "column": "stage", "classes": ["one", "two", "three"]},
    "memory": {"kind": "quantitative", "column": "memory"},
    "conversion": {"kind": "survival", "time": "months", "event": "converted"},
    "hazards": {
        "kind": "survival",
        "time": "months",
        "event": "converted",
        "model": "discrete",
        "intervals": 3,
    },
    "tumour": {"kind": "segmentation"},
}
if "toy" in OUTCOMES:  # the member that the how-to pages add
    TASKS["relapses"] = {"kind": "toy", "column": "relapses"}
# What a kind of method needs besides to be quick, or to find anything in a small cohort.
SMALL: dict[str, dict[str, Any]] = {
    "gendmr": {"width": 8, "attention": 8},
    "fusion": {"width": 6},
    "gene_network": {"mode": "set", "width": 4},
    "migtrans": {
        "reads": ["snp", "edge", "region"],
        "width": 8,
        "hidden": [16, 12],
        "tokens": 2,
        "autoencoder": "pretrain",
    },
    "locus": {"interval": "19:1-59000000"},
    "mil": {"width": 8, "attention": 4},
    "unet": {"width": 4, "levels": 3, "optimisation": {"epochs": 2, "batch_size": 64}},
    "mgi": {
        "image_width": 8,
        "image_layers": 1,
        "image_heads": 2,
        "gene_width": 8,
        "gene_layers": 1,
        "gene_states": 4,
        "projection": 8,
        "pretrain_epochs": 2,
        "optimisation": {"epochs": 2, "batch_size": 64},
    },
    "subspace": {
        "seeds": 2,
        "width": 8,
        "heads": 2,
        "head_width": 4,
        "subspaces": {"a": ["groups0", "groups1"], "b": ["groups2", "groups3", "groups4"]},
    },
}
COMBINATIONS = [
    (kind, task)
    for kind, section in KINDS.items()
    for task, outcome in TASKS.items()
    if outcome["kind"] in section.tasks
]
ADDED = [name for name in names() if name not in ("snp", "region")]
# Lengths of dimensions that a modality cannot choose freely; others have 5, instances 6.
LENGTHS = {"row": 16, "column": 16, "mask_row": 10, "mask_column": 12, "axis": 3}
# Sections of the stages that measure modalities.
STAGED: dict[str, dict[str, Any]] = {
    "expression": {"matrices": [{"path": "made-up", "unit": "log2"}], "groups": "made-up"},
    "connectivity": {"series": "{participant}.tsv"},
    "lesions": {"tif": "made-up", "channels": ["flair"]},
    "histology": {"slides": "made-up.tsv", "side": 4},
}


def without_example() -> list[str]:
    """Return kinds of outcomes that no task above is of."""
    return sorted(set(OUTCOMES) - {task["kind"] for task in TASKS.values()})


def options(kind: str, task: str, **method: Any) -> MethodOptions:
    """Return the slice of a method that learns one of `TASKS`."""
    study = Study.parse(
        {
            "study": "contract",
            "seed": 3,
            "genotypes": {"inputs": ["made-up"], "build": "GRCh37"},
            "annotation": {"genes": "made-up", "format": "gene.loc", "build": "GRCh37"},
            "imaging": {"measurements": "made-up"},
            "modalities": {
                "snp": {"components": 1, "selection": {"maximum": 30}},
                "slice": {"side": LENGTHS["row"]},
                **{name: {"table": "made-up"} for name in ADDED if SECTIONS[name].stage is None},
            },
            **{
                name: STAGED[name] for modality in ADDED if (name := SECTIONS[modality].stage or "")
            },
            "cohort": {"participants": "made-up", "outcomes": TASKS},
            "training": {
                "methods": {"m": {"kind": kind, "outcome": task, **SMALL.get(kind, {}), **method}},
                "optimisation": {"epochs": 3},
            },
        }
    )
    return study.method_options("m")


def add_outcomes(cohort: Path, folder: Path) -> Path:
    """Copy a cohort of the factories and give its people all of `TASKS`, most of them known.

    Every outcome follows the planted SNP and the planted region, with noise.
    """
    shutil.copytree(cohort, folder)
    table = pd.read_csv(folder / "participants.tsv", sep="\t", dtype=str, keep_default_na=False)
    random = np.random.default_rng(8)
    people = len(table)
    liability = 1.5 * (table["diagnosis"] == "case").to_numpy() + random.normal(size=people)
    cuts = np.quantile(liability, [1 / 3, 2 / 3])
    stage = np.array(["one", "two", "three"], dtype=object)[np.searchsorted(cuts, liability)]
    onset = random.exponential(20 * np.exp(-0.7 * liability)) + 0.1
    follow_up = random.uniform(5, 60, people)
    time, event = np.minimum(onset, follow_up).round(1).clip(0.1), onset <= follow_up
    table["stage"] = stage
    table["memory"] = (25 - 3 * liability).round(2).astype(str)
    # Who lacks an outcome leaves the methods of that outcome only.
    table.loc[random.permutation(people)[: people // 12], "memory"] = "n/a"
    table["relapses"] = random.poisson(np.exp(0.5 * liability)).astype(str)
    for name in ("conversion", "hazards"):
        table[f"{name}_time"] = time.astype(str)
        table[f"{name}_event"] = event.astype(int).astype(str)
    for name in ADDED:
        table[f"has_{name}"] = np.where(random.uniform(size=people) < 0.8, "True", "False")
        dataset = _made_up(modality_of(name).schema, name, table, random)
        write_modality(folder / f"{name}.nc", dataset, name)
    # Whose lesion has a mask is known of people with slices only.
    voxels = random.integers(1, 300, people).astype(str)
    table["tumour_voxels"] = np.where(table["has_slice"] == "True", voxels, "n/a")
    write_table(folder / "participants.tsv", table)
    return folder


def _made_up(
    schema: Schema, name: str, table: pd.DataFrame, random: np.random.Generator
) -> xr.Dataset:
    """Return any modality from its schema alone: numbers above 0, six instances."""
    people = table.loc[table[f"has_{name}"] == "True", "participant_id"].to_numpy(dtype=object)
    sizes = {**LENGTHS, "participant": len(people), name: 6}
    variables: dict[str, Any] = {}
    for variable, declared in schema.items():
        shape = [sizes.get(dimension, 5) for dimension in declared.dims]
        if variable == "participant":
            values: Any = people
        elif declared.dtype == "text":
            values = np.array([f"{variable}{number}" for number in range(shape[0])], dtype=object)
        elif declared.dtype.startswith("float"):
            values = np.exp(random.normal(size=shape)).astype(declared.dtype)
            if declared.check is not None and declared.check(values):
                values = values / (1 + values)  # what has to lie between 0 and 1
        else:
            values = (1 + np.arange(int(np.prod(shape)))).reshape(shape)
            if declared.check is not None and declared.check(values):
                values = random.integers(0, 2, shape)  # what has to be 0 or 1
            values = values.astype(declared.dtype)
        variables[variable] = (declared.dims, values)
    coordinates = {
        variable: variables.pop(variable)
        for variable, declared in schema.items()
        if len(declared.dims) == 1
    }
    return xr.Dataset(variables, coords=coordinates)


def spoil(cohort: Path, folder: Path, people: list[str]) -> Path:
    """Copy a cohort; everything measured of some people is garbage in the copy, valid in form.

    Outcomes change hands among them, each whole; tables of every modality are scrambled.
    """
    shutil.copytree(cohort, folder)
    random = np.random.default_rng(11)
    table = pd.read_csv(folder / "participants.tsv", sep="\t", dtype=str, keep_default_na=False)
    rows = np.flatnonzero(table["participant_id"].isin(people))
    for columns in (["diagnosis"], ["stage"], ["memory"], ["relapses"], *_times()):
        complete = rows[(table.loc[rows, columns] != "n/a").all(axis=1).to_numpy()]
        table.loc[complete, columns] = table.loc[random.permutation(complete), columns].to_numpy()
    table.loc[rows, "age"] = random.uniform(40, 110, rows.size).round(1).astype(str)
    table.loc[rows, "sex"] = random.choice(["F", "M", "n/a"], rows.size)
    write_table(folder / "participants.tsv", table)
    for name in names():
        dataset = read_modality(cohort / f"{name}.nc", name)
        held_out = np.isin(dataset["participant"].values.astype(str), people)
        for variable, declared in modality_of(name).schema.items():
            values = dataset[variable].values
            if declared.dims[0] != "participant" or variable == "participant":
                continue
            original = values[held_out]
            scrambled = random.permutation(original.reshape(-1)).reshape(original.shape)
            if values.dtype.kind == "f":
                scrambled = scrambled * random.uniform(0.5, 2, original.shape)
                if declared.check is not None and declared.check(scrambled):
                    scrambled = scrambled / (1 + scrambled)
            values[held_out] = scrambled
        write_modality(folder / f"{name}.nc", dataset, name)
    return folder


def _times() -> list[list[str]]:
    return [[f"{name}_time", f"{name}_event"] for name in ("conversion", "hazards")]
