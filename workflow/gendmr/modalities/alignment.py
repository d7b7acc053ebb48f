"""Instances that a model reads, looked up in the file of a modality of another cohort."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from gendmr.files.datasets import missing_value
from gendmr.modalities.base import Modality
from gendmr.modalities.reader import ArrayReader


@dataclass(frozen=True)
class FoundInstances:
    """Where each wanted instance lies among those that a file offers.

    Parameters
    ----------
    places : int (wanted,)
        -1 where the file lacks it.
    reflected : bool (wanted,)
        Whose values stand for the opposite; counted from `span` they are what is wanted.
    counts : mapping of str to int
        What was done, in words of a table's columns: `flipped`, `ambiguous`.
    span : int
        A value and its opposite add up to it: 2 copies of an allele.
    """

    places: np.ndarray
    reflected: np.ndarray
    counts: Mapping[str, int] = field(default_factory=dict)
    span: int = 0

    @property
    def matched(self) -> np.ndarray:
        """Return which instances are there, bool (wanted,)."""
        return np.asarray(self.places >= 0)


def align_names(
    wanted: pd.DataFrame, offered: pd.DataFrame, mean: Callable[[np.ndarray], np.ndarray]
) -> FoundInstances:
    """Align instances that have the same name; of names that a file has twice, none is taken.

    Parameters
    ----------
    wanted, offered : DataFrame
        Instances, one a row; the first column has their names.
    mean : callable
        Not called: names tell all. See `gendmr.modalities.snp.alignment`.
    """
    name = wanted.columns[0]
    unique = ~offered[name].duplicated(keep=False).to_numpy()
    index = pd.Index(offered[name].to_numpy(dtype=object)[unique])
    places = index.get_indexer(wanted[name].to_numpy(dtype=object))
    places = np.where(places >= 0, np.append(np.flatnonzero(unique), -1)[places], -1)
    return FoundInstances(places, np.zeros(len(wanted), dtype=bool))


class AlignedReader(ArrayReader):
    """Rows of some people of another cohort, with the instances that a model reads.

    Parameters
    ----------
    path, modality, people, present
        See `ArrayReader`.
    wanted : DataFrame
        Instances of the model.
    alignment : FoundInstances
    """

    def __init__(
        self,
        path: Path,
        modality: Modality,
        people: np.ndarray,
        present: np.ndarray,
        wanted: pd.DataFrame,
        alignment: FoundInstances,
    ) -> None:
        super().__init__(path, modality, people, present)
        self.instances = wanted
        self.alignment = alignment
        self.has_people = bool(present.any())

    def array(
        self, variable: str, index: np.ndarray, columns: np.ndarray | None = None
    ) -> np.ndarray:
        """Return a variable of the people at `index`, missing where the file lacks an instance."""
        declared = self.modality.schema[variable]
        of_instances = self.modality.name in declared.dims
        if not self.has_people:
            kind = np.dtype(object if declared.dtype == "text" else declared.dtype)
            shape = (len(index), len(self.instances)) if of_instances else (len(index),)
            values = np.full(shape, missing_value(declared), dtype=kind)
            return values if columns is None or not of_instances else values[:, columns]
        if not of_instances or len(declared.dims) > 2:
            return super().array(variable, index, columns)
        selected = np.arange(len(self.instances)) if columns is None else np.asarray(columns)
        places, missing = self.alignment.places[selected], missing_value(declared)
        matched = places >= 0
        stored = super().array(variable, index, places[matched])
        values = np.full((len(index), len(selected)), missing, dtype=stored.dtype)
        values[:, matched] = stored
        reflected = self.alignment.reflected[selected]
        if variable == self.modality.main and reflected.any():
            part = values[:, reflected]
            values[:, reflected] = np.where(part == missing, part, self.alignment.span - part)
        return values

    def blocks(self, variable: str, index: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Give a variable (n, instance) at once: nothing is fitted on these people."""
        yield 0, self.array(variable, index)
