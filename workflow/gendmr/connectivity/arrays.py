"""Arrays of numbers in the forms in which people keep time series and connectomes."""

from __future__ import annotations

import gzip
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gendmr.errors import InputFileError, ModalityError, first_few
from gendmr.files.opening import probe
from gendmr.files.tables import UNKNOWN_WORDS

SUFFIXES = (".tsv", ".csv", ".mat", ".1D", ".npy", ".txt")


@dataclass(frozen=True)
class NamedArray:
    """Numbers (row, column), and the names of the columns where the file has them."""

    values: np.ndarray
    names: tuple[str, ...] | None = None


def read_array(path: Path | str, variable: str | None = None) -> NamedArray:
    """Read a table of numbers; its ending says what it is.

    Parameters
    ----------
    path : Path or str
        `.tsv`, `.csv`, `.1D` or `.txt` with or without a line of names, `.npy`, `.mat`; text
        perhaps with `.gz`.
    variable : str, optional
        Of a `.mat` file; without it, the only array of numbers in it.

    Returns
    -------
    NamedArray
        float64 (row, column); a vector has one row. What is unknown is NaN.

    Raises
    ------
    InputFileError
        The file is missing, damaged or of another form.
    ModalityError
        It holds no table of numbers, or several.
    """
    path = Path(path)
    if not path.is_file():
        raise InputFileError(
            f"{path}: no such file",
            cause="a path that is relative to another folder, or a file that was not fetched",
            next_step=f"check the path: ls -l {path}",
        )
    ending = path.name.removesuffix(".gz").rpartition(".")[2]
    try:
        if ending == "npy":
            values: Any = np.load(path, allow_pickle=False)
            names = None
        elif ending == "mat":
            values, names = _from_mat(path, variable), None
        elif f".{ending}" in SUFFIXES:
            values, names = _from_text(path, "," if ending == "csv" else None)
        else:
            raise InputFileError(
                f"{path}: no known ending; known are {', '.join(SUFFIXES)}, text also with .gz",
                next_step="rename the file by what it holds, or save it in one of these forms",
            )
    except (OSError, ValueError, EOFError, KeyError, NotImplementedError, TypeError) as error:
        raise InputFileError(
            f"{path}: not readable as .{ending} ({error})",
            cause="the file is damaged, cut, or of another form than its ending says",
            next_step="fetch it again, or name the person in `connectivity: exclude:`",
        ) from error
    several = ending == "mat"
    return NamedArray(_table(np.asarray(values), str(path), several=several), names)


def read_cohort_arrays(path: str) -> dict[str, np.ndarray]:
    """Read the arrays of a `.npz` file of all people.

    Raises
    ------
    InputFileError
        The file is missing or damaged.
    """
    try:
        archive = np.load(path, allow_pickle=False)
    except Exception as error:
        raise _damaged(path, error) from error
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise _damaged(path, ValueError("a single array"))
    try:
        with archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:
        raise _damaged(path, error) from error


def _damaged(path: str, error: Exception) -> InputFileError:
    return InputFileError(
        f"{path}: not readable as .npz ({error})",
        cause="the file is damaged, missing, or holds Python objects",
        next_step=f"check the file: ls -l {path}",
    )


def _table(values: np.ndarray, where: str, *, several: bool) -> np.ndarray:
    """Return rows and columns; `several` says that the file may hold other arrays too."""
    if values.dtype.kind not in "fiu":
        raise ModalityError(
            f"{where}: holds {values.dtype}, not real numbers",
            cause="complex numbers or text",
            next_step="save real numbers, or name the person in `connectivity: exclude:`",
        )
    values = np.squeeze(values).astype(np.float64)
    values = values[None, :] if values.ndim == 1 else values
    if values.ndim != 2 or not values.size:
        raise ModalityError(
            f"{where}: an array of shape {values.shape}, not rows and columns",
            cause="another variable of the file, or an image",
            next_step="name an array of rows and columns in `connectivity: variable:`"
            if several
            else "save an array of rows and columns, or name the person in"
            " `connectivity: exclude:`",
        )
    return values


def _from_mat(path: Path, variable: str | None) -> np.ndarray:
    import h5py
    from scipy.io import loadmat

    if h5py.is_hdf5(path):
        probe(path)
        with h5py.File(path, "r") as file:
            # MATLAB writes columns first, so that HDF5 sees arrays transposed.
            arrays = {
                name: np.asarray(data[:]).T
                for name, data in file.items()
                if isinstance(data, h5py.Dataset) and data.dtype.kind in "fiu"
            }
    else:
        arrays = {
            name: value
            for name, value in loadmat(path).items()
            if isinstance(value, np.ndarray) and value.dtype.kind in "fiu" and value.size > 1
        }
    if variable is not None and variable not in arrays:
        raise ModalityError(
            f"{path}: no array {variable!r}; there are {first_few(arrays)}",
            next_step="correct `connectivity: variable:`",
        )
    if variable is None and len(arrays) != 1:
        raise ModalityError(
            f"{path}: {len(arrays)} arrays of numbers: {first_few(arrays)}",
            cause="a file that holds more than the data",
            next_step="name the array in `connectivity: variable:`",
        )
    return np.asarray(arrays[variable] if variable else next(iter(arrays.values())))


def _from_text(path: Path, separator: str | None) -> tuple[np.ndarray, tuple[str, ...] | None]:
    content = path.read_bytes()
    if path.suffix == ".gz":
        content = gzip.GzipFile(fileobj=io.BytesIO(content)).read()
    lines = [line for line in content.decode("utf-8-sig").splitlines() if line.strip()]
    if not lines:
        raise ValueError("empty")
    rows = [line.strip("\r\n").split(separator) for line in lines]
    rows = [[cell.strip().strip('"') for cell in row] for row in rows]
    names = None
    if any(_number(cell) is None for cell in rows[0]):
        names = tuple(rows.pop(0))
        if names[0] in {"#", "%"}:
            names = names[1:]
    widths = {len(row) for row in rows}
    if len(widths) != 1:
        raise ValueError(f"rows of {min(widths, default=0)} to {max(widths, default=0)} columns")
    numbers = [[_number(cell) for cell in row] for row in rows]
    unreadable = [cell for row, of in zip(rows, numbers, strict=True)
             for cell, number in zip(row, of, strict=True) if number is None]  # fmt: skip
    if unreadable:
        raise ValueError(f"{len(unreadable)} values are no numbers: {first_few(unreadable)}")
    if names is not None and len(names) != len(rows[0]):
        raise ValueError(f"{len(names)} names for {len(rows[0])} columns")
    return np.array(numbers, dtype=np.float64), names


def _number(cell: str) -> float | None:
    if cell.casefold() in UNKNOWN_WORDS:
        return float("nan")
    try:
        return float(cell)
    except ValueError:
        return None
