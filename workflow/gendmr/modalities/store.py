"""Whole files of modalities, and the schemas of what folds leave: attributions and nulls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gendmr.files.datasets import (
    Schema,
    Variable,
    no_infinity,
    not_negative,
    read_dataset,
    share,
    write_dataset,
)
from gendmr.files.opening import opened, texts
from gendmr.modalities import modality_of, names

if TYPE_CHECKING:
    import xarray as xr

ABSOLUTE = "mean of |value - its mean| over held-out people; 0 if not read"
MEAN = "|mean value| over held-out people; 0 if not read"
SUPPORT = "log Bayes factor of an instance, by training and validation people; 0 if not read"


def read_modality(path: Path | str, name: str) -> xr.Dataset:
    """Read the whole file of a modality and check it; see `gendmr.files.datasets.read_dataset`."""
    return read_dataset(path, modality_of(name).schema)


def participants_in(path: Path | str) -> list[str]:
    """Return the participants of a file of a modality; no measurement is read.

    Raises
    ------
    InputFileError
        The file is missing, damaged, or has no participants.
    """
    with opened(Path(path), "run the step that makes it") as stored:
        return [str(name) for name in texts(stored["participant"][:])]


def write_modality(path: Path | str, dataset: xr.Dataset, name: str) -> None:
    """Check the dataset of a modality and write it; see `gendmr.files.datasets.write_dataset`."""
    write_dataset(path, dataset, modality_of(name).schema)


def attributions_schema(modalities: Sequence[str] | None = None) -> Schema:
    """Return the schema of `attributions.nc` of a fold: what each instance adds for each person."""
    schema = {
        "participant": Variable(("participant",), "text", "", "held-out participant_id"),
        "seed": Variable(
            ("seed",), "int64", "", "networks that differ in their random seed", None, True
        ),
    }
    for name in names() if modalities is None else modalities:
        modality = modality_of(name)
        table, of_seeds = ("participant", name), ("seed", name)
        unit = "in the scalar of the task"
        schema |= {
            f"value_{name}": Variable(table, "float32", unit, "signed", no_infinity, True),
            f"attention_{name}": Variable(table, "float32", "", "share", share, True),
            f"evidence_{name}": Variable((name,), "float32", "", SUPPORT, not_negative, True),
            f"baseline_{name}": Variable(
                table[:1], "float32", unit, "the modality without its instances", None, True
            ),
            f"seed_mean_abs_{name}": Variable(
                of_seeds, "float32", "", f"by seed: {ABSOLUTE}", not_negative, True
            ),
            f"seed_abs_mean_{name}": Variable(
                of_seeds, "float32", "", f"by seed: {MEAN}", not_negative, True
            ),
            **{
                coordinate: replace(modality.schema[coordinate], optional=True)
                for coordinate in modality.named
            },
        }
    return schema


def null_schema(modalities: Sequence[str] | None = None) -> Schema:
    """Return the schema of a chunk of the null: scores of instances under permuted outcomes."""
    schema = {"permutation": Variable(("permutation",), "int64", "", "number, counted from 0")}
    for name in names() if modalities is None else modalities:
        table = ("permutation", name)
        schema |= {
            f"mean_abs_{name}": Variable(table, "float32", "", ABSOLUTE, not_negative, True),
            f"abs_mean_{name}": Variable(table, "float32", "", MEAN, not_negative, True),
            f"evidence_{name}": Variable(table, "float32", "", SUPPORT, not_negative, True),
            name: replace(modality_of(name).schema[name], optional=True),
        }
    return schema
