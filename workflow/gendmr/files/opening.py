"""NetCDF files opened: checked against their seal, and whatever HDF5 says of them named."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gendmr.errors import InputFileError
from gendmr.files.atomic import damaged
from gendmr.files.seal import seal_of, verify

if TYPE_CHECKING:
    import h5py

# What reading a file with a wrong byte may raise: a lost variable is None, a lost link a KeyError.
DAMAGE = (
    *(OSError, ValueError, RuntimeError, KeyError),
    *(AttributeError, TypeError, IndexError, MemoryError),
)

# Processor seconds for a file without a seal, and for each GB of it: HDF5 may loop on damage.
SECONDS, SECONDS_PER_GB = 5, 60
# Files that were read to their end by a process of their own, with size, time and inode.
_PROBED: dict[str, tuple[int, int, int]] = {}


def read_attributes(path: Path | str) -> dict[str, str]:
    """Read the attributes of a file as text.

    Raises
    ------
    InputFileError
        The file is missing or damaged.
    """
    with opened(Path(path)) as file:
        return {str(key): str(value) for key, value in file.attrs.items()}


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
    with opened(Path(path)) as file:
        return texts(file[variable][:]) if variable in file else None


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
    probe(path)
    try:
        with h5py.File(path, "r") as file:
            yield file
    except DAMAGE as error:
        raise damaged(path, f"not readable as NetCDF ({error})") from error


def texts(values: np.ndarray) -> np.ndarray:
    """Return text as Python strings, each different one once: alleles are few and may be long."""
    text_of: dict[bytes | str, str] = {}
    decoded = np.empty(len(values), dtype=object)
    for place, value in enumerate(values.tolist()):
        if value not in text_of:
            text_of[value] = value.decode() if isinstance(value, bytes) else str(value)
        decoded[place] = text_of[value]
    return decoded


def probe(path: Path) -> None:
    """Let a process of its own read an HDF5 file without a seal: damage may crash or stall HDF5.

    What the other process is told by HDF5 is nothing here: this one will be told the same.

    Raises
    ------
    InputFileError
        The other process was ended by a signal.
    """
    if seal_of(path).is_file():
        return
    status = path.stat()
    state = (status.st_size, status.st_mtime_ns, status.st_ino)
    if _PROBED.get(str(path)) == state:
        return
    child = os.fork()
    if child == 0:
        # Nothing may run twice in the copy of this process: neither cleaning up nor a test.
        try:
            limit = SECONDS + int(SECONDS_PER_GB * status.st_size / 1e9)
            signal.signal(signal.SIGXCPU, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
            resource.setrlimit(resource.RLIMIT_CPU, (int(used) + limit, int(used) + limit + 1))
            _read_all(path)
        finally:
            os._exit(0)
    ended = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(ended):
        name = signal.Signals(os.WTERMSIG(ended)).name
        raise damaged(path, f"not readable as HDF5 (a process that read it was ended by {name})")
    _PROBED[str(path)] = state


def _read_all(path: Path) -> None:
    import h5py

    def read(_: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            item[()]
            dict(item.attrs)

    with h5py.File(path, "r") as file:
        file.visititems(read)
