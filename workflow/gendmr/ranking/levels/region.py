"""Regions of the brain, by name and hemisphere."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gendmr.ranking.levels.generic import InstanceLevel


class RegionLevel(InstanceLevel):
    """Regions; `direction` is of the share of a region in the head."""

    def measured(self, columns: np.ndarray) -> np.ndarray:
        """Return volumes by intracranial volume (person, column): heads differ in size."""
        share: np.ndarray = self.file.array("volume", columns) / self.file.array("icv")[:, None]
        return share

    def coordinates(self) -> pd.DataFrame:
        """Return the hemisphere of each region."""
        return self.file.instances[["hemisphere"]]


LEVEL = RegionLevel
