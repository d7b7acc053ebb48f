"""Masks of people, read person by person; and of single slices, on which networks are trained."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gendmr.statistics.resize import resize
from gendmr.tasks.measured import OutcomeReader
from gendmr.tasks.quantitative.outcome import Measurements


@dataclass(frozen=True)
class Masks(Measurements):
    """Masks of lesions.

    Parameters
    ----------
    value : float64 (person,)
        Voxels that are lesion; NaN where there is no mask.
    index : int64 (person,)
        Places among the people of the reader.
    reader : OutcomeReader, optional
        Without it, only the sizes are known.
    """

    index: np.ndarray
    reader: OutcomeReader | None = None

    def take(self, index: np.ndarray) -> Masks:
        """Return the masks of some people."""
        return Masks(self.value[index], self.index[index], self.reader)

    def permute(self, order: np.ndarray) -> Masks:
        """Return masks that changed hands: person i gets that of ``order[i]``."""
        return self.take(order)

    def array(self, variable: str, person: int, slices: np.ndarray | None = None) -> np.ndarray:
        """Return a variable of one person, of some of the slices.

        Raises
        ------
        RuntimeError
            The outcome was read from a table alone.
        """
        if self.reader is None:
            raise RuntimeError("masks without a file")
        return np.asarray(self.reader.array(variable, self.index[[person]], slices)[0])

    def read(self, person: int, slices: np.ndarray | None = None) -> np.ndarray:
        """Return the mask of one person, uint8 (slice, row, column), in its own size.

        Parameters
        ----------
        person : int
        slices : int (slice,), optional
            Places in the volume, counted from 0; all where there is none.
        """
        mask = self.array("mask", person, slices)
        inside = mask >= 0
        rows, columns = inside.any(axis=(0, 2)), inside.any(axis=(0, 1))
        cut = mask[inside.any(axis=(1, 2))]
        return np.asarray(cut[:, rows][:, :, columns], dtype=np.uint8)


@dataclass(frozen=True)
class SliceMasks:
    """Masks of single slices, resized: what a network that reads slices is trained on.

    Parameters
    ----------
    masks : Masks
    person, place : int64 (slice,)
        Whose slice, and which one of the volume, counted from 0.
    side : int
        Rows, and columns, to which they are resized.
    """

    masks: Masks
    person: np.ndarray
    place: np.ndarray
    side: int

    @property
    def known(self) -> np.ndarray:
        """Whose mask is known, bool (slice,)."""
        return np.asarray(self.masks.known[self.person])

    def __len__(self) -> int:
        return len(self.person)

    def take(self, index: np.ndarray) -> SliceMasks:
        """Return the masks of some slices."""
        return SliceMasks(self.masks, self.person[index], self.place[index], self.side)

    def permute(self, order: np.ndarray) -> SliceMasks:
        """Return masks that changed hands: slice i gets that of ``order[i]``."""
        return self.take(order)

    def strata(self) -> np.ndarray:
        """Return the strata of the people, text (slice,)."""
        return np.asarray(self.masks.strata()[self.person])

    def read(self, index: np.ndarray) -> np.ndarray:
        """Return the share of each pixel that is lesion, float32 (slice, row, column), of some."""
        share = np.zeros((len(index), self.side, self.side), dtype=np.float32)
        people = self.person[index]
        for person in np.unique(people):
            rows = np.flatnonzero(people == person)
            mask = self.masks.read(int(person), self.place[index[rows]])
            share[rows] = resize(mask, self.side, self.side)
        return share

    @cached_property
    def share(self) -> np.ndarray:
        """The same of all slices; it stays in memory, four bytes for a pixel."""
        return self.read(np.arange(len(self)))

    @cached_property
    def lesion(self) -> np.ndarray:
        """Which slices show a lesion, bool (slice,); masks are read person by person."""
        lesion = np.zeros(len(self), dtype=bool)
        for person in np.unique(self.person):
            rows = np.flatnonzero(self.person == person)
            lesion[rows] = self.masks.read(int(person), self.place[rows]).any(axis=(1, 2))
        return lesion


Outcome = Masks
