"""A number per person."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from gendmr.files.tables import MISSING


@dataclass(frozen=True)
class Measurements:
    """A measurement.

    Parameters
    ----------
    value : float64 (person,)
        In the unit of the table; NaN where unknown.
    """

    value: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """Who has been measured, bool (person,)."""
        return np.asarray(np.isfinite(self.value))

    def __len__(self) -> int:
        return len(self.value)

    def take(self, index: np.ndarray) -> Measurements:
        """Return the measurements of some people."""
        return Measurements(self.value[index])

    def permute(self, order: np.ndarray) -> Measurements:
        """Return measurements that changed hands: person i gets that of ``order[i]``."""
        return self.take(order)

    def strata(self) -> np.ndarray:
        """Return `third 1` to `third 3` of all who are known, or `n/a`, text (person,)."""
        strata = np.full(len(self), MISSING, dtype=object)
        value = self.value[self.known]
        if len(value):
            third = np.searchsorted(np.quantile(value, [1 / 3, 2 / 3]), value, side="left") + 1
            strata[self.known] = [f"third {number}" for number in third]
        return strata


Outcome = Measurements


def arrays(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return observed and predicted values."""
    return rows["observed"].to_numpy(float), rows["predicted"].to_numpy(float)
