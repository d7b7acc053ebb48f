"""Slices within a fold: read when they are asked for, normalised by their own volume."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np

from gendmr.config.modalities.base import ModalitySection
from gendmr.config.modalities.slice import SliceSection
from gendmr.errors import ConfigurationError, did_you_mean, first_few
from gendmr.files.opening import read_names
from gendmr.modalities.lazy import LazyRows
from gendmr.modalities.slice.modality import MODALITY
from gendmr.modalities.subset import Subset
from gendmr.modalities.unselected import UnselectedTransform
from gendmr.tasks.base import Outcome, Task

NAME, MAIN = MODALITY.name, MODALITY.main


@dataclass(frozen=True)
class LazySlices(LazyRows):
    """Slices of some people that stay in their file until they are read.

    Parameters
    ----------
    subset : Subset
    modality, variable : str
    names : tuple of str
        Channels that are read.
    places : int (channel,)
        Theirs in the file.
    """

    names: tuple[str, ...]
    places: np.ndarray

    @cached_property
    def counts(self) -> np.ndarray:
        """Number of slices of each person, int64 (person,); 0 without a volume."""
        numbers = self.subset.array(NAME, "slice_number")
        return np.asarray((numbers >= 0).sum(axis=1))

    @cached_property
    def known(self) -> np.ndarray:
        """Which channels say something of a person, float32 (person, channel), 0 or 1."""
        channel_known = self.subset.array(NAME, "channel_known")[:, self.places]
        return np.asarray(channel_known == 1, dtype=np.float32)

    @cached_property
    def side(self) -> int:
        """Rows, and columns, of a slice."""
        first = self.subset.take(np.zeros(1, dtype=np.int64))
        return int(first.array(NAME, MAIN, np.zeros(1, dtype=np.int64)).shape[-1])

    def read_slices(self, person: int, slices: np.ndarray) -> np.ndarray:
        """Return slices of one person, in SDs of the volume, 0 in channels that are not known.

        Parameters
        ----------
        person : int
            Place among these people.
        slices : int (slice,)
            Places in the volume, counted from 0, below `counts`.

        Returns
        -------
        float32 (slice, channel, row, column)
        """
        person_subset = self.subset.take(np.array([person]))
        values = person_subset.array(NAME, MAIN, np.asarray(slices))[0][:, self.places]
        return np.asarray(np.nan_to_num(values, nan=0.0), dtype=np.float32)

    def read(self) -> np.ndarray:
        """Return all slices (person, slice, channel, row, column), NaN where there is none."""
        return np.asarray(super().read()[:, :, self.places])


@dataclass(frozen=True)
class SliceTransform(UnselectedTransform):
    """See `gendmr.modalities.base.Transform`; nothing is fitted: a volume has its own statistics.

    Parameters
    ----------
    table : DataFrame
        Places in a volume.
    names : tuple of str
        Channels that are read.
    places : int64 (channel,)
        Theirs in the file.
    notes : list of str
    """

    names: tuple[str, ...]
    places: np.ndarray
    notes: list[str] = field(default_factory=list)

    @classmethod
    def fit(cls, train: Subset, section: ModalitySection, covariates: np.ndarray) -> Self:
        """Find the channels that are read; see `Transform.fit`.

        Raises
        ------
        ConfigurationError
            A channel is not in the file, or slices have another size than the section says.
        """
        if not isinstance(section, SliceSection):
            raise TypeError(f"a section {type(section).__name__}, not SliceSection")
        path = train.require("train").path(NAME)
        stored = read_names(path, "channel")
        available = [] if stored is None else stored.tolist()
        names = section.channels or tuple(available)
        absent = [name for name in names if name not in available]
        if absent:
            raise ConfigurationError(
                f"modalities.slice.channels: {first_few(absent)}: no such channel; there are"
                f" {first_few(available, 20)}{did_you_mean(absent, available)}",
                cause="a misspelt name, or a channel that `lesions: channels:` does not have",
                next_step="name some of these",
            )
        places = np.array([available.index(name) for name in names], dtype=np.int64)
        slices = LazySlices(train, NAME, MAIN, names, places)
        if slices.side != section.side:
            raise ConfigurationError(
                f"{path}: slices of {slices.side} x {slices.side} pixels, and the method asks for"
                f" {section.side} x {section.side}",
                cause="`side` in the options of one method: all methods read one file",
                next_step="set modalities.slice.side, and take it out of modality_options",
            )
        measured = train.present[NAME]
        copies = measured & (slices.known == 0).any(axis=1)
        notes = []
        if copies.any():
            notes.append(
                f"{int(copies.sum())} of {int(measured.sum())} training people have channels that"
                f" are constant or copies of another, and count as missing:"
                f" {first_few(train.participants[copies])}."
            )
        return cls(train.instances(NAME), names, places, notes)

    def condition(self, outcome: Outcome, task: Task, strength: np.ndarray | None) -> Self:
        """Return the same: nothing depends on the outcome."""
        return self

    def present(self, subset: Subset) -> np.ndarray:
        """Return who has a channel that is read and says something, bool (person,)."""
        has_channel = self.apply(subset).known.any(axis=1)
        return np.asarray(subset.present[NAME] & has_channel)

    def apply(self, subset: Subset) -> Any:
        """Return the slices as `LazySlices` (person, slice, channel, row, column)."""
        return LazySlices(subset, NAME, MAIN, self.names, self.places)

    def design(self, values: Any) -> np.ndarray:
        """Read slices, float32 (person, slice, channel, row, column), in SDs of each volume.

        NaN where there is no slice. All slices of these people are read: networks ask for some
        slices of a person instead (`LazySlices.read_slices`).

        Parameters
        ----------
        values : LazySlices
        """
        return np.asarray(values.read(), dtype=np.float32)

    def beyond(self, subset: Subset) -> dict[str, np.ndarray]:
        """Return nobody: intensities are clipped to limits of their own volume."""
        return {}

    def remarks(self, subset: Subset) -> list[str]:
        """Return a note on people none of whose channels says anything."""
        without_channel = subset.present[NAME] & ~self.present(subset)
        if not without_channel.any():
            return []
        return [
            f"{int(without_channel.sum())} of {len(subset)} {subset.role} people have none of the"
            f" channels {', '.join(self.names)}, which are constant or copies of another:"
            f" {first_few(subset.participants[without_channel])}."
        ]

    def tensors(self) -> dict[str, np.ndarray]:
        """Return which channels are read, by their places in the file."""
        return {"channel": self.places}


TRANSFORM = SliceTransform
