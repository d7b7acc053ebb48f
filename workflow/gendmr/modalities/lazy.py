"""Measurements that are read when they are asked for, a few people at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gendmr.modalities.subset import Subset


@dataclass(frozen=True)
class LazyRows:
    """A variable of some people that stays in its file until `read`.

    It stands where an array (person, ...) would: `rows[index]` gives fewer people and reads
    nothing.

    Parameters
    ----------
    subset : Subset
    modality, variable : str
    """

    subset: Subset
    modality: str
    variable: str

    def __len__(self) -> int:
        return len(self.subset)

    def __getitem__(self, index: np.ndarray | slice) -> LazyRows:
        """Return some of the people, by an integer or boolean index or a slice."""
        places = np.arange(len(self))[index]
        return replace(self, subset=self.subset.take(places))

    def read(self) -> np.ndarray:
        """Return the values (person, ...), what is missing as the variable's missing value."""
        return self.subset.array(self.modality, self.variable)
