"""What transforms that select nothing, and adjust nobody else, have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd

from gendmr.modalities.subset import Subset
from gendmr.tasks.base import Outcome, Task


@dataclass(frozen=True)
class UnselectedTransform:
    """The part of `gendmr.modalities.base.Transform` of those that keep all instances.

    Parameters
    ----------
    table : DataFrame
        Instances of the cohort.
    """

    table: pd.DataFrame

    @property
    def axis(self) -> pd.DataFrame:
        """All instances."""
        return self.table

    def portable(self) -> Self:
        """Return the same: no value of a person is in it."""
        return self

    def abs_z(self, outcomes: Sequence[Outcome], task: Task) -> None:
        """Return None: nothing is selected."""

    @property
    def instances(self) -> pd.DataFrame:
        """All instances."""
        return self.table

    @property
    def columns(self) -> np.ndarray:
        """All of them: none is left out."""
        return np.arange(len(self.table))

    @property
    def counts(self) -> Mapping[str, int]:
        """Nothing: nothing is selected."""
        return {}

    def adjustment(self, subset: Subset) -> np.ndarray:
        """Return nothing that others are adjusted for, float64 (person, 0)."""
        return np.zeros((len(subset), 0))

    @property
    def adjustment_names(self) -> list[str]:
        """Names of the columns of `adjustment`."""
        return []

    def keep(self, subset: Subset) -> None:
        """Do nothing: the reader keeps small tables, and large ones are read again."""
