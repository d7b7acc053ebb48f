"""NetCDF files whose every variable is declared, checked when written and when read.

A schema maps the name of a variable to its declaration. Who owns a file owns its schema:
`gendmr.modalities.<name>.modality`, `gendmr.modalities.store`, `gendmr.ranking.tables`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gendmr.errors import ModalityError
from gendmr.files.atomic import atomic_path
from gendmr.files.opening import opened, texts
from gendmr.files.sink import Sink

if TYPE_CHECKING:
    import h5py
    import xarray as xr

CHUNK = (256, 1024)  # people, instances
# Numbers have a checksum for each chunk, so that a flipped bit is read as damage.
CHECKED: dict[str, Any] = {"fletcher32": True}
Check = Callable[[np.ndarray], str | None]


def not_negative(values: np.ndarray) -> str | None:
    """Refuse values below 0."""
    wrong = int((values < 0).sum())
    return f"{wrong} values are negative" if wrong else None


def no_infinity(values: np.ndarray) -> str | None:
    """Refuse infinite values."""
    wrong = int(np.isinf(values).sum())
    return f"{wrong} values are infinite" if wrong else None


def share(values: np.ndarray) -> str | None:
    """Refuse values outside 0 to 1, but for rounding."""
    wrong = int(((values < -1e-6) | (values > 1 + 1e-4)).sum())
    return f"{wrong} values lie outside 0 to 1" if wrong else None


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


def write_blocks(
    path: Path | str,
    schema: Schema,
    main: str,
    shape: tuple[int, int],
    coordinates: Mapping[str, np.ndarray],
    blocks: Iterable[tuple[int, np.ndarray]],
    attributes: Mapping[str, str],
) -> None:
    """Write a dataset whose large variable comes in blocks, the same bytes each time.

    The file reads as one that `write_dataset` wrote; memory holds one block and the coordinates.

    Parameters
    ----------
    path : Path or str
    schema : mapping
    main : str
        The large variable (participant, instance).
    shape : (int, int)
    coordinates : mapping of str to ndarray (n,)
        All other variables; text as Python strings.
    blocks : iterable of (int, ndarray (participant, block))
        First instance and values of each block, in order; each but the last is a multiple of the
        chunks long.
    attributes : mapping of str to str

    Raises
    ------
    ModalityError
        A value breaks its declaration.
    OutputError
        The disk is full.
    """
    beside = [name for name in coordinates if name not in schema[main].dims]
    large = _Large(shape, _packed(shape), {"coordinates": " ".join(beside)})
    pieces = (
        (main, (slice(None), slice(start, start + values.shape[1])), values)
        for start, values in blocks
    )
    _write_pieces(path, schema, {main: large}, coordinates, pieces, attributes)


def write_rows(
    path: Path | str,
    schema: Schema,
    main: str,
    shape: tuple[int, int, int],
    coordinates: Mapping[str, np.ndarray],
    rows: Iterable[np.ndarray],
) -> None:
    """Write a dataset whose large variable comes person by person, the same bytes each time.

    The file reads as one that `write_dataset` wrote; memory holds one person and the coordinates.

    Parameters
    ----------
    path : Path or str
    schema : mapping
    main : str
        The large variable (participant, instance, number).
    shape : (int, int, int)
    coordinates : mapping of str to ndarray
        All other variables; text as Python strings.
    rows : iterable of ndarray (instance, number)
        Of each person, in order.

    Raises
    ------
    ModalityError
        A value breaks its declaration.
    OutputError
        The disk is full.
    """
    stored_by_person = CHECKED | {"chunks": (1, *shape[1:])} if 0 not in shape else {}
    pieces = ((main, row, values) for row, values in enumerate(rows))
    large = {main: _Large(shape, stored_by_person)}
    _write_pieces(path, schema, large, coordinates, pieces, {})


def write_instances(
    path: Path | str,
    schema: Schema,
    shapes: Mapping[str, tuple[int, ...]],
    coordinates: Mapping[str, np.ndarray],
    rows: Iterable[Mapping[str, np.ndarray]],
) -> None:
    """Write a dataset with large variables whose instances are read one by one.

    Each instance of each person is a compressed chunk: a few slices of a volume are read without
    the others. The file reads as one that `write_dataset` wrote; memory holds one person and the
    coordinates.

    Parameters
    ----------
    path : Path or str
    schema : mapping
    shapes : mapping of str to tuple of int
        Of the large variables (participant, instance, ...).
    coordinates : mapping of str to ndarray
        All other variables; text as Python strings.
    rows : iterable of mapping of str to ndarray (instance, ...)
        Of each person, in order: the first instances, with the missing value where there are fewer.

    Raises
    ------
    ModalityError
        A value breaks its declaration.
    OutputError
        The disk is full.
    """
    large = {}
    for name, shape in shapes.items():
        missing = missing_value(schema[name])
        packed = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
        stored = CHECKED | packed | {"chunks": (1, 1, *shape[2:])} if 0 not in shape else {}
        large[name] = _Large(shape, {**stored, "fillvalue": missing})

    def pieces() -> Iterator[tuple[str, Any, np.ndarray]]:
        for row, values in enumerate(rows):
            for name, value in values.items():
                yield name, (row, slice(0, len(value))), value

    _write_pieces(path, schema, large, coordinates, pieces(), {})


@dataclass(frozen=True)
class _Large:
    """A variable that comes in pieces: its shape, and how HDF5 stores it."""

    shape: tuple[int, ...]
    storage: Mapping[str, Any]
    attributes: Mapping[str, str] = field(default_factory=dict)


def _write_pieces(
    path: Path | str,
    schema: Schema,
    large: Mapping[str, _Large],
    coordinates: Mapping[str, np.ndarray],
    pieces: Iterable[tuple[str, Any, np.ndarray]],
    attributes: Mapping[str, str],
) -> None:
    """Write a dataset whose large variables come in pieces: name, index and values of each."""
    import h5netcdf

    with atomic_path(path) as temporary:
        sink = Sink(temporary)
        try:
            with h5netcdf.File(sink, "w") as stored:
                stored.dimensions = {
                    dimension: size
                    for name, one in large.items()
                    for dimension, size in zip(schema[name].dims, one.shape, strict=True)
                }
                stored.attrs.update({name: str(value) for name, value in attributes.items()})
                _write_coordinates(stored, schema, coordinates, str(path))
                sink.check()
                variables = {}
                for name, one in large.items():
                    declared = schema[name]
                    variables[name] = stored.create_variable(
                        name, declared.dims, dtype=np.dtype(declared.dtype), **one.storage
                    )
                    variables[name].attrs.update({**_described(declared), **one.attributes})
                for name, index, values in pieces:
                    _refuse(schema[name], values, str(path), name)
                    variables[name][index] = values
                    sink.check()
        finally:
            sink.close()
        sink.check()


def _write_coordinates(
    stored: Any, schema: Schema, coordinates: Mapping[str, np.ndarray], where: str
) -> None:
    import h5py

    for name, values in coordinates.items():
        _refuse(schema[name], values, where, name)
        for dimension, size in zip(schema[name].dims, values.shape, strict=True):
            if dimension not in stored.dimensions:
                stored.dimensions[dimension] = size
        text = schema[name].dtype == "text"
        dtype = h5py.string_dtype() if text else np.dtype(schema[name].dtype)
        checked = CHECKED | {"chunks": values.shape}
        variable = stored.create_variable(
            name,
            schema[name].dims,
            dtype=dtype,
            **(checked if values.size and not text else {}),
        )
        variable[...] = values.astype(object) if text else values
        variable.attrs.update(_described(schema[name]))


def _packed(shape: tuple[int, int]) -> dict[str, Any]:
    """Return how a table is stored: in compressed chunks, unless there is nothing in it."""
    if 0 in shape:
        return {}
    packed = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
    return CHECKED | packed | {"chunks": chunks_of(shape)}


def _described(variable: Variable) -> dict[str, str]:
    said = {"units": variable.unit, "long_name": variable.meaning}
    return {name: text for name, text in said.items() if text}


def _refuse(variable: Variable, values: np.ndarray, where: str, name: str) -> None:
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
    with opened(Path(path)) as stored:
        dataset = _dataset(stored)
    check(dataset, schema, str(path))
    return dataset


# What NetCDF and HDF5 keep for themselves among the attributes.
INTERNAL = {"CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "_FillValue", "coordinates"}


def _dataset(stored: h5py.File) -> xr.Dataset:
    """Return a NetCDF-4 file in memory; text as Python strings, of whatever length each is.

    xarray itself would give every text the width of the longest.
    """
    import xarray as xr

    variables: dict[str, Any] = {}
    coordinates: dict[str, Any] = {}
    for name, data in stored.items():
        if str(data.attrs.get("NAME", b"")).startswith("b'This is a netCDF dimension but"):
            continue
        dims = _dimensions(stored, name, data)
        values = texts(data[:]) if data.dtype.kind in "OS" else data[:]
        inner = {key: value for key, value in data.attrs.items() if not _internal(key)}
        of_instances = len(dims) == 1 and dims[0] not in {"participant", "permutation"}
        target = coordinates if name in dims or of_instances else variables
        target[name] = (dims, values, inner)
    attributes = {key: value for key, value in stored.attrs.items() if not _internal(key)}
    return xr.Dataset(variables, coords=coordinates, attrs=attributes)


def _internal(name: str) -> bool:
    return name in INTERNAL or name.startswith(("_Netcdf4", "_NC"))


def _dimensions(stored: h5py.File, name: str, data: h5py.Dataset) -> tuple[str, ...]:
    if data.attrs.get("CLASS") == b"DIMENSION_SCALE" and "DIMENSION_LIST" not in data.attrs:
        return (name,)
    return tuple(str(stored[scales[0]].name).lstrip("/") for scales in data.attrs["DIMENSION_LIST"])


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
        stored = dataset[name]
        if stored.dims != variable.dims:
            raise ModalityError(
                f"{where}: {name} has dimensions {stored.dims}, not {variable.dims}"
            )
        wanted_text = variable.dtype == "text"
        if wanted_text != (stored.dtype.kind in "UO") or (
            not wanted_text and stored.dtype != np.dtype(variable.dtype)
        ):
            raise ModalityError(f"{where}: {name} is {stored.dtype}, not {variable.dtype}")
        if variable.check is not None and (problem := variable.check(stored.values)):
            raise ModalityError(f"{where}: {name}: {problem}", cause="made by other software")
    if "participant" in dataset.variables:
        people = dataset["participant"].values
        if len(set(people.tolist())) != len(people):
            raise ModalityError(f"{where}: participants are listed twice")
