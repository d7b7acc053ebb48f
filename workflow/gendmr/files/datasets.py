"""NetCDF files of modalities and attention: one registry of every variable, checked both ways."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gendmr.errors import InputFileError, ModalityError
from gendmr.files.atomic import atomic_path

if TYPE_CHECKING:
    import xarray as xr

Check = Callable[[np.ndarray], str | None]


def _dosage(values: np.ndarray) -> str | None:
    wrong = int(((values < -1) | (values > 2)).sum())
    return f"{wrong} values are none of -1, 0, 1, 2" if wrong else None


def _not_negative(values: np.ndarray) -> str | None:
    wrong = int((values < 0).sum())
    return f"{wrong} values are negative" if wrong else None


def _no_infinity(values: np.ndarray) -> str | None:
    wrong = int(np.isinf(values).sum())
    return f"{wrong} values are infinite" if wrong else None


def _share(values: np.ndarray) -> str | None:
    wrong = int(((values < -1e-6) | (values > 1 + 1e-4)).sum())
    return f"{wrong} values lie outside 0 to 1" if wrong else None


def _position(values: np.ndarray) -> str | None:
    wrong = int((values < 1).sum())
    return f"{wrong} positions are below 1" if wrong else None


@dataclass(frozen=True)
class Variable:
    """One variable of a dataset: its dimensions, type, unit, meaning and what is checked."""

    dims: tuple[str, ...]
    dtype: str
    unit: str
    meaning: str
    check: Check | None = None
    optional: bool = False


_PEOPLE = Variable(("participant",), "text", "", "participant_id")
_SNP_COORDINATES = {
    "snp": Variable(("snp",), "text", "", "variant name"),
    "chromosome": Variable(("snp",), "text", "", "1 to 22, X"),
    "position": Variable(("snp",), "int64", "bp", "1-based", _position),
    "gene": Variable(("snp",), "text", "", "genes separated by ';', empty where none"),
}

REGISTRY: dict[str, dict[str, Variable]] = {
    "snp": {
        "dosage": Variable(
            ("participant", "snp"), "int8", "copies", "effect alleles; -1 is missing", _dosage
        ),
        "participant": _PEOPLE,
        **_SNP_COORDINATES,
        "effect_allele": Variable(("snp",), "text", "", "the allele that is counted"),
        "other_allele": Variable(("snp",), "text", "", "the other allele"),
        "distance": Variable(
            ("snp",), "int64", "bp", "to the first gene; negative upstream, 0 inside"
        ),
    },
    "region": {
        "volume": Variable(
            ("participant", "region"), "float64", "mm3", "modulated grey matter", _not_negative
        ),
        "mean": Variable(("participant", "region"), "float64", "", "mean modulated density"),
        "spread": Variable(("participant", "region"), "float64", "", "SD of modulated density"),
        "icv": Variable(("participant",), "float64", "mm3", "intracranial volume", _not_negative),
        "participant": _PEOPLE,
        "region": Variable(("region",), "text", "", "region name"),
        "hemisphere": Variable(("region",), "text", "", "L, R or B (both)"),
        "x": Variable(("region",), "float64", "mm", "centroid, template space, R+"),
        "y": Variable(("region",), "float64", "mm", "centroid, template space, A+"),
        "z": Variable(("region",), "float64", "mm", "centroid, template space, S+"),
    },
    "attention": {
        "risk_snp": Variable(
            ("participant", "snp"), "float32", "logit", "signed risk", _no_infinity, True
        ),
        "attention_snp": Variable(
            ("participant", "snp"), "float32", "", "share of attention", _share, True
        ),
        "bias_snp": Variable(
            ("participant",), "float32", "logit", "bag logit without instances", None, True
        ),
        "risk_region": Variable(
            ("participant", "region"), "float32", "logit", "signed risk", _no_infinity, True
        ),
        "attention_region": Variable(
            ("participant", "region"), "float32", "", "share of attention", _share, True
        ),
        "bias_region": Variable(
            ("participant",), "float32", "logit", "bag logit without instances", None, True
        ),
        "participant": Variable(("participant",), "text", "", "held-out participant_id"),
        **_SNP_COORDINATES,
        "region": Variable(("region",), "text", "", "region name"),
    },
    "null": {
        **{
            f"{score}_{bag}": Variable(
                ("permutation", bag), "float32", "logit", meaning, _not_negative, True
            )
            for bag in ("snp", "region")
            for score, meaning in (
                ("mean_abs", "mean of |risk - its mean| over held-out people; 0 if not read"),
                ("abs_mean", "|mean risk| over held-out people; 0 if not read"),
            )
        },
        "permutation": Variable(("permutation",), "int64", "", "number, counted from 0"),
        "snp": Variable(("snp",), "text", "", "variant name", None, True),
        "region": Variable(("region",), "text", "", "region name", None, True),
    },
    "null_ranking": {
        name: variable
        for level in ("gene", "block", "region")
        for name, variable in (
            (
                f"z_{level}",
                Variable(("permutation", level), "float32", "SD", "z under permuted diagnoses"),
            ),
            (level, Variable((level,), "text", "", "in the order of the table")),
        )
    },
}


def write_dataset(path: Path | str, dataset: xr.Dataset, kind: str) -> None:
    """Check a dataset against the registry and write it, the same bytes each time.

    Raises
    ------
    ModalityError
        A variable is missing, unknown, or breaks its declaration.
    """
    check(dataset, kind, str(path))
    encoding: dict[str, dict[str, Any]] = {}
    for name in dataset.variables:
        variable = dataset[name]
        if variable.dtype.kind in "fiu" and variable.ndim == 2:
            encoding[str(name)] = {"zlib": True, "complevel": 1, "shuffle": True}
            if variable.dtype.kind != "f":
                encoding[str(name)]["_FillValue"] = None
            if variable.size:
                # One person's row a chunk: a fold reads its people and nobody else.
                encoding[str(name)]["chunksizes"] = (1, min(variable.shape[1], 1 << 16))
    # Made in memory: HDF5 that meets a full disk loses errors and then crashes the process.
    content = dataset.to_netcdf(None, engine="h5netcdf", encoding=encoding)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def read_dataset(path: Path | str, kind: str) -> xr.Dataset:
    """Read a whole dataset into memory and check it.

    Raises
    ------
    InputFileError
        The file is missing or not NetCDF.
    ModalityError
        A variable is missing, unknown, or breaks its declaration.
    """
    import xarray as xr

    path = Path(path)
    if not path.is_file():
        raise InputFileError(f"{path}: no such file", next_step="run the step that makes it")
    try:
        with xr.open_dataset(path, engine="h5netcdf", mask_and_scale=False) as stored:
            dataset = stored.load()
    except (OSError, ValueError) as error:
        raise InputFileError(
            f"{path}: not readable as NetCDF ({error})",
            cause="the file is damaged",
            next_step=f"rm {path} and run again",
        ) from error
    for name in dataset.variables:
        if dataset[name].dtype == object:
            dataset[name] = dataset[name].astype(str)
    check(dataset, kind, str(path))
    return dataset


def check(dataset: xr.Dataset, kind: str, where: str) -> None:
    """Compare a dataset with its declaration.

    Raises
    ------
    ModalityError
        Names the file, the variable and what is wrong with it.
    """
    declared = REGISTRY[kind]
    unknown = [str(name) for name in dataset.variables if name not in declared]
    if unknown:
        raise ModalityError(f"{where}: variables unknown to `{kind}`: {', '.join(unknown)}")
    for name, variable in declared.items():
        if name not in dataset.variables:
            absent_dims = any(dim not in dataset.dims for dim in variable.dims)
            if variable.optional or (absent_dims and kind == "attention"):
                continue
            raise ModalityError(f"{where}: `{kind}` needs the variable {name}")
        found = dataset[name]
        if found.dims != variable.dims:
            raise ModalityError(f"{where}: {name} has dimensions {found.dims}, not {variable.dims}")
        wanted_text = variable.dtype == "text"
        if wanted_text != (found.dtype.kind in "UO") or (
            not wanted_text and found.dtype != np.dtype(variable.dtype)
        ):
            raise ModalityError(f"{where}: {name} is {found.dtype}, not {variable.dtype}")
        if variable.check is not None and (problem := variable.check(found.values)):
            raise ModalityError(f"{where}: {name}: {problem}", cause="made by other software")
    if "participant" in dataset.variables:
        people = dataset["participant"].values
        if len(set(people.tolist())) != len(people):
            raise ModalityError(f"{where}: participants are listed twice")
