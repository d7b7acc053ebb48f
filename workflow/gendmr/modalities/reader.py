"""Rows of some people in the file of a modality, read when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gendmr.errors import ModalityError, first_few
from gendmr.files.datasets import Variable, missing_value
from gendmr.files.opening import opened, texts
from gendmr.modalities.base import Modality

if TYPE_CHECKING:
    import h5py

ROWS = 256  # people read at a time
COLUMNS = 4096  # instances read at a time; both are multiples of the chunks of the file
KEPT = 1 << 26  # bytes of a variable that is kept in memory once it was read


class ArrayReader:
    """Rows of some people in `cohort/<modality>.nc`.

    Parameters
    ----------
    path : Path
    modality : Modality
    people : object (n,)
        Text; whom it can reach.
    present : bool (n,)
        Who of them has a row; the others are missing values.

    Raises
    ------
    ModalityError
        Somebody who should have a row has none.
    """

    def __init__(
        self, path: Path, modality: Modality, people: np.ndarray, present: np.ndarray
    ) -> None:
        self.path = path
        self.modality = modality
        self._rows = np.full(len(people), -1, dtype=np.int64)
        self._cached: dict[str, np.ndarray] = {}
        if present.any():
            with self._open() as stored:
                index = pd.Index(texts(stored["participant"][:]))
            rows = index.get_indexer(people[present])
            if (rows < 0).any():
                absent = people[present][rows < 0]
                raise ModalityError(
                    f"{path}: {len(absent)} people who should be in it are not:"
                    f" {first_few(absent)}",
                    cause="participants.tsv is of another run",
                    next_step="run the rule join_people again",
                )
            self._rows[present] = rows

    @cached_property
    def instances(self) -> pd.DataFrame:
        """Instances, one a row: the coordinates of the modality's own dimension."""
        name = self.modality.name
        with self._open() as stored:
            columns = {
                coordinate: _values(stored[coordinate])
                for coordinate, variable in self.modality.schema.items()
                if variable.dims == (name,) and coordinate in stored
            }
        return pd.DataFrame(columns)

    @cached_property
    def attributes(self) -> dict[str, str]:
        """Attributes of the file: genome build, template space, units."""
        with self._open() as stored:
            return {str(name): str(value) for name, value in stored.attrs.items()}

    def array(
        self, variable: str, index: np.ndarray, columns: np.ndarray | None = None
    ) -> np.ndarray:
        """Return a variable of the people at `index`, (n, ...); see `Subset.array`."""
        declared = self.modality.schema[variable]
        if len(declared.dims) == 1:
            with self._open() as stored:
                values = stored[variable][:]
                if declared.dtype == "text":
                    values = texts(values)
                return self._checked(variable, self._spread(values, index, declared))
        if len(declared.dims) >= 3:
            return self._bags(variable, index, columns)
        if variable not in self._cached:
            with self._open() as stored:
                size = stored[variable].shape[1] * stored[variable].dtype.itemsize
            if size * len(self._rows) <= KEPT:
                all_rows = np.arange(len(self._rows))
                self._cached[variable] = self._read(variable, all_rows, None)
        if variable in self._cached:
            values = self._cached[variable][index]
            return np.asarray(values if columns is None else values[:, columns])
        return self._read(variable, index, columns)

    def blocks(self, variable: str, index: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Give a variable (n, instance) some instances at a time; see `Subset.blocks`."""
        if variable in self._cached:
            values = self._cached[variable]
            for start in range(0, values.shape[1], COLUMNS):
                yield start, values[index, start : start + COLUMNS]
            return
        with self._open() as stored:
            data = stored[variable]
            for start in range(0, data.shape[1], COLUMNS):
                stop = min(start + COLUMNS, data.shape[1])
                yield start, self._block(variable, data, index, start, stop)

    def _bags(
        self, variable: str, index: np.ndarray, columns: np.ndarray | None = None
    ) -> np.ndarray:
        """Return a variable (n, instance, ...), read person by person; a small one is kept."""
        declared = self.modality.schema[variable]
        if variable in self._cached:
            values = self._cached[variable][index]
            return np.asarray(values if columns is None else values[:, columns])
        with self._open() as stored:
            data = stored[variable]
            size = data.dtype.itemsize * int(np.prod(data.shape[1:], dtype=np.int64))
            small = size * len(self._rows) <= KEPT
            if small and (len(index) < len(self._rows) or columns is not None):
                self._cached[variable] = self._bags(variable, np.arange(len(self._rows)))
                return self._bags(variable, index, columns)
            count = data.shape[1] if columns is None else len(columns)
            shape = (len(index), count, *data.shape[2:])
            values = np.full(shape, missing_value(declared), data.dtype)
            for place, row in enumerate(self._rows[index].tolist()):
                if row < 0:
                    continue
                if columns is None:
                    values[place] = data[row]
                for number, column in enumerate(() if columns is None else columns.tolist()):
                    values[place, number] = data[row, column]
        return self._checked(variable, values)

    def _read(self, variable: str, index: np.ndarray, columns: np.ndarray | None) -> np.ndarray:
        """Read block by block: only blocks with an instance that is asked for."""
        with self._open() as stored:
            data = stored[variable]
            selected = np.arange(data.shape[1]) if columns is None else np.asarray(columns)
            values = np.empty((len(index), len(selected)), dtype=data.dtype)
            order = np.argsort(selected, kind="stable")
            edges = np.arange(0, data.shape[1] + COLUMNS, COLUMNS)
            starts = np.searchsorted(selected[order], edges)
            for block, start in enumerate(edges[:-1]):
                places = order[starts[block] : starts[block + 1]]
                if places.size:
                    stop = min(int(start) + COLUMNS, data.shape[1])
                    part = self._block(variable, data, index, int(start), stop)
                    values[:, as_slice(places)] = part[:, as_slice(selected[places] - start)]
        return values

    def _block(
        self, variable: str, data: h5py.Dataset, index: np.ndarray, start: int, stop: int
    ) -> np.ndarray:
        """Return columns start to stop of the people at `index`; nobody else's row leaves it."""
        declared = self.modality.schema[variable]
        values = np.full((len(index), stop - start), missing_value(declared), dtype=data.dtype)
        rows = self._rows[index]
        places = np.flatnonzero(rows >= 0)
        places = places[np.argsort(rows[places], kind="stable")]
        for first in range(0, data.shape[0], ROWS):
            low, high = np.searchsorted(rows[places], [first, first + ROWS])
            if low < high:
                last = int(rows[places[high - 1]]) + 1
                part = data[first:last, start:stop]
                values[places[low:high]] = part[rows[places[low:high]] - first]
        return self._checked(variable, values)

    def _spread(self, values: np.ndarray, index: np.ndarray, declared: Variable) -> np.ndarray:
        rows = self._rows[index]
        spread = np.full(len(index), missing_value(declared), dtype=values.dtype)
        spread[rows >= 0] = values[rows[rows >= 0]]
        return spread

    def _checked(self, variable: str, values: np.ndarray) -> np.ndarray:
        check = self.modality.schema[variable].check
        if check is not None and (problem := check(values)):
            raise ModalityError(
                f"{self.path}: {variable}: {problem}", cause="made by other software"
            )
        return values

    def _open(self) -> AbstractContextManager[h5py.File]:
        return opened(self.path, "run the rule collect_modality again")


def as_slice(index: np.ndarray) -> np.ndarray | slice:
    """Return an index without gaps as a slice, which copies several times faster."""
    if index.size and index[-1] - index[0] + 1 == index.size and (np.diff(index) == 1).all():
        return slice(int(index[0]), int(index[-1]) + 1)
    return index


def _values(data: h5py.Dataset) -> np.ndarray:
    values: np.ndarray = data[:]
    return texts(values) if values.dtype.kind in "OS" else values
