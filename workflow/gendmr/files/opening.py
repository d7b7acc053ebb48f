"""NetCDF files opened: checked against their seal, and whatever HDF5 says of them named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gendmr.errors import InputFileError
from gendmr.files.seal import verify

if TYPE_CHECKING:
    import h5py

# What reading a file with a wrong byte may raise: a lost variable is None, a lost link a KeyError.
DAMAGE = (
    *(OSError, ValueError, RuntimeError, KeyError),
    *(AttributeError, TypeError, IndexError, MemoryError),
)


def read_attributes(path: Path | str) -> dict[str, str]:
    """Read the attributes of a file as text.

    Raises
    ------
    InputFileError
        The file is missing or damaged.
    """
    with opened(Path(path)) as stored:
        return {str(key): str(value) for key, value in stored.attrs.items()}


def read_names(path: Path | str, variable: str) -> np.ndarray | None:
    """Read the names along one dimension, without what was measured; None where it is not there.

    Returns
    -------
    object (n,)
        Text.

    Raises
    ------
    InputFileError
        The file is missing or damaged.
    """
    with opened(Path(path)) as stored:
        return texts(stored[variable][:]) if variable in stored else None


@contextmanager
def opened(path: Path, next_step: str = "run the step that makes it") -> Iterator[h5py.File]:
    """Open a file; whatever HDF5 says of it, then or while it is read, is damage.

    Parameters
    ----------
    path : Path
    next_step : str
        Where the file is missing.

    Raises
    ------
    InputFileError
        The file is missing or damaged.
    """
    import h5py

    if not path.is_file():
        raise InputFileError(f"{path}: no such file", next_step=next_step)
    verify(path)
    try:
        with h5py.File(path, "r") as stored:
            yield stored
    except DAMAGE as error:
        raise InputFileError(
            f"{path}: not readable as NetCDF ({error})",
            cause="the file is damaged",
            next_step=f"rm {path} and run again",
        ) from error


def texts(values: np.ndarray) -> np.ndarray:
    """Return text as Python strings, each different one once: alleles are few and may be long."""
    known: dict[bytes | str, str] = {}
    decoded = np.empty(len(values), dtype=object)
    for place, value in enumerate(values.tolist()):
        if value not in known:
            known[value] = value.decode() if isinstance(value, bytes) else str(value)
        decoded[place] = known[value]
    return decoded
