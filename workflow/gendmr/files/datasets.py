"""NetCDF files whose every variable is declared, checked when written and when read.

A schema maps the name of a variable to its declaration. Who owns a file owns its schema:
`gendmr.modalities.<name>.modality`, `gendmr.modalities.store`, `gendmr.ranking.tables`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gendmr.errors import ModalityError
from gendmr.files.atomic import atomic_path
from gendmr.files.opening import opened, texts

if TYPE_CHECKING:
    import h5py
    import xarray as xr

CHUNK = (256, 1024)  # people, instances
# Numbers have a checksum for each chunk, so that a flipped bit is read as damage.
CHECKED: dict[str, Any] = {"fletcher32": True}
Check = Callable[[np.ndarray], str | None]


def not_negative(values: np.ndarray) -> str | None:
    """Refuse values below 0."""
    n_wrong = int((values < 0).sum())
    return f"{n_wrong} values are negative" if n_wrong else None


def no_infinity(values: np.ndarray) -> str | None:
    """Refuse infinite values."""
    n_wrong = int(np.isinf(values).sum())
    return f"{n_wrong} values are infinite" if n_wrong else None


def share(values: np.ndarray) -> str | None:
    """Refuse values outside 0 to 1, but for rounding."""
    n_wrong = int(((values < -1e-6) | (values > 1 + 1e-4)).sum())
    return f"{n_wrong} values lie outside 0 to 1" if n_wrong else None


@dataclass(frozen=True)
class Variable:
    """One variable of a dataset: its dimensions, type, unit, meaning and what is checked."""

    dims: tuple[str, ...]
    dtype: str
    unit: str
    meaning: str
    check: Check | None = None
    optional: bool = False


Schema = Mapping[str, Variable]


def missing_value(variable: Variable) -> float | int | str:
    """Return what stands for a missing value: NaN, -1 for whole numbers, the empty text."""
    if variable.dtype == "text":
        return ""
    return np.nan if np.dtype(variable.dtype).kind == "f" else -1


def write_dataset(path: Path | str, dataset: xr.Dataset, schema: Schema) -> None:
    """Check a dataset against its schema and write it, the same bytes each time.

    Raises
    ------
    ModalityError
        A variable is missing, unknown, or breaks its declaration.
    """
    check(dataset, schema, str(path))
    encoding: dict[str, dict[str, Any]] = {}
    for name in dataset.variables:
        variable = dataset[name]
        if schema[str(name)].dtype == "text" and not variable.size:
            # xarray takes an array of no Python strings for one of numbers.
            dataset = dataset.assign_coords({name: (variable.dims, variable.values.astype(str))})
        if variable.dtype.kind in "fiu" and variable.ndim == 2:
            encoding[str(name)] = {"zlib": True, "complevel": 1, "shuffle": True}
            if variable.dtype.kind != "f":
                encoding[str(name)]["_FillValue"] = None
            if variable.size:
                encoding[str(name)] |= CHECKED | {"chunksizes": chunks_of(variable.shape)}
        elif variable.dtype.kind in "fiu" and variable.ndim == 1 and variable.size:
            encoding[str(name)] = CHECKED | {"chunksizes": variable.shape}
    # Built in memory, because HDF5 on a full disk loses the error and then crashes the process.
    content = dataset.to_netcdf(None, engine="h5netcdf", encoding=encoding)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def chunks_of(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the chunks in which a table (participant, instance) is stored.

    Some people and some instances each: a fold reads its people and the instances that it can use.
    """
    return min(shape[0], CHUNK[0]), min(shape[1], CHUNK[1])


def described(variable: Variable) -> dict[str, str]:
    """Return unit and meaning as attributes of NetCDF."""
    attributes = {"units": variable.unit, "long_name": variable.meaning}
    return {name: text for name, text in attributes.items() if text}


def refuse_values(variable: Variable, values: np.ndarray, where: str, name: str) -> None:
    """Raise a ModalityError where values break their declaration."""
    if variable.check is not None and (problem := variable.check(values)):
        raise ModalityError(f"{where}: {name}: {problem}", cause="made by other software")


def read_dataset(path: Path | str, schema: Schema) -> xr.Dataset:
    """Read a whole dataset into memory and check it.

    Raises
    ------
    InputFileError
        The file is missing or not NetCDF.
    ModalityError
        A variable is missing, unknown, or breaks its declaration.
    """
    with opened(Path(path)) as file:
        dataset = _dataset(file)
    check(dataset, schema, str(path))
    return dataset


# What NetCDF and HDF5 keep for themselves among the attributes.
INTERNAL = {"CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "_FillValue", "coordinates"}


def _dataset(file: h5py.File) -> xr.Dataset:
    """Return a NetCDF-4 file in memory; text as Python strings, of whatever length each is.

    xarray itself would give every text the width of the longest.
    """
    import xarray as xr

    variables: dict[str, Any] = {}
    coordinates: dict[str, Any] = {}
    for name, data in file.items():
        if str(data.attrs.get("NAME", b"")).startswith("b'This is a netCDF dimension but"):
            continue
        dims = _dimensions(file, name, data)
        values = texts(data[:]) if data.dtype.kind in "OS" else data[:]
        inner = {key: value for key, value in data.attrs.items() if not _internal(key)}
        of_instances = len(dims) == 1 and dims[0] not in {"participant", "permutation"}
        target = coordinates if name in dims or of_instances else variables
        target[name] = (dims, values, inner)
    attributes = {key: value for key, value in file.attrs.items() if not _internal(key)}
    return xr.Dataset(variables, coords=coordinates, attrs=attributes)


def _internal(name: str) -> bool:
    return name in INTERNAL or name.startswith(("_Netcdf4", "_NC"))


def _dimensions(file: h5py.File, name: str, data: h5py.Dataset) -> tuple[str, ...]:
    if data.attrs.get("CLASS") == b"DIMENSION_SCALE" and "DIMENSION_LIST" not in data.attrs:
        return (name,)
    return tuple(str(file[scales[0]].name).lstrip("/") for scales in data.attrs["DIMENSION_LIST"])


def check(dataset: xr.Dataset, schema: Schema, where: str) -> None:
    """Compare a dataset with its declaration.

    Raises
    ------
    ModalityError
        Names the file, the variable and what is wrong with it.
    """
    unknown = [str(name) for name in dataset.variables if name not in schema]
    if unknown:
        raise ModalityError(f"{where}: unknown variables: {', '.join(unknown)}")
    for name, variable in schema.items():
        if name not in dataset.variables:
            if variable.optional:
                continue
            raise ModalityError(f"{where}: the variable {name} is missing")
        array = dataset[name]
        if array.dims != variable.dims:
            raise ModalityError(f"{where}: {name} has dimensions {array.dims}, not {variable.dims}")
        wanted_text = variable.dtype == "text"
        if wanted_text != (array.dtype.kind in "UO") or (
            not wanted_text and array.dtype != np.dtype(variable.dtype)
        ):
            raise ModalityError(f"{where}: {name} is {array.dtype}, not {variable.dtype}")
        if variable.check is not None and (problem := variable.check(array.values)):
            raise ModalityError(f"{where}: {name}: {problem}", cause="made by other software")
    if "participant" in dataset.variables:
        people = dataset["participant"].values
        if len(set(people.tolist())) != len(people):
            raise ModalityError(f"{where}: participants are listed twice")
