"""NetCDF files whose largest variables come in pieces, so that they never stand in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gendmr.files.atomic import atomic_path
from gendmr.files.datasets import (
    CHECKED,
    Schema,
    chunks_of,
    described,
    missing_value,
    refuse_values,
)
from gendmr.files.sink import Sink


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
    auxiliary = [name for name in coordinates if name not in schema[main].dims]
    large = _Large(shape, _packed(shape), {"coordinates": " ".join(auxiliary)})
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
        storage = CHECKED | packed | {"chunks": (1, 1, *shape[2:])} if 0 not in shape else {}
        large[name] = _Large(shape, {**storage, "fillvalue": missing})

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
            with h5netcdf.File(sink, "w") as file:
                file.dimensions = {
                    dimension: size
                    for name, variable in large.items()
                    for dimension, size in zip(schema[name].dims, variable.shape, strict=True)
                }
                file.attrs.update({name: str(value) for name, value in attributes.items()})
                _write_coordinates(file, schema, coordinates, str(path))
                sink.check()
                variables = {}
                for name, large_variable in large.items():
                    declared = schema[name]
                    variables[name] = file.create_variable(
                        name,
                        declared.dims,
                        dtype=np.dtype(declared.dtype),
                        **large_variable.storage,
                    )
                    variables[name].attrs.update(
                        {**described(declared), **large_variable.attributes}
                    )
                for name, index, values in pieces:
                    refuse_values(schema[name], values, str(path), name)
                    variables[name][index] = values
                    sink.check()
        finally:
            sink.close()
        sink.check()


def _write_coordinates(
    file: Any, schema: Schema, coordinates: Mapping[str, np.ndarray], where: str
) -> None:
    import h5py

    for name, values in coordinates.items():
        refuse_values(schema[name], values, where, name)
        for dimension, size in zip(schema[name].dims, values.shape, strict=True):
            if dimension not in file.dimensions:
                file.dimensions[dimension] = size
        text = schema[name].dtype == "text"
        dtype = h5py.string_dtype() if text else np.dtype(schema[name].dtype)
        checked = CHECKED | {"chunks": values.shape}
        variable = file.create_variable(
            name,
            schema[name].dims,
            dtype=dtype,
            **(checked if values.size and not text else {}),
        )
        variable[...] = values.astype(object) if text else values
        variable.attrs.update(described(schema[name]))


def _packed(shape: tuple[int, int]) -> dict[str, Any]:
    """Return how a table is stored: in compressed chunks, unless there is nothing in it."""
    if 0 in shape:
        return {}
    packed = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
    return CHECKED | packed | {"chunks": chunks_of(shape)}
